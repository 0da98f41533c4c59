"""The gradient of the alphas against the formula written entry by entry, and the draw."""

import pytest
import torch

from archselect.benchmarks.optimisers.dsnas import Dsnas
from archselect.nasbench_adapters.networks import Mixture


def stepped(trainer, batch):
    """What a step's gradient of the alphas was made of: (soft, drawn, costs, gradient), and the alphas before it."""
    seen = {}
    surrogate = trainer.optimiser.surrogate

    def watched(soft, drawn, costs):
        seen.update(soft=soft, drawn=drawn, costs=costs)
        return surrogate(soft, drawn, costs)

    object.__setattr__(trainer.optimiser, "surrogate", watched)
    before = trainer.alphas[0].detach().clone()
    trainer.optimiser.step(trainer, batch)
    return seen["soft"], seen["drawn"], seen["costs"], trainer.alphas[0].grad, before


@pytest.mark.parametrize("as_released", [False, True])
@pytest.mark.parametrize("clamp", [5.0, 1e-3])
def test_on_every_edge_it_is_the_clamped_cost_times_what_was_drawn_less_what_was_likely(
    new_trainer, batch, as_released, clamp
):
    optimiser = Dsnas(as_released=as_released, clamp=clamp, alpha_grad_clip=0)
    trainer = new_trainer(optimiser, dtype=torch.float64)
    _, drawn, costs, gradient, alphas = stepped(trainer, batch("all", torch.float64))
    (z,), (c,) = drawn.weights, costs
    p = torch.softmax(alphas, 1)
    likely = [float(p[e][z[e] == 1]) for e in range(6)]
    for e in range(6):
        reward = max(-clamp, min(clamp, float(c[e][z[e] == 1])))
        share = likely[e] / sum(likely) if as_released else 1.0
        assert torch.allclose(
            gradient[e], share * reward * (z[e] - p[e]).detach(), rtol=1e-9
        )
    assert clamp == 5.0 or float((c * z.detach()).sum(1).abs().max()) > clamp


def test_the_cost_is_the_losss_derivative(new_trainer, batch):
    """By difference: a little more of the drawn operation on one edge."""
    trainer, data = (
        new_trainer(Dsnas(), dtype=torch.float64),
        batch("all", torch.float64),
    )
    copy = new_trainer(Dsnas(), dtype=torch.float64)
    _, drawn, (costs,), _, _ = stepped(trainer, data)
    (z,) = drawn.weights
    copy.supernet.train()
    for e in range(6):
        moved = []
        for step in (1e-6, -1e-6):
            weights = z.detach().clone()
            weights[e] += step * z[e].detach()
            moved.append(
                float(copy.loss(data, Mixture((weights,), drawn.support)).detach())
            )
        assert (moved[0] - moved[1]) / 2e-6 == pytest.approx(
            float((costs * z)[e].sum()), abs=1e-6
        )


def test_only_what_is_drawn_goes_forward_and_is_trained(new_trainer, batch):
    trainer = new_trainer(Dsnas())
    _, drawn, _, _, _ = stepped(trainer, batch("all"))
    (z,) = drawn.weights
    assert torch.equal(z.sum(1), torch.ones(6)) and torch.equal(
        z.detach() != 0, torch.tensor(drawn.support[0])
    )
    names = trainer.space.cells[0].operations[0]
    for name, weight in trainer.supernet.named_parameters():
        if ".edges." in name:
            edge, operation = name.split(".edges.")[1].split(".")[:2]
            assert (weight.grad is not None) == bool(
                z[int(edge), names.index(operation)]
            ), name


def test_where_nothing_goes_forward_the_alphas_have_no_gradient(new_trainer, batch):
    """All none is absorbing."""
    trainer = new_trainer(Dsnas(alpha_weight_decay=0))
    with torch.no_grad():
        trainer.alphas[0][:, 0] = 100
    _, _, (costs,), gradient, _ = stepped(trainer, batch("all"))
    assert not costs.any() and not gradient.any()


def test_decided_edges_stay_and_the_others_are_drawn(new_trainer, batch):
    trainer = new_trainer(Dsnas())
    trainer.decisions = trainer.space.undecided().decide(0, 0, 3).decide(0, 4, -2)
    for _ in range(5):
        _, drawn, _, gradient, _ = stepped(trainer, batch("all"))
        assert (
            drawn.weights[0][0].tolist() == [0, 0, 0, 1, 0]
            and not drawn.weights[0][4].any()
        )
        assert not gradient[[0, 4]].any()


def test_initial_alphas_are_near_one(new_trainer):
    space = new_trainer(Dsnas()).space
    (alphas,) = Dsnas().new_alphas(
        space, torch.Generator().manual_seed(0), torch.device("cpu")
    )
    assert float((alphas - 1).abs().max()) < 0.05 and float(
        (alphas - 1).std()
    ) == pytest.approx(0.01, rel=0.5)
