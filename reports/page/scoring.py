"""How well proxies rank a population: against a truth, against published scores, and from seed to seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr

from archselect.benchmarks.store.facts import read_checked, short_commit
from archselect.benchmarks.store.folder import REPORT_FILES, Folder
from archselect.benchmarks.store.records import Population, Score, Scored, Scoring
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.page.write import write_table
from archselect.reports.statistics.intervals import LEVEL
from archselect.reports.tables.render import csv_text
from archselect.reports.tables.table import NONE, Row, Table, highest, make_table

RESAMPLES = 500
NOT_FINITE = "not finite"
"""Why a value that an earlier version kept, such as an infinite one, is no score."""
LEAST = 10
"""Fewest architectures whose correlation is printed."""
_SEED = 20_202

Measure = Callable[[Floats, Floats], float | None]


@dataclass(frozen=True)
class Scores:
    """A folder of scores.

    Attributes:
        info, population: what was scored.
        directions: per proxy, which way is better.
        values: per proxy, seeds × architectures, NaN where a proxy has no score. A
            value that is not finite is none.
        reasons: per proxy, how often it has no score, by reason.
        seconds: per proxy, of one score.
        seeds: those that are finished.
        commits: those of archselect that made the scores, in words.
    """

    info: Scoring
    population: Population
    directions: dict[str, str]
    values: dict[str, Floats]
    reasons: dict[str, Counter[str]]
    seconds: dict[str, float]
    seeds: list[int]
    commits: list[str]

    @cached_property
    def accuracies(self) -> Floats | None:
        """Mean of trials of each architecture, None without a truth."""
        trials = self.population.trials
        # Equal means must compare equal, whatever the order of their trials.
        return np.round([float(np.mean(own)) for own in trials], 9) if trials else None


def load_scores(root: Path, directions: dict[str, str]) -> Scores:
    """Read a folder; seeds that are not finished are left out.

    Args:
        directions: per proxy, which way is better.

    Raises UserError if it is none, or no seed is finished.
    """
    folder = Folder(root)
    if not folder.scoring_path.is_file():
        raise UserError(
            f"{root} holds no scoring.json: name a folder that 'archselect score' has written"
        )
    info = read_checked(folder.scoring_path, Scoring)
    population = read_checked(folder.population_path, Population)
    parts: dict[int, list[Scored]] = {seed: [] for seed in info.seeds}
    for part in folder.check_all(Scored):
        parts.setdefault(part.seed, []).append(part)
    found = {
        seed: [
            scores
            for part in sorted(own, key=lambda part: part.start)
            for scores in part.scores
        ]
        for seed, own in parts.items()
    }
    seeds = [seed for seed, scores in sorted(found.items()) if len(scores) == info.size]
    if not seeds:
        raise UserError(f"{root}: no seed is finished; '{info.command}' goes on")
    names = info.inputs.proxies
    for name in names:
        if name not in directions:
            raise unknown(f"proxy of {folder.scoring_path}", name, directions)
        if any(name not in scores for seed in seeds for scores in found[seed]):
            raise UserError(
                f"{folder.path(Scored, '')}: scores of {name} are missing; remove them and run again"
            )
    counts = {len(population.architectures), *map(len, population.published.values())}
    if counts | ({len(population.trials)} if population.trials else set()) != {
        info.size
    }:
        raise UserError(
            f"{folder.population_path} is not of {info.size} architectures; remove it and run again"
        )
    return Scores(
        info=info,
        population=population,
        directions={name: directions[name] for name in names},
        values={
            name: np.array(
                [[_value(own[name]) for own in found[seed]] for seed in seeds]
            )
            for name in names
        },
        reasons={
            name: _reasons([own[name] for seed in seeds for own in found[seed]])
            for name in names
        },
        seconds={
            name: float(
                np.mean([own[name].seconds for seed in seeds for own in found[seed]])
            )
            for name in names
        },
        seeds=seeds,
        commits=sorted(
            {short_commit(part.commit) for seed in seeds for part in parts[seed]}
        ),
    )


def _value(score: Score) -> float:
    """Return a score, NaN where there is none: a value that is not finite is no score."""
    return (
        score.value if score.value is not None and np.isfinite(score.value) else np.nan
    )


def _reasons(scores: Sequence[Score]) -> Counter[str]:
    """Count why there is no score."""
    missing = [score for score in scores if np.isnan(_value(score))]
    return Counter(score.reason or NOT_FINITE for score in missing)


def write_scores(root: Path, directions: dict[str, str]) -> Table:
    """Write `scores.csv` and the table `report/correlation` (.md, .csv, .tex) of a folder of scores; the table."""
    Folder(root).refuse_links(REPORT_FILES)
    scores = load_scores(root, directions)
    table = correlation_table(scores)
    write_atomically(root / "scores.csv", csv_text(scores_frame(scores)).encode(), root)
    write_table(table, root / "report")
    return table


def scores_frame(scores: Scores) -> pd.DataFrame:
    """One row per seed and architecture: the accuracy where there is a truth, and every proxy's score."""
    frames = []
    for place, seed in enumerate(scores.seeds):
        columns: dict[str, object] = {
            "seed": seed,
            "architecture": scores.population.architectures,
        }
        if scores.accuracies is not None:
            columns["accuracy"] = scores.accuracies
        columns |= {name: values[place] for name, values in scores.values.items()}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


