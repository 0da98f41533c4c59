"""The table of accuracy and cost: dominated selectors, savings, the true front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from archselect.benchmarks.store.records import TrueFront
from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.results.mixture_costs import find_gaps
from archselect.reports.results.results import Results
from archselect.reports.results.trade_offs import (
    SEARCH_SECONDS,
    Plane,
    TradeOff,
    find_planes,
)
from archselect.reports.statistics.claims import (
    CLAIM_ORDER,
    CLAIM_RULE,
    CLAIMED_SAVING,
    HOLDS,
    NOT_SHOWN,
    ClaimVerdict,
)
from archselect.reports.tables.differences import interval
from archselect.reports.tables.pareto_judging import (
    REFERENCE_RULE,
    Compared,
    JudgedPlane,
    Reached,
    judge_plane,
)
from archselect.reports.tables.table import (
    BEST,
    LANDSCAPE_FIELDS,
    NONE,
    NOT_WORSE,
    Mark,
    Row,
    Table,
    TableColumn,
    deviation,
    frame_columns,
    join_words,
    landscape_fields,
    make_table,
)
from archselect.reports.tables.words import (
    describe_landscape,
    extent,
    machine_in_words,
    source_in_words,
)

_ACCURACY = "Accuracy ± std ↑"
_COST = "Cost ± std ↓"
_LONGEST_ORIGIN = 600
"""Most letters of a cost's source in a note."""
LOOKED_UP = "looked up"
"""The source of measured accuracies, which the table does not mention."""
_SAVING = f"{100 * CLAIMED_SAVING:.0f} % less"

_COLUMNS = (
    *frame_columns(*LANDSCAPE_FIELDS, "search", "cost", "cost_of", "unit"),
    TableColumn(header="Plane", text=True, brief=True, heading=True),
    TableColumn("selector", "Selector", text=True, brief=True),
    TableColumn("source", "Source", text=True, optional=True),
    TableColumn("seeds", "Seeds", brief=True),
    TableColumn("accuracy", _ACCURACY, brief=True),
    TableColumn("accuracy_std"),
    TableColumn("cost_mean", _COST, brief=True),
    TableColumn("cost_std"),
    *frame_columns("dominated", "dominated_by"),
    TableColumn(header="Dominated by", text=True, brief=True),
    TableColumn("saving", "Saves %", brief=True),
    *frame_columns("difference", "low", "high", "verdict"),
    TableColumn(header="Difference"),
    TableColumn(header="Verdict", text=True),
    TableColumn("reference", "Reference", text=True),
    *frame_columns("reference_saving", "reference_low", "detectable"),
    TableColumn(header="Detectable"),
    TableColumn("claim", _SAVING, text=True, brief=True),
    TableColumn("cells"),
    TableColumn("hypervolume_share", "Front %", optional=True),
    TableColumn("hypervolume_std"),
    TableColumn("random_share", "Random %", optional=True),
    TableColumn("random_error"),
    TableColumn("on_front", "On the front", optional=True),
)
_CAPTION = (
    "Accuracy in per cent (for one run, the mean over the trials of its cell) and cost: mean ± sample standard "
    "deviation "
    "over the runs of a selector that have both. A lower cost is better. Source: empty if the accuracies were looked "
    "up. "
    "Dominated by: selectors whose means are at least as good in both and better in one; selectors with equal "
    "means do not dominate each other. Saves: reduction of the mean cost relative to the most accurate selector; "
    "below "
    "zero, the cost is higher. Difference and verdict: accuracy minus that of the most accurate selector, paired by "
    "supernet seed, with the interval by Student's t, Holm-adjusted (5 %). "
    f"{_SAVING}, accuracy not worse: the claim of latency-aware search (Xu et al., 2020), compared with the "
    f"reference. "
    f"{CLAIM_RULE} {REFERENCE_RULE} The tests against one reference are Holm-adjusted. Costs are compared by "
    "their means, without a test. Detectable: the smallest loss in accuracy that this number of seeds shows with "
    "probability 80 %. Front: share of the true front's hypervolume that the cells of all runs of a row reach "
    "together "
    "(hypervolume: down to accuracy 0 and up to the largest cost of the space). Random: expected share of as many "
    "random "
    "cells. A row of a path shows the mean, over supernet seeds, of the share that one seed's cells along the path "
    "reach; its random share is for as many cells as one seed has. On the front: number of cells on the true front, "
    "of "
    "all cells."
)


