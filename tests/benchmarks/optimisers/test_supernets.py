import os
import pickle

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from archselect.benchmarks.optimisers import supernets
from archselect.benchmarks.optimisers.alpha_settings import AlphaSettings
from archselect.benchmarks.optimisers.registry import OPTIMISERS
from archselect.benchmarks.optimisers.supernets import (
    Recipe,
    checkpoint_path,
    load_supernet,
    make_supernet,
    new_supernet,
    save_supernet,
)
from archselect.benchmarks.optimisers.trainer import Trainer
from archselect.benchmarks.plan.parts import SupernetPart
from archselect.benchmarks.runtime.tensor_files import load_tensors, save_tensors
from archselect.benchmarks.store.records import SupernetInputs
from archselect.benchmarks.store.traces import AXES
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import (
    FusedSupernet,
    Mixture,
    mixture_of,
    new_alphas,
)
from archselect.nasbench_adapters.seeds import stream_seed

SKELETON = {"channels": 2, "cells": 1, "reduction": "pool"}
SMALL = {"pc-darts": {"channel_divisor": 2, "warmup_epochs": 0}}


def recipe(name="darts", **settings):
    return Recipe(**{"recipe": name, "epochs": 1, "batch_size": 16, **settings})


def made(space, images, recipe, seed=0, **more):
    inputs = SupernetInputs(
        recipe=recipe.recipe, settings=recipe.settings(), skeleton=SKELETON
    )
    return make_supernet(recipe, space, inputs, images, seed, **more)


@pytest.fixture(scope="module")
def halves(digits):
    """48 training and 48 validation digits."""
    return digits(48)


@pytest.fixture(scope="module")
def trained(nb201, halves):
    """One supernet of each recipe, of the same seed."""
    return {
        name: made(nb201, halves, recipe(name, **SMALL.get(name, {})))
        for name in OPTIMISERS
    }


def equal(a, b):
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def parameters(space, halves, supernet):
    inputs = SupernetInputs(recipe="x", settings={}, skeleton=SKELETON)
    names = dict(new_supernet(space, inputs, halves, 0).named_parameters())
    return {name: supernet.weights[name] for name in names}


def test_what_each_recipe_moves(nb201, halves, trained):
    start, darts, blank = (trained[name] for name in ("untrained", "darts", "blank"))
    assert not torch.equal(start.alphas[0], darts.alphas[0])
    assert torch.equal(start.alphas[0], blank.alphas[0])
    before = parameters(nb201, halves, start)
    for moved in (darts, blank):
        after = parameters(nb201, halves, moved)
        assert not any(torch.equal(before[name], after[name]) for name in before)
    assert not equal(darts.weights, blank.weights)


def test_untrained_is_the_start_of_the_seed(nb201, halves, trained):
    inputs = SupernetInputs(recipe="x", settings={}, skeleton=SKELETON)
    assert equal(
        trained["untrained"].weights,
        new_supernet(nb201, inputs, halves, 0).state_dict(),
    )
    generator = torch.Generator().manual_seed(stream_seed("supernet alphas", 0))
    alphas = new_alphas(nb201, generator, torch.device("cpu"), 1e-3)
    assert torch.equal(trained["untrained"].alphas[0], alphas[0])
    assert (
        trained["untrained"].cost.times == {} and trained["untrained"].cost.counts == {}
    )


def test_the_same_seed_gives_the_same_bits_and_another_does_not(nb201, halves, trained):
    torch.manual_seed(123)  # the global stream is of no effect
    again = made(nb201, halves, recipe("darts"))
    assert equal(again.weights, trained["darts"].weights)
    assert torch.equal(again.alphas[0], trained["darts"].alphas[0])
    other = made(nb201, halves, recipe("darts"), seed=1)
    assert not torch.equal(other.alphas[0], again.alphas[0])
    assert not torch.equal(
        other.weights["stem.0.weight"], again.weights["stem.0.weight"]
    )


def test_training_leaves_the_global_random_state_alone(nb201, halves):
    before = torch.get_rng_state()
    made(nb201, halves, recipe("darts"))
    assert torch.equal(torch.get_rng_state(), before)


def test_training_is_counted(trained):
    counts = trained["darts"].cost.counts["supernet"]
    # Three batches of 16, each a step of the alphas and a step of the weights.
    assert (counts.forwards, counts.backwards, counts.images) == (6, 6, 96)
    assert trained["blank"].cost.counts["supernet"].forwards == 3
    assert trained["darts"].cost.times["supernet"].calls == 1
    assert trained["darts"].cost.peak_memory > 0


