"""What proxies say of a population, and scorers of the operations of a space."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from archselect.benchmarks.store.facts import Fact, FormulationNumbers, Settings
from archselect.benchmarks.store.ranges import PER_CENT, Impossible, check_numbers
from archselect.benchmarks.store.records.cost import Machine
from archselect.benchmarks.store.records.inputs import DataInputs
from archselect.selectors.selection import OperationScore, Scale


class ScorerFacts(Fact):
    """One scorer's scores of the operations on the edges of a space, from a file."""

    name: str
    scale: Scale
    scores: list[OperationScore]


class Population(Fact):
    """Architectures that proxies score, and what is known of them.

    `source` says in words which they are. `trials[i]` are the accuracies of
    architecture i in per cent; `truth` describes the ground truth that they are from,
    and says so if it predicts them. It is None, and `trials` empty, without a ground
    truth. `published` has, by proxy, the scores that the file of the architectures
    gives.
    """

    space: str
    source: str
    architectures: list[str]
    truth: str | None = None
    trials: list[list[float]] = Field(default_factory=list)
    published: dict[str, list[float | None]] = Field(default_factory=dict)

    def check(self) -> None:
        """Raise Impossible for an architecture without a trial or a wrong accuracy."""
        if not all(self.trials):
            raise Impossible("trials has an architecture without a trial")
        for accuracies in self.trials:
            check_numbers("trials", accuracies, 0, PER_CENT)


class ScoringInputs(Fact):
    """All that determines the scores of a population on one kind of device.

    `norm` is the batch-norm mode; "own" is that of each proxy's definition.
    `fresh_batches` says whether every architecture is scored on minibatches of its own,
    or all of a seed on the same. `supernet_operations` says whether networks have the
    supernet's operations (normalisation without scale and shift, poolings normalised).
    `population` is the hash of its architectures.
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
    formulations: FormulationNumbers


class Scoring(Fact):
    """Content of a folder of scores: its inputs, its seeds and how many architectures.

    `command` resumes the scoring.
    """

    schema_version: Literal[1] = 1
    inputs: ScoringInputs
    seeds: list[int]
    size: int
    command: str


class Score(Fact):
    """One proxy's score of one architecture.

    `value` is None where the score is not defined; `reason` then says why, in words.
    """

    value: float | None
    reason: str = ""
    seconds: float


class Scored(Fact):
    """Scores of some architectures with one seed.

    `scores[i]` has, by proxy, those of architecture `start` + i of the population. For
    `code_version` and `commit` see :class:`.Record`.
    """

    schema_version: Literal[2] = 2
    seed: int
    start: int
    scores: list[dict[str, Score]]
    machine: Machine
    code_version: str
    commit: str | None = None

    def check(self) -> None:
        """Raise Impossible for seconds that no scoring takes."""
        for by_proxy in self.scores:
            check_numbers("seconds", [score.seconds for score in by_proxy.values()])