def pareto_table(results: Results) -> Table:
    """Return the table of the selectors' accuracy and cost, by truth and cost."""
    judged = [judge_plane(results, plane) for plane in find_planes(results)]
    rows: list[Row] = []
    for one in judged:
        rows += [_row(one, trade_off) for trade_off in one.plane.trade_offs]
        rows += [_path_row(one, name, path) for name, path in one.paths.items()]
    return make_table(
        "pareto",
        "Accuracy and cost",
        rows,
        answer=_answer(judged),
        columns=_COLUMNS,
        caption=_CAPTION,
        notes=[*_notes(results, judged), *results.status()],
    )


# Rows


def _row(judged: JudgedPlane, trade_off: TradeOff) -> Row:
    """Return the row of a selector."""
    name = trade_off.name
    accuracy_std = deviation(np.array(trade_off.accuracies))
    cost_std = deviation(np.array(trade_off.costs))
    dominators = judged.dominators[name]
    compared = judged.beside_best.get(name)
    landscape = judged.plane.landscape
    known = trade_off.group.known(landscape).accuracies
    source = source_in_words(landscape, known[0])
    full: dict[str, object] = {
        **_plane_fields(judged.plane),
        "selector": name,
        "source": source,
        "seeds": len(trade_off.costs),
        "accuracy": trade_off.accuracy,
        "accuracy_std": accuracy_std,
        "cost_mean": trade_off.cost,
        "cost_std": cost_std,
        "dominated": bool(dominators),
        "dominated_by": "; ".join(dominators),
        **_compared_fields(compared),
        **_claim_fields(judged.beside_reference.get(name)),
        **_reached_fields(judged.reached.get(name)),
    }
    shown = {
        "Plane": judged.plane.title,
        "Selector": name,
        "Source": "" if source == LOOKED_UP else source,
        "Seeds": f"{len(trade_off.costs)}",
        _ACCURACY: _with_spread(trade_off.accuracy, accuracy_std, 2),
        _COST: amount(trade_off.cost, cost_std),
        "Dominated by": join_words(list(dominators)) or "none",
        **_shown_comparison(judged, name),
        **_shown_reached(judged.reached.get(name)),
    }
    return Row(full, shown, _marks(judged, name))


def _path_row(judged: JudgedPlane, name: str, path: Reached) -> Row:
    """Return the row of a whole path."""
    full: dict[str, object] = {
        **_plane_fields(judged.plane),
        "selector": f"path: {name}",
        **_reached_fields(path),
    }
    shown = {
        "Plane": judged.plane.title,
        "Selector": f"path: {name}",
        "Source": "",
        **dict.fromkeys(_HEADERS, NONE),
        **_shown_reached(path),
    }
    return Row(full, shown)


_HEADERS = (
    "Seeds",
    _ACCURACY,
    _COST,
    "Dominated by",
    "Saves %",
    "Difference",
    "Verdict",
    "Reference",
    "Detectable",
    _SAVING,
)
"""Headers of the columns that are empty for a path."""


def _plane_fields(plane: Plane) -> dict[str, object]:
    return {
        **landscape_fields(plane.landscape),
        "search": plane.search,
        "cost": plane.cost.name,
        "cost_of": plane.cost.of,
        "unit": plane.cost.unit,
    }


def _compared_fields(compared: Compared | None) -> dict[str, object]:
    """Return the comparison with the most accurate selector, by column."""
    if compared is None:
        return {}
    difference = compared.finding.difference
    return {
        "saving": compared.saving,
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "verdict": compared.finding.verdict,
    }


