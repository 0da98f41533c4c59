"""A worker holds what it reads itself against what the command read, and refuses where they differ."""

import shutil

import numpy as np
import pytest
from support import small

from archselect.benchmarks.optimisers.supernets import load_supernet
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs import harness
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.runtime import machine, same_inputs
from archselect.benchmarks.runtime.machine import Code, running_code
from archselect.benchmarks.scoring import run as scoring
from archselect.benchmarks.scoring.inputs import scoring_inputs
from archselect.benchmarks.scoring.populations import populate
from archselect.benchmarks.scoring.run import ScoringExecution, ScoringTask, run_scoring
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.spaces import get_space

OTHER_CODE = [
    {"version": "9.9.9"},
    {"sources": "0123456789abcdef"},
    {"commit": "0" * 40},
    {"commit": "unknown-0123456789abcdef", "sources": "0123456789abcdef"},
]


def write_images(path, shift):
    """Forty-eight digits for each part, made brighter."""
    digits = load_images("digits")
    parts = {}
    for part in ("train", "test"):
        images = getattr(digits, f"{part}_images")[:48]
        parts[f"{part}_images"] = np.minimum(images, 200) + np.uint8(shift)
        parts[f"{part}_labels"] = np.arange(48) % 10
    np.savez(path, **parts)


@pytest.fixture
def images(tmp_path):
    write_images(tmp_path / "mine.npz", 0)
    return tmp_path / "mine.npz"


@pytest.fixture
def own_images(write_quick, images):
    """The quicker study on images of the user's own, as read."""
    smaller = ("limit = 32", "limit = 16"), ("batch_size = 16", "batch_size = 8")
    return read_study(str(write_quick(('"digits"', f'"{images}"'), *smaller)))


@pytest.fixture
def meanwhile(monkeypatch):
    """`meanwhile(act)`: `act()` is done when the command has read all, and no worker has."""

    def do(act):
        claim = harness.claim_folder

        def claim_and_act(*arguments):
            claim(*arguments)
            act()

        monkeypatch.setattr(harness, "claim_folder", claim_and_act)

    return do


def refusal(study, root):
    with pytest.raises(UserError) as refused:
        run_study(study, root, device="cpu")
    assert "\n" not in str(refused.value)
    assert not list(Folder(root).read_all(Record))
    return str(refused.value)


def test_images_that_are_not_those_of_the_command_are_refused(
    own_images, images, meanwhile, inline, tmp_path
):
    meanwhile(lambda: write_images(images, 1))
    said = refusal(own_images, tmp_path / "out")
    assert (
        f"data set '{images}' on " in said
        and "differs from what the command read (checksum " in said
    )
    assert "copy the same file to all machines" in said


def test_more_images_than_those_of_the_command_are_refused(
    own_images, meanwhile, inline, tmp_path
):
    """What their description has beside the checksum counts, too."""
    job = harness.plan_runs(own_images, None)[0].supernet
    with pytest.raises(UserError, match="train_images 16 instead of 15"):
        same_inputs.check_same_images(
            "x",
            job.data_inputs,
            job.data_inputs.model_copy(update={"train_images": 15}),
        )


def test_a_truth_that_is_not_that_of_the_command_is_refused(
    quick, small_truth, meanwhile, inline, tmp_path
):
    own = shutil.copy(small_truth, tmp_path / "truth.npz")
    part = quick.data[0].truth[0].model_copy(update={"table": str(own)})
    study = quick.model_copy(
        update={"data": [quick.data[0].model_copy(update={"truth": [part]})]}
    )

    def replace():
        table = small.truth_table()
        type(table).build(
            name=table.name,
            space="nb201",
            choices=table.architectures,
            columns={
                ("made-up", "test", 1): (
                    ["a", "b"],
                    table.matrix("made-up", "test", 1) / 2,
                )
            },
            origin=table.origin,
            licence=table.licence,
        ).save(own)

    meanwhile(replace)
    assert f"truth '{own}' on " in refusal(study, tmp_path / "out")


