"""The engine `dask`: workers of a Dask cluster, of this machine or of a scheduler somewhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from archselect.benchmarks.engines.base import Start, call
from archselect.benchmarks.machine import cores
from archselect.benchmarks.workers import Submit
from archselect.nasbench_adapters.errors import UserError, unknown

SETTINGS = ("scheduler", "resource", "timeout")


@contextmanager
def dask_engine(workers: int | None, device: str, start: Start, settings: dict[str, Any]) -> Iterator[Submit]:
    """See :class:`.Engine`.

    Settings:
        scheduler: its address, tcp://HOST:PORT; if it is left out, workers of one thread are started here.
        resource: what a run takes one of, such as GPU where workers were started with `--resources GPU=1`.
        timeout: seconds to wait for the scheduler, 30 if it is left out.

    A call whose worker dies is done again by another; after three deaths it is taken to be the cause, and fails.
    """
    for name in settings:
        if name not in SETTINGS:
            raise unknown("setting of engine dask", name, SETTINGS)
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise UserError("engine 'dask' needs the package distributed: pip install 'archselect[dask]'") from error
    timeout, address = settings.get("timeout", 30), settings.get("scheduler")
    if not isinstance(timeout, int | float):
        raise UserError(f"timeout of engine dask: {timeout!r} is no number of seconds")
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
