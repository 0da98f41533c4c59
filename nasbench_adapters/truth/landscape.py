"""What a truth says of a whole space: its accuracies, its operations' oracles, its seed noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import kendalltau

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.truth.surrogate import GroundTruth
from archselect.nasbench_adapters.truth.table import TruthTable, unflatten

QUANTILES = np.linspace(0, 1, 201)


@dataclass(frozen=True)
class LandscapeNumbers:
    """Accuracies in per cent, mean of trials per architecture, over all architectures the table speaks for.

    Attributes:
        architectures: how many have a trial.
        trials: the most that one has.
        quantiles: at 0, 0.5, …, 100 %.
        mean, std: over the architectures (the population's standard deviation).
        optimum, optimum_architecture: the highest mean, and the first architecture that has it, in text.
        oracle_best: [c][e][k], the best accuracy (maximum over architectures and trials) with operation k on
            edge e of cell type c, NaN if there is no such architecture.
        oracle_mean: the mean over those architectures.
        noise_std: standard deviation (n - 1) between trials, mean over the stored architectures that have two
            or more. None if there is none.
        ceiling_single: Kendall's tau-b between single trials, over the stored architectures that have both,
            mean over the pairs of seeds. None if there is no pair.
        ceiling_half: tau-b between the means of two halves of the trials, those at even and at odd places
            (an odd last one is left out), over the stored architectures that have all. None as above.
    """

    architectures: int
    trials: int
    quantiles: list[float]
    mean: float
    std: float
    optimum: float
    optimum_architecture: str
    oracle_best: list[list[list[float]]]
    oracle_mean: list[list[list[float]]]
    noise_std: float | None
    ceiling_single: float | None
    ceiling_half: float | None


def landscape(truth: GroundTruth, dataset: str, split: str, epochs: int) -> LandscapeNumbers:
    """The landscape of one column of a table; that of a surrogate is of the table it was fitted on.

    Raises UserError if there is no such column, or no trial in it.
    """
    table = truth.reference
    matrix = table.matrix(dataset, split, epochs)
    means = table.means(dataset, split, epochs)
    present = ~np.isnan(means)
    if not present.any():
        raise UserError(f"truth '{table.name}' has no trial on {dataset}/{split} at {epochs} epochs")
    choices, rows = table.population
    choices, rows, means = choices[present], rows[present], means[present]
    best = np.nanmax(matrix[rows], axis=1)
    optimum = int(np.argmax(means))
    return LandscapeNumbers(
        architectures=len(means),
        trials=int((~np.isnan(matrix)).sum(axis=1).max()),
        quantiles=np.quantile(means, QUANTILES).tolist(),
        mean=float(means.mean()),
        std=float(means.std()),
        optimum=float(means[optimum]),
        optimum_architecture=table.space.format(unflatten(table.space, choices[optimum])),
        oracle_best=_per_operation(table, choices, best, np.max),
        oracle_mean=_per_operation(table, choices, means, np.mean),
        noise_std=_noise(matrix),
        ceiling_single=_single(matrix),
        ceiling_half=_half(matrix),
    )


def rank(truth: GroundTruth, architecture: Architecture, dataset: str, split: str, epochs: int) -> tuple[int, int]:
    """(rank, of): 1 + how many architectures have a strictly higher mean of trials, and how many have one.

    The rank of a surrogate's prediction is among the accuracies of the table it was fitted on. Raises UserError if a
    table has no trial of the architecture there.
    """
    own = truth.mean(architecture, dataset, split, epochs)
    if own is None:
        truth.lookup(architecture, dataset, split, epochs)  # says what there is
        raise AssertionError("a table without a mean has a trial")
    means = truth.reference.means(dataset, split, epochs)
    return 1 + int((means > own).sum()), int((~np.isnan(means)).sum())


def _per_operation(
    table: TruthTable, choices: np.ndarray, values: np.ndarray, reduce: Callable[[np.ndarray], float]
) -> list[list[list[float]]]:
    result: list[list[list[float]]] = []
    column = 0
    for cell in table.space.cells:
        result.append([])
        for names in cell.operations:
            chosen = [values[choices[:, column] == choice] for choice in range(len(names))]
            result[-1].append([float(reduce(those)) if len(those) else float("nan") for those in chosen])
            column += 1
    return result


def _noise(matrix: np.ndarray) -> float | None:
    repeated = matrix[(~np.isnan(matrix)).sum(axis=1) >= 2]
    return float(np.nanstd(repeated, axis=1, ddof=1).mean()) if len(repeated) else None


def _single(matrix: np.ndarray) -> float | None:
    taus = [_tau(matrix[:, a], matrix[:, b]) for a, b in combinations(range(matrix.shape[1]), 2)]
    defined = [tau for tau in taus if tau is not None]
    return float(np.mean(defined)) if defined else None


def _half(matrix: np.ndarray) -> float | None:
    trials = matrix.shape[1] // 2 * 2
    if not trials:
        return None
    even, odd = (np.round(matrix[:, place:trials:2].mean(axis=1), 9) for place in (0, 1))  # equal means are ties
    return _tau(even, odd)


def _tau(a: np.ndarray, b: np.ndarray) -> float | None:
    """Kendall's tau-b over the entries that both have; None if undefined (fewer than two, or constant)."""
    both = ~np.isnan(a) & ~np.isnan(b)
    if both.sum() < 2 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        return None
    return float(kendalltau(a[both], b[both], variant="b").statistic)
