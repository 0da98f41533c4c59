"""A reader of the fields of a protocol buffer, without a schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_LENGTHS = {1: 8, 5: 4}
"""Number of bytes of values with a fixed length, by wire type."""
_VARINT = 0
_BYTES = 2
_LONGEST_VARINT = 10
"""Largest number of bytes of a varint."""


class Field(NamedTuple):
    """A field: its number, and its value as a whole number or as bytes."""

    number: int
    value: int | bytes


class _Varint(NamedTuple):
    """A number, and the index of the byte after it."""

    value: int
    end: int


def read_fields(data: bytes) -> Iterator[Field]:
    """Yield the fields of a protocol buffer.

    Raises ValueError if it is damaged.
    """
    place = 0
    while place < len(data):
        key = _read_varint(data, place)
        number = key.value >> 3
        wire_type = key.value & 7
        if wire_type == _VARINT:
            varint = _read_varint(data, key.end)
            yield Field(number, varint.value)
            place = varint.end
            continue
        start = key.end
        if wire_type == _BYTES:
            varint = _read_varint(data, key.end)
            length = varint.value
            start = varint.end
        elif wire_type in _LENGTHS:
            length = _LENGTHS[wire_type]
        else:
            raise ValueError(f"a field of wire type {wire_type}")
        if length > len(data) - start:
            raise ValueError("a truncated field")
        place = start + length
        yield Field(number, data[start:place])


def _read_varint(data: bytes, start: int) -> _Varint:
    """Return the number at an index: seven bits per byte, the lowest bits first.

    Raises ValueError if it does not end.
    """
    value = 0
    for place, byte in enumerate(data[start : start + _LONGEST_VARINT]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return _Varint(value, start + place + 1)
    raise ValueError("a number that does not end")
