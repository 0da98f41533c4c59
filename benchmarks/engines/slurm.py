"""The engine `slurm`: jobs of a Slurm cluster, submitted in arrays by submitit."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from archselect.benchmarks.engines.base import Start, attempt
from archselect.benchmarks.workers import Submit
from archselect.nasbench_adapters.errors import UserError

ARRAY = 1000
"""Jobs of one array: one less than Slurm's MaxArraySize is at first."""
POLL = 2.0
"""Seconds between two looks at the queue."""
LOOKS = 5
"""How often a job must be gone from the queue without a result to be lost: a shared file system may show it late."""


def check_slurm(settings: dict[str, Any]) -> None:
    """Raise UserError if the package is missing; Slurm itself judges the settings."""
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise UserError("engine 'slurm' needs the package submitit: pip install 'archselect[slurm]'") from error


@contextmanager
def slurm_engine(workers: int | None, device: str, start: Start, settings: dict[str, Any]) -> Iterator[Submit]:
    """See :class:`.Engine`; `workers` is how many jobs of an array run at once.

    Settings:
        folder: on a file system that all nodes share, for the jobs' programs, results and logs; "slurm" if left out.
        others: those of `submitit.SlurmExecutor`, which are sbatch's, as partition, time, mem, gres, account, setup.
    """
    check_slurm(settings)
    import submitit

    values = dict(settings)
    folder = Path(str(values.pop("folder", "slurm"))).absolute()
    if workers is not None:
        values["array_parallelism"] = workers
    try:
        executor = submitit.SlurmExecutor(folder=folder)
        executor.update_parameters(**{"job_name": "archselect", "cpus_per_task": 1, **values})
    except (RuntimeError, OSError) as error:
        raise UserError(f"Slurm does not answer here: {error}; submit from a node that has sbatch") from error
    except (NameError, TypeError, ValueError) as error:
        raise UserError(f"setting of engine slurm: {' '.join(str(error).split())}") from error
    queue = _Queue(executor)
    try:
        yield lambda function, *arguments: queue.submit(attempt, start, function, *arguments)
    finally:
        queue.close()


class _Queue:
    """Futures of submitted jobs, which a thread submits in arrays and looks after."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._waiting: list[tuple[Future[Any], tuple[Any, ...]]] = []
        self._jobs: dict[Future[Any], Any] = {}
        self._missed: dict[Future[Any], int] = {}
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._look_after, daemon=True)
        self._thread.start()

    def submit(self, *function: Any) -> Future[Any]:
        """To be submitted with all others that come before the next look."""
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((future, function))
        return future

    def close(self) -> None:
        """Cancel what is not done."""
        self._closed.set()
        self._thread.join()
        for future, job in self._jobs.items():
            with suppress(Exception):
                job.cancel()
            future.cancel()
        for future, _ in self._waiting:
            future.cancel()

    def _look_after(self) -> None:
        while not self._closed.wait(POLL):
            try:
                self._submit()
                self._collect()
            except Exception as error:  # the thread's fault is everyone's
                with self._lock:
                    futures = [*self._jobs, *(future for future, _ in self._waiting)]
                    self._waiting.clear()
                self._jobs.clear()
                for future in futures:
                    future.set_exception(error)

    def _submit(self) -> None:
        with self._lock:
            batch = self._waiting[:ARRAY]
        if not batch:
            return
        with self._executor.batch():
            jobs = [self._executor.submit(*function) for _, function in batch]
        # They wait until here, so that a fault of the submission is told to them too.
        with self._lock:
            del self._waiting[: len(batch)]
        self._jobs.update({future: job for (future, _), job in zip(batch, jobs, strict=True)})

    def _collect(self) -> None:
        if not self._jobs:
            return
        queued = _queued()
        for future, job in list(self._jobs.items()):
            if job.paths.result_pickle.is_file():
                self._settle(future, job)
            elif job.job_id in queued:
                self._missed.pop(future, None)
            else:
                self._missed[future] = self._missed.get(future, 0) + 1
                if self._missed[future] >= LOOKS:
                    del self._jobs[future]
                    future.set_exception(RuntimeError(f"Slurm job {job.job_id} ended without a result{_log(job)}"))

    def _settle(self, future: Future[Any], job: Any) -> None:
        del self._jobs[future]
        try:
            kind, value = job._get_outcome_and_result()
        except Exception as error:
            future.set_exception(error)
            return
        if kind != "success":
            future.set_exception(RuntimeError(f"Slurm job {job.job_id} failed:\n{value}"))
            return
        result, fault = value
        if fault is None:
            future.set_result(result)
        else:
            future.set_exception(fault)


def _queued() -> set[str]:
    """Ids of the jobs of an array that are pending or running."""
    shown = subprocess.run(["squeue", "-h", "-r", "-o", "%A %F_%K"], capture_output=True, text=True, check=True).stdout
    return {name for line in shown.splitlines() for name in line.split()}


def _log(job: Any) -> str:
    """The last lines of what the job wrote, after a colon."""
    with suppress(OSError):
        if lines := job.paths.stderr.read_text(errors="replace").strip().splitlines()[-20:]:
            return ":\n" + "\n".join(lines)
    return f"; see {job.paths.folder}"
