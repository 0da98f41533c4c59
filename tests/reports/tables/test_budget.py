"""The table and the figure of query budgets, against a slow reading of the records."""

from __future__ import annotations

from statistics import fmean, stdev

import numpy as np
import pytest
from support import hostile
from support.budget_folder import (
    BUDGET,
    REPORT_ID,
    REWARD_ID,
    SEEDS,
    SPACE,
    answers_of,
    baseline,
    query_record,
    query_records,
    reported_of,
    reward_inputs,
    reward_of,
    write_study,
)
from support.pareto_folder import cost_of
from support.study_folder import make_folder, make_inputs, make_record

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.merging import merge_folders
from archselect.benchmarks.store.ranges import Impossible
from archselect.benchmarks.store.records import ArchitectureScore, QueryBaseline
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.figures.budget import budget_figures
from archselect.reports.page.sections import SECTIONS, sections
from archselect.reports.page.write import write_report
from archselect.reports.results.query_runs import find_query_planes
from archselect.reports.results.results import load
from archselect.reports.tables.budget import BEST_BY_REWARD, budget_table
from archselect.reports.tables.differences import differences_table
from archselect.reports.tables.render import to_csv, to_latex, to_markdown
from archselect.reports.tables.time import time_table

NAMES = ["random-search", "climber"]
CELLS = [
    cell for cell in list(SPACE.enumerate())[::331] if cell == SPACE.canonical(cell)
]
"""Some cells that stand for their classes, in an order of their own."""


@pytest.fixture(scope="module")
def records():
    return query_records()


@pytest.fixture(scope="module")
def results(records, tmp_path_factory):
    root = tmp_path_factory.mktemp("budget")
    return load(write_study(root, records, [baseline()]))


@pytest.fixture(scope="module")
def table(results):
    return budget_table(results)


def table_of(root, records, baselines=(), **changes):
    return budget_table(load(write_study(root, records, baselines, **changes)))


def row_of(table, selector, queries):
    frame = table.frame
    rows = frame[(frame.selector == selector) & (frame.queries == queries)]
    assert len(rows) == 1
    return rows.iloc[0]


def incumbent_of(answers, queries):
    """The first cell with the highest reward among the first so many."""
    best = None
    for cell in list(answers)[:queries]:
        if best is None or answers[cell] > answers[best]:
            best = cell
    return best


@pytest.mark.parametrize("queries", [10, 50, BUDGET])
@pytest.mark.parametrize("name", NAMES)
def test_a_row_is_what_the_runs_had_found_by_then(table, name, queries):
    row = row_of(table, name, queries)
    rewards, accuracies, leaks, paid = [], [], [], []
    for seed in range(SEEDS):
        answers = answers_of(name, seed, reward_inputs())
        best = incumbent_of(answers, queries)
        rewards.append(reward_of(best))
        accuracies.append(reported_of(best))
        asked = list(answers)[:queries]
        leaks.append(max(map(reported_of, asked)) - reported_of(best))
        paid.append(len(asked))
    assert (row.runs, row.accuracy_runs, row.kind) == (SEEDS, SEEDS, "selector")
    assert row.paid == pytest.approx(fmean(paid))
    assert row.reward_mean == pytest.approx(fmean(rewards))
    assert row.reward_std == pytest.approx(stdev(rewards))
    assert row.accuracy == pytest.approx(fmean(accuracies))
    assert row.accuracy_std == pytest.approx(stdev(accuracies))
    assert row.leak == pytest.approx(fmean(leaks))
    assert row.leak_std == pytest.approx(stdev(leaks))
    expected = expected_at(queries).reported[baseline().queries.index(queries)]
    assert row.over_random == pytest.approx(row.accuracy - expected)
    sampling = stdev(accuracies) / SEEDS**0.5
    place = baseline().queries.index(queries)
    simulation = expected_at(queries).reported_errors[place]
    assert row.over_random_error == pytest.approx(np.hypot(sampling, simulation))


def expected_at(queries):
    assert queries in baseline().queries
    return baseline().population("classes").random_search()


