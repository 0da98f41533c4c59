"""Files of tensors: what is read is what was written, type, shape and layout included; damage is seen."""

import hashlib
import io
import pickle
import tracemalloc
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.benchmarks.runtime import tensor_files
from archselect.benchmarks.runtime.tensor_files import (
    PLACE,
    load_tensors,
    load_tensors_if_present,
    read_commit,
    save_tensors,
)
from archselect.nasbench_adapters.errors import UserError

DTYPES = (
    torch.float32,
    torch.float64,
    torch.int64,
    torch.uint8,
    torch.bool,
    torch.bfloat16,
)


@st.composite
def tensors(draw):
    """Of any type, shape and layout: transposed, sliced with gaps, expanded, empty, of no dimension."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 100)))
    tensor = torch.randint(2, shape, generator=generator).to(
        draw(st.sampled_from(DTYPES))
    )
    if tensor.dim():
        tensor = tensor.permute(draw(st.permutations(range(tensor.dim()))))
        if draw(st.booleans()):
            tensor = tensor[..., ::2]
        if draw(st.booleans()):
            tensor = tensor[:1].expand(3, *tensor.shape[1:]) if len(tensor) else tensor
    return (
        tensor.requires_grad_()
        if tensor.is_floating_point() and draw(st.booleans())
        else tensor
    )


contents = st.recursive(
    st.one_of(
        tensors(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(),
        st.none(),
        st.booleans(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers()), inner, max_size=3),
    ),
    max_leaves=12,
)


def same(a, b):
    """Whether two contents are equal; tensors bit by bit, with type and shape."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.detach(), b)
    if isinstance(a, dict):
        return (
            type(b) is dict
            and list(a) == list(b)
            and all(same(a[key], b[key]) for key in a)
        )
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=60)
@given(content=st.dictionaries(st.text(), contents, max_size=4))
def test_what_is_read_is_what_was_written(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("tensors") / "file"
    save_tensors(path, content)
    assert same(content, load_tensors(path))


def test_layout_is_kept_and_memory_is_not_shared(tmp_path):
    """Of what lies side by side, in whatever order; what has gaps or repeats is written out."""
    kernel = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    save_tensors(
        tmp_path / "a",
        {
            "kernel": kernel,
            "part": kernel[:, :2],
            "wide": torch.ones(2, 1).expand(2, 3),
        },
    )
    read = load_tensors(tmp_path / "a")
    assert read["kernel"].stride() == kernel.stride() and read["kernel"].is_contiguous(
        memory_format=torch.channels_last
    )
    assert read["part"].is_contiguous() and read["wide"].is_contiguous()
    read["kernel"].zero_()
    assert torch.equal(read["part"], kernel[:, :2])
    assert read["wide"].untyped_storage().nbytes() == 24


@pytest.mark.parametrize("cut", [0, 10, 31, 32, 33, 200, -1])
def test_a_damaged_file_is_refused(tmp_path, cut):
    path = tmp_path / "file"
    save_tensors(path, {"weights": torch.arange(50)})
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    with pytest.raises(
        UserError,
        match="is damaged, or archselect did not write it: remove it and run again",
    ):
        load_tensors(path)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(UserError, match="is damaged"):
        load_tensors(path)


def forge(path, content):
    """Write a file of another content than ours, with the checksum that fits, which anyone can make."""
    buffer = io.BytesIO()
    buffer.write(b"{}\n")
    torch.save(content, buffer)
    seal(path, buffer.getvalue())


def seal(path, file):
    path.write_bytes(hashlib.sha256(file).digest() + file)


def repeated(value, times=10, depth=10):
    """A list that holds one list ten times, which holds one list ten times, and so on."""
    for _ in range(depth):
        value = [value] * times
    return value


class PickledCall:
    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


FLAT = torch.zeros(10)
FORGED = {
    "a tensor of terabytes": {
        "content": {"w": {PLACE: (torch.float32, 0, (10**6, 10**6), (0, 0))}},
        "tensors": {torch.float32: FLAT},
    },
    "a tensor named a thousand times": {
        "content": {
            "w": [{PLACE: (torch.float32, 0, (10_000,), (1,))} for _ in range(1_000)]
        },
        "tensors": {torch.float32: torch.zeros(10_000)},
    },
    "lists within lists": {"content": {"w": repeated(0)}, "tensors": {}},
    "a tensor of less than nothing": {
        "content": {"w": {PLACE: (torch.float32, 0, (-1, 10**12), (0, 0))}},
        "tensors": {torch.float32: FLAT},
    },
    "bytes of a number": {
        "content": {"w": PickledCall(bytearray, 10**12)},
        "tensors": {},
    },
    "a tensor of a number": {
        "content": {"w": PickledCall(torch.FloatTensor, 10**6, 10**6)},
        "tensors": {},
    },
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_small_file_takes_little_memory(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(tensor_files, "MOST_VALUES", 100_000)
    path = tmp_path / "file"
    forge(path, FORGED[kind])
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(
            UserError,
            match="is damaged, or archselect did not write it: remove it and run again",
        ):
            load_tensors(path)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


def test_a_packed_file_is_none_of_ours(tmp_path):
    """Torch stores what it writes as it is: ten kilobytes could be ten megabytes else."""
    whole = io.BytesIO()
    torch.save(
        {"content": {}, "tensors": {torch.float32: torch.zeros(2_500_000)}}, whole
    )
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(whole) as old,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    seal(tmp_path / "file", b"{}\n" + packed.getvalue())
    assert (tmp_path / "file").stat().st_size < 100_000
    with pytest.raises(UserError, match="archselect did not write it"):
        load_tensors(tmp_path / "file")


def test_a_pickle_alone_is_none_of_ours(tmp_path):
    seal(tmp_path / "file", b"{}\n" + pickle.dumps({"content": {}, "tensors": {}}))
    with pytest.raises(UserError, match="archselect did not write it"):
        load_tensors(tmp_path / "file")


def test_a_file_that_is_gone(tmp_path):
    """As one that another process has removed since it was listed."""
    path = tmp_path / "file"
    assert load_tensors_if_present(path) is None and read_commit(path) is None
    with pytest.raises(UserError, match="archselect did not write it"):
        load_tensors(path)
