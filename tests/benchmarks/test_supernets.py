import os
import pickle

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from archselect.benchmarks.records import SupernetInputs
from archselect.benchmarks.supernets import (
    RECIPES,
    Recipe,
    Trainer,
    load_supernet,
    make_supernet,
    new_supernet,
    save_supernet,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import new_alphas
from archselect.nasbench_adapters.streams import stream_seed

SKELETON = {"channels": 2, "cells": 1, "reduction": "pool"}


def recipe(name="darts", **settings):
    return Recipe(**{"recipe": name, "epochs": 1, "batch_size": 16, **settings})


def made(space, images, recipe, seed=0):
    inputs = SupernetInputs(recipe=recipe.recipe, settings=recipe.settings(), skeleton=SKELETON)
    return make_supernet(recipe, space, inputs, images, seed)


@pytest.fixture(scope="module")
def halves(digits):
    """48 training and 48 validation digits."""
    return digits(48)


@pytest.fixture(scope="module")
def trained(nb201, halves):
    """One supernet of each recipe, of the same seed."""
    return {name: made(nb201, halves, recipe(name)) for name in RECIPES}


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
    assert equal(trained["untrained"].weights, new_supernet(nb201, inputs, halves, 0).state_dict())
    generator = torch.Generator().manual_seed(stream_seed("supernet alphas", 0))
    alphas = new_alphas(nb201, generator, torch.device("cpu"), 1e-3)
    assert torch.equal(trained["untrained"].alphas[0], alphas[0])
    assert trained["untrained"].cost.times == {} and trained["untrained"].cost.counts == {}


def test_the_same_seed_gives_the_same_bits_and_another_does_not(nb201, halves, trained):
    torch.manual_seed(123)  # the global stream is of no effect
    again = made(nb201, halves, recipe("darts"))
    assert equal(again.weights, trained["darts"].weights)
    assert torch.equal(again.alphas[0], trained["darts"].alphas[0])
    other = made(nb201, halves, recipe("darts"), seed=1)
    assert not torch.equal(other.alphas[0], again.alphas[0])
    assert not torch.equal(other.weights["stem.0.weight"], again.weights["stem.0.weight"])


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
        supernet.parameters(), settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
    )
    adam = torch.optim.Adam([alphas], settings.alpha_learning_rate, betas=(0.5, 0.999), weight_decay=1e-3)
    every = tuple((True,) * 5 for _ in range(6))
    supernet.train()

    def loss(batch):
        mixture = type("Mixture", (), {"weights": (alphas.softmax(-1),), "support": (every,)})
        return F.cross_entropy(supernet(batch[0], mixture), batch[1])

    for epoch in range(settings.epochs):
        progress = torch.tensor(torch.pi * epoch / settings.epochs)
        low, high = settings.learning_rate_min, settings.learning_rate
        sgd.param_groups[0]["lr"] = low + (high - low) * float(1 + progress.cos()) / 2
        valid = images.endless("valid", settings.batch_size, generator, settings.augment)
        for train_batch in images.epoch("train", settings.batch_size, generator, settings.augment):
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
        assert torch.allclose(ours.weights[name].float(), value.float(), atol=1e-3, rtol=1e-3), name
    # The tolerance tells: a single step moves further than that.
    start = new_supernet(nb201, inputs, halves, 0).state_dict()
    moved = max(float((ours.weights[name].float() - start[name].float()).abs().max()) for name in start)
    assert moved > 0.02
    assert float((ours.alphas[0]).abs().max()) > 0.02


def test_decided_edges_leave_what_they_silence_without_gradient(nb201, halves):
    settings = recipe("darts")
    inputs = SupernetInputs(recipe="darts", settings={}, skeleton=SKELETON)
    supernet = new_supernet(nb201, inputs, halves, 0)
    alphas = tuple(a.requires_grad_() for a in new_alphas(nb201, torch.Generator().manual_seed(0), torch.device("cpu")))
    decisions = nb201.undecided().decide(0, 0, 3).decide(0, 5, 1)
    before = {name: value.clone() for name, value in supernet.named_parameters()}
    alphas_before = alphas[0].detach().clone()
    Trainer(settings, nb201, supernet, alphas, halves, seed=0).epoch(decisions)
    silenced = {".edges.0.nor_conv_1x1.", ".edges.5.nor_conv_1x1.", ".edges.5.nor_conv_3x3."}
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
    state, saved = again.alpha_optimizer["state"][0], trained["darts"].alpha_optimizer["state"][0]
    assert equal(state, saved) and int(state["step"]) == 3
    assert again.alpha_optimizer["param_groups"] == trained["darts"].alpha_optimizer["param_groups"]


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
        torch.save({"weights": Malicious(mark)}, path, _use_new_zipfile_serialization=form == "torch")
    with pytest.raises(UserError, match="is not a supernet of ours or is damaged: remove it and run again"):
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
    with pytest.raises(UserError, match="is not a supernet of ours"):
        load_supernet(tmp_path / "x.pt")


def test_a_flipped_bit_is_noticed(tmp_path, trained):
    path = tmp_path / "x.pt"
    save_supernet(path, trained["untrained"])
    weight = trained["untrained"].weights["stem.0.weight"].contiguous(memory_format=torch.channels_last)
    whole = bytearray(path.read_bytes())
    place = whole.index(weight.permute(0, 2, 3, 1).numpy().tobytes()[:16])
    whole[place] ^= 64
    path.write_bytes(whole)
    with pytest.raises(UserError, match="damaged"):
        load_supernet(path)


def test_settings_are_checked():
    for wrong in ({"recipe": "drats"}, {"epochs": -1}, {"momentum": 1.0}, {"batch_size": 1}, {"learning_rat": 0.1}):
        with pytest.raises(ValidationError):
            recipe(**{"name": wrong.pop("recipe", "darts"), **wrong})


def test_an_untrained_supernet_does_not_depend_on_the_settings_of_training():
    assert recipe("untrained", epochs=5).settings() == recipe("untrained", epochs=7).settings()
    assert recipe("blank", epochs=5).settings() != recipe("blank", epochs=7).settings()


def test_images_smaller_than_a_batch_are_the_users_to_mend(nb201, digits):
    with pytest.raises(UserError, match="a batch of 64 does not fit part 'valid' of 'digits', which has 48 images"):
        made(nb201, digits(48), recipe("darts", batch_size=64))