def test_the_rows_are_in_blocks_of_one_number_of_queries(table):
    marks = [10, 50, BUDGET]
    names = [
        *NAMES,
        "random classes (exact)",
        "random texts (exact)",
        BEST_BY_REWARD,
    ]
    assert table.frame.queries.tolist() == [mark for mark in marks for _ in names]
    assert table.frame.selector.tolist() == names * len(marks)
    assert table.heading == "Queries"
    marked = [name for name in table.shown.Selector if name.endswith("†")]
    assert marked == ["random classes (exact) †"] * len(marks)


def test_the_exact_rows_are_those_of_the_baseline(table):
    facts = baseline()
    for population in facts.populations:
        random = population.equally_likely()
        row = row_of(table, f"random {population.over} (exact)", 50)
        place = facts.queries.index(50)
        assert row.reward_mean == random.rewards[place]
        assert row.accuracy == random.reported[place]
        assert row.leak == random.highest[place] - random.reported[place]
        assert row.runs != row.runs and row.accuracy_std != row.accuracy_std  # none
    best = row_of(table, BEST_BY_REWARD, 50)
    classes = facts.population("classes")
    best_cell = SPACE.parse(classes.best_architecture)
    assert best.accuracy == pytest.approx(reported_of(best_cell))
    assert best.reward_mean == classes.best_reward
    assert best.leak == pytest.approx(classes.highest_reported - classes.best_reported)
    highest = max(map(reported_of, set(SPACE.classes.values())))
    assert classes.highest_reported == pytest.approx(highest)


@pytest.mark.parametrize("counting", ["classes", "texts"])
def test_a_sample_of_random_search_agrees_with_its_row(tmp_path, counting):
    """Thirty searches of the selector itself, drawn as studies draw."""
    records = query_records(30, ["random-search"], counting=counting)
    facts = baseline(counting=counting)
    table = table_of(tmp_path, records, [facts])
    for queries in (10, 50, BUDGET):
        row = row_of(table, "random-search", queries)
        assert row.over_random_error > 0
        assert abs(row.over_random) < 3 * row.over_random_error
    (note,) = [note for note in table.notes if "standard errors of the row" in note]
    assert "as expected of random search" in note
    assert facts.population(counting).random_search().is_random_search


def test_a_sample_that_is_none_of_random_search_is_told(tmp_path):
    worst = sorted(CELLS, key=reported_of)[:8]
    records = []
    for seed, cell in enumerate(worst):
        answers = {cell: reward_of(cell)}
        records.append(query_record("random-search", seed, answers))
    table = table_of(tmp_path, records, [baseline()])
    (note,) = [note for note in table.notes if "standard errors of the row" in note]
    assert "too far to be plain random search" in note


def test_a_run_that_ends_early_keeps_its_incumbent(tmp_path):
    answers = {cell: reward_of(cell) for cell in CELLS[:12]}
    table = table_of(tmp_path, [query_record("climber", 0, answers)], [baseline()])
    last = row_of(table, "climber", BUDGET)
    assert last.paid == 12 and row_of(table, "climber", 10).paid == 10
    assert last.accuracy == reported_of(incumbent_of(answers, 12))
    assert any("1 of 1 runs of climber ended before" in note for note in table.notes)
    assert np.isnan(last.over_random_error) and np.isfinite(last.over_random)


def test_a_run_that_asks_for_nothing_is_counted(tmp_path):
    answers = {cell: reward_of(cell) for cell in CELLS[:12]}
    records = [query_record("climber", seed, answers) for seed in range(2)]
    scores = Columns(ArchitectureScore)
    selected = records[1].selected.model_copy(update={"architecture_scores": scores})
    judged = records[1].accuracies[0].model_copy(update={"scored": []})
    records[1] = records[1].model_copy(
        update={"selected": selected, "accuracies": [judged]}
    )
    table = table_of(tmp_path, records, [baseline()])
    assert row_of(table, "climber", 10).runs == 1
    assert any("1 of 2 runs of climber made no query" in n for n in table.notes)


def test_the_first_of_equal_rewards_stays(tmp_path):
    answers = dict.fromkeys(CELLS[:20], 50.0)
    table = table_of(tmp_path, [query_record("climber", 0, answers)])
    for queries in (10, 50):
        row = row_of(table, "climber", queries)
        assert row.accuracy == reported_of(CELLS[0])


def without_report(record, places):
    """The record, of whose queries the truth does not know these."""
    (accuracy,) = record.accuracies
    scored = [
        None if place in places else value
        for place, value in enumerate(accuracy.scored)
    ]
    accuracy = accuracy.model_copy(update={"scored": scored})
    return record.model_copy(update={"accuracies": [accuracy]})


