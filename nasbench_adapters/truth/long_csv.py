"""Ground truths in the long format, one row per trial, as CSV (gzip or not) or Parquet.

This file does not import torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from archselect.nasbench_adapters.errors import UserError, nearest
from archselect.nasbench_adapters.limits import MOST_EPOCHS
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.choices import unflatten
from archselect.nasbench_adapters.truth.column_names import describe_epochs
from archselect.nasbench_adapters.truth.frames import (
    columns_of,
    read_frame,
    refuse_long_rows,
)
from archselect.nasbench_adapters.truth.ground_truth import (
    MEASURED,
    Column,
    Provenance,
)
from archselect.nasbench_adapters.truth.rows import (
    Refused,
    Rows,
    check_per_cent,
    counts_of,
)
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder

COLUMNS = ("arch", "dataset", "split", "epochs", "seed", "accuracy")
"""The columns of the long format.

`arch` is in the space's text form, `epochs` is a whole number, and `accuracy` is in per
cent; the others are text.
"""
TRIAL = ("arch", "dataset", "split", "epochs", "seed")
"""The columns that together identify a trial."""
LICENCE = "as the source's"
"""Licence of a table whose file does not name one."""
WHOLE_EPOCHS = f"epochs must be a whole number within 1..{MOST_EPOCHS:,}"


def import_long(
    path: Path,
    name: str,
    *,
    space: str = "nb201",
    provenance: Provenance = MEASURED,
    origin: str | None = None,
    left_out: list[Refused] | None = None,
) -> TruthTable:
    """Return the table of a CSV or Parquet file in the long format.

    Columns outside :data:`COLUMNS` are ignored.

    Args:
        path: path of the file.
        name: name of the table.
        space: name of the space.
        provenance: MEASURED or PREDICTED.
        origin: who measured or predicted the accuracies; the table also names the file.
        left_out: list to which rows that cannot be read are added; the table leaves
            them out. None refuses a file with such rows.

    Raises:
        UserError: a column is missing, no row is left, or the accuracies of a column
            seem to be between 0 and 1. Without `left_out` also if rows have a malformed
            architecture, a missing value, an invalid number, an accuracy outside
            0..100, or a trial that occurs twice; the message names the rows.
    """
    frame = read_frame(path, COLUMNS)
    check_columns(path, frame)
    rows = Rows(path, frame)
    trials = _read_trials(rows, space)
    finish(rows, left_out)
    trials = trials[rows.good]
    _check_all_per_cent(path, trials)
    builder = TableBuilder(get_space(space))
    for trial in trials.itertuples(index=False):
        builder.add(
            trial.arch,
            trial.dataset,
            trial.split,
            int(trial.epochs),
            trial.seed,
            float(trial.accuracy),
        )
    return builder.table(
        name,
        origin=origin_of(path, origin),
        licence=LICENCE,
        provenance=provenance,
        details=details_of(rows),
    )


def _read_trials(rows: Rows, space: str) -> pd.DataFrame:
    """Return the trial of each row, with parsed values in :data:`COLUMNS`.

    It refuses rows that cannot be read.
    """
    frame = rows.frame
    refuse_long_rows(rows)
    for column in COLUMNS:
        rows.require(column)
    epochs = rows.numbers("epochs", 1, MOST_EPOCHS, WHOLE_EPOCHS)
    rows.refuse(epochs % 1 != 0, WHOLE_EPOCHS, frame["epochs"])
    accuracies = rows.accuracies("accuracy")
    trials = pd.DataFrame(
        {
            "arch": rows.parse("arch", get_space(space)),
            "dataset": frame["dataset"],
            "split": frame["split"],
            "epochs": epochs,
            "seed": frame["seed"],
            "accuracy": accuracies,
        }
    )
    what = "arch, dataset, split, epochs and seed"
    refuse_repeated(rows, trials[list(TRIAL)], accuracies, what)
    return trials


def _check_all_per_cent(path: Path, trials: pd.DataFrame) -> None:
    """Raise UserError if all accuracies, or a column's, seem to be between 0 and 1."""
    check_per_cent(path, "accuracy", trials["accuracy"])
    by_column = trials["accuracy"].groupby(
        [trials[key] for key in ("dataset", "split", "epochs")]
    )
    for (dataset, split, epochs), accuracies in by_column:
        column = f"{dataset}/{split} at {describe_epochs([int(epochs)])}"
        check_per_cent(path, f"accuracy of {column}", accuracies)


