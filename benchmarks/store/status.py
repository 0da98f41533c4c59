"""How far a study is, read off its folder: from any machine that sees it, while it runs or after."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from pydantic import BaseModel

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Failure, Record
from archselect.nasbench_adapters.foreign_text import LONGEST_MESSAGE, one_line

PACE = 20
"""How many of the last runs to be finished say how long the others take."""


class FailedRun(BaseModel):
    """A run that failed: its selector's label, space, seeds and error, and where its log is."""

    label: str
    space: str
    seeds: tuple[int, int]
    error: str
    log: Path

    def __str__(self) -> str:
        where = (
            f"{self.label} on {self.space}, seeds {self.seeds[0]} and {self.seeds[1]}"
        )
        return one_line(f"failed: {where}: {self.error}", LONGEST_MESSAGE)


class Status(BaseModel):
    """How far a study is.

    Attributes:
        study: its name.
        runs: in all.
        done: have a record.
        failed: those noted, which the same command would try again.
        begun: neither, but with a journal of answers or a selection whose training is
            not finished.
        supernets: trained or initialised so far; only the study's command knows how
            many there will be.
        training: supernets and final trainings with a checkpoint.
        quiet: seconds since anything was written; None for a folder in which nothing
            has been.
        left: seconds until all is done at the pace of the last :data:`PACE` runs; None
            before the third.
    """

    study: str
    runs: int
    done: int
    failed: list[FailedRun]
    begun: int
    supernets: int
    training: int
    quiet: float | None
    left: float | None


def status(root: Path, now: float | None = None) -> Status:
    """Look at a folder; `now` is the time in seconds since 1970, if not the present.

    Raises UserError if the folder is none of ours or holds a damaged file.
    """
    folder, now = Folder(root), time.time() if now is None else now
    info = folder.study()
    runs = set(info.runs)
    records = {
        run: path for run in runs if (path := folder.path(Record, run)).is_file()
    }
    failures = [
        own for own in folder.read_all(Failure) if own.id in runs - records.keys()
    ]
    failed = {own.id for own in failures}
    begun = {
        run
        for run in runs - records.keys() - failed
        if folder.journal(run).with_suffix(".jsonl").is_file()
        or folder.selection(run).is_file()
    }
    written = sorted(
        when for path in records.values() if (when := _written(path)) is not None
    )
    pace = _pace(written)
    missing = len(runs) - len(records) - len(failed)
    times = [when for path in root.rglob("*") if (when := _written(path)) is not None]
    return Status(
        study=info.name,
        runs=len(runs),
        done=len(records),
        failed=[
            FailedRun(
                label=own.inputs.selector.label,
                space=own.inputs.space,
                seeds=(own.inputs.supernet_seed, own.inputs.selection_seed),
                error=own.error,
                log=folder.log(own.id),
            )
            for own in failures
        ],
        begun=len(begun),
        supernets=sum(1 for _ in (root / "supernets").glob("*.pt")),
        training=sum(1 for _ in (root / "supernets").glob("*.checkpoint")),
        quiet=max(now - max(times), 0.0) if times else None,
        left=None if pace is None else pace * missing,
    )


def _pace(written: Sequence[float]) -> float | None:
    """Seconds from one run's end to the next, on the whole; without the longest wait, which may have been a pause."""
    waits = sorted(after - before for before, after in pairwise(written[-PACE - 1 :]))
    return fmean(waits[:-1]) if len(waits) > 1 else None


def _written(path: Path) -> float | None:
    """When the file, or a link itself, was last written; None if it is gone by now."""
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return None
