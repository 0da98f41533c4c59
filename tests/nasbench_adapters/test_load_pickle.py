"""The restricted reader gives back numpy's arrays, and refuses whatever could run or reach out."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.restricted import NUMPY, PLAIN, load_pickle

NUMBERS = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(32, 64)),
)
ARRAYS = npst.arrays(NUMBERS, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
PLAIN_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


class Command:
    """Pickles to a call of `os.system`."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def load(content: bytes, allowed: frozenset[tuple[str, str]] = NUMPY) -> object:
    return load_pickle(io.BytesIO(content), allowed)


@given(ARRAYS, st.integers(2, pickle.HIGHEST_PROTOCOL), st.booleans())
def test_arrays_survive(array: np.ndarray, protocol: int, fortran: bool) -> None:
    array = np.asfortranarray(array) if fortran else array
    found = load(pickle.dumps({"data": array}, protocol))["data"]
    assert found.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(np.asarray(found), array)


@given(ARRAYS.filter(lambda array: array.size > 0))
def test_numbers_survive(array: np.ndarray) -> None:
    number = array.ravel()[0]
    np.testing.assert_array_equal(load(pickle.dumps(number)), number)


@given(PLAIN_DATA, st.integers(3, pickle.HIGHEST_PROTOCOL))
def test_plain_data_needs_no_names(data: object, protocol: int) -> None:
    assert load(pickle.dumps(data, protocol), PLAIN) == data


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_both_numpy_module_names(core: bytes) -> None:
    content = pickle.dumps(np.arange(6, dtype=np.uint8), 2)
    content = content.replace(b"numpy._core.multiarray", core + b".multiarray")
    np.testing.assert_array_equal(load(content), np.arange(6))


def test_a_pickle_of_python_2() -> None:
    # {'data': numpy.array([[0, 255]], dtype=uint8), 'labels': [7]}, as Python 2 and numpy 1 wrote it, protocol 2.
    content = (
        b"\x80\x02}q\x00(U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04"
        b"U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x01K\x02\x86q\x08cnumpy\ndtype\nq\tU\x02u1q\nK\x00K\x01\x87q\x0bRq\x0c("
        b"K\x03U\x01|q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb\x89U\x02\x00\xffq\x0ftq\x10b"
        b"U\x06labelsq\x11]q\x12K\x07au."
    )
    pickletools.dis(content, out=io.StringIO())  # well formed
    found = load(content)
    np.testing.assert_array_equal(found["data"], np.array([[0, 255]], np.uint8))
    assert found["labels"] == [7]


def test_nothing_runs(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with pytest.raises(UserError, match=r"refused: it asks for .*system"):
        load(pickle.dumps({"data": Command(f"touch {trace}")}))
    assert not trace.exists()


@pytest.mark.parametrize(
    "value",
    [
        np.array([{"a": 1}], dtype=object),
        np.array(["text"]),
        np.zeros(2, dtype=[("a", "u1"), ("b", "f4")]),
        np.datetime64("2020-01-01"),
    ],
    ids=["objects", "texts", "records", "dates"],
)
def test_only_arrays_of_numbers(value: object) -> None:
    with pytest.raises(UserError, match=r"refused|damaged"):
        load(pickle.dumps(value))


def test_an_object_dtype_with_forged_flags_is_refused() -> None:
    # With its flags cleared, numpy itself would take eight bytes of the file for an address.
    forged = pickle.dumps(np.arange(1), 2).replace(b"i8", b"O8")
    with pytest.raises(UserError, match="not of numbers"):
        load(forged)


@pytest.mark.parametrize("value", [OrderedDict(a=1), np.float64, np.load, eval, getattr])
def test_other_names_are_refused(value: object) -> None:
    with pytest.raises(UserError, match="refused: it asks for"):
        load(pickle.dumps(value))


def test_more_names_can_be_allowed() -> None:
    allowed = NUMPY | {("collections", "OrderedDict")}
    assert load(pickle.dumps(OrderedDict(a=1)), allowed) == OrderedDict(a=1)


def test_plain_refuses_arrays() -> None:
    with pytest.raises(UserError, match="refused: it asks for numpy"):
        load(pickle.dumps(np.arange(3)), PLAIN)


@given(st.data())
def test_damage_is_a_user_error(data: st.DataObject) -> None:
    whole = pickle.dumps({"data": np.arange(20, dtype=np.uint8), "labels": [1, 2, 3]}, 2)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(UserError):
        load(whole[:cut])


@given(st.binary(max_size=60))
def test_noise_is_data_or_a_user_error(noise: bytes) -> None:
    try:
        load(noise)
    except UserError as error:
        assert "the pickle" in str(error)


def test_the_message_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "batch_1"
    path.write_bytes(b"")
    with path.open("rb") as file, pytest.raises(UserError, match="batch_1"):
        load_pickle(file)
