"""Training of predictors on rewards, and on rewards with their own predictions.

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
"""Number of copies of an example with a reward, beside examples with a prediction.

The number is that of SemiNAS' released code.
"""


def fit_rewards(
    predictor: Predictor,
    rewards: Mapping[Architecture, float],
    epochs: int,
    examples: int | None = None,
) -> None:
    """Train a predictor on standardised rewards.

    Args:
        predictor: the predictor to train.
        rewards: reward of each architecture.
        epochs: number of epochs to train.
        examples: number of examples per epoch, from which the number of optimiser steps
            is computed; None for the number of rewards.
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
    """Train a predictor on rewards, and on its predictions for other architectures.

    Args:
        predictor: the predictor, which first predicts and then learns.
        rewards: reward of each architecture; each counts :data:`COPIES` times.
        others: architectures without a reward.
        epochs: number of epochs to train.
    """
    pseudo_labels = predicted(predictor, others)
    targets = standardised(list(rewards.values()))
    architectures = COPIES * list(rewards) + list(others)
    values = np.concatenate([np.tile(targets, COPIES), pseudo_labels])
    predictor.fit(architectures, values, count_steps(epochs, len(architectures)))


def count_examples(
    rewards: Mapping[Architecture, float], others: Sequence[Architecture]
) -> int:
    """Return the number of examples of an epoch with pseudo-labels."""
    return COPIES * len(rewards) + len(others)
