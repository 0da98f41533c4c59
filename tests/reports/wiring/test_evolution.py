"""The drawings of an evolving cell: which epochs, what stands in them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.reports.results.results import load
from archselect.reports.results.wiring_quantities import SupernetWiring
from archselect.reports.wiring.evolution import choose_epochs, draw_evolution
from archselect.reports.wiring.groups import wiring_groups


@given(
    edges=st.lists(st.integers(0, 5), min_size=2, max_size=40), most=st.integers(4, 12)
)
def test_first_fewest_last_and_changes_are_drawn(traces, edges, most):
    found = choose_epochs(
        SupernetWiring(traces.wired(edges, [0.0] * (len(edges) - 1))), most
    )
    last = len(edges) - 1
    stills = {0, edges.index(min(edges)), last}
    changes = {
        point for point in range(1, last + 1) if edges[point] != edges[point - 1]
    }
    assert stills <= set(found) <= stills | changes and found == sorted(set(found))
    assert len(found) == min(len(stills | changes), most) or set(found) == stills


def test_frames_have_the_same_places_and_name_operations_and_q(study, traces):
    group = next(
        group for group in wiring_groups(load(study)) if group.optimiser == "dsnas"
    )
    found = draw_evolution(group)
    cell = group.supernets[0].wiring.cells[0]
    assert [frame.epoch for frame in found.stills] == [0, int(cell.edges.argmin()), 40]
    assert found.frames[-1].epoch == 40 and found.seed == 0
    places = set()
    for frame in found.frames:
        root = ElementTree.fromstring(frame.svg)
        places.add(
            (
                root.get("viewBox"),
                tuple(re.findall(r"<(?:circle|rect) [^>]*", frame.svg)),
            )
        )
        said = [
            element.text for element in root.iter() if element.tag.endswith("}text")
        ]
        for e in range(5):
            name = traces.operations[cell.genotype[frame.epoch, e]]
            assert f"{name} {cell.q[frame.epoch, e]:.2f}" in said
        dotted = [e for e in root.iter() if e.get("stroke-dasharray")]
        assert len(dotted) == cell.absent[frame.epoch].sum()
        assert frame.words.endswith(f"{cell.edges[frame.epoch]} of 5 edges")
    assert len(places) == 1
    assert found.frames[0].words.startswith("before training:")


def test_a_cell_of_none_alone_is_drawn(study):
    group = next(
        group
        for group in wiring_groups(load(study))
        if group.optimiser == "darts bi-level"
    )
    last = draw_evolution(group).frames[-1]
    assert (
        last.words == "after epoch 40: 0 of 5 edges"
        and last.svg.count("stroke-dasharray") == 5
    )
    assert last.svg.count(">none ") == 5


@pytest.mark.parametrize("types", [1, 2])
def test_all_cell_types_are_in_one_drawing(traces, tmp_path, types):
    cells = [traces.cell(traces.full, name) for name in ("normal", "reduce")[:types]]
    root = traces.study(tmp_path, seeds=1, kinds=[("dsnas", {})], cells=cells)
    frame = draw_evolution(wiring_groups(load(root))[0]).frames[-1]
    assert frame.words.endswith(f" of {14 * types} edges")
    assert (">reduce<" in frame.svg) == (types == 2)
