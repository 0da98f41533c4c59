"""A builder that collects trials one by one and makes a table of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.truth.choices import flatten, row_bytes
from archselect.nasbench_adapters.truth.ground_truth import (
    MEASURED,
    ColumnKey,
    Provenance,
)
from archselect.nasbench_adapters.truth.table import ColumnData, TruthTable

_TrialsOfSeed = dict[Architecture, float]
"""The accuracies of one seed, in per cent."""


class TableBuilder:
    """Collection of trials of one space; :meth:`table` returns them as a table.

    Attributes:
        space: the search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._columns: dict[ColumnKey, dict[str, _TrialsOfSeed]] = {}

    def add(
        self,
        architecture: Architecture,
        dataset: str,
        split: str,
        epochs: int,
        seed: str,
        accuracy: float,
    ) -> None:
        """Add one trial, with its accuracy in per cent.

        Raises UserError if the trial was added before, or its accuracy is not within
        0..100.
        """
        if not 0 <= accuracy <= 100:
            raise UserError(
                f"accuracy {accuracy} of {self.space.format(architecture)} is outside 0..100 per cent"
            )
        column = self._columns.setdefault(ColumnKey(dataset, split, epochs), {})
        trials = column.setdefault(seed, {})
        if architecture in trials:
            raise UserError(
                f"the trial of {self.space.format(architecture)} on {dataset}/{split} at {epochs} epochs "
                f"with seed {seed} is given twice"
            )
        trials[architecture] = accuracy

    def table(
        self,
        name: str,
        *,
        origin: str,
        licence: str,
        provenance: Provenance = MEASURED,
        details: Mapping[str, Any] | None = None,
    ) -> TruthTable:
        """Return the table, with architectures and seeds sorted.

        Raises UserError if no trial was added.
        """
        if not self._columns:
            raise UserError(
                f"nothing to import for truth '{name}': the source holds no trial ({origin})"
            )
        architectures = self._sorted_architectures()
        rows = {architecture: row for row, architecture in enumerate(architectures)}
        columns = {
            key: _column_data(trials, rows) for key, trials in self._columns.items()
        }
        return TruthTable.build(
            name=name,
            space=self.space.name,
            choices=np.array([flatten(each) for each in architectures]),
            columns=columns,
            origin=origin,
            licence=licence,
            provenance=provenance,
            details=details,
        )

    def _sorted_architectures(self) -> list[Architecture]:
        """Return every architecture with a trial, sorted."""
        distinct: set[Architecture] = set()
        for column in self._columns.values():
            for trials in column.values():
                distinct.update(trials)
        return sorted(distinct, key=row_bytes)


def _column_data(
    trials: Mapping[str, _TrialsOfSeed], rows: Mapping[Architecture, int]
) -> ColumnData:
    """Return the trials of a column as a matrix.

    Args:
        trials: trials of each seed.
        rows: row of each architecture in the table.
    """
    seeds = sorted(trials, key=lambda seed: (len(seed), seed))
    accuracies = np.full((len(rows), len(seeds)), np.nan)
    for place, seed in enumerate(seeds):
        for architecture, accuracy in trials[seed].items():
            accuracies[rows[architecture], place] = accuracy
    return ColumnData(seeds, accuracies)