def naive_darts(supernet, alphas, images, settings, seed):
    """First-order DARTS on nb201, written from the paper: alphas on a validation batch, then weights, in turn."""
    generator = torch.Generator().manual_seed(seed)
    sgd = torch.optim.SGD(
        supernet.parameters(),
        settings.learning_rate,
        settings.momentum,
        weight_decay=settings.weight_decay,
    )
    adam = torch.optim.Adam(
        [alphas], settings.alpha_learning_rate, betas=(0.5, 0.999), weight_decay=1e-3
    )
    every = tuple((True,) * 5 for _ in range(6))
    supernet.train()

    def loss(batch):
        mixture = Mixture((alphas.softmax(-1),), (every,))
        return F.cross_entropy(supernet(batch[0], mixture), batch[1])

    for epoch in range(settings.epochs):
        progress = torch.tensor(torch.pi * epoch / settings.epochs)
        low, high = settings.learning_rate_min, settings.learning_rate
        sgd.param_groups[0]["lr"] = low + (high - low) * float(1 + progress.cos()) / 2
        valid = images.endless(
            "valid", settings.batch_size, generator, settings.augment
        )
        for train_batch in images.epoch(
            "train", settings.batch_size, generator, settings.augment
        ):
            adam.zero_grad()
            loss(next(valid)).backward()
            adam.step()
            sgd.zero_grad()
            loss(train_batch).backward()
            norm = torch.stack([p.grad.norm() for p in supernet.parameters()]).norm()
            for p in supernet.parameters():
                p.grad.mul_(min(1.0, settings.grad_clip / float(norm + 1e-6)))
            sgd.step()


def test_training_is_that_of_a_naive_darts_loop(nb201, halves):
    settings = recipe("darts", epochs=2, alpha_learning_rate=0.01, grad_clip=0.5)
    ours = made(nb201, halves, settings)
    inputs = SupernetInputs(recipe="darts", settings={}, skeleton=SKELETON)
    theirs = new_supernet(nb201, inputs, halves, 0)
    generator = torch.Generator().manual_seed(stream_seed("supernet alphas", 0))
    (alphas,) = new_alphas(nb201, generator, torch.device("cpu"), settings.alpha_scale)
    alphas.requires_grad_()
    naive_darts(theirs, alphas, halves, settings, stream_seed("supernet batches", 0))
    assert torch.allclose(ours.alphas[0], alphas, atol=1e-4)
    for name, value in theirs.state_dict().items():
        assert torch.allclose(
            ours.weights[name].float(), value.float(), atol=1e-3, rtol=1e-3
        ), name
    # The tolerance tells: a single step moves further than that.
    start = new_supernet(nb201, inputs, halves, 0).state_dict()
    moved = max(
        float((ours.weights[name].float() - start[name].float()).abs().max())
        for name in start
    )
    assert moved > 0.02
    assert float((ours.alphas[0]).abs().max()) > 0.02


