"""A list of rows kept as columns, in memory and in a file: of what records have most, in a fraction of the room."""

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
    int: lambda values: array("i", values),
    float: lambda values: array("d", values),
    str: list,
}
_CHECKED: dict[type, CoreSchema] = {
    int: core_schema.int_schema(ge=-_BOUND, lt=_BOUND),
    float: core_schema.float_schema(),
    str: core_schema.str_schema(),
}


@cache
def kinds(row: type[NamedTuple]) -> dict[str, type]:
    """The columns of a kind of row, by name: int, float or str."""
    return get_type_hints(row)


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
    def of(cls, kind: type[Row], columns: Mapping[str, Sequence[Any]]) -> Columns[Row]:
        """The rows of which these are the columns.

        Raises ValueError if they differ in length.
        """
        lengths = set(map(len, columns.values()))
        if len(lengths) > 1:
            raise ValueError("its columns differ in length")
        return cls.part(kind, _stored(kind, columns), 0, lengths.pop())

    @classmethod
    def part(
        cls, kind: type[Row], columns: Mapping[str, Column], start: int, stop: int
    ) -> Columns[Row]:
        """The rows from `start` to before `stop` of columns that others share, without a copy."""
        new: Columns[Row] = cls.__new__(cls)
        new._set(kind, columns, start, stop)
        return new

    def _set(
        self, kind: type[Row], columns: Mapping[str, Column], start: int, stop: int
    ) -> None:
        self.kind, self._columns, self._start, self._stop = kind, columns, start, stop

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column as an array, of numbers without a copy: not to be changed."""
        return np.asarray(self._columns[name])[self._start : self._stop]

    @staticmethod
    def gathered(
        kind: type[NamedTuple], parts: Sequence[Columns[Any]]
    ) -> tuple[npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
        """Of every row the place of its part, and its columns: a part's rows in order, the parts in any.

        Parts of the same columns lie together, so that many small ones take few steps.
        The columns are numbers.
        """
        sharing: dict[int, list[int]] = {}
        for place, part in enumerate(parts):
            sharing.setdefault(id(part._columns), []).append(place)
        none = np.zeros(0, dtype=np.int64)
        of, found = (
            [none],
            {name: [np.asarray(_STORED[of]([]))] for name, of in kinds(kind).items()},
        )
        for places in sharing.values():
            starts = np.array([parts[place]._start for place in places])
            lengths = np.array([len(parts[place]) for place in places])
            before = np.cumsum(lengths) - lengths
            rows = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
            of.append(np.repeat(np.array(places), lengths))
            for name, column in parts[places[0]]._columns.items():
                found[name].append(np.asarray(column)[rows])
        return np.concatenate(of), {
            name: np.concatenate(own) for name, own in found.items()
        }

    def lists(self) -> dict[str, list[Any]]:
        """Every column as a list of Python's own values."""
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
            return Columns.of(
                self.kind,
                {name: column[place] for name, column in self.lists().items()},
            )
        return list(self)[place]

    def __iter__(self) -> Iterator[Row]:
        return map(self.kind._make, zip(*self.lists().values(), strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Columns) and (self.kind, self.lists()) == (
            other.kind,
            other.lists(),
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Columns({self.kind.__name__}, {list(self)})"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        (kind,) = get_args(source)
        columns = core_schema.typed_dict_schema(
            {
                name: core_schema.typed_dict_field(
                    core_schema.list_schema(_CHECKED[of])
                )
                for name, of in kinds(kind).items()
            },
            extra_behavior="forbid",
        )
        read = core_schema.no_info_after_validator_function(
            partial(cls.of, kind), columns
        )
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema(
                [core_schema.is_instance_schema(cls), read]
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda rows: rows.lists(), return_schema=columns
            ),
        )


def _stored(
    kind: type[NamedTuple], columns: Mapping[str, Sequence[Any]]
) -> dict[str, Column]:
    return {name: _STORED[of](columns[name]) for name, of in kinds(kind).items()}


def _list(column: Column) -> list[Any]:
    return column if isinstance(column, list) else column.tolist()
