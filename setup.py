"""Writes into sdists and wheels the commit that they are built from; everything else is in pyproject.toml.

A checkout asks git. An sdist has the answer in `commit.txt` at its root, for wheels
that are built of it.
"""

import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent


def commit() -> str:
    """Return the commit, "-dirty" behind it if files were changed since; empty where nothing says it."""
    kept = ROOT / "commit.txt"
    if not (ROOT / ".git").exists():
        return kept.read_text() if kept.is_file() else ""
    command = [
        "git",
        "-C",
        str(ROOT),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False
        ).stdout
    except FileNotFoundError:
        return ""


def write_commit(folder: Path) -> None:
    """Write `commit.txt` into a folder, if the commit is known."""
    if found := commit():
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "commit.txt"
        path.unlink(
            missing_ok=True
        )  # it may be a hard link to the file that it was made of
        path.write_text(found)


class BuildPy(build_py):
    """Builds the packages, and the file that :func:`archselect.benchmarks.runtime.machine.commit` reads."""

    def run(self) -> None:
        super().run()
        # Packages that stay where they are may be edited: there git is asked.
        if not self.editable_mode:
            write_commit(Path(self.build_lib, "archselect", "benchmarks"))


class Sdist(sdist):
    """Makes the tree of an sdist, with `commit.txt` at its root."""

    def make_release_tree(self, base_dir, files) -> None:
        super().make_release_tree(base_dir, files)
        write_commit(Path(base_dir))


setup(cmdclass={"build_py": BuildPy, "sdist": Sdist})
