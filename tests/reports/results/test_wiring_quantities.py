"""The wiring's quantities against slow and independent reckonings of them."""

from __future__ import annotations

from itertools import product
from math import log, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.benchmarks.store.traces import RIGHT, WRONG
from archselect.reports.results.wiring_quantities import (
    SETTLED,
    CellWiring,
    EdgeChange,
    SupernetWiring,
    expected_depth,
    find_settled_changes,
    loss_and_entropy,
    mean_costs,
    mean_gap,
)

MINIMAL = [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
UNIT = st.floats(0, 1)


def longest(inputs: int, edges: list[tuple[int, int]]) -> int:
    """The longest path from an input, by walking all paths."""

    def onward(node: int) -> int:
        return max(
            [0, *(1 + onward(target) for source, target in edges if source == node)]
        )

    return max(map(onward, range(inputs)))


def by_enumeration(inputs: int, edges: list[tuple[int, int]], q: list[float]) -> float:
    total = 0.0
    for there in product([False, True], repeat=len(edges)):
        chance = prod(
            p if is_there else 1 - p for p, is_there in zip(q, there, strict=True)
        )
        total += chance * longest(
            inputs,
            [edge for edge, is_there in zip(edges, there, strict=True) if is_there],
        )
    return total


@given(q=st.lists(UNIT, min_size=5, max_size=5))
def test_the_depth_of_the_minimal_cell_is_the_protocols(q):
    formula = 1 - prod(1 - p for p in q[:4]) + q[4] * (1 - (1 - q[0]) * (1 - q[1]))
    assert expected_depth(np.array([q]), 2, MINIMAL)[0] == pytest.approx(formula)


@st.composite
def cells(draw) -> tuple[int, list[tuple[int, int]], list[float]]:
    inputs, more = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    every = [
        (source, target)
        for target in range(inputs, inputs + more)
        for source in range(target)
    ]
    edges = draw(
        st.permutations(
            draw(st.lists(st.sampled_from(every), min_size=1, max_size=7, unique=True))
        )
    )
    return inputs, edges, draw(st.lists(UNIT, min_size=len(edges), max_size=len(edges)))


@given(cell=cells())
def test_the_depth_is_what_all_subsets_say(cell):
    inputs, edges, q = cell
    assert expected_depth(np.array([q, q]), inputs, edges) == pytest.approx(
        [by_enumeration(*cell)] * 2
    )


def test_the_depth_of_the_full_cell_is_that_of_subsets_drawn(traces):
    rng = np.random.default_rng(0)
    q = rng.random(14)
    drawn = rng.random((4000, 14)) < q
    depths = [
        longest(
            2, [edge for edge, there in zip(traces.full, row, strict=True) if there]
        )
        for row in drawn
    ]
    error = np.std(depths) / len(depths) ** 0.5
    assert expected_depth(q[None], 2, traces.full)[0] == pytest.approx(
        np.mean(depths), abs=4 * error
    )
    assert expected_depth(np.ones((1, 14)), 2, traces.full)[0] == 4


def test_edges_are_what_the_distributions_say(traces):
    trace = traces.story(traces.inputs("dsnas", 3))
    cell = SupernetWiring(trace).cells[0]
    p = np.asarray(trace.cells[0].probabilities, dtype=float)
    for point, edge in product(range(0, 41, 7), range(5)):
        own = dict(zip(traces.operations, p[point, edge], strict=True))
        assert cell.q[point, edge] == pytest.approx(1 - own["none"])
        assert cell.entropy[point, edge] == pytest.approx(
            -sum(x * log(x) for x in own.values() if x)
        )
        assert traces.operations[cell.genotype[point, edge]] == max(
            own, key=own.__getitem__
        )
        assert cell.absent[point, edge] == (max(own, key=own.__getitem__) == "none")
    assert cell.edges.tolist() == [5 - int(row.sum()) for row in cell.absent]
    assert cell.expected_edges == pytest.approx(cell.q.sum(1))
    assert cell.width == pytest.approx(cell.q[:, :4].sum(1))
    assert cell.inputs.tolist() == [True] * 4 + [False]
    assert cell.depth is not None and cell.depth[-1] == pytest.approx(
        by_enumeration(2, MINIMAL, list(cell.q[-1]))
    )


def test_an_edge_that_may_not_be_none_is_there(traces):
    trace = traces.story(traces.inputs("dsnas", 0))
    cell = trace.info.cells[0]
    kept = cell.model_copy(
        update={"operations": [traces.operations[1:], *cell.operations[1:]]}
    )
    found = CellWiring(kept, trace.cells[0])
    assert found.nones == [None, 0, 0, 0, 0]
    assert (found.q[:, 0] == 1).all() and not found.absent[:, 0].any()


def test_a_cell_of_many_edges_has_no_depth(traces):
    edges = [(source, target) for target in range(2, 7) for source in range(target)]
    trace = traces.story(traces.inputs("dsnas", 0), [traces.cell(edges)], epochs=8)
    cell = SupernetWiring(trace).cells[0]
    assert cell.depth is None and len(cell.width) == 9


def slowly_settled(absent: list[bool]) -> list[tuple[int, bool]]:
    state, found = absent[0], []
    for point in range(len(absent)):
        coming = absent[point : point + SETTLED]
        if len(coming) == SETTLED and len(set(coming)) == 1 and coming[0] != state:
            state = coming[0]
            found.append((point, state))
    return found


@given(absent=st.lists(st.booleans(), min_size=1, max_size=12).flatmap(
    lambda spells: st.lists(st.integers(1, 7), min_size=len(spells), max_size=len(spells)).map(
        lambda lengths: [of for of, length in zip(spells, lengths, strict=True) for _ in range(length)])))  # fmt: skip
def test_changes_are_spells_that_last(absent):
    assert find_settled_changes(np.array(absent)) == slowly_settled(absent)


def test_changes_name_edge_and_epoch(traces):
    edges = [5, 5, 3, 3, 3, 3, 3, 4, 4, 5, 4, 4, 4]
    cell = SupernetWiring(traces.wired(edges, [0.1] * 12)).cells[0]
    assert cell.changes == [
        EdgeChange(3, 2, grown=False),
        EdgeChange(4, 2, grown=False),
        EdgeChange(3, 7, grown=True),
    ]


def test_losses_are_means_over_images(traces):
    trace = traces.make(
        traces.inputs("darts", 0),
        [np.full((5, 5, 8), 1 / 8)],
        np.arange(8.0).reshape(4, 2),
    )
    assert [
        mean_gap(trace, part, slice(1, 3)) for part in ("valid", "train")
    ] == pytest.approx([3, 4], abs=1e-5)
    for images in (WRONG, RIGHT, slice(None)):
        loss, entropy = loss_and_entropy(trace, "train", images)
        sums = trace.losses[:, 1, images].astype(float).reshape(4, -1, 3).sum(1)
        assert loss == pytest.approx(
            sums[:, 1] / sums[:, 0]
        ) and entropy == pytest.approx(sums[:, 2] / sums[:, 0])
    trace.losses[2, 1, RIGHT] = 0
    assert np.isnan(loss_and_entropy(trace, "train", RIGHT)[0]).tolist() == [
        False,
        False,
        True,
        False,
    ]
    assert np.isnan(mean_gap(trace, "train", slice(0, 0)))


def test_costs_are_means_over_draws_without_none(traces):
    trace = traces.story(traces.inputs("spos", 0))
    own, rng = trace.cells[0], np.random.default_rng(0)
    own.cost_counts[:] = rng.integers(0, 3, own.cost_counts.shape)
    own.cost_counts[:, 4] = 0
    own.cost_means[own.cost_counts == 0] = np.nan
    found = mean_costs(SupernetWiring(trace).cells[0], slice(30, 35))
    for edge in range(5):
        draws = [
            float(own.cost_means[epoch, edge, k])
            for epoch in range(30, 35)
            for k in range(1, 8)
            for _ in range(own.cost_counts[epoch, edge, k])
        ]
        assert found[edge] == pytest.approx(
            np.mean(draws) if draws else np.nan, rel=1e-6, nan_ok=True
        )
    assert np.isnan(found[4]) and not np.isnan(found[:4]).any()


def test_whether_alphas_move_is_seen(traces):
    assert SupernetWiring(traces.story(traces.inputs("dsnas", 0))).learns
    assert not SupernetWiring(traces.story(traces.inputs("spos", 0))).learns
