"""The restricted reader gives back plain data and numpy's numbers, and refuses whatever could run or reach out."""

from __future__ import annotations

import bz2
import os
import pickle
import pickletools
import tracemalloc
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.safe_pickle import (
    STAND_INS,
    read_large_pickle,
    read_pickle,
    to_whole_numbers,
)
from archselect.nasbench_adapters.truth.nb201_file import load_plain

NUMBERS = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(32, 64)),
)
ARRAYS = npst.arrays(
    NUMBERS, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
PLAIN_DATA = st.recursive(
    SCALARS | st.sets(st.integers() | st.text()),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner)
    ),
    max_leaves=8,
)
PROTOCOLS = st.integers(2, pickle.HIGHEST_PROTOCOL)


class ShellCommand:
    """Pickles to a call of `os.system`."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


class CallOnLoad:
    """Pickles to a call of any function, and a state that is set afterwards."""

    def __init__(
        self, function: Callable[..., Any], *arguments: object, state: object = None
    ) -> None:
        self.reduced = (function, arguments, state)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


Load = Callable[[bytes], Any]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """What a file of these bytes is read as."""
    path = tmp_path_factory.mktemp("pickles") / "data.pkl"

    def read(content: bytes) -> Any:
        path.write_bytes(content)
        return read_pickle(path)

    return read


@given(ARRAYS, PROTOCOLS, st.booleans())
def test_arrays_survive(
    load: Load, array: np.ndarray, protocol: int, fortran: bool
) -> None:
    array = np.asfortranarray(array) if fortran else array
    found = load(pickle.dumps({"data": array}, protocol))["data"]
    assert found.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(np.asarray(found), array)


@given(ARRAYS.filter(lambda array: array.size > 0), PROTOCOLS)
def test_numbers_survive_as_those_of_python(
    load: Load, array: np.ndarray, protocol: int
) -> None:
    number = array.ravel()[0]
    found = load(pickle.dumps([number], protocol))[0]
    np.testing.assert_array_equal(found, number)
    assert type(found) in (bool, int, float)


@given(PLAIN_DATA, PROTOCOLS)
def test_plain_data_survives(load: Load, data: object, protocol: int) -> None:
    assert load(pickle.dumps(data, protocol)) == data


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_containers_survive(load: Load, protocol: int) -> None:
    data = [OrderedDict(a=1), defaultdict(list, b=[2]), {3}]
    found = load(pickle.dumps(data, protocol))
    assert found == data and [type(one) for one in found] == [
        OrderedDict,
        defaultdict,
        set,
    ]


def test_compressed_files(tmp_path: Path) -> None:
    path = tmp_path / "data.pickle.pbz2"
    whole = bz2.compress(pickle.dumps({"a": [1]}))
    path.write_bytes(whole)
    assert read_pickle(path) == {"a": [1]}
    for size in range(len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"data\.pickle\.pbz2"):
            read_pickle(path)


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_both_numpy_module_names(load: Load, core: bytes) -> None:
    content = pickle.dumps([np.arange(6, dtype=np.uint8), np.float64(1.5)], 2)
    for name in (b"numpy._core.multiarray", b"numpy.core.multiarray"):
        content = content.replace(name, core + b".multiarray")
    array, number = load(content)
    np.testing.assert_array_equal(array, np.arange(6))
    assert number == 1.5


def test_a_pickle_of_python_2(load: Load) -> None:
    # {'data': numpy.array([[0, 255]], dtype=uint8), 'labels': [7]}, as Python 2 and
    # numpy 1 wrote it, protocol 2.
    content = (
        b"\x80\x02}q\x00(U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04"
        b"U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x01K\x02\x86q\x08cnumpy\ndtype\nq\tU\x02u1q\nK\x00K\x01\x87q\x0bRq\x0c("
        b"K\x03U\x01|q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb\x89U\x02\x00\xffq\x0ftq\x10b"
        b"U\x06labelsq\x11]q\x12K\x07au."
    )
    assert list(pickletools.genops(content))[-1][0].name == "STOP"  # well formed
    found = load(content)
    np.testing.assert_array_equal(found["data"], np.array([[0, 255]], np.uint8))
    assert found["labels"] == [7]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_runs(load: Load, tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    with pytest.raises(UserError, match=r"refused: it asks for \w+\.system"):
        load(pickle.dumps({"data": ShellCommand(f"touch {trace}")}, protocol))
    assert not trace.exists()


@pytest.mark.parametrize(
    "value",
    [
        np.array([{"a": 1}], dtype=object),
        np.array(["text"]),
        np.zeros(2, dtype=[("a", "u1"), ("b", "f4")]),
        np.datetime64("2020-01-01"),
        np.dtype("O"),
    ],
    ids=["objects", "texts", "records", "dates", "a dtype"],
)
def test_only_arrays_of_numbers(load: Load, value: object) -> None:
    with pytest.raises(
        UserError, match=r"refused: it holds an array of .*, not of numbers"
    ):
        load(pickle.dumps(value))


def test_an_object_dtype_with_forged_flags_is_refused(load: Load) -> None:
    # With its flags cleared, numpy itself would take eight bytes of the file for an
    # address.
    forged = pickle.dumps(np.arange(1), 2).replace(b"i8", b"O8")
    with pytest.raises(UserError, match="not of numbers"):
        load(forged)


def test_an_array_needs_a_dtype_of_ours(load: Load) -> None:
    state = (1, (1,), "O", False, [None])
    with pytest.raises(UserError, match="refused: it holds an array without a dtype"):
        load(pickle.dumps(CallOnLoad(np.ndarray, (0,), state=state)))


def test_an_array_cannot_be_a_view_of_what_the_file_names(load: Load) -> None:
    # Such a view would outlive the memory of an array whose state is set once more.
    found = load(pickle.dumps(CallOnLoad(np.ndarray, (4,), "O", bytes(32))))
    assert found.shape == (0,) and found.dtype == np.uint8
    first = np.arange(3, dtype=np.uint8)
    array, view = load(
        pickle.dumps(
            [first, CallOnLoad(_numpys_frombuffer(), first, np.dtype("u1"), (3,), "C")]
        )
    )
    assert view.tolist() == [0, 1, 2] and not np.shares_memory(array, view)


def _numpys_frombuffer() -> Callable[..., Any]:
    return np.arange(3).__reduce_ex__(5)[0]  # type: ignore[return-value]


@pytest.mark.parametrize(
    "value",
    [np.float64, np.load, np.random.default_rng, eval, getattr, frozenset, Path("a")],
)
def test_other_names_are_refused(load: Load, value: object) -> None:
    with pytest.raises(UserError, match="refused: it asks for"):
        load(pickle.dumps(value))


@given(data=st.data())
def test_damage_is_a_user_error(load: Load, data: st.DataObject) -> None:
    whole = pickle.dumps(
        {"data": np.arange(20, dtype=np.uint8), "labels": [1, 2, 3]}, 2
    )
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(UserError):
        load(whole[:cut])


@given(noise=st.binary(max_size=60))
def test_noise_is_data_or_a_user_error(load: Load, noise: bytes) -> None:
    try:
        load(noise)
    except UserError as error:
        assert "data.pkl" in str(error)


@given(place=st.integers(0, 1000), value=st.integers(0, 255), protocol=PROTOCOLS)
def test_a_changed_byte_is_data_or_a_user_error(
    load: Load, place: int, value: int, protocol: int
) -> None:
    content = bytearray(
        pickle.dumps(
            {"a": np.arange(3.0), "b": [np.float32(1), {2}], "c": OrderedDict(d=b"")},
            protocol,
        )
    )
    content[place % len(content)] = value
    try:
        load(bytes(content))
    except UserError as error:
        assert "data.pkl" in str(error)


def repeated(value: object, times: int = 10, depth: int = 10) -> object:
    """A list that holds one list ten times, which holds one list ten times, and so on."""
    for _ in range(depth):
        value = [value] * times
    return value


def copies(kind: Callable[..., Any]) -> list[CallOnLoad]:
    """Calls that each copy the same hundred thousand numbers."""
    many = list(range(1_000, 101_000))
    return [CallOnLoad(kind, many) for _ in range(100)]


MUCH: dict[str, Callable[[], Any]] = {
    "bytes of a number": lambda: CallOnLoad(bytes, 10**12),
    "bytes of a range": lambda: CallOnLoad(bytes, range(10**12)),
    "a list of a number": lambda: CallOnLoad(list, 10**12),
    "a list of a range": lambda: CallOnLoad(list, range(10**12)),
    "an array of a number": lambda: CallOnLoad(
        _numpys_frombuffer(), 10**12, np.dtype("u1"), (3,), "C"
    ),
    "copies of a list": lambda: copies(list),
    "copies of a set": lambda: copies(set),
    "copies of bytes": lambda: [
        CallOnLoad(_numpys_frombuffer(), _SAME, np.dtype("u1"), (10**6,), "C")
        for _ in range(100)
    ],
    "empty lists": lambda: b"\x80\x02(" + b"]" * 2_000_000 + b"t.",
    "tuples within tuples": lambda: b"\x80\x02N" + b"\x85" * 2_000_000 + b".",
    "tuples": lambda: b"\x80\x02(" + b"N\x85" * 2_000_000 + b"t.",
}
_SAME = b"y" * 1_000_000


@pytest.mark.parametrize("kind", MUCH)
def test_a_pickle_takes_no_more_memory_than_data_of_its_size(
    load: Load, kind: str
) -> None:
    made = MUCH[kind]()
    content = made if isinstance(made, bytes) else pickle.dumps(made, 2)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"data\.pkl is (refused: it|damaged)"):
            load(content)
        assert tracemalloc.get_traced_memory()[1] < 16 * len(content) + (32 << 20)
    finally:
        tracemalloc.stop()


def test_what_is_named_in_many_places_is_no_array() -> None:
    """A list within a list takes no memory by itself; as an array it would fill gigabytes."""
    found = pickle.loads(pickle.dumps(repeated(0)))  # noqa: S301 (made here)
    assert (
        to_whole_numbers(found).dtype.kind == "f" and not to_whole_numbers(found).size
    )
    assert to_whole_numbers([1, 2]).tolist() == [1, 2] and to_whole_numbers(
        np.array([3])
    ).tolist() == [3]
    for other in ([], None, {}, "12", [1, [2]], [True]):
        assert not to_whole_numbers(other).size


def test_a_packed_pickle_that_unpacks_to_much(tmp_path: Path) -> None:
    path = tmp_path / "data.pickle.pbz2"
    path.write_bytes(bz2.compress(pickle.dumps(bytes(40 << 20))))
    for read in (read_pickle, read_large_pickle):
        with pytest.raises(
            UserError,
            match=r"data\.pickle\.pbz2 has [\d,]+ bytes and unpacks to more than 32 MiB",
        ):
            read(path)


def test_large_pickles_are_read_as_they_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "data.pickle.pbz2"
    data = {"a": np.arange(1000), "b": [OrderedDict(c=1)] * 3}
    path.write_bytes(bz2.compress(pickle.dumps(data)))
    found = read_large_pickle(path)
    np.testing.assert_array_equal(found["a"], data["a"])
    assert found["b"] == data["b"]


@pytest.mark.parametrize("zipped", [False, True], ids=["as old versions", "zip"])
@pytest.mark.parametrize(
    "call",
    [
        CallOnLoad(bytearray, 10**12),
        CallOnLoad(torch.FloatTensor, 10**6, 10**6),
        CallOnLoad(Counter, "x"),
    ],
)
def test_torchs_loader_makes_nothing_of_a_number(
    tmp_path: Path, zipped: bool, call: CallOnLoad
) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": call}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match="is refused: it asks for"):
        load_plain(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*no\.pkl"):
        read_pickle(tmp_path / "no.pkl")


@pytest.mark.parametrize("zipped", [False, True], ids=["as old versions", "zip"])
def test_torchs_loader_meets_the_same_stand_ins(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "a.pth"
    data = {
        "number": np.float64(1.5),
        "list": OrderedDict(a=[{1}]),
        "array": np.arange(6.0).reshape(2, 3),
    }
    torch.save(data, path, _use_new_zipfile_serialization=zipped)
    found = load_plain(path)
    assert (
        found["number"] == 1.5
        and type(found["number"]) is float
        and found["list"] == data["list"]
    )
    assert type(found["array"]) is STAND_INS["numpy.ndarray"]
    np.testing.assert_array_equal(found["array"], data["array"])
    torch.save(
        np.array([object], dtype=object), path, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(UserError, match="refused"):
        load_plain(path)