def check_columns(path: Path, frame: pd.DataFrame) -> None:
    """Raise UserError if a file lacks columns of the long format.

    The message names those of its columns that were probably meant.
    """
    names = columns_of(frame)
    missing = [column for column in COLUMNS if column not in names]
    if not missing:
        return
    others = [name for name in names if name not in COLUMNS]
    described = []
    misspelled = 0
    for column in missing:
        meant = nearest(column, others)
        if meant is None:
            described.append(column)
        else:
            described.append(f"{column} (did you mean {meant!r}? rename it)")
            misspelled += 1
    plural = "s" if len(missing) > 1 else ""
    line = f"{path} lacks the column{plural} {', '.join(described)}"
    if misspelled < len(missing):
        line += (
            f"; it needs {', '.join(COLUMNS)}; or, for a table with a row per architecture, add --architecture-column, "
            "--accuracy-column, --dataset, --split and --epochs"
        )
    raise UserError(line)


def to_long(table: TruthTable) -> pd.DataFrame:
    """Return a table in the long format, with the columns of :data:`COLUMNS`.

    This is the inverse of :func:`import_long`.
    """
    space = table.space
    architectures = [unflatten(space, row) for row in table.architectures]
    texts = np.array([space.format(each) for each in architectures], dtype=object)
    parts = [_column_in_long_form(table, column, texts) for column in table.columns]
    return pd.concat(parts, ignore_index=True)


def _column_in_long_form(
    table: TruthTable, column: Column, texts: np.ndarray
) -> pd.DataFrame:
    """Return the trials of a column in the long format.

    Args:
        table: the table.
        column: one of its columns.
        texts: text of each stored architecture.
    """
    accuracies = table.matrix(*column.key)
    rows, trials = np.nonzero(~np.isnan(accuracies))
    seeds = np.array(column.seeds, dtype=object)
    return pd.DataFrame(
        {
            "arch": texts[rows],
            "dataset": column.dataset,
            "split": column.split,
            "epochs": column.epochs,
            "seed": seeds[trials],
            "accuracy": accuracies[rows, trials],
        }
    )


def origin_of(path: Path, origin: str | None) -> str:
    """Return the origin of a table: the given text, and the name of the file."""
    return f"{origin}, from {path.name}" if origin else f"from {path.name}"


def refuse_repeated(
    rows: Rows, keys: pd.DataFrame, accuracies: pd.Series, what: str
) -> None:
    """Refuse the rows of a trial that occurs more than once.

    It refuses all of them if their accuracies differ, otherwise all but the first.

    Args:
        rows: the rows to check.
        keys: for each row, the values that identify the trial.
        accuracies: accuracy of each row.
        what: names of the keys, for the message.
    """
    good = rows.good
    known = keys[good]
    repeated = known.duplicated(keep=False)
    if not repeated.any():
        return
    repeated_keys = [known[key][repeated] for key in known]
    trials = accuracies[good][repeated].groupby(repeated_keys, sort=False)
    differs = pd.Series(False, index=keys.index)
    differs[repeated[repeated].index] = trials.transform("nunique") > 1
    later = pd.Series(False, index=keys.index)
    later[known.index] = known.duplicated()
    advice = "keep one row of it"
    before = f"this {what} came before"
    again = f"this {what} comes again"
    rows.refuse(later & differs, f"{before}, with another accuracy; {advice}")
    rows.refuse(differs, f"{again}, with another accuracy; {advice}")
    rows.refuse(later, f"{before}; {advice}")


def finish(rows: Rows, left_out: list[Refused] | None) -> None:
    """Add the refused rows to `left_out`.

    Raises UserError if rows may not be left out, or if no row remains.
    """
    if left_out is None:
        rows.raise_any("; --skip-invalid leaves out such rows, and lists them")
        return
    if len(rows.frame) and not rows.good.any():
        rows.raise_any("; no row is left to import")
    left_out.extend(rows.refused)


def details_of(rows: Rows) -> dict[str, Any]:
    """Return the entry of a table's details on the rows that were left out."""
    refused = rows.refused
    if not refused:
        return {}
    reasons = dict(counts_of(refused))
    return {"rows left out": {"of": len(rows.frame), "because": reasons}}
