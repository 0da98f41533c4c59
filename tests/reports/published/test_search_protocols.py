"""Published search protocols: the built-in studies follow them, and each setting that is another is named."""

import pytest

from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.study_files import built_in_studies
from archselect.benchmarks.store.records import (
    DataInputs,
    Formulations,
    Inputs,
    SelectorInputs,
    SupernetInputs,
)
from archselect.reports.published.numbers import find_published
from archselect.reports.published.search_protocols import (
    other_images,
    protocol_differences,
)

HALVES = {"cifar10": 25_000, "cifar100": 25_000, "svhn": 36_628}


def inputs_of(study, space, data, selector, supernet, label):
    """What the runs of one of a study's pairs have as inputs."""
    images = HALVES[data.name] if data.limit is None else data.limit
    return Inputs(
        space=space.name,
        data=DataInputs(
            name=data.name,
            checksum="c",
            train_images=images,
            valid_images=images,
            split="first",
            augment="crop 4, flip",
        ),
        supernet=SupernetInputs(
            recipe=supernet.recipe,
            settings=supernet.build().settings(),
            skeleton=dict(space.skeleton),
        ),
        selector=SelectorInputs(
            name=selector.name, label=label, settings=selector.build().model_dump()
        ),
        supernet_seed=0,
        selection_seed=0,
        formulations=Formulations(supernet={}, selector={}),
    )


def compared(name):
    """(published number, inputs of ours) for every number that a built-in study names, as far as a search is named."""
    study = read_study(name)
    for entry in study.reproduces:
        for space in study.spaces:
            for data in study.data:
                for selector, supernet, label in study.pairs_on(space, data):
                    if label == entry.selector:
                        inputs = inputs_of(
                            study, space, data, selector, supernet, label
                        )
                        rows = [
                            row
                            for row in find_published(entry)
                            if space.name == (entry.space or row.space)
                        ]
                        yield from (
                            (row, inputs) for row in rows if row.search_protocol
                        )


WHOLE = [
    name
    for name in built_in_studies()
    if not name.endswith("-cpu") and read_study(name).reproduces
]
OTHERWISE = {
    ("zero-cost-pt-nb201", "zero-cost-pt"): [
        "iterations 10 instead of 1",
        "order random instead of order",
    ],
    ("darts-pt-nb201", "darts first order"): [
        "epochs 100 instead of 50",
        "weight_decay 0.0003 instead of 0.0005",
    ],
    ("darts-pt-table2", "darts+magnitude"): ["space darts instead of darts-none"],
    ("darts-pt-table4", "darts+magnitude"): ["space darts instead of darts-none"],
}
"""Where a whole study is not by the published protocol, and in what."""


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_study_is_by_the_published_protocol(name):
    pairs = [
        (row, inputs)
        for row, inputs in compared(name)
        if row.space == "nb201" or row.dataset == inputs.data.name
    ]
    assert pairs
    for row, inputs in pairs:
        found = protocol_differences(row.search_protocol, row.dataset, inputs)
        assert found == OTHERWISE.get((name, row.method), []), row.method
        assert other_images(row.search_protocol, row.dataset, inputs) == ""


@pytest.mark.parametrize(
    "name", [name for name in built_in_studies() if name.endswith("-cpu")]
)
def test_a_smaller_study_is_not(name):
    """But random cells are random cells at any size."""
    for row, inputs in compared(name):
        assert bool(protocol_differences(row.search_protocol, row.dataset, inputs)) == (
            row.method != "random cell"
        )


@pytest.fixture
def one_search():
    """The published runs of one search, and what the study of that protocol has."""
    return next(
        (row, inputs) for row, inputs in compared("zero-cost-pt-nb201-one-search")
    )


def test_one_search_is_the_protocol_of_the_released_runs(one_search):
    row, inputs = one_search
    assert (row.method, row.table, row.values[0]) == (
        "zero-cost-pt",
        "released runs",
        93.34,
    )
    assert protocol_differences(row.search_protocol, row.dataset, inputs) == []


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("selector", {"settings": {"iterations": 2}}, ["iterations 2 instead of 1"]),
        (
            "selector",
            {"settings": {"proxy": "synflow"}},
            ["proxy synflow instead of nwot"],
        ),
        ("selector", {"settings": {"validation_batches": 100}}, []),
        ("selector", {"name": "random"}, ["selector random instead of zero-cost-pt"]),
        ("supernet", {"recipe": "darts"}, ["supernet darts instead of untrained"]),
        ("supernet", {"skeleton": {"channels": 16, "cells": 5}}, []),
        ("supernet", {"skeleton": {"channels": 8}}, ["channels 8 instead of 16"]),
        ("supernet", {"skeleton": {"stem": "wide"}}, ["stem wide instead of None"]),
        (
            "supernet",
            {"settings": {"level": "single"}},
            ["level single instead of bi"],
        ),
        (
            "supernet",
            {"settings": {"alpha_mean": 1.0}},
            ["alpha_mean 1.0 instead of 0.0"],
        ),
        ("data", {"name": "cifar10_subset"}, []),
        ("data", {"name": "cifar10@16"}, ["images cifar10@16 instead of cifar10"]),
        (
            "data",
            {"name": "cifar10_subset@16"},
            ["images cifar10_subset@16 instead of cifar10"],
        ),
        ("data", {"name": "cifar100"}, ["images cifar100 instead of cifar10"]),
        (
            "data",
            {"name": "cifar100_subset"},
            ["images cifar100_subset instead of cifar10"],
        ),
        ("data", {"name": "mine"}, ["images mine instead of cifar10"]),
    ],
)
def test_each_setting_that_is_another_is_named(one_search, part, change, said):
    row, inputs = one_search
    old = getattr(inputs, part)
    update = {
        key: {**getattr(old, key), **new} if isinstance(new, dict) else new
        for key, new in change.items()
    }
    changed = inputs.model_copy(update={part: old.model_copy(update=update)})
    assert protocol_differences(row.search_protocol, row.dataset, changed) == said


def test_a_part_of_the_images_is_said(one_search):
    row, inputs = one_search
    part = inputs.data.model_copy(
        update={"name": "cifar10_subset", "train_images": 5000}
    )
    changed = inputs.model_copy(update={"data": part})
    assert (
        other_images(row.search_protocol, row.dataset, changed)
        == "5,000 images of cifar10_subset in each half"
    )
    assert other_images("random", row.dataset, changed) == ""


def test_a_trained_supernet_needs_all_images():
    row, inputs = next(
        pair
        for pair in compared("darts-pt-nb201")
        if pair[0].method == "darts+darts-pt"
    )
    part = inputs.data.model_copy(
        update={"name": "cifar10_subset", "train_images": 5000}
    )
    changed = inputs.model_copy(update={"data": part})
    assert protocol_differences(row.search_protocol, row.dataset, changed) == [
        "images in each half 5000 instead of 25000"
    ]
