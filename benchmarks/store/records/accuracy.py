"""The accuracy of the selected architecture."""

from __future__ import annotations

from typing import Literal

from archselect.benchmarks.store.facts import Fact, Id
from archselect.benchmarks.store.ranges import (
    COEFFICIENT,
    MOST_COUNTED,
    PER_CENT,
    check_number,
    check_numbers,
    check_same_length,
)


class Accuracy(Fact):
    """Accuracy, in per cent, of the selected architecture and of all scored ones.

    `landscape` is the id of the ground truth's :class:`.Landscape`. `source` says where
    the numbers come from: a table of measurements, a model that predicts them, or our
    own final trainings of the architecture (one trial per seed: the test accuracy after
    the last epoch). A table of a part of its space may lack the selected architecture:
    then `source` says so, `trials` is empty and `mean` is None.

    `mean` is the mean of the trials. `rank` is 1 + the number of architectures of the
    landscape with a strictly higher mean; None if there are no others. `surrogate_tau`
    is, for a prediction, the model's cross-validated Kendall tau-b; None if unknown.
    `scored` has the mean accuracy for each entry of the record's architecture_scores,
    in the same ground truth; None if it has none. It is empty if only the selected
    architecture was judged.
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
        """Return every known accuracy."""
        accuracies = (self.mean, *self.trials, *self.scored)
        return [value for value in accuracies if value is not None]

    def check_as(self, who: str, architectures: int) -> None:
        """Raise Impossible for a number that no accuracy can have.

        Args:
            who: text that says whose accuracy it is, for the message.
            architectures: number of architectures that the run has scored.
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
