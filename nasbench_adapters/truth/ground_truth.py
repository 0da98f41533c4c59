"""The interface of ground truths, which are tables or surrogates.

A ground truth returns the accuracy that an architecture has after training. A
:class:`.table.TruthTable` stores the accuracies of all trials; a
:class:`.surrogate.Surrogate` predicts accuracies. Code that uses a ground truth reads
its properties, such as `predicts`, and never tests its class. This file does not import
torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

import numpy as np

from archselect.nasbench_adapters.agreement import Agreement
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces.nb1shot1 import OneShotSpace

Provenance = Literal["measured", "predicted"]
MEASURED: Final = "measured"
"""The accuracies come from trainings."""
PREDICTED: Final = "predicted"
"""The accuracies come from a surrogate, not from trainings."""
DECIMALS = 9
"""Number of decimals of rounded means, so that equal means compare equal."""


class ColumnKey(NamedTuple):
    """The name of a column: data set, split, and epochs of the training."""

    dataset: str
    split: str
    epochs: int


@dataclass(frozen=True)
class Column:
    """The accuracies of one data set, split and number of epochs.

    Attributes:
        dataset: data set of the training.
        split: split on which the accuracy was measured.
        epochs: number of epochs of the training.
        seeds: seeds of the trials.
        count: number of architectures with a trial.
    """

    dataset: str
    split: str
    epochs: int
    seeds: tuple[str, ...]
    count: int

    @property
    def key(self) -> ColumnKey:
        """Data set, split and epochs."""
        return ColumnKey(self.dataset, self.split, self.epochs)


@dataclass(frozen=True)
class Trials:
    """The accuracies of one architecture in per cent, and their seeds."""

    accuracies: tuple[float, ...]
    seeds: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Mean of the trials, in per cent."""
        return sum(self.accuracies) / len(self.accuracies)


class CoveredArchitectures(NamedTuple):
    """All architectures whose accuracy a table knows.

    Attributes:
        choices: architectures in the form of :mod:`.choices`, (architectures, edges) of
            int8.
        rows: row of the table with each architecture's accuracies, (architectures,).
    """

    choices: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Extent:
    """Number of trials and range of accuracies of a column.

    Attributes:
        trials: number of trials of all architectures together.
        fewest, most: smallest and largest number of trials of an architecture that has
            any.
        lowest, highest: lowest and highest accuracy of a trial, in per cent.
    """

    trials: int
    fewest: int
    most: int
    lowest: float
    highest: float


class StoredAccuracies(Protocol):
    """Interface of a table: accuracies of many architectures as arrays."""

    @property
    def name(self) -> str:
        """Name of the table."""

    @property
    def space(self) -> SearchSpace:
        """Search space of its architectures."""

    @property
    def provenance(self) -> Provenance:
        """Whether the accuracies were measured or predicted."""

    @property
    def architectures(self) -> np.ndarray:
        """Stored architectures, (architectures, edges), as in :mod:`.choices`."""

    @property
    def population(self) -> CoveredArchitectures:
        """All architectures whose accuracy the table knows, with their rows."""

    def __len__(self) -> int:
        """Return the number of stored architectures."""

    def matrix(self, dataset: str, split: str, epochs: int) -> np.ndarray:
        """Return a column's accuracies in per cent, (architectures, trials)."""

    def means(self, dataset: str, split: str, epochs: int) -> np.ndarray:
        """Return the mean accuracy of each architecture of the :attr:`population`."""

    def extent(self, dataset: str, split: str, epochs: int) -> Extent:
        """Return the number of trials of a column, and their range."""


class GroundTruth(Protocol):
    """Interface of a ground truth, which gives the accuracy of architectures."""

    @property
    def name(self) -> str:
        """Name of the ground truth."""

    @property
    def space(self) -> SearchSpace:
        """Search space of its architectures."""

    @property
    def columns(self) -> Sequence[Column]:
        """All columns of the ground truth."""

    @property
    def origin(self) -> str:
        """Origin: who measured or fitted it, and the source file."""

    @property
    def licence(self) -> str:
        """Licence of the accuracies."""

    @property
    def provenance(self) -> Provenance:
        """Whether the accuracies that it stores, or was fitted on, were measured."""

    @property
    def details(self) -> Mapping[str, Any]:
        """Further details, as JSON values."""

    @property
    def checksum(self) -> str:
        """SHA-256 of the content."""

    @property
    def predicts(self) -> bool:
        """True for a model, which predicts the accuracy of any architecture.

        False for a table, which knows stored architectures only.
        """

    @property
    def measured(self) -> bool:
        """Whether a lookup returns measured accuracies."""

    @property
    def agreement(self) -> Agreement | None:
        """Agreement of its cross-validated predictions; None without predictions."""

    @property
    def reference(self) -> StoredAccuracies:
        """Table whose architectures are the population of ranks and landscapes."""

    def describe_coverage(self) -> str:
        """Return a text about which architectures it covers."""

    def describe_columns(self) -> str:
        """Return a text with the data sets, splits and epochs."""

    def describe_provenance(self) -> str:
        """Return a text about the source of an accuracy, and its quality."""

    def column(self, dataset: str, split: str, epochs: int) -> Column:
        """Return a column.

        Raises UserError, which lists the existing columns, if there is no such column.
        """

    def lookup(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> Trials:
        """Return all trials of an architecture; a prediction counts as one trial.

        Raises UserError, which lists what exists, if there is no trial.
        """

    def mean(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> float | None:
        """Return an architecture's mean accuracy in per cent; None without a trial.

        Raises UserError if there is no such column.
        """

    def holds_whole_space(self, dataset: str, split: str, epochs: int) -> bool:
        """Return whether a column stores trials for every architecture of the space.

        Raises UserError if there is no such column.
        """

    def covers(self, space: SearchSpace) -> bool:
        """Return whether it covers a space: the same space, or a sub-space of it."""

    def within(self, space: SearchSpace) -> GroundTruth:
        """Return the ground truth for the same space, or for a sub-space of it.

        Raises UserError if it belongs to another space, or has no architecture of the
        sub-space.
        """

    def save(self, path: Path | str) -> None:
        """Write the file atomically: there is never a partial file.

        Raises UserError if the folder cannot take it.
        """


def covers_space(truth_space: str, space: SearchSpace) -> bool:
    """Return whether a ground truth of `truth_space` covers a space or sub-space."""
    if space.name == truth_space:
        return True
    return isinstance(space, OneShotSpace) and space.truth_space == truth_space
