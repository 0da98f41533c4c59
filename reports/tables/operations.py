"""Tables of how well the scores of a study or a file rank each edge's operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from archselect.benchmarks.store.records import Landscape, ScorerFacts
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.results.results import Group, Results
from archselect.reports.results.score_correlations import (
    Iteration,
    correlate_iterations,
)
from archselect.reports.statistics.intervals import LEVEL, Interval
from archselect.reports.tables.controls import (
    CONSTANT_ORDER,
    PARAMETERS,
    controls_of,
    order_in_words,
)
from archselect.reports.tables.oracles import (
    BEST_ACCURACY,
    MEAN_ACCURACY,
    MEASURES,
    ORACLES,
    RHO,
    TAU,
    Edge,
    Oracle,
    RankCorrelation,
    as_score,
    as_scorer,
    coefficient_in_words,
    edge_coefficients,
    oracles_of,
)
from archselect.reports.tables.table import (
    LANDSCAPE_COLUMNS,
    NONE,
    Row,
    Table,
    TableColumn,
    frame_columns,
    highest_row,
    landscape_fields,
    make_table,
)

_FILE_CAPTION = (
    "Kendall's τ-b and Spearman's ρ between a scorer's scores and an oracle's values of the operations: computed per "
    "edge, signed by the scorer's direction, then averaged over edges. The CSV has every edge. An edge with equal "
    "scores "
    "or equal accuracies has no correlation; no mean includes it."
)
_STUDY_CAPTION = (
    "Kendall's τ-b and Spearman's ρ between the operations' scores and the best (best-acc) or mean (avg-acc) "
    "accuracy of the cells that have the operation on the edge, signed by the direction of the scores. Mean over the "
    "edges scored at an iteration, then over seeds; in brackets, the "
    f"{100 * LEVEL:.0f} % interval by Student's t over supernet seeds (three or more). Iteration 0 "
    "comes before any decision. The CSV has every edge. The last rows show the oracles themselves and "
    f"controls, which use no supernet: {CONSTANT_ORDER} ranks the operations by their mean accuracy on the "
    f"other edges of the cell; {PARAMETERS} ranks them by their number of parameters. Scores that agree no "
    "better than the controls only show which operations are good on every edge."
)


def operation_table(
    scorers: Sequence[ScorerFacts],
    oracles: Mapping[str, Oracle],
    notes: Sequence[str] = (),
) -> Table:
    """Return the table of each scorer's rank correlation with each oracle.

    It has the mean over edges and, in the frame, every edge.

    Raises UserError if an oracle has no value for a scored operation.
    """
    rows = [_scorer_row(scorer, oracles) for scorer in scorers]
    columns = (
        TableColumn("scorer", "Scorer", text=True, brief=True),
        TableColumn("better"),
        TableColumn("edges", "Edges", brief=True),
        *_measure_columns(oracles),
        *_edge_columns(rows),
        TableColumn("undefined"),
    )
    return make_table(
        "operation-scores",
        "Rank correlation of operation scores",
        rows,
        answer=_answer(rows, list(oracles), "scorer"),
        columns=columns,
        caption=_FILE_CAPTION,
        notes=notes,
    )


def operations_table(results: Results) -> Table:
    """Return the table of a study's operation scores against both oracles.

    There is a row per landscape, selector and iteration; then rows of the oracles
    themselves and of the controls.
    """
    rows: list[Row] = []
    for landscape in results.landscapes:
        if landscape.architectures:
            rows += _landscape_rows(results, landscape)
    at_first = [row for row in rows if row.full.get("iteration") == 0]
    columns = (
        *LANDSCAPE_COLUMNS,
        TableColumn("selector", "Selector", text=True, brief=True),
        TableColumn("iteration", "Iteration", brief=True),
        TableColumn("edges", "Edges", brief=True),
        TableColumn("seeds", "Seeds"),
        *_interval_columns(),
        *_edge_columns(rows),
        TableColumn("note", "Note", text=True, optional=True),
    )
    return make_table(
        "operations",
        "Operation scores by iteration",
        rows,
        answer=_answer(at_first, ORACLES, "selector"),
        columns=columns,
        caption=_STUDY_CAPTION,
        notes=results.status(),
    )


def _measure_columns(oracles: Iterable[str]) -> list[TableColumn]:
    """Return a column per correlation measure and oracle."""
    columns = []
    for oracle in oracles:
        for measure in MEASURES:
            name = measure.column(oracle)
            columns.append(TableColumn(name, measure.header(oracle), brief=True))
    return columns


def _interval_columns() -> list[TableColumn]:
    """Return the columns per measure and oracle, each followed by its interval."""
    columns = []
    for column in _measure_columns(ORACLES):
        columns.append(column)
        columns += frame_columns(f"{column.name}_low", f"{column.name}_high")
    return columns


def _edge_columns(rows: Sequence[Row]) -> tuple[TableColumn, ...]:
    """Return the rows' columns of single edges."""
    names: set[str] = set()
    for row in rows:
        names |= {name for name in row.full if ":" in name}
    return frame_columns(*sorted(names))


def _answer(rows: Sequence[Row], oracles: Sequence[str], who: str) -> str:
    """Return a sentence with the scorer that agrees best with each oracle.

    Args:
        rows: rows to choose from; for a study, those of iteration 0.
        oracles: names of the oracles.
        who: column with the name of the scorer.
    """
    parts = []
    for oracle in oracles:
        column = TAU.column(oracle)
        best = highest_row(rows, column)
        if best:
            parts.append(
                f"{best.full[who]} with {oracle} (τ-b {best.full[column]:.3f})"
            )
    if not parts:
        return "No scores could be correlated with an oracle."
    return f"Best agreement: {'; '.join(parts)}."


# Rows of a study


