"""Files of users are read only if they are plain, small enough and UTF-8."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import (
    expand,
    open_text,
    open_unpacked,
    read_bytes,
    read_text,
)


@pytest.mark.parametrize(
    "read", [read_text, read_bytes, lambda path: open_text(path).__enter__()]
)
@pytest.mark.parametrize("target", ["pipe", "/dev/zero", "folder"])
def test_only_plain_files_are_read(
    tmp_path: Path, read: Callable[[Path], object], target: str
) -> None:
    """A pipe would keep its reader waiting, and /dev/zero has no end; a link to either is no better."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(
        (UserError, OSError), match=r"it is a (pipe|device), not a file|Is a directory"
    ):
        read(tmp_path / "link")


def test_a_file_of_too_many_bytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(
        UserError,
        match=r"a\.json has 5 bytes, more than 4 bytes: use a smaller file",
    ):
        read_bytes(path, 4)
    with path.open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(UserError, match="has 8,589,934,592 bytes, more than 256 MiB"):
        read_text(path)


@pytest.mark.skipif(
    not Path("/proc/meminfo").is_file(), reason="the system has no /proc"
)
def test_a_file_that_grows_is_read_up_to_the_limit() -> None:
    """As those of /proc, of which the system says that they have no bytes."""
    assert b"MemTotal" in read_bytes(Path("/proc/meminfo"))
    with pytest.raises(UserError, match="more than 10 bytes"):
        read_bytes(Path("/proc/meminfo"), 10)


def test_a_small_file_that_unpacks_to_much_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"\n" * 3_000_000))

    def unpacked(always: int) -> bytes:
        with open_unpacked(
            path, lambda file: gzip.GzipFile(fileobj=file), always
        ) as file:
            return file.read()

    assert len(unpacked(3_000_000)) == 3_000_000
    with pytest.raises(
        UserError,
        match=r"a\.csv\.gz has [\d,]+ bytes and unpacks to more than 2 MiB, the limit for",
    ):
        unpacked(2 << 20)


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "b/" * 3000])
def test_what_can_be_the_name_of_no_file(name: str) -> None:
    with pytest.raises(
        UserError, match=r"is too long to be|cannot be the name of a file"
    ):
        expand(name)


TEXT = "first\nsecond: é, 中\n"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_texts_with_a_mark_or_crlf(tmp_path: Path, mark: bytes, end: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(mark + TEXT.replace("\n", end).encode())
    assert read_text(path) == TEXT
    with open_text(path) as file:
        assert file.read() == TEXT.replace("\n", end)
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with open_text(packed) as file:
        assert file.read() == TEXT.replace("\n", end)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16"), "is UTF-16: save it as UTF-8"),
        (
            "\ufeff".encode("utf-16-be") + TEXT.encode("utf-16-be"),
            "is UTF-16: save it as UTF-8",
        ),
        (TEXT.encode("utf-16-le"), "is UTF-16 or not text: save it as UTF-8"),
        (TEXT.encode("utf-32"), "is UTF-32: save it as UTF-8"),
        (
            "a\nb\n\xe9t\xe9\n".encode("latin-1"),
            ", line 3: byte 0xe9 is not UTF-8; the file is probably Latin-1",
        ),
        (b"\xe9", ", line 1: byte 0xe9 is not UTF-8"),
        (b"\xef\xbb\xbfa\r\n" * 9999 + b"\x80", ", line 10000: byte 0x80 is not UTF-8"),
    ],
)
def test_texts_of_other_encodings(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(content))
    with pytest.raises(UserError) as caught:
        read_text(path)
    assert str(caught.value).startswith(f"{path}") and message in str(caught.value)
    for file in (path, packed):
        with pytest.raises(UserError) as caught, open_text(file) as text:
            text.read()
        assert str(caught.value).startswith(f"{file}") and message.lstrip(", ") in str(
            caught.value
        )


def test_a_text_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        read_text(tmp_path)


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand("~/a") == tmp_path / "a" and expand(Path("~")) == tmp_path
    assert expand("a/~") == Path("a/~") and expand("/~/b") == Path("/~/b")
    with pytest.raises(
        UserError, match="cannot find the home folder of ~nobody-of-this-name/a"
    ):
        expand("~nobody-of-this-name/a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            gzip.compress(b"a,b", mtime=0),
            "packed with gzip: unpack it, or give it a name that ends in .gz",
        ),
        (b"PK\x03\x04...", "a zip archive: unpack it"),
        (b"PAR1...", "a Parquet file: give it a name that ends in .parquet"),
    ],
)
def test_a_file_that_is_no_text_is_named(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message), open_text(path):
        pass
    with pytest.raises(UserError, match=message):
        read_text(path)
