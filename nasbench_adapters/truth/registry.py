"""Ground truths by name: functions to open, check and list them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from archselect.nasbench_adapters.errors import Faults, UserError, nearest, unknown
from archselect.nasbench_adapters.input_files import expand
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.truth import graph_bench, hpo_bench, storage
from archselect.nasbench_adapters.truth.catalogue import (
    ALIASES,
    BUILTIN,
    KNOWN,
    KnownTruth,
)
from archselect.nasbench_adapters.truth.column_names import missing_column
from archselect.nasbench_adapters.truth.ground_truth import (
    ColumnKey,
    GroundTruth,
    covers_space,
)
from archselect.nasbench_adapters.truth.surrogate import Surrogate
from archselect.nasbench_adapters.truth.table import TruthTable


class PackageTruth(NamedTuple):
    """A table from an installed package.

    Attributes:
        open: returns the table.
        installed: returns whether the package is installed.
        check_installed: raises UserError, with the command to install it, if it is not.
        keys: keys of the table's columns.
        space: name of the table's space.
    """

    open: Callable[[], TruthTable]
    installed: Callable[[], bool]
    check_installed: Callable[[], None]
    keys: tuple[ColumnKey, ...]
    space: str


PACKAGES = {
    hpo_bench.NAME: PackageTruth(
        open=hpo_bench.hpo_bench_table,
        installed=hpo_bench.installed,
        check_installed=hpo_bench.check_installed,
        keys=hpo_bench.KEYS,
        space=hpo_bench.SPACE,
    ),
    graph_bench.NAME: PackageTruth(
        open=graph_bench.graph_bench_table,
        installed=graph_bench.installed,
        check_installed=graph_bench.check_installed,
        keys=graph_bench.KEYS,
        space=graph_bench.SPACE,
    ),
}


@dataclass(frozen=True)
class TruthListing:
    """Entry of a ground truth in a listing.

    Attributes:
        name: name of the ground truth.
        summary: short description.
        present: whether it can be opened.
        command: command that gets it.
        address: address of its file or package; empty if nothing is fetched.
        size: size of that file or package; empty if it is not known.
    """

    name: str
    summary: str
    present: bool
    command: str
    address: str = ""
    size: str = ""


def open_truth(name: str) -> GroundTruth:
    """Return a ground truth, given its name or the path of its file.

    Args:
        name: name of a built-in, imported or fitted ground truth, or a path that ends
            in `.npz`.

    Raises:
        UserError: if it is unknown, not yet present, or damaged; the message says how
            to get it.
    """
    if name in PACKAGES:
        return PACKAGES[name].open()
    return storage.open_file(_path_of(name))


def open_table(name: str) -> TruthTable:
    """Return a table, given its name or the path of its file.

    Raises UserError like :func:`open_truth`, and if it is a surrogate.
    """
    if name in PACKAGES:
        return PACKAGES[name].open()
    path = _path_of(name)
    if Surrogate.is_surrogate_file(path):
        table = Surrogate.open(path).reference.name
        raise UserError(
            f"'{name}' is a surrogate: name the table that it was fitted on, '{table}'"
        )
    return TruthTable.open(path)


def _path_of(name: str) -> Path:
    """Return the file of a ground truth.

    Raises UserError, which says how to get it, if there is none.
    """
    if name in BUILTIN:
        path = storage.builtin_path(name)
        if not path.is_file():
            raise UserError(
                f"the truth '{name}' is not there yet: {BUILTIN[name].command}"
            )
        return path
    if Path(name).suffix == storage.SUFFIX:
        return expand(name)
    stored = storage.stored_truths()
    if name not in stored:
        raise _not_there(name)
    return stored[name]


def check_column(
    name: str,
    dataset: str,
    split: str,
    epochs: int,
    spaces: Sequence[SearchSpace] | None = None,
) -> None:
    """Raise UserError unless a ground truth exists, has a column, and fits the spaces.

    It reads only the header of a table, and converts nothing.

    Args:
        name: name of the ground truth.
        dataset, split, epochs: name of the column.
        spaces: spaces of which the ground truth must cover at least one; None for any.
    """
    if name in PACKAGES:
        package = PACKAGES[name]
        package.check_installed()
        keys = list(package.keys)
        truth_space = package.space
    else:
        truth = open_truth(name)
        keys = [column.key for column in truth.columns]
        truth_space = truth.space.name
    faults = Faults()
    if ColumnKey(dataset, split, epochs) not in keys:
        faults.add(missing_column(name, keys, dataset, split, epochs))
    if spaces and not any(covers_space(truth_space, space) for space in spaces):
        names = ", ".join(space.name for space in spaces)
        faults.add(UserError(f"truth '{name}' is for space {truth_space}, not {names}"))
    faults.raise_any()


def list_truths() -> list[TruthListing]:
    """Return every ground truth that archselect knows by name, present or not."""
    stored = storage.stored_truths()
    listings = []
    for name, known in BUILTIN.items():
        listings.append(_list_known(name, known, _is_present(name)))
    for name, path in stored.items():
        listings.append(_list_stored(name, path))
    for name, known in KNOWN.items():
        if name not in stored:
            listings.append(_list_known(name, known, is_present=False))
    return listings


def _list_known(name: str, known: KnownTruth, is_present: bool) -> TruthListing:
    """Return the entry of a truth that archselect knows by name."""
    return TruthListing(
        name=name,
        summary=known.summary,
        present=is_present,
        command=known.command,
        address=known.address,
        size=known.size,
    )


def _is_present(name: str) -> bool:
    """Return whether a built-in ground truth can be opened."""
    if name in PACKAGES:
        return PACKAGES[name].installed()
    return storage.builtin_path(name).is_file()


def _list_stored(name: str, path: Path) -> TruthListing:
    """Return the entry of an imported or fitted ground truth."""
    command = f"archselect truth import SOURCE --name {name}"
    try:
        truth = storage.open_file(path)
    except UserError as error:
        return TruthListing(name, str(error), False, command)
    summary = f"imported: {truth.origin}"
    if truth.agreement is not None:
        summary = truth.origin
        command = f"archselect truth fit TABLE --name {name}"
    if not truth.measured:
        summary += f"; {truth.describe_provenance()}"
    return TruthListing(name, summary, True, command)


def _not_there(name: str) -> UserError:
    """Return the error for a missing ground truth.

    If the name is known, the message has the command that gets it.
    """
    if name in KNOWN:
        known = KNOWN[name]
        return UserError(
            f"the truth '{name}' is not there yet: {known.command} ({known.summary}; from {known.origin()})"
        )
    stored = storage.stored_truths()
    names = [*BUILTIN, *KNOWN, *stored]
    error = unknown("truth", name, names, ALIASES)
    meant = nearest(name, names, ALIASES)
    if meant in KNOWN and meant not in stored:
        return UserError(f"{error}; '{meant}' is not there yet: {KNOWN[meant].command}")
    return error