_COLUMNS = (
    *(
        "proxy",
        "better",
        "n",
        "seeds",
        "tau_b",
        "tau_b_low",
        "tau_b_high",
        "spearman",
        "spearman_low",
    ),
    *(
        "spearman_high",
        "tau_b_best_tenth",
        "spearman_published",
        "tau_b_published",
        "n_published",
    ),
    *("published_spearman", "published_tau_b"),
    *("spearman_between_seeds", "undefined", "reasons", "seconds"),
)
_SHOWN = (
    *(
        "Proxy",
        "n",
        "τ-b ↑",
        "95 % interval",
        "ρ ↑",
        "ρ 95 % interval",
        "τ-b, best tenth",
        "ρ with published",
    ),
    *("ρ of published", "ρ between seeds", "Seconds", "Undefined"),
)


_TRUTH = (
    "τ-b ↑",
    "95 % interval",
    "ρ ↑",
    "ρ 95 % interval",
    "τ-b, best tenth",
    "ρ of published",
)
"""Columns that need a truth."""


def correlation_table(scores: Scores) -> Table:
    """Rank correlation of each proxy with the truth and with published scores, and between seeds."""
    rows = [_row(scores, name) for name in scores.info.inputs.proxies]
    inputs, population, accuracies = (
        scores.info.inputs,
        scores.population,
        scores.accuracies,
    )
    caption = (
        "Kendall's τ-b and Spearman's ρ of each proxy's scores, signed by its direction so that 1 is perfect, with the "
        "accuracies of the same architectures; mean over seeds (of weights and minibatches). Intervals: "
        f"{100 * LEVEL:.0f} % percentile bootstrap over architectures, {RESAMPLES} resamples. Best tenth: among the "
        "architectures with the highest accuracies. With published: against the scores of the same name in the file of "
        "the architectures, unsigned; of published: the published scores' own with the accuracies, infinite ones "
        "included as they were published. "
        "Between seeds: mean over pairs of seeds, how little of the ranks is the "
        "draw of weights and images. Undefined: how many architectures have no score, which are left out, and why; a "
        "value that is not finite is no score. "
        f"{NONE}: there is nothing to correlate with, fewer than {LEAST} architectures, or constant scores."
    )
    shape = (
        ", ".join(f"{key}={value}" for key, value in inputs.skeleton.items())
        or "the space's own skeleton"
    )
    shape += ", with the supernet's operations" if inputs.supernet_operations else ""
    modes = "its definition" if inputs.norm == "own" else f"'{inputs.norm}' for all"
    each = "minibatches of its own" if inputs.fresh_batches else "the same minibatches"
    notes = [
        f"Population: {population.source}. Networks: {inputs.space}, {shape}. Batches: {inputs.batches} of "
        f"{inputs.batch_size} images of {inputs.data.name}, for every architecture {each}; batch-norm mode of "
        f"{modes}. Seeds: {', '.join(map(str, scores.seeds))}.",
    ]
    if population.truth is not None and accuracies is not None:
        notes.append(f"Truth: {population.truth}. {_ceiling(population)}")
    if missing := _unpublished(population):
        notes.append(
            f"Architectures without a published score, left out where ours are held against it: {missing}."
        )
    if len(scores.commits) > 1:
        notes.append(
            f"The scores were made by {len(scores.commits)} commits of archselect: {', '.join(scores.commits)}."
        )
    left = sorted(set(scores.info.seeds) - set(scores.seeds))
    if left:
        notes.append(
            f"Seeds not finished: {', '.join(map(str, left))}; the command goes on: {scores.info.command}"
        )
    empty = {
        *(_TRUTH if accuracies is None else ()),
        *(() if population.published else ("ρ with published", "ρ of published")),
        *(() if len(scores.seeds) > 1 else ("ρ between seeds",)),
    }
    headers = tuple(header for header in _SHOWN if header not in empty)
    rows = [
        Row(row.full, {header: row.shown[header] for header in headers}) for row in rows
    ]
    return make_table(
        "correlation",
        "Rank correlation of proxies",
        rows,
        answer=_answer(scores, rows),
        columns=(_COLUMNS, headers),
        text=("Proxy", "Undefined"),
        brief=(
            "Proxy",
            "n",
            "τ-b ↑",
            "95 % interval",
            "ρ ↑",
            "τ-b, best tenth",
            "ρ with published",
            "ρ between seeds",
        ),
        caption=caption,
        notes=notes,
    )


