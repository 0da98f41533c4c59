"""Files are written whole or not at all, and never through a link."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archselect.nasbench_adapters.atomic_files import (
    lock_folder,
    open_to_append,
    unwritable,
    write_atomically,
    write_new,
)
from archselect.nasbench_adapters.errors import UserError


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
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


def test_new_files_and_folders_have_the_permissions_that_the_umask_leaves(
    tmp_path: Path, umask: int
) -> None:
    path = tmp_path / "new" / "a.json"
    write_atomically(path, b"")
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    assert path.parent.stat().st_mode & 0o777 == 0o777 & ~umask
    with lock_folder(path.parent):
        assert (path.parent / ".lock").stat().st_mode & 0o777 == 0o666 & ~umask
    assert {file.name for file in path.parent.iterdir()} <= {"a.json", ".lock"}


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_a_file_that_is_replaced_keeps_its_permissions(
    tmp_path: Path, umask: int, mode: int
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"old")
    (tmp_path / "link.json").symlink_to("a.json")
    write_atomically(tmp_path / "link.json", b"new")
    assert (tmp_path / "link.json").is_symlink() and (
        tmp_path / "a.json"
    ).read_bytes() == b"new"


def test_a_device_or_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    """As /dev/null and /dev/stdout, which root could replace by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, b"new")
    assert os.read(reader, 10) == b"new" and pipe.is_fifo()
    os.close(reader)
    assert list(tmp_path.iterdir()) == [pipe]


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(
        UserError, match=r"cannot write .*Too many levels of symbolic links"
    ):
        write_atomically(tmp_path / "a", b"new")


def link(place: Path, victim: Path) -> None:
    place.symlink_to(victim)


def hard_link(place: Path, victim: Path) -> None:
    os.link(victim, place)


def pipe(place: Path, victim: Path) -> None:
    os.mkfifo(place)


def socket_of(place: Path, victim: Path) -> None:
    # A path of a socket is short.
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(place))


PUTS = [link, pipe, socket_of]


@pytest.fixture
def received(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A folder from elsewhere, and a file outside of it that must stay as it is."""
    (tmp_path / "received" / "logs").mkdir(parents=True)
    (tmp_path / "victim").write_bytes(b"precious\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "received", tmp_path / "victim"


@pytest.mark.parametrize("put", [*PUTS, hard_link])
def test_nothing_is_added_through_a_link_or_a_pipe(
    received: tuple[Path, Path], put: Callable[..., None]
) -> None:
    folder, victim = received
    path = folder / "logs" / "a.jsonl"
    put(path, victim)
    with pytest.raises(
        UserError,
        match=r"cannot write .*a\.jsonl: .*; (replace it by its target, or )?remove (it|one of)",
    ):
        open_to_append(path, folder)
    assert victim.read_bytes() == b"precious\n"


@pytest.mark.parametrize("put", PUTS)
def test_nothing_is_replaced_through_a_link_or_a_pipe(
    received: tuple[Path, Path], put: Callable[..., None]
) -> None:
    folder, victim = received
    path = folder / "report.html"
    put(path, victim)
    with pytest.raises(UserError, match=r"cannot write .*report\.html: .*remove it"):
        write_atomically(path, b"new", folder)
    assert victim.read_bytes() == b"precious\n" and not list(folder.glob("*.part"))


def test_a_second_name_keeps_its_content(received: tuple[Path, Path]) -> None:
    """A file that is written whole is a new one: what else was called so stays as it was."""
    folder, victim = received
    hard_link(folder / "study.json", victim)
    write_atomically(folder / "study.json", b"new", folder)
    assert (
        victim.read_bytes() == b"precious\n"
        and (folder / "study.json").read_bytes() == b"new"
    )


@pytest.mark.parametrize(
    "write", [lambda path, root: write_atomically(path, b"", root), open_to_append]
)
def test_nothing_is_written_into_a_folder_that_is_a_link(
    received: tuple[Path, Path], write: Callable[..., None]
) -> None:
    folder, victim = received
    elsewhere = victim.parent / "elsewhere"
    elsewhere.mkdir()
    for name in ("linked", "logs/linked"):
        (folder / name).symlink_to(elsewhere)
        with pytest.raises(
            UserError, match=f"{name} is a link, and archselect does not write"
        ):
            write(folder / name / "a" / "b.json", folder)
    assert not list(elsewhere.iterdir())


def test_the_folder_itself_may_be_a_link(received: tuple[Path, Path]) -> None:
    folder, victim = received
    own = victim.parent / "own"
    own.symlink_to(folder)
    write_atomically(own / "a" / "b.json", b"new", own)
    open_to_append(own / "logs" / "a.jsonl", own).close()
    with lock_folder(own):
        assert (folder / "a" / "b.json").read_bytes() == b"new"


@pytest.mark.parametrize("put", [*PUTS, hard_link])
def test_a_lock_empties_no_other_file(
    received: tuple[Path, Path], put: Callable[..., None]
) -> None:
    folder, victim = received
    put(folder / ".lock", victim)
    with (
        pytest.raises(UserError, match=r"cannot write .*\.lock: "),
        lock_folder(folder),
    ):
        pass
    assert victim.read_bytes() == b"precious\n"


class Meddler:
    """Another process that does something each time before a function is called, so often."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        does: Callable[[], object],
        times: int,
    ) -> None:
        self.left = times
        original = getattr(os, name)

        def called(*arguments: object, **options: object) -> object:
            if self.left:
                self.left -= 1
                does()
            return original(*arguments, **options)

        monkeypatch.setattr(os, name, called)


