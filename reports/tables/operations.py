"""How well scorers rank the operations of each edge: those of a study, and scores out of a file, by the same code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from archselect.benchmarks.store.records import (
    Landscape,
    OperationScore,
    Scale,
    ScorerFacts,
)
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.reports.results.results import Group, Results
from archselect.reports.results.score_correlations import (
    Iteration,
    correlate_iterations,
)
from archselect.reports.statistics.correlations import Coefficient, coefficient
from archselect.reports.statistics.intervals import LEVEL, Better
from archselect.reports.tables.table import NONE, Row, Table, highest, make_table

Oracle = Mapping[tuple[int, int, int], float]
"""What an operation is worth, by (cell, edge, choice)."""


def oracles_of(landscape: Landscape) -> dict[str, Oracle]:
    """Of each operation on each edge, the best (over cells and trials) and the mean accuracy of the cells with it."""
    values = {"best-acc": landscape.oracle_best, "avg-acc": landscape.oracle_mean}
    return {
        name: {
            (c, e, k): v
            for c, cell in enumerate(of)
            for e, edge in enumerate(cell)
            for k, v in enumerate(edge)
        }
        for name, of in values.items()
    }


def oracle_in(scorers: Sequence[ScorerFacts], name: str) -> Oracle:
    """A scorer of the file as an oracle.

    Raises UserError, with the nearest name, if there is none of that name.
    """
    for scorer in scorers:
        if scorer.name == name:
            sign = 1 if scorer.scale.better == "higher" else -1
            return {
                (score.cell, score.edge, score.choice): sign * score.value
                for score in scorer.scores
            }
    raise unknown("scorer of the file", name, [scorer.name for scorer in scorers])


def operation_table(
    scorers: Sequence[ScorerFacts],
    oracles: Mapping[str, Oracle],
    notes: Sequence[str] = (),
) -> Table:
    """Kendall's tau-b and Spearman's rho of each scorer with each oracle: mean over edges, and every edge.

    Raises UserError if an oracle does not know an operation that is scored.
    """
    rows = [_row(scorer, oracles) for scorer in scorers]
    means = [f"{kind}_vs_{oracle}" for oracle in oracles for kind in ("tau", "rho")]
    edges = sorted({key for row in rows for key in row.full if ":" in key})
    columns = ("scorer", "better", "edges", *means, *edges, "undefined")
    headers = (
        "Scorer",
        "Edges",
        *(f"{kind} {oracle} ↑" for oracle in oracles for kind in ("τ-b", "ρ")),
    )
    caption = (
        "Kendall's τ-b and Spearman's ρ of a scorer's operations with what an oracle says of them; per edge, signed by "
        "the scorer's direction, then mean over edges. The CSV has every edge. An edge whose scores or accuracies are "
        "all equal has no correlation and is in no mean."
    )
    return make_table(
        "operation-scores",
        "Rank correlation of operation scores",
        [
            Row({column: row.full.get(column) for column in columns}, row.shown)
            for row in rows
        ],
        answer=_answer(rows, list(oracles), "scorer"),
        columns=(columns, headers),
        text=("Scorer",),
        brief=headers,
        caption=caption,
        notes=notes,
    )


def edge_coefficients(
    scores: Sequence[OperationScore], better: Better, oracle: Oracle
) -> dict[tuple[int, int], Coefficient]:
    """Per (cell, edge) both coefficients of the scores with the oracle.

    Raises KeyError where it has no value.
    """
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


ORACLES = ("best-acc", "avg-acc")
_CONSTANT, _PARAMETERS = "constant order", "parameters"
"""The names of the controls."""


def controls_of(landscape: Landscape) -> list[ScorerFacts]:
    """Return the controls that need no supernet: one constant order of the operations, and their parameters.

    The constant order scores an operation on an edge with the mean over the *other*
    edges of its cell type of the mean accuracy of the cells that have it there, so that
    no edge has a part in its own order. An operation that no other edge has is not
    scored. A landscape without the facts that a control needs has no such control.
    """
    controls = {
        _CONSTANT: _constant_scores(landscape),
        _PARAMETERS: _parameter_scores(landscape),
    }
    return [
        ScorerFacts(name=name, scale=Scale(name=name, better="higher"), scores=scores)
        for name, scores in controls.items()
        if scores
    ]


def controls_in_words(landscape: Landscape) -> str:
    """Return one sentence with the τ-b of each control with both oracles; empty where there is no control."""
    oracles = oracles_of(landscape)
    order = order_in_words(landscape)
    parts = []
    for scorer in controls_of(landscape):
        shown = _row(scorer, oracles).shown
        taus = " and ".join(
            f"{shown[f'τ-b {oracle} ↑']} with {oracle}" for oracle in ORACLES
        )
        name = (
            f"{_CONSTANT} ({order})"
            if scorer.name == _CONSTANT and order
            else scorer.name
        )
        parts.append(f"{name}, τ-b {taus}")
    return f"Controls that look at no supernet: {'; '.join(parts)}." if parts else ""


def order_in_words(landscape: Landscape) -> str:
    """Return the operations by their mean accuracy over all edges, such as "a > b > c".

    Empty where there are several cell types, where edges have different operations, and
    where an accuracy is missing.
    """
    edges = [names for cell in landscape.operations for names in cell]
    if len(landscape.operations) != 1 or any(names != edges[0] for names in edges):
        return ""
    names = edges[0]
    means = np.mean(landscape.oracle_mean[0], axis=0)
    if np.isnan(means).any():
        return ""
    return " > ".join(names[choice] for choice in np.argsort(-means, kind="stable"))


def _constant_scores(landscape: Landscape) -> list[OperationScore]:
    scores = []
    for cell, names in enumerate(landscape.operations):
        for edge in range(len(names)):
            means = _means_on_other_edges(names, landscape.oracle_mean[cell], edge)
            scores += [
                _score(cell, edge, choice, mean) for choice, mean in means.items()
            ]
    return scores


def _parameter_scores(landscape: Landscape) -> list[OperationScore]:
    scores = []
    for cell, edges in enumerate(landscape.operation_parameters):
        for edge, numbers in enumerate(edges):
            scores += [
                _score(cell, edge, choice, float(number))
                for choice, number in enumerate(numbers)
            ]
    return scores


def _means_on_other_edges(
    names: list[list[str]], oracle: list[list[float]], edge: int
) -> dict[int, float]:
    """Return by choice the mean oracle of the same operation on the other edges of the cell type."""
    found = {}
    for choice, name in enumerate(names[edge]):
        elsewhere = [
            oracle[other][names[other].index(name)]
            for other in range(len(names))
            if other != edge and name in names[other]
        ]
        known = [value for value in elsewhere if not np.isnan(value)]
        if known:
            found[choice] = float(np.mean(known))
    return found


def _score(cell: int, edge: int, choice: int, value: float) -> OperationScore:
    return OperationScore(
        round=0, step=0, cell=cell, edge=edge, choice=choice, value=value
    )


def operations_table(results: Results) -> Table:
    """A study's operation scores against both oracles, iteration by iteration, per landscape and selector."""
    rows = []
    for landscape in results.landscapes:
        if landscape.architectures:
            title = results.title(landscape)
            where = {
                key: getattr(landscape, key)
                for key in ("truth", "dataset", "split", "epochs")
            }
            found = [
                row for group in results.groups for row in _study_rows(landscape, group)
            ]
            found += (
                [*_oracle_rows(landscape), *_control_rows(landscape)] if found else []
            )
            rows += [
                Row({**where, **row.full}, {"Landscape": title, **row.shown})
                for row in found
            ]
    edges = sorted({key for row in rows for key in row.full if ":" in key})
    means = [
        f"{kind}_vs_{o}{end}"
        for o in ORACLES
        for kind in ("tau", "rho")
        for end in ("", "_low", "_high")
    ]
    columns = (
        "truth",
        "dataset",
        "split",
        "epochs",
        "selector",
        "iteration",
        "edges",
        "seeds",
        *means,
        *edges,
        "note",
    )
    measures = [f"{kind} {oracle} ↑" for oracle in ORACLES for kind in ("τ-b", "ρ")]
    headers = (
        "Landscape",
        "Selector",
        "Iteration",
        "Edges",
        "Seeds",
        *measures,
        "Note",
    )
    caption = (
        "Kendall's τ-b and Spearman's ρ of the operations' scores with the best (best-acc) and the mean (avg-acc) "
        "accuracy of the cells that have the operation on the edge, signed by the scores' direction; mean over the "
        "edges scored at an iteration, then over seeds, in brackets the "
        f"{100 * LEVEL:.0f} % interval by Student's t over supernet seeds (three or more). Iteration 0 "
        "is before anything is decided; the CSV has every edge. The last rows are of the oracles themselves and of "
        f"controls, which look at no supernet: {_CONSTANT}, the operations in the order of their mean accuracy on the "
        f"other edges of the cell; {_PARAMETERS}, the operations by their number of parameters. Scores that agree no "
        "better than these show no more than which operations are good everywhere."
    )
    return make_table(
        "operations",
        "Operation scores by iteration",
        [
            Row({column: row.full.get(column) for column in columns}, row.shown)
            for row in rows
        ],
        answer=_answer(
            [row for row in rows if row.full.get("iteration") == 0], ORACLES, "selector"
        ),
        columns=(columns, headers),
        text=("Landscape", "Selector", "Note"),
        brief=("Selector", "Iteration", "Edges", *measures),
        caption=caption,
        notes=results.status(),
    )