def test_images_of_a_final_training_are_those_of_the_command(
    own_images, images, meanwhile, inline, tmp_path
):
    trained = {
        "train": [
            {
                "protocol": "tiny",
                "seeds": [0],
                "epochs": 1,
                "data": str(images),
                "batch_size": 8,
            }
        ]
    }
    own_images = read_own_data(own_images, trained | {"name": "digits", "limit": 16})
    meanwhile(lambda: write_images(images, 1))
    assert f"data set '{images}' on " in refusal(own_images, tmp_path / "out")


def read_own_data(study, changes):
    """The study with other values of its data set, checked."""
    kind = type(study.data[0])
    data = kind.model_validate(study.data[0].model_dump() | changes)
    return study.model_copy(update={"data": [data]})


@pytest.mark.parametrize("change", OTHER_CODE, ids=lambda change: "+".join(change))
def test_workers_of_other_code_are_refused(
    quick, change, monkeypatch, inline, tmp_path
):
    monkeypatch.setattr(
        harness, "running_code", lambda: running_code()._replace(**change)
    )
    said = refusal(quick, tmp_path / "out")
    assert (
        said.startswith("archselect on ")
        and "differs from that of the command (version " in said
    )
    assert "install the same version on all machines" in said


def test_a_worker_that_cannot_tell_its_commit_is_known_by_its_sources(monkeypatch):
    """As on a node without git."""
    known = Code("1.0", "0" * 40, "aa")
    for here in (Code("1.0", "unknown-aa", "aa"), known):
        monkeypatch.setattr(same_inputs, "running_code", lambda here=here: here)
        same_inputs.check_same_code(known)
        same_inputs.check_same_code(Code("1.0", "unknown-aa", "aa"))


def test_a_changed_source_file_is_other_code(monkeypatch, tmp_path):
    (tmp_path / "benchmarks" / "runtime").mkdir(parents=True)
    (tmp_path / "benchmarks" / "runtime" / "machine.py").touch()
    monkeypatch.setattr(
        machine, "__file__", str(tmp_path / "benchmarks" / "runtime" / "machine.py")
    )
    monkeypatch.setattr(machine, "commit", lambda: "unknown-x")
    before = running_code.__wrapped__()
    (tmp_path / "benchmarks" / "runtime" / "machine.py").write_text("changed")
    assert running_code.__wrapped__().sources != before.sources


def test_a_supernet_under_anothers_name_is_refused(quick, inline, tmp_path):
    """Its weights would go into the records of the other."""
    root = tmp_path / "out"
    run_study(quick, root, device="cpu")
    first, second = sorted((root / "supernets").glob("*.pt"))[:2]
    shutil.copy(first, second)
    with pytest.raises(
        UserError, match=f"{second.name} is damaged, or is not a supernet of archselect"
    ):
        load_supernet(second)
    for record in (root / "records").iterdir():
        record.unlink()
    with pytest.raises(
        UserError, match=f"{second.name} is damaged, or is not a supernet of archselect"
    ):
        run_study(quick, root, device="cpu")


@pytest.mark.parametrize("what", ["images", "code"])
def test_scores_are_of_the_commands_images_and_code(
    what, images, inline, monkeypatch, tmp_path
):
    space = get_space("nb201")
    population = populate(space, "sample:2")
    inputs = scoring_inputs(
        population,
        ["nwot"],
        data=str(images),
        batch_size=8,
        skeleton={"channels": 2, "cells": 1},
    )
    if what == "images":
        write_images(images, 1)
    else:
        monkeypatch.setattr(
            scoring,
            "running_code",
            lambda: running_code()._replace(sources="0123456789abcdef"),
        )
    with pytest.raises(
        UserError,
        match="differs from what the command read"
        if what == "images"
        else "differs from that of the command",
    ):
        run_scoring(
            ScoringTask(inputs, population, [0]),
            tmp_path / "out",
            ScoringExecution(str(images), device="cpu"),
        )
    assert not (tmp_path / "out" / "scores").exists()
