"""One architecture's results as the files of NAS-Bench-201 and NATS-Bench nest them.

No torch here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.table import TableBuilder, TruthTable

ORIGIN = "measured by Dong and Yang (NAS-Bench-201, ICLR 2020)"
LICENCE = "MIT"
SPLITS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test"),
    "ImageNet16-120": ("x-valid", "x-test"),
}
"""The splits read. (`ori-test` of cifar100 and ImageNet16-120 is their x-valid and
x-test together.)
"""


def add_results(builder: TableBuilder, kind: Any, state: Any, epochs: int) -> None:
    """Add the accuracy after the last epoch of every trial and split of one architecture.

    Args:
        kind: the class `ArchResults` of `nas_201_api` or of `nats_bench`, which have
            the same members.
        state: of an object of it, as the files have it.
        epochs: the training schedule that the results are filed under.

    Raises:
        UserError: if the architecture is malformed, or was trained for another number
            of epochs.
    """
    # A text would be taken for the path of a pickle, which the packages load and so
    # run.
    if not isinstance(state, dict):
        raise TypeError(f"results that are a {type(state).__name__}")
    results = kind.create_from_state_dict(state)
    architecture = builder.space.parse(results.arch_str)
    for dataset, splits in SPLITS.items():
        for seed in results.dataset_seed.get(dataset, ()):
            trial = results.all_results[dataset, seed]
            # What is quoted or turned into text must be short, which a nested list need
            # not be.
            if not isinstance(seed, int | str) or not isinstance(trial.epochs, int):
                raise TypeError("a seed or a number of epochs that is none")
            if trial.epochs != epochs:
                raise UserError(
                    f"{results.arch_str} on {dataset} is filed under {epochs} epochs, but has {trial.epochs}"
                )
            for split in splits:
                accuracy = trial.eval_acc1es.get(f"{split}@{epochs - 1}")
                if accuracy is not None:
                    builder.add(
                        architecture, dataset, split, epochs, str(seed), float(accuracy)
                    )


Add = Callable[[TableBuilder, dict[str, Any]], None]
"""Adds all results of one architecture, as a file nests them, to a table."""


def table_of_all(path: Path, content: Any, name: str, add: Add) -> TruthTable:
    """The table of a file of all architectures, taken apart one by one, so that its memory is freed as it goes.

    Raises UserError if the content is of another form.
    """
    builder = TableBuilder(get_space("nb201"))
    with known_form(path):
        architectures = content["arch2infos"]
        for index in sorted(architectures):
            add(builder, architectures.pop(index))
    return builder.table(name, origin=f"{ORIGIN}, from {path.name}", licence=LICENCE)


def table_of_each(
    folder: Path, pattern: str, read: Callable[[Path], Any], name: str, add: Add
) -> TruthTable:
    """The table of a folder's files of one architecture each, read one by one.

    Raises UserError if there is none, or one is of another form.
    """
    builder = TableBuilder(get_space("nb201"))
    for path in sorted(folder.glob(pattern)):
        schedules = read(path)
        with known_form(path):
            add(builder, schedules)
    return builder.table(name, origin=f"{ORIGIN}, from {folder.name}", licence=LICENCE)


@contextmanager
def known_form(path: Path) -> Iterator[None]:
    """Turns what taking an unknown nesting apart raises into a UserError that names the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except DAMAGED as error:
        raise UserError(
            f"{path} is not of the benchmark's form ({type(error).__name__}: {error}): "
            "name a file as its authors released it"
        ) from error


def check_memory(path: Path, factor: float, force: bool) -> None:
    """Raises UserError if `factor` times the file's size is more than the free memory, unless `force`."""
    needed = path.stat().st_size * factor
    available = available_memory()
    if needed > available and not force:
        raise UserError(
            f"reading {path} needs about {needed / 1e9:.0f} GB of memory ({factor:g} times the file), "
            f"{available / 1e9:.0f} GB are free: use a larger machine, the benchmark's folder of one file "
            "per architecture, or force it"
        )


def available_memory() -> float:
    """Bytes of memory that can be had without swapping; of all memory where the system does not say."""
    information = Path("/proc/meminfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return float("inf")
