"""The engine `local`: processes of this machine, each with one thread, or with a GPU of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from archselect.benchmarks.engines.base import Start
from archselect.benchmarks.machine import cores
from archselect.benchmarks.workers import Submit, worker_pool
from archselect.nasbench_adapters.errors import UserError


@contextmanager
def local_engine(workers: int | None, start: Start, settings: dict[str, Any]) -> Iterator[Submit]:
    """See :class:`.Engine`. It has no settings."""
    if settings:
        raise UserError(f"engine local has no settings, and so no {next(iter(settings))!r}")
    function, arguments = start
    with worker_pool(workers or cores(), function, *arguments) as submit:
        yield submit
