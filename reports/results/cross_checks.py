"""Checks that the files of a folder agree with each other.

Files that contradict each other were damaged or edited.
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

    All records of a space must have the same edges and operations, and landscapes must
    have an oracle value for each operation.

    Args:
        source: folder.
        records: records, each already checked alone.
        landscapes: all landscapes that the records name, by id.
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
            # Records of one space share the object with their operations.
            both = (id(selected.operations), landscape.id)
            if landscape.architectures and both not in compared:
                compared.add(both)
                _check_operations(source, record, landscape)


def _check_operations(source: Folder, record: Record, landscape: Landscape) -> None:
    """Raise UserError if a landscape lacks the oracle value of an operation."""
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
        f"{path}: {reason}: remove the wrong file and rerun the study's command"
    )
