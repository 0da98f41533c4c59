"""RADARS-style and random pruning: what fits, what they are without a budget, and how well they prune nb201."""

import math
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.query_task import query_task

from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.runs.supernet_free_task import SupernetFreeTask
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.space import Decisions
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.sub_space import (
    live_candidates,
    rows_within,
    sample_within,
)
from archselect.nasbench_adapters.truth.choices import flatten
from archselect.selectors.magnitude import Magnitude
from archselect.selectors.memory_pruning import close_least
from archselect.selectors.policy import Policy
from archselect.selectors.queries import Queries
from archselect.selectors.radars import RadarsStyle
from archselect.selectors.random_pruning import RandomPruning
from archselect.selectors.search import Search

CPU = torch.device("cpu")
NB201 = get_space("nb201")
SKELETONS = {
    "nb201": {"channels": 2, "cells": 1, "reduction": "pool"},
    "darts": {"channels": 2, "layers": 3},
    "s3": {"channels": 2, "layers": 3},
}
KINDS = [RandomPruning, RadarsStyle]


class RewardedTask(SupernetTask):
    """A task on a real supernet whose reward counts 3x3 convolutions."""

    def _reward(self, architecture):
        choices = chain.from_iterable(architecture.choices)
        return float(sum(choice == 3 for choice in choices))


def real_task(space="nb201", budget=200, selection_seed=0, **recipe):
    """A rewarded task on a supernet that has not been trained yet."""
    found = get_space(space)
    how = Recipe(
        recipe=recipe.pop("recipe", "darts"),
        epochs=0,
        batch_size=8,
        alpha_learning_rate=0.1,
        **recipe,
    )
    inputs = how.inputs(space, SKELETONS[space])
    images = Images(load_images("digits"), CPU, limit=16)
    trained = make_supernet(how, found, inputs, images, 0)
    task = RewardedTask(
        found, how, inputs, trained, images, PhaseClock(CPU), 0, selection_seed
    )
    task.queries = Queries(found, budget)
    return task


class CountedTask(SupernetFreeTask):
    """A task that answers queries, in which every live operation takes one byte."""

    activation = "softmax"

    def memory(self, decisions, batch_size=None):
        del batch_size
        edges = chain.from_iterable(self.space.edges)
        return sum(len(decisions.live(edge)) for edge in edges)


class Pruned(Exception):
    """What was left, before it is tuned."""


def prune(kind, reward, seed, queries=100, **given_settings):
    """The decisions that a selector prunes nb201 to."""
    account = Queries(NB201, queries)
    rng = np.random.default_rng(seed)
    task = CountedTask(NB201, rng, PhaseClock(CPU))
    task.answer_queries(account, reward)

    class Stops(kind):
        def tune_and_read(self, task, search, budget):
            raise Pruned(search.decisions)

    with pytest.raises(Pruned) as stopped:
        Stops(**given_settings).select(task)
    return stopped.value.args[0]


# --- what fits


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("space", "budget"), [("nb201", 0.6), ("darts", 0.5), ("s3", 0.8)]
)
def test_what_is_left_fits_and_what_is_selected_is_of_it(kind, space, budget):
    task = real_task(space)
    small = {"samples": 3} if kind is RadarsStyle else {}
    selection = kind(budget=budget, tune_epochs=1, **small).select(task)
    decisions, bytes_ = selection.sub_space
    assert bytes_ == int(budget * task.memory(task.space.undecided()))
    assert task.memory(decisions) <= bytes_
    assert space != "nb201" or selection.closings
    row = flatten(selection.architecture)[None]
    assert rows_within(task.space, decisions, row).all()
    closed = {(own.cell, own.edge, own.choice) for own in selection.closings}
    for edge in chain.from_iterable(task.space.edges):
        lost = {c for c in edge.choices if (edge.cell, edge.index, c) in closed}
        assert set(decisions.live(edge)) == set(edge.choices) - lost


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_and_a_share_are_the_same_budget(kind):
    whole = real_task().memory(NB201.undecided())
    quick = {"tune_epochs": 1}
    by_share = kind(budget=0.7, **quick).select(real_task())
    by_bytes = kind(budget=int(0.7 * whole), **quick).select(real_task())
    assert by_share == by_bytes


