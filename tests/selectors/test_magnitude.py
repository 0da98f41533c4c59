"""Magnitude against an argmax taken by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.networks import mixture_of
from archselect.nasbench_adapters.space import DROPPED, Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.base import Task
from archselect.selectors.magnitude import Magnitude


class AlphaTask:
    """A task that has alphas and nothing else."""

    def __init__(self, space, alphas):
        self.space, self.alphas = space, tuple(map(torch.tensor, alphas))

    search = Task.search
    activation = Task.activation

    def mixture(self, decisions, alphas=None):
        assert decisions == self.space.undecided()
        return mixture_of(self.space, self.alphas, decisions)


def rows(count, width):
    # Few distinct values, so that there are ties.
    value = st.sampled_from([-1.0, 0.0, 1e-3, 2.0])
    return st.lists(
        st.lists(value, min_size=width, max_size=width), min_size=count, max_size=count
    )


def by_hand(space, alphas):
    """Where all inputs are kept every edge's argmax; else the k inputs whose largest alpha but `none` is largest.

    softmax(alpha) orders operations as alpha does, and edges by their largest weight.
    On ties the first.
    """
    choices = []
    for cell, rows in zip(space.cells, alphas, strict=True):
        pairs = zip(rows, cell.operations, strict=True)
        weights = [
            torch.tensor(row[: len(names)]).softmax(0).tolist() for row, names in pairs
        ]
        chosen = [row.index(max(row)) for row in weights]
        for node in range(cell.nodes):
            edges = [e for e, (_, target) in enumerate(cell.edges) if target == node]
            if cell.kept and cell.kept[node] is not None:
                for e in edges:
                    named = zip(cell.operations[e], weights[e], strict=True)
                    weights[e] = [
                        -1.0 if name == "none" else weight for name, weight in named
                    ]
                    chosen[e] = weights[e].index(max(weights[e]))
                for e in sorted(edges, key=lambda e: -max(weights[e]))[
                    cell.kept[node] :
                ]:
                    chosen[e] = None
        choices.append(tuple(chosen))
    return Architecture(tuple(choices))


@given(rows(3, 3), rows(6, 4))
def test_the_largest_alpha_of_every_edge_wins(toy, normal, reduction):
    """Ties go to the lower index; columns that an edge does not have never win."""
    selection = Magnitude().select(AlphaTask(toy, (normal, reduction)))
    assert selection.architecture == by_hand(toy, (normal, reduction))
    kept = [d for d in selection.decisions if d.choice != DROPPED]
    assert [toy.edges[d.cell][d.edge] for d in kept] == toy.open_edges(toy.undecided())
    assert (
        {d.step for d in selection.decisions}
        == {score.step for score in selection.operation_scores}
        == {0}
    )
    # Every edge was decided before the ones too many were dropped.
    dropped = selection.decisions[len(kept) :]
    assert all(d.choice == DROPPED and d.cell == 1 for d in dropped)
    assert {d.edge for d in dropped} == {
        e for e, k in enumerate(selection.architecture.choices[1]) if k is None
    }


def genotype_of(weights, names):
    """The entries of one cell by the rule of the released `genotype()`: (operation, source), strongest input first.

    Of each node the two inputs with the largest weight of an operation other than
    `none`, and on each its largest.
    """
    entries, start = [], 0
    for node in (2, 3, 4, 5):
        best = {}
        for source in range(node):
            pairs = zip(weights[start + source], names[start + source], strict=True)
            alive = [(weight, name) for weight, name in pairs if name != "none"]
            best[source] = max(alive, key=lambda pair: pair[0])  # the first of equals
        strongest = sorted(
            best, key=lambda source: -best[source][0]
        )  # the first of equals
        entries += [(best[source][1], source) for source in strongest[:2]]
        start += node
    return entries


@pytest.mark.parametrize("name", ["darts", "darts-none", "s1", "s2", "s3", "s4"])
@settings(max_examples=15)
@given(data=st.data(), seed=st.integers(0, 10_000), tied=st.booleans())
def test_on_darts_it_is_the_released_genotypes_rule(name, data, seed, tied):
    space = get_space(name)
    width = len(space.cells[0].operations[0])
    generator = torch.Generator().manual_seed(seed)
    alphas = [torch.randn(14, width, generator=generator) for _ in space.cells]
    if tied:
        alphas = [alpha.round() for alpha in alphas]
    selection = Magnitude().select(
        AlphaTask(space, [alpha.tolist() for alpha in alphas])
    )
    normal, reduce = (
        genotype_of(alpha.softmax(-1).tolist(), cell.operations)
        for alpha, cell in zip(alphas, space.cells, strict=True)
    )
    text = f"Genotype(normal={normal}, normal_concat=range(2, 6), reduce={reduce}, reduce_concat=range(2, 6))"
    assert selection.architecture == space.parse(text)


@given(rows(3, 3), rows(6, 4))
def test_it_notes_the_softmax_of_every_operation(toy, normal, reduction):
    selection = Magnitude().select(AlphaTask(toy, (normal, reduction)))
    assert (selection.operation_scale.name, selection.operation_scale.better) == (
        "softmax(alpha)",
        "higher",
    )
    noted = {(s.cell, s.edge, s.choice): s.value for s in selection.operation_scores}
    counts = {
        (c, e): len(names)
        for c, cell in enumerate(toy.cells)
        for e, names in enumerate(cell.operations)
    }
    assert len(noted) == len(selection.operation_scores) == sum(counts.values())
    for (cell, edge), count in counts.items():
        alphas = torch.tensor(
            (normal, reduction)[cell][edge][:count], dtype=torch.float64
        )
        wanted = (alphas.exp() / alphas.exp().sum()).tolist()
        assert [noted[cell, edge, k] for k in range(count)] == pytest.approx(
            wanted, abs=1e-6
        )


def test_scores_are_called_by_the_activation_of_the_task(toy):
    task = AlphaTask(toy, ([[0.0] * 3] * 3, [[0.0] * 4] * 6))
    task.activation = "crb"
    assert Magnitude().select(task).operation_scale.name == "crb(alpha)"


def test_none_may_win():
    space = get_space("nb201")
    alphas = torch.zeros(6, 5)
    alphas[:, 0] = 1
    selection = Magnitude().select(AlphaTask(space, [alphas.tolist()]))
    assert (
        space.format(selection.architecture)
        == "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    )


def test_an_alpha_that_is_nan_surfaces(toy):
    alphas = ([[0.0, float("nan"), 0.0]] * 3, [[0.0] * 4] * 6)
    with pytest.raises(ValueError, match="not finite"):
        Magnitude().select(AlphaTask(toy, alphas))
