"""The header of a cost table's file: its entries, and its reader."""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple

from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.foreign_text import check_label
from archselect.nasbench_adapters.input_files import check_value_types
from archselect.nasbench_adapters.spaces import registry
from archselect.nasbench_adapters.truth.sealed_arrays import (
    UNREADABLE,
    decode_header,
    header_checksum,
)

SCHEMA = 1
"""Version of the file format."""
KIND = "costs"
"""Value of a header's entry that tells cost tables from ground truths."""
COLUMN_ARRAY = "column"
"""Start of the name of an array of costs; the column's index follows."""
_SEPARATORS = ("/", "@", ":")
"""Separators in the text of a cost."""

_HEADER_KINDS: dict[str, type | UnionType] = {
    "schema": int,
    "kind": str,
    "name": str,
    "space": str,
    "origin": str,
    "licence": str,
    "architectures": int,
    "columns": list,
    "arrays": dict,
    "checksum": str,
}
_COLUMN_KINDS: dict[str, type | UnionType] = {
    "name": str,
    "unit": str,
    "device": str,
}


class CostColumn(NamedTuple):
    """A column of a table of costs.

    Attributes:
        name: name of the column.
        unit: unit of its numbers, such as "ms".
        device: device of the measurements; empty if unknown.
    """

    name: str
    unit: str
    device: str = ""


def check_column(column: CostColumn) -> None:
    """Raise UserError if a column's name or unit cannot be used or shown."""
    if any(separator in column.name for separator in _SEPARATORS):
        raise UserError(
            f"'{column.name}' cannot name a column of costs: leave out {' '.join(_SEPARATORS)}"
        )
    for kind, label in (("column", column.name), ("unit", column.unit)):
        try:
            check_label(label)
        except ValueError as error:
            raise UserError(f"the {kind} of a cost: {error}") from error


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a cost table's file, without reading its arrays.

    Raises UserError if the file is missing, damaged or foreign.
    """
    if not path.is_file():
        raise UserError(
            f"no cost table at {path}: 'archselect cost list' lists the existing ones"
        )
    try:
        with open_arrays(path) as file:
            header = decode_header(file["header"])
            schema = header["schema"]
            checksum = header["checksum"]
            if schema == SCHEMA:
                _check_header(header)
    except UNREADABLE as error:
        raise UserError(
            f"{path} is not a cost table, or damaged: make one from a file of costs with 'archselect cost import'"
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


def _check_header(header: object) -> None:
    """Raise ValueError unless a header has all entries that are read.

    A valid checksum does not prove this, because anyone can compute one.
    """
    check_value_types(header, _HEADER_KINDS)
    assert isinstance(header, dict)
    if header["kind"] != KIND:
        raise ValueError("it holds no costs")
    columns = header["columns"]
    for column in columns:
        check_value_types(column, _COLUMN_KINDS)
        try:
            check_column(CostColumn(**column))
        except UserError as error:
            raise ValueError(str(error)) from error
    names = [column["name"] for column in columns]
    if not names or len(set(names)) < len(names):
        raise ValueError("no columns, or two columns with one name")
    required = {"choices"} | {column_array(index) for index in range(len(columns))}
    if set(header["arrays"]) != required or header["architectures"] < 1:
        raise ValueError("its arrays do not match its columns")


def column_array(index: int) -> str:
    """Return the name of the array of a column's costs."""
    return f"{COLUMN_ARRAY}{index}"


def columns_of_header(header: dict[str, Any]) -> list[CostColumn]:
    """Return the columns that a header describes."""
    return [CostColumn(**column) for column in header["columns"]]


def damaged(path: Path) -> UserError:
    """Return the error for a file with a wrong checksum."""
    return UserError(
        f"{path} is damaged (wrong checksum): delete it, then import it again"
    )
