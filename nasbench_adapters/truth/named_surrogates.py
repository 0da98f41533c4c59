"""Fits of surrogates on named ground truths, stored under a name.

This file does not import torch.
"""

from __future__ import annotations

from pathlib import Path

from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.truth.fitting import Parameters, fit_surrogate
from archselect.nasbench_adapters.truth.ground_truth import ColumnKey
from archselect.nasbench_adapters.truth.registry import open_table
from archselect.nasbench_adapters.truth.storage import check_still_free, path_for
from archselect.nasbench_adapters.truth.surrogate import Surrogate
from archselect.nasbench_adapters.truth.table import TruthTable


def fit_truth(
    table: str,
    *,
    name: str,
    dataset: str | None = None,
    split: str | None = None,
    epochs: int | None = None,
    replace: bool = False,
    parameters: Parameters | None = None,
) -> Path:
    """Fit a surrogate on a column of a table, and store it under a name.

    Args:
        table: name of the table.
        name: name of the surrogate.
        dataset, split, epochs: name of the column; each may be omitted if only one
            column of the table fits the rest.
        replace: whether to replace an existing surrogate of this name.
        parameters: counts parameters (:data:`.fitting.Parameters`), to compare the
            surrogate with a prediction from their number.

    Returns:
        path of the file.

    Raises:
        UserError: if no column or more than one fits, if `table` is a surrogate, if the
            name belongs to a table, or is taken and not to be replaced; and as for
            :func:`.fitting.fit_surrogate`.
    """
    faults = Faults()
    with faults.collect():
        path = path_for(name)
        _check_free(path, name, replace)
    with faults.collect():
        truth = open_table(table)
        column = _only_column(truth, table, dataset, split, epochs)
    faults.raise_any()
    surrogate = fit_surrogate(truth, *column, name, parameters=parameters)
    check_still_free(path, name, replace)
    surrogate.save(path)
    return path


def _check_free(path: Path, name: str, replace: bool) -> None:
    """Raise UserError if a name belongs to a table, or is taken."""
    if not path.is_file():
        return
    if not Surrogate.is_surrogate_file(path):
        raise UserError(
            f"'{name}' is a table, which the surrogate would replace: choose another name"
        )
    if not replace:
        raise UserError(
            f"there is a surrogate '{name}' already: add --replace, or choose another --name"
        )


def _only_column(
    table: TruthTable,
    name: str,
    dataset: str | None,
    split: str | None,
    epochs: int | None,
) -> ColumnKey:
    """Return the key of the only column of a table that fits the given parts.

    Raises UserError if no column or more than one fits.
    """
    keys = [
        column.key
        for column in table.columns
        if dataset in (None, column.dataset)
        and split in (None, column.split)
        and epochs in (None, column.epochs)
    ]
    if len(keys) == 1:
        return keys[0]
    if not keys and dataset is not None and split is not None and epochs is not None:
        table.column(dataset, split, epochs)  # raises the UserError
    raise UserError(
        f"name one column of truth '{name}' by dataset, split and epochs: {len(keys)} fit; "
        f"it has {table.describe_columns()}"
    )
