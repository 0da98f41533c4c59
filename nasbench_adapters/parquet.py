"""A check of a Parquet file before it is read: how much memory would it need?

A few bytes can describe any number of rows, all with one stored text, or pages that
unpack to gigabytes. The sizes in the file's metadata can be false. So this module reads
the header of every page, which the reader also uses: the unpacked size, the number of
values, and their encoding. Source: the description of the format (parquet.thrift, and
Thrift's compact protocol). This file does not import torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import open_plain
from archselect.nasbench_adapters.limits import (
    MOST_COLUMNS,
    MOST_FIELDS_TIMES,
    MOST_FREE_FIELDS,
    MOST_FREE_ROWS,
    MOST_ROWS,
    MOST_UNPACKED_BYTES,
    most_unpacked,
    unpacked_too_large,
)

_HEADER_BYTES = (1 << 10, 1 << 16, 1 << 20)
"""Bytes to read for a page's header; more are read if the header is longer."""
_LENGTH_BYTES = 4
"""Bytes before a text of a dictionary that give its length."""
_TEXT_TYPES = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")

# Fields of a page's header: type, sizes in bytes, and a header for each type of page.
_TYPE = 1
_UNPACKED = 2
_PACKED = 3
_DATA = 5
_DICTIONARY = 7
_DATA_V2 = 8
_DICTIONARY_PAGE = 2
"""Value of the field :data:`_TYPE` for a page that holds a dictionary."""

# Fields of the header of a page of values, and of version 2 of such a page.
_VALUES = 1
_ENCODING = 2
_ENCODING_V2 = 4

# Encodings of values.
_BY_DICTIONARY = (2, 8)
"""Encodings in which a value names a text of the dictionary."""
_BY_PREFIX = 7
"""Encoding in which a text begins with a part of the text before it."""

# Types of fields in Thrift's compact protocol.
_BOOLEANS = (1, 2)  # the type is the value: true or false
_BYTE = 3
_INTEGERS = (4, 5, 6)  # of 16, 32 and 64 bits
_DOUBLE = 7
_BINARY = 8
_STRUCTURE = 12
_DOUBLE_BYTES = 8
_MOST_NESTED = 3
"""Largest depth of nested structures in a page's header."""
_MOST_VARINT_BYTES = 10

Fields = dict[int, Any]
"""Fields of a Thrift structure by number: whole numbers, and nested structures.

Fields of other types are left out.
"""


@dataclass
class _Size:
    """Memory that the pages read so far would need.

    Attributes:
        unpacked: Bytes that the pages unpack to.
        values: Number of values.
        texts: Upper bound for the bytes of the texts.
    """

    unpacked: int = 0
    values: int = 0
    texts: int = 0


class _PageHeader(NamedTuple):
    """A page's header: its fields, and its length in bytes."""

    fields: Fields
    length: int


def check_parquet(path: Path) -> None:
    """Check the size of a Parquet file without reading its values.

    Raises:
        UserError: The file has too many rows or columns, or would need far more memory
            than it has bytes. The message names the file.
        OSError: The file cannot be read, or is not a plain file.
        ValueError, pa.ArrowException: The file is not Parquet.
    """
    with open_plain(path) as file:
        packed = os.fstat(file.fileno()).st_size
        metadata = pq.ParquetFile(file).metadata
        _check_shape(path, packed, metadata)
        size = _Size()
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(column)
                _add_chunk(size, file, chunk)
                _check_size(path, packed, size)


def _check_shape(path: Path, packed: int, metadata: Any) -> None:
    """Raise UserError if a file has too many rows or columns by its metadata."""
    rows = metadata.num_rows
    columns = metadata.num_columns
    if columns > MOST_COLUMNS:
        raise UserError(
            f"{path} has {columns:,} columns, more than {MOST_COLUMNS:,}: use a part of "
            "them"
        )
    if rows > MOST_ROWS:
        raise UserError(
            f"{path} has {rows:,} rows, more than {MOST_ROWS:,}: use a part of them"
        )
    if rows > max(MOST_FREE_ROWS, packed):
        raise UserError(
            f"{path} has too many rows ({rows:,}) for its {packed:,} bytes: get it "
            "again, or store it as CSV"
        )


def _check_size(path: Path, packed: int, size: _Size) -> None:
    """Raise UserError if pages need too much memory for a file of `packed` bytes."""
    most = most_unpacked(packed)
    if max(size.unpacked, size.texts) > most:
        raise unpacked_too_large(path, packed, most)
    if size.values > MOST_FREE_FIELDS + MOST_FIELDS_TIMES * packed:
        raise UserError(
            f"{path} has more than {MOST_FREE_FIELDS:,} values, and more than "
            f"{MOST_FIELDS_TIMES} for each of its {packed:,} bytes: get it again, or "
            "store it as CSV"
        )