def plain_loop(
    learns_alphas,
    space,
    supernet,
    alphas,
    images,
    settings,
    generator,
    optimizers,
    decisions,
):
    """One epoch of first-order DARTS or of blank, in the very steps of the loop that was here first."""
    sgd, adam = optimizers
    run, layers = (
        FusedSupernet(supernet),
        [len(own) for own in supernet.layers_by_type().values()],
    )
    supernet.train()
    valid = images.endless("valid", settings.batch_size, generator, settings.augment)
    if settings.batches == "epoch":
        train = images.epoch("train", settings.batch_size, generator, settings.augment)
    else:
        steps = range(-(-len(images.train_index) // settings.batch_size))
        train = (
            images.minibatch("train", settings.batch_size, generator, settings.augment)
            for _ in steps
        )
    for x, y in train:
        if learns_alphas:
            x_valid, y_valid = next(valid)
            loss = F.cross_entropy(
                run(x_valid, mixture_of(space, alphas, decisions).spread(layers)),
                y_valid,
            )
            for alpha, gradient in zip(
                alphas, torch.autograd.grad(loss, alphas), strict=True
            ):
                alpha.grad = gradient
            adam.step()
        with torch.no_grad():
            mixture = mixture_of(space, alphas, decisions)
        loss = F.cross_entropy(run(x, mixture), y)
        sgd.zero_grad()
        loss.backward()
        if settings.grad_clip:
            torch.nn.utils.clip_grad_norm_(supernet.parameters(), settings.grad_clip)
        sgd.step()


@pytest.mark.parametrize("name", ["darts", "blank"])
@pytest.mark.parametrize("batches", ["epoch", "resampled"])
def test_training_and_tuning_are_the_plain_loop_bit_by_bit(
    nb201, halves, name, batches
):
    settings = recipe(name, epochs=2, batches=batches, alpha_learning_rate=0.01)
    ours = made(nb201, halves, settings)
    inputs = SupernetInputs(recipe=name, settings={}, skeleton=SKELETON)
    supernet = new_supernet(nb201, inputs, halves, 0)
    generator = torch.Generator().manual_seed(stream_seed("supernet alphas", 0))
    alphas = tuple(
        a.requires_grad_()
        for a in new_alphas(nb201, generator, torch.device("cpu"), settings.alpha_scale)
    )
    betas = (settings.alpha_beta1, settings.alpha_beta2)
    optimizers = (
        torch.optim.SGD(
            supernet.parameters(),
            0.025,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        ),
        torch.optim.Adam(
            alphas, 0.01, betas=betas, weight_decay=settings.alpha_weight_decay
        ),
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizers[0], 2, settings.learning_rate_min
    )
    generator = torch.Generator().manual_seed(stream_seed("supernet batches", 0))
    for _ in range(2):
        plain_loop(
            name == "darts",
            nb201,
            supernet,
            alphas,
            halves,
            settings,
            generator,
            optimizers,
            nb201.undecided(),
        )
        schedule.step()
    assert equal(ours.weights, supernet.state_dict())
    assert torch.equal(ours.alphas[0], alphas[0])
    assert (ours.alpha_optimizer["state"] == {}) == (name == "blank")


def test_second_order_costs_five_passes_a_step(nb201, halves):
    counts = made(nb201, halves, recipe("darts", order=2)).cost.counts["supernet"]
    assert (counts.forwards, counts.backwards, counts.images) == (15, 15, 240)


def test_decided_edges_leave_what_they_silence_without_gradient(nb201, halves):
    settings = recipe("darts")
    inputs = SupernetInputs(recipe="darts", settings={}, skeleton=SKELETON)
    supernet = new_supernet(nb201, inputs, halves, 0)
    alphas = tuple(
        a.requires_grad_()
        for a in new_alphas(
            nb201, torch.Generator().manual_seed(0), torch.device("cpu")
        )
    )
    decisions = nb201.undecided().decide(0, 0, 3).decide(0, 5, 1)
    before = {name: value.clone() for name, value in supernet.named_parameters()}
    alphas_before = alphas[0].detach().clone()
    Trainer(
        settings.build(), nb201, supernet, alphas, halves, seed=0, skeleton={}
    ).epoch(decisions)
    silenced = {
        ".edges.0.nor_conv_1x1.",
        ".edges.5.nor_conv_1x1.",
        ".edges.5.nor_conv_3x3.",
    }
    for name, value in supernet.named_parameters():
        silent = any(part in name for part in silenced)
        assert (value.grad is None) == silent, name
        assert torch.equal(value, before[name]) == silent, name
    # Adam's weight decay may move the alphas of decided edges, their gradient does not.
    assert torch.all(alphas[0].grad[[0, 5]] == 0)
    assert torch.all(alphas[0].grad[1:5] != 0)
    assert not torch.equal(alphas[0][1:5], alphas_before[1:5])


def test_batches_resampled_are_another_training(nb201, halves, trained):
    resampled = made(nb201, halves, recipe("darts", batches="resampled"))
    assert not torch.equal(resampled.alphas[0], trained["darts"].alphas[0])
    assert resampled.cost.counts["supernet"].forwards == 6


def test_a_supernet_survives_saving_bit_by_bit(tmp_path, trained):
    path = tmp_path / "supernets" / "x.pt"
    save_supernet(path, trained["darts"])
    again = load_supernet(path)
    assert equal(again.weights, trained["darts"].weights)
    assert torch.equal(again.alphas[0], trained["darts"].alphas[0])
    assert again.cost == trained["darts"].cost
    state, saved = (
        again.alpha_optimizer["state"][0],
        trained["darts"].alpha_optimizer["state"][0],
    )
    assert equal(state, saved) and int(state["step"]) == 3
    assert (
        again.alpha_optimizer["param_groups"]
        == trained["darts"].alpha_optimizer["param_groups"]
    )


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["torch", "torch's old form", "pickle"])
def test_a_file_that_would_run_code_is_refused(tmp_path, form):
    mark, path = tmp_path / "ran", tmp_path / "x.pt"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Malicious(mark)))
    else:
        torch.save(
            {"weights": Malicious(mark)},
            path,
            _use_new_zipfile_serialization=form == "torch",
        )
    with pytest.raises(
        UserError,
        match="is damaged, or is not a supernet of archselect: remove it and run again",
    ):
        load_supernet(path)
    assert not mark.exists()


