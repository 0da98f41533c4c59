"""Trials of one selector do not disturb one another."""

import torch
from support import bad_selectors

from archselect.benchmarks.conformance.trials import SupernetTrials
from archselect.benchmarks.conformance.variants import variants_of
from archselect.benchmarks.conformance.watch import SelectorWatch
from archselect.nasbench_adapters.spaces import get_space

CPU = torch.device("cpu")


def test_a_trial_after_one_that_spoilt_the_supernet_finds_it_as_it_was():
    runner = SupernetTrials(bad_selectors.Trains, get_space("nb201"), CPU)
    before = {
        name: value.clone()
        for name, value in runner._task.supernet.state_dict().items()
    }
    for variant in variants_of(bad_selectors.Trains):
        assert runner.measured_trial(variant).changes
    assert all(
        torch.equal(value, before[name])
        for name, value in runner._task.supernet.state_dict().items()
    )
    runner._select(
        bad_selectors.LeavesTrainingMode(),
        runner.fake_task(0, 3, SelectorWatch(CPU)),
        SelectorWatch(CPU),
    )
    assert not any(module.training for module in runner._task.supernet.modules())
