"""Checks of a folder's files against each other.

Files that contradict one another were damaged or edited.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archselect.benchmarks.store.cell_checks import check_same_shape
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.ranges import Impossible
from archselect.benchmarks.store.records import Landscape, Record, Selected
from archselect.nasbench_adapters.errors import UserError


def refuse_contradictions(
    source: Folder, records: Iterable[Record], landscapes: Mapping[str, Landscape]
) -> None:
    """Raise UserError for the first record that contradicts another file.

    A record must have the edges and operations of the other records of its space, and
    landscapes must know what each operation is worth.

    Args:
        source: the folder.
        records: each checked by itself.
        landscapes: by id; has all that records name.
    """
    first_of_space: dict[str, Selected] = {}
    compared: set[tuple[int, str]] = set()
    for record in records:
        selected = record.selected
        space = record.inputs.space
        first = first_of_space.setdefault(space, selected)
        if (first.operations, first.edges) != (selected.operations, selected.edges):
            reason = f"other records have other edges or operations of {space}"
            raise _contradiction(source, record, reason)
        for accuracy in record.accuracies:
            landscape = landscapes[accuracy.landscape]
            # Records of one space share the object that has their operations.
            both = (id(selected.operations), landscape.id)
            if landscape.architectures and both not in compared:
                compared.add(both)
                _check_operations(source, record, landscape)


def _check_operations(source: Folder, record: Record, landscape: Landscape) -> None:
    """Raise UserError unless a landscape knows the worth of each of the operations."""
    try:
        check_same_shape(
            "operations",
            record.selected.operations,
            f"landscape {landscape.id}",
            landscape.oracle_best,
        )
    except Impossible as error:
        raise _contradiction(source, record, str(error)) from error


def _contradiction(source: Folder, record: Record, reason: str) -> UserError:
    path = source.path(Record, record.id)
    return UserError(
        f"{path}: {reason}: remove the file that is wrong and run the study's command again"
    )
