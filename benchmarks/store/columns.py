"""Lists of rows kept as columns, in memory and in files.

Records have more rows of scores than anything else; as columns they take a fraction of
the room.
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
Column: TypeAlias = "array[Any] | list[str] | npt.NDArray[Any]"

_BOUND = 2**31
_STORED: dict[type, Callable[[Sequence[Any]], Column]] = {
    int: partial(array, "i"),
    float: partial(array, "d"),
    str: list,
}
"""What keeps a column, by the type of its values."""
_VALIDATED: dict[type, CoreSchema] = {
    int: core_schema.int_schema(ge=-_BOUND, lt=_BOUND),
    float: core_schema.float_schema(),
    str: core_schema.str_schema(),
}
"""How pydantic checks a value, by its type."""


@cache
def column_types(row: type[NamedTuple]) -> dict[str, type]:
    """Return the columns of a kind of row, by name: int, float or str."""
    return get_type_hints(row)


class GatheredRows(NamedTuple):
    """The rows of several parts in one table.

    Attributes:
        part: (rows,) the place of the part that a row is from.
        columns: (rows,) each, by name.
    """

    part: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[Any]]


class Columns(Sequence[Row], Generic[Row]):
    """Rows of one kind, a NamedTuple of ints (of 32 bits), floats and strings.

    As a field `Columns[Kind]` of a model it is, in JSON, one list per column.

    Args:
        kind: of the rows.
        rows: in order.
    """

    __slots__ = ("_columns", "_start", "_stop", "kind")

    def __init__(self, kind: type[Row], rows: Iterable[Row] = ()) -> None:
        listed = list(rows)
        columns = {
            name: [row[place] for row in listed]
            for place, name in enumerate(kind._fields)
        }
        self._set(kind, _stored(kind, columns), 0, len(listed))

    @classmethod
    def from_columns(
        cls, kind: type[Row], columns: Mapping[str, Sequence[Any]]
    ) -> Columns[Row]:
        """Return the rows of which these are the columns.

        Raises ValueError if they differ in length.
        """
        lengths = set(map(len, columns.values()))
        if len(lengths) > 1:
            raise ValueError("its columns differ in length")
        return cls.view(kind, _stored(kind, columns), 0, lengths.pop())

    @classmethod
    def view(
        cls, kind: type[Row], columns: Mapping[str, Column], start: int, stop: int
    ) -> Columns[Row]:
        """Return rows `start` to `stop` - 1 of shared columns, without a copy."""
        new: Columns[Row] = cls.__new__(cls)
        new._set(kind, columns, start, stop)
        return new

    def _set(
        self, kind: type[Row], columns: Mapping[str, Column], start: int, stop: int
    ) -> None:
        self.kind = kind
        self._columns = columns
        self._start = start
        self._stop = stop

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return a column as an array, of numbers without a copy: not to be changed."""
        return np.asarray(self._columns[name])[self._start : self._stop]

    @staticmethod
    def gather(kind: type[NamedTuple], parts: Sequence[Columns[Any]]) -> GatheredRows:
        """Return the rows of several parts, whose columns are numbers, in one table.

        The rows of a part are in order, the parts in any: parts that share their
        columns come together, so that many small ones take few steps.
        """
        sharing: dict[int, list[int]] = {}
        for place, part in enumerate(parts):
            sharing.setdefault(id(part._columns), []).append(place)
        part_of = [np.zeros(0, dtype=np.int64)]
        pieces = {
            name: [np.asarray(_STORED[type_]([]))]
            for name, type_ in column_types(kind).items()
        }
        for places in sharing.values():
            starts = np.array([parts[place]._start for place in places])
            lengths = np.array([len(parts[place]) for place in places])
            part_of.append(np.repeat(np.array(places), lengths))
            rows = _rows_of(starts, lengths)
            for name, column in parts[places[0]]._columns.items():
                pieces[name].append(np.asarray(column)[rows])
        columns = {name: np.concatenate(arrays) for name, arrays in pieces.items()}
        return GatheredRows(np.concatenate(part_of), columns)

    def lists(self) -> dict[str, list[Any]]:
        """Return every column as a list of Python's own values."""
        return {
            name: _list(column[self._start : self._stop])
            for name, column in self._columns.items()
        }

    def __len__(self) -> int:
        return self._stop - self._start

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Columns[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Columns[Row]:
        if isinstance(place, slice):
            cut = {name: column[place] for name, column in self.lists().items()}
            return Columns.from_columns(self.kind, cut)
        return list(self)[place]

    def __iter__(self) -> Iterator[Row]:
        return map(self.kind._make, zip(*self.lists().values(), strict=True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Columns):
            return False
        return self.kind == other.kind and self.lists() == other.lists()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Columns({self.kind.__name__}, {list(self)})"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        (kind,) = get_args(source)
        fields = {
            name: core_schema.typed_dict_field(
                core_schema.list_schema(_VALIDATED[type_])
            )
            for name, type_ in column_types(kind).items()
        }
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


def _rows_of(
    starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the places start, start + 1, … of each part, one part after the other."""
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)


def _stored(
    kind: type[NamedTuple], columns: Mapping[str, Sequence[Any]]
) -> dict[str, Column]:
    return {
        name: _STORED[type_](columns[name])
        for name, type_ in column_types(kind).items()
    }


def _list(column: Column) -> list[Any]:
    return column if isinstance(column, list) else column.tolist()