@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_below_any_architecture_is_this_runs_failure(kind):
    with pytest.raises(
        ValueError, match=r"still needs .* give a larger budget"
    ) as error:
        kind(budget=0.01, tune_epochs=1).select(real_task())
    assert not isinstance(error.value, UserError)


def test_a_recipe_that_moves_no_alphas_is_the_users_to_mend():
    with pytest.raises(UserError, match='recipe = "darts" and epochs = 0'):
        RandomPruning(tune_epochs=1).select(real_task(recipe="spos"))


# --- without a budget


@pytest.mark.parametrize("kind", KINDS)
def test_with_room_for_the_whole_it_is_darts_bit_for_bit(kind):
    task = real_task()
    before = task.rng.bit_generator.state
    selection = kind(budget=1, tune_epochs=3).select(task)
    assert not selection.closings
    assert not selection.architecture_scores
    assert task.rng.bit_generator.state == before
    plain = real_task()
    for epoch in range(3):
        cosine = (1 + math.cos(math.pi * epoch / 3)) / 2
        plain.tune(NB201.undecided(), 1, 0.001 + (0.025 - 0.001) * cosine)
    darts = Magnitude().select(plain)
    for ours, theirs in zip(task.alphas, plain.alphas, strict=True):
        assert torch.equal(ours, theirs)
    weights = plain.supernet.state_dict()
    for name, value in task.supernet.state_dict().items():
        assert torch.equal(value, weights[name])
    assert selection.architecture == darts.architecture
    assert selection.operation_scores == darts.operation_scores
    assert selection.decisions == darts.decisions


# --- how it prunes


def test_equal_worths_close_the_higher_index_and_the_last_one_stays():
    decisions = NB201.undecided()
    edges = NB201.edges[0]
    for _ in range(3):
        worths = {
            edge: dict.fromkeys(live_candidates(decisions, edge), 0.0) for edge in edges
        }
        decisions = close_least(decisions, worths)
    assert {decisions.live(edge) for edge in edges} == {(0, 1)}
    worths = {edge: {0: 1.0, 1: 0.5} for edge in edges}
    decisions = close_least(decisions, worths)
    assert {decisions.live(edge) for edge in edges} == {(0,)}
    assert close_least(decisions, {edges[0]: {0: 0.0}}) == decisions


@settings(max_examples=30, deadline=None)
@given(
    rewards=st.lists(st.floats(-100, 100), min_size=1, max_size=8),
    seed=st.integers(0, 99),
    count=st.integers(1, 5),
)
def test_the_policy_moves_by_the_written_rule(rewards, seed, count):
    """Every number of theta again, entry by entry."""
    search = Search(query_task(NB201, lambda _: 0.0, 1))
    policy = Policy(search, rate=0.1, decay=0.9)
    rng = np.random.default_rng(seed)
    theta = {(edge, k): 0.0 for edge in NB201.edges[0] for k in range(5)}
    seen, baseline = [], rewards[0]
    for reward in rewards:
        draw = {edge: policy.draw(search, edge, count, rng) for edge in NB201.edges[0]}
        policy.learn(search, draw, reward)
        seen.append(reward)
        mean = sum(seen) / len(seen)
        spread = math.sqrt(sum((own - mean) ** 2 for own in seen) / len(seen)) or 1.0
        for edge, drawn in draw.items():
            assert len(set(drawn)) == count
            powers = [math.exp(theta[edge, k]) for k in range(5)]
            for k in range(5):
                likely = min(1.0, count * powers[k] / sum(powers))
                step = 0.1 * (reward - baseline) / spread
                theta[edge, k] += step * ((k in drawn) - likely)
        baseline = 0.9 * baseline + 0.1 * reward
    for edge, worths in policy.worths(search).items():
        assert worths == pytest.approx(
            {k: theta[edge, k] for k in range(5)}, rel=1e-9, abs=1e-9
        )


