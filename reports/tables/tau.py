"""The table of rank correlations between scores and the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from archselect.benchmarks.store.records import Landscape, Record, Scale
from archselect.reports.results.metrics import LEVELS, correlations, tau_by_seed
from archselect.reports.results.results import Results
from archselect.reports.results.score_correlations import (
    Correlation,
    architecture_scale,
    operation_scale,
)
from archselect.reports.results.shared_weights import describe_sharing
from archselect.reports.statistics.intervals import LEVEL, Interval
from archselect.reports.tables.controls import controls_in_words
from archselect.reports.tables.marks import describe_others, mark_selectors
from archselect.reports.tables.table import (
    LANDSCAPE_COLUMNS,
    NONE,
    Mark,
    Row,
    Table,
    TableColumn,
    frame_columns,
    join_words,
    landscape_fields,
    make_table,
)
from archselect.reports.tables.words import (
    describe_landscape,
    is_measured_whole,
    judged_landscapes,
)

_COLUMNS = (
    *LANDSCAPE_COLUMNS,
    TableColumn("level", "Level", text=True, brief=True),
    TableColumn("selector", "Selector", text=True, brief=True),
    TableColumn("tau_b", "τ-b ↑", brief=True),
    *frame_columns("tau_b_low", "tau_b_high"),
    TableColumn(header="95 % interval", brief=True),
    TableColumn("spearman", "ρ ↑", brief=True),
    *frame_columns("spearman_low", "spearman_high"),
    TableColumn(header="ρ 95 % interval"),
    TableColumn("seeds"),
    TableColumn("n", "n"),
    *frame_columns("coefficients", "undefined"),
    TableColumn("note", "Note", text=True, optional=True),
)
_CAPTION = (
    "Kendall's τ-b and Spearman's ρ between a selector's scores and the accuracies of a truth. The "
    "scores are signed by their declared direction, so that 1 is perfect and 0 is chance. Operation "
    "level: for each edge, the scores at the step that decided the edge, against the best accuracy of the "
    "cells with that operation on that edge (best-acc: maximum over cells and trials) or their mean "
    "(avg-acc); mean over edges and rounds, then over seeds. Architecture level: scores of whole architectures "
    f"against their accuracies (mean over trials); mean over seeds. Intervals: {100 * LEVEL:.0f} % by "
    "Student's t over supernet seeds, cut at -1 and 1; none with fewer than three seeds or if all "
    "seeds have the same value."
)


@dataclass(frozen=True)
class _Leader:
    """The selector whose scores agree best with a landscape at a level, as a sentence.

    `selectors` is the number of selectors that were compared.
    """

    landscape: Landscape
    selectors: int
    sentence: str


def tau_table(results: Results) -> Table:
    """Return the table of rank correlations between scores and the truth.

    There is a row per landscape, level and selector.
    """
    rows: list[Row] = []
    leaders: list[_Leader] = []
    for landscape in results.landscapes:
        groups = [group for group in results.groups if group.judged(landscape)]
        of_group = {group.name: correlations(landscape, group) for group in groups}
        for level in LEVELS:
            known: dict[str, Correlation] = {}
            values: dict[str, dict[int, float]] = {}
            for group in groups:
                correlation = of_group[group.name][level]
                if correlation is not None:
                    known[group.name] = correlation
                    values[group.name] = tau_by_seed(landscape, group, correlation)
            marks = mark_selectors(values)
            rows += [
                _row(results, landscape, level, name, correlation, marks.get(name))
                for name, correlation in known.items()
            ]
            leaders += _find_leader(landscape, level, known, marks)
    return make_table(
        "tau",
        "Rank correlation with the truth",
        rows,
        answer=_answer(results, leaders),
        columns=_COLUMNS,
        caption=_CAPTION,
        notes=_notes(results),
    )


def _row(
    results: Results,
    landscape: Landscape,
    level: str,
    selector: str,
    correlation: Correlation,
    mark: Mark | None,
) -> Row:
    """Return the row of a selector's scores at one level."""
    note = _note(correlation)
    full: dict[str, object] = {
        **landscape_fields(landscape),
        "level": level,
        "selector": selector,
        "tau_b": correlation.tau.mean,
        "tau_b_low": correlation.tau.low,
        "tau_b_high": correlation.tau.high,
        "spearman": correlation.rho.mean,
        "spearman_low": correlation.rho.low,
        "spearman_high": correlation.rho.high,
        "seeds": len(correlation.per_seed),
        "n": correlation.n,
        "coefficients": correlation.size,
        "undefined": correlation.undefined.total(),
        "note": note,
    }
    shown = {
        "Landscape": results.title(landscape),
        "Level": level,
        "Selector": selector,
        "τ-b ↑": _coefficient(correlation.tau.mean),
        "95 % interval": _interval(correlation.tau),
        "ρ ↑": _coefficient(correlation.rho.mean),
        "ρ 95 % interval": _interval(correlation.rho),
        "n": correlation.n,
        "Note": note,
    }
    return Row(full, shown, {"τ-b ↑": mark} if mark else {})


