"""Arrays of an archive are what was written, and no archive takes far more memory than it has bytes."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from archselect.nasbench_adapters import arrays
from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.errors import UserError

ARRAYS = {
    "a": np.arange(6.0).reshape(2, 3),
    "b": np.asfortranarray(np.arange(6, dtype=np.int8).reshape(2, 3)),
    "c": np.array(True),
    "d": np.zeros((0, 4), np.float32),
    "e": np.array(["one", "three"]),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path: Path, save: object) -> None:
    save(tmp_path / "a.npz", **ARRAYS)  # type: ignore[operator]
    with open_arrays(tmp_path / "a.npz") as found:
        assert (
            list(found) == list(ARRAYS)
            and len(found) == 5
            and "a" in found
            and "z" not in found
        )
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype
        with pytest.raises(KeyError):
            found["z"]


def header(shape: object, dtype: str = "<f8") -> bytes:
    """The beginning of an array's file."""
    text = (
        repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    )
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def archive(path: Path, content: bytes, packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as file:
        file.writestr("a.npy", content)
    return path


FOREIGN = {
    "terabytes": (header((10**12,)), "is shorter or longer than its header says"),
    "a bit more": (
        header((2,)) + bytes(8),
        "is shorter or longer than its header says",
    ),
    "a bit less": (
        header((2,)) + bytes(17),
        "is shorter or longer than its header says",
    ),
    "less than nothing": (
        header((-1, -8)) + bytes(64),
        "is shorter or longer than its header says",
    ),
    "no shape": (header("x"), "shape"),
    "a large element": (
        header((1,), "<U100000000"),
        "is shorter or longer than its header says",
    ),
    "objects": (header((1,), "|O") + bytes(8), "holds objects"),
    "no array": (b"just bytes", "magic"),
    "another version": (b"\x93NUMPY\x09\x00" + bytes(100), "plain array"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_an_array_is_as_long_as_its_header_says(tmp_path: Path, kind: str) -> None:
    content, message = FOREIGN[kind]
    path = archive(tmp_path / "a.npz", content)
    tracemalloc.start()
    try:
        with open_arrays(path) as found, pytest.raises(ValueError, match=message):
            found["a"]
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_an_archive_that_unpacks_to_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(
        tmp_path / "a.npz", a=np.zeros(1_000_000), b=np.zeros(1_000_000)
    )
    monkeypatch.setattr(arrays, "most_unpacked", lambda packed: 50 * packed)
    with (
        pytest.raises(
            UserError,
            match=r"a\.npz has [\d,]+ bytes and unpacks to more than .*: get it again",
        ),
        open_arrays(tmp_path / "a.npz"),
    ):
        pass


def test_real_arrays_are_far_from_the_limit(root: Path) -> None:
    """The table that comes with archselect, and the traces of a published study."""
    real = [
        *root.glob("nasbench_adapters/truth/tables/*.npz"),
        *root.glob("docs/results/*/traces/*.npz"),
    ]
    assert len(real) > 10
    for path in real:
        with zipfile.ZipFile(path) as file:
            assert (
                sum(member.file_size for member in file.infolist())
                < 25 * path.stat().st_size
            )
        with open_arrays(path) as found:
            assert all(array.size for array in found.values())


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused(tmp_path: Path, packing: int) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    with (
        pytest.raises(ValueError, match="numpy does not use"),
        open_arrays(archive(tmp_path / "a", buffer.getvalue(), packing)),
    ):
        pass


def test_an_archive_of_too_many_arrays_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "MOST_ARRAYS", 2)
    np.savez(tmp_path / "a.npz", a=0, b=0, c=0)
    with (
        pytest.raises(ValueError, match="3 arrays, more than 2"),
        open_arrays(tmp_path / "a.npz"),
    ):
        pass