def test_operations_are_drawn_by_the_softmax():
    """The first one drawn, in 4,000 draws, lies within four standard errors."""
    search = Search(query_task(NB201, lambda _: 0.0, 1))
    policy = Policy(search, rate=1.0, decay=0.9)
    edge = NB201.edges[0][0]
    policy.learn(search, {edge: [1]}, 0.0)
    policy.learn(search, {edge: [3]}, 2.0)
    worths = policy.worths(search)[edge]
    powers = np.exp([worths[k] for k in range(5)])
    wanted = powers / powers.sum()
    rng = np.random.default_rng(0)
    draws = 4_000
    first = [policy.draw(search, edge, 2, rng)[0] for _ in range(draws)]
    shares = np.bincount(first, minlength=5) / draws
    errors = np.sqrt(wanted * (1 - wanted) / draws)
    assert (np.abs(shares - wanted) < 4 * errors).all()
    assert wanted.argmax() == 3


@pytest.mark.parametrize("seed", range(3))
def test_it_keeps_what_the_reward_wants(seed):
    """With 3x3 convolutions as the reward, they stay on more edges than at random."""

    def reward(architecture):
        return float(sum(choice == 3 for choice in architecture.choices[0]))

    kept = prune(RadarsStyle, reward, seed, queries=1_000, budget=12.5, samples=100)
    lives = [3 in kept.live(edge) for edge in NB201.edges[0]]
    assert sum(lives) >= 5


@pytest.mark.parametrize("queries", [1, 3, 1_000])
def test_spent_queries_end_the_sampling_and_not_the_pruning(queries):
    kept = prune(RadarsStyle, lambda _: 1.0, 0, queries=queries, budget=12.5)
    assert all(len(kept.live(edge)) == 2 for edge in NB201.edges[0])


def test_where_single_operations_do_not_fit_the_best_fitting_draw_stays():
    """A 3x3 convolution takes ten bytes and is what the reward wants: three fit, four do not."""

    def reward(architecture):
        return float(sum(choice == 3 for choice in architecture.choices[0]))

    class Heavy(CountedTask):
        def memory(self, decisions, batch_size=None):
            lives = [decisions.live(edge) for edge in NB201.edges[0]]
            return sum(10 if k == 3 else 1 for live in lives for k in live)

    rng = np.random.default_rng(0)
    task = Heavy(NB201, rng, PhaseClock(CPU))
    task.answer_queries(Queries(NB201, 5_000), reward)

    class Stops(RadarsStyle):
        def tune_and_read(self, task, search, budget):
            raise Pruned(search)

    with pytest.raises(Pruned) as stopped:
        Stops(budget=33).select(task)
    decisions = stopped.value.args[0].decisions
    assert task.memory(decisions) <= 33
    assert sum(decisions.live(edge) == (3,) for edge in NB201.edges[0]) >= 1


# --- nb201, by its table


@pytest.fixture(scope="module")
def grids(shared_file):
    """Accuracies of nb201 as arrays of six axes: the reward's, and the report's."""
    frame = read_nb201(shared_file("nb201.csv.gz"))
    return {
        "valid": grid_of(frame, "cifar10-valid", "x-valid"),
        "test": grid_of(frame, "cifar10", "ori-test"),
    }


def read_nb201(path):
    import pandas as pd

    columns = ["arch", "dataset", "split", "epochs", "accuracy"]
    return pd.read_csv(path, usecols=columns)


def grid_of(frame, dataset, split):
    wanted = (frame.dataset == dataset) & (frame.split == split) & (frame.epochs == 200)
    means = frame[wanted].groupby("arch").accuracy.mean()
    grid = np.full((5,) * 6, np.nan)
    for text, mean in means.items():
        grid[NB201.parse(text).choices[0]] = mean
    assert not np.isnan(grid).any()
    return grid


