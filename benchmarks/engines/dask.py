"""The engine `dask`: workers of a Dask cluster, of this machine or of a scheduler somewhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from archselect.benchmarks.engines.base import Start, call
from archselect.benchmarks.machine import cores
from archselect.benchmarks.workers import Submit
from archselect.nasbench_adapters.errors import Faults, UserError, unknown

SETTINGS = ("scheduler", "resource", "timeout")
TIMEOUT = 30
"""Seconds to wait for a scheduler."""


def check_dask(settings: dict[str, Any]) -> None:
    """Raise UserError for an unknown setting, one of a wrong type, or a missing package."""
    faults = Faults()
    for name in settings:
        if name not in SETTINGS:
            faults.add(unknown("setting of engine dask", name, SETTINGS))
    timeout = settings.get("timeout", TIMEOUT)
    if not isinstance(timeout, int | float):
        faults.add(UserError(f"timeout of engine dask: {timeout!r} is no number of seconds"))
    try:
        import distributed  # noqa: F401
    except ImportError:
        faults.add(UserError("engine 'dask' needs the package distributed: pip install 'archselect[dask]'"))
    faults.raise_any()


@contextmanager
def dask_engine(workers: int | None, device: str, start: Start, settings: dict[str, Any]) -> Iterator[Submit]:
    """See :class:`.Engine`.

    Settings:
        scheduler: its address, tcp://HOST:PORT; if it is left out, workers of one thread are started here.
        resource: what a run takes one of, such as GPU where workers were started with `--resources GPU=1`.
        timeout: seconds to wait for the scheduler, 30 if it is left out.

    A call whose worker dies is done again by another; after three deaths it is taken to be the cause, and fails.
    """
    check_dask(settings)
    from distributed import Client, LocalCluster

    timeout = settings.get("timeout", TIMEOUT)
    address = settings.get("scheduler")
    try:
        if address is None:
            cluster = LocalCluster(
                n_workers=workers or cores(), threads_per_worker=1, processes=True, dashboard_address=None
            )
            client = Client(cluster, timeout=timeout)
        else:
            cluster, client = None, Client(address, timeout=timeout)
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address}: {error}; start one with 'dask scheduler'") from error
    resources = {settings["resource"]: 1} if "resource" in settings else None
    executor = client.get_executor(pure=False, resources=resources)
    try:
        yield partial(executor.submit, call, start)
    finally:
        executor.shutdown(wait=False)
        client.close()
        if cluster is not None:
            cluster.close()
