"""The status of a study, read from its folder at any time, on any machine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from pydantic import BaseModel

from archselect.benchmarks.store.activity import Activity, read_activities
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Failure, Record
from archselect.nasbench_adapters.foreign_text import LONGEST_MESSAGE, one_line

PACE = 20
"""Number of last finished runs from which the remaining time is estimated."""


class FailedRun(BaseModel):
    """A failed run: its selector's label, space, seeds, error, and log."""

    label: str
    space: str
    seeds: tuple[int, int]
    error: str
    log: Path

    def __str__(self) -> str:
        supernet, selection = self.seeds
        where = f"{self.label} on {self.space}, seeds {supernet} and {selection}"
        return one_line(f"failed: {where}: {self.error}", LONGEST_MESSAGE)


class Status(BaseModel):
    """The status of a study.

    Attributes:
        study: name of the study.
        runs: total number of runs.
        done: number of runs with a record.
        failed: runs with a recorded failure; rerunning the command tries them again.
        begun: other runs with a journal of answers, or with a selection whose training
            is not finished.
        supernets: number of supernets trained or initialised so far. Only the study's
            command knows the total.
        training: number of supernets and final trainings with a checkpoint.
        quiet: seconds since anything was written; None for an empty folder.
        left: seconds until all runs are done, at the pace of the last :data:`PACE`
            runs; None before the third run.
        workers: what each worker does, by its log; empty once all runs are done.
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
    workers: list[Activity]


def read_status(root: Path, now: float | None = None) -> Status:
    """Return the status of the study in a folder.

    Args:
        root: the folder.
        now: time in seconds since 1970; None for the present.

    Raises:
        UserError: the folder holds no study, or a damaged file.
    """
    folder = Folder(root)
    now = time.time() if now is None else now
    info = folder.study()
    runs = set(info.runs)
    finished = _finished_records(folder, runs)
    unfinished = runs - finished.keys()
    failures = []
    for failure in folder.read_all(Failure):
        if failure.id in unfinished:
            failures.append(failure)
            unfinished.remove(failure.id)
    begun = [run for run in unfinished if _has_begun(folder, run)]
    written = _times_written(root.rglob("*"))
    pace = _seconds_per_run(_times_written(finished.values()))
    return Status(
        study=info.name,
        runs=len(runs),
        done=len(finished),
        failed=[_describe(folder, failure) for failure in failures],
        begun=len(begun),
        supernets=_count_files(root / "supernets", "*.pt"),
        training=_count_files(root / "supernets", "*.checkpoint"),
        quiet=max(now - written[-1], 0.0) if written else None,
        left=None if pace is None else pace * len(unfinished),
        workers=read_activities(folder, now) if unfinished else [],
    )


def _finished_records(
    folder: Folder,
    runs: Iterable[str],
) -> dict[str, Path]:
    """Return the record of each finished run, by the run's id."""
    finished = {}
    for run in runs:
        path = folder.path(Record, run)
        if path.is_file():
            finished[run] = path
    return finished


def _has_begun(folder: Folder, run: str) -> bool:
    """Return whether a run without record or failure has a journal or a selection."""
    journal = folder.journal(run).with_suffix(".jsonl")
    return journal.is_file() or folder.selection(run).is_file()


def _describe(folder: Folder, failure: Failure) -> FailedRun:
    inputs = failure.inputs
    return FailedRun(
        label=inputs.selector.label,
        space=inputs.space,
        seeds=(inputs.supernet_seed, inputs.selection_seed),
        error=failure.error,
        log=folder.log(failure.id),
    )


def _seconds_per_run(ends: Sequence[float]) -> float | None:
    """Return the mean time between the ends of the last runs; None before the third.

    The longest time is left out, because it may have been a pause.

    Args:
        ends: times at which runs finished, sorted.
    """
    last = ends[-PACE - 1 :]
    if len(last) < 3:
        return None
    waits = [after - before for before, after in pairwise(last)]
    waits.remove(max(waits))
    return fmean(waits)


def _times_written(paths: Iterable[Path]) -> list[float]:
    """Return when files, or links themselves, were last written, sorted.

    Files removed in the meantime are skipped.
    """
    times = []
    for path in paths:
        try:
            times.append(path.lstat().st_mtime)
        except FileNotFoundError:
            continue
    return sorted(times)


def _count_files(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.glob(pattern))
