"""Parquet files that take far more memory than they have bytes are refused before they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archselect.nasbench_adapters import parquet
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.parquet import check_parquet

TEXT = "x" * 500_000


def named_again_and_again(text: str, rows: int) -> pa.Table:
    """A column in which every row names the same text, which is there once."""
    return pa.table(
        {
            "a": pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(rows, np.int32)), pa.array([text])
            )
        }
    )


def written(path: Path, table: pa.Table, **options: Any) -> Path:
    pq.write_table(table, path, **({"compression": "zstd"} | options))
    return path


HUGE = {
    "rows": (pa.table({"a": np.zeros(2_000_000)}), {}, r"for its [\d,]+ bytes"),
    "a text in all rows": (
        named_again_and_again(TEXT, 900_000),
        {},
        "unpacks to more than 256 MiB",
    ),
    "a text in some rows": (
        named_again_and_again(TEXT, 1_000),
        {"compression": "none"},
        "unpacks to more than 256 MiB",
    ),
    "pages": (
        pa.table({"a": [TEXT] * 600}),
        {"use_dictionary": False},
        "unpacks to more than 256 MiB",
    ),
    "beginnings": (
        pa.table({"a": [TEXT] * 600}),
        {"use_dictionary": False, "column_encoding": {"a": "DELTA_BYTE_ARRAY"}},
        "unpacks to more than 256 MiB",
    ),
    "a list": (
        pa.table({"a": [np.zeros(6_000_000)]}),
        {},
        "more than 5,000,000 values",
    ),
    "columns": (
        pa.table({f"{n}": [0] for n in range(10_001)}),
        {},
        "columns, more than 10,000",
    ),
}


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("kind", HUGE)
def test_a_small_file_of_much_is_refused(
    tmp_path: Path, kind: str, version: str
) -> None:
    table, options, message = HUGE[kind]
    path = written(tmp_path / "a.parquet", table, data_page_version=version, **options)
    assert path.stat().st_size < 4_000_000
    with pytest.raises(UserError, match=rf"a\.parquet has .*{message}"):
        check_parquet(path)


def table_of_kinds(rows: int) -> pa.Table:
    rng = np.random.default_rng(0)
    texts = [f"|nor_conv_3x3~0|+|{n % 97}|" for n in range(rows)]
    return pa.table(
        {
            "text": texts,
            "number": rng.random(rows),
            "whole": np.arange(rows),
            "same": ["cifar10"] * rows,
            "truth": [n % 3 == 0 for n in range(rows)],
            "maybe": [None if n % 2 else n for n in range(rows)],
            "list": [[1.0, 2.0]] * rows,
            "table": [{"a": n, "b": "x"} for n in range(rows)],
        }
    )


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip", "brotli"])
@pytest.mark.parametrize(
    "options", [{}, {"data_page_version": "2.0"}, {"write_page_checksum": True}]
)
def test_real_data_is_read(
    tmp_path: Path, compression: str, options: dict[str, Any]
) -> None:
    table = table_of_kinds(3_000)
    path = written(
        tmp_path / "a.parquet",
        table,
        compression=compression,
        row_group_size=700,
        **options,
    )
    check_parquet(path)
    assert pq.read_table(path).equals(table)


def test_what_the_pages_say_is_what_there_is(tmp_path: Path) -> None:
    """Summed over all pages: the values of a column, and the bytes that the writer says they unpack to."""
    path = written(tmp_path / "a.parquet", table_of_kinds(3_000), row_group_size=700)
    metadata = pq.ParquetFile(path).metadata
    with path.open("rb") as file:
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(column)
                size = parquet._Size()
                parquet._add_chunk(size, file, chunk)
                assert size.values == chunk.num_values
                assert 0 < size.unpacked <= chunk.total_uncompressed_size


@pytest.mark.parametrize("size", [0, 4, 8, 100, 2_000])
def test_what_is_no_parquet_is_no_surprise(tmp_path: Path, size: int) -> None:
    whole = written(tmp_path / "a.parquet", table_of_kinds(100)).read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[:size])
    with pytest.raises((ValueError, pa.ArrowException, OSError)):
        check_parquet(tmp_path / "b.parquet")


@pytest.mark.parametrize("place", range(4, 200, 3))
def test_a_damaged_page_is_no_surprise(tmp_path: Path, place: int) -> None:
    content = bytearray(
        written(tmp_path / "a.parquet", table_of_kinds(100)).read_bytes()
    )
    content[place] ^= 255
    (tmp_path / "b.parquet").write_bytes(content)
    try:
        check_parquet(tmp_path / "b.parquet")
    except (UserError, ValueError, pa.ArrowException, OSError):
        return
