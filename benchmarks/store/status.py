"""How far a study is, read from its folder while it runs or after, on any machine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from pydantic import BaseModel

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Failure, Record
from archselect.nasbench_adapters.foreign_text import LONGEST_MESSAGE, one_line

PACE = 20
"""How many of the last finished runs say how long the others take."""


class FailedRun(BaseModel):
    """A run that failed: its selector's label, space, seeds and error, and its log."""

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
    """How far a study is.

    Attributes:
        study: its name.
        runs: in all.
        done: runs that have a record.
        failed: runs whose failure is noted; the same command tries them again.
        begun: other runs with a journal of answers, or with a selection whose training
            is not finished.
        supernets: trained or initialised so far; only the study's command knows how
            many there will be.
        training: supernets and final trainings with a checkpoint.
        quiet: seconds since anything was written; None for a folder in which nothing
            has been.
        left: seconds until all runs are done at the pace of the last :data:`PACE`; None
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


def read_status(root: Path, now: float | None = None) -> Status:
    """Return how far the study of a folder is.

    Args:
        root: the folder.
        now: the time in seconds since 1970, if not the present.

    Raises:
        UserError: if the folder is not one of records, or holds a damaged file.
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
    """Return the mean wait between the ends of the last runs; None before the third.

    The longest wait is left out, for it may have been a pause.

    Args:
        ends: of the finished runs, sorted.
    """
    last = ends[-PACE - 1 :]
    if len(last) < 3:
        return None
    waits = [after - before for before, after in pairwise(last)]
    waits.remove(max(waits))
    return fmean(waits)


def _times_written(paths: Iterable[Path]) -> list[float]:
    """Return when files, or links themselves, were last written, sorted.

    What is removed meanwhile is left out.
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
