"""The installed command, in a folder of its own, on a small study.

What tells commands apart, such as signals, what the shell redirects and how a process
ends, is tried with `world.run`, the real command. The rest is tried with `archselect`,
which saves the seconds in which Python starts: with real workers where these have to
find something by themselves, and with `inline` elsewhere.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import small
from support.session import make_once

SCRIPT = Path(sys.executable).with_name("archselect")


@dataclass(frozen=True)
class World:
    """A folder with the small study and its truth, and the environment of commands run in it."""

    folder: Path
    text: str

    @property
    def environment(self):
        """One thread, and a user's data folder that is not the real one."""
        return os.environ | {
            "OMP_NUM_THREADS": "1",
            "XDG_DATA_HOME": str(self.folder / "user"),
        }

    @property
    def scripts(self):
        """The folder of the installed command."""
        return SCRIPT.parent

    def command(self, *arguments):
        """The words of a command."""
        return [str(SCRIPT), *map(str, arguments)]

    def run(self, *arguments, **options):
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=1200,
            **options,
        )

    def study(self, *replacements, name="small.toml"):
        """Write the study with (old, new) replaced; its name."""
        text = self.text
        for old, new in replacements:
            if old not in text:
                raise ValueError(f"the study does not say {old!r}")
            text = text.replace(old, new)
        (self.folder / name).write_text(text, encoding="utf-8")
        return name


@pytest.fixture
def world(small_truth, tmp_path):
    """An empty folder to run commands in."""
    if not SCRIPT.is_file():
        pytest.skip(
            "the package is not installed: there is no archselect command beside Python"
        )
    made = World(tmp_path, small.study_text(small_truth))
    made.study()
    return made


@pytest.fixture(scope="session")
def finished(small_truth, tmp_path_factory):
    """The folder `out` of a study that ran through with one worker, and the finished command; not to be touched.

    The command had the umask 027, which is not the usual one.
    """
    if not SCRIPT.is_file():
        pytest.skip(
            "the package is not installed: there is no archselect command beside Python"
        )

    def make(folder):
        made = World(folder, small.study_text(small_truth))
        words = ("run", made.study(), "--out", "out", "--workers", "1")
        done = made.run(*words, "--device", "cpu", umask=0o027)
        told = [done.args, done.returncode, done.stdout, done.stderr]
        (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")

    folder = make_once(tmp_path_factory, "finished", make)
    told = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    return folder / "out", subprocess.CompletedProcess(*told)


@pytest.fixture
def copied(finished, world):
    """A copy of the finished folder, as `out` of a world."""
    return shutil.copytree(finished[0], world.folder / "out")


@pytest.fixture
def refusal(world, archselect):
    """`refusal(*arguments)` is what a command, run in this process, is refused with: a line, or one for each fault."""

    def call(*arguments):
        code, out, err = archselect(*arguments)
        assert (code, out) == (2, "")
        return one_line_each(err)

    return call


def one_line_each(err):
    heading, *faults = err.splitlines()
    assert err.endswith("\n") and heading.startswith("archselect: "), err
    if faults:
        assert (
            heading == f"archselect: found {len(faults)} faults; nothing was started:"
        ), err
        assert faults == sorted(faults) and all(
            fault.startswith("  ") for fault in faults
        ), err
    assert "Traceback" not in err
    return err
