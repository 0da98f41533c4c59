"""The statistics of a ground truth over a whole space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Literal

from pydantic import Field

from archselect.benchmarks.store.cell_checks import check_oracle, check_same_shape
from archselect.benchmarks.store.facts import Fact, Id
from archselect.benchmarks.store.ranges import (
    COEFFICIENT,
    PER_CENT,
    QUANTILES,
    ROUNDING,
    Impossible,
    check_number,
    check_numbers,
)
from archselect.nasbench_adapters.agreement import Agreement
from archselect.nasbench_adapters.yardstick import Yardstick


class Landscape(Fact):
    """The statistics of one ground truth over a whole space, in per cent.

    The accuracy of an architecture is the mean of its trials. A ground truth may have
    only a part of its space: then it has `architectures` of the `space_size` (None if
    it has the whole space). For a surrogate, everything except the name describes the
    table that it was fitted on, and `agreement` is its cross-validation (None if
    unknown). `provenance` says whether the accuracies are measured: a table can also
    hold predictions.

    `mean`, `std` and `mean_rank` are for a cell drawn by the random selector: the exact
    expectation and standard deviation of its accuracy, and the exact expectation of its
    rank. They are None if unknown: for a surrogate, for a part of a space, and for a
    space with unknown probabilities of draws.

    `optimum` is the highest mean of trials; noise makes it too high.
    `optimum_corrected` estimates the accuracy of the truly best cell.
    `optimum_left_out` selects the best cell by all trials except one, and is its
    accuracy in the left-out trial. Both are None if no architecture has two trials.

    `yardsticks` are reference architectures that the space names; records of earlier
    versions have none.

    `operations[c][e]` are the names of the operations on edge e of cell type c, and
    `operation_parameters[c][e]` their numbers of parameters. `quantiles` are at 0, 0.5,
    …, 100 %. `oracle_best[c][e][k]` is the best accuracy (maximum over cells and
    trials) with operation k on edge e, and `oracle_mean` the mean over those cells.
    `noise_std` is the mean over architectures of the standard deviation between trials.
    `ceiling_single` is Kendall's tau-b between single trials, `ceiling_half` between
    means of two halves of the trials: no predictor of one trial (or half) can be
    expected to do better.

    If only selected architectures are judged, by final trainings, `architectures` is 0
    and all statistics are missing.
    """

    schema_version: Literal[1] = 1
    id: Id
    truth: str
    space: str
    dataset: str
    split: str
    epochs: int
    origin: str
    checksum: str
    surrogate: bool = False
    agreement: Agreement | None = None
    provenance: Literal["measured", "predicted"] = "measured"
    space_size: int | None = None
    architectures: int
    trials: int
    quantiles: list[float]
    mean: float | None
    std: float | None
    optimum: float | None
    optimum_architecture: str | None
    mean_rank: float | None = None
    optimum_corrected: float | None = None
    optimum_left_out: float | None = None
    yardsticks: list[Yardstick] = Field(default_factory=list)
    operations: list[list[list[str]]] = Field(default_factory=list)
    operation_parameters: list[list[list[int]]] = Field(default_factory=list)
    oracle_best: list[list[list[float]]]
    oracle_mean: list[list[list[float]]]
    noise_std: float | None
    ceiling_single: float | None
    ceiling_half: float | None

    def check(self) -> None:
        """Raise Impossible for values that no ground truth can have."""
        self._check_numbers()
        if self.mean is not None and self.std is None:
            raise Impossible("mean is present, but std is missing")
        if self.agreement is not None:
            _check_agreement("agreement", self.agreement)
        if self.architectures:
            self._check_statistics()

    def _check_numbers(self) -> None:
        """Raise Impossible for a number outside its range."""
        accuracies = ("mean", "optimum", "optimum_corrected", "optimum_left_out")
        for key in (*accuracies, "std", "noise_std"):
            check_number(key, getattr(self, key), 0, PER_CENT)
        check_number("mean_rank", self.mean_rank, 1)
        for yardstick in self.yardsticks:
            check_number("yardsticks.mean", yardstick.mean, 0, PER_CENT)
            check_number("yardsticks.rank", yardstick.rank, 1)
        for key in ("epochs", "architectures", "trials", "space_size"):
            check_number(key, getattr(self, key))
        for key in ("ceiling_single", "ceiling_half"):
            check_number(key, getattr(self, key), -COEFFICIENT, COEFFICIENT)
        check_numbers("quantiles", self.quantiles, 0, PER_CENT)

    def _check_statistics(self) -> None:
        """Raise Impossible if statistics of a space are missing or contradictory."""
        if len(self.quantiles) != QUANTILES or not _are_in_order(self.quantiles):
            raise Impossible(f"quantiles are not {QUANTILES} accuracies in order")
        if self.optimum is None:
            raise Impossible("optimum is missing")
        check_oracle("oracle_best", self.oracle_best)
        check_oracle("oracle_mean", self.oracle_mean)
        check_same_shape(
            "oracle_mean", self.oracle_mean, "oracle_best", self.oracle_best
        )
        for parameters in chain.from_iterable(self.operation_parameters):
            check_numbers("operation_parameters", parameters)
        for key in ("operations", "operation_parameters"):
            if choices := getattr(self, key):
                check_same_shape(key, choices, "oracle_best", self.oracle_best)


def _are_in_order(accuracies: Sequence[float]) -> bool:
    """Return whether each accuracy is at least the one before, up to rounding."""
    return all(after >= before - ROUNDING for before, after in pairwise(accuracies))


def _check_agreement(name: str, agreement: Agreement) -> None:
    """Raise Impossible, with the name of this agreement, for an impossible number."""
    for statistic in ("tau", "spearman", "best"):
        for key in (statistic, f"{statistic}_low", f"{statistic}_high"):
            value = getattr(agreement, key)
            check_number(f"{name}.{key}", value, -COEFFICIENT, COEFFICIENT)
    for key in ("rmse", "rmse_low", "rmse_high"):
        check_number(f"{name}.{key}", getattr(agreement, key))
