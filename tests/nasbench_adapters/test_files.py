"""A file is written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.files import held, write_atomically


def test_written_and_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.json"
    for content in (b"first", b"", b"third"):
        write_atomically(path, content)
        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


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
