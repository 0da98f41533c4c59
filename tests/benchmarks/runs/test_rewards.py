"""Runs that query rewards: what is recorded, what a supernet answers, and how they resume."""

import json

import numpy as np
import pytest
from support import query_study

from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.runs.rewards import find_pool
from archselect.benchmarks.store.facts import read_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import TableBuilder, open_truth
from archselect.selectors.random_search import RandomSearch
from archselect.selectors.search import Search

NB201 = get_space("nb201")
PART = query_study.TEST


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return query_study.write_table(tmp_path_factory.mktemp("table") / "two.npz")


@pytest.fixture
def run(tmp_path, table, inline):
    """`run(*changes, more="")` runs the study with changes into a folder; its records by label and seed."""

    def run_changed(*changes, more="", out="out"):
        path = query_study.write_study(tmp_path, table, *changes, more=more)
        outcome = run_study(read_study(str(path)), tmp_path / out, device="cpu")
        assert not outcome.failed, failures(tmp_path / out)
        return records(tmp_path / out)

    return run_changed


def failures(root):
    return [
        json.loads(path.read_text())["traceback"]
        for path in (root / "failures").glob("*")
    ]


def records(root):
    found = {}
    for path in sorted((root / "records").glob("*.json")):
        record = read_fact(path, Record)
        key = (record.inputs.selector.label, record.inputs.supernet_seed)
        found[key] = record
    return found


def test_every_paid_query_is_recorded_with_what_the_report_says_of_it(run, table):
    truth = open_truth(str(table))
    for record in run().values():
        scores = record.selected.architecture_scores
        cells = [NB201.parse(text) for text in scores.column("architecture").tolist()]
        assert len(cells) == len(set(cells)) == 30
        assert all(NB201.canonical(cell) == cell for cell in cells)
        values = scores.column("value").tolist()
        assert values == [truth.mean(cell, *query_study.VALID) for cell in cells]
        (accuracy,) = record.accuracies
        reported = [truth.mean(cell, *PART) for cell in cells]
        assert accuracy.scored == pytest.approx(reported)
        best = cells[int(np.argmax(values))]
        assert NB201.parse(record.selected.architecture) == best
        assert accuracy.mean == pytest.approx(truth.mean(best, *PART))
        assert record.cost.phases["query"].calls == 30 and not record.cost.counts
        assert record.supernet_commit is None


def test_the_first_trial_and_texts_are_what_the_literature_asks(run, table):
    truth = open_truth(str(table))
    changes = (
        ('"valid", epochs = 1', '"valid", epochs = 1, trial = "first"'),
        ("queries = 30", 'queries = 30\ncounting = "texts"'),
        ("[0, 1, 2]", "[0]"),
    )
    (record,) = run(*changes).values()
    scores = record.selected.architecture_scores
    cells = [NB201.parse(text) for text in scores.column("architecture").tolist()]
    assert any(NB201.canonical(cell) != cell for cell in cells)
    for cell, value in zip(cells, scores.column("value").tolist(), strict=True):
        assert value == truth.lookup(cell, *query_study.VALID).accuracies[0]


def test_a_reward_of_a_part_is_a_pool(run, table, tmp_path):
    part = query_study.write_part(tmp_path / "part.npz", 12)
    changes = (
        ('"nb201"', '"s2"'),
        (str(table), str(part)),
        ("[0, 1, 2]", "[0]"),
    )
    (record,) = run(*changes).values()
    scores = record.selected.architecture_scores
    space = get_space("s2")
    cells = {space.parse(text) for text in scores.column("architecture").tolist()}
    truth = open_truth(str(part))
    pool = find_pool(
        truth, read_study(str(tmp_path / "queries.toml")).data[0].truth[0], "classes"
    )
    assert cells == set(pool) and len(pool) == 12
    assert (
        find_pool(
            open_truth(str(table)),
            read_study(str(tmp_path / "queries.toml")).data[0].truth[0],
            "texts",
        )
        is None
    )


@pytest.fixture
def write_cells(tmp_path):
    """`write_cells(*cells)` is the path of a table of cells of NAS-Bench-201."""

    def write(*cells):
        builder = TableBuilder(NB201)
        for place, cell in enumerate(cells):
            for column in (query_study.TEST, query_study.VALID):
                builder.add(cell, *column, "a", 50.0 + place)
        path = tmp_path / "cells.npz"
        builder.table("cells", origin="a test", licence="MIT").save(path)
        return path

    return write


LONE = NB201.parse("|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|none~2|")
"""A cell that computes nothing and does not stand for those that do so."""


def test_a_class_without_its_representative_is_not_in_the_pool(write_cells):
    assert NB201.canonical(LONE) != LONE
    others = [NB201.representatives[place] for place in (50, 60, 70)]
    path = write_cells(LONE, *others)
    part = TruthPart(table=str(path), dataset="made-up", split="valid", epochs=1)
    assert set(find_pool(open_truth(str(path)), part, "classes")) == set(others)
    assert set(find_pool(open_truth(str(path)), part, "texts")) == {LONE, *others}


def test_without_any_representative_there_is_nothing_to_query(write_cells):
    path = write_cells(LONE)
    part = TruthPart(table=str(path), dataset="made-up", split="valid", epochs=1)
    with pytest.raises(UserError, match='set counting = "texts"'):
        find_pool(open_truth(str(path)), part, "classes")


