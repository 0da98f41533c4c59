"""Runs a study into a folder: supernets first, then the runs on them, in worker processes; goes on where it stopped."""

from __future__ import annotations

import os
import shlex
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from typing import Any, Protocol

import torch

from archselect.benchmarks.grid import RunJob, SupernetJob, span
from archselect.benchmarks.journal import discard
from archselect.benchmarks.machine import cores, find_device
from archselect.benchmarks.records import Failure, Folder, Landscape, Record, StudyInfo, read_fact, write_fact
from archselect.benchmarks.run import Runner, survey
from archselect.benchmarks.study import Study, TruthPart
from archselect.nasbench_adapters.errors import UserError

THREADS = 1
"""CPU threads of a worker: one, so that sums have one order and the same study gives the same records anywhere."""


class Progress(Protocol):
    """Told how far a study is."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` "supernets" or "runs" are there."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What came of a study: how many runs were made now, were there before, and failed (their records' ids)."""

    made: int
    kept: int
    failed: list[str]


def run_study(
    study: Study,
    root: Path,
    *,
    device: str = "auto",
    workers: int | None = None,
    data_dir: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
    command: list[str] | None = None,
) -> Outcome:
    """Run what is missing of a study.

    Args:
        study: what to run.
        root: the folder; may hold finished runs of the same study.
        device: see :func:`.machine.find_device`.
        workers: processes; None for one per core on the CPU and one on CUDA.
        data_dir: where data sets are; None for the user's data folder.
        progress: told how far it is.
        command: noted in the folder as the way to reproduce it.

    Raises:
        UserError: before anything runs, if data, a truth or the device is not there, or the folder cannot be
            written or belongs to another study.
    """
    chosen = find_device(device)
    folder = Folder(root)
    jobs = span(study, data_dir)
    parts = [part for data in study.data for part in data.truth]
    landscapes = survey(parts, [space.name for space in study.spaces])
    _claim(folder, study, jobs, command or [])
    for landscape in landscapes:
        write_fact(folder.path(Landscape, landscape.id), landscape)
    todo = [job for job in jobs if not _finished(folder, job, dict(zip(parts, landscapes, strict=True)))]
    supernets = list({job.supernet.id: job.supernet for job in todo}.values())
    total = len({job.supernet.id for job in jobs})
    count = workers or (1 if chosen.type == "cuda" else cores())
    failed: list[str] = []
    with _pool(count, folder, str(chosen), data_dir) as submit:
        missing = [job for job in supernets if not (root / "supernets" / f"{job.id}.pt").is_file()]
        progress("supernets", total - len(missing), total)
        broken: dict[str, BaseException] = {}
        pending = {submit(_make_supernet, job): job for job in missing}
        for done, future in enumerate(as_completed(pending), start=1):
            if error := future.exception():
                _only_ours(error)
                broken[pending[future].id] = error
            progress("supernets", total - len(missing) + done, total)
        ready = [job for job in todo if job.supernet.id not in broken]
        for job in todo:
            if job.supernet.id in broken:
                failed.append(_fail(folder, job, broken[job.supernet.id]))
        done = len(jobs) - len(todo)
        progress("runs", done, len(jobs))
        running = {submit(_run, job): job for job in ready}
        for future in as_completed(running):
            job = running[future]
            if error := future.exception():
                _only_ours(error)
                failed.append(_fail(folder, job, error))
            else:
                write_fact(folder.path(Record, job.inputs.id), future.result())
                folder.path(Failure, job.inputs.id).unlink(missing_ok=True)
                discard(folder.journal(job.inputs.id))
            done += 1
            progress("runs", done, len(jobs))
    return Outcome(len(todo) - len(failed), len(jobs) - len(todo), sorted(failed))


def _claim(folder: Folder, study: Study, jobs: list[RunJob], command: list[str]) -> None:
    """Write what the folder is of, or refuse a folder of another study."""
    info = StudyInfo(
        name=study.name,
        title=study.title,
        description=" ".join(study.description.split()),
        labels=[label for _, _, label in study.pairs()],
        tables=list(study.tables),
        runs=[job.inputs.id for job in jobs],
        command=shlex.join(command),
        source=study.source,
    )
    if folder.study_path.is_file():
        there = read_fact(folder.study_path, StudyInfo)
        if there.name != info.name or not set(there.runs) <= set(info.runs):
            raise UserError(
                f"{folder.root} holds study '{there.name}' with other settings; name another folder with --out"
            )
    write_fact(folder.study_path, info)


def _finished(folder: Folder, job: RunJob, truths: dict[TruthPart, Landscape]) -> bool:
    """Whether the run's record is there and was looked up in every truth that the study names now."""
    path = folder.path(Record, job.inputs.id)
    if not path.is_file():
        return False
    named = [truths[part] for part in job.supernet.data.truth]
    wanted = {landscape.id for landscape in named if landscape.space == job.inputs.space}
    record = read_fact(path, Record)
    return record.id == job.inputs.id and wanted <= {accuracy.landscape for accuracy in record.accuracies}


def _only_ours(error: BaseException) -> None:
    """A fault of the run is noted and the study goes on; anything the user must mend first stops it."""
    if isinstance(error, UserError) or not isinstance(error, Exception):
        raise error


def _fail(folder: Folder, job: RunJob, error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    failure = Failure(id=job.inputs.id, inputs=job.inputs, error=f"{type(error).__name__}: {error}", traceback=text)
    write_fact(folder.path(Failure, failure.id), failure)
    return failure.id


Submit = Callable[..., "Future[Any]"]

_runner: Runner | None = None


def _start_worker(root: str, device: str, data_dir: str | None) -> None:
    global _runner
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(THREADS)
    torch.set_flush_denormal(True)
    _runner = Runner(Folder(Path(root)), torch.device(device), None if data_dir is None else Path(data_dir))


def _end_with_parent() -> None:
    """End this worker when the command is gone, however it went; a pool's workers would wait for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make_supernet(job: SupernetJob) -> None:
    assert _runner is not None
    _runner.make_supernet(job)


def _run(job: RunJob) -> Record:
    assert _runner is not None
    return _runner.run(job)


def _nothing() -> None:
    pass


def _start_all(pool: ProcessPoolExecutor) -> None:
    """Start the workers deaf to Ctrl-C from their first moment: it reaches them too, but it is for the parent."""
    if threading.current_thread() is not threading.main_thread():
        pool.submit(_nothing)
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pool.submit(_nothing)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _pool(workers: int, folder: Folder, device: str, data_dir: Path | None) -> Iterator[Submit]:
    """Worker processes that end with the block; what has not started by then is dropped."""
    initargs = (str(folder.root), device, None if data_dir is None else str(data_dir))
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=initargs)
    try:
        _start_all(pool)
        yield pool.submit
    except KeyboardInterrupt:
        # Workers ignore the signal and would finish what they are at; that work starts over anyway.
        for child in active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
