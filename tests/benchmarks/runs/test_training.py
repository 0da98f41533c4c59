"""Final training against a naive loop; interrupted and resumed; seeds, paths, precision, counts; bad checkpoints."""

import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.quick_trainings import CELL, CPU, QUICK, made_training, quick_training
from torch.nn import functional as F

from archselect.benchmarks.plan.jobs import (
    TrainingPlan,
    describe_training_data,
    load_training_dataset,
)
from archselect.benchmarks.plan.protocols import resolve_protocol
from archselect.benchmarks.runs import training
from archselect.benchmarks.runs.training import (
    NetworkTrainer,
    new_network,
    train_network,
)
from archselect.benchmarks.runtime.tensor_files import load_tensors
from archselect.benchmarks.store.facts import read_fact, write_fact
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.dataset import make_dataset
from archselect.nasbench_adapters.images.streamed import training_images
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.spaces import get_space

SKIPS = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
DARTS_V2 = (  # Liu et al., ICLR 2019
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
POOL_FREE = DARTS_V2.replace("max_pool_3x3", "dil_conv_5x5")
"""A pooling is computed once for all edges that leave a node, so that hooks on it do
not see every edge.
"""


def trained(case, path, **options):
    return train_network(case.job, case.images, path, **options)


def weights(path):
    return load_tensors(path)["weights"]


def equal(a, b):
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The quick training, run through."""
    path = tmp_path_factory.mktemp("undisturbed") / "x.pt"
    return SimpleNamespace(
        record=trained(quick_training(), path), weights=weights(path)
    )


def droppable(network):
    """The operations that are no identities, layer by layer and edge by edge."""
    edges = [edge for layer in network.layers for edge in getattr(layer, "edges", [])]
    return [
        operation
        for edge in edges
        for operation in edge.values()
        if not isinstance(operation, torch.nn.Identity)
    ]


def naive(case):
    """SGD by hand, paths dropped by hooks on the operations: per epoch the mean loss, and the network."""
    settings, seed = case.job.settings, case.job.inputs.seed
    network = new_network(
        case.job, case.images.dataset.channels, case.images.dataset.classes
    )
    factors = {}
    for operation in droppable(network):
        operation.register_forward_hook(
            lambda module, x, y: y * factors[module] if factors else y
        )
    parameters = list(network.parameters())
    momenta = [None] * len(parameters)
    losses = []
    for epoch in range(settings.epochs):
        rate = (
            settings.learning_rate * (1 + np.cos(np.pi * epoch / settings.epochs)) / 2
        )
        drop = settings.drop_path * epoch / settings.epochs
        batches = torch.Generator().manual_seed(
            stream_seed("training batches", seed, epoch)
        )
        masks = torch.Generator().manual_seed(
            stream_seed("training paths", seed, epoch)
        )
        network.train()
        total = 0.0
        for x, y in case.images.epoch(
            "all", settings.batch_size, batches, True, cutout=settings.cutout
        ):
            kept = torch.empty(len(droppable(network)), len(y)).bernoulli_(
                1 - drop, generator=masks
            )
            if drop:
                rows = kept.reshape(len(kept), -1, 1, 1, 1) / (1 - drop)
                factors = dict(zip(droppable(network), rows, strict=True))
            logits, auxiliary = network.training_logits(x)
            heads = [(1.0, logits)] + (
                [] if auxiliary is None else [(settings.auxiliary_weight, auxiliary)]
            )
            loss = 0
            for weight, head in heads:
                smooth = settings.label_smoothing
                target = (1 - smooth) * F.one_hot(
                    y, head.shape[1]
                ) + smooth / head.shape[1]
                loss = loss - weight * (target * head.log_softmax(1)).sum(1).mean()
            gradients = torch.autograd.grad(loss, parameters)
            norm = float(sum(g.pow(2).sum() for g in gradients) ** 0.5)
            scale = (
                min(1.0, settings.grad_clip / (norm + 1e-6))
                if settings.grad_clip
                else 1.0
            )
            with torch.no_grad():
                for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
                    step = scale * g + settings.weight_decay * p
                    momenta[i] = (
                        step
                        if momenta[i] is None
                        else settings.momentum * momenta[i] + step
                    )
                    p -= rate * (
                        step + settings.momentum * momenta[i]
                        if settings.nesterov
                        else momenta[i]
                    )
            total += float(loss.detach()) * len(y)
        losses.append(total / len(case.images.index("all")))
    return losses, network


CASES = {
    "as tiny": {},
    "nesterov, smoothing, clipped": {
        "nesterov": True,
        "label_smoothing": 0.2,
        "grad_clip": 0.3,
    },
    "nothing on": {
        "cutout": 0,
        "drop_path": 0.0,
        "grad_clip": 0.0,
        "momentum": 0.0,
        "weight_decay": 0.0,
    },
}


@pytest.mark.parametrize("name", CASES)
def test_training_is_that_of_a_naive_loop(tmp_path, name):
    case = quick_training(**CASES[name] | {"epochs": 2, "learning_rate": 0.05})
    record = trained(case, tmp_path / "x.pt")
    losses, network = naive(case)
    assert [epoch.train_loss for epoch in record.epochs] == pytest.approx(
        losses, abs=1e-4
    )
    start = new_network(case.job, 1, 10).state_dict()
    moved = 0.0
    for key, value in network.state_dict().items():
        found = weights(tmp_path / "x.pt")[key]
        assert torch.allclose(found.float(), value.float(), atol=1e-3, rtol=1e-3), key
        moved = max(moved, float((value.float() - start[key].float()).abs().max()))
    assert moved > 0.02  # the tolerance tells


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """24 random colour images of 32x32 pixels, which the auxiliary head of DARTS needs."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("photographs") / "photographs.npz"
    np.savez(
        path,
        train_images=rng.integers(0, 256, (16, 32, 32, 3), dtype=np.uint8),
        train_labels=np.arange(16) % 4,
        test_images=rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8),
        test_labels=np.arange(8) % 4,
    )
    return str(path)


