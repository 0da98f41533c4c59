"""Kills a study at random moments, so often, and sees that what comes out is what comes out undisturbed.

    python -m support.kills 100

A kill is of a worker, of the command or of both at once, by SIGKILL. A command that is
gone is typed again, until it ends with exit code 0; then records (times and machines
apart) and the tables without times are compared, byte by byte, and another folder is
begun. The tests kill it at moments when it has just written something.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from support import query_study, small
from support.processes import workers_of

Command = subprocess.Popen[Any]
Moment = Callable[[Command], bool]
"""Waits for the moment at which to kill; whether the command still runs then."""
KINDS = ("worker", "command", "both")
LITTLE = 0.3
"""Seconds: about half a run."""
TABLES = ("accuracy.csv", "tau.csv", "differences.csv")
LONGER = (
    ("limit = 32", "limit = 64"),
    ("epochs = 1\nbatch_size", "epochs = 4\nbatch_size"),
)
"""So that there is something to kill."""
ASKING = (
    (
        "truth = [",
        'reward = { table = "TABLE", dataset = "made-up", split = "valid", epochs = 1 }\n'
        "queries = 2000\ntruth = [",
    ),
    (
        '[[selectors]]\nname = "random"',
        '[[selectors]]\nname = "random-search"\non = []\n\n[[selectors]]\nname = "random"',
    ),
)
"""A selector that queries rewards."""


def write_study(folder: Path) -> Path:
    """The small study of the tests, made longer, and its truth."""
    truth = query_study.write_table(folder / "made-up.npz")
    study = folder / "small.toml"
    text = small.study_text(truth, *LONGER, *ASKING).replace("TABLE", str(truth))
    study.write_text(text, encoding="utf-8")
    return study


def command(study: Path, out: Path, workers: int = 2) -> list[str]:
    """What is typed."""
    script = Path(sys.executable).with_name("archselect")
    return [
        str(script),
        "run",
        str(study),
        "--out",
        str(out),
        "--workers",
        str(workers),
        "--device",
        "cpu",
    ]


def result(out: Path) -> tuple[dict[str, object], list[bytes]]:
    """What the records say, and the tables."""
    facts = {record.id: record.facts() for record in Folder(out).read_all(Record)}
    return facts, [
        (out / "report" / name).read_bytes()
        for name in TABLES
        if (out / "report" / name).is_file()
    ]


def kill(*pids: int) -> int:
    """How many were there to be killed."""
    killed = 0
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            continue
    return killed


def random_moment(rng: random.Random, longest: float) -> Moment:
    """After one second or more, whatever the command does then."""

    def wait(process: Command) -> bool:
        try:
            process.wait(rng.uniform(1, longest))
        except subprocess.TimeoutExpired:
            return True
        return False

    return wait


def after_new_files(out: Path, rng: random.Random, *names: str) -> Moment:
    """When the folder has more files of these names than at the last moment, or a little later."""

    def count() -> int:
        return sum(len(list(out.glob(name))) for name in names)

    seen = count()

    def wait(process: Command) -> bool:
        nonlocal seen
        while count() <= seen:
            if process.poll() is not None:
                return False
            time.sleep(0.01)
        time.sleep(rng.uniform(0, LITTLE))
        seen = count()
        return process.poll() is None

    return wait


def run_killed(
    study: Path, out: Path, moment: Moment, most: int, rng: random.Random
) -> dict[str, int]:
    """Run a study to its end with at most so many kills; how many there were of each kind, which take turns."""
    done = dict.fromkeys(KINDS, 0)
    while True:
        process = subprocess.Popen(
            command(study, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        while sum(done.values()) < most and moment(process):
            kind = min(KINDS, key=lambda kind: done[kind])
            workers = workers_of(process.pid)
            rng.shuffle(workers)
            targets = {
                "worker": workers[:1],
                "command": [process.pid],
                "both": [process.pid, *workers],
            }[kind]
            if targets and kill(*targets):
                done[kind] += 1
            if kind != "worker":
                break
        assert process.stderr is not None
        complaint = process.stderr.read().decode()
        code = process.wait()
        if code == 0:
            return done
        # Killed; or a run was at work when three workers were killed, which the next
        # time is done.
        assert code in (1, -signal.SIGKILL), complaint
        while workers_of(process.pid):
            time.sleep(0.1)


def main(count: int, seed: int) -> None:
    """Kill so often."""
    rng, total = random.Random(seed), dict.fromkeys(KINDS, 0)
    moment = random_moment(rng, 9)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = write_study(folder)
        subprocess.run(
            command(study, folder / "undisturbed"),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        wanted = result(folder / "undisturbed")
        studies = 0
        while (killed := sum(total.values())) < count:
            out = folder / f"killed-{studies}"
            for kind, times in run_killed(
                study, out, moment, count - killed, rng
            ).items():
                total[kind] += times
            studies += 1
            assert result(out) == wanted, f"study {studies} came out otherwise"
            assert not list(Folder(out).root.glob("failures/*.json"))
            print(
                f"{studies} studies, kills: {total}; all came out the same", flush=True
            )


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 100,
        int(sys.argv[2]) if len(sys.argv) > 2 else 0,
    )
