"""The claim that sharing weights by homogeneous layers beats free sharing.

Zhou et al., "Auto-GNN", Frontiers in Big Data 2022, claim that free sharing is
unstable. The rule compares runs that query the same architectures in the same order, by
seed. Kendall's tau-b between rewards and reported accuracies, homogeneous minus free,
has a mean with a 95 % interval by Student's t. The claim is shown if the interval is
above zero, and does not hold if it is below.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from archselect.benchmarks.store.records import Landscape, RewardInputs
from archselect.reports.results.metrics import correlations, tau_by_seed
from archselect.reports.results.results import Group, Results
from archselect.reports.statistics.intervals import Interval, student

ARCHITECTURES = "architecture"
"""The level of the compared correlations."""
MOST = 2.0
"""Largest possible difference of two coefficients."""


class SharingContrast(NamedTuple):
    """The comparison of free and homogeneous sharing on the same architectures.

    Attributes:
        free, homogeneous: runs with each way of sharing.
        difference: tau-b of homogeneous minus free sharing, over seeds.
        seeds: number of compared seeds.
    """

    free: Group
    homogeneous: Group
    difference: Interval
    seeds: int

    @property
    def verdict(self) -> str:
        """The verdict on the claim: shown, does not hold, or not shown."""
        if self.difference.low is None or self.difference.high is None:
            return f"not shown: {self.difference.reason}"
        if self.difference.low > 0:
            return "shown"
        if self.difference.high < 0:
            return "does not hold"
        return "not shown"


def sharing_contrasts(results: Results) -> Iterator[SharingContrast]:
    """Yield the pairs of groups that differ only in sharing and have the same queries.

    Selectors whose queries depend on the rewards form no pairs.
    """
    judged = list(_judged_groups(results))
    for free, free_landscape in judged:
        for homogeneous, landscape in judged:
            if _sharing(free) != "free" or _sharing(homogeneous) != "homogeneous":
                continue
            if _without_sharing(free) != _without_sharing(homogeneous):
                continue
            asked = _asked(free)
            if asked != _asked(homogeneous) or None in asked.values():
                continue
            first = _taus(free, free_landscape)
            second = _taus(homogeneous, landscape)
            common = sorted(first.keys() & second.keys())
            differences = [second[seed] - first[seed] for seed in common]
            interval = student(differences, (-MOST, MOST))
            yield SharingContrast(free, homogeneous, interval, len(common))


def _judged_groups(results: Results) -> Iterator[tuple[Group, Landscape]]:
    """Yield the groups with trained queries, each with the landscape that judges it."""
    for landscape in results.landscapes:
        for group in results.groups:
            if _sharing(group) and group.judged(landscape).records:
                yield group, landscape


def _sharing(group: Group) -> str | None:
    """Return the sharing of a group; None if its queries train no network."""
    reward = group.inputs.reward
    if reward is None or reward.training is None:
        return None
    return reward.training.sharing


def _without_sharing(group: Group) -> tuple[str, RewardInputs | None]:
    """Return the selector and the reward of a group, with the sharing set to "none"."""
    reward = group.inputs.reward
    if reward is not None and reward.training is not None:
        training = reward.training.model_copy(update={"sharing": "none"})
        reward = reward.model_copy(update={"training": training})
    return group.label, reward


def _asked(group: Group) -> dict[int, list[str] | None]:
    """Return the queries of every seed, in order; None for a seed with several runs."""
    asked: dict[int, list[str] | None] = {}
    for record in group.records:
        seed = record.inputs.supernet_seed
        scores = record.selected.architecture_scores
        texts = scores.column("architecture").tolist()
        asked[seed] = None if seed in asked else texts
    return asked


def _taus(group: Group, landscape: Landscape) -> dict[int, float]:
    """Return the defined tau-b of rewards and reported accuracies, by seed."""
    correlation = correlations(landscape, group)[ARCHITECTURES]
    if correlation is None:
        return {}
    return tau_by_seed(landscape, group, correlation)


def describe_sharing(results: Results) -> Iterator[str]:
    """Yield a sentence with the verdict of each comparison."""
    for contrast in sharing_contrasts(results):
        difference = contrast.difference
        bounds = ""
        if difference.low is not None and difference.high is not None:
            bounds = f" [{difference.low:.3f}, {difference.high:.3f}]"
        mean = "undefined" if difference.mean is None else f"{difference.mean:.3f}"
        pair = f"{contrast.homogeneous.name} minus that of {contrast.free.name}"
        yield (
            "Claim: sharing between homogeneous layers ranks better than free sharing (Zhou et al. 2022): "
            f"{contrast.verdict}. τ-b of {pair}, with the same queries: {mean}{bounds}, {contrast.seeds} seeds. The "
            f"claim is "
            "shown if the interval is above zero."
        )
