"""Paths of selectors: which differ in one numeric setting, and in what order."""

from __future__ import annotations

import pytest
from support.pareto_folder import (
    WEIGHTS,
    weighted_inputs,
    weighted_records,
    weighted_run,
    write_study,
)
from support.study_folder import make_folder

from archselect.reports.results.paths import _common_name, find_paths
from archselect.reports.results.results import load


def paths_of(root, records):
    return find_paths(load(write_study(root, records)).groups)


def test_supernets_that_differ_in_a_weight_are_a_path(tmp_path):
    (path,) = paths_of(tmp_path, reversed_records())
    assert (path.setting, path.values) == ("cost_weight", WEIGHTS)
    labels = [group.label for group in path.groups]
    assert labels == [f"magnitude ({weight:g})" for weight in WEIGHTS]
    assert [path.value_of(group) for group in path.groups] == list(WEIGHTS)
    assert path.name == "magnitude"
    assert path.title == "magnitude, cost_weight 0 to 1"


def reversed_records():
    """All records, so that the study's order is the other way round."""
    return weighted_records(seeds=2)[::-1]


def test_another_selector_has_a_path_of_its_own(tmp_path):
    records = weighted_records(seeds=2)
    records += [weighted_run(weight, 0, "darts-pt") for weight in (0.3, 0.1)]
    first, second = paths_of(tmp_path, records)
    assert (len(first.groups), second.values) == (len(WEIGHTS), (0.1, 0.3))
    assert second.value_of(first.groups[0]) is None


def test_a_second_setting_that_differs_is_no_path(tmp_path):
    one, other = weighted_run(0.1, 0), weighted_run(0.3, 0)
    settings = {**other.inputs.supernet.settings, "epochs": 11}
    supernet = other.inputs.supernet.model_copy(update={"settings": settings})
    inputs = weighted_inputs(0.3, 0).model_copy(update={"supernet": supernet})
    other = other.model_copy(update={"inputs": inputs, "id": inputs.id})
    assert paths_of(tmp_path, [one, other]) == []


def test_selectors_of_other_kinds_are_no_path(tmp_path):
    assert find_paths(load(make_folder(tmp_path)).groups) == []


def with_settings(record, **changes):
    """The record of a run on a supernet with other settings."""
    settings = {**record.inputs.supernet.settings, **changes}
    supernet = record.inputs.supernet.model_copy(update={"settings": settings})
    inputs = record.inputs.model_copy(update={"supernet": supernet})
    return record.model_copy(update={"inputs": inputs, "id": inputs.id})


def with_source(record, source):
    """The record of a run on a supernet whose cost comes from there."""
    supernet = record.inputs.supernet.model_copy(update={"source": source})
    inputs = record.inputs.model_copy(update={"supernet": supernet})
    return record.model_copy(update={"inputs": inputs, "id": inputs.id})


def test_a_start_that_names_no_cost_begins_the_path_of_each_cost(tmp_path):
    start = with_settings(weighted_run(0.0, 0), cost="")
    records = [with_source(start, None)]
    for cost in ("one", "other"):
        for weight in (0.1, 0.3):
            record = weighted_run(weight, 0, f"magnitude-{cost}")
            selector = record.inputs.selector.model_copy(update={"name": "magnitude"})
            inputs = record.inputs.model_copy(update={"selector": selector})
            record = record.model_copy(update={"inputs": inputs})
            record = with_settings(record, cost=cost)
            records.append(with_source(record, f"fit of {cost}"))
    first, second = paths_of(tmp_path, records)
    for path in (first, second):
        assert path.values == (0.0, 0.1, 0.3)
        assert path.groups[0].label == "magnitude (0)"
    assert first.groups[1] is not second.groups[1]


def test_a_start_with_another_cost_is_on_no_path_of_it(tmp_path):
    records = [with_settings(weighted_run(0.0, 0), cost="a third")]
    records += [
        with_settings(weighted_run(weight, 0), cost="one") for weight in (0.1, 0.3)
    ]
    (path,) = paths_of(tmp_path, records)
    assert path.values == (0.1, 0.3)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a (b 0)", "a (b 0.1)", "a (b 1)"], "a (b)"),
        (["a (gpu256-0)", "a (gpu256-0.5)"], "a (gpu256)"),
        (["a (0.1)", "a (0.3)"], "a"),
        (["a10", "a11"], "a"),
        (["x", "y"], ""),
    ],
)
def test_the_name_of_a_path_is_what_its_groups_have_in_common(names, expected):
    assert _common_name(names) == expected
