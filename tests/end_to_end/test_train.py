"""Final training through the command that a user types: what it prints and keeps; killed, interrupted, gone on with."""

import json
import os
import signal
import subprocess
import time

import pytest
import torch

from archselect.benchmarks.runtime.tensor_files import load_tensors
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Trained

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"
EPOCHS = 30
HANG = 600
"""Seconds after which a process is taken to hang."""
TRAIN = (
    "train",
    CELL,
    "--protocol",
    "tiny",
    "--space",
    "nb201",
    "--device",
    "cpu",
    "--epochs",
    EPOCHS,
)
SMALL = (
    "--set",
    "limit=32",
    "--set",
    "batch_size=16",
    "--set",
    "skeleton.channels=2",
    "--set",
    "drop_path=0.3",
)


@pytest.fixture(scope="module")
def undisturbed():
    """Filled by the first test that trains: (facts of the record, weights)."""
    return {}


def read(root):
    """(facts of the only record, its weights)"""
    (record,) = Folder(root).read_all(Trained)
    return record.facts(), load_tensors(Folder(root).checkpoint(record.id))["weights"]


def whole(world, archselect, undisturbed):
    """What an undisturbed training gives, in this process."""
    if not undisturbed:
        code, out, err = archselect(*TRAIN, *SMALL, "--out", "whole")
        assert (code, err) == (0, "")
        undisturbed["read"] = read(world.folder / "whole")
        undisturbed["out"] = out
    return undisturbed


def same(found, expected):
    (facts, weights), (facts_before, weights_before) = found, expected["read"]
    assert facts == facts_before
    assert list(weights) == list(weights_before)
    assert all(torch.equal(weights[name], weights_before[name]) for name in weights)


def test_a_training_prints_its_settings_and_its_accuracies(
    world, archselect, undisturbed
):
    out = whole(world, archselect, undisturbed)["out"]
    facts, _ = undisturbed["read"]
    assert "tiny: space nb201, data digits, seed 0" in out
    rows = {
        line.split("│")[1].strip(): line
        for line in out.splitlines()
        if line.count("│") == 4
    }
    assert (
        "30" in rows["epochs"] and "16" in rows["epochs"]
    )  # the protocol's own is told beside it
    assert "0.3" in rows["drop_path"] and "0.1" in rows["drop_path"]
    assert set(facts["inputs"]["settings"]) < set(rows)
    last, best = facts["last_accuracy"], facts["best_accuracy"]
    assert (
        f"Test accuracy: {last:.2f} % after the last of 30 epochs; the best was {best:.2f} %, after epoch"
        in out
    )
    assert f"{facts['parameters']:,} parameters" in out
    assert (
        f"Made: whole/trainings/{facts['id']}.json, weights whole/checkpoints/{facts['id']}.pt"
        in out
    )
    assert "\x1b" not in out and "\r" not in out


def start(world, out):
    """The training as a process, as soon as it has a checkpoint."""
    process = subprocess.Popen(
        world.command(*TRAIN, *SMALL, "--out", out),
        cwd=world.folder,
        env=world.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + HANG
    while (
        not any((world.folder / out).glob("checkpoints/*.pt"))
        and process.poll() is None
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_training_that_was_cut_short_goes_on(world, archselect, undisturbed, how):
    expected = whole(world, archselect, undisturbed)
    process = start(world, "out")
    os.kill(process.pid, how)
    _, err = process.communicate(timeout=HANG)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert (
            err
            == "archselect: interrupted; finished work is kept, rerun the command to resume\n"
        )
    assert not list(Folder(world.folder / "out").read_all(Trained))
    (path,) = (world.folder / "out" / "checkpoints").glob("*.pt")
    done = len(load_tensors(path)["epochs"])
    assert 1 <= done < EPOCHS
    code, out, err = archselect(*TRAIN, *SMALL, "--out", "out")
    assert (code, err) == (0, "")
    same(read(world.folder / "out"), expected)
    content = json.loads(
        next((world.folder / "out" / "trainings").iterdir()).read_text()
    )
    assert content["cost"]["sessions"] == 2
    code, again, _ = archselect(*TRAIN, *SMALL, "--out", "out")
    assert code == 0 and "Kept: out/trainings/" in again
    assert [
        line for line in again.splitlines() if line.startswith("Test accuracy")
    ] == [line for line in out.splitlines() if line.startswith("Test accuracy")]
