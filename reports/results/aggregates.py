"""Rank aggregates: several proxies combined by their ranks in a population."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import rankdata

from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.results.scores import Scores

AGGREGATES = {
    "az_nas": ("az_expressivity", "az_progressivity", "az_trainability", "flops"),
}
"""The proxies of each aggregate.

A population has an aggregate if it has scores of all its proxies. `az_nas` is that of
AZ-NAS (Lee and Ham, CVPR 2024, arXiv 2403.19232).
"""
MISSING = "one of its proxies has no score"


def with_aggregates(scores: Scores) -> Scores:
    """Return scores, extended by every aggregate whose proxies all have scores.

    Ranks are computed per seed. The seconds of an aggregate are the sum over its
    proxies.
    """
    for name, members in AGGREGATES.items():
        if scores.values.keys() >= set(members):
            scores = _with_aggregate(scores, name, members)
    return scores


def _with_aggregate(scores: Scores, name: str, members: Sequence[str]) -> Scores:
    """Return scores, extended by one aggregate."""
    by_member = [_higher_is_better(scores, member) for member in members]
    by_seed = [
        rank_aggregate(np.stack(of_seed)) for of_seed in zip(*by_member, strict=True)
    ]
    values = np.stack(by_seed)
    reasons: Counter[str] = Counter()
    missing = int(np.isnan(values).sum())
    if missing:
        reasons[MISSING] = missing
    seconds = sum(scores.seconds[member] for member in members)
    return replace(
        scores,
        directions={**scores.directions, name: "higher"},
        values={**scores.values, name: values},
        reasons={**scores.reasons, name: reasons},
        seconds={**scores.seconds, name: seconds},
    )


def _higher_is_better(scores: Scores, proxy: str) -> Floats:
    """Return a proxy's signed scores, (seeds, architectures); higher is better."""
    values = scores.values[proxy]
    return values if scores.directions[proxy] == "higher" else -values


def rank_aggregate(scores: Floats) -> Floats:
    """Return the sum over proxies of log(rank / m) for every architecture.

    m is the number of architectures with a score of every proxy; their ranks go from 1,
    the worst, to m. Equal scores share their mean rank. Other architectures get NaN.

    Args:
        scores: scores, shape (proxies, architectures); higher is better, NaN if
            missing.
    """
    total = np.full(scores.shape[1], np.nan)
    complete = np.logical_not(np.isnan(scores).any(axis=0))
    if complete.any():
        ranks = rankdata(scores[:, complete], axis=1)
        total[complete] = np.log(ranks / complete.sum()).sum(axis=0)
    return total
