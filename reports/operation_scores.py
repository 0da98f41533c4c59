"""How well scorers rank the operations of each edge: scores out of a file, by the same code as a study's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from archselect.benchmarks.records import Landscape, OperationScore, ScorerFacts, UserError, unknown
from archselect.reports.stats import Coefficient, coefficient
from archselect.reports.table import NONE, Row, Table, make_table

Oracle = Mapping[tuple[int, int, int], float]
"""What an operation is worth, by (cell, edge, choice)."""


def oracles_of(landscape: Landscape) -> dict[str, Oracle]:
    """Of each operation on each edge, the best (over cells and trials) and the mean accuracy of the cells with it."""
    values = {"best-acc": landscape.oracle_best, "avg-acc": landscape.oracle_mean}
    return {
        name: {(c, e, k): v for c, cell in enumerate(of) for e, edge in enumerate(cell) for k, v in enumerate(edge)}
        for name, of in values.items()
    }


def oracle_in(scorers: Sequence[ScorerFacts], name: str) -> Oracle:
    """A scorer of the file as an oracle. Raises UserError, with the nearest name, if there is none of that name."""
    for scorer in scorers:
        if scorer.name == name:
            sign = 1 if scorer.scale.better == "higher" else -1
            return {(score.cell, score.edge, score.choice): sign * score.value for score in scorer.scores}
    raise unknown("scorer of the file", name, [scorer.name for scorer in scorers])


def operation_table(scorers: Sequence[ScorerFacts], oracles: Mapping[str, Oracle], notes: Sequence[str] = ()) -> Table:
    """Kendall's tau-b and Spearman's rho of each scorer with each oracle: mean over edges, and every edge.

    Raises UserError if an oracle does not know an operation that is scored.
    """
    rows = [_row(scorer, oracles) for scorer in scorers]
    means = [f"{kind}_vs_{oracle}" for oracle in oracles for kind in ("tau", "rho")]
    edges = sorted({key for row in rows for key in row.full if ":" in key})
    columns = ("scorer", "better", "edges", *means, *edges, "undefined")
    headers = ("Scorer", "Edges", *(f"{kind} {oracle} ↑" for oracle in oracles for kind in ("τ-b", "ρ")))
    caption = (
        "Kendall's τ-b and Spearman's ρ of a scorer's operations with what an oracle says of them; per edge, signed by "
        "the scorer's direction, then mean over edges. The CSV has every edge. An edge whose scores or accuracies are "
        "all equal has no correlation and is in no mean."
    )
    return make_table(
        "operation-scores",
        "Rank correlation of operation scores",
        [Row({column: row.full.get(column) for column in columns}, row.shown) for row in rows],
        columns=(columns, headers),
        text=("Scorer",),
        brief=headers,
        caption=caption,
        notes=notes,
    )


def edge_coefficients(
    scores: Sequence[OperationScore], better: str, oracle: Oracle
) -> dict[tuple[int, int], Coefficient]:
    """Per (cell, edge) both coefficients of the scores with the oracle. Raises KeyError where it has no value."""
    edges: dict[tuple[int, int], list[OperationScore]] = {}
    for score in scores:
        edges.setdefault((score.cell, score.edge), []).append(score)
    return {
        place: coefficient(
            [score.value for score in own],
            [oracle[score.cell, score.edge, score.choice] for score in own],
            better,
            2,
            "operations scored",
        )
        for place, own in sorted(edges.items())
    }


def _row(scorer: ScorerFacts, oracles: Mapping[str, Oracle]) -> Row:
    full: dict[str, object] = {"scorer": scorer.name, "better": scorer.scale.better}
    shown = {"Scorer": f"{scorer.name} {'↑' if scorer.scale.better == 'higher' else '↓'}"}
    undefined: list[str] = []
    for oracle, values in oracles.items():
        try:
            found = edge_coefficients(scorer.scores, scorer.scale.better, values)
        except KeyError as error:
            cell, edge, choice = error.args[0]
            raise UserError(
                f"oracle {oracle} has no value for operation {choice} on edge {edge} of cell type {cell}, "
                f"which {scorer.name} scores"
            ) from error
        full["edges"], shown["Edges"] = len(found), f"{len(found)}"
        for (cell, edge), own in found.items():
            full[f"tau_vs_{oracle}:{cell}.{edge}"] = own.tau
            full[f"rho_vs_{oracle}:{cell}.{edge}"] = own.rho
            if own.reason:
                undefined.append(f"edge {cell}.{edge}, {oracle}: {own.reason}")
        for kind, name in (("tau", "τ-b"), ("rho", "ρ")):
            known = [value for own in found.values() if (value := getattr(own, kind)) is not None]
            mean = float(np.mean(known)) if known else None
            full[f"{kind}_vs_{oracle}"] = mean
            shown[f"{name} {oracle} ↑"] = NONE if mean is None else f"{mean:.3f}"
    full["undefined"] = "; ".join(undefined)
    return Row(full, shown)
