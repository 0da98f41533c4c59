"""Baselines of queries, against a slow reading of small tables and the numbers of real ones."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from types import SimpleNamespace

import numpy as np
import pytest
from support.study_folder import make_inputs
from support.truths import sampled

from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.runs import query_baselines
from archselect.benchmarks.runs.query_baselines import (
    ReadColumn,
    query_baseline,
    write_query_baselines,
)
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Inputs,
    QueryBaseline,
    RewardInputs,
    query_baseline_id,
    query_marks,
    query_numbers,
)
from archselect.nasbench_adapters.random_best import random_best
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import TableBuilder
from archselect.nasbench_adapters.truth.choices import unflatten
from archselect.nasbench_adapters.truth.graph_bench import (
    graph_bench_table,
    installed,
)
from archselect.nasbench_adapters.truth.long_csv import import_long
from archselect.selectors import queries

VALID = TruthPart(table="t", dataset="d", split="valid", epochs=5)
TEST = TruthPart(table="t", dataset="d", split="test", epochs=5)
REWARD = "0" * 16
REPORT = "1" * 16


def inputs(**changes):
    given = {"source": "table", "landscape": REWARD, "trial": "mean", "queries": 10}
    return RewardInputs(**(given | changes))


def baseline_of(table, valid=VALID, test=TEST, **changes):
    reward = ReadColumn(table, valid)
    baseline = query_baseline(
        reward, ReadColumn(table, test), REPORT, inputs(**changes)
    )
    baseline.check()
    return baseline


def two_columns(space, cells, seed=0, without=()):
    """Two trials of validation that often tie, and one of test."""
    rng = np.random.default_rng(seed)
    builder = TableBuilder(space)
    for cell in cells:
        for trial in ("7", "8"):
            builder.add(cell, "d", "valid", 5, trial, float(rng.integers(50, 60)))
        if cell not in without:
            builder.add(cell, "d", "test", 5, "7", float(rng.integers(0, 100)))
    return builder.table("t", origin="a test", licence="MIT")


@pytest.fixture(scope="module")
def part():
    """A table of nine cells of NAS-Bench-201, two of which are of one class."""
    space = get_space("nb201")
    texts = [
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    ]
    cells = [space.parse(text) for text in texts]
    assert space.canonical(cells[1]) == cells[0]
    others = [cell for cell in sampled("nb201", 40)[1] if space.canonical(cell) == cell]
    return two_columns(space, [*cells, *others[:7]])


def test_a_part_of_a_space_is_its_own_pool(part):
    baseline = baseline_of(part)
    assert not baseline.is_whole_space and baseline.unreported == 0
    classes, texts = baseline.populations
    assert (classes.over, classes.architectures) == ("classes", 8)
    assert (texts.over, texts.architectures) == ("texts", 9)
    for population in baseline.populations:
        assert population.equally_likely() is population.random_search()
        assert len(population.random) == 1


def test_a_class_without_its_representative_is_left_out_and_counted(part):
    assert baseline_of(part).unrepresented == 0
    space = part.space
    cells = stored(part)
    (lone,) = [cell for cell in cells if space.canonical(cell) != cell]
    without = [cell for cell in cells if cell != space.canonical(lone)]
    baseline = baseline_of(two_columns(space, without))
    assert baseline.unrepresented == 1
    classes, texts = baseline.populations
    assert (classes.architectures, texts.architectures) == (7, 8)


def test_the_numbers_are_those_of_every_draw(part):
    baseline = baseline_of(part)
    space = part.space
    cells = stored(part)
    ours = baseline.population("texts")
    mean = {cell: part.mean(cell, "d", "valid", 5) for cell in cells}
    test = {cell: part.mean(cell, "d", "test", 5) for cell in cells}
    place = baseline.queries.index(3)
    rewards, reported, highest = [], [], []
    for drawn in combinations(cells, 3):
        best = max(mean[cell] for cell in drawn)
        rewards.append(best)
        reported.append(fmean(test[cell] for cell in drawn if mean[cell] == best))
        highest.append(max(test[cell] for cell in drawn))
    random = ours.random_search()
    assert random.rewards[place] == pytest.approx(fmean(rewards))
    assert random.reported[place] == pytest.approx(fmean(reported))
    assert random.highest[place] == pytest.approx(fmean(highest))
    top = max(mean.values())
    best = [cell for cell in cells if mean[cell] == top]
    assert (ours.best_reward, ours.best_count) == (top, len(best))
    assert space.parse(ours.best_architecture) in best
    assert ours.best_reported == pytest.approx(fmean(test[cell] for cell in best))
    assert ours.highest_reported == max(test.values())


def stored(table):
    """The cells of a table, in its order."""
    return [unflatten(table.space, row) for row in table.architectures]


def test_the_first_trial_is_a_reward_of_its_own(part):
    mean = baseline_of(part).population("texts")
    first = baseline_of(part, trial="first")
    cells = stored(part)
    trials = [part.lookup(cell, "d", "valid", 5).accuracies[0] for cell in cells]
    random = first.population("texts").random_search()
    assert random.rewards[0] == pytest.approx(fmean(trials))
    assert first.population("texts").best_reward == max(trials)
    assert random.rewards[0] != pytest.approx(mean.random_search().rewards[0])
    assert first.id == query_baseline_id(REWARD, "first", REPORT, 10)


def test_what_is_not_reported_of_all_is_not_averaged():
    space, cells = sampled("nb201", 30)
    cells = [cell for cell in cells if space.canonical(cell) == cell]
    baseline = baseline_of(two_columns(space, cells, without=cells[:1]))
    (classes,) = baseline.populations
    random = classes.random_search()
    assert baseline.unreported == 1
    assert random.reported == [] == random.highest and random.rewards
    assert classes.highest_reported is not None


def test_a_part_without_representatives_has_texts_alone():
    space, cells = sampled("nb201", 60)
    cells = [cell for cell in cells if space.canonical(cell) != cell]
    baseline = baseline_of(two_columns(space, cells))
    (texts,) = baseline.populations
    assert (texts.over, texts.architectures) == ("texts", len(cells))
    assert baseline.population("classes") is texts


def test_a_prediction_has_no_baseline(part):
    column = ReadColumn(SimpleNamespace(predicts=True), VALID)
    assert query_baseline(column, ReadColumn(part, TEST), REPORT, inputs()) is None
    column = ReadColumn(SimpleNamespace(predicts=True), TEST)
    assert query_baseline(ReadColumn(part, VALID), column, REPORT, inputs()) is None


def test_numbers_of_queries_reach_the_budget_and_have_every_mark():
    for budget in (1, 2, 9, 10, 11, 137, 300, 2_000, 30_000):
        numbers = query_numbers(budget)
        marks = query_marks(budget)
        assert numbers[0] == 1 and numbers[-1] == marks[-1] == budget
        assert numbers == sorted(set(numbers)) and set(marks) <= set(numbers)
        assert len(numbers) < 100
    assert query_marks(300) == [10, 50, 100, 300]
    assert query_marks(2_000) == [10, 50, 100, 300, 500, 1_000, 2_000]


# --- writing


@dataclass
class Job:
    """A run as it is planned, as far as baselines ask."""

    inputs: Inputs
    data: SimpleNamespace
    reward: SimpleNamespace | None


def job_of(part, queries=10, truth=(TEST,), space="nb201"):
    made = make_inputs("random", 0)
    reward = None if part is None else inputs(queries=queries)
    return Job(
        made.model_copy(update={"reward": reward, "space": space}),
        SimpleNamespace(truth=list(truth)),
        SimpleNamespace(part=part),
    )


@pytest.fixture
def landscapes(part, monkeypatch):
    monkeypatch.setattr(query_baselines, "open_truth", lambda name: part)
    return {
        VALID: SimpleNamespace(id=REWARD, space="nb201"),
        TEST: SimpleNamespace(id=REPORT, space="nb201"),
    }


def test_a_baseline_is_written_once_per_reward_report_and_budget(
    landscapes, tmp_path, monkeypatch
):
    folder = Folder(tmp_path)
    jobs = [job_of(VALID), job_of(VALID), job_of(VALID, queries=20), job_of(None)]
    write_query_baselines(folder, jobs, landscapes)
    written = {fact.budget: fact for fact in folder.check_all(QueryBaseline)}
    assert written.keys() == {10, 20}
    assert (written[10].reward, written[10].report) == (REWARD, REPORT)
    monkeypatch.setattr(query_baselines, "query_baseline", None)  # nothing is computed
    write_query_baselines(folder, jobs, landscapes)


def test_rewards_without_a_table_and_other_spaces_have_none(landscapes, tmp_path):
    supernet = job_of(VALID)
    supernet.reward = SimpleNamespace(part=None)
    without = job_of(VALID)
    without.reward = None
    jobs = [supernet, without, job_of(VALID, space="darts")]
    write_query_baselines(Folder(tmp_path), jobs, landscapes)
    assert not list(Folder(tmp_path).check_all(QueryBaseline))


# --- real tables: the mean test accuracy of the best by validation of n random ones

NUMBERS = (10, 50, 100, 300)
NB201 = {
    ("cifar10-valid", "cifar10", "ori-test"): {
        "texts": (93.034, 93.621, 93.789, 93.968),
        "classes": (93.273, 93.782, 93.925, 94.088),
        "best": (94.373, 94.373),
    },
    ("cifar100", "cifar100", "x-test"): {
        "texts": (69.764, 70.992, 71.433, 72.122),
        "classes": (70.339, 71.510, 71.956, 72.541),
        "best": (73.513, 73.513),
    },
    ("ImageNet16-120", "ImageNet16-120", "x-test"): {
        "texts": (43.316, 45.008, 45.414, 45.907),
        "classes": (44.169, 45.488, 45.815, 46.200),
        "best": (46.200, 47.311),
    },
}
GRAPH = {
    "arxiv": {
        "reported": (71.53, 71.82, 71.89, 71.97),
        "highest": (71.58, 71.91, 72.01, 72.13),
        "best": (71.95, 72.39),
    },
    "citeseer": {
        "reported": (68.31, 68.82, 68.94, 69.08),
        "highest": (68.82, 69.76, 70.05, 70.45),
        "best": (71.03, 71.57),
    },
}


def at_marks(baseline, values):
    return np.array([values[baseline.queries.index(number)] for number in NUMBERS])


def by_order_of_ties(rewards, reported):
    """The expectations where the worst, and where the best, of equal rewards comes first."""
    for sign in (1, -1):
        places = np.empty(len(rewards))
        places[np.lexsort((-sign * reported, rewards))] = np.arange(len(rewards))
        yield random_best(places, reported, NUMBERS).reported


def agrees(ours, known, rewards, reported, unit):
    """Whether published digits are those of an order of equal rewards, and ours their mean."""
    lowest, highest = by_order_of_ties(rewards, reported)
    assert np.all((lowest <= ours) & (ours <= highest))
    assert np.all(highest - lowest < 20 * unit)
    known = np.array(known)
    half = 0.51 * unit
    return np.all((lowest - half < known) & (known < highest + half))


@pytest.fixture(scope="module")
def nb201_table(shared_file):
    return import_long(shared_file("nb201.csv.gz"), "nb201")


@pytest.mark.parametrize("columns", NB201, ids=lambda columns: columns[1])
def test_nb201_has_the_expectations_of_its_protocol(root, nb201_table, columns):
    """Their last digit depends on the order of equal rewards, over which we average."""
    searched, dataset, split = columns
    valid = TruthPart(table="t", dataset=searched, split="x-valid", epochs=200)
    test = TruthPart(table="t", dataset=dataset, split=split, epochs=200)
    baseline = baseline_of(nb201_table, valid, test, queries=300)
    assert baseline.is_whole_space and not baseline.unreported
    page = (root / "docs" / "budget.md").read_text(encoding="utf-8").splitlines()
    space = nb201_table.space
    cells = stored(nb201_table)
    is_class = np.array([space.canonical(cell) == cell for cell in cells])
    rewards = nb201_table.means(searched, "x-valid", 200)
    accuracies = nb201_table.means(dataset, split, 200)
    for over, kept in (("texts", is_class | True), ("classes", is_class)):
        population = baseline.population(over)
        reported = at_marks(baseline, population.equally_likely().reported)
        known = NB201[columns][over]
        assert agrees(reported, known, rewards[kept], accuracies[kept], 1e-3)
        shown = ", ".join(f"{value:.2f}" for value in reported)
        ends = (population.best_reported, population.highest_reported)
        assert any(dataset in line and shown in line for line in page)
        assert ends == pytest.approx(NB201[columns]["best"], abs=5e-4)
    classes = baseline.population("classes")
    texts = baseline.population("texts")
    assert (classes.architectures, texts.architectures) == (6_466, 15_625)
    for population in (classes, texts):
        assert population.random_search() is population.equally_likely()


@pytest.mark.skipif(not installed(), reason="needs archselect[graph]")
def test_graphs_have_the_expectations_of_their_protocol():
    table = graph_bench_table()
    first = np.unique(table.population.rows, return_index=True)[1]
    for dataset, known in GRAPH.items():
        valid = TruthPart(table="t", dataset=dataset, split="valid", epochs=0)
        test = TruthPart(table="t", dataset=dataset, split="test", epochs=0)
        baseline = baseline_of(table, valid, test, queries=300)
        keys = baseline.population("classes")
        random = keys.equally_likely()
        assert keys.architectures == 26_206
        rewards = table.means(dataset, "valid", 0)[first]
        accuracies = table.means(dataset, "test", 0)[first]
        reported = at_marks(baseline, random.reported)
        assert agrees(reported, known["reported"], rewards, accuracies, 1e-2)
        highest = at_marks(baseline, random.highest)
        assert highest == pytest.approx(known["highest"], abs=5.1e-3)
        ends = (keys.best_reported, keys.highest_reported)
        assert ends == pytest.approx(known["best"], abs=5.1e-3)


def test_a_space_that_is_not_listed_is_drawn_as_it_draws(nb201_table, monkeypatch):
    """So a class is as likely as its texts, and one of few texts is rarely drawn."""
    monkeypatch.setattr(queries, "MOST_CANDIDATES", 100)
    valid = TruthPart(table="t", dataset="cifar10-valid", split="x-valid", epochs=200)
    test = TruthPart(table="t", dataset="cifar10", split="ori-test", epochs=200)
    classes = baseline_of(nb201_table, valid, test, queries=300).population("classes")
    assert classes.random_search() is not classes.equally_likely()
    assert classes.random_search().repetitions == 2_000
    drawn = np.array(classes.random_search().reported)
    equal = np.array(classes.equally_likely().reported)
    assert np.all(drawn[-3:] < equal[-3:] - 0.05)
