"""Reads the fields of a protocol buffer, without a schema. No torch here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_LENGTHS = {1: 8, 5: 4}
"""Bytes of the values of a fixed length, by the wire type."""
_VARINT = 0
_BYTES = 2
_LONGEST_VARINT = 10
"""Bytes of a number, at most."""


class Field(NamedTuple):
    """A field: its number, and a whole number or the bytes of any other value."""

    number: int
    value: int | bytes


class _Varint(NamedTuple):
    """A number, and the place of the byte behind it."""

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
            raise ValueError("a field that is cut off")
        place = start + length
        yield Field(number, data[start:place])


def _read_varint(data: bytes, start: int) -> _Varint:
    """Return the number that begins at a place, seven bits a byte and the lowest first.

    Raises ValueError if it does not end.
    """
    value = 0
    for place, byte in enumerate(data[start : start + _LONGEST_VARINT]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return _Varint(value, start + place + 1)
    raise ValueError("a number that does not end")
