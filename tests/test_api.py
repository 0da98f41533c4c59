"""`import archselect`: the command line's functions, for scripts and notebooks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from inspect import signature

import numpy as np
import pandas as pd
import pytest
import torch
from support import small

import archselect
from archselect.benchmarks.cli.parsing import parse_seeds
from archselect.nasbench_adapters.errors import Notice, UserError
from archselect.running import RunRequest, format_seeds


@pytest.fixture
def study(tmp_path, small_truth):
    """A small study that runs in a second."""
    path = tmp_path / "small.toml"
    path.write_text(small.study_text(small_truth, *small.QUICK), encoding="utf-8")
    return path


def test_nothing_heavy_is_imported_until_it_is_asked_for():
    code = (
        "import sys, archselect; archselect.__version__, dir(archselect); "
        "heavy = {'torch', 'pandas', 'scipy', 'pydantic'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there_and_documented():
    for name in archselect.__all__:
        assert getattr(archselect, name), name
        if name != "__version__":
            assert getattr(archselect, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = archselect.nothing


def test_run_takes_what_the_command_takes():
    asked = {field.name for field in fields(RunRequest)}
    assert set(signature(archselect.run).parameters) == asked


def test_a_study_runs_and_is_read_as_frames(study, tmp_path, inline):
    results = archselect.run(study, tmp_path / "out", device="cpu", workers=1)
    assert (results.folder / "report.html").is_file()
    runs = results.runs
    assert len(runs) == len(results.records)
    assert runs.accuracy.dtype == float
    assert (runs["rank"] >= 1).all()
    assert (runs.gap >= 0).all()
    means = runs.groupby("selector").accuracy.mean()
    table = results.table("accuracy").set_index("selector")["mean"]
    for selector, mean in means.items():
        assert table[selector] == pytest.approx(mean)
    assert results.answer("accuracy")
    assert results.markdown("accuracy").startswith("#")
    assert results.failures.empty
    assert results.missing == 0
    written = pd.read_csv(results.folder / "report" / "runs.csv")
    assert list(written.columns) == list(runs.columns)
    assert written.accuracy.tolist() == runs.accuracy.tolist()


def test_it_makes_the_records_of_the_command(study, tmp_path, inline, request):
    command = request.getfixturevalue("archselect")
    ours = archselect.run(study, tmp_path / "ours", seeds=[1, 2], device="cpu")
    code, _, err = command(
        "run", study, "--out", tmp_path / "theirs", "--seeds", "1-2", "--device", "cpu"
    )
    assert code == 0, err
    theirs = archselect.load(tmp_path / "theirs")
    facts = [{one.id: one.facts() for one in each.records} for each in (ours, theirs)]
    assert facts[0] == facts[1]
    assert not archselect.compare(
        ours.folder, theirs.folder, ["accuracy_drop>1pt"]
    ).failed


def test_settings_in_place_of_the_studys_are_in_its_records(study, tmp_path, inline):
    changes = {"selectors.zero-cost-pt.iterations": 2, "data.digits.limit": 24}
    results = archselect.run(study, tmp_path / "out", settings=changes, device="cpu")
    info = json.loads((results.folder / "study.json").read_text(encoding="utf-8"))
    assert len(info["differences"]) == 2
    assert "--set selectors.zero-cost-pt.iterations=2" in info["command"]
    settings = [
        record.inputs.selector.settings
        for record in results.records
        if record.inputs.selector.label == "zero-cost-pt"
    ]
    assert [one["iterations"] for one in settings] == [2, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selectors.magnitud.iterations": 2}, "did you mean 'magnitude'"),
        ({"selectors.zero-cost-pt.iteration": 2}, "iterations"),
        ({"selectors.zero-cost-pt.iterations": "many"}, "iterations"),
    ],
)
def test_a_setting_that_is_wrong_is_refused(study, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        archselect.run(study, tmp_path / "out", settings=changes, device="cpu")
    assert not (tmp_path / "out").exists()


def test_failed_runs_are_warned_of_and_listed(study, tmp_path, inline):
    selector = tmp_path / "fails.py"
    selector.write_text(FAILS, encoding="utf-8")
    with pytest.warns(Notice, match=r"\d runs failed"):
        results = archselect.run(
            study, tmp_path / "out", selectors=[f"{selector}:Fails"], device="cpu"
        )
    assert results.failures.selector.str.startswith("fails").all()
    assert results.missing == 0
    assert results.failures.error.str.contains("no such luck").all()


FAILS = """
from typing import ClassVar

