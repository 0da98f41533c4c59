"""Fits a surrogate on a table, and measures by cross-validation what it is worth.

No torch here.

Two forms are tried, and the one that orders the left-out architectures better is kept:
gradient-boosted trees on all features, and a ridge regression on those of the graph.
Neither is the better one everywhere: see docs/surrogates.md.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from archselect.nasbench_adapters.agreement import Agreement
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.truth.choices import flatten, unflatten
from archselect.nasbench_adapters.truth.features import features
from archselect.nasbench_adapters.truth.forms import FORMS
from archselect.nasbench_adapters.truth.surrogate import Surrogate
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.validation import (
    FOLDS,
    agreement,
    cross_validated,
    parameters_alone,
)

LEAST = 30
"""Distinct architectures below which nothing is fitted."""
ALONE = "parameters alone"
"""The key of a surrogate's details for :func:`.validation.parameters_alone`."""

Parameters = Callable[[SearchSpace, np.ndarray], np.ndarray]
"""Counts the parameters of the networks of architectures: one number per row.

The architectures are rows of a table's `choices`. Raises UserError if the networks of
the space cannot be built.
"""


class Examples(NamedTuple):
    """What a surrogate is fitted on.

    Attributes:
        rows: int8, architectures × edges, representatives, no two the same.
        accuracies: in per cent, one per row.
    """

    rows: np.ndarray
    accuracies: np.ndarray


def fit_surrogate(
    table: TruthTable,
    dataset: str,
    split: str,
    epochs: int,
    name: str,
    *,
    folds: int = FOLDS,
    parameters: Parameters | None = None,
) -> Surrogate:
    """Return a surrogate of one column of a table, cross-validated.

    Architectures of equal function count once, with the mean of their accuracies:
    otherwise one of them could be in the fit, and the other among those left out.

    Args:
        table: with the accuracies.
        dataset, split, epochs: of the column.
        name: of the surrogate.
        folds: of the cross-validation.
        parameters: counts parameters; the surrogate's details then compare it with
            their number alone.

    Raises:
        UserError: if there is no such column, if it has too few distinct architectures
            or only one accuracy, if no fit tells architectures apart, or if
            scikit-learn keeps its trees in a form that is not known here.
    """
    examples = distinct(table, dataset, split, epochs)
    agreements = _try_forms(table.space, examples, folds)
    taus = {
        form: agreed.tau for form, agreed in agreements.items() if isfinite(agreed.tau)
    }
    if not taus:
        raise UserError(
            f"truth '{table.name}': no fit tells its architectures apart: import more of them"
        )
    best = max(taus, key=taus.__getitem__)
    details: dict[str, Any] = {
        "form": best,
        "tau of each form": taus,
        "table": {"name": table.name, "checksum": table.checksum},
        "libraries": {each: version(each) for each in ("numpy", "scikit-learn")},
    }
    if parameters is not None:
        details[ALONE] = _compare_with_parameters(
            table.space, examples, folds, parameters
        )
    encoded = features(table.space, examples.rows)
    return Surrogate.build(
        name=name,
        encoding="archselect",
        model=FORMS[best](table.space, encoded, examples.accuracies),
        table=table.single_column(dataset, split, epochs),
        origin=_origin_of_fit(table, examples),
        licence=table.licence,
        agreement=agreements[best],
        details=details,
        provenance=table.provenance,
    )


def _origin_of_fit(table: TruthTable, examples: Examples) -> str:
    """Return what a surrogate says of its origin."""
    architectures = f"{len(examples.rows):,} architectures of truth '{table.name}'"
    if not table.measured:
        architectures += ", which are themselves predicted"
    return f"fitted by archselect on {architectures} ({table.origin})"


def _try_forms(
    space: SearchSpace, examples: Examples, folds: int
) -> dict[str, Agreement]:
    """Return how well each form predicts left-out architectures."""
    agreements = {}
    for form in FORMS:
        predicted = cross_validated(
            space, examples.rows, examples.accuracies, form, folds
        )
        agreements[form] = agreement(predicted, examples.accuracies, folds)
    return agreements


def distinct(table: TruthTable, dataset: str, split: str, epochs: int) -> Examples:
    """Return the representatives that a column has trials of, and their accuracies.

    An accuracy is the mean over all architectures of the class.

    Raises UserError if there are too few to fit and to validate on, or if all
    accuracies are equal.
    """
    accuracies_of_row = _accuracies_by_class(table, dataset, split, epochs)
    if len(accuracies_of_row) < LEAST:
        raise UserError(
            f"truth '{table.name}' has {len(accuracies_of_row)} distinct architectures on {dataset}/{split} "
            f"at {epochs} epochs: a surrogate needs {LEAST} or more"
        )
    means = [sum(values) / len(values) for values in accuracies_of_row.values()]
    accuracies = np.array(means)
    if np.ptp(accuracies) == 0:
        raise UserError(
            f"truth '{table.name}' has one and the same accuracy for all: there is nothing to fit"
        )
    rows = np.frombuffer(b"".join(accuracies_of_row), dtype=np.int8)
    return Examples(rows.reshape(len(accuracies), -1), accuracies)


def _accuracies_by_class(
    table: TruthTable, dataset: str, split: str, epochs: int
) -> dict[bytes, list[float]]:
    """Return the mean accuracies of the stored architectures of each class.

    A class goes by the bytes of its representative's row.
    """
    matrix = table.matrix(dataset, split, epochs)
    has_trial = (~np.isnan(matrix)).any(axis=1)
    means = np.nanmean(matrix[has_trial], axis=1).tolist() if has_trial.any() else []
    accuracies: dict[bytes, list[float]] = {}
    for row, mean in zip(table.architectures[has_trial], means, strict=True):
        representative = row
        if not table.canonical_only:
            architecture = unflatten(table.space, row)
            representative = flatten(table.space.canonical(architecture))
        accuracies.setdefault(representative.tobytes(), []).append(mean)
    return accuracies


def _compare_with_parameters(
    space: SearchSpace, examples: Examples, folds: int, parameters: Parameters
) -> dict[str, Any]:
    """Return what a surrogate's details say of parameters alone.

    These are numbers, or the reason why there are none.
    """
    try:
        counts = parameters(space, examples.rows)
    except UserError as error:
        return {"undefined": str(error)}
    if np.ptp(counts) == 0:
        return {"undefined": "all architectures have the same number of parameters"}
    return parameters_alone(counts, examples.accuracies, folds)
