"""The engines by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archselect.benchmarks.engines.base import Engine
from archselect.benchmarks.engines.dask import check_dask, dask_engine
from archselect.benchmarks.engines.local import check_local, local_engine
from archselect.benchmarks.engines.slurm.engine import check_slurm, slurm_engine
from archselect.nasbench_adapters.errors import unknown

ENGINES: dict[str, Engine] = {
    "local": local_engine,
    "dask": dask_engine,
    "slurm": slurm_engine,
}


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "local": check_local,
    "dask": check_dask,
    "slurm": check_slurm,
}
"""Functions that raise UserError for settings that an engine does not have."""


def check_engine(name: str, settings: dict[str, Any]) -> None:
    """Raise UserError for an unknown engine or setting, or a missing package."""
    get_engine(name)
    CHECKS[name](settings)


def get_engine(name: str) -> Engine:
    """Return the engine of a name; raise UserError for an unknown name."""
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    return ENGINES[name]