def _note(correlation: Correlation) -> str:
    """Return what is undefined and why; empty if everything is defined."""
    seeds = len(correlation.per_seed)
    defined = sum(value is not None for value in correlation.per_seed)
    if defined == seeds:
        return correlation.left_out
    reason = correlation.left_out or "no edge was decided by scores"
    return f"mean of {defined} of {seeds} seeds; {reason}"


def _find_leader(
    landscape: Landscape,
    level: str,
    known: dict[str, Correlation],
    marks: dict[str, Mark],
) -> list[_Leader]:
    """Return the selector whose scores agree best; an empty list if none is defined."""
    means = {
        name: correlation.tau.mean
        for name, correlation in known.items()
        if correlation.tau.mean is not None
    }
    if not means:
        return []
    best = max(means, key=means.__getitem__)
    tau = known[best].tau
    bounds = "" if tau.low is None else f" {_interval(tau)}"
    others = f"; {describe_others(means, marks)}" if len(means) > 1 else ""
    sentence = f"{best} {means[best]:.3f}{bounds} ({level}{others})"
    return [_Leader(landscape, len(means), sentence)]


def _answer(results: Results, leaders: list[_Leader]) -> str:
    """Return the answer for the first landscape, level by level."""
    if not leaders:
        return "No selector has scores to correlate with the truth."
    first = leaders[0].landscape
    on_first = [leader for leader in leaders if leader.landscape is first]
    several = any(leader.selectors > 1 for leader in on_first)
    what = "Highest τ-b" if several else "τ-b"
    sentences = ", ".join(leader.sentence for leader in on_first)
    return f"{what} with {results.title(first)}: {sentences}."


# Notes


def _notes(results: Results) -> list[str]:
    judged = judged_landscapes(results)
    used = [landscape for landscape in judged if landscape.architectures]
    return [
        _direction(results, "Operation", operation_scale),
        _direction(results, "Architecture", architecture_scale),
        *describe_sharing(results),
        *_controls(results, used),
        *(
            describe_landscape(results, landscape)
            for landscape in used
            if not is_measured_whole(landscape)
        ),
        *results.status(),
    ]


def _controls(results: Results, landscapes: list[Landscape]) -> Iterator[str]:
    """Yield, for each truth, the correlations of scores that use no supernet."""
    for landscape in landscapes:
        sentence = controls_in_words(landscape)
        if sentence:
            yield f"{results.title(landscape)}: {sentence}"


def _direction(
    results: Results,
    level: str,
    scale_of: Callable[[Sequence[Record]], Scale | None],
) -> str:
    """Return the scores of a level, each with the better direction."""
    scored = []
    silent = []
    for group in results.groups:
        if not group.records:
            continue
        scale = scale_of(group.records)
        if scale:
            scored.append(f"{group.name}, {scale.name} ({scale.better} is better)")
        else:
            silent.append(group.name)
    sentence = f"{level} scores: {'; '.join(scored) or 'none'}."
    if silent:
        sentence += f" {_without_rows(level, silent)}"
    return sentence


def _without_rows(level: str, names: Sequence[str]) -> str:
    """Return a sentence on the selectors without rows, and why."""
    verb = "gives" if len(names) == 1 else "give"
    have = "it has" if len(names) == 1 else "they have"
    return f"{join_words(names, len(names))} {verb} no {level.lower()} scores, so {have} no rows."


def _coefficient(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _interval(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return NONE if interval.mean is None else interval.reason
    return f"[{interval.low:.3f}, {interval.high:.3f}]"
