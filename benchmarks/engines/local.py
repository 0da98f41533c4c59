"""The engine `local`: processes of this machine, each with one thread of the CPU, or with a GPU of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from archselect.benchmarks.engines.base import Start
from archselect.benchmarks.runtime.machine import cores, visible_gpus
from archselect.benchmarks.runtime.workers import Submit, worker_pool
from archselect.nasbench_adapters.errors import UserError


def check_local(settings: dict[str, Any]) -> None:
    """Raise UserError if there are settings: the engine has none."""
    if settings:
        raise UserError(
            f"engine local has no settings, and so no {next(iter(settings))!r}"
        )


@contextmanager
def local_engine(
    workers: int | None, device: str, start: Start, settings: dict[str, Any]
) -> Iterator[Submit]:
    """See :class:`.Engine`. It has no settings.

    By itself it has a worker per core, or per GPU; on "cuda" each worker sees one GPU,
    on "cuda:2" all see that one.
    """
    check_local(settings)
    gpus = visible_gpus() if device == "cuda" else []
    usual = max(len(gpus), 1) if device.startswith("cuda") else cores()
    function, arguments = start
    with worker_pool(workers or usual, function, *arguments, gpus=gpus) as submit:
        yield submit