@pytest.mark.parametrize(
    "write", [lambda path, root: write_atomically(path, b"", root), open_to_append]
)
def test_a_folder_that_is_removed_while_a_file_is_made_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., object]
) -> None:
    """A command removes `progress/` when it is empty, and a worker may be just about to write there."""
    folder = tmp_path / "progress"
    meddler = Meddler(
        monkeypatch,
        "open",
        lambda: folder.rmdir() if folder.is_dir() else None,
        times=3,
    )
    file = write(folder / "a.jsonl", tmp_path)
    if file is not None:
        file.close()
    assert (folder / "a.jsonl").is_file() and meddler.left == 0


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "progress"
    Meddler(
        monkeypatch,
        "open",
        lambda: folder.rmdir() if folder.is_dir() else None,
        times=1_000,
    )
    with pytest.raises(UserError, match=r"cannot write .*No such file or directory"):
        write_atomically(folder / "a.json", b"", tmp_path)


def test_a_file_that_is_removed_while_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a failure that another process removes because its run is done."""
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    Meddler(monkeypatch, "fsync", lambda: path.unlink(missing_ok=True), times=1)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_new_file_never_replaces_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "mine.py"
    write_new(path, b"first")
    with pytest.raises(
        UserError, match=r"mine\.py is there already: choose another name, or remove it"
    ):
        write_new(path, b"second")
    assert path.read_bytes() == b"first"


@pytest.mark.parametrize("step", ["fsync", "fdopen", "replace"])
def test_a_failure_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if step == "replace" else os, step, full)
    with pytest.raises(
        UserError,
        match=r"cannot write .*a\.json: No space left on device; free space or name another",
    ):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(UserError, match="cannot write"):
        write_atomically(tmp_path / "a" / "b", b"")


def test_only_one_command_locks_a_folder(tmp_path: Path) -> None:
    taken = pytest.raises(UserError, match="another command is writing into")
    with lock_folder(tmp_path / "new"), taken, lock_folder(tmp_path / "new"):
        pass
    with lock_folder(tmp_path / "new"):
        pass


def test_the_lock_is_released_when_its_process_dies(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from archselect.nasbench_adapters.atomic_files import lock_folder\n"
        "with lock_folder(pathlib.Path(sys.argv[1])): os._exit(7)"
    )
    process = subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert process.returncode == 7
    with lock_folder(tmp_path):
        pass


def test_a_folder_that_cannot_be_locked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(UserError, match="cannot write"), lock_folder(tmp_path / "a"):
        pass


def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with (
        pytest.warns(UserWarning, match="has no locks: let only one command at a time"),
        lock_folder(tmp_path / "new"),
    ):
        assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize(
    ("number", "is_full"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EROFS, False)],
)
def test_only_a_full_disk_is_told_to_free_space(number: int, is_full: bool) -> None:
    message = str(unwritable(Path("out"), OSError(number, "why")))
    assert message.endswith(
        "why; free space or name another folder"
        if is_full
        else "why; name another folder"
    )
