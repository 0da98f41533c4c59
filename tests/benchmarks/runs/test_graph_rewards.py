"""Runs whose queries train graph networks: what they share, report, and how they resume."""

import json

import numpy as np
import pytest
from support import graph_study

from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs import graph_rewards
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.store.facts import read_fact
from archselect.benchmarks.store.records import Landscape, Record
from archselect.nasbench_adapters import graphs
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.results.query_runs import find_query_planes
from archselect.reports.results.results import load
from archselect.selectors.search import Search

pytest.importorskip("torch_geometric")


@pytest.fixture(autouse=True)
def small_graph(monkeypatch):
    monkeypatch.setitem(graphs.GRAPHS, "ring", graph_study.source())


@pytest.fixture
def run(tmp_path, inline):
    """`run(sharing, out)` runs the study into a folder; its one record."""

    def run_into(sharing, out="out", **changes):
        text = graph_study.study_text(sharing)
        for old, new in changes.items():
            text = text.replace(f"\n{old} = ", f"\n{old} = {new} # ")
        path = tmp_path / f"{sharing}.toml"
        path.write_text(text)
        outcome = run_study(read_study(str(path)), tmp_path / out, device="cpu")
        assert not outcome.failed, failures(tmp_path / out)
        return record_of(tmp_path / out)

    return run_into


def failures(root):
    paths = (root / "failures").glob("*")
    return [json.loads(path.read_text())["traceback"] for path in paths]


def record_of(root):
    (path,) = (root / "records").glob("*.json")
    return read_fact(path, Record)


@pytest.mark.parametrize("sharing", ["none", "free", "homogeneous"])
def test_an_interrupted_run_comes_to_the_same_weights(
    run, tmp_path, inline, monkeypatch, sharing
):
    wanted = run(sharing, "whole")
    asked = []
    query = Search.query

    def interrupted(search, architecture):
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(architecture)
        return query(search, architecture)

    monkeypatch.setattr(Search, "query", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(sharing, "cut")
    monkeypatch.setattr(Search, "query", query)
    trained = []
    train = graph_rewards.TrainedReward._train

    def noted(reward, architecture):
        trained.append(architecture)
        return train(reward, architecture)

    monkeypatch.setattr(graph_rewards.TrainedReward, "_train", noted)
    found = run(sharing, "cut")
    assert found.facts() == wanted.facts()
    assert len(trained) == (2 if sharing == "none" else 5)
    assert ("rebuild" in found.cost.phases) == (sharing != "none")


def test_sharing_changes_rewards_and_nothing_else(run):
    records = {name: run(name, name) for name in ("none", "free", "homogeneous")}
    scores = {name: one.selected.architecture_scores for name, one in records.items()}
    asked = {name: one.column("architecture").tolist() for name, one in scores.items()}
    assert asked["none"] == asked["free"] == asked["homogeneous"]
    values = {name: one.column("value").tolist() for name, one in scores.items()}
    first = {name: each[0] for name, each in values.items()}
    assert first["none"] == first["free"] == first["homogeneous"]
    reports = [one.accuracies for one in records.values()]
    for accuracies in reports:
        assert accuracies[0].scored == reports[0][0].scored
    assert len({one.id for one in records.values()}) == 3
    assert len({one.accuracies[0].landscape for one in records.values()}) == 3
    counts = records["free"].cost.counts["query"]
    assert counts.forwards == 5 * (3 + 1) and counts.backwards == 5 * 3


def test_what_is_reported_is_trained_from_scratch_with_every_seed(run, tmp_path):
    record = run("free")
    (accuracy,) = record.accuracies
    assert accuracy.source == "trained" and accuracy.trial_seeds == ["0", "1"]
    assert len(accuracy.scored) == len(record.selected.architecture_scores) == 5
    asked = record.selected.architecture_scores.column("architecture").tolist()
    best = asked.index(record.selected.canonical)
    assert accuracy.scored[best] == pytest.approx(accuracy.mean)
    (path,) = (tmp_path / "out" / "landscapes").glob("*.json")
    landscape = read_fact(path, Landscape)
    assert (landscape.id, landscape.epochs) == (accuracy.landscape, 4)
    other = run("free", "other", report="{ epochs = 5, seeds = [0, 1] }")
    assert other.id == record.id
    assert other.accuracies[0].landscape != accuracy.landscape


def test_a_run_is_kept_until_more_is_to_be_reported(run, tmp_path, inline):
    run("free")
    study = read_study(str(tmp_path / "free.toml"))
    outcome = run_study(study, tmp_path / "out", device="cpu")
    assert (outcome.made, outcome.kept) == (0, 1)
    again = run("free", report="{ epochs = 4, seeds = [0, 1, 2] }")
    assert again.accuracies[0].trial_seeds == ["0", "1", "2"]


def test_reports_say_what_a_query_trains(run, tmp_path):
    run("homogeneous")
    (plane,) = find_query_planes(load(tmp_path / "out"))
    assert plane.reward_title == (
        "validation accuracy on ring, trained with weights shared by homogeneous layers for 3 epochs"
    )
    assert np.isfinite(plane.runs[0].reported).all()


def test_another_graph_in_the_worker_is_refused(run, monkeypatch, tmp_path, inline):
    path = tmp_path / "changed.toml"
    path.write_text(graph_study.study_text("none"))
    study = read_study(str(path))
    calls = []

    def changed(folder):
        calls.append(folder)
        graph = graph_study.ring(folder)
        if len(calls) > 1:
            graph.features[0] = 9
        return graph

    monkeypatch.setitem(graphs.GRAPHS, "ring", graph_study.source(changed))
    with pytest.raises(UserError, match=r"graph 'ring' on .* differs from"):
        run_study(study, tmp_path / "out", device="cpu")
