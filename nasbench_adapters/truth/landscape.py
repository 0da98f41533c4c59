"""What a truth says of a whole space: its accuracies, its random cells, its operations' oracles, its seed noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.ranks import tau_b
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.truth.optimum import (
    corrected_optimum,
    left_out_optimum,
)
from archselect.nasbench_adapters.truth.surrogate import GroundTruth, Surrogate
from archselect.nasbench_adapters.truth.table import TruthTable, unflatten

QUANTILES = np.linspace(0, 1, 201)


@dataclass(frozen=True)
class LandscapeNumbers:
    """Accuracies in per cent, mean of trials per architecture, over all architectures the table speaks for.

    Attributes:
        architectures: how many have a trial.
        trials: the most that one has.
        quantiles: at 0, 0.5, …, 100 %.
        mean, std, mean_rank: of one architecture drawn as the random selector draws it,
            the exact expectation of its accuracy, the standard deviation of its
            accuracy, and the exact expectation of its rank (1 + how many architectures
            have a strictly higher mean). All None where the truth does not hold every
            architecture of its space, is a surrogate, or the space does not tell how
            likely each draw is.
        optimum, optimum_architecture: the highest mean, and the first architecture that
            has it, in text. Too high where trials are noisy: it is the luckiest of
            many.
        optimum_corrected: the expected accuracy of the truly best architecture; see
            :func:`corrected_optimum`. None where no architecture has two trials.
        optimum_left_out: the accuracy of what all trials but one name as the best, on
            the one left out; see :func:`left_out_optimum`. None as above.
        operations: [c][e], the names of the operations on edge e of cell type c.
        oracle_best: [c][e][k], the best accuracy (maximum over architectures and
            trials) with operation k on edge e of cell type c, NaN if there is no such
            architecture.
        oracle_mean: the mean over those architectures.
        noise_std: standard deviation (n - 1) between trials, mean over the stored
            architectures that have two or more. None if there is none.
        ceiling_single: Kendall's tau-b between single trials, over the stored
            architectures that have both, mean over the pairs of seeds. None if there is
            no pair.
        ceiling_half: tau-b between the means of two halves of the trials, those at even
            and at odd places (an odd last one is left out), over the stored
            architectures that have all. None as above.
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
    operations: list[list[list[str]]]
    oracle_best: list[list[list[float]]]
    oracle_mean: list[list[list[float]]]
    noise_std: float | None
    ceiling_single: float | None
    ceiling_half: float | None


def landscape(
    truth: GroundTruth, dataset: str, split: str, epochs: int
) -> LandscapeNumbers:
    """The landscape of one column of a table; that of a surrogate is of the table it was fitted on.

    Raises UserError if there is no such column, or no trial in it.
    """
    table = truth.reference
    matrix = table.matrix(dataset, split, epochs)
    means = table.means(dataset, split, epochs)
    present = ~np.isnan(means)
    if not present.any():
        raise UserError(
            f"truth '{table.name}' has no trial on {dataset}/{split} at {epochs} epochs"
        )
    choices, rows = table.population
    choices, rows, means = choices[present], rows[present], means[present]
    best = np.nanmax(matrix[rows], axis=1)
    optimum = int(np.argmax(means))
    measured = matrix[np.unique(rows)]
    random = _random_cell(means, _probabilities(truth, choices))
    return LandscapeNumbers(
        architectures=len(means),
        trials=int((~np.isnan(matrix)).sum(axis=1).max()),
        quantiles=np.quantile(means, QUANTILES).tolist(),
        mean=random.mean,
        std=random.std,
        mean_rank=random.rank,
        optimum=float(means[optimum]),
        optimum_architecture=table.space.format(
            unflatten(table.space, choices[optimum])
        ),
        optimum_corrected=corrected_optimum(measured),
        optimum_left_out=left_out_optimum(measured),
        operations=[
            [list(names) for names in cell.operations] for cell in table.space.cells
        ],
        oracle_best=_per_operation(table, choices, best, np.max),
        oracle_mean=_per_operation(table, choices, means, np.mean),
        noise_std=_noise(matrix),
        ceiling_single=_single(matrix),
        ceiling_half=_half(matrix),
    )


