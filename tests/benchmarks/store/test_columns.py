"""Rows kept as columns, against plain lists of the same rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from archselect.benchmarks.store.columns import Columns


class Sight(NamedTuple):
    """A row of every kind of column."""

    where: str
    count: int
    size: float


class Log(BaseModel):
    """Stored as records are."""

    model_config = ConfigDict(ser_json_inf_nan="strings")
    sights: Columns[Sight]


rows = st.lists(
    st.builds(
        Sight,
        st.text(max_size=4),
        st.integers(-(2**31), 2**31 - 1),
        st.floats(allow_nan=False),
    ),
    max_size=5,
)


@given(rows, st.slices(5))
def test_they_are_a_list_of_rows(plain, cut):
    kept = Columns(Sight, plain)
    assert list(kept) == plain and len(kept) == len(plain)
    assert [kept[place] for place in range(-len(plain), len(plain))] == plain * 2
    assert list(kept[cut]) == plain[cut]
    assert kept == Columns(Sight, plain) and (kept != Columns(Sight)) == bool(plain)
    assert kept.column("size").tolist() == [row.size for row in plain]
    assert kept.column("count").dtype == np.int32


@given(rows)
def test_a_file_has_a_list_for_every_column(plain):
    log = Log(sights=Columns(Sight, plain))
    assert Log.model_validate_json(log.model_dump_json()) == log
    assert Log.model_validate(log.model_dump()) == log
    assert log.model_dump(mode="json")["sights"]["where"] == [
        row.where for row in plain
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ('{"where": [], "count": [], "size": [1.0]}', "the columns differ in length"),
        (
            '{"where": ["a"], "count": [2147483648], "size": [1.0]}',
            "less than 2147483648",
        ),
        ('{"where": ["a"], "count": [0.5], "size": [1.0]}', "valid integer"),
        ('{"where": ["a"], "count": [1]}', "Field required"),
        ('{"where": [], "count": [], "size": [], "more": []}', "Extra inputs"),
        ("[]", "should be an object"),
    ],
)
def test_what_is_no_such_table_is_refused(columns, message):
    with pytest.raises(ValidationError, match=message):
        Log.model_validate_json(f'{{"sights": {columns}}}')


class Pair(NamedTuple):
    """Numbers alone."""

    number: int
    size: float


@given(
    lists=st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.floats(-9, 9)), max_size=4),
        min_size=1,
        max_size=5,
    ),
    cuts=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=6
    ),
)
def test_gathered_are_the_rows_of_all_parts(lists, cuts):
    shared = [
        {"number": [number for number, _ in rows], "size": [size for _, size in rows]}
        for rows in lists
    ]
    parts = []
    for which, start, length in cuts:
        columns = shared[which % len(shared)]
        parts.append(
            Columns.view(
                Pair,
                columns,
                start,
                max(start, min(start + length, len(columns["size"]))),
            )
        )
    of, found = Columns.gather(Pair, parts)
    for place, part in enumerate(parts):
        assert {
            name: column[of == place].tolist() for name, column in found.items()
        } == part.lists()
    assert len(of) == sum(map(len, parts)) == len(found["number"])