def test_the_auxiliary_head_of_a_darts_network_takes_part(tmp_path, photographs):
    small = {
        "protocol": "darts-cifar10",
        "skeleton": {"channels": 2, "layers": 3},
        "data": photographs,
    }
    settings = {"epochs": 2, "batch_size": 8, "drop_path": 0.3}
    case = made_training(POOL_FREE, "darts", **small, **settings)
    record = trained(case, tmp_path / "x.pt")
    losses, _ = naive(case)
    assert [epoch.train_loss for epoch in record.epochs] == pytest.approx(
        losses, abs=1e-4
    )
    plain = made_training(POOL_FREE, "darts", **small, **settings, auxiliary_weight=0.0)
    without = trained(plain, tmp_path / "y.pt")
    assert record.parameters == without.parameters and record.flops == without.flops
    assert any("auxiliary" in key for key in weights(tmp_path / "x.pt"))
    assert not any("auxiliary" in key for key in weights(tmp_path / "y.pt"))
    assert record.epochs[0].train_loss > without.epochs[0].train_loss
    assert record.overrides == {"epochs": 2, "batch_size": 8, "drop_path": 0.3} | {
        "skeleton.channels": 2,
        "skeleton.layers": 3,
    }


def test_imagenet_is_trained_on_from_its_files(tmp_path):
    """With 16 channels: torch 2.13's gradient of a 1x1 convolution of stride 2 writes
    out of bounds on the CPU where images of 56 pixels have fewer channels.
    """
    rng = np.random.default_rng(0)
    (tmp_path / "imagenet").mkdir()
    for part, count in (("train", 6), ("val", 4)):
        pixels = rng.integers(0, 256, (count, 256, 256, 3), dtype=np.uint8)
        np.save(tmp_path / "imagenet" / f"{part}_images.npy", pixels)
        np.save(tmp_path / "imagenet" / f"{part}_labels.npy", np.arange(count) % 2)
    resolved = resolve_protocol(
        "darts-imagenet",
        "darts",
        {"epochs": 2, "batch_size": 3},
        {"channels": 16, "layers": 3},
    )
    dataset = load_training_dataset("ImageNet", resolved.settings, tmp_path)
    described = describe_training_data(dataset, resolved.settings)
    (job,) = TrainingPlan("darts", resolved, "ImageNet", described, (0,)).jobs(DARTS_V2)
    images = training_images(dataset, CPU)
    record = train_network(job, images, tmp_path / "x.pt")
    again = train_network(job, training_images(dataset, CPU), tmp_path / "y.pt")
    assert record.facts() == again.facts()
    assert [epoch.learning_rate for epoch in record.epochs] == [0.1, 0.1 * 0.97]
    assert record.inputs.data.augment == "random resized crop, flip, colour jitter"
    assert record.flops == ForwardCost(new_network(job, 3, 2), (3, 224, 224))()
    assert any("auxiliary" in name for name in weights(tmp_path / "x.pt"))
    assert (record.inputs.data.train_images, record.inputs.data.test_images) == (6, 4)