def test_a_truncated_file_is_refused(tmp_path, trained):
    path = tmp_path / "x.pt"
    save_supernet(path, trained["untrained"])
    whole = path.read_bytes()
    for length in [0, 1, 100, *range(1000, len(whole), 7919), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="remove it and run again"):
            load_supernet(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"absent\.pt"):
        load_supernet(tmp_path / "absent.pt")


FOREIGN = {
    "no keys": {"weights": {}},
    "no cost": {"weights": {}, "alphas": [], "alpha_optimizer": {}, "cost": "{}"},
    "a list": [1, 2],
    "nothing": None,
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_file_of_something_else_is_refused(tmp_path, what):
    torch.save(FOREIGN[what], tmp_path / "x.pt")
    with pytest.raises(UserError, match="is not a supernet of archselect"):
        load_supernet(tmp_path / "x.pt")


def test_a_flipped_bit_is_noticed(tmp_path, trained):
    path = tmp_path / "x.pt"
    save_supernet(path, trained["untrained"])
    weight = (
        trained["untrained"]
        .weights["stem.0.weight"]
        .contiguous(memory_format=torch.channels_last)
    )
    whole = bytearray(path.read_bytes())
    place = whole.index(weight.permute(0, 2, 3, 1).numpy().tobytes()[:16])
    whole[place] ^= 64
    path.write_bytes(whole)
    with pytest.raises(UserError, match="damaged"):
        load_supernet(path)


def test_settings_are_checked():
    for wrong in ({"epochs": -1}, {"momentum": 1.0}, {"batch_size": 1}, {"order": 3}):
        with pytest.raises(ValidationError):
            recipe("darts", **wrong)
    for name, wrong, message in (
        ("drats", {}, "unknown recipe 'drats': did you mean 'darts'"),
        (
            "darts",
            {"learning_rat": 0.1},
            "unknown setting of recipe darts 'learning_rat': did you mean 'learning_rate'",
        ),
        (
            "darts",
            {"ordr": 2},
            "unknown setting of recipe darts 'ordr': did you mean 'order'",
        ),
        ("blank", {"order": 1}, "unknown setting of recipe blank 'order'"),
        (
            "spos",
            {"proximity": "prox"},
            "unknown setting of recipe spos 'proximity': ",
        ),
        (
            "untrained",
            {"schedule": "informed"},
            "unknown setting of recipe untrained 'schedule': ",
        ),
    ):
        with pytest.raises(UserError, match=message):
            recipe(name, **wrong)
    with pytest.raises(ValidationError, match="Field required"):
        Recipe.model_validate({"epochs": 1})


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_recipe_is_its_optimiser_with_its_defaults(name):
    recipe, part = (
        Recipe(recipe=name),
        SupernetPart.model_validate({"recipe": name, "epochs": 7}),
    )
    assert recipe.build() == type(recipe.build())()
    assert recipe.settings() == recipe.build().settings()
    assert part.label == name and part.build().epochs == part.epochs == 7
    again = pickle.loads(pickle.dumps(part))  # noqa: S301 (our own)
    assert again == part and again.build() == part.build()


def test_a_record_names_every_setting_that_matters():
    """An untrained supernet depends on its start and on tuning alone."""
    start = {
        "alpha_mean",
        "alpha_scale",
        "augment",
        "batch_size",
        "batches",
        "execution",
        "grad_clip",
        "momentum",
        "precision",
        "weight_decay",
    }
    rest = {"epochs", "learning_rate", "learning_rate_min", "trace"} | {
        f"alpha_{name}"
        for name in ("learning_rate", "weight_decay", "beta1", "beta2", "grad_clip")
    }
    # What is not there has no settings.
    of_alphas = set(AlphaSettings.__annotations__)
    of_alphas -= {"warmup_epochs", "zero_one", "zero_one_norm"}
    settings = {
        name: set(Recipe(recipe=name).settings())
        for name in ("untrained", "blank", "darts")
    }
    assert settings == {
        "untrained": start,
        "blank": start | rest,
        "darts": start | rest | {"order", "level"} | of_alphas,
    }


class Killed(Exception):
    """Stands for the death of the process."""


def die_after(epochs):
    def advance(done, total, loss):
        assert loss is None or loss > 0
        if done == epochs:
            raise Killed

    return advance


@pytest.fixture
def often(monkeypatch):
    """Checkpoints come every two epochs."""
    monkeypatch.setattr(supernets, "CHECKPOINT_EPOCHS", 2)


EVERY_CHOICE = {
    "activation": "crb",
    "schedule": "informed",
    "proximity": "admm",
    "decay": 0.1,
    "rho": 1.0,
    "alpha_learning_rate": 0.05,
}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("darts", {}),
        ("sdarts-rs", {}),
        ("oles", {"every": 3, "threshold": 0.3, "batch_size": 4}),
        ("lambda-darts", {}),
        ("darts-minus", {"trace": True}),
        ("pc-darts", {"channel_divisor": 2, "warmup_epochs": 1, "trace": True}),
        ("dsnas", {"trace": True}),
        ("gdas", {"trace": True}),
        ("drnas", {"anchor": 0.1, "warmup_epochs": 2}),
        ("darts", {**EVERY_CHOICE, "batch_size": 2, "trace": True}),
        ("darts", {"schedule_steps": 2, "proximity": "prox", "batch_size": 4}),
    ],
)
def test_a_training_killed_at_any_epoch_comes_out_the_same(
    nb201, digits, often, name, more, tmp_path
):
    trace = more.get("trace", False)
    images, target, settings = (
        digits(16),
        tmp_path / "x.pt",
        recipe(name, epochs=6, **more),
    )
    whole = made(nb201, images, settings)
    for epochs in (1, 2, 3, 5):
        with pytest.raises(Killed):
            made(nb201, images, settings, target=target, advance=die_after(epochs))
        assert checkpoint_path(target).is_file() == (epochs > 1)
    seen = []
    resumed = made(
        nb201,
        images,
        settings,
        target=target,
        advance=lambda done, total, loss: seen.append(done),
    )
    assert seen == [5, 6]
    assert equal(resumed.weights, whole.weights)
    assert torch.equal(resumed.alphas[0], whole.alphas[0])
    assert equal(resumed.alpha_optimizer["state"][0], whole.alpha_optimizer["state"][0])
    assert resumed.memory.keys() == whole.memory.keys()
    for key, value in whole.memory.items():
        assert np.array_equal(resumed.memory[key], value), key
    assert resumed.cost.counts == whole.cost.counts
    assert resumed.cost.times["supernet"].calls == 1
    assert (resumed.trace is not None) == trace
    if trace:
        for own, other in zip(resumed.trace.cells, whole.trace.cells, strict=True):
            for array in AXES:
                assert np.array_equal(
                    getattr(own, array), getattr(other, array), equal_nan=True
                ), array
        assert (
            np.array_equal(resumed.trace.losses, whole.trace.losses)
            and resumed.trace.info == whole.trace.info
        )
    # Nothing is lost until the supernet itself is kept.
    assert checkpoint_path(target).is_file()
    save_supernet(target, resumed)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_the_time_of_a_resumed_training_is_that_of_all_its_epochs(
    nb201, digits, often, tmp_path, monkeypatch
):
    seconds = iter(range(1000))
    monkeypatch.setattr(
        "archselect.benchmarks.runtime.meter.perf_counter", lambda: next(seconds)
    )
    images, target, settings = digits(16), tmp_path / "x.pt", recipe("blank", epochs=3)
    with pytest.raises(Killed):
        made(nb201, images, settings, target=target, advance=die_after(2))
    saved = load_tensors(checkpoint_path(target))["clock"]["seconds"]["supernet"]
    # Each look at the clock takes a second here: one to begin, and one to end that
    # takes the checkpoint over.
    assert saved == 1
    assert (
        made(nb201, images, settings, target=target).cost.times["supernet"].seconds
        == saved + 1
    )