def test_an_incumbent_without_an_accuracy_is_in_no_mean(tmp_path):
    answers = {cell: reward_of(cell) for cell in CELLS[:30]}
    cells = list(answers)
    records = [query_record("climber", seed, answers) for seed in range(3)]
    early = cells.index(incumbent_of(answers, 10))
    records[0] = without_report(records[0], {early})
    table = table_of(tmp_path, records, [baseline()])
    row = row_of(table, "climber", 10)
    assert (row.runs, row.accuracy_runs) == (3, 2)
    assert row.accuracy == pytest.approx(reported_of(cells[early]))
    assert row.reward_mean == pytest.approx(answers[cells[early]])
    (note,) = [note for note in table.notes if "lacks the accuracy" in note]
    assert "at least 2 of 3 runs have one" in note


def test_a_truth_that_knows_no_query_leaves_the_accuracy_empty(tmp_path):
    answers = {cell: reward_of(cell) for cell in CELLS[:30]}
    record = without_report(query_record("climber", 0, answers), set(range(30)))
    table = table_of(tmp_path / "none", [record], [baseline()])
    row = row_of(table, "climber", 10)
    assert np.isnan([row.accuracy, row.leak, row.over_random]).all()
    assert (
        row.reward_mean > 0 and "no accuracy of an incumbent is known" in table.answer
    )
    judged = record.accuracies[0].model_copy(update={"scored": []})
    record = record.model_copy(update={"accuracies": [judged]})
    again = table_of(tmp_path / "judged", [record], [baseline()])
    assert again.shown.equals(table.shown)
    assert budget_figures(load(tmp_path / "none"))


def test_budgets_of_several_sizes_have_their_own_marks(tmp_path):
    records = query_records(3, ["climber"]) + query_records(
        3, ["random-search"], queries=20
    )
    table = table_of(tmp_path, records, [baseline(), baseline(queries=20)])
    asked = table.frame[table.frame.kind == "selector"]
    by_name = asked.groupby("selector").queries.apply(list).to_dict()
    # A number that is the budget of one selector is shown of all.
    assert by_name == {"climber": [10, 20, 50, BUDGET], "random-search": [10, 20]}
    assert row_of(table, "random-search", 20).over_random == pytest.approx(
        row_of(table, "random-search", 20).accuracy
        - row_of(table, "random classes (exact)", 20).accuracy
    )


def test_rewards_of_several_kinds_are_apart(tmp_path):
    supernet = {"source": "supernet", "landscape": None, "trial": None}
    records = query_records(3, ["climber"])
    records += query_records(3, ["climber"], counting="texts")
    records += query_records(3, ["climber"], norm="batch", **supernet)
    results = load(write_study(tmp_path, records, [baseline()]))
    planes = find_query_planes(results)
    assert [len(plane.runs) for plane in planes] == [1, 1, 1]
    assert len({plane.title for plane in planes}) == 3
    notes = " ".join(budget_table(results).notes)
    assert "a supernet answers the queries" in notes
    assert "each architecture string costs one query" in notes


def test_without_a_baseline_there_are_selectors_alone(records, tmp_path):
    table = table_of(tmp_path, records)
    assert set(table.frame.kind) == {"selector"}
    assert table.frame.over_random.isna().all()
    assert any("no random rows" in note for note in table.notes)


def test_runs_that_query_nothing_are_in_no_row(tmp_path):
    table = budget_table(load(make_folder(tmp_path)))
    assert table.frame.empty
    assert table.answer == "No run of this study queries a reward."
    assert not budget_figures(load(tmp_path))


def test_the_answer_names_the_highest_and_chance(table):
    means = {name: row_of(table, name, BUDGET).accuracy for name in NAMES}
    best = max(means, key=means.__getitem__)
    assert f"{best} has the highest mean accuracy, {means[best]:.2f}" in table.answer
    random = row_of(table, "random classes (exact)", BUDGET)
    assert f"random search has {random.accuracy:.2f} on average" in table.answer


