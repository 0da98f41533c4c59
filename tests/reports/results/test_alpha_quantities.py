"""Distances, entropies and live operations, against the rule in torch and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.discrete import strongest
from archselect.nasbench_adapters.spaces import get_space
from archselect.reports.results.alpha_quantities import (
    CellAlphas,
    discrete_tables,
    supernet_alphas,
)

SPACES = ["nb201", "darts", "darts-none", "s2", "minimal"]


def tables_of(space, rng, decimals):
    """Random weights (3, edges, operations) per cell type; few decimals make ties."""
    tables = []
    for cell in space.cells:
        shape = (3, len(cell.edges), max(map(len, cell.operations)))
        table = np.round(rng.random(shape), decimals)
        for edge, names in enumerate(cell.operations):
            table[:, edge, len(names) :] = 0
        tables.append(table)
    return tables


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_the_discrete_table_is_that_of_the_optimisers(name, decimals):
    space = get_space(name)
    tables = tables_of(space, np.random.default_rng(7), decimals)
    for point in range(3):
        expected = strongest(
            space, [torch.from_numpy(table[point]) for table in tables]
        )
        for cell, table, of_cell in zip(space.cells, tables, expected, strict=True):
            found = discrete_tables(cell, table)[point]
            assert np.array_equal(found, of_cell.numpy())


def test_a_uniform_table_is_as_far_as_the_formula_says():
    """The square is 6 (1 - 1/5) on nb201, and 8 (1 - 1/8) + 6/8 on the DARTS space."""
    cell = get_space("nb201").cells[0]
    uniform = CellAlphas(cell, np.full((1, 6, 5), 1 / 5))
    assert uniform.distance == pytest.approx([np.sqrt(6 * 4 / 5)])
    assert uniform.entropies == pytest.approx(np.full((1, 6), np.log(5)))
    assert uniform.live.tolist() == [30]
    cell = get_space("darts-none").cells[0]
    uniform = CellAlphas(cell, np.full((1, 14, 8), 1 / 8))
    assert uniform.distance == pytest.approx([np.sqrt(7.75)])


def test_an_edge_whose_operations_all_died_reads_none_and_has_no_entropy():
    cell = get_space("nb201").cells[0]
    table = np.zeros((1, 6, 5))
    table[0, 1:, 3] = 0.5
    alphas = CellAlphas(cell, table)
    assert alphas.live.tolist() == [5]
    assert alphas.entropies.tolist() == [[0.0] * 6]
    assert alphas.discrete[0, 0].tolist() == [1, 0, 0, 0, 0]
    assert alphas.distance == pytest.approx([np.sqrt(1 + 5 * 0.25)])


def test_a_trace_of_other_cells_is_refused(traces):
    trace = traces.story(traces.inputs("darts", 0, level="bi"), [traces.cell(name="a")])
    other = trace.info.model_copy(update={"space": "nb201"})
    changed = type(trace)(other, trace.losses, trace.alpha_step_counts, trace.cells)
    with pytest.raises(UserError, match=r"differ from those of space nb201"):
        supernet_alphas(changed)
