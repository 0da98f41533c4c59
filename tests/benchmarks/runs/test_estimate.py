"""Estimates against what runs really count."""

import pytest
import torch

from archselect.benchmarks.plan.jobs import plan_runs
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.study_files import built_in_studies
from archselect.benchmarks.runs.estimate import (
    KNOWN_SIZES,
    _find_sizes,
    estimate_study,
    total_counts,
)
from archselect.benchmarks.runs.runner import Runner
from archselect.benchmarks.runs.supernet_counter import Sizes
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Counts, Record
from archselect.nasbench_adapters.errors import UserError


@pytest.fixture
def measured(small_study, tmp_path):
    """label: the record of the small study's run with seed 0."""
    runner, found = Runner(Folder(tmp_path / "out"), torch.device("cpu"), None), {}
    for job in plan_runs(small_study, None):
        if job.supernet.seed == 0:
            if not runner.supernet_path(job.supernet).exists():
                runner.make_supernet(job.supernet)
            found[job.label] = runner.run(job)
    return found


def selection(record: Record) -> Counts:
    """All that a run counted but its supernet."""
    parts = [
        counts for phase, counts in record.cost.counts.items() if phase != "supernet"
    ]
    return Counts(
        **{
            name: sum(getattr(part, name) for part in parts)
            for name in Counts.model_fields
        }
    )


def test_estimates_count_what_runs_count(small_study, measured):
    estimates = {e.label: e for e in estimate_study(small_study)}
    assert set(estimates) == set(measured)
    for label, record in measured.items():
        found = estimates[label]
        assert found.supernet == record.cost.counts.get("supernet", Counts()), label
        counted = selection(record)
        if (
            label != "zero-cost-pt"
        ):  # how many candidates are distinct is up to the answers
            assert (
                found.selection.forwards,
                found.selection.backwards,
                found.selection.images,
            ) == (
                counted.forwards,
                counted.backwards,
                counted.images,
            ), label
        # Which operations are decided for is up to the answers too.
        assert found.selection.flops == pytest.approx(counted.flops, rel=0.5), label


@pytest.mark.parametrize(
    "settings",
    [
        'measure = "synflow"\nbatch_size = 8',
        'measure = "snip"\nbatch_size = 8',
        'measure = "zen"\nchange = "fix"\nbatch_size = 8\nnorm = "batch"',
        'measure = "accuracy"\nchange = "fix"\ncandidate_epochs = 1',
    ],
    ids=["synflow", "snip", "zen", "disc-acc"],
)
def test_estimates_of_operation_scores(write_study, tmp_path, settings):
    """Of the first scores alone nothing is up to the answers."""
    change = (
        'name = "magnitude"',
        f'name = "operation-scores"\nrescore = false\n{settings}',
    )
    study = read_study(str(write_study(change)))
    (job,) = (
        job
        for job in plan_runs(study, None)
        if job.label == "operation-scores" and job.supernet.seed == 0
    )
    runner = Runner(Folder(tmp_path / "out"), torch.device("cpu"), None)
    runner.make_supernet(job.supernet)
    counted = selection(runner.run(job))
    (found,) = (
        e.selection for e in estimate_study(study) if e.label == "operation-scores"
    )
    assert (found.forwards, found.backwards, found.images) == (
        counted.forwards,
        counted.backwards,
        counted.images,
    )
    # Tuning an epoch is reckoned by the cost of one step.
    assert found.flops == pytest.approx(counted.flops, rel=0.05)


def test_a_supernet_counts_once_for_all_who_read_it(small_study):
    estimates = estimate_study(small_study)
    supernets = {e.supernet_label: e.supernet.flops for e in estimates}
    runs = len(small_study.seeds.supernet)
    assert total_counts(small_study, estimates).flops == runs * (
        sum(supernets.values()) + sum(e.selection.flops for e in estimates)
    )


def test_data_that_are_not_here_are_reckoned_with(tmp_path):
    assert _find_sizes("cifar10", tmp_path) == KNOWN_SIZES["cifar10"]
    assert _find_sizes("digits", tmp_path) == Sizes(1, 8, 1200, 597, 10)
    with pytest.raises(UserError, match="unknown data set"):
        _find_sizes("cifar11", tmp_path)


@pytest.mark.parametrize("name", sorted(built_in_studies()))
def test_every_built_in_study_is_valid(name):
    study = read_study(name)
    assert study.name == name and study.pairs()