def _add_chunk(size: _Size, file: IO[bytes], chunk: Any) -> None:
    """Add the memory of a chunk, which is one column of one group of rows.

    Raises ValueError if one of its pages has no valid header.
    """
    position = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < position:
        position = chunk.dictionary_page_offset
    end = position + chunk.total_compressed_size
    longest = 0
    while position < end:
        page, length = _read_page_header(file, position)
        size.unpacked += _read_count(page, _UNPACKED)
        if page.get(_TYPE) == _DICTIONARY_PAGE:
            longest = _longest_text(file, position + length, page, chunk)
        else:
            _add_values(size, page, chunk, longest)
        position += length + _read_count(page, _PACKED)


def _add_values(size: _Size, page: Fields, chunk: Any, longest: int) -> None:
    """Add the values of a page, and the bytes of its texts.

    Args:
        size: Memory so far.
        page: Header of the page.
        chunk: Metadata of the page's chunk.
        longest: Bytes of the longest text of the chunk's dictionary.
    """
    header = page.get(_DATA) or page.get(_DATA_V2) or {}
    encoding = header.get(_ENCODING if _DATA in page else _ENCODING_V2)
    values = _read_count(header, _VALUES)
    size.values += values
    if chunk.physical_type not in _TEXT_TYPES:
        return
    if encoding in _BY_DICTIONARY:
        size.texts += values * longest
    if encoding == _BY_PREFIX:
        size.texts += values * _read_count(page, _UNPACKED)


def _longest_text(file: IO[bytes], position: int, page: Fields, chunk: Any) -> int:
    """Return the bytes of the longest text of a dictionary.

    A dictionary that is too large to be read counts as one text.
    """
    unpacked = _read_count(page, _UNPACKED)
    if chunk.physical_type != "BYTE_ARRAY":
        values = _read_count(page.get(_DICTIONARY) or {}, _VALUES)
        return unpacked // max(1, values)
    if unpacked > MOST_UNPACKED_BYTES:
        return unpacked
    file.seek(position)
    content = file.read(_read_count(page, _PACKED))
    if chunk.compression != "UNCOMPRESSED":
        codec = pa.Codec(chunk.compression.lower())
        content = codec.decompress(content, unpacked).to_pybytes()
    longest = 0
    start = 0
    while start + _LENGTH_BYTES <= len(content):
        length = int.from_bytes(content[start : start + _LENGTH_BYTES], "little")
        longest = max(longest, length)
        start += _LENGTH_BYTES + length
    return min(longest, unpacked)


def _read_count(fields: Fields, number: int) -> int:
    """Return a field that counts something.

    Raises ValueError if it is missing or negative.
    """
    value = fields.get(number)
    if not isinstance(value, int) or value < 0:
        raise ValueError("a page whose header says no size")
    return value


def _read_page_header(file: IO[bytes], position: int) -> _PageHeader:
    """Return the header of the page at a position of the file.

    Raises ValueError if there is none.
    """
    for count in _HEADER_BYTES:
        file.seek(position)
        reader = _ThriftReader(file.read(count))
        try:
            fields = reader.read_structure()
        except IndexError:
            continue
        return _PageHeader(fields, reader.position)
    raise ValueError("a page without a header")


class _ThriftReader:
    """A reader of Thrift's compact protocol, which keeps its position.

    Its methods raise IndexError where the content ends too early.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.position = 0

    def read_structure(self, depth: int = 0) -> Fields:
        """Return the structure at the position.

        Raises ValueError if it holds a list, or nests too deep.
        """
        if depth > _MOST_NESTED:
            raise ValueError("a page whose header holds too much")
        fields: Fields = {}
        number = 0
        while head := self._read_byte():
            kind = head & 15
            step = head >> 4
            number = number + step if step else self._read_signed()
            if kind in _INTEGERS:
                fields[number] = self._read_signed()
            elif kind == _STRUCTURE:
                fields[number] = self.read_structure(depth + 1)
            else:
                self._skip(kind)
        return fields

    def _skip(self, kind: int) -> None:
        """Skip a value of this type; raise ValueError if the type is a list."""
        if kind in _BOOLEANS:
            return
        if kind == _BYTE:
            self.position += 1
        elif kind == _DOUBLE:
            self.position += _DOUBLE_BYTES
        elif kind == _BINARY:
            length = self._read_unsigned()
            self.position += length
        else:
            raise ValueError("a page whose header holds a list")

    def _read_byte(self) -> int:
        byte = self._content[self.position]
        self.position += 1
        return byte

    def _read_signed(self) -> int:
        """Return a whole number: even codes are positive, odd codes are negative."""
        code = self._read_unsigned()
        return (code >> 1) ^ -(code & 1)

    def _read_unsigned(self) -> int:
        """Return a number of seven bits to a byte, the lowest bits first."""
        value = 0
        for place in range(_MOST_VARINT_BYTES):
            byte = self._read_byte()
            value |= (byte & 127) << 7 * place
            if byte < 128:
                return value
        raise ValueError("a number that does not end")
