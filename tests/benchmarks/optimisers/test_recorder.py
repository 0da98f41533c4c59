"""What a trace keeps: it changes no training, and its numbers are those of a slow loop."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.dsnas import Dsnas
from archselect.benchmarks.optimisers.recorder import Recorder
from archselect.benchmarks.optimisers.registry import OPTIMISERS
from archselect.benchmarks.optimisers.spos import Spos
from archselect.benchmarks.store.traces import COUNT, ENTROPY, LOSS, RIGHT, WRONG
from archselect.nasbench_adapters.networks import Mixture, mixture_of
from archselect.nasbench_adapters.networks.network import CellModule

SMALL = {"pc-darts": {"channel_divisor": 2, "warmup_epochs": 0}}
KINDS = [
    *(
        kind(batch_size=8, epochs=1, **SMALL.get(name, {}))
        for name, kind in OPTIMISERS.items()
        if kind.trains
    ),
    Darts(level="single", batch_size=8),
    Darts(order=2, batch_size=8),
    Darts(level="single", order=2, batch_size=8),
]


def recorded(trainer):
    trainer.recorder = Recorder(trainer)
    return trainer.recorder


@pytest.mark.parametrize(
    ("optimiser", "space"),
    [
        *((kind, "nb201") for kind in KINDS),
        (Darts(batch_size=8), "s3"),
        (Dsnas(batch_size=8), "s3"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_training_that_is_traced_is_the_same_bit_by_bit(
    new_trainer, optimiser, space
):
    plain, traced = (new_trainer(optimiser, space) for _ in range(2))
    recorder = recorded(traced)
    recorder.keep_probabilities(traced.alphas)
    recorder.probe(traced, seed=5)
    for trainer in (plain, traced):
        trainer.epoch(trainer.space.undecided(), progress=0.0)
    recorder.probe(traced, seed=5)
    for name, value in plain.supernet.state_dict().items():
        assert torch.equal(value, traced.supernet.state_dict()[name]), name
    assert all(map(torch.equal, plain.alphas, traced.alphas))
    assert torch.equal(plain.generator.get_state(), traced.generator.get_state())


def slow_costs(trainer, batch, mixture):
    """⟨∂L/∂x_target, O(x_source)⟩ for every layer, edge and operation, and the logits, from the modules themselves."""
    inputs, outputs = {}, {}
    hooks = [
        layer.register_forward_hook(lambda m, args, out: inputs.update({m: args[0]}))
        for layer in trainer.supernet.layers
        if isinstance(layer, CellModule)
    ]
    for layer in trainer.supernet.layers:
        if isinstance(layer, CellModule):
            for operation in layer.operations:
                key = (layer, operation.edge, operation.choice)
                hook = lambda m, args, out, key=key: outputs.update({key: out})  # noqa: E731
                hooks.append(operation.module.register_forward_hook(hook))
    leaf = mixture.spread(trainer.layers).leaf()
    logits = trainer.supernet(batch.images, leaf)
    F.cross_entropy(logits, batch.labels).backward()
    for hook in hooks:
        hook.remove()
    return [rows.grad for rows in leaf.weights], logits.detach()


def test_costs_and_losses_are_those_of_a_slow_loop(new_trainer):
    """Of every step: losses by part and image, costs by layer; then sums, means and variances in plain Python."""
    trainer = new_trainer(Darts(batch_size=8, augment=False), dtype=torch.float64)
    recorder, steps = recorded(trainer), []
    twin = new_trainer(Darts(batch_size=8, augment=False), dtype=torch.float64)
    loss = trainer.loss

    def watched(batch, mixture, *args, **kwargs):
        batch = batch._replace(images=batch.images.double())
        twin.supernet.load_state_dict(trainer.supernet.state_dict())
        twin.supernet.train()
        steps.append(
            (
                batch,
                *slow_costs(
                    twin, batch, Mixture(mixture.weights, mixture.support).leaf()
                ),
            )
        )
        return loss(batch, mixture, *args, **kwargs)

    trainer.loss = watched
    recorder.keep_probabilities(trainer.alphas)
    before = torch.softmax(trainer.alphas[0].detach(), 1)
    weights = []
    mixture = trainer.mixture

    def kept(*args):
        weights.append(torch.softmax(trainer.alphas[0].detach(), 1))
        return mixture(*args)

    trainer.mixture = kept
    trainer.epoch(trainer.space.undecided(), progress=0.0)
    recorder.probe(new_trainer(Darts(batch_size=8)), seed=0)
    recorder.probe(new_trainer(Darts(batch_size=8)), seed=0)
    found = {
        name: np.stack([v.numpy() for v in values])
        for name, values in recorder._history.items()
    }
    searched = [(b, costs) for b, (costs,), _ in steps if b.part == "valid"]
    assert len(searched) == 3 and len(steps) == 6
    total = np.array([costs.sum(0).numpy() for _, costs in searched])
    assert np.allclose(found["cost_means_0"][0], total.mean(0), rtol=1e-5, atol=1e-7)
    assert np.allclose(found["cost_variances_0"][0], total.var(0), rtol=1e-4, atol=1e-9)
    assert (found["cost_counts_0"] == 3).all() and found[
        "cost_counts_0"
    ].dtype == np.int32
    edges = np.array(
        [
            (costs * w).sum(-1).numpy()
            for (_, costs), w in zip(searched, weights[::2], strict=True)
        ]
    )
    assert np.allclose(found["edge_costs_0"][0], edges.mean(0), rtol=1e-4, atol=1e-7)
    assert np.allclose(found["probabilities_0"][0], before, rtol=1e-6)
    assert np.allclose(
        found["probabilities_0"][1],
        torch.softmax(trainer.alphas[0].detach(), 1),
        rtol=1e-6,
    )
    for place, part in enumerate(("valid", "train")):
        sums = np.zeros((2, 3))
        for batch, _, logits in steps:
            if batch.part == part:
                for row, label in zip(
                    torch.softmax(logits, 1).tolist(),
                    batch.labels.tolist(),
                    strict=True,
                ):
                    side = RIGHT if max(row) == row[label] else WRONG
                    sums[side, COUNT] += 1
                    sums[side, LOSS] -= np.log(row[label])
                    sums[side, ENTROPY] -= sum(p * np.log(p) for p in row)
        assert np.allclose(found["losses"][0, place], sums, rtol=1e-5)


def test_of_what_was_not_drawn_no_cost_is_known(new_trainer):
    trainer = new_trainer(Spos(batch_size=28, augment=False))
    recorder = recorded(trainer)
    trainer.epoch(trainer.space.undecided(), progress=0.0)
    counts, means = (
        recorder._history[f"cost_{name}_0"][0] for name in ("counts", "means")
    )
    assert counts.sum(1).tolist() == [2] * 6  # 56 images in two batches
    assert torch.equal(means.isnan(), counts == 0)
    assert not means[:, 0].nan_to_num().any()  # none costs nothing


def test_a_probe_draws_uniformly_and_leaves_nothing_behind(new_trainer):
    trainer = new_trainer(Dsnas(batch_size=8), scale=20.0)
    trainer.supernet.eval()
    recorder, before = (
        recorded(trainer),
        {n: v.clone() for n, v in trainer.supernet.state_dict().items()},
    )
    recorder.probe(trainer, seed=1)
    recorder.probe(trainer, seed=1)
    (first, second) = recorder._history["probe_counts_0"]
    assert torch.equal(first, second) and first.sum(1).tolist() == [7] * 6
    assert len({tuple(row) for row in first.tolist()}) > 1
    assert all(
        torch.equal(value, before[name])
        for name, value in trainer.supernet.state_dict().items()
    )
    assert not trainer.supernet.training and all(
        p.grad is None for p in trainer.supernet.parameters()
    )
    layers, means = (
        recorder._history[f"probe_{name}_0"][0] for name in ("layers", "means")
    )
    assert torch.allclose(layers.sum(0), means, atol=1e-6, equal_nan=True)


def test_it_goes_on_from_a_state(new_trainer):
    whole = new_trainer(Dsnas(batch_size=8))
    recorder = recorded(whole)
    recorder.keep_probabilities(whole.alphas)
    recorder.probe(whole, seed=0)
    whole.epoch(whole.space.undecided(), progress=0.0)
    halves = new_trainer(Dsnas(batch_size=8))
    halves.load_state(whole.state())
    other = recorded(halves)
    other.load_state(recorder.state(), epochs=1)
    for spoiled in (
        {},
        recorder.state() | {"losses": torch.zeros(2, 1, 2, 3)},
        recorder.state() | {"x": torch.ones(1)},
    ):
        with pytest.raises(ValueError, match="its trace has another shape"):
            recorded(halves).load_state(spoiled, epochs=1)
    halves.recorder = other
    for trainer in (whole, halves):
        trainer.epoch(trainer.space.undecided(), progress=0.5)
    one, two = recorder.state(), other.state()
    assert one.keys() == two.keys() and one["probabilities_0"].shape == (3, 6, 5)
    assert all(
        torch.equal(one[name].nan_to_num(7), two[name].nan_to_num(7)) for name in one
    )


def test_probabilities_are_zero_where_an_edge_allows_less(new_trainer):
    trainer = new_trainer(Darts(), "s1")
    recorder = recorded(trainer)
    recorder.keep_probabilities(trainer.alphas)
    for c, rows in enumerate(mixture_of(trainer.space, trainer.alphas).weights):
        assert torch.equal(recorder._history[f"probabilities_{c}"][0], rows.detach())
