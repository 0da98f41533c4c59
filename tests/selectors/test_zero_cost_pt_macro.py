"""Zero-Cost-PT as released for NAS-Bench-Macro, against a slow search of lists of weights."""

import numpy as np
import pytest
import torch

from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.networks.network import scoring
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies.nwot import score
from archselect.selectors.zero_cost_pt import ZeroCostPT
from archselect.selectors.zero_cost_pt_macro import ZeroCostPTMacro

SPACE = get_space("nb-macro")
CPU = torch.device("cpu")
SMALL = {"iterations": 1, "batch_size": 8, "validation_batches": 1}


@pytest.fixture(scope="module")
def made():
    """The images, the recipe, its inputs and a supernet without a preference of alphas."""
    images = Images(load_images("digits"), CPU, split="first", limit=32)
    how = Recipe.model_validate({"recipe": "untrained", "alpha_scale": 0})
    inputs = how.inputs("nb-macro", {"channels": 2})
    return images, how, inputs, make_supernet(how, SPACE, inputs, images, seed=0)


@pytest.fixture
def task(made):
    images, how, inputs, supernet = made
    return SupernetTask(SPACE, how, inputs, supernet, images, PhaseClock(CPU), 0, 0)


def drawn_order(selection):
    return [decision.cell for decision in selection.decisions if decision.round == 0]


def slowly(made, order, batches):
    """The released loop: a list of three weights for each layer, written to in place."""
    images, how, inputs, supernet = made
    net = SupernetTask(
        SPACE, how, inputs, supernet, images, PhaseClock(CPU), 0, 0
    ).supernet
    weights = np.full((8, 3), 1 / 3)
    text = ""
    for layer, batch in zip(order, batches, strict=True):
        scores = []
        for choice in range(3):
            masked = weights.copy()
            masked[layer] = 1 / 3
            masked[layer, choice] = 0
            tables = tuple(
                torch.tensor(row[None], dtype=torch.float32) for row in masked
            )
            support = tuple((tuple(bool(w) for w in row),) for row in masked)
            mixture = Mixture(tables, support)
            with scoring(net, "running"):
                scores.append(
                    score(net, lambda x, m=mixture: net(x, m), batch.images, None)
                )
        best = int(np.nanargmin(scores))
        text += str(best)
        weights[layer, best] = 1
    return text


def test_it_selects_what_the_released_loop_writes_down(made, task, monkeypatch):
    batches = []
    draw = task.minibatch

    def noted(size):
        batches.append(draw(size))
        return batches[-1]

    monkeypatch.setattr(task, "minibatch", noted)
    selection = ZeroCostPTMacro(**SMALL).select(task)
    order = drawn_order(selection)
    assert sorted(order) == list(range(8))
    text = slowly(made, order, batches[:8])
    assert SPACE.format(selection.architecture) == text


def test_set_right_it_is_zero_cost_pt(made, task):
    images, how, inputs, supernet = made
    again = SupernetTask(SPACE, how, inputs, supernet, images, PhaseClock(CPU), 0, 0)
    right = ZeroCostPTMacro(losers="removed", written="placed", **SMALL).select(task)
    usual = ZeroCostPT(**SMALL).select(again)
    assert right == usual


def test_what_is_written_as_drawn_is_read_as_layers(task):
    """With the operations that were decided on, in another order."""
    selection = ZeroCostPTMacro(losers="removed", proxy="l2_norm", **SMALL).select(task)
    in_order = [decision.choice for decision in selection.decisions]
    assert [row[0] for row in selection.architecture.choices] == in_order


def test_a_raised_weight_leaves_the_others(task):
    mixture = task.mixture(SPACE.undecided())
    raised = mixture.raised(3, 0, 1)
    assert raised.weights[3][0].tolist() == pytest.approx([1 / 3, 1, 1 / 3])
    for cell in range(8):
        if cell != 3:
            assert torch.equal(raised.weights[cell], mixture.weights[cell])
    assert raised.support == mixture.support