def test_sizes_are_those_of_the_papers(nb201):
    """NAS-Bench-201's parameters in closed form (../shared/protocols.md), and DARTS' 3.3 M."""
    for text in (CELL, SKIPS, CELL.replace("avg_pool_3x3", "nor_conv_3x3")):
        network = new_network(made_training(text, protocol="nb201").job, 3, 10)
        count = sum(p.numel() for p in network.parameters())
        assert count == 73306 + 28000 * text.count("1x1") + 243040 * text.count(
            "conv_3x3"
        )
    network = new_network(
        made_training(DARTS_V2, "darts", protocol="darts-cifar10").job, 3, 10
    )
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    assert (
        round(sum(n for name, n in sizes.items() if "auxiliary" not in name) / 1e6, 1)
        == 3.3
    )
    assert any("auxiliary" in name for name in sizes)


class Stop(BaseException):
    pass


@pytest.mark.parametrize(
    ("stops", "every"), [((1,), 1), ((2, 3), 1), ((3,), 2), ((1, 1, 2), 3), ((4,), 1)]
)
def test_a_training_that_goes_on_is_the_undisturbed_one(
    undisturbed, tmp_path, stops, every
):
    path = tmp_path / "x.pt"
    for stop in stops:

        def advance(done, total, epoch, stop=stop):
            if epoch is not None and done >= stop:
                raise Stop

        with pytest.raises(Stop):
            trained(quick_training(), path, every=every, advance=advance)
        torch.manual_seed(stop)
    told = []
    record = trained(
        quick_training(),
        path,
        every=every,
        advance=lambda done, total, epoch: told.append((done, total)),
    )
    assert told[0][0] == (max(stops) // every * every if max(stops) < 4 else 4)
    assert told[-1] == (4, 4)
    assert record.facts() == undisturbed.record.facts()
    assert equal(weights(path), undisturbed.weights)
    kept = [stop for stop in stops if stop >= every]
    assert record.cost.sessions == 1 + len(kept)


def test_an_interruption_within_an_epoch_costs_that_epoch_only(
    undisturbed, tmp_path, monkeypatch
):
    case, path = quick_training(), tmp_path / "x.pt"
    whole, passes = case.images.epoch, []

    def cut(*arguments, **options):
        passes.append(1)
        for number, batch in enumerate(whole(*arguments, **options)):
            if len(passes) == 3 and number == 1:
                raise Stop
            yield batch

    monkeypatch.setattr(case.images, "epoch", cut)
    with pytest.raises(Stop):
        trained(case, path)
    assert len(load_tensors(path)["epochs"]) == 2
    assert trained(case, path).facts() == undisturbed.record.facts()
    assert equal(weights(path), undisturbed.weights)


def test_what_a_record_says(undisturbed, tmp_path, nb201):
    record = undisturbed.record
    case = quick_training()
    assert record.id == case.job.id == record.inputs.id
    assert (record.inputs.architecture, record.inputs.protocol, record.inputs.seed) == (
        CELL,
        "tiny",
        0,
    )
    assert record.inputs.settings == case.job.settings.model_dump()
    assert record.inputs.skeleton == {
        "channels": 2,
        "cells": 1,
        "reduction": "residual",
    }
    assert record.inputs.data.train_images == record.inputs.data.test_images == 40
    assert record.overrides == {**QUICK, "skeleton.channels": 2}
    assert [cell.model_dump() for cell in record.graph] == [
        cell | {"edges": [tuple(edge) for edge in cell["edges"]]}
        for cell in nb201.graph(nb201.parse(CELL))
    ]
    accuracies = [epoch.test_accuracy for epoch in record.epochs]
    assert len(accuracies) == 4 and all(0 <= a <= 100 for a in accuracies)
    assert record.last_accuracy == accuracies[-1]
    assert record.best_accuracy == max(accuracies) == accuracies[record.best_epoch - 1]
    assert max(accuracies[: record.best_epoch - 1], default=-1) < record.best_accuracy
    network = new_network(case.job, 1, 10)
    assert record.parameters == sum(p.numel() for p in network.parameters())
    assert record.flops == ForwardCost(network, (1, 8, 8))()
    write_fact(tmp_path / "x.json", record)
    assert read_fact(tmp_path / "x.json", type(record)) == record


def test_counts_are_those_of_the_batches(undisturbed):
    counts, flops = undisturbed.record.cost.counts, undisturbed.record.flops
    # 40 images in batches of 16, 16 and 8, four epochs.
    assert (
        counts["train"].forwards,
        counts["train"].backwards,
        counts["train"].images,
    ) == (12, 12, 160)
    assert (
        counts["test"].forwards,
        counts["test"].backwards,
        counts["test"].images,
    ) == (12, 0, 160)
    assert (
        counts["train"].flops == 3 * 160 * flops and counts["test"].flops == 160 * flops
    )
    assert {
        name: time.calls for name, time in undisturbed.record.cost.phases.items()
    } == {"train": 4, "test": 4}


@pytest.mark.parametrize(
    "name", ["s1", "s4", "darts-none", "nb101", "nb1shot1-1", "nb1shot1-3"]
)
def test_every_space_is_trained_to_the_same_bits_twice(tmp_path, name):
    space = get_space(name)
    cell = space.format(space.sample(np.random.default_rng(1)))
    case = made_training(cell, name, epochs=1, batch_size=16, limit=32)
    first = trained(case, tmp_path / "x.pt")
    torch.manual_seed(3)
    assert trained(case, tmp_path / "y.pt").facts() == first.facts()
    assert equal(weights(tmp_path / "x.pt"), weights(tmp_path / "y.pt"))
    assert (
        first.parameters > 0
        and first.flops > 0
        and sum(len(cell.edges) for cell in first.graph) > 0
    )


def test_the_final_weights_give_the_last_accuracy(undisturbed):
    case = quick_training()
    network = new_network(case.job, 1, 10)
    network.load_state_dict(undisturbed.weights)
    network.eval()
    with torch.no_grad():
        x, y = case.images.batch(case.images.index("test"))
        logits = network(x)
    assert 100 * float((logits.argmax(1) == y).double().mean()) == pytest.approx(
        undisturbed.record.last_accuracy
    )
    assert float(F.cross_entropy(logits, y)) == pytest.approx(
        undisturbed.record.epochs[-1].test_loss, abs=1e-4
    )


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"cutout": 0},
        {"drop_path": 0.0},
        {"augment": False},
        {"cell": CELL.replace("avg_pool", "none_")},
    ],
)
def test_what_changes_a_training_changes_its_name_and_its_weights(
    undisturbed, tmp_path, change
):
    if "cell" in change:
        change = {"cell": CELL.replace("avg_pool_3x3", "none")}
    other = quick_training(**change)
    assert other.job.id != quick_training().job.id
    trained(other, tmp_path / "x.pt")
    assert not equal(weights(tmp_path / "x.pt"), undisturbed.weights)