def test_the_supernet_answers_with_one_operation_per_edge(run):
    more = """
[[supernets]]
recipe = "untrained"
batch_size = 16
"""
    changes = (
        (
            'name = "nb201"',
            'name = "nb201"\nskeleton = { channels = 2, cells = 1, reduction = "pool" }',
        ),
        ('name = "nothing"', 'name = "digits"\nlimit = 32'),
        ("reward = {", 'reward = "supernet" # {'),
        ("queries = 30", "queries = 3"),
        ("[0, 1, 2]", "[0]"),
    )
    (record,) = run(*changes, more=more).values()
    values = record.selected.architecture_scores.column("value").tolist()
    assert len(values) == 3 and all(0 <= value <= 100 for value in values)
    # Accuracies of 32 images.
    assert all(
        value * 32 / 100 == pytest.approx(round(value * 32 / 100)) for value in values
    )
    assert record.inputs.reward.norm == "running"
    assert record.cost.counts["score"].forwards == 3
    (again,) = run(*changes, more=more, out="again").values()
    assert again.facts() == record.facts()
    (other,) = run(
        *changes[:2],
        ("reward = {", 'reward = { source = "supernet", norm = "batch" } # {'),
        *changes[3:],
        more=more,
        out="batch",
    ).values()
    assert other.id != record.id


def test_an_interrupted_run_asks_nothing_twice(
    run, table, tmp_path, inline, monkeypatch
):
    wanted = run(("[0, 1, 2]", "[0]"), out="whole")
    study = read_study(str(tmp_path / "queries.toml"))
    asked = []
    query = Search.query

    def interrupted(search, architecture):
        if len(asked) == 17:
            raise KeyboardInterrupt
        asked.append(architecture)
        return query(search, architecture)

    monkeypatch.setattr(Search, "query", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, tmp_path / "cut", device="cpu")
    monkeypatch.setattr(Search, "query", query)
    (journal,) = (tmp_path / "cut" / "progress").glob("*.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    paid = len(lines) - 1
    assert 0 < paid <= 17 and {line["question"] for line in lines[1:]} == {"query"}

    truth_type = type(open_truth(str(table)))
    looked_up = []
    mean = truth_type.mean

    def noted(truth, architecture, *column):
        if column == query_study.VALID:
            looked_up.append(architecture)
        return mean(truth, architecture, *column)

    monkeypatch.setattr(truth_type, "mean", noted)
    run_study(study, tmp_path / "cut", device="cpu")
    assert len(looked_up) == 30 - paid
    found = records(tmp_path / "cut")
    assert {key: one.facts() for key, one in found.items()} == {
        key: one.facts() for key, one in wanted.items()
    }
    assert not Folder(tmp_path / "cut").journal("any").parent.exists()


def test_a_run_is_kept_and_a_selector_without_a_reward_fails_alone(
    run, tmp_path, table, inline, monkeypatch
):
    run()
    study = read_study(str(tmp_path / "queries.toml"))
    outcome = run_study(study, tmp_path / "out", device="cpu")
    assert (outcome.made, outcome.kept) == (0, 3)

    def select(selector, task):
        return task.evaluate(None)

    monkeypatch.setattr(RandomSearch, "select", select)
    outcome = run_study(study, tmp_path / "bad", device="cpu")
    assert len(outcome.failed) == 3
    assert (
        "the run has no supernet, so task.evaluate has no answer"
        in failures(tmp_path / "bad")[0]
    )


@pytest.fixture
def seconds(tmp_path):
    """A cost in seconds, and one in minutes, of every cell."""
    path = tmp_path / "seconds.py"
    path.write_text(
        """
from archselect.nasbench_adapters.costs.base import Cost


class Seconds(Cost):
    name = "seconds"
    unit = "s"
    origin = "made up"

    def __init__(self, space, network):
        pass

    def of(self, architecture):
        return 100.0 + sum(architecture.choices[0])


class Minutes(Seconds):
    unit = "min"
"""
    )
    return path


def test_what_the_queries_would_have_cost_to_train_is_recorded(run, seconds):
    change = (
        '"valid", epochs = 1',
        f'"valid", epochs = 1, seconds = "{seconds}:Seconds"',
    )
    for record in run(change, ("[0, 1, 2]", "[0]")).values():
        (cost,) = record.costs
        scores = record.selected.architecture_scores.column("architecture").tolist()
        cells = [NB201.parse(text) for text in scores]
        assert (cost.name, cost.unit) == ("training", "s")
        assert cost.scored == [100.0 + sum(cell.choices[0]) for cell in cells]


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("Minutes", "", "'seconds' opens a cost in min; it must be in s"),
        (
            "Seconds",
            '\n[[costs]]\nname = "training"\nof = "SECONDS:Seconds"\n',
            "costs: the name 'training' is taken by the reward's 'seconds'",
        ),
    ],
)
def test_seconds_are_seconds_and_have_their_name_alone(
    run, seconds, kind, more, message
):
    change = (
        '"valid", epochs = 1',
        f'"valid", epochs = 1, seconds = "{seconds}:{kind}"',
    )
    with pytest.raises(UserError, match=message):
        run(change, more=more.replace("SECONDS", str(seconds)))
