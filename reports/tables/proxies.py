"""The table of how well proxies rank a population of architectures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from archselect.benchmarks.store.records import Population
from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.results.aggregates import AGGREGATES
from archselect.reports.results.scores import Scores
from archselect.reports.statistics.intervals import LEVEL
from archselect.reports.statistics.populations import (
    LEAST,
    RESAMPLES,
    Measure,
    over_seeds,
    rho,
    tau,
    with_interval,
)
from archselect.reports.tables.table import (
    NONE,
    Row,
    Table,
    TableColumn,
    frame_columns,
    highest_row,
    make_table,
)

Bools = npt.NDArray[np.bool_]

_COLUMNS = (
    TableColumn("proxy", "Proxy", text=True, brief=True),
    TableColumn("better"),
    TableColumn("n", "n", brief=True),
    TableColumn("seeds"),
    TableColumn("tau_b", "τ-b ↑", brief=True),
    *frame_columns("tau_b_low", "tau_b_high"),
    TableColumn(header="95 % interval", brief=True),
    TableColumn("spearman", "ρ ↑", brief=True),
    *frame_columns("spearman_low", "spearman_high"),
    TableColumn(header="ρ 95 % interval"),
    TableColumn("tau_b_best_tenth", "τ-b, best tenth", brief=True),
    TableColumn("spearman_published", "ρ with published", brief=True),
    *frame_columns("tau_b_published", "n_published"),
    TableColumn("published_spearman", "ρ of published"),
    TableColumn("published_tau_b"),
    TableColumn("spearman_between_seeds", "ρ between seeds", brief=True),
    TableColumn(header="Seconds"),
    TableColumn("undefined", "Undefined", text=True),
    *frame_columns("reasons", "seconds"),
)
_OF_TRUTH = {
    "τ-b ↑",
    "95 % interval",
    "ρ ↑",
    "ρ 95 % interval",
    "τ-b, best tenth",
    "ρ of published",
}
"""Headers of the columns that are empty without a truth."""
_OF_PUBLISHED = {"ρ with published", "ρ of published"}
"""Headers of the columns that are empty without published scores."""
_OF_SEEDS = {"ρ between seeds"}
"""Headers of the columns that are empty with one seed."""
_CAPTION = (
    "Kendall's τ-b and Spearman's ρ between each proxy's scores, signed by the proxy's direction so that 1 is "
    "perfect, "
    "and the accuracies of the same architectures; mean over seeds (of weights and minibatches). Intervals: "
    f"{100 * LEVEL:.0f} % percentile bootstrap over architectures, {RESAMPLES} resamples. Best tenth: among the "
    "architectures with the highest accuracies. With published: correlation with the scores of the same name in the "
    "file "
    "of the architectures, unsigned. Of published: correlation of the published scores with the accuracies, including "
    "published infinite scores. Between seeds: mean over pairs of seeds; a high value means that the draw of weights "
    "and "
    "images changes the ranks little. Undefined: number of architectures without a finite score, which are left out, "
    f"with the reasons. {NONE}: nothing to correlate with, fewer than {LEAST} architectures, or constant scores."
)


def correlation_table(scores: Scores) -> Table:
    """Return the table of each proxy's rank correlation with the truth.

    It also has the correlations with published scores and between seeds.
    """
    rows = [_row(scores, name) for name in scores.values]
    empty = _empty_headers(scores)
    return make_table(
        "correlation",
        "Rank correlation of proxies",
        rows,
        answer=_answer(scores, rows),
        columns=[
            replace(column, header="") if column.header in empty else column
            for column in _COLUMNS
        ],
        caption=_CAPTION,
        notes=_notes(scores),
    )


def _empty_headers(scores: Scores) -> set[str]:
    """Return the headers of the columns that would be empty."""
    empty: set[str] = set()
    if scores.accuracies is None:
        empty |= _OF_TRUTH
    if not scores.population.published:
        empty |= _OF_PUBLISHED
    if len(scores.seeds) < 2:
        empty |= _OF_SEEDS
    return empty


# The answer


def _answer(scores: Scores, rows: list[Row]) -> str:
    """Return the proxy that ranks best; if no correlation is defined, the reason."""
    best = highest_row(rows, "tau_b")
    if best:
        others = f" of {len(rows)}" if len(rows) > 1 else ""
        tenth = best.full["tau_b_best_tenth"]
        in_tenth = ""
        if isinstance(tenth, float):
            in_tenth = f", and {tenth:.3f} among the best tenth"
        return (
            f"{best.full['proxy']} ranks the {best.full['n']:,} architectures best{others}: "
            f"τ-b {best.full['tau_b']:.3f} {_interval(best.full, 'tau_b')}{in_tenth}."
        )
    size = _counted(scores.info.size, "architecture")
    seeds = _counted(len(scores.seeds), "seed")
    reason = _why_undefined(scores, rows)
    return f"{size}, {seeds}: no correlation is defined, because {reason}."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _why_undefined(scores: Scores, rows: list[Row]) -> str:
    """Return why no proxy has a correlation with the accuracies."""
    if scores.accuracies is None:
        return "no accuracies are known"
    if len(scores.accuracies) < LEAST:
        return f"there are fewer than {LEAST} architectures"
    if np.ptp(scores.accuracies) == 0:
        return "all accuracies are equal"
    sizes = [row.full["n"] for row in rows]
    if all(isinstance(size, int) and size < LEAST for size in sizes):
        return f"no proxy has scores for {LEAST} or more architectures"
    return "for each proxy, the scores or the accuracies of the scored architectures are all equal"


# Rows


def _row(scores: Scores, name: str) -> Row:
    """Return the row of one proxy."""
    values = scores.values[name]
    better = scores.directions[name]
    signed = values if better == "higher" else -values
    defined = np.logical_not(np.isnan(values).any(axis=0))
    reasons = scores.reasons[name]
    reasons_in_words = "; ".join(
        f"{reason} ({count})" for reason, count in sorted(reasons.items())
    )
    undefined = int((~defined).sum())
    full: dict[str, object] = {
        "proxy": name,
        "better": better,
        "n": int(defined.sum()),
        "seeds": len(scores.seeds),
        **_with_truth(scores.accuracies, signed, defined),
        **_with_published(scores, name, defined),
        "spearman_between_seeds": _mean_of_pairs(values[:, defined], rho),
        "undefined": undefined,
        "reasons": reasons_in_words,
        "seconds": scores.seconds[name],
    }
    arrow = "↑" if better == "higher" else "↓"
    shown = {
        "Proxy": f"{name} {arrow}",
        "n": f"{defined.sum():,}",
        "τ-b ↑": _number(full.get("tau_b")),
        "95 % interval": _interval(full, "tau_b"),
        "ρ ↑": _number(full.get("spearman")),
        "ρ 95 % interval": _interval(full, "spearman"),
        "τ-b, best tenth": _number(full.get("tau_b_best_tenth")),
        "ρ with published": _number(full.get("spearman_published")),
        "ρ of published": _number(full.get("published_spearman")),
        "ρ between seeds": _number(full["spearman_between_seeds"]),
        "Seconds": f"{scores.seconds[name]:.3f}",
        "Undefined": f"{undefined}: {reasons_in_words}" if reasons else "0",
    }
    return Row(full, shown)


def _with_truth(
    accuracies: Floats | None, signed: Floats, defined: Bools
) -> dict[str, object]:
    """Return the correlations of a proxy with the truth; nothing without a truth.

    Args:
        accuracies: accuracies, shape (architectures,).
        signed: scores, shape (seeds, architectures); higher is better.
        defined: mask of the architectures with a score in every seed.
    """
    if accuracies is None:
        return {}
    numbers: dict[str, object] = {}
    for kind, measure in (("tau_b", tau), ("spearman", rho)):
        interval = with_interval(signed[:, defined], accuracies[defined], measure)
        numbers[kind] = interval.value
        numbers[f"{kind}_low"] = interval.low
        numbers[f"{kind}_high"] = interval.high
    size = max(1, len(accuracies) // 10)
    lowest_of_best = np.sort(accuracies)[-size]
    best = defined & (accuracies >= lowest_of_best)
    numbers["tau_b_best_tenth"] = over_seeds(signed[:, best], accuracies[best], tau)
    return numbers


def _with_published(scores: Scores, name: str, defined: Bools) -> dict[str, object]:
    """Return a proxy's correlations with its published scores; nothing without them."""
    published = scores.population.published.get(name)
    if published is None:
        return {}
    numbers = [np.nan if _is_missing(value) else value for value in published]
    theirs = np.array(numbers, dtype=float)
    both = defined & ~np.isnan(theirs)
    ours = scores.values[name]
    correlations: dict[str, object] = {
        "spearman_published": over_seeds(ours[:, both], theirs[both], rho),
        "tau_b_published": over_seeds(ours[:, both], theirs[both], tau),
        "n_published": int(both.sum()),
    }
    if scores.accuracies is not None:
        sign = 1 if scores.directions[name] == "higher" else -1
        correlations |= _of_published(published, scores.accuracies, sign)
    return correlations


