"""The table of rank correlations between scores and the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archselect.benchmarks.store.records import Landscape
from archselect.reports.results.metrics import LEVELS, correlations, tau_by_seed
from archselect.reports.results.results import Results
from archselect.reports.results.score_correlations import (
    Correlation,
    architecture_scale,
    operation_scale,
)
from archselect.reports.statistics.intervals import LEVEL, Interval
from archselect.reports.tables.operations import controls_in_words
from archselect.reports.tables.standing import others_in_words, standings
from archselect.reports.tables.table import NONE, WHERE, Row, Table, make_table, where
from archselect.reports.tables.words import is_plain, reference

_TAU = (
    *WHERE,
    *(
        "level",
        "selector",
        "tau_b",
        "tau_b_low",
        "tau_b_high",
        "spearman",
        "spearman_low",
        "spearman_high",
    ),
    *("seeds", "n", "coefficients", "undefined", "note"),
)
_TAU_SHOWN = (
    "Landscape",
    "Level",
    "Selector",
    "τ-b ↑",
    "95 % interval",
    "ρ ↑",
    "ρ 95 % interval",
    "n",
    "Note",
)


def tau_table(results: Results) -> Table:
    """Rank correlation of scores with the truth, per landscape, level and selector."""
    rows, says = [], []
    for landscape in results.landscapes:
        judged = {g.name: g for g in results.groups if g.judged(landscape)}
        every = {name: correlations(landscape, group) for name, group in judged.items()}
        for level in LEVELS:
            found = {
                name: own
                for name, of in every.items()
                if (own := of[level]) is not None
            }
            values = {
                name: tau_by_seed(landscape, judged[name], own)
                for name, own in found.items()
            }
            standing = standings(values)
            rows += [
                _tau_row(results, landscape, level, name, own, standing.get(name, ""))
                for name, own in found.items()
            ]
            says += _best(landscape, level, found, standing)
    caption = (
        "Kendall's τ-b and Spearman's ρ between a selector's scores and the accuracies of a truth, the "
        "scores' sign set by their declared direction, so that 1 is perfect and 0 is chance. Operation "
        "level: per edge, the scores at the step that decided the edge against the best accuracy of the "
        "cells with that operation on that edge (best-acc: maximum over cells and trials) or their mean "
        "(avg-acc); mean over edges and rounds, then mean over seeds. Architecture level: architectures "
        f"scored as a whole against their trial-mean accuracy; mean over seeds. Intervals: {100 * LEVEL:.0f} % by "
        "Student's t over supernet seeds, cut at -1 and 1; there is none with fewer than three seeds or where all "
        "seeds have the same value."
    )
    used = [
        s
        for s in results.landscapes
        if s.architectures and any(g.judged(s) for g in results.groups)
    ]
    notes = [
        *_directions(results),
        *_controls(results, used),
        *(reference(results, s) for s in used if not is_plain(s)),
        *results.status(),
    ]
    return make_table(
        "tau",
        "Rank correlation with the truth",
        rows,
        answer=_answer(results, says),
        columns=(_TAU, _TAU_SHOWN),
        text=("Landscape", "Level", "Selector", "Note"),
        brief=("Landscape", "Level", "Selector", "τ-b ↑", "95 % interval", "ρ ↑"),
        caption=caption,
        notes=notes,
    )


@dataclass(frozen=True)
class _Best:
    """Whose scores agree best with a landscape at a level: in words, and among how many selectors."""

    landscape: Landscape
    selectors: int
    sentence: str


def _tau_row(
    results: Results,
    landscape: Landscape,
    level: str,
    name: str,
    found: Correlation,
    standing: str,
) -> Row:
    note = found.left_out
    defined = sum(value is not None for value in found.per_seed)
    if defined < len(found.per_seed):
        note = f"mean of {defined} of {len(found.per_seed)} seeds; {note or 'no edge was decided by scores'}"
    full: dict[str, object] = {
        **where(landscape),
        "level": level,
        "selector": name,
        "tau_b": found.tau.mean,
        "tau_b_low": found.tau.low,
        "tau_b_high": found.tau.high,
        "spearman": found.rho.mean,
        "spearman_low": found.rho.low,
        "spearman_high": found.rho.high,
        "seeds": len(found.per_seed),
        "n": found.n,
        "coefficients": found.size,
        "undefined": found.undefined.total(),
        "note": note,
    }
    shown = {
        "Landscape": results.title(landscape),
        "Level": level,
        "Selector": name,
        "τ-b ↑": _coefficient(found.tau.mean),
        "95 % interval": _interval(found.tau),
        "ρ ↑": _coefficient(found.rho.mean),
        "ρ 95 % interval": _interval(found.rho),
        "n": found.n,
        "Note": note,
    }
    return Row(full, shown, {"τ-b ↑": standing} if standing else {})


def _best(
    landscape: Landscape,
    level: str,
    found: dict[str, Correlation],
    standing: dict[str, str],
) -> list[_Best]:
    """Return, of a landscape and level, whose scores agree best with it, in words; [] where nothing is defined."""
    means = {
        name: correlation.tau.mean
        for name, correlation in found.items()
        if correlation.tau.mean is not None
    }
    if not means:
        return []
    best = max(means, key=means.__getitem__)
    interval = found[best].tau
    bounds = "" if interval.low is None else f" {_interval(interval)}"
    others = f"; {others_in_words(means, standing)}" if len(means) > 1 else ""
    return [
        _Best(
            landscape, len(means), f"{best} {means[best]:.3f}{bounds} ({level}{others})"
        )
    ]


def _answer(results: Results, says: list[_Best]) -> str:
    """Return the answer for the first landscape, level by level."""
    if not says:
        return "No selector gives scores that could be correlated with the truth."
    first = says[0].landscape
    of_it = [best for best in says if best.landscape is first]
    what = "Highest τ-b" if max(best.selectors for best in of_it) > 1 else "τ-b"
    return f"{what} with {results.title(first)}: {', '.join(best.sentence for best in of_it)}."


def _controls(results: Results, used: list[Landscape]) -> Iterator[str]:
    """Yield, for each truth, what constant scores of the operations reach that look at no supernet."""
    for landscape in used:
        if sentence := controls_in_words(landscape):
            yield f"{results.title(landscape)}: {sentence}"


def _directions(results: Results) -> list[str]:
    """One sentence for each level: what was correlated, which way is better, and who gives no such scores."""
    sentences = []
    for level, scale_of in (
        ("Operation", operation_scale),
        ("Architecture", architecture_scale),
    ):
        scales = {
            group.name: scale_of(group.records)
            for group in results.groups
            if group.records
        }
        scored = "; ".join(
            f"{name}, {scale.name} ({scale.better} is better)"
            for name, scale in scales.items()
            if scale
        )
        silent = ", ".join(name for name, scale in scales.items() if scale is None)
        sentences.append(
            f"{level} scores: {scored or 'none'}."
            + (f" Without such scores, so without rows: {silent}." if silent else "")
        )
    return sentences


def _coefficient(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _interval(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return NONE if interval.mean is None else interval.reason
    return f"[{interval.low:.3f}, {interval.high:.3f}]"