def _claim_fields(compared: Compared | None) -> dict[str, object]:
    """Return the comparison with the reference, by column."""
    if compared is None:
        return {}
    return {
        "reference": compared.minus,
        "reference_saving": compared.saving,
        "reference_low": compared.finding.difference.low,
        "detectable": compared.detectable,
        "claim": compared.claim,
    }


def _reached_fields(reached: Reached | None) -> dict[str, object]:
    """Return shares of the hypervolume, by column."""
    if reached is None:
        return {}
    return {
        "cells": reached.cells,
        "hypervolume_share": reached.share,
        "hypervolume_std": reached.spread,
        "random_share": reached.random,
        "random_error": reached.random_error,
        "on_front": reached.on_front,
    }


def _shown_comparison(judged: JudgedPlane, name: str) -> dict[str, str]:
    """Return the comparisons with the best selector and the reference as text."""
    beside = judged.beside_best.get(name)
    claimed = judged.beside_reference.get(name)
    saving = None if beside is None else beside.saving
    detectable = None if claimed is None else claimed.detectable
    return {
        "Saves %": NONE if saving is None else f"{100 * saving:.1f}",
        "Difference": NONE if beside is None else _difference_in_words(beside),
        "Verdict": _verdict_in_words(judged, name),
        "Reference": NONE if claimed is None else claimed.minus,
        "Detectable": NONE if detectable is None else f"{detectable:.2f}",
        _SAVING: NONE if claimed is None else claimed.claim or NONE,
    }


def _difference_in_words(compared: Compared) -> str:
    """Return a difference in accuracy with its interval, as text."""
    difference = compared.finding.difference
    if difference.mean is None:
        return NONE
    if difference.low is None:
        return f"{difference.mean:+.2f}"
    return f"{difference.mean:+.2f} {interval(difference.low, difference.high, 2)}"


def _verdict_in_words(judged: JudgedPlane, name: str) -> str:
    """Return the verdict of the comparison with the most accurate selector."""
    if name == judged.best:
        return "the most accurate"
    compared = judged.beside_best.get(name)
    if compared is None:
        return "not tested"
    verdict = compared.finding.verdict
    return "not shown to be worse" if verdict == "no evidence" else verdict


def _shown_reached(reached: Reached | None) -> dict[str, str]:
    """Return shares of the hypervolume as text, in per cent."""
    if reached is None:
        return {"Front %": "", "Random %": "", "On the front": ""}
    spread = None if reached.spread is None else 100 * reached.spread
    random = NONE if reached.random is None else f"{100 * reached.random:.1f}"
    return {
        "Front %": _with_spread(100 * reached.share, spread, 1),
        "Random %": random,
        "On the front": f"{reached.on_front} of {reached.all_cells}",
    }


def _marks(judged: JudgedPlane, name: str) -> dict[str, Mark]:
    """Return the mark of a selector's accuracy; nothing if no test was possible."""
    tested = [one.finding.p is not None for one in judged.beside_best.values()]
    if not any(tested):
        return {}
    if name == judged.best:
        return {_ACCURACY: BEST}
    compared = judged.beside_best.get(name)
    if compared is not None and compared.finding.verdict == "no evidence":
        return {_ACCURACY: NOT_WORSE}
    return {}


