"""A reader of TensorFlow's TFRecord files, without TensorFlow or torch.

A file is a sequence of records: the payload's length, a checksum of the length, the
payload, a checksum of the payload. Checksums are CRC-32C (Castagnoli), which are then
masked: rotated, plus a constant.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import open_plain

LONGEST = 1 << 14
"""Largest number of bytes of a payload; real ones have about 400."""
BATCH = 1 << 12
"""Number of payloads whose checksums are computed together."""
_HEADER = 12
"""Bytes of a record before its payload."""
_CHECKSUM = 4
"""Bytes of a checksum."""


class TfRecord(NamedTuple):
    """A record of a file.

    Attributes:
        number: number of the record in the file, from 1.
        start: index of its first byte.
        payload: its content.
    """

    number: int
    start: int
    payload: bytes


class _UncheckedRecord(NamedTuple):
    """A record, and the checksum of its payload in the file."""

    record: TfRecord
    checksum: int


def read_records(path: Path) -> Iterator[TfRecord]:
    """Yield every record of a file, and verify its checksums.

    Raises UserError, which names the record, if the file cannot be read or is
    truncated, or if a checksum is wrong.
    """
    try:
        with open_plain(path) as file:
            batch = []
            for record in _read_unchecked(path, file):
                batch.append(record)
                if len(batch) == BATCH:
                    yield from _verify(path, batch)
                    batch = []
            yield from _verify(path, batch)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def describe_place(path: Path, record: TfRecord) -> str:
    """Return the place of a record in a file, for messages."""
    return f"{path}, record {record.number} at byte {record.start}"


def _read_unchecked(path: Path, file: IO[bytes]) -> Iterator[_UncheckedRecord]:
    """Yield every record, without verifying the checksums of payloads."""
    start = 0
    number = 0
    header = file.read(_HEADER)
    while header:
        number += 1
        empty = TfRecord(number, start, b"")
        length = _payload_length(header)
        if length is None:
            raise UserError(
                f"{describe_place(path, empty)} is damaged, or the file is not a TFRecord file of the benchmark"
            )
        rest = file.read(length + _CHECKSUM)
        if len(rest) < length + _CHECKSUM:
            raise UserError(
                f"{describe_place(path, empty)} is truncated; get the file again"
            )
        checksum = int.from_bytes(rest[length:], "little")
        yield _UncheckedRecord(TfRecord(number, start, rest[:length]), checksum)
        start += _HEADER + len(rest)
        header = file.read(_HEADER)


def _verify(path: Path, batch: Sequence[_UncheckedRecord]) -> Iterator[TfRecord]:
    """Yield records; raise UserError at the first with a wrong checksum."""
    computed = masked(crc32c([unchecked.record.payload for unchecked in batch]))
    stored = np.array([unchecked.checksum for unchecked in batch], dtype=np.uint32)
    fits = (computed == stored).tolist()
    for fitting, unchecked in zip(fits, batch, strict=True):
        if not fitting:
            raise UserError(
                f"{describe_place(path, unchecked.record)} is damaged: its checksum is wrong; get the file again"
            )
        yield unchecked.record


@lru_cache(maxsize=1 << 12)
def _payload_length(header: bytes) -> int | None:
    """Return the length of the payload after a record's header.

    It is None if the header is damaged, or the length exceeds :data:`LONGEST`.
    """
    if len(header) < _HEADER:
        return None
    length, stored = struct.unpack("<QI", header)
    computed = int(masked(crc32c([header[:8]]))[0])
    if computed != stored or length > LONGEST:
        return None
    return int(length)


def crc32c(payloads: Sequence[bytes]) -> np.ndarray:
    """Return the CRC-32C (Castagnoli) of every payload, as uint32.

    It processes byte after byte, for all payloads at once.
    """
    sums = np.full(len(payloads), 0xFFFFFFFF, dtype=np.uint32)
    lengths = np.array([len(payload) for payload in payloads], dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    longest = int(lengths.max(initial=0))
    padded = b"".join(payloads[index].ljust(longest, b"\0") for index in order.tolist())
    matrix = np.frombuffer(padded, dtype=np.uint8).reshape(len(payloads), longest)
    columns = np.ascontiguousarray(matrix.T)
    table = _crc_of_bytes()
    running = sums[order]
    # In the order of falling length, payloads that still have a byte come first.
    still_running = np.searchsorted(-lengths[order], -np.arange(longest)).tolist()
    for place, active in enumerate(still_running):
        sums_now = running[:active]
        index = (sums_now ^ columns[place, :active]) & 0xFF
        running[:active] = table[index] ^ (sums_now >> 8)
    sums[order] = running
    return ~sums


def masked(sums: np.ndarray) -> np.ndarray:
    """Return checksums in stored form: rotated by 15 bits, plus a constant."""
    rotated = (sums >> np.uint32(15)) | (sums << np.uint32(17))
    return rotated + np.uint32(0xA282EAD8)


@cache
def _crc_of_bytes() -> np.ndarray:
    """Return the contribution of each byte to a CRC-32C, 256 entries of uint32."""
    sums = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        reduced = (sums >> 1) ^ np.uint32(0x82F63B78)
        sums = np.where(sums & 1, reduced, sums >> 1).astype(np.uint32)
    return sums
