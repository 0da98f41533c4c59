"""The figures of a group: what they show, in XML, whatever is missing."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from archselect.reports.drawing.palette import series
from archselect.reports.figures.canvas import slugs
from archselect.reports.results.results import load
from archselect.reports.results.traced_supernets import group_name
from archselect.reports.wiring.figures import (
    costs_figure,
    edges_figure,
    figure_name,
    losses_figure,
    skip_figure,
    wiring_figures,
)
from archselect.reports.wiring.groups import wiring_groups


def words(svg: str) -> list[str]:
    return [
        element.text or ""
        for element in ElementTree.fromstring(svg).iter()
        if element.tag.endswith("}text")
    ]


@pytest.fixture
def groups(study):
    return {group.optimiser: group for group in wiring_groups(load(study))}


@pytest.fixture(scope="module")
def two_types(traces, tmp_path_factory):
    cells = [traces.cell(traces.full, "normal"), traces.cell(name="reduce")]
    return traces.study(
        tmp_path_factory.mktemp("two"), seeds=2, kinds=[("dsnas", {})], cells=cells
    )


def test_each_group_has_few(parts):
    names = {
        part.name: [figure.name.rpartition("-8-")[2] for figure in part.figures]
        for part in parts
    }
    assert names["dsnas on minimal, cifar10@8"] == ["edges", "losses", "costs", "skip"]
    assert names["spos on minimal, cifar10@8"] == [
        "losses",
        "costs",
        "skip",
    ]  # edges never move


def test_cell_types_have_figures_of_their_own(two_types):
    (group,) = wiring_groups(load(two_types))
    every = wiring_figures(group)
    kinds = [
        "edges-normal",
        "edges-reduce",
        "losses",
        "costs-normal",
        "costs-reduce",
        "skip",
    ]
    assert [figure.name for figure in every] == [
        f"wiring-dsnas-on-minimal-cifar10-8-{kind}" for kind in kinds
    ]
    for figure in every:
        assert "nan" not in figure.svg and figure.svg.startswith(
            '<svg role="img" aria-label="dsnas on minimal'
        )
    assert len([word for word in words(every[0].svg) if "→" in word]) == 14
    assert {"probability, normal cell", "cost, reduce cell"} <= set(
        words(every[-1].svg)
    )


def test_a_long_name_makes_no_file_name_that_is_too_long(groups):
    group = groups["dsnas"]
    of = [
        group.inputs.model_copy(update={"space": f"wiring:{'0-2=none,' * 40}{n}"})
        for n in "ab"
    ]
    files = slugs(group_name(group.optimiser, inputs) for inputs in of)
    one, two = (figure_name(replace(group, file=file), "edges") for file in files)
    assert one != two and max(len(one), len(two)) < 120


def test_edges_are_named_apart(groups):
    said = words(edges_figure(groups["dsnas"], 0).svg)
    assert {
        "k−2→0",
        "k−1→0",
        "k−2→1",
        "k−1→1",
        "0→1",
        "expected",
        "argmax",
        "width",
        "depth",
    } <= set(said)


def test_a_cell_without_inner_edges_or_with_very_many_has_its_figure(traces, tmp_path):
    many = [(source, target) for target in range(2, 7) for source in range(target)]
    for place, edges in enumerate([[(0, 2), (1, 2)], many]):
        cells = [traces.cell(edges)]
        root = traces.study(
            tmp_path / f"{place}", seeds=1, kinds=[("dsnas", {})], cells=cells
        )
        figure = edges_figure(wiring_groups(load(root))[0], 0)
        said = words(figure.svg)
        assert ("none in this cell" in said) == (place == 0)
        assert (
            ("depth" in said) == (place == 0) == ("not computed" not in figure.caption)
        )
        ElementTree.fromstring(costs_figure(wiring_groups(load(root))[0], 0).svg)


def test_losses_have_a_row_for_each_part_that_was_seen(groups):
    bi, single = (
        losses_figure(groups[f"darts {level}-level"]) for level in ("bi", "single")
    )
    assert sum("images" in word for word in words(bi.svg)) == 2
    assert sum("images" in word for word in words(single.svg)) == 1
    for supernet in groups["darts bi-level"].supernets:
        supernet.wiring.trace.losses[:, 0] = 0
    assert (
        sum(
            "images" in word
            for word in words(losses_figure(groups["darts bi-level"]).svg)
        )
        == 1
    )


def test_operations_that_never_went_forward_leave_a_gap(groups):
    group = groups["dsnas"]
    for supernet in group.supernets:
        own = supernet.wiring.cells[0].trace
        own.cost_means[:5] = np.nan
        own.probe_means[0, 3] = own.probe_variances[0, 3] = np.nan
    of_skip = f"fill: {series(2)}"
    assert (
        costs_figure(group, 0).svg.count(of_skip) == 1 + 2 * 5 - 1
    )  # in the key, and two of each edge
    group.supernets[0].wiring.cells[0].trace.probe_means[0, 3] = 0.1
    assert (
        costs_figure(group, 0).svg.count(of_skip) == 1 + 2 * 5
    )  # a mean of the seeds that have it
    assert "nan" not in skip_figure(group, [0]).svg


def test_a_training_of_no_epochs_has_costs_alone(traces, tmp_path):
    trace = traces.make(
        traces.inputs("dsnas", 0), [np.full((1, 5, 8), 1 / 8)], np.zeros((0, 1))
    )
    root = traces.study(tmp_path, seeds=1, kinds=[("dsnas", {})], made={0: trace})
    assert [
        figure.name.rpartition("-")[2]
        for figure in wiring_figures(wiring_groups(load(root))[0])
    ] == ["costs"]
