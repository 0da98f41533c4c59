"""What proxies say of a population, and scorers of the operations of a space."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from archselect.benchmarks.store.facts import (
    Fact,
    Numbers,
    Settings,
)
from archselect.benchmarks.store.ranges import (
    PER_CENT,
    Impossible,
    check_numbers,
)
from archselect.benchmarks.store.records.cost import Machine
from archselect.benchmarks.store.records.inputs import (
    DataInputs,
)
from archselect.benchmarks.store.records.selected import (
    OperationScore,
    Scale,
)


class ScorerFacts(Fact):
    """What one scorer thinks of the operations on the edges of a space, read from a file."""

    name: str
    scale: Scale
    scores: list[OperationScore]


class Population(Fact):
    """The architectures that proxies score, and what is known of them.

    `source` says in words which they are; `trials[i]` are the accuracies of
    architecture i in per cent by the truth that `truth` describes (None: no truth, and
    no trials; it names a prediction as one). `published` has, by proxy, the scores that
    the file of the architectures gives.
    """

    space: str
    source: str
    architectures: list[str]
    truth: str | None = None
    trials: list[list[float]] = Field(default_factory=list)
    published: dict[str, list[float | None]] = Field(default_factory=dict)

    def check(self) -> None:
        """See :meth:`Fact.check`."""
        if not all(self.trials):
            raise Impossible("trials has an architecture without a trial")
        check_numbers(
            "trials", [value for own in self.trials for value in own], 0, PER_CENT
        )


class ScoringInputs(Fact):
    """All that determines the scores of a population on one device type.

    `norm` is the batch-norm mode: "own" is that of each proxy's definition.
    `fresh_batches`: whether every architecture
    is scored on minibatches of its own, or all of a seed's on the same.
    `supernet_operations`: whether networks have the supernet's operations
    (normalisation without scale and shift, poolings normalised). `population` is the
    hash of its architectures.
    """

    space: str
    skeleton: Settings
    data: DataInputs
    proxies: list[str]
    norm: str
    batch_size: int
    batches: int
    fresh_batches: bool
    supernet_operations: bool
    population: str
    formulations: Numbers


class Scoring(Fact):
    """What a folder of scores is: its inputs, seeds and size, and the command that goes on with it."""

    schema_version: Literal[1] = 1
    inputs: ScoringInputs
    seeds: list[int]
    size: int
    command: str


class Score(Fact):
    """One proxy's score of one architecture; None where it is not defined, with the reason in words."""

    value: float | None
    reason: str = ""
    seconds: float


class Scored(Fact):
    """The scores of one seed of some architectures, by architecture (in the population's order) and proxy.

    `code_version`, `commit`: see :class:`Record`.
    """

    schema_version: Literal[2] = 2
    seed: int
    start: int
    scores: list[dict[str, Score]]
    machine: Machine
    code_version: str
    commit: str | None = None

    def check(self) -> None:
        """See :meth:`Fact.check`; a score that is not finite is none, and has the reason why."""
        check_numbers(
            "seconds", [score.seconds for own in self.scores for score in own.values()]
        )
