"""Magnitude against an argmax taken by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.networks import mixture_of
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.magnitude import Magnitude


class AlphaTask:
    """A task that has alphas and nothing else."""

    def __init__(self, space, alphas):
        self.space, self.alphas = space, tuple(map(torch.tensor, alphas))

    def mixture(self, decisions):
        assert decisions == self.space.undecided()
        return mixture_of(self.space, self.alphas, decisions)


def rows(count, width):
    # Few distinct values, so that there are ties.
    value = st.sampled_from([-1.0, 0.0, 1e-3, 2.0])
    return st.lists(st.lists(value, min_size=width, max_size=width), min_size=count, max_size=count)


@given(rows(3, 4), rows(2, 2))
def test_the_largest_alpha_of_every_edge_wins(toy, normal, reduction):
    """Ties go to the lower index; columns that an edge does not have never win."""
    selection = Magnitude().select(AlphaTask(toy, (normal, reduction)))
    for (cell, edge), count in toy.counts.items():
        alphas = (normal, reduction)[cell][edge][:count]
        assert selection.architecture.choices[cell][edge] == alphas.index(max(alphas))
    assert [(d.cell, d.edge) for d in selection.decisions] == list(toy.places)
    assert [d.step for d in selection.decisions] == [0, 1, 2, 3, 4]


@given(rows(3, 4), rows(2, 2))
def test_it_notes_the_softmax_of_every_operation(toy, normal, reduction):
    selection = Magnitude().select(AlphaTask(toy, (normal, reduction)))
    assert (selection.operation_scale.name, selection.operation_scale.better) == ("softmax(alpha)", "higher")
    noted = {(s.cell, s.edge, s.choice): s.value for s in selection.operation_scores}
    assert len(noted) == len(selection.operation_scores) == sum(toy.counts.values())
    for (cell, edge), count in toy.counts.items():
        alphas = torch.tensor((normal, reduction)[cell][edge][:count], dtype=torch.float64)
        wanted = (alphas.exp() / alphas.exp().sum()).tolist()
        assert [noted[cell, edge, k] for k in range(count)] == pytest.approx(wanted, abs=1e-6)


def test_none_may_win():
    space = get_space("nb201")
    alphas = torch.zeros(6, 5)
    alphas[:, 0] = 1
    selection = Magnitude().select(AlphaTask(space, [alphas.tolist()]))
    assert space.format(selection.architecture) == "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def test_an_alpha_that_is_nan_surfaces(toy):
    alphas = ([[0.0, float("nan"), 0.0, 0.0]] * 3, [[0.0, 0.0]] * 2)
    with pytest.raises(ValueError, match="NaN"):
        Magnitude().select(AlphaTask(toy, alphas))