def test_the_answer_counts_where_each_is_highest(tmp_path):
    """Texts and classes are two cases, of which one selector leads in each."""
    records = query_records(3, ["climber"])
    worst = sorted(CELLS, key=reported_of)[:5]
    answers = {cell: reward_of(cell) for cell in worst}
    for seed in range(3):
        records.append(query_record("random-search", seed, answers))
    texts = query_records(3, ["random-search"], counting="texts")
    table = table_of(tmp_path, [*records, *texts], [baseline()])
    leading = "climber and random-search have the highest mean accuracy in 1 of 2 cases"
    assert leading in table.answer
    accuracy = row_of(table, "climber", BUDGET).accuracy
    assert f": climber, {accuracy:.2f} (random search: " in table.answer
    both = table_of(
        tmp_path / "both",
        [*records[:3], *query_records(3, ["climber"], counting="texts")],
    )
    assert "climber has the highest mean accuracy in 2 of 2 cases" in both.answer


def test_classes_without_a_representative_are_counted_in_a_note(records, tmp_path):
    facts = baseline().model_copy(update={"unrepresented": 2})
    notes = table_of(tmp_path, records, [facts]).notes
    assert any("2 classes cannot be queried and are left out" in note for note in notes)


# --- a reward that is reported


@pytest.fixture(scope="module")
def leaking(tmp_path_factory):
    """A study of which half of the runs saw the numbers that judge them."""
    records = query_records(3, ["climber"], is_reported=True)
    records += [make_record(make_inputs("magnitude", seed)) for seed in range(3)]
    names = [
        name for name in SECTIONS if name not in ("reproduction", "wiring", "alphas")
    ]
    root = tmp_path_factory.mktemp("leaking")
    return load(write_study(root, records, [baseline()], tables=names))


def test_every_table_warns_of_a_reward_that_is_reported(leaking):
    made = [section.table for section in sections(leaking)]
    assert len(made) == len(leaking.info.tables) > 6
    for table in made:
        warnings = [note for note in table.notes if note.startswith("WARNING")]
        assert warnings == leaking.leaks()
    assert "3 of 6 runs saw the numbers that judge them" in leaking.leaks()[0]
    assert budget_table(leaking).caption.startswith("WARNING")


def test_no_table_warns_without_one(results):
    assert results.leaks() == []
    for section in sections(results):
        assert not [note for note in section.table.notes if "WARNING" in note]


# --- what the queries would have cost


def trained(record, seconds):
    """The record, with what the training of each of its queries takes."""
    cost = cost_of(1.0, name="training", of="table:t/c", unit="s", scored=seconds)
    return record.model_copy(update={"costs": [cost]})


def test_simulated_trainings_are_a_column_of_their_own(tmp_path):
    answers = {cell: reward_of(cell) for cell in CELLS[:12]}
    records = [query_record("climber", seed, answers) for seed in range(2)]
    plain = time_table(load(write_study(tmp_path / "plain", records)))
    assert "training_simulated_s" not in plain.frame
    made = [trained(records[0], [10.0] * 12), trained(records[1], [20.0] * 12)]
    made.append(make_record(make_inputs("magnitude", 0)))
    table = time_table(load(write_study(tmp_path / "trained", made)))
    frame = table.frame.set_index("selector")
    assert frame.training_simulated_s["climber"] == 180.0
    assert np.isnan(frame.training_simulated_s["magnitude"])
    assert frame.total_s["climber"] == plain.frame.total_s[0]
    assert any("was not spent" in note for note in table.notes)


def test_a_training_that_is_not_known_leaves_no_sum(tmp_path):
    answers = {cell: reward_of(cell) for cell in CELLS[:12]}
    records = [query_record("climber", seed, answers) for seed in range(2)]
    made = [
        trained(records[0], [10.0] * 11 + [None]),
        trained(records[1], [10.0] * 12),
    ]
    table = time_table(load(write_study(tmp_path, made)))
    assert "training_simulated_s" not in table.frame
    assert any("in 1 of 2 runs, the training cost" in note for note in table.notes)


def test_a_cost_of_another_name_or_unit_is_no_training(tmp_path):
    answers = {cell: reward_of(cell) for cell in CELLS[:12]}
    for place, change in enumerate(({"name": "latency"}, {"unit": "ms"})):
        record = trained(query_record("climber", 0, answers), [1.0] * 12)
        cost = record.costs[0].model_copy(update=change)
        record = record.model_copy(update={"costs": [cost]})
        table = time_table(load(write_study(tmp_path / f"{place}", [record])))
        assert "training_simulated_s" not in table.frame
        assert not any("training" in note for note in table.notes)


