"""Writes into sdists and wheels the commit that they are built from; everything else is in pyproject.toml.

A checkout asks git. A tree without git has the answer in a file: an sdist in `commit.txt`, which this file writes, and
an archive of a commit in `.git_archival.txt`, which git fills in.
"""

import re
import subprocess
from pathlib import Path

# Without setuptools-scm, setuptools would silently call every build 0.0.0.
import setuptools_scm  # noqa: F401
from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent
COMMIT_OF_ARCHIVE = re.compile(r"^node: ([0-9a-f]{40})$", re.MULTILINE)


def commit() -> str:
    """Return the commit, "-dirty" behind it if files were changed since; empty if it is not known."""
    if (ROOT / ".git").exists():
        return ask_git()
    kept = ROOT / "commit.txt"
    if kept.is_file():
        return kept.read_text()
    archive = ROOT / ".git_archival.txt"
    named = archive.is_file() and COMMIT_OF_ARCHIVE.search(archive.read_text())
    return named[1] if named else ""


def ask_git() -> str:
    """Return the checkout's commit; empty without the program git."""
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
    if known := commit():
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "commit.txt"
        path.unlink(
            missing_ok=True
        )  # it may be a hard link to the file that it was made of
        path.write_text(known)


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
