"""NAS-Bench-Graph's accuracies from the PyPI package `nas-bench-graph`.

The package has a pickle of plain data for each of nine data sets. It maps the number of
a class of networks to the validation accuracy `valid_perf` and the test accuracy `perf`
(both between 0 and 1), the latency, and the number of parameters. By its authors'
description, each number is the mean of three trainings. The package does not hold the
numbers of epochs, so all columns have the number 0.

Only the pickles are read, with the safe reader. The package is never imported. This
file does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from platformdirs import user_cache_path

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.safe_pickle import read_pickle
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.nbgraph import LAYERS, OPERATIONS
from archselect.nasbench_adapters.truth.benchmark_results import known_form
from archselect.nasbench_adapters.truth.choices import row_bytes
from archselect.nasbench_adapters.truth.ground_truth import (
    ColumnKey,
    CoveredArchitectures,
)
from archselect.nasbench_adapters.truth.table import ColumnData, TruthTable
from archselect.nasbench_adapters.truth.table_header import SCHEMA

NAME = "nas-bench-graph"
MODULE = "nas_bench_graph"
INSTALL = "pip install 'archselect[graph]'"
SPACE = "nbgraph"
DATASETS = (
    *("arxiv", "citeseer", "computers", "cora", "cs", "photo", "physics"),
    *("proteins", "pubmed"),
)
"""The data sets; the package has a file for each."""
VALIDATION = "valid"
TEST = "test"
EPOCHS = 0
"""Number of epochs of all columns; the package does not hold the true numbers."""
TRIAL = "mean"
"""Name of the only value of a network, in place of a seed."""
KEYS = tuple(
    ColumnKey(dataset, split, EPOCHS)
    for dataset in DATASETS
    for split in (VALIDATION, TEST)
)
"""The columns of the table."""
ORIGIN = "measured by Qin et al. (NAS-Bench-Graph, NeurIPS 2022)"
CHOSEN_BY_TEST = "public search scripts of this benchmark choose by test accuracy: compare with them by the split valid"
LICENCE = "Apache-2.0"
TREES = (
    (0, 0, 0),
    (0, 0, 1),
    (0, 1, 1),
    (0, 1, 2),
    (0, 1, 3),
    (1, 1, 1),
    (1, 1, 2),
    (1, 2, 2),
    (1, 2, 3),
)
"""What layers 2, 3 and 4 read, by the first digit of a number of the package."""
BASE: Final = 10
"""Base of the digits in the package's numbers."""


class Measured(NamedTuple):
    """The package's numbers for a network on a data set.

    Attributes:
        validation, test: accuracy in per cent; another score on `proteins`.
        latency: latency in seconds; the package does not define it further.
        parameters: number of weights.
    """

    validation: float
    test: float
    latency: float
    parameters: float


def graph_bench_table() -> TruthTable:
    """Return the table with the splits `valid` and `test` of all data sets.

    The conversion takes seconds. Its result is stored in the user's cache folder; if
    that cannot be written, every call converts again.

    Raises UserError if the package is missing or its files are damaged.
    """
    release = installed_release()
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


def installed() -> bool:
    """Return whether the package is installed."""
    return find_spec(MODULE) is not None


def check_installed() -> None:
    """Raise UserError, with the command that installs it, if the package is missing."""
    if not installed():
        raise _missing()


def installed_release() -> str:
    """Return the package's version; raise UserError if it is missing."""
    try:
        return version(NAME)
    except PackageNotFoundError as error:
        raise _missing() from error


def _missing() -> UserError:
    return UserError(f"the package {NAME} is missing: {INSTALL}")


def package_data() -> Path:
    """Return the package's folder of pickles.

    Raises UserError if the package is incomplete.
    """
    spec = find_spec(MODULE)
    if spec is None or spec.origin is None:
        raise UserError(
            f"the package {NAME} is incomplete: pip install --force-reinstall {NAME}"
        )
    return Path(spec.origin).parent / "light"