def test_the_order_of_batches_is_the_same_for_every_architecture(monkeypatch, tmp_path):
    """Trainings of one seed are paired: they see the same images in the same order."""
    seen = {}
    for cell in (CELL, SKIPS):
        case = quick_training(cell=cell, epochs=1)
        whole = case.images.epoch

        def watch(*arguments, whole=whole, cell=cell, **options):
            for x, y in whole(*arguments, **options):
                seen.setdefault(cell, []).append(x)
                yield x, y

        monkeypatch.setattr(case.images, "epoch", watch)
        trained(case, tmp_path / f"{len(seen)}.pt")
    assert all(torch.equal(a, b) for a, b in zip(seen[CELL], seen[SKIPS], strict=True))


def test_training_leaves_the_global_random_state_alone(tmp_path):
    before = torch.get_rng_state()
    trained(quick_training(epochs=1), tmp_path / "x.pt")
    assert torch.equal(torch.get_rng_state(), before)


def test_paths_are_dropped_at_their_rate_and_what_is_kept_is_scaled(tmp_path):
    trainer = NetworkTrainer(
        quick_training().job, quick_training().images, tmp_path / "x.pt"
    )
    generator = torch.Generator().manual_seed(0)
    paths = trainer._paths(5000, 0.25, generator)
    assert (
        paths.shape == (trainer.network.droppable, 5000)
        and paths.dtype == torch.float32
    )
    assert paths.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    rates = (paths == 0).double().mean(1)
    assert all(
        abs(float(rate) - 0.25) < 5 * (0.25 * 0.75 / 5000) ** 0.5 for rate in rates
    )
    assert trainer._paths(5, 0.0, generator) is None
    skips = NetworkTrainer(
        quick_training(cell=SKIPS).job, quick_training().images, tmp_path / "y.pt"
    )
    assert skips.network.droppable == 0 and skips._paths(5, 0.25, generator) is None


