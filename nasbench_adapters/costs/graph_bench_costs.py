"""Latencies and parameters of NAS-Bench-Graph's networks.

They come from the PyPI package `nas-bench-graph`, like the accuracies of
:mod:`..truth.graph_bench`: for each of nine data sets a latency in seconds and the
number of weights. The package does not tell what was timed, nor the device. This file
does not import torch.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from platformdirs import user_cache_path

from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.costs.table_header import SCHEMA, CostColumn
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.graph_bench import (
    DATASETS,
    LICENCE,
    NAME,
    ORIGIN,
    SPACE,
    Measured,
    column_of,
    installed_release,
    members_of,
    package_data,
    read_dataset,
)

KINDS = {"latency": "s", "parameters": "parameters"}
"""Unit of each attribute of :class:`.graph_bench.Measured` that becomes a column."""


@lru_cache(maxsize=1)
def graph_bench_costs() -> CostTable:
    """Return the table, with one row for every architecture of the space.

    The conversion takes seconds. Its result is stored in the user's cache folder; if
    that cannot be written, every process converts again.

    Raises UserError if the package is missing or its files are damaged.
    """
    release = installed_release()
    folder = user_cache_path("archselect") / "costs"
    cached = folder / f"{NAME}-{release}-schema{SCHEMA}.npz"
    # If the cached table is missing or damaged, convert the package's data.
    with suppress(UserError):
        return CostTable.open(cached)
    table = convert(package_data(), release)
    # If the cache cannot be written, only time is lost.
    with suppress(UserError):
        table.save(cached)
    return table


def convert(folder: Path, release: str) -> CostTable:
    """Return the table of the package's folder of pickles.

    An architecture has the costs of its class.

    Args:
        folder: folder with the pickles.
        release: version of the package.

    Raises:
        UserError: if a pickle is missing or damaged.
    """
    space = get_space(SPACE)
    members = members_of(space, space.representatives)
    columns = {}
    for dataset in DATASETS:
        measured = read_dataset(folder, dataset)
        for kind, unit in KINDS.items():
            place = Measured._fields.index(kind)
            column = CostColumn(f"{kind}-{dataset}", unit)
            of_classes = column_of(measured, space.representatives, place)
            columns[column] = of_classes[members.rows]
    return CostTable.build(
        name=NAME,
        space=SPACE,
        choices=members.choices,
        columns=columns,
        origin=f"{ORIGIN}, from the PyPI package {NAME} {release}",
        licence=LICENCE,
    )