def _with_spread(value: float, spread: float | None, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text if spread is None else f"{text} ± {spread:.{digits}f}"


def amount(value: float, spread: float | None = None) -> str:
    """Return a cost with four significant digits, and "± spread" if it is given."""
    if not value:
        return _with_spread(value, spread, 0)
    digits = max(0, 3 - int(np.floor(np.log10(abs(value)))))
    text = f"{value:,.{digits}f}"
    return text if spread is None else f"{text} ± {spread:,.{digits}f}"


# The answer


def _answer(judged: Sequence[JudgedPlane]) -> str:
    """Return the selectors on the first plane's front, and the claim's verdicts."""
    if not judged:
        return "No selected architecture has a known accuracy and cost."
    first = judged[0]
    names = [name for name, others in first.dominators.items() if not others]
    count = len(first.dominators)
    sentence = (
        f"On {first.plane.title}, no other selector dominates {len(names)} of {count} selectors, by their means: "
        f"{join_words(names)}."
    )
    if count == 1:
        sentence = f"On {first.plane.title} there is only one selector, {names[0]}."
    return " ".join([sentence, *_claims_in_words(judged)])


def _claims_in_words(judged: Sequence[JudgedPlane]) -> Iterator[str]:
    """Yield a sentence on the planes where the claim holds, is not shown, or fails."""
    planes: dict[ClaimVerdict, list[str]] = {verdict: [] for verdict in CLAIM_ORDER}
    of_cells = [one for one in judged if one.plane.cost != SEARCH_SECONDS]
    for one in of_cells or judged:
        verdict = best_claim(one)
        if verdict is not None:
            planes[verdict].append(_plane_in_answer(one, verdict))
    parts = [
        f"{verdict} on {join_words(titles)}"
        for verdict, titles in planes.items()
        if titles
    ]
    if parts:
        yield f"The claim that {_SAVING} cost means no loss of accuracy: {'; '.join(parts)}."


def best_claim(judged: JudgedPlane) -> ClaimVerdict | None:
    """Return the most favourable verdict of a plane's selectors; None if none."""
    claims = {one.claim for one in judged.beside_reference.values()}
    for verdict in CLAIM_ORDER:
        if verdict in claims:
            return verdict
    return None


def _plane_in_answer(judged: JudgedPlane, verdict: ClaimVerdict) -> str:
    """Return a plane's title; for some verdicts, also the selectors that have it."""
    if verdict not in (HOLDS, NOT_SHOWN):
        return judged.plane.title
    names = [
        name
        for name, compared in judged.beside_reference.items()
        if compared.claim == verdict
    ]
    return f"{judged.plane.title} ({join_words(names)})"


# Notes


def _notes(results: Results, judged: Sequence[JudgedPlane]) -> list[str]:
    """Return the notes under the table, each once."""
    notes: list[str] = []
    for one in judged:
        notes += _cost_notes(one.plane)
        notes += _missing_notes(one.plane)
        notes += _mixture_notes(one.plane)
        notes += _claim_notes(one)
        notes.append(_front_note(one.plane))
    for one in judged:
        notes.append(describe_landscape(results, one.plane.landscape))
    if judged:
        notes.append(_seconds_note(results))
    return [note for note in dict.fromkeys(notes) if note]


def _cost_notes(plane: Plane) -> Iterator[str]:
    """Yield the source of a cost's numbers, and the quality of a fitted cost."""
    cost = plane.cost
    if cost == SEARCH_SECONDS:
        return
    origins = one_line(join_words(list(plane.origins)), _LONGEST_ORIGIN)
    of = one_line(cost.of, _LONGEST_ORIGIN)
    yield f"{cost.in_unit} ({of}): {origins}."
    if plane.fit is not None:
        fit = plane.fit
        rho = fit.rank_correlation
        rank = "" if rho is None else f", Spearman's ρ {rho:.3f}"
        yield (
            f"{cost.title} is fitted, not measured: it was fitted on {fit.cells:,} cells, and its mean absolute "
            f"error on "
            f"{fit.held_out:,} held-out cells is {fit.mape:.1f} %{rank}."
        )


def _missing_notes(plane: Plane) -> Iterator[str]:
    """Yield notes on runs without a cost, which no number of the plane includes."""
    for trade_off in plane.trade_offs:
        if trade_off.without_cost:
            runs = len(trade_off.costs) + trade_off.without_cost
            yield (
                f"{plane.title}: {trade_off.without_cost} of {runs} runs of {trade_off.name} selected a cell whose "
                f"cost is "
                "not known; no number here includes them."
            )
    if plane.absent:
        yield f"{plane.title}: no run of {join_words(plane.absent)} has a known cost, so there is no row."


def _mixture_notes(plane: Plane) -> Iterator[str]:
    """Yield the costs of supernets' mixtures and of cells drawn from them."""
    unit = plane.cost.short_unit
    for gap in find_gaps(plane):
        seeds = len(gap.by_seed)
        over = f"means over {seeds} supernets" if seeds > 1 else "one supernet"
        of = one_line(gap.of, _LONGEST_ORIGIN)
        yield (
            f"{plane.title}, supernets of {join_words(gap.names)}: mixture {amount(gap.mixture)} {unit}, "
            f"{gap.draws:,} cells drawn from it {amount(gap.drawn, gap.drawn_sd)} {unit}, by {of} ({over})."
        )


def _claim_notes(judged: JudgedPlane) -> Iterator[str]:
    """Yield why a claim is not shown, and what the number of seeds could show."""
    for name, compared in judged.beside_reference.items():
        if compared.claim != NOT_SHOWN:
            continue
        difference = compared.finding.difference
        if compared.detectable is None:
            why = f"its difference has no interval ({difference.reason})"
        else:
            why = (
                f"its interval is {interval(difference.low, difference.high, 2)}, and {difference.pairs} seeds detect "
                f"only a loss of {compared.detectable:.2f} points or more with probability 80 %"
            )
        yield f"{judged.plane.title}: {name} saves enough compared with {compared.minus}, but nothing is shown: {why}."


def _front_note(plane: Plane) -> str:
    """Return a note on the true front, or why there is none."""
    if plane.cost == SEARCH_SECONDS:
        return ""
    front = plane.front
    if front is None:
        return f"{plane.title}: there is no true front, because {_why_no_front(plane)}."
    cells = sum(point.cells for point in front.points)
    by = " by the fitted cost" if plane.fit is not None else ""
    gaps = ""
    if front.without_cost:
        gaps = f"; {front.without_cost:,} more have no cost"
    return (
        f"{plane.title}: the true front{by} of {front.cells:,} cells has {cells} at {len(front.points)} points{gaps}; "
        f"reference point: accuracy 0 at {amount(front.reference_cost)} {plane.cost.short_unit}, the largest cost; "
        f"{_random_in_words(front)}."
    )


def _random_in_words(front: TrueFront) -> str:
    """Return how the shares of random cells were computed."""
    if not front.random_cells:
        return "the share of random cells is not known"
    if not front.repetitions:
        return "the share of random cells is an exact expectation"
    error = 100 * max(front.random_errors)
    return (
        f"the share of random cells is the mean of {front.repetitions:,} simulations, with a standard error of at "
        f"most "
        f"{error:.1f} percentage points"
    )


def _why_no_front(plane: Plane) -> str:
    """Return why the true front of a plane is not known."""
    landscape = plane.landscape
    if landscape.surrogate:
        return "a surrogate predicts the accuracies"
    if not landscape.architectures:
        return "only the selected architectures were trained"
    if len(plane.origins) > 1:
        return "its costs belong to several networks"
    if landscape.space_size is not None:
        return f"the truth covers only {extent(landscape)}"
    return f"{landscape.space} is too large, or the cost is known for none of its cells"


def _seconds_note(results: Results) -> str:
    """Return what the search time includes, and on which machines it was measured."""
    machines: set[str] = set()
    for group in results.groups:
        machines |= {machine_in_words(machine) for machine in group.machines}
        machines |= {machine_in_words(machine) for machine in group.supernet_machines}
    sentence = (
        "Search time: seconds of all phases of a run, including its supernet's training"
    )
    if len(machines) > 1:
        return f"{sentence}, on {len(machines)} kinds of machines; their times are not comparable."
    return f"{sentence}, on {join_words(sorted(machines))}."


PARETO_WORDS = {
    "dominated": "Another selector is at least as good in accuracy and in cost, and better in one of them.",
    "true front": "The cells of the whole space that no other cell dominates.",
    "hypervolume": "The area that a set of cells dominates, down to accuracy 0 and up to a reference cost.",
    "path": "Selectors that differ in only one numeric setting, in the order of its values.",
}
"""The table's entries in the glossary."""
