"""The proxy scores of a population, read from a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from archselect.benchmarks.store.facts import read_checked, short_commit
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Population, Score, Scored, Scoring
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.rank_correlations import Floats

NOT_FINITE = "not finite"
"""Reason to ignore a value that is not finite, which earlier versions could store."""

ScoresByProxy = dict[str, Score]
"""The scores of one architecture, by proxy."""


@dataclass(frozen=True)
class Scores:
    """A folder of scores.

    Attributes:
        info: settings of the scoring.
        population: scored architectures.
        directions: better direction of each proxy, "higher" or "lower".
        values: scores by proxy, shape (seeds, architectures); NaN for a missing score
            or one that is not finite.
        reasons: number of missing scores, by proxy and reason.
        seconds: mean seconds per score, by proxy.
        seeds: finished seeds.
        commits: short commits of archselect that computed the scores.
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
        """Mean accuracy over trials, shape (architectures,); None without a truth."""
        if not self.population.trials:
            return None
        means = [float(np.mean(trials)) for trials in self.population.trials]
        # Rounding makes equal means equal, even if the order of their trials differs.
        return np.round(means, 9)


def load_scores(root: Path, directions: dict[str, str]) -> Scores:
    """Read a folder of scores, without seeds that are not finished.

    Args:
        root: folder.
        directions: better direction of each proxy, "higher" or "lower".

    Raises UserError if it is not a folder of scores, or if no seed is finished.
    """
    folder = Folder(root)
    if not folder.scoring_path.is_file():
        raise UserError(
            f"{root} has no scoring.json: give a folder that 'archselect score' has written"
        )
    info = read_checked(folder.scoring_path, Scoring)
    population = read_checked(folder.population_path, Population)
    parts = _parts_by_seed(folder, info)
    scored = {seed: _in_order(of_seed) for seed, of_seed in sorted(parts.items())}
    seeds = [seed for seed, scores in scored.items() if len(scores) == info.size]
    if not seeds:
        raise UserError(
            f"{root}: no seed is finished; rerun '{info.command}' to resume"
        )
    names = info.inputs.proxies
    by_seed = [scored[seed] for seed in seeds]
    _refuse_missing(folder, names, by_seed, directions)
    _refuse_other_size(folder, population, info.size)
    commits = set()
    for seed in seeds:
        commits |= {short_commit(part.commit) for part in parts[seed]}
    of_proxy = {name: _of_proxy(by_seed, name) for name in names}
    return Scores(
        info=info,
        population=population,
        directions={name: directions[name] for name in names},
        values={name: _values(scores) for name, scores in of_proxy.items()},
        reasons={name: _reasons(scores) for name, scores in of_proxy.items()},
        seconds={name: _mean_seconds(scores) for name, scores in of_proxy.items()},
        seeds=seeds,
        commits=sorted(commits),
    )


def _parts_by_seed(folder: Folder, info: Scoring) -> dict[int, list[Scored]]:
    """Return the files of scores by seed; an empty list for a seed without files."""
    parts: dict[int, list[Scored]] = {seed: [] for seed in info.seeds}
    for part in folder.check_all(Scored):
        parts.setdefault(part.seed, []).append(part)
    return parts


def _in_order(parts: list[Scored]) -> list[ScoresByProxy]:
    """Return one seed's scores in the order of the architectures."""
    scores: list[ScoresByProxy] = []
    for part in sorted(parts, key=lambda part: part.start):
        scores += part.scores
    return scores


def _refuse_missing(
    folder: Folder,
    proxies: Sequence[str],
    by_seed: list[list[ScoresByProxy]],
    directions: dict[str, str],
) -> None:
    """Raise UserError for a proxy without scores of some architectures."""
    for name in proxies:
        if name not in directions:
            raise unknown(f"proxy of {folder.scoring_path}", name, directions)
        for scores in by_seed:
            if any(name not in of_architecture for of_architecture in scores):
                raise UserError(
                    f"{folder.path(Scored, '')}: scores of {name} are missing; remove the folder and rerun the command"
                )


def _refuse_other_size(folder: Folder, population: Population, size: int) -> None:
    """Raise UserError if the size of the population is not the number of scores."""
    sizes = {len(population.architectures)}
    sizes |= {len(published) for published in population.published.values()}
    if population.trials:
        sizes.add(len(population.trials))
    if sizes != {size}:
        raise UserError(
            f"{folder.population_path} does not have {size} architectures; remove it and rerun the command"
        )


def _of_proxy(by_seed: list[list[ScoresByProxy]], name: str) -> list[list[Score]]:
    """Return a proxy's scores, one list per seed."""
    return [[of_architecture[name] for of_architecture in seed] for seed in by_seed]


def _values(scores: list[list[Score]]) -> Floats:
    """Return scores as numbers, shape (seeds, architectures)."""
    return np.array([list(map(_value, of_seed)) for of_seed in scores])


def _value(score: Score) -> float:
    """Return a score; NaN if it is missing or not finite."""
    if score.value is None or not np.isfinite(score.value):
        return np.nan
    return score.value


def _reasons(scores: list[list[Score]]) -> Counter[str]:
    """Return the number of missing scores, by reason."""
    reasons: Counter[str] = Counter()
    for of_seed in scores:
        missing = [score for score in of_seed if np.isnan(_value(score))]
        reasons.update(score.reason or NOT_FINITE for score in missing)
    return reasons


def _mean_seconds(scores: list[list[Score]]) -> float:
    seconds: list[float] = []
    for of_seed in scores:
        seconds += [score.seconds for score in of_seed]
    return float(np.mean(seconds))
