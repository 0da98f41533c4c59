"""When alphas are stepped: shares of steps, and a slow reference in plain Python."""

import math
import random

import pytest
import torch

from archselect.benchmarks.optimisers.schedules import (
    BATCH,
    EveryStep,
    InformedSchedule,
    get_schedule,
)
from archselect.nasbench_adapters.errors import UserError


def run(schedule, norms, batches_per_epoch=10):
    """The decisions for a row of norms, and the memory after it."""
    memory = {BATCH: 0.0}
    schedule.begin(memory)
    decisions = []
    for place, norm in enumerate(norms):
        memory[BATCH] = float(place % batches_per_epoch)
        decisions.append(schedule.is_due(memory))
        schedule.observe(torch.tensor(norm), decisions[-1], memory)
    return decisions, memory


def lognormal(count, scale=1.0, seed=0):
    generator = random.Random(seed)
    return [scale * math.exp(generator.gauss(0, 0.3)) for _ in range(count)]


@pytest.mark.parametrize("steps", [1, 3, 4])
def test_every_so_many_batches_and_again_from_each_epoch_on(steps):
    decisions, memory = run(EveryStep(steps), lognormal(30))
    expected = [(place % 10 + 1) % steps == 0 for place in range(30)]
    assert decisions == expected
    assert memory.keys() == {BATCH}


@pytest.mark.parametrize("steps", [1, 3, 10])
@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_the_informed_share_of_steps_does_not_depend_on_the_scale(steps, scale):
    """It tends to 1 / (1 + s): T moves as far up as down where norms are stationary."""
    batches = 20_000
    decisions, memory = run(InformedSchedule(steps), lognormal(batches, scale))
    # The first batches bring T to the size of the norms.
    late = decisions[1_000:]
    assert sum(late) / len(late) == pytest.approx(1 / (1 + steps), abs=0.002)
    rises = len(decisions) - sum(decisions) - steps * sum(decisions)
    assert math.log(memory["threshold"]) == pytest.approx(
        rises * math.log(1.05), abs=1e-6
    )


def test_the_first_batch_has_no_step():
    decisions, _ = run(InformedSchedule(1), [1e-6] * 3)
    assert decisions == [False, True, True]


def slow_informed(norms, steps):
    """The protocol's lines, word for word, without the fault of the release."""
    average = 0.0
    threshold = 1.0
    decisions = []
    for place, norm in enumerate(norms):
        due = 0 < average < threshold
        decisions.append(due)
        threshold *= 1.05**-steps if due else 1.05
        squared = norm**2
        average = squared if place == 0 else 0.2 * squared + 0.8 * average
    return decisions, average


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_a_slow_reference(steps, seed):
    norms = lognormal(500, 1.5, seed)
    decisions, memory = run(InformedSchedule(steps), norms)
    expected, average = slow_informed(norms, steps)
    assert decisions == expected
    assert memory["gradient average"] == pytest.approx(average, rel=1e-4)


@pytest.mark.parametrize(("as_released", "average"), [(False, 51.688), (True, 1.0)])
def test_the_alias_of_the_release(as_released, average):
    """Squared norms of 100, 1, 1, 1: the second replaces the first in the release."""
    schedule = InformedSchedule(1, as_released)
    _, memory = run(schedule, [10.0, 1.0, 1.0, 1.0])
    assert memory["gradient average"] == pytest.approx(average, rel=1e-6)


def test_a_gradient_that_is_not_finite_stops_no_training():
    """The alphas are then not stepped; the weights' loss says what is wrong."""
    decisions, _ = run(InformedSchedule(1), [1.0, math.nan, 1.0, 1.0])
    assert decisions[2:] == [False, False]


def test_an_unknown_schedule():
    with pytest.raises(UserError, match="unknown schedule 'informd': did you mean"):
        get_schedule("informd")