def _answer(scores: Scores, rows: list[Row]) -> str:
    """Which proxy ranks best, or agrees best with what was published."""
    if best := highest(rows, "tau_b"):
        others = f" of {len(rows)}" if len(rows) > 1 else ""
        tenth = best.full["tau_b_best_tenth"]
        among = (
            f", and {tenth:.3f} among the best tenth"
            if isinstance(tenth, float)
            else ""
        )
        return (
            f"{best.full['proxy']} ranks the {best.full['n']:,} architectures best{others}: "
            f"τ-b {best.full['tau_b']:.3f} {_interval(best.full, 'tau_b')}{among}."
        )
    seeds = len(scores.seeds)
    counted = f"{scores.info.size:,} architecture{'s' * (scores.info.size != 1)}, {seeds} seed{'s' * (seeds != 1)}"
    return (
        f"{counted}: no correlation is defined, because {_why_undefined(scores, rows)}."
    )


def _why_undefined(scores: Scores, rows: list[Row]) -> str:
    """Return why no proxy has a correlation with the accuracies, in words."""
    if scores.accuracies is None:
        return "no accuracies of them are known"
    if len(scores.accuracies) < LEAST:
        return f"there are fewer than {LEAST} architectures"
    if np.ptp(scores.accuracies) == 0:
        return "all accuracies are equal"
    if all(isinstance(n := row.full["n"], int) and n < LEAST for row in rows):
        return f"no proxy has a score of {LEAST} architectures or more"
    return "the scores of each proxy, or the accuracies of the architectures that it scores, are all equal"


def _unpublished(population: Population) -> str:
    """Return how many architectures have no published score, by proxy, in words; nothing where all have one."""
    counts = {
        name: sum(map(_is_missing, values))
        for name, values in population.published.items()
    }
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)


def _is_missing(value: float | None) -> bool:
    """Return whether a published score is none: not there, or not finite."""
    return value is None or not np.isfinite(value)


