"""The landscape of a space: its accuracies, random cells, oracles and seed noise.

This file does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.rank_correlations import tau_b
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.truth.choices import flatten, unflatten
from archselect.nasbench_adapters.truth.ground_truth import DECIMALS, GroundTruth
from archselect.nasbench_adapters.truth.optimum import (
    corrected_optimum,
    left_out_optimum,
)
from archselect.nasbench_adapters.yardstick import Yardstick

QUANTILES = np.linspace(0, 1, 201)

PerOperation = list[list[list[float]]]
"""One number per cell type, edge and operation."""


@dataclass(frozen=True)
class LandscapeNumbers:
    """Numbers about all architectures whose accuracy a table knows.

    The accuracy of an architecture is the mean of its trials, in per cent.

    Attributes:
        architectures: number of architectures with a trial.
        trials: largest number of trials of an architecture.
        quantiles: quantiles of the accuracy at 0, 0.5, …, 100 %.
        mean, std, mean_rank: exact expectation and standard deviation of the accuracy,
            and exact expectation of the rank, of one architecture drawn by the random
            selector. A rank is 1 + the number of architectures with a strictly higher
            mean. All None if the ground truth lacks architectures of the space or is a
            surrogate, or if the space does not know the probability of each draw.
        optimum, optimum_architecture: highest mean accuracy, and the text of the first
            architecture that has it. With noisy trials it is too high, because it is
            the luckiest of many.
        optimum_corrected: expected accuracy of the truly best architecture
            (:func:`corrected_optimum`). None if no architecture has two trials.
        optimum_left_out: accuracy, in one trial, of the architecture that is best by
            all other trials (:func:`left_out_optimum`). None if no architecture has two
            trials.
        yardsticks: the space's yardsticks that have a trial.
        operations: [c][e], names of the operations on edge e of cell type c.
        oracle_best: [c][e][k], highest accuracy over architectures and trials with
            operation k on edge e of cell type c; NaN if there is no such architecture.
        oracle_mean: [c][e][k], mean accuracy over those architectures.
        noise_std: standard deviation (n - 1) between trials, averaged over the stored
            architectures with at least two trials. None if there are none.
        ceiling_single: Kendall's tau-b between single trials, over the stored
            architectures that have both, averaged over the pairs of seeds. None if
            there is no pair.
        ceiling_half: tau-b between the means of two halves of the trials, those with
            even and with odd index (the last of an odd number is left out), over the
            stored architectures that have all trials. None if there is no pair.
    """

    architectures: int
    trials: int
    quantiles: list[float]
    mean: float | None
    std: float | None
    mean_rank: float | None
    optimum: float
    optimum_architecture: str
    optimum_corrected: float | None
    optimum_left_out: float | None
    yardsticks: list[Yardstick]
    operations: list[list[list[str]]]
    oracle_best: PerOperation
    oracle_mean: PerOperation
    noise_std: float | None
    ceiling_single: float | None
    ceiling_half: float | None


class _JudgedArchitectures(NamedTuple):
    """The architectures of a column that have a trial.

    Attributes:
        choices: the architectures, (architectures, edges) of int8.
        rows: row of the table with each architecture's accuracies.
        means: mean accuracy of each architecture, in per cent.
    """

    choices: np.ndarray
    rows: np.ndarray
    means: np.ndarray


def landscape(
    truth: GroundTruth, dataset: str, split: str, epochs: int
) -> LandscapeNumbers:
    """Return the landscape of a column; a surrogate has that of its table.

    Raises UserError if there is no such column, or no trial in it.
    """
    table = truth.reference
    judged = _judged_architectures(truth, dataset, split, epochs)
    if not len(judged.means):
        raise UserError(
            f"truth '{table.name}' has no trial on {dataset}/{split} at {epochs} epochs"
        )
    matrix = table.matrix(dataset, split, epochs)
    stored = matrix[np.unique(judged.rows)]
    best_trials = np.nanmax(matrix[judged.rows], axis=1)
    optimum = int(np.argmax(judged.means))
    best_architecture = unflatten(table.space, judged.choices[optimum])
    probabilities = _draw_probabilities(truth, dataset, split, epochs)
    random = _random_cell(judged.means, probabilities)
    return LandscapeNumbers(
        architectures=len(judged.means),
        trials=int((~np.isnan(matrix)).sum(axis=1).max()),
        quantiles=np.quantile(judged.means, QUANTILES).tolist(),
        mean=random.mean,
        std=random.std,
        mean_rank=random.rank,
        optimum=float(judged.means[optimum]),
        optimum_architecture=table.space.format(best_architecture),
        optimum_corrected=corrected_optimum(stored),
        optimum_left_out=left_out_optimum(stored),
        yardsticks=_yardsticks(table.space, judged),
        operations=_operation_names(table.space),
        oracle_best=_per_operation(table.space, judged.choices, best_trials, np.max),
        oracle_mean=_per_operation(table.space, judged.choices, judged.means, np.mean),
        noise_std=_noise(matrix),
        ceiling_single=_single_trials_agreement(matrix),
        ceiling_half=_halves_agreement(matrix),
    )


def _yardsticks(space: SearchSpace, judged: _JudgedArchitectures) -> list[Yardstick]:
    """Return the yardsticks of a space that have a trial."""
    yardsticks = []
    for name, text in space.yardsticks.items():
        choices = flatten(space.parse(text))
        (places,) = np.nonzero((judged.choices == choices).all(axis=1))
        for place in places:
            mean = float(judged.means[place])
            higher = int((judged.means > mean).sum())
            yardsticks.append(Yardstick(name, text, mean, 1 + higher))
    return yardsticks


class Rank(NamedTuple):
    """The rank of an architecture.

    Attributes:
        place: 1 + number of architectures with a strictly higher mean accuracy.
        of: number of architectures with a mean accuracy.
    """

    place: int
    of: int


def rank(
    truth: GroundTruth,
    architecture: Architecture,
    dataset: str,
    split: str,
    epochs: int,
) -> Rank:
    """Return the rank of an architecture by its mean accuracy.

    A surrogate's prediction is ranked among the accuracies of the table that it was
    fitted on. Raises UserError if a table has no trial of the architecture.
    """
    mean = truth.mean(architecture, dataset, split, epochs)
    if mean is None:
        truth.lookup(architecture, dataset, split, epochs)  # raises the UserError
        raise AssertionError("a table without a mean has a trial")
    means = truth.reference.means(dataset, split, epochs)
    higher = int((means > mean).sum())
    return Rank(place=1 + higher, of=int((~np.isnan(means)).sum()))


@dataclass(frozen=True)
class _RandomCell:
    """Expected numbers of a random cell; None if unknown.

    Attributes:
        mean: expectation of its accuracy, in per cent.
        std: standard deviation of its accuracy, in percentage points.
        rank: expectation of its rank.
    """

    mean: float | None = None
    std: float | None = None
    rank: float | None = None


def _random_cell(means: np.ndarray, probabilities: np.ndarray | None) -> _RandomCell:
    """Return the expected numbers of a random cell.

    Args:
        means: accuracy of each architecture.
        probabilities: probability to draw each architecture; None if unknown.
    """
    if probabilities is None:
        return _RandomCell()
    mean = float(probabilities @ means)
    variance = float(probabilities @ (means - mean) ** 2)
    at_most = np.searchsorted(np.sort(means), means, side="right")
    ranks = 1 + len(means) - at_most
    return _RandomCell(
        mean=round(mean, DECIMALS),
        std=round(variance**0.5, DECIMALS),
        rank=round(float(probabilities @ ranks), DECIMALS),
    )


def _judged_architectures(
    truth: GroundTruth, dataset: str, split: str, epochs: int
) -> _JudgedArchitectures:
    """Return the architectures of a column that have a trial."""
    table = truth.reference
    means = table.means(dataset, split, epochs)
    present = ~np.isnan(means)
    population = table.population
    return _JudgedArchitectures(
        choices=population.choices[present],
        rows=population.rows[present],
        means=means[present],
    )


def _draw_probabilities(
    truth: GroundTruth, dataset: str, split: str, epochs: int
) -> np.ndarray | None:
    """Return the probability that the random selector draws each architecture.

    It is None unless the ground truth holds the whole space, and the space knows the
    probabilities.
    """
    if not truth.holds_whole_space(dataset, split, epochs):
        return None
    choices = _judged_architectures(truth, dataset, split, epochs).choices
    return truth.space.draw_probabilities(choices)


def _operation_names(space: SearchSpace) -> list[list[list[str]]]:
    """Return the names of the operations on each edge of each cell type."""
    names = []
    for cell in space.cells:
        names.append([list(operations) for operations in cell.operations])
    return names


def _per_operation(
    space: SearchSpace,
    choices: np.ndarray,
    values: np.ndarray,
    reduce: Callable[[np.ndarray], float],
) -> PerOperation:
    """Return one number per operation, from the architectures that have it.

    Args:
        space: the search space.
        choices: the architectures, (architectures, edges of all cell types) of int8.
        values: one value per architecture.
        reduce: reduces several values to one number.
    """
    numbers: PerOperation = []
    column = 0
    for cell in space.cells:
        edges = []
        for operations in cell.operations:
            edge_choices = choices[:, column]
            edges.append(_per_choice(edge_choices, len(operations), values, reduce))
            column += 1
        numbers.append(edges)
    return numbers


def _per_choice(
    choices: np.ndarray,
    operations: int,
    values: np.ndarray,
    reduce: Callable[[np.ndarray], float],
) -> list[float]:
    """Return one number per operation of an edge, NaN if no architecture has it."""
    numbers = []
    for choice in range(operations):
        chosen = values[choices == choice]
        numbers.append(float(reduce(chosen)) if len(chosen) else float("nan"))
    return numbers


def _noise(matrix: np.ndarray) -> float | None:
    """Return the mean standard deviation between trials; None without two trials."""
    trials = (~np.isnan(matrix)).sum(axis=1)
    repeated = matrix[trials >= 2]
    if not len(repeated):
        return None
    return float(np.nanstd(repeated, axis=1, ddof=1).mean())


def _single_trials_agreement(matrix: np.ndarray) -> float | None:
    """Return the mean tau-b between single trials; None if there is no pair."""
    taus = []
    for first, second in combinations(range(matrix.shape[1]), 2):
        tau = _tau_of_common(matrix[:, first], matrix[:, second])
        if tau is not None:
            taus.append(tau)
    return float(np.mean(taus)) if taus else None


def _halves_agreement(matrix: np.ndarray) -> float | None:
    """Return tau-b between the means of two halves of the trials; None if undefined."""
    trials = matrix.shape[1] // 2 * 2
    if not trials:
        return None
    # Rounded, so that equal means are ties.
    even = np.round(matrix[:, 0:trials:2].mean(axis=1), DECIMALS)
    odd = np.round(matrix[:, 1:trials:2].mean(axis=1), DECIMALS)
    return _tau_of_common(even, odd)


def _tau_of_common(first: np.ndarray, second: np.ndarray) -> float | None:
    """Return Kendall's tau-b over the entries with both values; None if undefined."""
    both = ~np.isnan(first) & ~np.isnan(second)
    return tau_b(first[both], second[both])
