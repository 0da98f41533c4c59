import pytest
import torch
from torch.nn import functional as F

from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.benchmarks.store.records import SupernetInputs
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import mixture_of, one_hot, scoring
from archselect.nasbench_adapters.spaces import get_space

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def world(nb201, digits):
    """`world(recipe)` is a recipe, its inputs, the supernet made by it, and the images."""
    made = {}

    def make(name):
        if name not in made:
            recipe = Recipe(recipe=name, epochs=1, batch_size=16)
            skeleton = {"channels": 2, "cells": 1, "reduction": "pool"}
            inputs = SupernetInputs(
                recipe=name, settings=recipe.settings(), skeleton=skeleton
            )
            images = digits(48)
            made[name] = (
                recipe,
                inputs,
                make_supernet(recipe, nb201, inputs, images, 0),
                images,
            )
        return made[name]

    return make


@pytest.fixture
def new_task(nb201, world):
    """`new_task(recipe, selection_seed)` is a task on a copy of the recipe's supernet."""

    def make(name="darts", selection_seed=0):
        return SupernetTask(nb201, *world(name), PhaseClock(CPU), 0, selection_seed)

    return make


def state(task):
    weights = {
        name: value.clone() for name, value in task.supernet.state_dict().items()
    }
    return weights | {"alphas": task.alphas[0].detach().clone()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_the_task_holds_a_copy(new_task, world):
    first, second = new_task(), new_task()
    before = state(second)
    first.tune(first.space.undecided(), 1, 0.1)
    assert not same(before, state(first))
    assert same(before, state(second))
    assert torch.equal(world("darts")[2].alphas[0], second.alphas[0])


@pytest.mark.parametrize("norm", ["running", "batch"])
@pytest.mark.parametrize("augment", [False, True])
def test_scoring_leaves_no_trace(new_task, norm, augment):
    task = new_task()
    before, random = state(task), torch.random.get_rng_state()
    mixture = task.mixture(task.space.undecided())
    task.evaluate(mixture, norm=norm, augment=augment)
    task.proxy("nwot", mixture, task.minibatch(8), norm=norm)
    assert torch.equal(torch.random.get_rng_state(), random)
    task.proxy_of_network("nwot", task.space.sample(task.rng), batches=1, size=8)
    assert same(before, state(task))
    assert not task.supernet.training


def test_scoring_a_network_leaves_the_global_random_state_alone(new_task):
    task, random = new_task(), torch.random.get_rng_state()
    task.proxy_of_network("nwot", task.space.parse(CELL), batches=1, size=8)
    assert torch.equal(torch.random.get_rng_state(), random)


def test_tuning_leaves_the_trained_supernet_alone(new_task, world):
    trained = world("darts")[2]
    before = {
        name: value.clone()
        for name, value in trained.alpha_optimizer["state"][0].items()
    }
    task = new_task()
    task.tune(task.space.undecided(), 1, 0.01)
    assert all(
        torch.equal(before[name], value)
        for name, value in trained.alpha_optimizer["state"][0].items()
    )


def test_evaluation_is_over_the_whole_validation_half(new_task, world):
    task, images = new_task(), world("darts")[3]
    mixture = task.mixture(task.space.undecided())
    x, y = images.batch(images.valid_index)
    task.supernet.eval()
    with torch.no_grad():
        logits = task.supernet(x, mixture)
    found = task.evaluate(mixture)
    assert found.accuracy == pytest.approx(
        100 * float((logits.argmax(1) == y).float().mean())
    )
    assert found.loss == pytest.approx(float(F.cross_entropy(logits, y)), rel=1e-5)


def test_a_mixture_is_softmax_and_one_hot(new_task):
    task = new_task()
    decisions = task.space.undecided().decide(0, 2, 4)
    weights = task.mixture(decisions).weights[0]
    expected = task.alphas[0].detach().softmax(-1)
    expected[2] = torch.eye(5)[4]
    assert torch.allclose(weights, expected)
    assert not weights.requires_grad
    other = task.new_alphas()
    assert torch.allclose(
        task.mixture(task.space.undecided(), other).weights[0], other[0].softmax(-1)
    )


def test_streams_are_seeded_by_the_selection(new_task):
    def draws(seed):
        task = new_task(selection_seed=seed)
        batch = task.minibatch(8)
        return [
            task.rng.integers(10**9),
            task.new_alphas()[0].tolist(),
            batch.images.tolist(),
            task.proxy_of_network("nwot", task.space.parse(CELL), 1, 8),
        ]

    assert draws(0) == draws(0)
    assert not any(a == b for a, b in zip(draws(0), draws(1), strict=True))


CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|none~0|skip_connect~1|nor_conv_1x1~2|"


def test_draws_of_one_purpose_do_not_move_another(new_task):
    plain, busy = new_task(), new_task()
    busy.minibatch(8)
    busy.rng.random(100)
    busy.evaluate(busy.mixture(busy.space.undecided()), norm="batch", augment=True)
    assert torch.equal(plain.new_alphas()[0], busy.new_alphas()[0])
    busy.new_alphas()
    plain.minibatch(8)
    assert torch.equal(plain.minibatch(8).images, busy.minibatch(8).images)


def test_every_call_is_another_draw(new_task):
    task = new_task()
    assert not torch.equal(task.new_alphas()[0], task.new_alphas()[0])
    assert not torch.equal(task.minibatch(8).images, task.minibatch(8).images)
    cell = task.space.parse(CELL)
    assert task.proxy_of_network("nwot", cell, 1, 8) != task.proxy_of_network(
        "nwot", cell, 1, 8
    )


def test_minibatches_are_of_the_training_half(new_task, world):
    task, images = new_task("untrained"), world("untrained")[3]
    task._recipe = Recipe(recipe="untrained", batch_size=16, augment=False)
    train, _ = images.batch(images.train_index)
    drawn = task.minibatch(20)
    rows = {row.numpy().tobytes() for row in train}
    assert all(row.numpy().tobytes() in rows for row in drawn.images)
    assert drawn.images.shape == (20, 1, 8, 8) and drawn.labels.shape == (20,)
    # No UserError, which would stop the study: the run of this selector fails.
    with pytest.raises(
        ValueError,
        match=r"the selector asked for .* a batch of 49 does not fit part 'train'",
    ):
        task.minibatch(49)


@pytest.mark.parametrize(
    ("recipe", "moves"), [("darts", True), ("blank", False), ("untrained", False)]
)
def test_tuning_moves_alphas_only_where_the_recipe_learns_them(new_task, recipe, moves):
    task = new_task(recipe)
    before = state(task)
    task.tune(task.space.undecided().decide(0, 0, 2), 1, 0.01)
    assert torch.equal(before["alphas"], task.alphas[0].detach()) != moves
    assert not torch.equal(
        before["stem.0.weight"], task.supernet.state_dict()["stem.0.weight"]
    )


def test_tuning_goes_on_with_the_optimisers_of_before(new_task):
    task = new_task()
    done = int(task._trained.alpha_optimizer["state"][0]["step"])
    task.tune(task.space.undecided(), 1, 0.01)
    first = task._trainer
    assert int(first.alpha_optimizer.state_dict()["state"][0]["step"]) == done + 3
    task.tune(task.space.undecided(), 1, 0.02)
    assert task._trainer is first
    assert first.weight_optimizer.param_groups[0]["lr"] == 0.02


def test_tuning_no_epochs_changes_nothing(new_task):
    task = new_task()
    before = state(task)
    task.tune(task.space.undecided(), 0, 0.01)
    assert same(before, state(task))


def test_time_is_charged_to_its_phase(new_task):
    task = new_task()
    mixture = task.mixture(task.space.undecided())
    task.evaluate(mixture)
    batch = task.minibatch(16)
    task.proxy("nwot", mixture, batch)
    task.proxy_of_network("nwot", task.space.parse(CELL), batches=2, size=16)
    task.tune(task.space.undecided(), 1, 0.01)
    calls = {name: time.calls for name, time in task.clock.times().items()}
    assert calls == {"score": 2, "data": 3, "validate": 1, "tune": 1}
    counts = task.clock.counts()
    assert (
        counts["score"].forwards,
        counts["score"].images,
        counts["score"].backwards,
    ) == (2, 48 + 16, 0)
    assert (counts["validate"].forwards, counts["validate"].images) == (2, 32)
    assert (counts["tune"].forwards, counts["tune"].backwards) == (6, 6)


def test_an_architecture_in_the_supernet_costs_less_than_the_mixture(new_task):
    task = new_task()
    batch = task.minibatch(16)
    task.proxy("nwot", task.mixture(task.space.undecided()), batch)
    whole = task.clock.counts()["score"].flops
    task.proxy("nwot", one_hot(task.space, task.space.parse(CELL), CPU), batch)
    assert task.clock.counts()["score"].flops - whole < whole


def test_unknown_names(new_task):
    task = new_task()
    mixture = mixture_of(task.space, task.alphas)
    with pytest.raises(UserError, match="unknown proxy 'nwto': did you mean 'nwot'"):
        task.proxy("nwto", mixture, task.minibatch(4))
    with pytest.raises(
        UserError, match="unknown batch-norm mode 'bacth': did you mean 'batch'"
    ):
        task.evaluate(mixture, norm="bacth")


@pytest.mark.parametrize("tuned_before", [False, True])
@pytest.mark.parametrize("recipe", ["darts", "blank"])
def test_what_tuning_would_bring_is_measured_and_forgotten(
    new_task, recipe, tuned_before
):
    task, other = new_task(recipe), new_task(recipe)
    decisions = task.space.undecided().decide(0, 2, 3)
    if tuned_before:
        for own in (task, other):
            own.tune(decisions, 1, 0.1)
    fixed = decisions.decide(0, 4, 1)
    before, gradients = state(task), [p.grad for p in task.supernet.parameters()]
    training = task.supernet.training
    found = task.evaluate_tuned(fixed, 2, 0.1)
    assert same(before, state(task)) and task.supernet.training is training
    assert all(
        p.grad is g for p, g in zip(task.supernet.parameters(), gradients, strict=True)
    )
    # As if the supernet were tuned in earnest; and every candidate starts from the
    # same.
    assert task.evaluate_tuned(fixed, 2, 0.1) == found
    other.tune(fixed, 2, 0.1)
    assert other.evaluate(other.mixture(fixed)) == found
    # What is tuned afterwards is what would have been.
    task.tune(fixed, 2, 0.1)
    assert same(state(task), state(other))


def test_a_tuning_that_fails_is_forgotten_too(new_task):
    task = new_task()
    before = state(task)
    with pytest.raises(UserError, match="batch-norm mode"):
        task.evaluate_tuned(task.space.undecided(), 1, 0.1, norm="none")
    assert same(before, state(task))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_replayed_scores_are_those_of_the_supernet(nb201):
    """With the batch's statistics, candidate after candidate and after tuning; nothing is left behind."""
    images, skeleton = (
        Images(load_images("digits"), torch.device("cuda"), split="first", limit=96),
        {"channels": 2, "cells": 1},
    )
    found = []
    for execution in ("eager", "cuda-graphs"):
        recipe = Recipe(
            recipe="darts", epochs=1, batch_size=16, augment=False, execution=execution
        )
        inputs = SupernetInputs(
            recipe="darts", settings=recipe.settings(), skeleton=skeleton
        )
        trained = make_supernet(recipe, nb201, inputs, images, 0)
        task = SupernetTask(
            nb201, recipe, inputs, trained, images, PhaseClock(images.device), 0, 0
        )
        before, open_edges = state(task), task.mixture(task.space.undecided())
        scores = [
            task.evaluate(open_edges.without(0, 1, k), norm="batch") for k in range(5)
        ]
        assert same(before, state(task))
        task.tune(task.space.undecided().decide(0, 1, 3), 2, 0.01)
        scores.append(
            task.evaluate(
                task.mixture(task.space.undecided().decide(0, 1, 3)), norm="batch"
            )
        )
        found.append(
            [score.loss for score in scores]
            + [task.proxy("nwot", open_edges, task.minibatch(8), norm="batch")]
        )
    assert found[1] == pytest.approx(found[0], rel=1e-3)


def test_scores_of_several_mixtures_are_theirs_one_by_one(new_task):
    task = new_task()
    batch, mixture = task.minibatch(8), task.mixture(task.space.undecided())
    masked = [mixture.without(0, 2, k) for k in range(5)]
    for name, norm in (("nwot", "running"), ("nwot", "batch"), ("snip", "batch")):
        assert task.proxies(name, masked, batch, norm) == [
            task.proxy(name, m, batch, norm) for m in masked
        ]


def test_together_they_count_as_one_by_one(nb201, new_task):
    """Forwards, images and FLOPs, whichever way a device has them computed."""
    task = new_task()
    batch, mixture = (
        task.minibatch(8),
        task.mixture(task.space.undecided().decide(0, 0, 3)),
    )
    masked = [mixture.without(0, 2, k) for k in range(5)]
    with scoring(task.supernet, "running"), task.clock.phase("together"):
        task._folded.candidates(batch.images, masked)
    with scoring(task.supernet, "running"), task.clock.phase("one by one"):
        for own in masked:
            task._folded(batch.images, own)
    counts = task.clock.counts()
    assert (
        counts["together"] == counts["one by one"] and counts["together"].forwards == 5
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["nb201", "darts"])
def test_on_a_gpu_several_mixtures_go_forward_together(name):
    space, images = (
        get_space(name),
        Images(load_images("digits"), torch.device("cuda"), split="first", limit=64),
    )
    skeleton = (
        {"channels": 4, "cells": 2} if name == "nb201" else {"channels": 4, "layers": 4}
    )
    recipe = Recipe(recipe="untrained")
    inputs = SupernetInputs(
        recipe="untrained", settings=recipe.settings(), skeleton=skeleton
    )
    trained = make_supernet(recipe, space, inputs, images, 0)
    task = SupernetTask(
        space, recipe, inputs, trained, images, PhaseClock(images.device), 0, 0
    )
    batch, mixture = task.minibatch(16), task.mixture(space.undecided())
    for change in (mixture.without, mixture.fixed):
        changed = [change(0, 2, k) for k in range(len(space.cells[0].operations[2]))]
        found = task.proxies("nwot", changed, batch)
        assert found == pytest.approx(
            [task.proxy("nwot", own, batch) for own in changed], rel=1e-4
        )
    forwards = task.clock.counts()["score"].forwards
    assert forwards == 4 * len(changed)
