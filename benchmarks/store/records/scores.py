"""Proxies' scores of a population, and scorers' scores of operations."""

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
    """Architectures that proxies score, with their known accuracies.

    `source` is text that says which they are. `trials[i]` are the accuracies of
    architecture i in per cent; `truth` describes the ground truth of the accuracies,
    and says so if they are predicted. Without a ground truth, `truth` is None and
    `trials` is empty. `published` has, by proxy, the scores in the file of the
    architectures.
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
    """Everything that determines the scores of a population on one kind of device.

    `norm` is the batch-norm mode; "own" is that of each proxy's definition.
    `fresh_batches` says whether every architecture has its own minibatches; otherwise
    all architectures of a seed share them. `supernet_operations` says whether networks
    have the supernet's operations (normalisation without scale and shift, normalised
    poolings). `population` is the hash of its architectures. `source` says which files
    or packages the proxies come from; None if all are built-in.
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
    source: str | None = None


class Scoring(Fact):
    """Content of a folder of scores: its inputs, seeds and number of architectures.

    `command` resumes the scoring.
    """

    schema_version: Literal[1] = 1
    inputs: ScoringInputs
    seeds: list[int]
    size: int
    command: str


class Score(Fact):
    """One proxy's score of one architecture.

    `value` is None if the score is undefined; `reason` is then text that says why.
    """

    value: float | None
    reason: str = ""
    seconds: float


class Scored(Fact):
    """Scores of some architectures with one seed.

    `scores[i]` has, by proxy, the scores of architecture `start` + i of the population.
    `code_version` and `commit` are as in :class:`.Record`.
    """

    schema_version: Literal[2] = 2
    seed: int
    start: int
    scores: list[dict[str, Score]]
    machine: Machine
    code_version: str
    commit: str | None = None

    def check(self) -> None:
        """Raise Impossible for seconds that no scoring can take."""
        for by_proxy in self.scores:
            check_numbers("seconds", [score.seconds for score in by_proxy.values()])