def _answer(rows: Sequence[Row], oracles: Sequence[str], who: str) -> str:
    """Whose scores agree best with each oracle, before anything is decided."""
    best = {
        oracle: row for oracle in oracles if (row := highest(rows, f"tau_vs_{oracle}"))
    }
    if not best:
        return "No scores could be correlated with an oracle."
    said = [
        f"{oracle}, {row.full[who]} (τ-b {row.full[f'tau_vs_{oracle}']:.3f})"
        for oracle, row in best.items()
    ]
    return f"What agrees best with {'; with '.join(said)}."


def _study_rows(landscape: Landscape, group: Group) -> list[Row]:
    """Of one selector, a row for every iteration."""
    records = group.judged(landscape).records
    found = {
        "best-acc": correlate_iterations(records, landscape.oracle_best),
        "avg-acc": correlate_iterations(records, landscape.oracle_mean),
    }
    return [
        _iteration_row(
            group.name,
            place,
            len(records),
            {oracle: own[place] for oracle, own in found.items()},
        )
        for place in range(len(found["best-acc"]))
    ]


def _iteration_row(
    name: str, place: int, seeds: int, of: Mapping[str, Iteration]
) -> Row:
    edges = of["best-acc"].edges
    full: dict[str, object] = {
        "selector": name,
        "iteration": place,
        "edges": edges,
        "seeds": seeds,
    }
    shown = {
        "Selector": name,
        "Iteration": f"{place}",
        "Edges": f"{edges}",
        "Seeds": f"{seeds}",
    }
    notes = []
    for oracle, found in of.items():
        own = found.correlation
        for kind, label, interval, by_edge in (
            ("tau", "τ-b", own.tau, found.taus),
            ("rho", "ρ", own.rho, found.rhos),
        ):
            key = f"{kind}_vs_{oracle}"
            full |= {
                key: interval.mean,
                f"{key}_low": interval.low,
                f"{key}_high": interval.high,
            }
            full |= {
                f"{key}:{cell}.{edge}": value for (cell, edge), value in by_edge.items()
            }
            spread = (
                ""
                if interval.low is None
                else f" [{interval.low:.3f}, {interval.high:.3f}]"
            )
            shown[f"{label} {oracle} ↑"] = (
                NONE if interval.mean is None else f"{interval.mean:.3f}{spread}"
            )
        if own.undefined:
            notes.append(f"{oracle}: {own.left_out}")
    full["note"] = shown["Note"] = "; ".join(notes)
    return Row(full, shown)


