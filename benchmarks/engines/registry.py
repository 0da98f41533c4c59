"""The engines by name."""

from __future__ import annotations

from archselect.benchmarks.engines.base import Engine
from archselect.benchmarks.engines.dask import dask_engine
from archselect.benchmarks.engines.local import local_engine
from archselect.benchmarks.engines.slurm import slurm_engine
from archselect.nasbench_adapters.errors import unknown

ENGINES: dict[str, Engine] = {"local": local_engine, "dask": dask_engine, "slurm": slurm_engine}


def get_engine(name: str) -> Engine:
    """The engine of a name. Raises UserError for an unknown one."""
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    return ENGINES[name]
