"""The engine `local`: processes on this machine (`benchmarks/runtime/workers.py`).

Each process has one CPU thread or one GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from archselect.benchmarks.engines.base import Start
from archselect.benchmarks.runtime.machine import cores, visible_gpus
from archselect.benchmarks.runtime.workers import Submit, worker_pool
from archselect.nasbench_adapters.errors import UserError


def check_local(settings: dict[str, Any]) -> None:
    """Raise UserError if there are settings: this engine has none."""
    if settings:
        raise UserError(
            f"engine local has no settings: remove {next(iter(settings))!r}"
        )


def default_workers(device: str) -> int:
    """Return how many workers the engine has if none say: one per core, or per GPU."""
    if not device.startswith("cuda"):
        return cores()
    gpus = visible_gpus() if device == "cuda" else []
    return max(len(gpus), 1)


@contextmanager
def local_engine(
    workers: int | None, device: str, start: Start, settings: dict[str, Any]
) -> Iterator[Submit]:
    """Open the engine (:class:`.Engine`). It has no settings.

    By default it has one worker per core, or per GPU. On "cuda" each worker sees one
    GPU; on "cuda:2" all workers see that GPU.
    """
    check_local(settings)
    gpus = visible_gpus() if device == "cuda" else []
    function, arguments = start
    most = workers or default_workers(device)
    with worker_pool(most, function, *arguments, gpus=gpus) as submit:
        yield submit