def rank(
    truth: GroundTruth,
    architecture: Architecture,
    dataset: str,
    split: str,
    epochs: int,
) -> tuple[int, int]:
    """(rank, of): 1 + how many architectures have a strictly higher mean of trials, and how many have one.

    The rank of a surrogate's prediction is among the accuracies of the table it was
    fitted on. Raises UserError if a table has no trial of the architecture there.
    """
    own = truth.mean(architecture, dataset, split, epochs)
    if own is None:
        truth.lookup(architecture, dataset, split, epochs)  # says what there is
        raise AssertionError("a table without a mean has a trial")
    means = truth.reference.means(dataset, split, epochs)
    return 1 + int((means > own).sum()), int((~np.isnan(means)).sum())


def best_of_random(
    truth: GroundTruth, dataset: str, split: str, epochs: int, draws: int
) -> float | None:
    """Return the expected accuracy, in per cent, of the best of so many random architectures, drawn independently.

    None where the expectation of one is not known; see :attr:`LandscapeNumbers.mean`.

    Raises:
        UserError: if there is no such column.
        ValueError: if `draws` is below 1.
    """
    table = truth.reference
    means = table.means(dataset, split, epochs)
    present = ~np.isnan(means)
    probabilities = _probabilities(truth, table.population[0][present])
    return (
        None
        if probabilities is None
        else expected_best(means[present], probabilities, draws)
    )


def expected_best(values: np.ndarray, probabilities: np.ndarray, draws: int) -> float:
    """Return the expected maximum of so many independent draws of values, each drawn with its probability.

    The maximum is at most a value with the probability that one draw is, to the power
    of the draws.

    Raises ValueError if `draws` is below 1.
    """
    if draws < 1:
        raise ValueError(f"the best of {draws} draws")
    order = np.argsort(values)
    up_to = np.minimum(np.cumsum(probabilities[order]), 1)
    reached = np.diff(up_to**draws, prepend=0)
    return float(reached @ values[order] / reached.sum())


@dataclass(frozen=True)
class _RandomCell:
    """Expectation and standard deviation of a random cell's accuracy, and its expected rank; None: not known."""

    mean: float | None = None
    std: float | None = None
    rank: float | None = None


def _random_cell(means: np.ndarray, probabilities: np.ndarray | None) -> _RandomCell:
    """Return expectation and spread of the accuracy of a random cell, and the expectation of its rank."""
    if probabilities is None:
        return _RandomCell()
    mean = float(probabilities @ means)
    variance = float(probabilities @ (means - mean) ** 2)
    ranks = 1 + len(means) - np.searchsorted(np.sort(means), means, side="right")
    return _RandomCell(
        round(mean, 9), round(variance**0.5, 9), round(float(probabilities @ ranks), 9)
    )


def _probabilities(truth: GroundTruth, choices: np.ndarray) -> np.ndarray | None:
    """Return how likely the random selector draws each architecture; None unless the truth holds the whole space."""
    if isinstance(truth, Surrogate) or len(choices) < truth.space.size:
        return None
    return truth.space.draw_probabilities(choices)


def _per_operation(
    table: TruthTable,
    choices: np.ndarray,
    values: np.ndarray,
    reduce: Callable[[np.ndarray], float],
) -> list[list[list[float]]]:
    result: list[list[list[float]]] = []
    column = 0
    for cell in table.space.cells:
        result.append([])
        for names in cell.operations:
            chosen = [
                values[choices[:, column] == choice] for choice in range(len(names))
            ]
            result[-1].append(
                [
                    float(reduce(those)) if len(those) else float("nan")
                    for those in chosen
                ]
            )
            column += 1
    return result


def _noise(matrix: np.ndarray) -> float | None:
    repeated = matrix[(~np.isnan(matrix)).sum(axis=1) >= 2]
    return float(np.nanstd(repeated, axis=1, ddof=1).mean()) if len(repeated) else None


def _single(matrix: np.ndarray) -> float | None:
    taus = [
        _tau(matrix[:, a], matrix[:, b])
        for a, b in combinations(range(matrix.shape[1]), 2)
    ]
    defined = [tau for tau in taus if tau is not None]
    return float(np.mean(defined)) if defined else None


def _half(matrix: np.ndarray) -> float | None:
    trials = matrix.shape[1] // 2 * 2
    if not trials:
        return None
    even, odd = (
        np.round(matrix[:, place:trials:2].mean(axis=1), 9) for place in (0, 1)
    )  # equal means are ties
    return _tau(even, odd)


def _tau(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return Kendall's tau-b over the entries that both have; None if undefined."""
    both = ~np.isnan(a) & ~np.isnan(b)
    return tau_b(a[both], b[both])