from archselect.selectors.base import Selector


class Fails(Selector):
    name: ClassVar[str] = "fails"
    summary: ClassVar[str] = "for tests"
    paper: ClassVar[str] = "none"

    def select(self, task):
        raise ValueError("no such luck")
"""


def test_bad_input_is_refused_with_all_its_faults(study, tmp_path):
    with pytest.raises(UserError) as refused:
        archselect.run(study, tmp_path / "out", device="gpu", selectors=["magnitud"])
    assert "gpu" in str(refused.value)
    assert "magnitude" in str(refused.value)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match=r"holds no study\.json"):
        archselect.load(tmp_path)


def test_a_table_that_does_not_exist_is_refused(study, tmp_path, inline):
    results = archselect.run(study, tmp_path / "out", device="cpu")
    with pytest.raises(UserError, match="did you mean 'accuracy'"):
        results.table("acuracy")


def test_compare_gives_frames_and_gates(study, tmp_path, inline):
    base = archselect.run(study, tmp_path / "base", device="cpu").folder
    same = archselect.compare(base, base, ["accuracy_drop>0.5pt"])
    assert not same.failed
    assert (same.changes.change.dropna() == 0).all()
    assert "accuracy" in same.markdown()
    with pytest.raises(UserError, match="gate"):
        archselect.compare(base, base, ["accuracy>1"])


@pytest.mark.parametrize(
    ("seeds", "text"), [([0, 1, 2], "0-2"), ([4], "4"), ([0, 2, 5], "0,2,5")]
)
def test_seeds_are_written_as_the_option_reads_them(seeds, text):
    assert format_seeds(seeds) == text
    assert parse_seeds(text) == seeds


def test_space_and_truth_are_those_of_the_command(small_truth):
    assert archselect.space("nb201").size == 15625
    table = archselect.truth(str(small_truth))
    cell = table.space.parse(CELL)
    assert table.lookup(cell, "made-up", "test", 1).mean > 0
    with pytest.raises(UserError, match="nb201"):
        archselect.space("nb210")


CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|skip_connect~2|"


@pytest.mark.parametrize(
    ("space", "cell", "skeleton"),
    [
        ("nb201", CELL, {"channels": 4, "cells": 1}),
        ("darts", None, {"layers": 3, "channels": 4}),
    ],
)
def test_a_network_is_a_module_that_exports(space, cell, skeleton):
    if cell is None:
        whole = archselect.space(space)
        cell = whole.sample(np.random.default_rng(0))
    before = torch.random.get_rng_state()
    network = archselect.network(cell, space, classes=7, seed=3, **skeleton).eval()
    assert torch.equal(torch.random.get_rng_state(), before)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = network(images)
    assert logits.shape == (2, 7)
    exported = torch.export.export(network, (images,))
    assert torch.allclose(exported.module()(images), logits, atol=1e-5)
    again = archselect.network(cell, space, classes=7, seed=3, **skeleton).eval()
    assert torch.equal(again(images), logits)


def test_a_network_exports_to_onnx(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    network = archselect.network(CELL, "nb201", channels=4, cells=1).eval()
    images = torch.zeros(1, 3, 32, 32)
    torch.onnx.export(network, (images,), tmp_path / "cell.onnx", dynamo=True)
    assert (tmp_path / "cell.onnx").stat().st_size > 1000


def test_a_script_needs_no_guard(study, tmp_path):
    """Workers must not run the script again."""
    script = tmp_path / "script.py"
    script.write_text(
        f"import archselect\nprint('begin')\n"
        f"results = archselect.run({str(study)!r}, 'out', device='cpu', workers=2)\n"
        f"print(len(results.records))\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    runs = len(archselect.load(tmp_path / "out").records)
    assert done.stdout.split() == ["begin", str(runs)]