def _oracle_rows(landscape: Landscape) -> list[Row]:
    """The oracles as scorers: what one of them says of the other."""
    known = oracles_of(landscape)
    rows = []
    for name, values in known.items():
        scores = [_score(*place, value) for place, value in values.items()]
        own = _row(
            ScorerFacts(
                name=name, scale=Scale(name=name, better="higher"), scores=scores
            ),
            known,
        )
        shown = {
            "Selector": f"{name} (oracle)",
            "Iteration": NONE,
            "Seeds": NONE,
            "Note": "",
        }
        rows.append(Row({**own.full, "selector": name}, {**own.shown, **shown}))
    return rows


def _control_rows(landscape: Landscape) -> list[Row]:
    oracles = oracles_of(landscape)
    rows = []
    for scorer in controls_of(landscape):
        row = _row(scorer, oracles)
        note = order_in_words(landscape) if scorer.name == _CONSTANT else ""
        shown = {
            "Selector": f"{scorer.name} (control)",
            "Iteration": NONE,
            "Seeds": NONE,
            "Note": note,
        }
        full = {"selector": f"{scorer.name} (control)", "note": row.full["undefined"]}
        rows.append(Row({**row.full, **full}, {**row.shown, **shown}))
    return rows


def _row(scorer: ScorerFacts, oracles: Mapping[str, Oracle]) -> Row:
    full: dict[str, object] = {"scorer": scorer.name, "better": scorer.scale.better}
    shown = {
        "Scorer": f"{scorer.name} {'↑' if scorer.scale.better == 'higher' else '↓'}"
    }
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
            known = [
                value
                for own in found.values()
                if (value := getattr(own, kind)) is not None
            ]
            mean = float(np.mean(known)) if known else None
            full[f"{kind}_vs_{oracle}"] = mean
            shown[f"{name} {oracle} ↑"] = NONE if mean is None else f"{mean:.3f}"
    full["undefined"] = "; ".join(undefined)
    return Row(full, shown)
