"""Results of one architecture in the nested form of NAS-Bench-201 and NATS-Bench.

This file does not import torch.
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
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder

ORIGIN = "measured by Dong and Yang (NAS-Bench-201, ICLR 2020)"
LICENCE = "MIT"
SPACE = "nb201"
SPLITS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test"),
    "ImageNet16-120": ("x-valid", "x-test"),
}
"""For each data set, the splits to read.

`ori-test` of cifar100 and ImageNet16-120 is their x-valid and x-test together.
"""

AddArchitecture = Callable[[TableBuilder, dict[str, Any]], None]
"""Function that adds all results of one architecture, in nested form, to a table."""


def add_results(builder: TableBuilder, kind: Any, state: Any, epochs: int) -> None:
    """Add the accuracy after the last epoch of every trial of one architecture.

    Args:
        builder: builder of the table.
        kind: the class `ArchResults` of `nas_201_api` or of `nats_bench`, which have
            the same members.
        state: state of such an object, from a file.
        epochs: number of epochs under which the file lists the results.

    Raises:
        UserError: if the architecture is malformed, or was trained for another number
            of epochs.
        TypeError: if the state has another form.
    """
    # The packages read a text as the path of a pickle, and would load and run that.
    if not isinstance(state, dict):
        raise TypeError(f"results of type {type(state).__name__}")
    results = kind.create_from_state_dict(state)
    architecture = builder.space.parse(results.arch_str)
    for dataset in SPLITS:
        for seed in results.dataset_seed.get(dataset, ()):
            accuracies = _trial_accuracies(results, dataset, seed, epochs)
            for split, accuracy in accuracies.items():
                builder.add(
                    architecture, dataset, split, epochs, str(seed), float(accuracy)
                )


def _trial_accuracies(
    results: Any, dataset: str, seed: Any, epochs: int
) -> dict[str, Any]:
    """Return the accuracy of one trial on each available split of a data set."""
    trial = results.all_results[dataset, seed]
    # Messages quote these values, so they must not be long nested lists.
    if not isinstance(seed, int | str) or not isinstance(trial.epochs, int):
        raise TypeError("a seed or a number of epochs that is not a number")
    if trial.epochs != epochs:
        raise UserError(
            f"{results.arch_str} on {dataset} is listed under {epochs} epochs, but has {trial.epochs}"
        )
    accuracies = {
        split: trial.eval_acc1es.get(f"{split}@{epochs - 1}")
        for split in SPLITS[dataset]
    }
    return {split: value for split, value in accuracies.items() if value is not None}


def table_of_all(
    path: Path, content: Any, name: str, add: AddArchitecture
) -> TruthTable:
    """Return the table of a file with all architectures.

    The function removes architectures from `content` one by one, to free memory.

    Args:
        path: path of the file.
        content: content of the file.
        name: name of the table.
        add: adds one architecture to the table.

    Raises:
        UserError: if the content has another form.
    """
    builder = TableBuilder(get_space(SPACE))
    with known_form(path):
        architectures = content["arch2infos"]
        for index in sorted(architectures):
            add(builder, architectures.pop(index))
    return builder.table(name, origin=f"{ORIGIN}, from {path.name}", licence=LICENCE)


def table_of_each(
    folder: Path,
    pattern: str,
    read: Callable[[Path], Any],
    name: str,
    add: AddArchitecture,
) -> TruthTable:
    """Return the table of a folder with one file per architecture.

    Args:
        folder: folder with the files.
        pattern: pattern of the files' names.
        read: returns the content of a file.
        name: name of the table.
        add: adds one architecture to the table.

    Raises:
        UserError: if there is no such file, or a file has another form.
    """
    builder = TableBuilder(get_space(SPACE))
    for path in sorted(folder.glob(pattern)):
        schedules = read(path)
        with known_form(path):
            add(builder, schedules)
    return builder.table(name, origin=f"{ORIGIN}, from {folder.name}", licence=LICENCE)


@contextmanager
def known_form(path: Path) -> Iterator[None]:
    """Raise UserError, which names the file, if its content has an unknown form."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except DAMAGED as error:
        raise wrong_form(str(path), error) from error


def wrong_form(where: str, error: Exception) -> UserError:
    """Return the error for a file that differs in form from a benchmark's release.

    Args:
        where: the file, and the place in it.
        error: the error that reading raised.
    """
    return UserError(
        f"{where} does not have the benchmark's form ({type(error).__name__}: {error}): "
        "name an unchanged file of its authors"
    )


def check_memory(path: Path, factor: float, force: bool) -> None:
    """Raise UserError if the free memory is too little to read a file.

    Args:
        path: path of the file.
        factor: needed memory as a multiple of the file's size.
        force: whether to skip the check.
    """
    needed = path.stat().st_size * factor
    available = available_memory()
    if needed > available and not force:
        raise UserError(
            f"reading {path} needs about {needed / 1e9:.0f} GB of memory ({factor:g} times the file), and "
            f"{available / 1e9:.0f} GB are free: use a larger machine, or the benchmark's folder with one file "
            "per architecture, or force it"
        )


def available_memory() -> float:
    """Return the free memory in bytes, without swapping.

    If the system does not report it, return the size of the whole memory.
    """
    information = Path("/proc/meminfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                _, kibibytes, *_ = line.split()
                return int(kibibytes) * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return float("inf")