def test_without_a_target_nothing_is_written(
    nb201, digits, often, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    made(nb201, digits(16), recipe("blank", epochs=3))
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_does_not_fit_is_refused(nb201, digits, often, tmp_path):
    images, target, settings = digits(16), tmp_path / "x.pt", recipe("blank", epochs=3)
    with pytest.raises(Killed):
        made(nb201, images, settings, target=target, advance=die_after(2))
    for other in (
        {"seed": 1},
        {"recipe": recipe("blank", epochs=4)},
        {"images": digits(17)},
    ):
        with pytest.raises(
            UserError,
            match=r"x\.checkpoint is of another training: remove it and run again",
        ):
            made(
                nb201,
                **{"images": images, "recipe": settings, "target": target, **other},
            )
    path = checkpoint_path(target)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        UserError,
        match=r"x\.checkpoint .*damaged, or archselect did not write it: remove it",
    ):
        made(nb201, images, settings, target=target)


def without(state, *keys):
    return {key: value for key, value in state.items() if key not in keys}


def test_a_checkpoint_without_its_memory_is_refused(nb201, digits, often, tmp_path):
    """Or with that of another schedule, or of another shape."""
    images, target = digits(16), tmp_path / "x.pt"
    settings = recipe("darts", epochs=3, schedule="informed", proximity="admm")
    with pytest.raises(Killed):
        made(nb201, images, settings, target=target, advance=die_after(2))
    path = checkpoint_path(target)
    saved = load_tensors(path)
    memory = saved["trainer"]["memory"]
    assert {"threshold", "admm Z 0", "admm U 0", "admm steps"} <= memory.keys()
    wrong = [
        without(saved["trainer"], "memory"),
        {**saved["trainer"], "memory": without(memory, "threshold")},
        {**saved["trainer"], "memory": {**memory, "more": 1.0}},
        {**saved["trainer"], "memory": {**memory, "admm Z 0": torch.zeros(2)}},
        {**saved["trainer"], "memory": {**memory, "threshold": torch.zeros(2)}},
    ]
    for trainer in wrong:
        save_tensors(path, {**without(saved, "commit"), "trainer": trainer}, None)
        with pytest.raises(
            UserError, match=r"x\.checkpoint .*: remove it and run again"
        ):
            made(nb201, images, settings, target=target)


