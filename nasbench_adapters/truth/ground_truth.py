"""What a ground truth is: the interface of tables and surrogates. No torch here.

A ground truth says which accuracy an architecture has after a training. A
:class:`.table.TruthTable` stores accuracies, trial by trial; a
:class:`.surrogate.Surrogate` predicts them. Code that uses a ground truth asks the
object itself what it is and never tests its class.
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
"""The accuracies come from a surrogate that was asked in place of trainings."""
DECIMALS = 9
"""Decimals to which means are rounded, so that equal means compare equal."""


class ColumnKey(NamedTuple):
    """The name of a column: data set, split, and epochs of the training."""

    dataset: str
    split: str
    epochs: int


@dataclass(frozen=True)
class Column:
    """The accuracies of one data set, split and number of epochs.

    Attributes:
        dataset: that networks were trained on.
        split: that their accuracy was measured on.
        epochs: of the training.
        seeds: of the trials.
        count: how many architectures have a trial.
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
    """The accuracies of one architecture, in per cent, and the seed of each."""

    accuracies: tuple[float, ...]
    seeds: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Mean of the trials, in per cent."""
        return sum(self.accuracies) / len(self.accuracies)


class CoveredArchitectures(NamedTuple):
    """All architectures that a table answers for.

    Attributes:
        choices: int8, architectures × edges; see :mod:`.choices`.
        rows: for each architecture the row that stores its accuracies.
    """

    choices: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Extent:
    """How much a column holds.

    Attributes:
        trials: of all architectures together.
        fewest, most: trials of one architecture that has any.
        lowest, highest: accuracy of a trial, in per cent.
    """

    trials: int
    fewest: int
    most: int
    lowest: float
    highest: float


class StoredAccuracies(Protocol):
    """Accuracies of many architectures as arrays, which a table offers."""

    @property
    def name(self) -> str:
        """Name of the table."""

    @property
    def space(self) -> SearchSpace:
        """Search space of its architectures."""

    @property
    def provenance(self) -> Provenance:
        """Provenance of the accuracies."""

    @property
    def architectures(self) -> np.ndarray:
        """Architectures stored: int8, architectures × edges; see :mod:`.choices`."""

    @property
    def population(self) -> CoveredArchitectures:
        """Architectures that it answers for, and the row that stores each."""

    def __len__(self) -> int:
        """Return how many architectures are stored."""

    def matrix(self, dataset: str, split: str, epochs: int) -> np.ndarray:
        """Return the accuracies of a column in per cent: architectures × trials."""

    def means(self, dataset: str, split: str, epochs: int) -> np.ndarray:
        """Return the mean of trials of each architecture of the :attr:`population`."""

    def extent(self, dataset: str, split: str, epochs: int) -> Extent:
        """Return how many trials a column holds, and their range."""


class GroundTruth(Protocol):
    """An answer to the question which accuracy an architecture has."""

    @property
    def name(self) -> str:
        """Name of the truth."""

    @property
    def space(self) -> SearchSpace:
        """Search space of its architectures."""

    @property
    def columns(self) -> Sequence[Column]:
        """Columns that it has."""

    @property
    def origin(self) -> str:
        """Origin: who measured or fitted it, and where it was converted from."""

    @property
    def licence(self) -> str:
        """Licence of the accuracies."""

    @property
    def provenance(self) -> Provenance:
        """Provenance of the accuracies that it stores, or was fitted on."""

    @property
    def details(self) -> Mapping[str, Any]:
        """Details that are worth knowing, as JSON values."""

    @property
    def checksum(self) -> str:
        """SHA-256 of the content."""

    @property
    def predicts(self) -> bool:
        """True for a model, which answers for any architecture of the space.

        False where it answers for stored architectures only.
        """

    @property
    def measured(self) -> bool:
        """True where what a lookup returns was measured."""

    @property
    def agreement(self) -> Agreement | None:
        """Cross-validation of its predictions; None where there is none."""

    @property
    def reference(self) -> StoredAccuracies:
        """Table whose architectures ranks and landscapes are among."""

    def describe_coverage(self) -> str:
        """Return in words for which architectures it answers."""

    def describe_columns(self) -> str:
        """Return the data sets, splits and epochs in words."""

    def describe_provenance(self) -> str:
        """Return in words how an accuracy comes about, and how good it is."""

    def column(self, dataset: str, split: str, epochs: int) -> Column:
        """Return a column.

        Raises UserError, listing what there is, if there is no such column.
        """

    def lookup(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> Trials:
        """Return all trials of an architecture; a prediction is one trial.

        Raises UserError, saying what there is, if there is none.
        """

    def mean(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> float | None:
        """Return the mean of an architecture's trials in per cent; None if it has none.

        Raises UserError if there is no such column.
        """

    def holds_whole_space(self, dataset: str, split: str, epochs: int) -> bool:
        """Return whether a column stores trials for every architecture of the space.

        Raises UserError if there is no such column.
        """

    def covers(self, space: SearchSpace) -> bool:
        """Return whether it answers for a space: its own, or a sub-space of it."""

    def within(self, space: SearchSpace) -> GroundTruth:
        """Return the truth for its own space, or for a sub-space of it.

        Raises UserError if it is of another space, or has nothing of the sub-space.
        """

    def save(self, path: Path | str) -> None:
        """Write the file, whole or not at all.

        Raises UserError if the folder cannot take it.
        """


def covers_space(truth_space: str, space: SearchSpace) -> bool:
    """Return whether a truth of the named space answers for a space or sub-space."""
    if space.name == truth_space:
        return True
    return isinstance(space, OneShotSpace) and space.truth_space == truth_space
