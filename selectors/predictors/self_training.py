"""Training of predictors on rewards, and on predictions of their own besides.

Luo et al., SemiNAS, NeurIPS 2020, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from archselect.nasbench_adapters.space import Architecture
from archselect.selectors.predictors.base import (
    Predictor,
    count_steps,
    predicted,
    standardised,
)

COPIES = 10
"""How often an architecture with a reward comes among those with a prediction.

As in SemiNAS' released code.
"""


def fit_rewards(
    predictor: Predictor,
    rewards: Mapping[Architecture, float],
    epochs: int,
    examples: int | None = None,
) -> None:
    """Train a predictor on rewards, which are standardised.

    Args:
        predictor: that learns.
        rewards: by architecture.
        epochs: of training.
        examples: how many an epoch would have: so many optimiser steps are taken,
            whatever is learned from; None for as many as there are rewards.
    """
    count = len(rewards) if examples is None else examples
    targets = standardised(list(rewards.values()))
    predictor.fit(list(rewards), targets, count_steps(epochs, count))


def fit_with_pseudo_labels(
    predictor: Predictor,
    rewards: Mapping[Architecture, float],
    others: Sequence[Architecture],
    epochs: int,
) -> None:
    """Train a predictor on rewards, and on what it predicts of other architectures.

    Args:
        predictor: that predicts, and then learns.
        rewards: by architecture; each counts :data:`COPIES` times.
        others: architectures without a reward.
        epochs: of training.
    """
    pseudo_labels = predicted(predictor, others)
    targets = standardised(list(rewards.values()))
    architectures = COPIES * list(rewards) + list(others)
    values = np.concatenate([np.tile(targets, COPIES), pseudo_labels])
    predictor.fit(architectures, values, count_steps(epochs, len(architectures)))


def count_examples(
    rewards: Mapping[Architecture, float], others: Sequence[Architecture]
) -> int:
    """Return how many examples an epoch with pseudo-labels has."""
    return COPIES * len(rewards) + len(others)
