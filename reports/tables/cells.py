"""The table of the operations in the selected cells."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import numpy.typing as npt

from archselect.benchmarks.store.records import CellGraph, Selected
from archselect.reports.results.results import Group, Results, seed_name
from archselect.reports.tables.table import (
    NONE,
    Row,
    Table,
    TableColumn,
    join_words,
    make_table,
)

_CAPTION = (
    "Number of edges with each operation in a selected cell: mean over the seeds of a selector and, in brackets, the "
    f"minimum and the maximum over seeds where they differ. {NONE}: the space does not have this operation. The "
    f"layers "
    "of a chain (cell types of one edge each) are counted together."
)
ALL_LAYERS = "all layers"
"""Name of the row that counts all layers of a chain together."""


def cells_table(results: Results) -> Table:
    """Return how often each selector selects each operation, by cell type."""
    operations = _all_operations([record.selected for record in results.records])
    rows = []
    for group in results.groups:
        if group.records:
            counted = _counted_together(group)
            rows += [_row(group, cells, operations) for cells in counted]
    columns = (
        TableColumn("selector", "Selector", text=True, brief=True),
        TableColumn("cell", "Cell", text=True, brief=True),
        TableColumn("seeds", "Seeds", brief=True),
        *(TableColumn(operation, operation, brief=True) for operation in operations),
        TableColumn("every_seed"),
    )
    return make_table(
        "cells",
        "Operations of the selected cells",
        rows,
        answer=_answer(rows, operations),
        columns=columns,
        caption=_CAPTION,
        notes=results.status(),
    )


def _all_operations(selected: list[Selected]) -> list[str]:
    """Return every operation that an edge can have, once, in order of appearance."""
    operations: dict[str, None] = {}
    for selection in selected:
        for cell in selection.operations:
            operations |= dict.fromkeys(chain.from_iterable(cell))
    return list(operations)


def _answer(rows: list[Row], operations: list[str]) -> str:
    """Return a sentence with the most frequent operation of each selector."""
    several = len({str(row.full["cell"]) for row in rows}) > 1
    choices = []
    for row in rows:
        edges = {name: row.full[name] for name in operations}
        counts = {name: of for name, of in edges.items() if isinstance(of, float)}
        most = max(counts, key=counts.__getitem__)
        where = f" in its {row.full['cell']} cell" if several else ""
        who = f"{row.full['selector']}{where}"
        choices.append(f"{who} {most} (on {counts[most]:.1f} edges)")
    return f"The operation that each selector chooses most often, on average: {join_words(choices)}."


def _counted_together(group: Group) -> list[range]:
    """Return the cell types of each row: one cell type, or all layers of a chain."""
    operations = group.records[0].selected.operations
    is_chain = len(operations) > 1 and all(len(edges) == 1 for edges in operations)
    if is_chain:
        return [range(len(operations))]
    return [range(cell, cell + 1) for cell in range(len(operations))]


def _row(group: Group, cells: range, operations: list[str]) -> Row:
    """Return the row of a selector for cell types that are counted together."""
    selected = [record.selected for record in group.records]
    allowed: set[str] = set()
    for cell in cells:
        allowed.update(chain.from_iterable(selected[0].operations[cell]))
    by_seed = []
    for one in selected:
        graphs = [one.graph[cell] for cell in cells]
        by_seed.append(_edges_by_operation(graphs))
    title = ALL_LAYERS if len(cells) > 1 else selected[0].graph[cells[0]].name
    counts = {}
    for operation in operations:
        if operation in allowed:
            counts[operation] = np.array([edges[operation] for edges in by_seed])
    every_seed = []
    for record, edges in zip(group.records, by_seed, strict=True):
        listed = ",".join(f"{operation}:{edges[operation]}" for operation in counts)
        every_seed.append(f"{seed_name(record.inputs)}={listed}")
    full: dict[str, object] = {
        "selector": group.name,
        "cell": title,
        "seeds": len(selected),
    }
    shown = {
        "Selector": group.name,
        "Cell": title,
        "Seeds": f"{len(selected)}",
    }
    for operation in operations:
        numbers = counts.get(operation)
        full[operation] = None if numbers is None else float(numbers.mean())
        shown[operation] = NONE if numbers is None else _count_in_words(numbers)
    full["every_seed"] = ";".join(every_seed)
    return Row(full, shown)


def _edges_by_operation(graphs: list[CellGraph]) -> Counter[str]:
    """Return the number of edges with each operation in some cells."""
    counts: Counter[str] = Counter()
    for graph in graphs:
        counts.update(operation for _, _, operation in graph.edges)
    return counts


def _count_in_words(edges: npt.NDArray[np.int64]) -> str:
    """Return the mean over seeds, with minimum and maximum where they differ."""
    mean = f"{edges.mean():.1f}"
    fewest = edges.min()
    most = edges.max()
    return f"{mean} ({fewest}–{most})" if fewest < most else mean
