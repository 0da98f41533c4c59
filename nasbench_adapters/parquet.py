"""Looks at a Parquet file before it is read: what it would take in memory. No torch.

A few bytes may stand for any number of rows, each with a text that is stored once, and
for pages that unpack to gigabytes; what the file's metadata say of sizes need not be
true. So the header of every page, which the reader goes by, is read here: how much it
unpacks to, how many values it has, and how they are stored. Source: the format's
description (parquet.thrift, and Thrift's compact protocol).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

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

_HEADERS = (1 << 10, 1 << 16, 1 << 20)
"""Bytes that are read for a page's header, more if it is not whole."""
_DICTIONARY_PAGE = 2
_TYPE, _UNPACKED, _PACKED, _DATA, _DICTIONARY, _DATA_2 = 1, 2, 3, 5, 7, 8
"""Fields of a page's header: its type, its sizes in bytes, and the headers of a page of
each type.
"""
_VALUES, _ENCODING = 1, 2
_ENCODING_2 = 4
"""Fields of the header of a page of values, and of one of version 2."""
_BY_DICTIONARY = (2, 8)
_BY_PREFIX = 7
"""Encodings that name a text of the dictionary, and that begin a text with a part of
the one before it.
"""
_TEXTS = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")

Fields = dict[int, Any]
"""Fields of a Thrift structure by number: whole numbers, and structures within it;
other fields are left out.
"""


@dataclass
class _Size:
    """What is read of a file: bytes that its pages unpack to, values, and bytes that texts take at most."""

    unpacked: int = 0
    values: int = 0
    texts: int = 0


def check_parquet(path: Path) -> None:
    """Look at a Parquet file, whose values are not read.

    Raises UserError, naming the file, if it has more rows or columns than are read, or
    would take far more memory than it has bytes; OSError if it cannot be read, or is no
    plain file; ValueError or `pa.ArrowException` if it is not Parquet.
    """
    with open_plain(path) as file:
        packed = os.fstat(file.fileno()).st_size
        metadata = pq.ParquetFile(file).metadata
        _check_shape(path, packed, metadata)
        most = most_unpacked(packed)
        size = _Size()
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                _add_chunk(size, file, metadata.row_group(group).column(column))
                if max(size.unpacked, size.texts) > most:
                    raise unpacked_too_large(path, packed, most)
                if size.values > MOST_FREE_FIELDS + MOST_FIELDS_TIMES * packed:
                    raise UserError(
                        f"{path} has more than {MOST_FREE_FIELDS:,} values, and more than {MOST_FIELDS_TIMES} for each "
                        f"of its {packed:,} bytes: get it again, or store it as CSV"
                    )


def _check_shape(path: Path, packed: int, metadata: Any) -> None:
    """Raise UserError if a file says that it has more rows or columns than are read."""
    rows = metadata.num_rows
    if metadata.num_columns > MOST_COLUMNS:
        raise UserError(
            f"{path} has {metadata.num_columns:,} columns, and at most {MOST_COLUMNS:,} are read"
        )
    if rows > MOST_ROWS:
        raise UserError(
            f"{path} has {rows:,} rows, and at most {MOST_ROWS:,} are read: use a part of them"
        )
    if rows > max(MOST_FREE_ROWS, packed):
        raise UserError(
            f"{path} has {rows:,} rows in {packed:,} bytes: get it again, or store it as CSV"
        )


def _add_chunk(size: _Size, file: IO[bytes], chunk: Any) -> None:
    """Add what the pages of a column of a row group take.

    Raises ValueError for a page that is none.
    """
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end = at + chunk.total_compressed_size
    longest = 0
    while at < end:
        page, length = _header(file, at)
        unpacked = _count(page, _UNPACKED)
        size.unpacked += unpacked
        if page.get(_TYPE) == _DICTIONARY_PAGE:
            longest = _longest(file, at + length, page, chunk)
        else:
            header = page.get(_DATA) or page.get(_DATA_2) or {}
            encoding = header.get(_ENCODING if _DATA in page else _ENCODING_2)
            values = _count(header, _VALUES)
            size.values += values
            if chunk.physical_type in _TEXTS and encoding in _BY_DICTIONARY:
                size.texts += values * longest
            if chunk.physical_type in _TEXTS and encoding == _BY_PREFIX:
                size.texts += values * unpacked
        at += length + _count(page, _PACKED)


def _longest(file: IO[bytes], at: int, page: Fields, chunk: Any) -> int:
    """Return the bytes of the longest text of a dictionary, or of all of them where they are too many to be read."""
    unpacked = _count(page, _UNPACKED)
    if chunk.physical_type != "BYTE_ARRAY":
        return unpacked // max(1, _count(page.get(_DICTIONARY) or {}, _VALUES))
    if unpacked > MOST_UNPACKED_BYTES:
        return unpacked
    file.seek(at)
    content = file.read(_count(page, _PACKED))
    if chunk.compression != "UNCOMPRESSED":
        content = (
            pa.Codec(chunk.compression.lower())
            .decompress(content, unpacked)
            .to_pybytes()
        )
    longest = start = 0
    while start + 4 <= len(content):
        length = int.from_bytes(content[start : start + 4], "little")
        longest = max(longest, length)
        start += 4 + length
    return min(longest, unpacked)


def _count(fields: Fields, number: int) -> int:
    """Return a field that counts something.

    Raises ValueError if it is missing or negative.
    """
    value = fields.get(number)
    if not isinstance(value, int) or value < 0:
        raise ValueError("a page whose header says no size")
    return value


def _header(file: IO[bytes], at: int) -> tuple[Fields, int]:
    """Return the header of the page at a place, and its length in bytes.

    Raises ValueError if there is none.
    """
    for most in _HEADERS:
        file.seek(at)
        content = file.read(most)
        try:
            return _structure(content, 0, 0)
        except IndexError:
            continue
    raise ValueError("a page without a header")


def _structure(content: bytes, at: int, depth: int) -> tuple[Fields, int]:
    """Return the structure at a place, and where it ends.

    Raises IndexError where the content ends before it.
    """
    if depth > 3:
        raise ValueError("a page whose header holds too much")
    fields: Fields = {}
    number = 0
    while content[at]:
        kind = content[at] & 15
        step = content[at] >> 4
        at += 1
        if step:
            number += step
        else:
            number, at = _whole(content, at)
        if kind in (1, 2):  # true and false stand in place of the kind
            continue
        if kind in (4, 5, 6):
            fields[number], at = _whole(content, at)
        elif kind == 8:
            length, at = _unsigned(content, at)
            at += length
        elif kind == 12:
            fields[number], at = _structure(content, at, depth + 1)
        elif kind in (3, 7):
            at += 1 if kind == 3 else 8
        else:
            raise ValueError("a page whose header holds a list")
    return fields, at + 1


def _whole(content: bytes, at: int) -> tuple[int, int]:
    """Return the whole number at a place, positive ones as even numbers and negative ones as odd, and where it ends."""
    value, at = _unsigned(content, at)
    return (value >> 1) ^ -(value & 1), at


def _unsigned(content: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place, seven bits to a byte and the lowest first, and where it ends."""
    value = 0
    for place in range(10):
        byte = content[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ValueError("a number that does not end")