def _of_published(
    published: Sequence[float | None], accuracies: Floats, sign: int
) -> dict[str, object]:
    """Return the published scores' correlations with the truth.

    Infinite scores keep their published value and rank first or last, as in the
    published correlation.
    """
    known = np.array([value is not None for value in published])
    theirs = sign * np.array([value for value in published if value is not None])
    return {
        "published_spearman": rho(theirs, accuracies[known]),
        "published_tau_b": tau(theirs, accuracies[known]),
    }


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else NONE


def _interval(full: dict[str, object], kind: str) -> str:
    low = full.get(f"{kind}_low")
    high = full.get(f"{kind}_high")
    if not isinstance(low, float) or not isinstance(high, float):
        return NONE
    return f"[{low:.3f}, {high:.3f}]"


# Notes


def _notes(scores: Scores) -> list[str]:
    population = scores.population
    notes = [_setting(scores)]
    if population.truth is not None and scores.accuracies is not None:
        notes.append(f"Truth: {population.truth}. {_ceiling(population)}")
    notes += [
        f"{name} is a rank aggregate: the sum over {', '.join(members)} of log(rank / architectures), where the "
        "worst has rank 1."
        for name, members in AGGREGATES.items()
        if name in scores.values
    ]
    unpublished = _unpublished(population)
    if unpublished:
        notes.append(
            f"Architectures without a published score, left out of the comparison with it: {unpublished}."
        )
    if len(scores.commits) > 1:
        notes.append(
            f"{len(scores.commits)} commits of archselect computed the scores: {', '.join(scores.commits)}."
        )
    unfinished = sorted(set(scores.info.seeds) - set(scores.seeds))
    if unfinished:
        notes.append(
            f"Seeds not finished: {', '.join(map(str, unfinished))}; rerun to resume: {scores.info.command}"
        )
    return notes


