"""Lists of rows that are stored as columns, in memory and in files.

Most of a record is rows of scores; as columns they take a fraction of the space.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import (
    Any,
    Generic,
    NamedTuple,
    TypeAlias,
    TypeVar,
    get_args,
    get_type_hints,
    overload,
)

import numpy as np
import numpy.typing as npt
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Row = TypeVar("Row", bound=NamedTuple)
Array: TypeAlias = npt.NDArray[Any]
Ints: TypeAlias = npt.NDArray[np.int64]
Column: TypeAlias = "array[Any] | list[str] | Array"

_BOUND = 2**31
_STORED: dict[type, Callable[[Sequence[Any]], Column]] = {
    int: partial(array, "i"),
    float: partial(array, "d"),
    str: list,
}
"""The container of a column, by the type of its values."""
_VALIDATED: dict[type, CoreSchema] = {
    int: core_schema.int_schema(ge=-_BOUND, lt=_BOUND),
    float: core_schema.float_schema(),
    str: core_schema.str_schema(),
}
"""The pydantic schema of a value, by its type."""


@cache
def column_types(row: type[NamedTuple]) -> dict[str, type]:
    """Return the columns of a kind of row, by name: int, float or str."""
    return get_type_hints(row)


class GatheredRows(NamedTuple):
    """The rows of several parts in one table.

    Attributes:
        part: (rows,) index of the part of each row.
        columns: (rows,) each, by name.
    """

    part: Ints
    columns: dict[str, Array]


class Columns(Sequence[Row], Generic[Row]):
    """Rows of one kind, a NamedTuple of ints (32 bits), floats and strings.

    As a field `Columns[Kind]` of a model, it becomes one list per column in JSON.

    Args:
        kind: type of the rows.
        rows: the rows, in order.
    """

    __slots__ = ("_columns", "_start", "_stop", "kind")

    def __init__(
        self,
        kind: type[Row],
        rows: Iterable[Row] = (),
    ) -> None:
        listed = list(rows)
        columns = {}
        for place, name in enumerate(kind._fields):
            columns[name] = [row[place] for row in listed]
        stored = _stored(kind, columns)
        self._set(kind, stored, 0, len(listed))

    @classmethod
    def from_columns(
        cls,
        kind: type[Row],
        columns: Mapping[str, Sequence[Any]],
    ) -> Columns[Row]:
        """Return rows from their columns.

        Raises ValueError if the columns differ in length.
        """
        lengths = set(map(len, columns.values()))
        if len(lengths) > 1:
            raise ValueError("the columns differ in length")
        length = lengths.pop()
        return cls.view(kind, _stored(kind, columns), 0, length)

    @classmethod
    def view(
        cls,
        kind: type[Row],
        columns: Mapping[str, Column],
        start: int,
        stop: int,
    ) -> Columns[Row]:
        """Return rows `start` to `stop` - 1 of shared columns, without a copy."""
        new: Columns[Row] = cls.__new__(cls)
        new._set(kind, columns, start, stop)
        return new

    def _set(
        self,
        kind: type[Row],
        columns: Mapping[str, Column],
        start: int,
        stop: int,
    ) -> None:
        self.kind = kind
        self._columns = columns
        self._start = start
        self._stop = stop

    def column(self, name: str) -> Array:
        """Return a column as an array. Numbers are not copied: do not change them."""
        shared = np.asarray(self._columns[name])
        return shared[self._start : self._stop]

    @staticmethod
    def gather(
        kind: type[NamedTuple],
        parts: Sequence[Columns[Any]],
    ) -> GatheredRows:
        """Return the rows of several parts, with numeric columns, in one table.

        The rows of a part are in order; the parts are in any order. Parts that share
        their columns are gathered together, so that many small parts take few steps.
        """
        part_of: list[Ints] = [np.zeros(0, dtype=np.int64)]
        pieces: dict[str, list[Array]] = {}
        for name, type_ in column_types(kind).items():
            empty = _STORED[type_]([])
            pieces[name] = [np.asarray(empty)]
        for places in _places_by_columns(parts):
            sharing = [parts[place] for place in places]
            starts = np.array([part._start for part in sharing])
            lengths = np.array([len(part) for part in sharing])
            part_of.append(np.repeat(places, lengths))
            rows = _rows_of(starts, lengths)
            for name, column in sharing[0]._columns.items():
                piece = np.asarray(column)[rows]
                pieces[name].append(piece)
        columns = {}
        for name, arrays in pieces.items():
            columns[name] = np.concatenate(arrays)
        return GatheredRows(np.concatenate(part_of), columns)

    def lists(self) -> dict[str, list[Any]]:
        """Return every column as a list of plain Python values."""
        lists = {}
        for name, column in self._columns.items():
            part = column[self._start : self._stop]
            lists[name] = part if isinstance(part, list) else part.tolist()
        return lists

    def __len__(self) -> int:
        return self._stop - self._start

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Columns[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Columns[Row]:
        if isinstance(place, slice):
            cut = {}
            for name, column in self.lists().items():
                cut[name] = column[place]
            return Columns.from_columns(self.kind, cut)
        return list(self)[place]

    def __iter__(self) -> Iterator[Row]:
        columns = self.lists().values()
        rows = zip(*columns, strict=True)
        return map(self.kind._make, rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Columns):
            return False
        if self.kind != other.kind:
            return False
        return self.lists() == other.lists()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Columns({self.kind.__name__}, {list(self)})"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        (kind,) = get_args(source)
        fields = {}
        for name, type_ in column_types(kind).items():
            values = core_schema.list_schema(_VALIDATED[type_])
            fields[name] = core_schema.typed_dict_field(values)
        columns = core_schema.typed_dict_schema(fields, extra_behavior="forbid")
        read = core_schema.no_info_after_validator_function(
            partial(cls.from_columns, kind), columns
        )
        instance = core_schema.is_instance_schema(cls)
        write = core_schema.plain_serializer_function_ser_schema(
            cls.lists, return_schema=columns
        )
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([instance, read]),
            serialization=write,
        )


def _places_by_columns(parts: Sequence[Columns[Any]]) -> Iterable[list[int]]:
    """Return the indices of parts, grouped by the columns that they share."""
    sharing: dict[int, list[int]] = {}
    for place, part in enumerate(parts):
        places = sharing.setdefault(id(part._columns), [])
        places.append(place)
    return sharing.values()


def _rows_of(
    starts: Ints,
    lengths: Ints,
) -> Ints:
    """Return the indices start, start + 1, … of each part, part after part."""
    total = lengths.sum()
    before = np.cumsum(lengths) - lengths
    offsets = np.repeat(starts - before, lengths)
    return np.arange(total) + offsets


def _stored(
    kind: type[NamedTuple], columns: Mapping[str, Sequence[Any]]
) -> dict[str, Column]:
    stored = {}
    for name, type_ in column_types(kind).items():
        store = _STORED[type_]
        stored[name] = store(columns[name])
    return stored
