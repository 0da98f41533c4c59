"""Settings of a study that a command changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.benchmarks.cli.parsing import parse_settings
from archselect.benchmarks.plan.changed_settings import (
    change_settings,
    format_setting,
)
from archselect.nasbench_adapters.errors import UserError

VALUES = {
    "name": "mine",
    "seeds": {"supernet": [0, 1]},
    "spaces": [{"name": "nb201", "skeleton": {"channels": 4}}, {"name": "s2"}],
    "data": [{"name": "digits"}],
    "supernets": [{"recipe": "darts"}, {"recipe": "darts", "label": "darts v1.5"}],
    "selectors": [{"name": "darts-pt"}, {"name": "darts-pt", "label": "pt, long"}],
}


@pytest.mark.parametrize(
    ("place", "value", "where"),
    [
        ("seeds.selection", [0, 1], ("seeds", "selection")),
        ("spaces.nb201.skeleton.cells", 2, ("spaces", 0, "skeleton", "cells")),
        ("spaces.s2.skeleton.layers", 3, ("spaces", 1, "skeleton", "layers")),
        ("data.digits.limit", 64, ("data", 0, "limit")),
        ("supernets.darts v1.5.epochs", 9, ("supernets", 1, "epochs")),
        ("supernets.darts.epochs", 9, ("supernets", 0, "epochs")),
        ("selectors.pt, long.tune_epochs", 1, ("selectors", 1, "tune_epochs")),
    ],
)
def test_a_place_is_found_and_nothing_else_changes(place, value, where):
    changed = change_settings(VALUES, {place: value})
    table = changed
    for key in where[:-1]:
        table = table[key]
    assert table.pop(where[-1]) == value
    if place == "spaces.s2.skeleton.layers":
        del changed["spaces"][1]["skeleton"]
    assert changed == VALUES


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("tune_epochs", "write seeds.KEY or KIND.NAME.KEY"),
        ("seeds.", "write seeds.KEY"),
        ("seeds.supernet.first", "no table"),
        ("selectors.darts-pt", "write seeds.KEY or KIND.NAME.KEY"),
        ("selector.darts-pt.tune_epochs", "write seeds.KEY"),
        ("selectors.darts-p.tune_epochs", "known: darts-pt"),
        ("data.digits.", "no table"),
        ("costs.latency.of", "known: none"),
    ],
)
def test_what_is_no_place_is_refused(place, message):
    with pytest.raises(UserError, match=message):
        change_settings(VALUES, {place: 1})


JSON_VALUES = st.recursive(
    st.booleans() | st.integers(-1000, 1000) | st.text("ab1.e-[]\"' ", max_size=6),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(JSON_VALUES)
def test_a_change_is_read_as_it_was_written(value):
    text = format_setting("seeds.supernet", value)
    assert parse_settings([text]) == {"seeds.supernet": value}
