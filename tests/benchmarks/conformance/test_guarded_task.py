"""What a selector can use of the task of the conformance kit."""

import pytest
import torch

from archselect.benchmarks.conformance.fake_task import FakeTask
from archselect.benchmarks.conformance.guarded_task import OFFERED, GuardedTask
from archselect.benchmarks.conformance.trials import SupernetTrials
from archselect.benchmarks.conformance.watch import SelectorWatch
from archselect.benchmarks.runs.task import SupernetTask
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.registry import SELECTORS

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def runner():
    return SupernetTrials(SELECTORS["random"], get_space("nb201"), CPU)


def test_a_guarded_task_offers_all_that_a_task_does_and_nothing_else(runner):
    watch = SelectorWatch(CPU)
    task = GuardedTask(runner.fake_task(0, 5, watch), watch)
    for name in OFFERED:
        assert getattr(task, name) is not None
    assert {
        name for name in vars(SupernetTask) if not name.startswith("_")
    } & OFFERED <= set(vars(FakeTask))
    assert not watch.notes
    with pytest.raises(
        AttributeError,
        match="a task offers no 'images'; it offers activation, alphas, evaluate",
    ):
        _ = task.images
    assert not hasattr(task, "_task")
    assert [note.split(",")[0] for note in watch.notes["offered"]] == [
        "it uses task.images",
        "it uses task._task",
    ]
