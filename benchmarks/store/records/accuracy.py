"""What a truth says of the selected architecture."""

from __future__ import annotations

from typing import Literal

from archselect.benchmarks.store.facts import (
    Fact,
    Id,
)
from archselect.benchmarks.store.ranges import (
    COEFFICIENT,
    MOST_COUNTED,
    PER_CENT,
    check_number,
    check_numbers,
    check_same_length,
)


class Accuracy(Fact):
    """What a truth says of the selected architecture, in per cent, and of each architecture scored.

    `source` says where the numbers are from: a table of measurements, a model that
    predicts them, or our own final trainings of the architecture (one trial per seed,
    its test accuracy after the last epoch). A table that holds a
    part of its space may not have what was selected: then that is said, `trials` is
    empty and `mean` is None. `surrogate_tau` is, for a prediction, the model's
    cross-validated Kendall's tau-b, None where it is not known. `rank` is 1 + the
    number of architectures of the landscape with a strictly higher mean of trials, None
    where there is none to be among; `mean` is that mean. `scored` has, for each entry
    of the record's architecture_scores, the mean accuracy in the same truth, None where
    it has none; it is empty where only the selected architecture was judged.
    """

    landscape: Id
    source: Literal["looked up", "predicted", "trained", "not in the table"] = (
        "looked up"
    )
    surrogate_tau: float | None = None
    trials: list[float]
    trial_seeds: list[str]
    mean: float | None
    rank: int | None
    scored: list[float | None]

    def per_cents(self) -> list[float]:
        """Return every accuracy that is known."""
        return [
            value
            for value in (self.mean, *self.trials, *self.scored)
            if value is not None
        ]

    def check_as(self, who: str, architectures: int) -> None:
        """Raise Impossible for a number that is none of an accuracy.

        Args:
            who: of what it is, in words.
            architectures: how many the run has scored.
        """
        check_numbers(f"accuracy{who}", self.per_cents(), 0, PER_CENT)
        check_number(f"rank{who}", self.rank, 1, MOST_COUNTED)
        check_number(
            f"surrogate_tau{who}", self.surrogate_tau, -COEFFICIENT, COEFFICIENT
        )
        check_same_length("trials", self.trials, "trial_seeds", self.trial_seeds)
        if self.scored:
            check_same_length(
                "scored", self.scored, "architecture_scores", range(architectures)
            )
