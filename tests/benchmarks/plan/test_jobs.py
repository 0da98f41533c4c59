import pickle

import pytest
import torch
from support import small

from archselect.benchmarks.plan.jobs import load_search_images, plan_runs
from archselect.benchmarks.plan.parts import DataPart
from archselect.benchmarks.plan.reading import read_study
from archselect.nasbench_adapters.errors import UserError


def names(jobs):
    return [(job.supernet.seed, job.label, job.selection_seed) for job in jobs]


def test_every_run_in_the_studys_order(write_study):
    jobs = plan_runs(
        read_study(
            str(
                write_study(
                    ("supernet = [0, 1]", "supernet = [7, 3]\nselection = [5, 2]")
                )
            )
        ),
        None,
    )
    assert names(jobs) == [
        (seed, label, s) for seed in (7, 3) for label in small.LABELS for s in (5, 2)
    ]
    assert len({job.inputs.id for job in jobs}) == len(jobs) == 16
    assert len({job.supernet.id for job in jobs}) == 4


def test_supernets_are_shared_by_the_selectors_that_read_from_them(small_study):
    jobs = plan_runs(small_study, None)
    by_label = {(job.label, job.supernet.seed): job.supernet.id for job in jobs}
    for seed in (0, 1):
        assert by_label["magnitude", seed] == by_label["darts-pt", seed]
        assert by_label["random", seed] == by_label["zero-cost-pt", seed]
        assert by_label["magnitude", seed] != by_label["random", seed]


def test_inputs_say_what_the_run_sees(small_study):
    job = next(job for job in plan_runs(small_study, None) if job.label == "darts-pt")
    inputs = job.inputs
    assert inputs.data.name == "digits"
    assert (inputs.data.train_images, inputs.data.valid_images) == (32, 32)
    assert inputs.data.checksum and inputs.data.augment == "crop 1"
    assert inputs.supernet.skeleton == {"channels": 2, "cells": 1, "reduction": "pool"}
    assert (
        inputs.supernet.settings["epochs"] == 1
        and inputs.supernet.settings["learning_rate"] == 0.025
    )
    assert (
        inputs.selector.settings["tune_epochs"] == 1
        and inputs.selector.settings["norm"] == "batch"
    )


CHANGES = [
    ("channels = 2", "channels = 3"),
    ("limit = 32", "limit = 50"),
    ('split = "first"', 'split = "shuffled"'),
    ("epochs = 1\nbatch_size = 16", "epochs = 2\nbatch_size = 16"),
    ("tune_epochs = 1", "tune_epochs = 2"),
    ("supernet = [0, 1]", "supernet = [0, 2]"),
    ("supernet = [0, 1]", "supernet = [0, 1]\nselection = [1]"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_a_run_changes_its_name(write_study, small_study, change):
    before = {
        (j.label, j.supernet.seed): j.inputs.id for j in plan_runs(small_study, None)
    }
    after = {
        (j.label, j.supernet.seed): j.inputs.id
        for j in plan_runs(read_study(str(write_study(change))), None)
    }
    assert before["darts-pt", 1] != after.get(("darts-pt", 1))


def test_settings_of_another_run_do_not_change_its_name(write_study, small_study):
    study = read_study(
        str(
            write_study(
                ("tune_epochs = 1", "tune_epochs = 2"),
                ("iterations = 2", "iterations = 3"),
            )
        )
    )
    before = {
        (j.label, j.supernet.seed): j.inputs.id for j in plan_runs(small_study, None)
    }
    after = {(j.label, j.supernet.seed): j.inputs.id for j in plan_runs(study, None)}
    assert [
        label
        for label, seed in before
        if seed == 0 and before[label, 0] == after[label, 0]
    ] == [
        "random",
        "magnitude",
    ]


@pytest.mark.parametrize(
    "setting",
    [
        "momentum = 0.5",
        "weight_decay = 0.1",
        "grad_clip = 1.0",
        'batches = "resampled"',
    ],
)
def test_settings_of_tuning_an_untrained_supernet_change_the_runs_name(
    write_study, setting
):
    on_untrained = (
        'name = "darts-pt"\non = ["darts"]',
        'name = "darts-pt"\non = ["untrained"]',
    )
    plain = plan_runs(read_study(str(write_study(on_untrained))), None)
    changed = plan_runs(
        read_study(
            str(
                write_study(
                    on_untrained,
                    ('"untrained"\nbatch', f'"untrained"\n{setting}\nbatch'),
                )
            )
        ),
        None,
    )
    ids = [
        next(j.inputs.id for j in jobs if j.label == "darts-pt")
        for jobs in (plain, changed)
    ]
    assert ids[0] != ids[1]


def test_jobs_travel_to_other_processes(small_study):
    for job in plan_runs(small_study, None):
        there = pickle.loads(pickle.dumps(job))  # noqa: S301
        assert there == job
        assert there.inputs.id == job.inputs.id and there.supernet.id == job.supernet.id


def test_data_that_is_not_there(write_study):
    with pytest.raises(
        UserError, match=r"unknown data set .*'digit'.*did you mean 'digits'"
    ):
        plan_runs(
            read_study(str(write_study(('name = "digits"', 'name = "digit"')))), None
        )
    with pytest.raises(
        UserError, match="limit 601 does not fit 'digits', whose smaller half has 600"
    ):
        plan_runs(read_study(str(write_study(("limit = 32", "limit = 601")))), None)


def test_images_of_a_part_are_those_of_its_settings():
    truth = [{"table": "t", "dataset": "d", "split": "s", "epochs": 1}]
    part = DataPart(
        name="digits",
        split="shuffled",
        split_seed=3,
        train_fraction=0.25,
        limit=20,
        truth=truth,
    )
    images = load_search_images(part, None, torch.device("cpu"))
    assert images.describe()["split"] == "shuffled by seed 3, fraction 0.25"
    assert len(images.train_index) == len(images.valid_index) == 20
    assert not set(images.train_index.tolist()) & set(images.valid_index.tolist())
