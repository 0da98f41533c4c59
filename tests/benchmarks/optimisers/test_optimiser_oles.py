"""The cosines against slow ones, what freezes and when, and what stays as it was."""

import pytest
import torch
from pydantic import ValidationError

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.gradient_match import weighted_operations
from archselect.benchmarks.optimisers.oles import Oles

DOUBLE = torch.float64


def cosine(one, other):
    """Of two lists of numbers, by their sums."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    norm = sum(a * a for a in one) * sum(b * b for b in other)
    return product / norm**0.5 if norm else 0.0


def slow_cosine(slopes, others, as_released):
    """Of one operation, from its weights' gradients, number by number."""
    if not as_released:
        one = [value for slope in slopes for value in slope.flatten().tolist()]
        other = [value for slope in others for value in slope.flatten().tolist()]
        return cosine(one, other)
    by_weight = []
    for slope, trained in zip(slopes, others, strict=True):
        left_over = (slope + trained).flatten(1).T.tolist()
        known = trained.flatten(1).T.tolist()
        columns = [cosine(*pair) for pair in zip(left_over, known, strict=True)]
        by_weight.append(sum(columns) / len(columns))
    return sum(by_weight) / len(by_weight)


class Steps:
    """A trainer whose validation batch is fixed, and its steps on one batch."""

    def __init__(self, new_trainer, batch, optimiser, space="nb201", dtype=DOUBLE):
        self.trainer = new_trainer(optimiser, space, dtype)
        self.trainer.supernet.train()
        self.batch = batch("train", dtype)
        self.valid = batch("valid", dtype)
        self.trainer.valid = lambda: self.valid
        self.operations = weighted_operations(self.trainer.supernet)

    def step(self):
        self.trainer.optimiser.step(self.trainer, self.batch)

    def frozen(self):
        """How many operations are frozen."""
        memory = self.trainer.memory
        return int(sum(memory[f"frozen {own.name}"] for own in self.operations))

    def values(self):
        """Copies of the operations' weights."""
        return [
            weight.detach().clone() for own in self.operations for weight in own.weights
        ]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("space", ["nb201", "s3"])
@pytest.mark.parametrize("as_released", [False, True])
def test_cosines_are_those_of_each_operation_taken_apart(
    new_trainer, batch, space, as_released
):
    watched = Steps(
        new_trainer,
        batch,
        Oles(every=100, as_released=as_released, grad_clip=0.5),
        space,
    )
    plain = Steps(new_trainer, batch, Darts(grad_clip=0.5), space)
    total = [0.0] * len(plain.operations)
    for count in range(3):
        trainer = plain.trainer
        weights = [weight for own in plain.operations for weight in own.weights]
        loss = trainer.loss(plain.valid, trainer.mixture())
        slopes = dict(zip(weights, torch.autograd.grad(loss, weights), strict=True))
        for index, own in enumerate(plain.operations):
            if count:
                total[index] += slow_cosine(
                    [slopes[weight] for weight in own.weights],
                    [weight.grad for weight in own.weights],
                    as_released,
                )
        for each in (watched, plain):
            each.step()
    assert watched.trainer.memory["comparisons"] == 2.0
    found = watched.trainer.memory["cosines"]
    torch.testing.assert_close(found, torch.tensor(total, dtype=DOUBLE))


@pytest.mark.parametrize("space", ["nb201", "s1"])
def test_a_threshold_that_nothing_falls_below_is_darts_bit_by_bit(new_trainer, space):
    settings = {"batch_size": 4, "epochs": 2}
    plain = new_trainer(Darts(**settings), space)
    watched = new_trainer(Oles(threshold=-1, every=1, **settings), space)
    frozen = new_trainer(Oles(threshold=1, every=1, **settings), space)
    for trainer in (plain, watched, frozen):
        for progress in (0.0, 0.5):
            trainer.epoch(trainer.space.undecided(), progress=progress)
    states = [trainer.supernet.state_dict().values() for trainer in (plain, watched)]
    assert same(*states)
    assert same(plain.alphas, watched.alphas)
    assert not same(plain.alphas, frozen.alphas)


def test_frozen_weights_do_not_move_and_others_do(new_trainer, batch):
    """Neither by decay nor by momentum; running statistics still move."""
    steps = Steps(new_trainer, batch, Oles(threshold=1, every=1, weight_decay=0.1))
    steps.step()
    before = steps.values()
    steps.step()
    assert steps.frozen() == len(steps.operations)
    assert same(before, steps.values())
    stem = steps.trainer.supernet.stem[0].weight.detach().clone()
    statistics = [
        value.clone()
        for name, value in steps.trainer.supernet.named_buffers()
        if name.endswith("running_mean")
    ]
    alphas = steps.trainer.alphas[0].detach().clone()
    steps.step()
    assert same(before, steps.values())
    assert not torch.equal(stem, steps.trainer.supernet.stem[0].weight)
    assert not torch.equal(alphas, steps.trainer.alphas[0])
    now = [
        value
        for name, value in steps.trainer.supernet.named_buffers()
        if name.endswith("running_mean")
    ]
    assert not any(torch.equal(*pair) for pair in zip(statistics, now, strict=True))


@pytest.mark.parametrize(("as_released", "comparisons"), [(False, 3), (True, 4)])
def test_operations_are_judged_once_in_so_many_comparisons(
    new_trainer, batch, as_released, comparisons
):
    optimiser = Oles(threshold=-1, every=3, as_released=as_released)
    steps = Steps(new_trainer, batch, optimiser)
    # The first step has no training gradient to compare with.
    for step in range(2 * comparisons + 1):
        assert steps.trainer.memory["comparisons"] == max(step - 1, 0) % comparisons
        steps.step()
    assert steps.trainer.memory["comparisons"] == 0
    assert not steps.trainer.memory["cosines"].any()


def test_those_below_the_threshold_freeze(new_trainer, batch):
    """A threshold between the operations' cosines parts them."""
    watched = Steps(new_trainer, batch, Oles(every=100))
    for _ in range(3):
        watched.step()
    means = watched.trainer.memory["cosines"] / 2
    threshold = float(means.median())
    judged = Steps(new_trainer, batch, Oles(every=2, threshold=threshold))
    for _ in range(3):
        judged.step()
    memory = judged.trainer.memory
    found = [memory[f"frozen {own.name}"] for own in judged.operations]
    assert found == (means < threshold).double().tolist()
    assert 0 < judged.frozen() < len(judged.operations)


def test_an_operation_that_is_not_computed_is_not_judged(new_trainer, batch):
    steps = Steps(new_trainer, batch, Oles(threshold=1, every=1))
    edge = steps.trainer.space.edges[0][0]
    closed = edge.operations.index("nor_conv_3x3")
    steps.trainer.decisions = steps.trainer.decisions.close(edge, closed)
    for _ in range(2):
        steps.step()
    assert steps.frozen() == len(steps.operations) - len(steps.trainer.supernet.cells())


def test_other_levels_and_orders_are_refused():
    for wrong in ({"level": "single"}, {"order": 2}, {"threshold": 2}, {"every": 0}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            Oles(**wrong)
