"""The header of a table's file: its entries, and its reader."""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import Any

from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import check_value_types
from archselect.nasbench_adapters.spaces import registry
from archselect.nasbench_adapters.truth.ground_truth import MEASURED, PREDICTED, Column
from archselect.nasbench_adapters.truth.sealed_arrays import (
    UNREADABLE,
    decode_header,
    header_checksum,
)

SCHEMA = 1
"""Version of the file format."""
COLUMN_ARRAY = "column"
"""Start of the name of an array of accuracies; the column's index follows."""

_HEADER_KINDS: dict[str, type | UnionType] = {
    "schema": int,
    "name": str,
    "space": str,
    "origin": str,
    "licence": str,
    "canonical_only": bool,
    "details": dict,
    "architectures": int,
    "columns": list,
    "arrays": dict,
    "checksum": str,
}
_COLUMN_KINDS: dict[str, type | UnionType] = {
    "dataset": str,
    "split": str,
    "epochs": int,
    "seeds": list,
    "count": int,
    "divisor": int | None,
}


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a table's file, without reading its arrays.

    Raises UserError if the file is missing, damaged or foreign.
    """
    if not path.is_file():
        raise UserError(
            f"no truth table at {path}: 'archselect truth list' lists the existing ones"
        )
    try:
        with open_arrays(path) as file:
            header = decode_header(file["header"])
            schema = header["schema"]
            checksum = header["checksum"]
            if schema == SCHEMA:
                check_header(header)
    except UNREADABLE as error:
        raise UserError(
            f"{path} is not a truth table, or damaged: build or import it again ('archselect truth --help')"
        ) from error
    if schema != SCHEMA:
        raise UserError(
            f"{path} has schema {schema}, not {SCHEMA}: upgrade archselect or import the source again"
        )
    if checksum != header_checksum(header):
        raise damaged(path)
    if header["space"] not in registry:
        raise UserError(
            f"{path} is for the space '{header['space']}', which is not installed: install its package"
        )
    return dict(header)


def check_header(header: object) -> None:
    """Raise ValueError unless a header has all entries that are read.

    A valid checksum does not prove this, because anyone can compute one.
    """
    check_value_types(header, _HEADER_KINDS)
    assert isinstance(header, dict)
    for column in header["columns"]:
        _check_column(column)
    _check_array_names(set(header["arrays"]), len(header["columns"]))
    if header.get("provenance", MEASURED) not in (MEASURED, PREDICTED):
        raise ValueError("its accuracies are neither measured nor predicted")


def _check_column(column: Any) -> None:
    """Raise ValueError unless the description of a column is complete."""
    check_value_types(column, _COLUMN_KINDS)
    texts = all(isinstance(seed, str) for seed in column["seeds"])
    divisor = column["divisor"] or 1
    if not texts or divisor < 1:
        raise ValueError("a column without seeds, or with a divisor below 1")


def _check_array_names(names: set[str], columns: int) -> None:
    """Raise ValueError unless the arrays belong to a table with `columns` columns."""
    members = {"members", "member_rows"}
    required = {"choices"} | {column_array(index) for index in range(columns)}
    if names - members != required:
        raise ValueError("its arrays do not match its columns")
    if len(names & members) == 1:
        raise ValueError("its arrays are not complete")


def column_array(index: int) -> str:
    """Return the name of the array of a column's accuracies."""
    return f"{COLUMN_ARRAY}{index}"


def columns_of_header(header: dict[str, Any]) -> list[Column]:
    """Return the columns that a header describes."""
    return [
        Column(
            dataset=column["dataset"],
            split=column["split"],
            epochs=column["epochs"],
            seeds=tuple(column["seeds"]),
            count=column["count"],
        )
        for column in header["columns"]
    ]


def damaged(path: Path) -> UserError:
    """Return the error for a file with a wrong checksum."""
    return UserError(
        f"{path} is damaged (wrong checksum): delete it, then build or import it again"
    )
