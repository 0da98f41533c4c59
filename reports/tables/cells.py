"""The table of the operations that the selected cells are made of."""

from __future__ import annotations

from collections import Counter

import numpy as np

from archselect.reports.results.results import Group, Results, seed_name
from archselect.reports.tables.table import NONE, Row, Table, make_table


def cells_table(results: Results) -> Table:
    """How often each operation is in the selected cells, per selector and cell type."""
    groups = [group for group in results.groups if group.records]
    selected = [record.selected for record in results.records]
    names = list(
        dict.fromkeys(
            n
            for own in selected
            for cell in own.operations
            for edge in cell
            for n in edge
        )
    )
    rows = [
        _cells_row(group, c, names)
        for group in groups
        for c in range(len(group.records[0].selected.graph))
    ]
    caption = (
        "How many edges of a selected cell carry each operation: mean over the seeds of a selector, in brackets the "
        f"fewest and the most of one seed where they differ. {NONE}: no edge of the space may carry it."
    )
    return make_table(
        "cells",
        "Operations of the selected cells",
        rows,
        answer=_answer(rows, names),
        columns=(
            ("selector", "cell", "seeds", *names, "every_seed"),
            ("Selector", "Cell", "Seeds", *names),
        ),
        text=("Selector", "Cell"),
        brief=("Selector", "Cell", "Seeds", *names),
        caption=caption,
        notes=results.status(),
    )


def _answer(rows: list[Row], names: list[str]) -> str:
    """The selector of which one operation takes most edges, and that operation."""
    counts = {
        (place, name): value
        for place, row in enumerate(rows)
        for name in names
        if isinstance(value := row.full[name], float)
    }
    place, name = max(counts, key=counts.__getitem__)
    full = rows[place].full
    of = (
        f" of its {full['cell']} cell"
        if len({str(row.full["cell"]) for row in rows}) > 1
        else ""
    )
    return f"Most used is {name}, which {full['selector']} puts on {counts[place, name]:.1f} edges{of} on average."


def _cells_row(group: Group, c: int, names: list[str]) -> Row:
    allowed = {
        name for edge in group.records[0].selected.operations[c] for name in edge
    }
    graphs = [record.selected.graph[c] for record in group.records]
    counts = [Counter(operation for _, _, operation in graph.edges) for graph in graphs]
    found = {
        name: np.array([count[name] for count in counts])
        for name in names
        if name in allowed
    }
    who: dict[str, object] = {
        "selector": group.name,
        "cell": graphs[0].name,
        "seeds": len(graphs),
    }
    every = (
        f"{seed_name(record.inputs)}="
        + ",".join(f"{name}:{count[name]}" for name in found)
        for record, count in zip(group.records, counts, strict=True)
    )
    full = {name: float(of.mean()) for name, of in found.items()}
    shown = {
        name: f"{of.mean():.1f}"
        + (f" ({of.min()}–{of.max()})" if of.min() < of.max() else "")
        for name, of in found.items()
    }
    return Row(
        {**who, **dict.fromkeys(names), **full, "every_seed": ";".join(every)},
        {
            "Selector": group.name,
            "Cell": graphs[0].name,
            "Seeds": f"{len(graphs)}",
            **dict.fromkeys(names, NONE),
            **shown,
        },
    )