def _row(scores: Scores, name: str) -> Row:
    values, better = scores.values[name], scores.directions[name]
    signed = values if better == "higher" else -values
    defined = ~np.isnan(values).any(axis=0)
    accuracies = scores.accuracies
    full: dict[str, object] = {
        "proxy": name,
        "better": better,
        "n": int(defined.sum()),
        "seeds": len(scores.seeds),
    }
    if accuracies is not None:
        for kind, measure in (("tau_b", tau), ("spearman", rho)):
            value, low, high = with_interval(
                signed[:, defined], accuracies[defined], measure
            )
            full |= {kind: value, f"{kind}_low": low, f"{kind}_high": high}
        best = defined & (
            accuracies >= np.sort(accuracies)[-max(1, len(accuracies) // 10)]
        )
        full["tau_b_best_tenth"] = over_seeds(signed[:, best], accuracies[best], tau)
    if name in scores.population.published:
        published = np.array(
            [
                np.nan if _is_missing(v) else v
                for v in scores.population.published[name]
            ],
            dtype=float,
        )
        both = defined & ~np.isnan(published)
        full |= {
            "spearman_published": over_seeds(values[:, both], published[both], rho),
            "tau_b_published": over_seeds(values[:, both], published[both], tau),
            "n_published": int(both.sum()),
        }
        if accuracies is not None:
            # As published, so that the published correlation comes out: an infinite
            # value is the first or the last.
            given = scores.population.published[name]
            there = np.array([value is not None for value in given])
            theirs = np.array([value for value in given if value is not None])
            theirs = theirs if better == "higher" else -theirs
            full |= {
                "published_spearman": rho(theirs, accuracies[there]),
                "published_tau_b": tau(theirs, accuracies[there]),
            }
    pairs = [rho(a[defined], b[defined]) for a, b in combinations(values, 2)]
    known = [value for value in pairs if value is not None]
    reasons = scores.reasons[name]
    full |= {
        "spearman_between_seeds": float(np.mean(known)) if known else None,
        "undefined": int((~defined).sum()),
        "reasons": "; ".join(
            f"{reason} ({count})" for reason, count in sorted(reasons.items())
        ),
        "seconds": scores.seconds[name],
    }
    shown = {
        "Proxy": f"{name} {'↑' if better == 'higher' else '↓'}",
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
        "Undefined": f"{full['undefined']}: {full['reasons']}" if reasons else "0",
    }
    return Row({key: full.get(key) for key in _COLUMNS}, shown)


def tau(x: Floats, y: Floats) -> float | None:
    """Return Kendall's tau-b of finite values; None below :data:`LEAST` pairs or where one side is constant."""
    return _of_ranks(lambda a, b: kendalltau(a, b, variant="b").statistic, x, y)


def rho(x: Floats, y: Floats) -> float | None:
    """Return Spearman's rho; None where :func:`tau` is."""
    return _of_ranks(lambda a, b: spearmanr(a, b).statistic, x, y)


def _of_ranks(
    measure: Callable[[Floats, Floats], float], x: Floats, y: Floats
) -> float | None:
    if len(x) < LEAST or len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return None
    return float(measure(x, y))


def over_seeds(values: Floats, other: Floats, measure: Measure) -> float | None:
    """The mean over seeds (rows of `values`) of a measure with one and the same other side; None if one is None."""
    found = [measure(row, other) for row in values]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if found and len(known) == len(found) else None


def with_interval(
    values: Floats, other: Floats, measure: Measure
) -> tuple[float | None, float | None, float | None]:
    """The mean over seeds and its interval, resampling architectures, for all seeds the same."""
    value = over_seeds(values, other, measure)
    if value is None:
        return None, None, None
    drawn = np.random.default_rng(_SEED).integers(
        0, len(other), (RESAMPLES, len(other))
    )
    again = [
        found
        for chosen in drawn
        if (found := over_seeds(values[:, chosen], other[chosen], measure)) is not None
    ]
    low, high = np.quantile(again, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return value, float(low), float(high)


def _ceiling(population: Population) -> str:
    """What the noise of the truth leaves to reach: agreement between its trials on this population."""
    trials = min(len(own) for own in population.trials)
    if trials < 2:
        return "Its noise is not known: some architecture has one trial alone."
    columns = np.array([own[:trials] for own in population.trials]).T
    pairs = [tau(a, b) for a, b in combinations(columns, 2)]
    known = [value for value in pairs if value is not None]
    if not known:
        return "Its noise is not known on so few architectures."
    return f"Noise ceiling: τ-b between its single trials is {np.mean(known):.3f} on this population."


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else NONE


def _interval(full: dict[str, object], kind: str) -> str:
    low, high = full.get(f"{kind}_low"), full.get(f"{kind}_high")
    return (
        f"[{low:.3f}, {high:.3f}]"
        if isinstance(low, float) and isinstance(high, float)
        else NONE
    )
