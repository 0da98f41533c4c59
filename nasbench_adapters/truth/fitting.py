"""Fits of surrogates on a table, with cross-validation.

A fit tries two forms and keeps the one that ranks left-out architectures better:
gradient-boosted trees on all features, and a ridge regression on the `graph` features.
Neither is better in all spaces (docs/surrogates.md). This file does not import torch.
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
"""Smallest number of distinct architectures for a fit."""
ALONE = "parameters alone"
"""Key of :func:`.validation.parameters_alone` in a surrogate's details."""

Parameters = Callable[[SearchSpace, np.ndarray], np.ndarray]
"""Function that returns the number of parameters of each architecture's network.

The architectures are rows of a table's `choices`. It raises UserError if the networks
of the space cannot be built.
"""


class Examples(NamedTuple):
    """The training data of a surrogate.

    Attributes:
        rows: distinct representatives, (architectures, edges) of int8.
        accuracies: accuracy of each row, in per cent.
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
    """Return a cross-validated surrogate of one column of a table.

    Architectures of equal function count once, with the mean of their accuracies.
    Otherwise one of them could be in the fit while an equal one is left out.

    Args:
        table: table with the accuracies.
        dataset, split, epochs: name of the column.
        name: name of the surrogate.
        folds: number of folds of the cross-validation.
        parameters: counts parameters; if given, the surrogate's details compare it with
            a prediction from the number of parameters only.

    Raises:
        UserError: if there is no such column, if it has too few distinct architectures
            or only one accuracy, if every fit predicts the same for all architectures,
            or if scikit-learn stores its trees in an unknown form.
    """
    examples = distinct(table, dataset, split, epochs)
    agreements = _try_forms(table.space, examples, folds)
    taus = {
        form: agreed.tau for form, agreed in agreements.items() if isfinite(agreed.tau)
    }
    if not taus:
        raise UserError(
            f"truth '{table.name}': every fit predicts the same for all architectures: import more of them"
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
    """Return the origin of a surrogate, for its header."""
    architectures = f"{len(examples.rows):,} architectures of truth '{table.name}'"
    if not table.measured:
        architectures += ", which are themselves predicted"
    return f"fitted by archselect on {architectures} ({table.origin})"


def _try_forms(
    space: SearchSpace, examples: Examples, folds: int
) -> dict[str, Agreement]:
    """Return the agreement of each form with left-out architectures."""
    agreements = {}
    for form in FORMS:
        predicted = cross_validated(
            space, examples.rows, examples.accuracies, form, folds
        )
        agreements[form] = agreement(predicted, examples.accuracies, folds)
    return agreements


def distinct(table: TruthTable, dataset: str, split: str, epochs: int) -> Examples:
    """Return the representatives with trials in a column, and their accuracies.

    An accuracy is the mean over all architectures of the class.

    Raises UserError if there are too few to fit and to validate, or if all accuracies
    are equal.
    """
    accuracies_of_row = _accuracies_by_class(table, dataset, split, epochs)
    if len(accuracies_of_row) < LEAST:
        raise UserError(
            f"truth '{table.name}' has {len(accuracies_of_row)} distinct architectures on {dataset}/{split} "
            f"at {epochs} epochs: a surrogate needs at least {LEAST}"
        )
    means = [sum(values) / len(values) for values in accuracies_of_row.values()]
    accuracies = np.array(means)
    if np.ptp(accuracies) == 0:
        raise UserError(
            f"truth '{table.name}' has the same accuracy for all architectures: there is nothing to fit"
        )
    rows = np.frombuffer(b"".join(accuracies_of_row), dtype=np.int8)
    return Examples(rows.reshape(len(accuracies), -1), accuracies)


def _accuracies_by_class(
    table: TruthTable, dataset: str, split: str, epochs: int
) -> dict[bytes, list[float]]:
    """Return the mean accuracies of the stored architectures of each class.

    The keys are the bytes of the representatives' rows.
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
    """Return the entry of a surrogate's details on parameters only.

    It holds numbers, or the reason why there are none.
    """
    try:
        counts = parameters(space, examples.rows)
    except UserError as error:
        return {"undefined": str(error)}
    if np.ptp(counts) == 0:
        return {"undefined": "all architectures have the same number of parameters"}
    return parameters_alone(counts, examples.accuracies, folds)
