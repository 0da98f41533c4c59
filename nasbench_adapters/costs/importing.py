"""Imports of costs: convert files once into a table, then open it by name.

There are three forms of files:

* a CSV (gzip or not) or Parquet file with a column of architectures in the space's text
  form, and a column of numbers for each cost;
* an `.npz` without pickles, with an array of numbers, (cells, columns), and the names
  of its columns. An array of texts, or a named order, tells which cell a row is;
* torch files, each with one number per cell for one device, in a named order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from archselect.nasbench_adapters.arrays import Arrays, open_arrays
from archselect.nasbench_adapters.costs.device_files import (
    is_device_file,
    name_devices,
    read_device,
)
from archselect.nasbench_adapters.costs.hpo_bench_costs import index_order
from archselect.nasbench_adapters.costs.storage import SUFFIX, path_for
from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.costs.table_header import CostColumn, check_column
from archselect.nasbench_adapters.errors import Faults, UserError, unknown
from archselect.nasbench_adapters.foreign_text import check_label
from archselect.nasbench_adapters.input_files import expand
from archselect.nasbench_adapters.limits import MOST_COLUMNS
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.choices import flatten
from archselect.nasbench_adapters.truth.frames import (
    columns_of,
    read_frame,
    refuse_long_rows,
)
from archselect.nasbench_adapters.truth.hpo_bench import SPACE as NB201
from archselect.nasbench_adapters.truth.rows import Rows
from archselect.nasbench_adapters.truth.sealed_arrays import UNREADABLE

INDEX = "nb201-index"
ENUMERATED = "enumerated"
ORDERS = {
    INDEX: "NAS-Bench-201's own index of its 15,625 cells",
    ENUMERATED: "the order in which archselect lists a space",
}
"""The named orders of rows, with descriptions."""
ARCHITECTURES = "arch"
"""Default name of the column or array with the texts of architectures."""
LARGEST = 1e30


@dataclass(frozen=True)
class CostSource:
    """A user's description of a file of costs.

    Attributes:
        space: name of the space.
        unit: unit of all columns to read.
        origin: who measured the costs.
        licence: licence of the data.
        columns: columns to read; empty for all.
        device: device of all measurements; None if each column has the name of its
            device.
        architectures: name of the column or array with texts of architectures.
        values: name of the array of an `.npz` with the costs; None if there is only
            one.
        order: order of the rows of an `.npz`, one of :data:`ORDERS`; None if the file
            has texts, or for the index of NAS-Bench-201.
    """

    space: str
    unit: str
    origin: str
    licence: str
    columns: tuple[str, ...] = ()
    device: str | None = None
    architectures: str = ARCHITECTURES
    values: str | None = None
    order: str | None = None


@dataclass(frozen=True)
class ImportedCosts:
    """The result of an import.

    Attributes:
        path: path of the table's file.
        table: the table in that file.
        order: description of the order of the source's rows.
    """

    path: Path
    table: CostTable
    order: str


@dataclass(frozen=True)
class _Content:
    """Content of a file of costs.

    Attributes:
        choices: the architectures, (architectures, edges) of int8.
        columns: numbers of each column, by name, NaN for a missing one.
        order: description of the order of the rows.
    """

    choices: np.ndarray
    columns: Mapping[str, np.ndarray]
    order: str


def import_costs(
    paths: Path | Sequence[Path],
    source: CostSource,
    *,
    name: str | None = None,
    out: Path | None = None,
    replace: bool = False,
) -> ImportedCosts:
    """Convert files of costs into a table, stored under a name or in a file.

    Args:
        paths: path of the file, or paths of torch files with the costs on one device
            each.
        source: description of the files.
        name: name under which the table can be opened.
        out: path of an `.npz` file to write instead.
        replace: whether to replace an existing table.

    Raises:
        UserError: if not exactly one of `name` and `out` is given, or the table exists
            already; if a file is missing, damaged or in another form; if a column is
            missing, or an architecture or a cost is invalid.
    """
    listed = [paths] if isinstance(paths, Path) else paths
    files = [expand(path) for path in listed]
    target = _check_request(files, source, name, out, replace)
    space = get_space(source.space)
    content = _read(files, source, space)
    columns = {}
    for column, values in content.columns.items():
        device = column if source.device is None else source.device
        columns[CostColumn(column, source.unit, device)] = values
    table = CostTable.build(
        name=name or target.stem,
        space=space.name,
        choices=content.choices,
        columns=columns,
        origin=f"{source.origin}, from {_names_in_words(files)}",
        licence=source.licence,
    )
    table.save(target)
    return ImportedCosts(target, table, content.order)


def _read(paths: Sequence[Path], source: CostSource, space: SearchSpace) -> _Content:
    """Return the content of files of any form."""
    first, *others = paths
    if others or is_device_file(first):
        return _read_devices(paths, source, space)
    read = _read_arrays if first.suffix == SUFFIX else _read_rows
    return read(first, source, space)


def _names_in_words(paths: Sequence[Path]) -> str:
    """Return the names of files for the origin; of many, the first and their number."""
    first, *others = paths
    more = len(others)
    return f"{first.name} and {more} more" if more else first.name


def _check_request(
    paths: Sequence[Path],
    source: CostSource,
    name: str | None,
    out: Path | None,
    replace: bool,
) -> Path:
    """Return the path of the table to write.

    Raises UserError, with all faults, if that is not possible, or an option is wrong.
    """
    faults = Faults()
    with faults.collect():
        target = _target_of(name, out)
        if target.exists() and not replace:
            raise UserError(
                f"there is a cost table at {target} already: add --replace, or choose another name"
            )
    with faults.collect():
        get_space(source.space)
    with faults.collect():
        check_column(CostColumn("column", source.unit))
    for column in source.columns:
        with faults.collect():
            check_column(CostColumn(column, source.unit))
    for kind, text in (("origin", source.origin), ("licence", source.licence)):
        if not text.strip():
            faults.add(UserError(f"the {kind} is empty: give it with --{kind}"))
    if source.order is not None and source.order not in ORDERS:
        faults.add(unknown("order of rows", source.order, ORDERS))
    if not paths:
        faults.add(UserError("there is no file of costs: name at least one"))
    for path in paths:
        if not path.is_file():
            faults.add(UserError(f"there is no file of costs at {path}"))
    faults.raise_any()
    return target


def _target_of(name: str | None, out: Path | None) -> Path:
    """Return the file to write.

    Raises UserError unless exactly one of a name and a file is given.
    """
    if (name is None) == (out is None):
        raise UserError(
            "give either --name, under which the table can be opened, or --out, a file that ends in .npz"
        )
    if name is not None:
        return path_for(name)
    assert out is not None
    if out.suffix != SUFFIX:
        raise UserError(f"a cost table is a {SUFFIX} file: name {out}{SUFFIX}")
    return out


# --- CSV and Parquet


def _read_rows(path: Path, source: CostSource, space: SearchSpace) -> _Content:
    """Return the content of a file with one row per architecture."""
    frame = read_frame(path, (source.architectures,))
    known = columns_of(frame)
    if source.architectures not in known:
        raise unknown(
            f"column of architectures of {path.name}", source.architectures, known
        )
    others = [column for column in known if column != source.architectures]
    chosen = _choose_columns(path, source.columns, others)
    rows = Rows(path, frame)
    refuse_long_rows(rows)
    rows.require(source.architectures)
    columns = {column: _costs_of(rows, column) for column in chosen}
    architectures = rows.parse(source.architectures, space)
    rows.refuse(
        architectures.duplicated(keep=False) & architectures.notna(),
        "an architecture occurs twice",
        frame[source.architectures],
    )
    rows.raise_any()
    choices = np.stack([flatten(architecture) for architecture in architectures])
    arrays = {name: values.to_numpy(np.float64) for name, values in columns.items()}
    return _Content(choices, arrays, "each row names its architecture")


def _costs_of(rows: Rows, column: str) -> pd.Series:
    """Return a column of costs, NaN for an empty field.

    It refuses rows without a number, or with a negative one.
    """
    texts = rows.frame[column]
    is_empty = texts.isna() | (texts.astype(str).str.strip() == "")
    values = pd.to_numeric(texts.where(~is_empty), errors="coerce")
    is_wrong = ~is_empty & ~values.between(0, LARGEST)
    rows.refuse(is_wrong, f"{column} must be a number of at least 0", texts)
    return values


# --- .npz


def _read_arrays(path: Path, source: CostSource, space: SearchSpace) -> _Content:
    """Return the content of an archive of arrays.

    Raises UserError if it is damaged, or its arrays do not fit together.
    """
    try:
        with open_arrays(path) as arrays:
            values = _values_of(path, source, arrays)
            names = _names_of(path, source, arrays, values)
            texts = _texts_of(path, source, arrays)
    except UNREADABLE as error:
        raise UserError(
            f"{path} is not an .npz of plain arrays, or damaged ({error}): get it again"
        ) from error
    chosen = _choose_columns(path, source.columns, names)
    if texts is not None:
        choices = _parse_texts(path, texts, space)
        order = f"its array '{source.architectures}' names the architectures"
    else:
        kind = _order_of(path, source, space)
        choices = index_order() if kind == INDEX else _enumerate(space)
        order = f"assumed order: {ORDERS[kind]}"
    if len(choices) != len(values):
        raise UserError(
            f"{path} has {len(values):,} rows for {len(choices):,} architectures ({order}): give their order with "
            "--order"
        )
    columns = {name: values[:, names.index(name)] for name in chosen}
    return _Content(choices, columns, order)


def _values_of(path: Path, source: CostSource, arrays: Arrays) -> np.ndarray:
    """Return the costs of an archive, (rows, columns) of float64.

    Raises UserError if there are none, or if several arrays could be the costs.
    """
    if source.values is not None:
        if source.values not in arrays:
            raise unknown(f"array of {path.name}", source.values, list(arrays))
        found = {source.values: arrays[source.values]}
    else:
        found = {}
        for name in arrays:
            array = arrays[name]
            if array.ndim == 2 and np.issubdtype(array.dtype, np.floating):
                found[name] = array
    if len(found) != 1:
        raise UserError(
            f"{path} has {len(found)} arrays that can be costs, cells × columns ({', '.join(found) or 'none'}): name "
            f"one array with --values ({', '.join(arrays)})"
        )
    (values,) = found.values()
    if values.ndim == 1:
        values = values[:, None]
    is_number = np.issubdtype(values.dtype, np.number)
    if values.ndim != 2 or not is_number or np.iscomplexobj(values):
        raise UserError(
            f"{path}: the costs have shape {values.shape} and type {values.dtype}; they must be numbers, "
            "cells × columns"
        )
    return values.astype(np.float64)


def _names_of(
    path: Path, source: CostSource, arrays: Arrays, values: np.ndarray
) -> list[str]:
    """Return the names of an archive's columns.

    Raises UserError if there are none, or if several arrays could be the names.
    """
    count = values.shape[1]
    found = {}
    for name in arrays:
        array = arrays[name]
        is_text = array.dtype.kind == "U" and array.shape == (count,)
        if is_text and name != source.architectures:
            found[name] = array
    if not found and len(source.columns) == count:
        return list(source.columns)
    if len(found) != 1:
        raise UserError(
            f"{path} has {len(found)} arrays that can be the names of its {count} columns: name all columns in their "
            "order, each with --column"
        )
    (names,) = found.values()
    listed = [str(name) for name in names]
    for name, times in Counter(listed).items():
        if times > 1:
            raise UserError(
                f"{path} has the column '{name}' {times} times: rename the others"
            )
    return listed


def _texts_of(path: Path, source: CostSource, arrays: Arrays) -> np.ndarray | None:
    """Return the texts of an archive's architectures, None if it has none.

    Raises UserError if it has texts and an order is named, too.
    """
    if source.architectures not in arrays:
        return None
    if source.order is not None:
        raise UserError(
            f"{path} names its architectures in '{source.architectures}': leave out --order"
        )
    texts = arrays[source.architectures]
    if texts.ndim != 1 or texts.dtype.kind != "U":
        raise UserError(
            f"{path}: '{source.architectures}' must be a list of texts, not {texts.dtype} with shape {texts.shape}"
        )
    return texts


def _parse_texts(path: Path, texts: np.ndarray, space: SearchSpace) -> np.ndarray:
    """Return architectures as rows, (architectures, edges) of int8.

    Raises UserError, which names the row, for a text that is not an architecture.
    """
    rows = []
    for number, text in enumerate(texts, start=1):
        try:
            rows.append(flatten(space.parse(str(text))))
        except UserError as error:
            raise UserError(f"{path}, row {number}: {error}") from error
    return np.stack(rows) if rows else np.zeros((0, 0), dtype=np.int8)


# --- files of torch


def _read_devices(
    paths: Sequence[Path], source: CostSource, space: SearchSpace
) -> _Content:
    """Return the content of torch files, one column per file.

    Raises UserError if a file is damaged, asks for code to be run, or does not hold one
    number per cell.
    """
    first = paths[0]
    if source.values is not None or source.architectures != ARCHITECTURES:
        raise UserError(
            f"{first} holds only the numbers of one device: leave out --values and --architecture-column"
        )
    devices = name_devices(paths)
    chosen = _choose_columns(first.parent, source.columns, list(devices))
    kind = _order_of(first, source, space)
    choices = index_order() if kind == INDEX else _enumerate(space)
    columns = {name: read_device(devices[name], len(choices)) for name in chosen}
    order = f"taken to be in this order: {ORDERS[kind]}"
    return _Content(choices, columns, order)


def _order_of(path: Path, source: CostSource, space: SearchSpace) -> str:
    """Return the order of a file's rows.

    Raises UserError if no order is named and the space has no default order.
    """
    order = source.order
    if order is None and space.name == NB201:
        return INDEX
    if order is None:
        raise UserError(
            f"{path} does not name its architectures: add an array '{source.architectures}' of their texts, or give "
            f"their order with --order ({', '.join(ORDERS)})"
        )
    if order == INDEX and space.name != NB201:
        raise UserError(f"the order {INDEX} exists for {NB201} only, not {space.name}")
    return order


def _enumerate(space: SearchSpace) -> np.ndarray:
    """Return all architectures of a space as rows, (architectures, edges) of int8."""
    return np.stack([flatten(architecture) for architecture in space.classes])


def _choose_columns(
    path: Path, wanted: Sequence[str], known: Sequence[str]
) -> list[str]:
    """Return the columns to read.

    Raises UserError, which suggests the nearest name, for a missing column.
    """
    if len(known) > MOST_COLUMNS:
        raise UserError(
            f"{path} has {len(known):,} columns, more than {MOST_COLUMNS:,}: name the columns to read with --column"
        )
    for column in wanted:
        if column not in known:
            raise unknown(f"column of {path.name}", column, known)
    chosen = list(dict.fromkeys(wanted or known))
    if not chosen:
        raise UserError(f"{path} has no column of costs: add one")
    for column in chosen:
        try:
            check_label(column)
        except ValueError as error:
            raise UserError(f"{path}: the name of a column: {error}") from error
        check_column(CostColumn(column, "number"))
    return chosen