@pytest.mark.parametrize(("precision", "bits"), [("bf16", 8), ("fp16", 11)])
def test_mixed_precision_is_near_and_keeps_its_weights_in_float32(
    undisturbed, tmp_path, precision, bits
):
    case = quick_training(precision=precision)
    record = trained(case, tmp_path / "x.pt")
    assert record.id != undisturbed.record.id
    assert {
        value.dtype
        for key, value in weights(tmp_path / "x.pt").items()
        if "num_batches" not in key
    } == {torch.float32}
    first, plain = record.epochs[0].train_loss, undisturbed.record.epochs[0].train_loss
    assert first != plain and first == pytest.approx(plain, rel=8 * 2.0**-bits + 0.01)


def test_a_mixed_precision_training_goes_on_too(tmp_path):
    case = quick_training(precision="fp16")
    whole = trained(case, tmp_path / "x.pt")

    def advance(done, total, epoch):
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        trained(case, tmp_path / "y.pt", advance=advance)
    assert trained(case, tmp_path / "y.pt").facts() == whole.facts()
    assert (
        load_tensors(tmp_path / "y.pt")["scaler"]
        == load_tensors(tmp_path / "x.pt")["scaler"]
    )
    assert load_tensors(tmp_path / "y.pt")["scaler"]["scale"] > 1