def block(grid, decisions):
    return grid[np.ix_(*[list(decisions.live(edge)) for edge in NB201.edges[0]])]


@pytest.mark.parametrize(
    ("kept", "mean", "best"),
    [
        (2, (78.58, 88.95, 91.69), (92.20, 93.29, 93.94)),
        (3, (82.26, 87.67, 90.53), (93.26, 93.92, 94.34)),
    ],
)
def test_random_pruning_leaves_what_others_measured(grids, kept, mean, best):
    """The 10, 50 and 90 % quantiles of 5,000 draws, within four standard errors of 400 of ours.

    The standard error of a quantile is by ranks: that of the share below it.
    """
    runs = 400
    pruned = [
        prune(RandomPruning, None, seed, budget=6 * kept + 0.5) for seed in range(runs)
    ]
    blocks = [block(grids["test"], decisions) for decisions in pruned]
    assert {own.size for own in blocks} == {kept**6}
    found = {
        "mean": [own.mean() for own in blocks],
        "best": [own.max() for own in blocks],
    }
    for values, wanted in ((found["mean"], mean), (found["best"], best)):
        for share, quantile in zip((0.1, 0.5, 0.9), wanted, strict=True):
            below = np.mean(np.array(values) < quantile)
            error = math.sqrt(share * (1 - share) * (1 / runs + 1 / 5_000))
            assert abs(below - share) < 4 * error


def test_a_hundred_queries_prune_better_than_nine_of_ten_random_ones(grids):
    """At two operations per edge, by the mean of what is left; the median of 15 seeds."""
    reward = grids["valid"]
    means = []
    for seed in range(15):
        kept = prune(
            RadarsStyle,
            lambda own: float(reward[own.choices[0]]),
            seed,
            budget=12.5,
            samples=33,
        )
        means.append(block(grids["test"], kept).mean())
    assert np.median(means) > 91.7


# --- architectures of live operations


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.sampled_from(["nb201", "darts-none", "s3"]))
def test_a_drawn_architecture_is_of_live_operations(seed, name):
    space, rng = get_space(name), np.random.default_rng(seed)
    decisions = space.undecided()
    for edge in chain.from_iterable(space.edges):
        live = live_candidates(decisions, edge)
        for choice in rng.permutation(live)[rng.integers(1, len(live) + 1) :]:
            decisions = decisions.close(edge, int(choice))
    drawn = sample_within(space, decisions, rng)
    assert space.parse(space.format(drawn)) == drawn
    rows = np.stack([flatten(drawn), flatten(space.sample(rng))])
    inside = rows_within(space, decisions, rows)
    assert inside[0]
    others = Decisions.of(space.parse(space.format(drawn)))
    assert rows_within(space, others, rows)[0]


def test_all_architectures_of_live_operations_are_found():
    decisions = NB201.undecided()
    rng = np.random.default_rng(0)
    for edge in NB201.edges[0]:
        for choice in rng.permutation(5)[2:]:
            decisions = decisions.close(edge, int(choice))
    rows = np.stack([flatten(own) for own in NB201.enumerate()])
    inside = rows_within(NB201, decisions, rows)
    assert inside.sum() == 2**6
    draws = {sample_within(NB201, decisions, rng) for _ in range(1_000)}
    assert {flatten(own).tobytes() for own in draws} == {
        row.tobytes() for row in rows[inside]
    }


def test_a_node_without_enough_inputs_is_refused():
    space = get_space("darts")
    decisions = space.undecided()
    for edge in space.edges[0][:1]:
        decisions = decisions.decide(edge.cell, edge.index, -2)
    with pytest.raises(ValueError, match="keeps 2 inputs but has only 1"):
        sample_within(space, decisions, np.random.default_rng(0))
