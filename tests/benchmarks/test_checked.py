"""Files of tensors: what is read is what was written, type, shape and layout included; damage is seen."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.benchmarks.checked import load_checked, save_checked
from archselect.nasbench_adapters.errors import UserError

DTYPES = (torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool, torch.bfloat16)


@st.composite
def tensors(draw):
    """Of any type, shape and layout: transposed, sliced with gaps, expanded, empty, of no dimension."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 100)))
    tensor = torch.randint(2, shape, generator=generator).to(draw(st.sampled_from(DTYPES)))
    if tensor.dim():
        tensor = tensor.permute(draw(st.permutations(range(tensor.dim()))))
        if draw(st.booleans()):
            tensor = tensor[..., ::2]
        if draw(st.booleans()):
            tensor = tensor[:1].expand(3, *tensor.shape[1:]) if len(tensor) else tensor
    return tensor.requires_grad_() if tensor.is_floating_point() and draw(st.booleans()) else tensor


contents = st.recursive(
    st.one_of(tensors(), st.integers(), st.floats(allow_nan=False), st.text(), st.none(), st.booleans()),
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
        return type(b) is dict and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=60)
@given(content=st.dictionaries(st.text(), contents, max_size=4))
def test_what_is_read_is_what_was_written(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("checked") / "file"
    save_checked(path, content)
    assert same(content, load_checked(path))


def test_layout_is_kept_and_memory_is_not_shared(tmp_path):
    """Of what lies side by side, in whatever order; what has gaps or repeats is written out."""
    kernel = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    save_checked(tmp_path / "a", {"kernel": kernel, "part": kernel[:, :2], "wide": torch.ones(2, 1).expand(2, 3)})
    read = load_checked(tmp_path / "a")
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
    save_checked(path, {"weights": torch.arange(50)})
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    with pytest.raises(UserError, match="is not a file of ours or is damaged: remove it and run again"):
        load_checked(path)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(UserError, match="is damaged"):
        load_checked(path)