@pytest.mark.slow
def test_compiled_code_is_made_before_the_training_and_gives_the_same(
    undisturbed, tmp_path, monkeypatch
):
    """Traced, but by the quickest of torch's compilers."""
    made = []

    def backend(graph, inputs):
        made.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    case = quick_training(compile=True)
    trainer = NetworkTrainer(case.job, case.images, tmp_path / "x.pt")
    before = len(made)
    start = new_network(case.job, 1, 10).state_dict()
    assert before > 0 and equal(trainer.network.state_dict(), start)
    losses = [trainer.epoch().train_loss for _ in range(4)]
    assert len(made) == before
    assert losses == pytest.approx(
        [epoch.train_loss for epoch in undisturbed.record.epochs], abs=1e-4
    )
    assert set(trainer.trained().cost.phases) == {"compile", "train", "test"}


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_test_loss_that_is_not_finite_ends_a_training(tmp_path, monkeypatch, loss):
    """No record holds it."""
    case = quick_training()
    trainer = NetworkTrainer(case.job, case.images, tmp_path / "x.pt")
    measured = training._LossAndAccuracy(loss, accuracy=10.0)
    monkeypatch.setattr(trainer, "_test", lambda: measured)
    with pytest.raises(FloatingPointError, match=f"the test loss is {loss} in epoch 1"):
        trainer.epoch()
    assert trainer.epochs == []


def test_a_diverging_training_is_not_gone_on_with(tmp_path):
    case = quick_training(learning_rate=1e9, grad_clip=0.0)
    with pytest.raises(
        FloatingPointError, match=r"the training loss is (nan|inf) in epoch \d"
    ):
        trained(case, tmp_path / "x.pt")


def test_batches_that_do_not_fit_are_the_users_to_mend_before_anything_is_trained():
    for size, fault in (
        (13, "leaves a last batch of one image"),
        (64, "exceeds the number of training images"),
    ):
        with pytest.raises(
            UserError,
            match=rf"batch_size {size} {fault}.*\(40 in 'digits'\): choose",
        ):
            quick_training(batch_size=size)
    for size in (2, 12, 40):
        quick_training(batch_size=size)


def test_a_checkpoint_that_is_damaged_or_anothers_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    trained(quick_training(epochs=1), path)
    with pytest.raises(
        UserError, match=r"x\.pt is of another training: remove it and run again"
    ):
        trained(quick_training(epochs=2), path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (whole[:-1], whole[:10], b"", bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(UserError, match="remove it and run again"):
            trained(quick_training(epochs=1), path)


def test_a_checkpoint_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "x.pt"

    def full(*_):
        raise UserError("cannot write x.pt: No space left on device")

    def advance(done, total, epoch):
        if done == 1:
            monkeypatch.setattr(training, "save_tensors", full)

    with pytest.raises(UserError, match="No space left"):
        trained(quick_training(), path, advance=advance)
    assert len(load_tensors(path)["epochs"]) == 1


def test_flips_and_limits_make_other_data():
    dataset = make_dataset(
        "toy",
        (np.arange(6 * 48, dtype=np.uint8).reshape(6, 4, 4, 3), np.arange(6) % 3),
        (np.arange(4 * 48, dtype=np.uint8).reshape(4, 4, 4, 3), np.arange(4) % 3),
        origin="made up",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "archselect.benchmarks.plan.jobs.load_images",
            lambda name, data_dir: dataset,
        )
        whole, part = (
            load_training_dataset(
                "toy", resolve_protocol("tiny", "nb201", settings).settings, None
            )
            for settings in ({}, {"limit": 3, "flip": False})
        )
    assert (len(whole.train_images), len(whole.test_images), whole.augmentation) == (
        6,
        4,
        "crop 0, flip",
    )
    assert (len(part.train_images), len(part.test_images), part.augmentation) == (
        3,
        3,
        "crop 0",
    )
    assert whole.checksum == dataset.checksum != part.checksum
    assert (part.mean, part.std, part.classes) == (
        dataset.mean,
        dataset.std,
        dataset.classes,
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_a_gpu_is_waited_for_only_at_the_end_of_an_epoch(tmp_path, precision):
    case = quick_training(precision=precision)
    images = Images(case.images.dataset, torch.device("cuda"), split="first")
    trainer = NetworkTrainer(case.job, images, tmp_path / "x.pt")
    trainer.epoch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training._RunningMeans, "read", lambda self: (0.0, 0.0))
        torch.cuda.set_sync_debug_mode("error")
        try:
            trainer._train(1, 0.5)
        finally:
            torch.cuda.set_sync_debug_mode("default")
