"""One colour per operation and per selector, whatever the report."""

from __future__ import annotations

import pytest
from support.study_folder import make_folder

from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.reports.drawing.colours import (
    OPERATIONS,
    SELECTORS,
    operation_colours,
    selector_colours,
)
from archselect.reports.drawing.palette import SERIES, series
from archselect.reports.results.results import load
from archselect.selectors.registry import SELECTORS as REGISTERED


@pytest.mark.parametrize("name", SPACES)
def test_known_operations_have_their_colour_in_every_space(name):
    drawn = get_space(name).drawn_operations
    names = {name for edge in drawn for name in edge} - {"none"}
    colours = operation_colours(sorted(names))
    for operation in names & OPERATIONS.keys():
        assert colours[operation] == series(OPERATIONS[operation])
    assert len(set(colours.values())) == min(len(names), len(SERIES))


def test_the_colour_of_an_operation_does_not_depend_on_the_others():
    alone = operation_colours(["dil_conv_3x3"])
    among = operation_colours(["a", "skip_connect", "dil_conv_3x3", "b"])
    assert among["dil_conv_3x3"] == alone["dil_conv_3x3"]
    assert len(set(among.values())) == 4


def test_every_selector_has_a_colour():
    assert SELECTORS.keys() == REGISTERED.keys()


def test_groups_with_one_label_have_one_colour(tmp_path):
    results = load(make_folder(tmp_path))
    colours = selector_colours(results)
    by_label = {group.label: colours[group.name] for group in results.groups}
    assert len(set(by_label.values())) == min(len(by_label), len(SERIES))
    for group in results.groups:
        assert colours[group.name] == by_label[group.label]
