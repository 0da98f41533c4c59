"""Runs commands one after the other in one new process, which saves the seconds in which Python starts.

    python -m support.commands '[["list", "selectors"], ["doctor"]]'

It prints the exit code, standard output and standard error of each, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from unittest import mock

TESTS = Path(__file__).parents[1]


class Ended(NamedTuple):
    """What a command ended with."""

    returncode: int
    stdout: str
    stderr: str


def run_commands(
    commands: Sequence[Sequence[str]], folder: Path, environment: dict[str, str]
) -> list[Ended]:
    """Return what each command ended with; they run in that folder, in a process with that environment."""
    paths = [str(TESTS), *filter(None, [environment.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "support.commands", json.dumps(commands)],
        cwd=folder,
        env=environment | {"PYTHONPATH": ":".join(paths)},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [Ended(*ended) for ended in json.loads(done.stdout)]


def run_here(words: Sequence[str]) -> Ended:
    """Return what a command ends with in this process."""
    from archselect.benchmarks.cli import main

    code: int | str | None = 0
    out, err = StringIO(), StringIO()
    argv = mock.patch.object(sys, "argv", ["archselect", *words])
    with argv, redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return Ended(int(code or 0), out.getvalue(), err.getvalue())


if __name__ == "__main__":
    print(json.dumps([run_here(words) for words in json.loads(sys.argv[1])]))