def convert(folder: Path, release: str) -> TruthTable:
    """Return the table of the package's folder of pickles.

    Args:
        folder: folder with the pickles.
        release: version of the package.

    Raises:
        UserError: if a pickle is missing or damaged.
    """
    measured = {dataset: read_dataset(folder, dataset) for dataset in DATASETS}
    stored = sorted(set().union(*measured.values()), key=row_bytes)
    columns = {}
    for key in KEYS:
        place = Measured._fields.index(
            "validation" if key.split == VALIDATION else "test"
        )
        column = column_of(measured[key.dataset], stored, place)
        columns[key] = ColumnData([TRIAL], column[:, np.newaxis])
    return TruthTable.build(
        name=NAME,
        space=SPACE,
        choices=rows_of(stored),
        columns=columns,
        origin=f"{ORIGIN}, from the PyPI package {NAME} {release}; {CHOSEN_BY_TEST}",
        licence=LICENCE,
        canonical_only=True,
        members=members_of(get_space(SPACE), stored),
    )


def read_dataset(folder: Path, dataset: str) -> dict[Architecture, Measured]:
    """Return the package's numbers for each class on a data set, by representative.

    Raises UserError if the pickle is missing or damaged.
    """
    path = folder / f"{dataset}.bench"
    content = read_pickle(path)
    found = {}
    with known_form(path):
        for number, values in content.items():
            found[_representative(number)] = _measured(values)
    return found


def rows_of(architectures: Sequence[Architecture]) -> np.ndarray:
    """Return architectures as rows, (architectures, 7) of int8."""
    content = b"".join(map(row_bytes, architectures))
    return np.frombuffer(content, dtype=np.int8).reshape(len(architectures), -1)


def column_of(
    measured: Mapping[Architecture, Measured],
    architectures: Sequence[Architecture],
    place: int,
) -> np.ndarray:
    """Return one number per architecture as float64, NaN if there is none.

    Args:
        measured: numbers of each architecture.
        architectures: architectures in the order of the column.
        place: index of the number in :class:`Measured`.
    """
    column = np.full(len(architectures), np.nan)
    for row, architecture in enumerate(architectures):
        if architecture in measured:
            column[row] = measured[architecture][place]
    return column


def members_of(
    space: SearchSpace, stored: Sequence[Architecture]
) -> CoveredArchitectures:
    """Return all architectures of the space whose representative is stored."""
    row_of = {architecture: row for row, architecture in enumerate(stored)}
    members = []
    rows = []
    for architecture, representative in space.classes.items():
        if representative in row_of:
            members.append(architecture)
            rows.append(row_of[representative])
    return CoveredArchitectures(rows_of(members), np.array(rows, dtype=np.int64))


@cache
def _representative(number: int) -> Architecture:
    """Return the architecture with one of the package's numbers.

    The digits of the number are a tree and the operations of the four layers.

    Raises ValueError if the number does not belong to a representative.
    """
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is not the number of a network")
    digits = []
    rest = number
    for _ in range(LAYERS):
        rest, digit = divmod(rest, BASE)
        digits.append(digit)
    if rest >= len(TREES) or max(digits) >= len(OPERATIONS):
        raise ValueError(f"{number} is not the number of a network")
    architecture = Architecture((TREES[rest], tuple(reversed(digits))))
    space = get_space(SPACE)
    if not space.valid(architecture) or space.canonical(architecture) != architecture:
        raise ValueError(f"{number} is not the representative of its class")
    return architecture


def _measured(values: Mapping[str, Any]) -> Measured:
    """Return the package's numbers for a network.

    Raises ValueError if it is out of range.
    """
    validation, test = float(values["valid_perf"]), float(values["perf"])
    latency = float(values["latency"])
    parameters = float(values["para"])
    if not 0 <= validation <= 1 or not 0 <= test <= 1:
        raise ValueError("an accuracy is not between 0 and 1")
    return Measured(
        validation=100 * validation,
        test=100 * test,
        latency=latency,
        parameters=float(round(parameters * 1e6)),
    )
