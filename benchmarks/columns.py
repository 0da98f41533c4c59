"""A list of rows kept as columns, in memory and in a file: of what records have most, in a fraction of the room."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, get_args, get_type_hints, overload

import numpy as np
import numpy.typing as npt
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Row = TypeVar("Row", bound=NamedTuple)
Column: TypeAlias = "array[Any] | list[str]"

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
def _stores(kind: type[NamedTuple]) -> list[tuple[str, Callable[[Sequence[Any]], Column]]]:
    return [(name, _STORED[of]) for name, of in get_type_hints(kind).items()]


class Columns(Sequence[Row], Generic[Row]):
    """Rows of one kind, a NamedTuple of ints (of 32 bits), floats and strings.

    As a field `Columns[Kind]` of a model it is, in JSON, one list per column.

    Args:
        kind: of the rows.
        rows: in order.
    """

    __slots__ = ("_columns", "kind")

    def __init__(self, kind: type[Row], rows: Iterable[Row] = ()) -> None:
        listed = list(rows)
        self._set(kind, {name: [row[place] for row in listed] for place, name in enumerate(kind._fields)})

    @classmethod
    def of(cls, kind: type[Row], columns: Mapping[str, Sequence[Any]]) -> Columns[Row]:
        """The rows of which these are the columns. Raises ValueError if they differ in length."""
        new: Columns[Row] = cls.__new__(cls)
        new._set(kind, columns)
        return new

    def _set(self, kind: type[Row], columns: Mapping[str, Sequence[Any]]) -> None:
        if len(set(map(len, columns.values()))) > 1:
            raise ValueError("its columns differ in length")
        self.kind = kind
        self._columns: dict[str, Column] = {name: store(columns[name]) for name, store in _stores(kind)}

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column of numbers, without a copy: not to be changed."""
        return np.asarray(self._columns[name])

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Columns[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Columns[Row]:
        if isinstance(place, slice):
            return Columns.of(self.kind, {name: column[place] for name, column in self._columns.items()})
        return self.kind._make(column[place] for column in self._columns.values())

    def __iter__(self) -> Iterator[Row]:
        return map(self.kind._make, zip(*self._columns.values(), strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Columns) and (self.kind, self._columns) == (other.kind, other._columns)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Columns({self.kind.__name__}, {list(self)})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        (kind,) = get_args(source)
        columns = core_schema.typed_dict_schema(
            {
                name: core_schema.typed_dict_field(core_schema.list_schema(_CHECKED[of]))
                for name, of in get_type_hints(kind).items()
            },
            extra_behavior="forbid",
        )
        read = core_schema.no_info_after_validator_function(partial(cls.of, kind), columns)
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), read]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda rows: {name: list(column) for name, column in rows._columns.items()}, return_schema=columns
            ),
        )