def _landscape_rows(results: Results, landscape: Landscape) -> list[Row]:
    """Return a landscape's rows; an empty list if no selector scores operations."""
    rows: list[Row] = []
    for group in results.groups:
        rows += _iteration_rows(landscape, group)
    if not rows:
        return []
    rows += _oracle_rows(landscape)
    rows += _control_rows(landscape)
    title = results.title(landscape)
    fields = landscape_fields(landscape)
    return [
        Row({**fields, **row.full}, {"Landscape": title, **row.shown}) for row in rows
    ]


def _iteration_rows(landscape: Landscape, group: Group) -> list[Row]:
    """Return a row per iteration of a selector."""
    records = group.judged(landscape).records
    with_best = correlate_iterations(records, landscape.oracle_best)
    with_mean = correlate_iterations(records, landscape.oracle_mean)
    rows = []
    for place, (best, mean) in enumerate(zip(with_best, with_mean, strict=True)):
        by_oracle = {BEST_ACCURACY: best, MEAN_ACCURACY: mean}
        rows.append(_iteration_row(group.name, place, len(records), by_oracle))
    return rows


def _iteration_row(
    selector: str, place: int, seeds: int, by_oracle: Mapping[str, Iteration]
) -> Row:
    """Return the row of one iteration, with both oracles."""
    edges = by_oracle[BEST_ACCURACY].edges
    full: dict[str, object] = {
        "selector": selector,
        "iteration": place,
        "edges": edges,
        "seeds": seeds,
    }
    shown = {
        "Selector": selector,
        "Iteration": f"{place}",
        "Edges": f"{edges}",
        "Seeds": f"{seeds}",
    }
    notes = []
    for oracle, iteration in by_oracle.items():
        correlation = iteration.correlation
        full |= _numbers(TAU, oracle, correlation.tau, iteration.taus)
        full |= _numbers(RHO, oracle, correlation.rho, iteration.rhos)
        shown[TAU.header(oracle)] = _with_interval(correlation.tau)
        shown[RHO.header(oracle)] = _with_interval(correlation.rho)
        if correlation.undefined:
            notes.append(f"{oracle}: {correlation.left_out}")
    note = "; ".join(notes)
    full["note"] = note
    shown["Note"] = note
    return Row(full, shown)


def _numbers(
    measure: RankCorrelation,
    oracle: str,
    interval: Interval,
    by_edge: Mapping[Edge, float],
) -> dict[str, object]:
    """Return a measure with an oracle as columns: mean, interval and every edge."""
    name = measure.column(oracle)
    numbers: dict[str, object] = {
        name: interval.mean,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
    }
    for edge, value in by_edge.items():
        numbers[measure.edge_column(oracle, edge)] = value
    return numbers


def _with_interval(interval: Interval) -> str:
    mean = coefficient_in_words(interval.mean)
    if interval.mean is None or interval.low is None:
        return mean
    return f"{mean} [{interval.low:.3f}, {interval.high:.3f}]"


def _oracle_rows(landscape: Landscape) -> list[Row]:
    """Return the rows of the oracles as scorers: the agreement of each with both."""
    oracles = oracles_of(landscape)
    rows = []
    for name, oracle in oracles.items():
        scores = [as_score(operation, value) for operation, value in oracle.items()]
        row = _scorer_row(as_scorer(name, scores), oracles)
        full = {**row.full, "selector": name}
        rows.append(Row(full, row.shown | _without_supernet(f"{name} (oracle)")))
    return rows


def _control_rows(landscape: Landscape) -> list[Row]:
    """Return the rows of the scores that need no supernet."""
    oracles = oracles_of(landscape)
    rows = []
    for control in controls_of(landscape):
        row = _scorer_row(control, oracles)
        name = f"{control.name} (control)"
        note = order_in_words(landscape) if control.name == CONSTANT_ORDER else ""
        full = {**row.full, "selector": name, "note": row.full["undefined"]}
        rows.append(Row(full, row.shown | _without_supernet(name, note)))
    return rows


def _without_supernet(name: str, note: str = "") -> dict[str, str]:
    """Return the texts of a row whose scorer is not a run of the study."""
    return {"Selector": name, "Iteration": NONE, "Seeds": NONE, "Note": note}


# Rows of scorers


def _scorer_row(scorer: ScorerFacts, oracles: Mapping[str, Oracle]) -> Row:
    """Return the row of a scorer's rank correlations with each oracle.

    Raises UserError if an oracle has no value for a scored operation.
    """
    arrow = "↑" if scorer.scale.better == "higher" else "↓"
    full: dict[str, object] = {"scorer": scorer.name, "better": scorer.scale.better}
    shown = {"Scorer": f"{scorer.name} {arrow}"}
    undefined: list[str] = []
    for name, oracle in oracles.items():
        try:
            coefficients = edge_coefficients(scorer.scores, scorer.scale.better, oracle)
        except KeyError as error:
            cell, edge, choice = error.args[0]
            raise UserError(
                f"oracle {name} has no value for operation {choice} on edge {edge} of cell type {cell}, "
                f"which {scorer.name} scores"
            ) from error
        full["edges"] = len(coefficients)
        shown["Edges"] = f"{len(coefficients)}"
        for place, coefficient in coefficients.items():
            for measure in MEASURES:
                column = measure.edge_column(name, place)
                full[column] = measure.value(coefficient)
            if coefficient.reason:
                cell, edge = place
                undefined.append(f"edge {cell}.{edge}, {name}: {coefficient.reason}")
        for measure in MEASURES:
            mean = measure.mean(coefficients)
            full[measure.column(name)] = mean
            shown[measure.header(name)] = coefficient_in_words(mean)
    full["undefined"] = "; ".join(undefined)
    return Row(full, shown)
