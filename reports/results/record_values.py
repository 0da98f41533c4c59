"""What files of one folder say of each other.

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
    """Raise UserError for the first record that contradicts a landscape, or another record of its space.

    Args:
        source: the folder.
        records: each checked by itself.
        landscapes: by id; has all that records name.
    """
    first: dict[str, Selected] = {}
    held: set[tuple[int, str]] = set()
    for record in records:
        selected = record.selected
        other = first.setdefault(record.inputs.space, selected)
        if (other.operations, other.edges) != (selected.operations, selected.edges):
            raise _contradiction(
                source,
                record,
                f"other records have other edges or operations of {record.inputs.space}",
            )
        for accuracy in record.accuracies:
            landscape = landscapes[accuracy.landscape]
            if (
                landscape.architectures
                and (id(selected.operations), landscape.id) not in held
            ):
                held.add((id(selected.operations), landscape.id))
                _check_cells(source, record, landscape)


def _check_cells(source: Folder, record: Record, landscape: Landscape) -> None:
    """Raise UserError unless a landscape knows what each of the record's operations is worth."""
    try:
        check_same_shape(
            "operations",
            record.selected.operations,
            f"landscape {landscape.id}",
            landscape.oracle_best,
        )
    except Impossible as error:
        raise _contradiction(source, record, str(error)) from error


def _contradiction(source: Folder, record: Record, said: str) -> UserError:
    return UserError(
        f"{source.path(Record, record.id)}: {said}: remove the file that is wrong and run the study's command again"
    )
