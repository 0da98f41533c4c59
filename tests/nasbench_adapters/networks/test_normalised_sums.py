"""Supernets whose sums are normalised: slow, fused and folded paths agree, dead or not."""

import pytest
import torch
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import (
    FoldedSupernet,
    FusedSupernet,
    Supernet,
    mixture_of,
    new_alphas,
    scoring,
)
from archselect.nasbench_adapters.networks.activation import ClippedAlphas
from archselect.nasbench_adapters.spaces import get_space

CPU = torch.device("cpu")
CRB = ClippedAlphas()
SKELETONS = {
    "nb201": {"channels": 3, "cells": 1},
    "darts": {"channels": 2, "layers": 3},
    "nb1shot1-1": {"channels": 4, "cells": 1},
}


@pytest.fixture(params=SKELETONS)
def supernet(request, stirred):
    """A stirred one, in float64."""
    space = get_space(request.param)
    skeleton = space.skeleton(**SKELETONS[space.name])
    return stirred(Supernet(space, skeleton, 3, 4, 0, normalised_sums=True))


def all_alphas(space):
    """Alphas of crb: all alive, half dead, a node without inputs, and all dead."""
    generator = torch.Generator().manual_seed(3)
    alive = [alpha.double() for alpha in CRB.new_alphas(space, generator, CPU, 0.05)]
    half = []
    for alpha in alive:
        dies = torch.rand(alpha.shape, generator=generator) < 0.5
        half.append(alpha.masked_fill(dies, 0))
    no_node = [alpha.clone() for alpha in alive]
    for cell, alpha in zip(space.cells, no_node, strict=True):
        for edge, (_, target) in enumerate(cell.edges):
            if target == cell.inputs:
                alpha[edge] = 0
    all_dead = [torch.zeros_like(alpha) for alpha in alive]
    return [alive, half, no_node, all_dead]


def crb(space, alphas):
    return mixture_of(space, alphas, None, CRB)


def test_each_node_but_the_inputs_has_a_norm(supernet):
    for _, module in supernet.cells():
        for node in range(module.cell.nodes):
            is_input = node < module.cell.inputs
            assert (module.sum_norm(node) is None) == is_input


def test_a_supernet_without_them_has_none():
    space = get_space("nb201")
    supernet = Supernet(space, space.skeleton(channels=3, cells=1), 3, 4, 0)
    assert not any("sum_norms" in name for name in supernet.state_dict())


def test_they_draw_no_other_weights(supernet):
    space = supernet.space
    skeleton = space.skeleton(**SKELETONS[space.name])
    plain = dict(Supernet(space, skeleton, 3, 4, 7).named_parameters())
    normalised = Supernet(space, skeleton, 3, 4, 7, normalised_sums=True)
    for name, value in normalised.named_parameters():
        assert torch.equal(value, plain[name])


def feeds(cell, support, node):
    """Whether anything enters the node."""
    edges = [edge for edge, (_, target) in enumerate(cell.edges) if target == node]
    return any(any(support[edge]) for edge in edges)


def test_sums_are_normalised_and_dead_nodes_are_zero(supernet, images):
    """In training mode a node's features have mean 0 and variance 1 by channel."""
    outputs = {}
    for place, (_, module) in enumerate(supernet.cells()):
        module.register_forward_hook(
            lambda _module, _inputs, out, place=place: outputs.update({place: out})
        )
    supernet.train()
    fed = []
    for alphas in all_alphas(supernet.space):
        mixture = crb(supernet.space, alphas)
        with torch.no_grad():
            assert supernet(images(3), mixture).isfinite().all()
        for place, (cell_type, module) in enumerate(supernet.cells()):
            nodes = module.cell.output
            for node, x in zip(nodes, outputs[place].chunk(len(nodes), 1), strict=True):
                if node < module.cell.inputs:
                    continue
                fed.append(feeds(module.cell, mixture.support[cell_type], node))
                if not fed[-1]:
                    assert not x.any()
                    continue
                means = x.mean((0, 2, 3))
                zeros = torch.zeros_like(means)
                torch.testing.assert_close(means, zeros, atol=1e-8, rtol=0)
                # Features that are the same everywhere stay so.
                assert (x.var((0, 2, 3), unbiased=False) < 1 + 1e-6).all()
    assert any(fed) and not all(fed)


def gradients(run, supernet, alphas, images):
    leaves = [alpha.clone().requires_grad_() for alpha in alphas]
    logits = run(images, crb(supernet.space, leaves))
    loss = F.cross_entropy(logits, torch.tensor([0, 1, 2]))
    leaves = [*supernet.parameters(), *leaves]
    found = torch.autograd.grad(loss, leaves, materialize_grads=True)
    buffers = [buffer.clone() for buffer in supernet.buffers()]
    return [logits.detach(), *found, *buffers]


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_fused_supernet_is_the_slow_one(supernet, images, mode):
    state = {name: value.clone() for name, value in supernet.state_dict().items()}
    for alphas in all_alphas(supernet.space):
        results = []
        for run in (supernet, FusedSupernet(supernet, always=True)):
            supernet.load_state_dict(state)
            supernet.train(mode == "train")
            results.append(gradients(run, supernet, alphas, images(3)))
        for slow, fused in zip(*results, strict=True):
            assert slow.isfinite().all()
            torch.testing.assert_close(fused, slow, rtol=1e-7, atol=1e-9)


def test_the_folded_supernet_is_the_slow_one(supernet, images):
    supernet.eval()
    folded = FoldedSupernet(supernet)
    for norm in ("running", "batch"):
        for alphas in all_alphas(supernet.space):
            mixture = crb(supernet.space, alphas)
            with scoring(supernet, norm), torch.no_grad():
                slow = supernet(images(3), mixture)
                if norm == "running":
                    found = folded(images(3), mixture)
                else:
                    found = FusedSupernet(supernet, always=True)(images(3), mixture)
            torch.testing.assert_close(found, slow, rtol=1e-9, atol=1e-9)


def test_candidates_together_are_the_candidates_one_by_one(supernet, images):
    """Also where a candidate takes a node's last operation away."""
    supernet.eval()
    space = supernet.space
    folded = FoldedSupernet(supernet)
    together = []
    for alphas in all_alphas(space):
        lone = [alpha.clone() for alpha in alphas]
        lone[0][0] = 0
        lone[0][0, 1] = 0.5
        mixture = crb(space, lone)
        for edge in (0, 1):
            count = len(space.cells[0].operations[edge])
            for change in (mixture.without, mixture.fixed):
                tried = [change(0, edge, place) for place in range(count)]
                together.append(folded.run_together(tried))
                if not together[-1]:
                    continue
                with scoring(supernet, "running"), torch.no_grad():
                    found = folded.candidates(images(3), tried)
                    slow = torch.stack([supernet(images(3), one) for one in tried])
                torch.testing.assert_close(found, slow, rtol=1e-9, atol=1e-9)
    assert not all(together)
    # Some cells of NAS-Bench-1Shot1 are not folded, whatever the mixtures.
    assert any(together) or space.name == "nb1shot1-1"


def test_alphas_of_the_softmax_go_with_them(supernet, images):
    """A supernet with normalised sums takes any mixture."""
    alphas = new_alphas(supernet.space, torch.Generator().manual_seed(0), CPU)
    mixture = mixture_of(supernet.space, [alpha.double() for alpha in alphas])
    with torch.no_grad():
        assert supernet.train()(images(3), mixture).isfinite().all()
