"""A file is written whole or not at all."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.files import expand, held, open_text, read_text, unwritable, write_atomically


def test_written_and_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.json"
    for content in (b"first", b"", b"third"):
        write_atomically(path, content)
        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]


@pytest.fixture(params=[0o022, 0o002, 0o077, 0o027])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_new_files_and_folders_have_the_permissions_that_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "new" / "a.json"
    write_atomically(path, b"")
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    assert path.parent.stat().st_mode & 0o777 == 0o777 & ~umask
    with held(path.parent):
        assert (path.parent / ".lock").stat().st_mode & 0o777 == 0o666 & ~umask
    assert {file.name for file in path.parent.iterdir()} <= {"a.json", ".lock"}


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, umask: int, mode: int) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"old")
    (tmp_path / "link.json").symlink_to("a.json")
    write_atomically(tmp_path / "link.json", b"new")
    assert (tmp_path / "link.json").is_symlink() and (tmp_path / "a.json").read_bytes() == b"new"


def test_a_device_or_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    """As /dev/null and /dev/stdout, which root could replace by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, b"new")
    assert os.read(reader, 10) == b"new" and pipe.is_fifo()
    os.close(reader)
    assert list(tmp_path.iterdir()) == [pipe]


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
        ("\ufeff".encode("utf-16-be") + TEXT.encode("utf-16-be"), "is UTF-16: save it as UTF-8"),
        (TEXT.encode("utf-16-le"), "is UTF-16 or no text: save it as UTF-8"),
        (TEXT.encode("utf-32"), "is UTF-32: save it as UTF-8"),
        ("a\nb\n\xe9t\xe9\n".encode("latin-1"), ", line 3: byte 0xe9 is not UTF-8; the file is probably Latin-1"),
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
        assert str(caught.value).startswith(f"{file}") and message.lstrip(", ") in str(caught.value)


def test_a_text_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        read_text(tmp_path)


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand("~/a") == tmp_path / "a" and expand(Path("~")) == tmp_path
    assert expand("a/~") == Path("a/~") and expand("/~/b") == Path("/~/b")
    with pytest.raises(UserError, match="cannot tell which folder ~nobody-of-this-name/a is"):
        expand("~nobody-of-this-name/a")


@pytest.mark.parametrize("step", ["fsync", "fdopen", "replace"])
def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if step == "replace" else os, step, full)
    with pytest.raises(UserError, match=r"cannot write .*a\.json: No space left on device; free space or name another"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(UserError, match="cannot write"):
        write_atomically(tmp_path / "a" / "b", b"")


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    taken = pytest.raises(UserError, match="another command is writing into")
    with held(tmp_path / "new"), taken, held(tmp_path / "new"):
        pass
    with held(tmp_path / "new"):
        pass


def test_it_is_let_go_of_when_its_process_dies(tmp_path: Path) -> None:
    code = "import os, sys, pathlib; from archselect.nasbench_adapters.files import held\n"
    code += "with held(pathlib.Path(sys.argv[1])): os._exit(1)"
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == 1
    with held(tmp_path):
        pass


def test_a_folder_that_cannot_be_held(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(UserError, match="cannot write"), held(tmp_path / "a"):
        pass


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with (
        pytest.warns(UserWarning, match="knows no locks: see to it that one command at a time"),
        held(tmp_path / "new"),
    ):
        assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"a,b", mtime=0), "packed with gzip: unpack it, or give it a name that ends in .gz"),
        (b"PK\x03\x04...", "a zip archive: unpack it"),
        (b"PAR1...", "a Parquet file: give it a name that ends in .parquet"),
    ],
)
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message), open_text(path):
        pass
    with pytest.raises(UserError, match=message):
        read_text(path)


@pytest.mark.parametrize(("number", "is_full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EROFS, False)])
def test_only_a_full_disk_is_told_to_free_space(number: int, is_full: bool) -> None:
    message = str(unwritable(Path("out"), OSError(number, "why")))
    assert message.endswith("why; free space or name another folder" if is_full else "why; name another folder")
