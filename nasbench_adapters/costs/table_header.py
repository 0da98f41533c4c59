"""The header of a cost table's file: its entries, and how it is read. No torch here."""

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
"""The version of the form that is written and read."""
KIND = "costs"
"""What tells the file from one of a ground truth."""
COLUMN_ARRAY = "column"
"""The name of the array of a column's costs, before the column's index."""
_SEPARATORS = ("/", "@", ":")
"""What stands around a column's name in the text of a cost."""

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
        name: of the column.
        unit: of its numbers, such as "ms".
        device: on which it was measured; empty where none is named.
    """

    name: str
    unit: str
    device: str = ""


def check_column(column: CostColumn) -> None:
    """Raise UserError if a column's name or unit cannot be written or shown."""
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
            f"no cost table at {path}: 'archselect cost list' says which there are"
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
            f"{path} is no cost table, or damaged: make one of a file of costs with 'archselect cost import'"
        ) from error
    if schema != SCHEMA:
        raise UserError(
            f"{path} has schema {schema}, not {SCHEMA}: upgrade archselect or import the source again"
        )
    if checksum != header_checksum(header):
        raise damaged(path)
    if header["space"] not in registry:
        raise UserError(
            f"{path} is of the space '{header['space']}', which is not installed"
        )
    return dict(header)


def _check_header(header: object) -> None:
    """Raise ValueError unless a header has all that is read of it.

    Its checksum proves nothing, because anyone can compute one.
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
        raise ValueError("no columns, or two of one name")
    required = {"choices"} | {column_array(index) for index in range(len(columns))}
    if set(header["arrays"]) != required or header["architectures"] < 1:
        raise ValueError("its arrays are not those of its columns")


def column_array(index: int) -> str:
    """Return the name of the array of a column's costs."""
    return f"{COLUMN_ARRAY}{index}"


def columns_of_header(header: dict[str, Any]) -> list[CostColumn]:
    """Return the columns that a header describes."""
    return [CostColumn(**column) for column in header["columns"]]


def damaged(path: Path) -> UserError:
    """Return the error for a file whose checksums do not fit."""
    return UserError(
        f"{path} is damaged (its checksum does not fit): delete it, then import it again"
    )