def test_an_untrained_supernet_does_not_depend_on_the_settings_of_training():
    assert (
        recipe("untrained", epochs=5).settings()
        == recipe("untrained", epochs=7).settings()
    )
    assert recipe("blank", epochs=5).settings() != recipe("blank", epochs=7).settings()


def test_images_smaller_than_a_batch_are_the_users_to_mend(nb201, digits):
    with pytest.raises(
        UserError,
        match="a batch of 64 does not fit part 'valid' of 'digits', which has 48 images",
    ):
        made(nb201, digits(48), recipe("darts", batch_size=64))


class Float64Images(Images):
    """Images on which rounding does not grow into another training."""

    def batch(self, *arguments, **more):
        x, y = super().batch(*arguments, **more)
        return x.double(), y


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("execution", ["eager", "cuda-graphs"])
@pytest.mark.parametrize("name", ["darts", "blank"])
def test_a_gpu_trains_the_same_supernet_and_is_never_waited_for(
    nb201, halves, name, execution
):
    """Of the same start and batches, three epochs (of three steps), in float64."""
    found = []
    for device in ("cpu", "cuda"):
        images = Float64Images(halves.dataset, torch.device(device), split="first")
        inputs = SupernetInputs(recipe=name, settings={}, skeleton=SKELETON)
        supernet = new_supernet(nb201, inputs, images, 0).double()
        generator = torch.Generator().manual_seed(1)
        alphas = tuple(
            a.double().requires_grad_()
            for a in new_alphas(nb201, generator, images.device, 1e-3)
        )
        optimiser = recipe(
            name, execution=execution if device == "cuda" else "eager"
        ).build()
        trainer = Trainer(optimiser, nb201, supernet, alphas, images, 0, {})
        for _ in range(2):
            trainer.epoch(nb201.undecided())
        torch.cuda.set_sync_debug_mode("error")
        try:
            trainer.epoch(nb201.undecided())
        finally:
            torch.cuda.set_sync_debug_mode("default")
        found.append(
            [
                alphas[0].detach().cpu(),
                *(value.cpu() for value in supernet.state_dict().values()),
            ]
        )
    for here, there in zip(*found, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-5, atol=1e-8)