def test_the_rewards_own_landscape_judges_nothing(results):
    reward = next(one for one in results.landscapes if one.id == REWARD_ID)
    notes = differences_table(results).notes
    assert notes and not any(results.title(reward) in note for note in notes)


# --- files


def test_a_report_has_the_table_the_figure_and_the_words(records, tmp_path):
    root = write_study(tmp_path, records, [baseline()])
    write_report(root)
    page = (root / "report.html").read_text(encoding="utf-8")
    assert "<dt>incumbent</dt>" in page and "over the number" not in page
    (figure,) = budget_figures(load(root))
    assert (root / "report" / "figures" / f"{figure.name}.svg").is_file()
    assert "random-search (expected)" in figure.svg
    assert f"best by reward {baseline().population('classes').best_reward:.2f}" in (
        figure.svg
    )


def test_a_figure_has_the_same_bytes_each_time(results):
    assert budget_figures(results) == budget_figures(results)


def test_one_query_and_one_run_are_drawn(tmp_path):
    answers = {CELLS[0]: reward_of(CELLS[0])}
    record = query_record("climber", 0, answers, reward_inputs(queries=1))
    root = write_study(tmp_path, [record], [baseline(queries=1)])
    table = budget_table(load(root))
    assert set(table.frame.queries) == {1}
    assert "1 query" in table.shown.Queries[0]
    assert budget_figures(load(root))


def test_hostile_names_are_shown_in_one_line(tmp_path):
    answers = {cell: reward_of(cell) for cell in CELLS[:12]}
    records = []
    for text in hostile.TEXTS.values():
        record = query_record("climber", 0, answers)
        selector = record.inputs.selector.model_copy(update={"label": text})
        inputs = record.inputs.model_copy(update={"selector": selector})
        records.append(record.model_copy(update={"inputs": inputs, "id": inputs.id}))
    results = load(write_study(tmp_path, records, [baseline()]))
    table = budget_table(results)
    for line in (table.answer, *table.notes, *table.shown["Selector"]):
        assert "\n" not in line and line.isprintable()
    assert to_latex(table) and to_markdown(table) and to_csv(table)
    assert budget_figures(results)[0].svg


# --- the baseline as a file


def test_merged_folders_keep_their_baselines(records, tmp_path):
    parts = [
        write_study(tmp_path / "one", records[::2], [baseline()]),
        write_study(tmp_path / "other", records[1::2], [baseline()]),
    ]
    merge_folders(parts, tmp_path / "joined")
    assert load(tmp_path / "joined").baselines == (baseline(),)


def test_baselines_that_contradict_one_another_are_refused(records, tmp_path):
    other = baseline().model_copy(update={"unreported": 1})
    parts = [
        write_study(tmp_path / "one", records, [baseline()]),
        write_study(tmp_path / "other", records, [other]),
    ]
    with pytest.raises(UserError, match="contradict each other"):
        merge_folders(parts, tmp_path / "joined")


def changed(**changes):
    """The baseline with a change in what equally likely classes have."""
    population = baseline().population("classes")
    random = population.equally_likely().model_copy(update=changes)
    population = population.model_copy(update={"random": [random]})
    return baseline().model_copy(update={"populations": [population]})


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        (baseline().model_copy(update={"queries": []}), "queries do not increase"),
        (baseline().model_copy(update={"queries": [2, 1]}), "queries do not increase"),
        (baseline().model_copy(update={"populations": []}), "populations is empty"),
        (baseline().model_copy(update={"budget": 0}), "budget is 0"),
        (changed(rewards=[1.0]), "rewards has 1 entries"),
        (changed(reported=[101.0]), "reported is 101"),
        (changed(reported_errors=[]), "reported_errors has 0 entries"),
        (changed(repetitions=-1), "repetitions is -1"),
    ],
)
def test_what_no_baseline_can_be_is_refused(fact, message):
    with pytest.raises(Impossible, match=message):
        fact.check()


def test_a_baseline_is_read_as_it_was_written(tmp_path):
    folder = Folder(tmp_path)
    write_fact(folder.path(QueryBaseline, baseline().id), baseline())
    assert list(folder.check_all(QueryBaseline)) == [baseline()]
    assert baseline().report == REPORT_ID