def _setting(scores: Scores) -> str:
    """Return the population, the networks, the batches and the seeds of the scores."""
    inputs = scores.info.inputs
    skeleton = [f"{name}={value}" for name, value in inputs.skeleton.items()]
    shape = ", ".join(skeleton) or "the space's default skeleton"
    if inputs.supernet_operations:
        shape += ", with the supernet's operations"
    modes = "its definition" if inputs.norm == "own" else f"'{inputs.norm}' for all"
    batches = "new minibatches" if inputs.fresh_batches else "the same minibatches"
    return (
        f"Population: {scores.population.source}. Networks: {inputs.space}, {shape}. Batches: {inputs.batches} of "
        f"{inputs.batch_size} images of {inputs.data.name}, for every architecture {batches}; batch-norm mode of "
        f"{modes}. Seeds: {', '.join(map(str, scores.seeds))}."
    )


def _ceiling(population: Population) -> str:
    """Return a sentence with the noise ceiling of the truth on this population.

    The ceiling is the agreement between single trials.
    """
    fewest = min(len(trials) for trials in population.trials)
    if fewest < 2:
        return "Its noise is not known: some architectures have only one trial."
    columns = np.array([trials[:fewest] for trials in population.trials]).T
    agreement = _mean_of_pairs(columns, tau)
    if agreement is None:
        return "Its noise is not known: there are too few architectures."
    return f"Noise ceiling: τ-b between its single trials is {agreement:.3f} on this population."


def _mean_of_pairs(rows: Floats, measure: Measure) -> float | None:
    """Return the mean of a measure over pairs of rows; None if none is defined."""
    values = [measure(one, other) for one, other in combinations(rows, 2)]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _unpublished(population: Population) -> str:
    """Return the number of architectures without a published score, by proxy, as text.

    It is empty if all architectures have one.
    """
    counts = {
        name: sum(map(_is_missing, values))
        for name, values in population.published.items()
    }
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)


def _is_missing(value: float | None) -> bool:
    """Return whether a published score is absent or not finite."""
    return value is None or not np.isfinite(value)
