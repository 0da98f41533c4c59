"""The table of accuracy and cost, against numbers computed from the records alone."""

from __future__ import annotations

import math
from statistics import fmean, stdev

import numpy as np
import pytest
from scipy import stats
from support import hostile
from support.pareto_folder import (
    BASE_COST,
    COSTS,
    FITTED,
    WEIGHTS,
    WORLD,
    cost_of,
    latency_of,
    measured_mixture,
    selects,
    true_front,
    weighted_inputs,
    weighted_records,
    weighted_run,
    write_study,
)
from support.study_folder import make_folder, make_inputs

from archselect.nasbench_adapters.errors import UserError
from archselect.reports.figures.pareto import pareto_figures
from archselect.reports.page.sections import sections
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load
from archselect.reports.tables.pareto import amount, pareto_table
from archselect.reports.tables.render import to_csv, to_latex, to_markdown

NAMES = [f"magnitude ({weight:g})" for weight in WEIGHTS]


def cells_near(accuracy, count, above=0.0, below=math.inf):
    """The choices of cells whose accuracy is nearest to one, of costs in a range."""
    fitting = np.flatnonzero((above <= COSTS) & (below >= COSTS))
    order = np.argsort(abs(WORLD.means[fitting] - accuracy), kind="stable")
    return WORLD.choices[fitting[order[:count]]]


def runs_of(weight, choices, **changes):
    """A run for each cell, on the supernets of one weight."""
    records = []
    for seed, cell in enumerate(choices):
        cost = cost_of(latency_of(cell), **changes)
        records.append(selects(weighted_inputs(weight, seed), cell, [cost]))
    return records


def table_of(root, records, fronts=(), **changes):
    return pareto_table(load(write_study(root, records, fronts, **changes)))


def latencies(table):
    """The rows of the latency, by selector."""
    return table.frame[table.frame.cost == "latency"].set_index("selector")


def accuracy_of(record):
    return record.accuracies[0].mean


@pytest.fixture(scope="module")
def records():
    return weighted_records()


@pytest.fixture(scope="module")
def table(records, tmp_path_factory):
    return table_of(tmp_path_factory.mktemp("pareto"), records, [true_front()])


def by_name(records):
    named = {}
    for record in records:
        named.setdefault(record.inputs.selector.label, []).append(record)
    return named


def test_means_and_deviations_are_those_of_the_records(table, records):
    rows = latencies(table)
    for name, own in by_name(records).items():
        accuracies = [accuracy_of(record) for record in own]
        costs = [record.costs[0].value for record in own]
        row = rows.loc[name]
        assert row.accuracy == pytest.approx(fmean(accuracies))
        assert row.accuracy_std == pytest.approx(stdev(accuracies))
        assert row.cost_mean == pytest.approx(fmean(costs))
        assert row.cost_std == pytest.approx(stdev(costs), abs=1e-9)
        assert row.seeds == 4


def test_dominators_are_those_of_the_means(tmp_path):
    records = runs_of(0.0, cells_near(90, 3)) + runs_of(
        0.1, cells_near(80, 3, below=20)
    )
    records += runs_of(0.3, cells_near(70, 3, above=25))
    rows = latencies(table_of(tmp_path, records))
    means = {name: (row.accuracy, row.cost_mean) for name, row in rows.iterrows()}
    for name, (accuracy, cost) in means.items():
        expected = {
            other
            for other, (higher, cheaper) in means.items()
            if higher >= accuracy and cheaper <= cost and other != name
        }
        named = set(filter(None, rows.loc[name].dominated_by.split("; ")))
        assert named <= expected and bool(named) == bool(expected)
        assert rows.loc[name].dominated == bool(expected)


def test_selectors_with_equal_means_do_not_dominate_one_another(tmp_path):
    cells = cells_near(90, 3)
    rows = latencies(table_of(tmp_path, runs_of(0.0, cells) + runs_of(0.1, cells)))
    assert not rows.dominated.any()


def test_differences_are_paired_by_seed_and_adjusted_after_holm(table, records):
    rows = latencies(table)
    named = by_name(records)
    best = max(named, key=lambda name: fmean(map(accuracy_of, named[name])))
    reference = [accuracy_of(record) for record in named[best]]
    tests = {}
    for name in named:
        if name != best:
            ours = [accuracy_of(record) for record in named[name]]
            tests[name] = stats.ttest_rel(ours, reference)
    assert math.isnan(rows.loc[best].difference)
    ordered = sorted(tests, key=lambda name: tests[name].pvalue)
    for rank, name in enumerate(ordered):
        row = rows.loc[name]
        saving = 1 - row.cost_mean / rows.loc[best].cost_mean
        assert row.saving == pytest.approx(saving)
        assert row.low < row.difference < row.high
        if rank == 0:
            bounds = tests[name].confidence_interval(1 - 0.05 / len(tests))
            assert (row.low, row.high) == pytest.approx(tuple(bounds), rel=1e-6)


def test_the_shares_of_the_hypervolume(table, records):
    """By the squares of a grid: the area below and to the right of the cells."""
    front = true_front()
    rows = latencies(table)
    grid = np.linspace(BASE_COST, front.reference_cost, 20_001)
    middles = (grid[1:] + grid[:-1]) / 2

    def area(cells):
        heights = np.zeros(len(middles))
        for accuracy, cost in cells:
            heights[middles >= cost] = np.maximum(heights[middles >= cost], accuracy)
        return heights.mean() * (grid[-1] - grid[0])

    whole = area([(point.accuracy, point.cost) for point in front.points])
    for name, own in by_name(records).items():
        cells = [(accuracy_of(record), record.costs[0].value) for record in own]
        row = rows.loc[name]
        assert row.hypervolume_share == pytest.approx(area(cells) / whole, abs=1e-3)
        assert row.random_share == front.random_shares[3] and row.random_error == 0
        on_front = sum(
            any((point.accuracy, point.cost) == cell for point in front.points)
            for cell in cells
        )
        assert row.on_front == on_front


def test_a_path_has_the_share_of_one_seeds_cells_together(table, records):
    rows = latencies(table)
    row = rows.loc["path: magnitude, cost_weight 0 to 1"]
    assert row.cells == len(WEIGHTS)
    assert row.random_share == true_front().random_shares[len(WEIGHTS) - 1]
    assert row.hypervolume_share > rows.loc[NAMES].hypervolume_share.min()
    (shown,) = [text for text in table.shown["Selector"] if text.startswith("path:")]
    assert shown == row.name


def test_shares_between_two_numbers_are_interpolated(tmp_path):
    records = [weighted_run(0.0, seed) for seed in range(101)]
    row = latencies(table_of(tmp_path, records, [true_front()])).loc[NAMES[0]]
    shares = dict(
        zip(true_front().random_cells, true_front().random_shares, strict=True)
    )
    assert shares[100] < row.random_share < shares[200]


# --- the claim


def claims(table):
    return latencies(table).claim.dropna().to_dict()


def test_a_cheaper_cell_of_equal_accuracy_holds(tmp_path):
    dear = cells_near(75, 4, above=28)
    accuracies = [WORLD.means[WORLD.index(tuple(cell))] for cell in dear]
    cheap = [cells_near(accuracy, 1, below=22)[0] for accuracy in accuracies]
    table = table_of(tmp_path, runs_of(0.0, dear) + runs_of(0.3, cheap))
    saved = 1 - fmean(map(latency_of, cheap)) / fmean(map(latency_of, dear))
    row = latencies(table).loc[NAMES[2]]
    assert row.reference_saving == pytest.approx(saved) and saved > 0.2
    assert row.reference_low > -0.5
    assert claims(table) == {NAMES[2]: "holds"}
    assert f"holds on digits/test/10: latency in ms ({NAMES[2]})" in table.answer


def test_two_seeds_show_nothing_and_that_is_said(tmp_path, records):
    two = [record for record in records if record.inputs.supernet_seed < 2]
    table = table_of(tmp_path, two)
    assert set(claims(table).values()) <= {"not shown", "does not hold"}
    assert any("fewer than three seeds" in note for note in table.notes)
    assert "holds on" not in table.answer.replace("does not hold on", "")


def test_what_so_few_seeds_could_have_shown_is_said(table):
    (row, *_) = [
        row for _, row in latencies(table).iterrows() if row.claim == "not shown"
    ]
    sentence = f"4 seeds detect only a loss of {row.detectable:.2f} points or more"
    assert any(sentence in note for note in table.notes)


def test_the_reference_is_the_studys_where_it_names_one(tmp_path, records):
    table = table_of(tmp_path, records, references=[NAMES[1]])
    rows = latencies(table)
    others = [name for name in NAMES if name != NAMES[1]]
    assert set(rows.loc[others].reference) == {NAMES[1]}
    assert isinstance(rows.loc[NAMES[1]].reference, float)


def test_the_reference_is_the_start_of_each_path(tmp_path, records):
    other = [
        weighted_run(weight, seed, "darts-pt")
        for weight in WEIGHTS[:2]
        for seed in range(4)
    ]
    rows = latencies(table_of(tmp_path, records + other))
    assert rows.loc["darts-pt (0.1)"].reference == "darts-pt (0)"
    assert rows.loc[NAMES[3]].reference == NAMES[0]


def test_random_cells_are_not_tested(tmp_path, records):
    draws = [
        selects(make_inputs("random", seed), cell, [cost_of(latency_of(cell))])
        for seed, cell in enumerate(WORLD.choices[[7, 900, 4_000, 15_000]])
    ]
    table = table_of(tmp_path, records + draws)
    row = latencies(table).loc["random"]
    assert all(isinstance(row[key], float) for key in ("claim", "reference"))
    assert math.isnan(row.difference)
    assert "not tested" in set(table.shown["Verdict"])


# --- what is missing, fitted or predicted


def test_a_cost_that_is_not_known_is_said(tmp_path, records):
    changed = list(records)
    changed[0] = records[0].model_copy(update={"costs": [cost_of(None)]})
    table = table_of(tmp_path, changed)
    assert latencies(table).loc[NAMES[0]].seeds == 3
    assert any(
        f"1 of 4 runs of {NAMES[0]} selected a cell whose cost is not known" in note
        for note in table.notes
    )


def test_a_selector_without_any_cost_is_said(tmp_path, records):
    bare = [
        record.model_copy(update={"costs": []})
        if record.inputs.selector.label == NAMES[0]
        else record
        for record in records
    ]
    table = table_of(tmp_path, bare)
    assert NAMES[0] not in latencies(table).index
    assert any(f"no run of {NAMES[0]} has a known cost" in note for note in table.notes)


def test_a_fitted_cost_is_said_to_be_fitted(tmp_path, records):
    fitted = [
        record.model_copy(update={"costs": [cost_of(20.0, **FITTED)]})
        for record in records
    ]
    table = table_of(tmp_path, fitted, [true_front(**FITTED)])
    (note,) = [note for note in table.notes if "is fitted, not measured" in note]
    assert "mean absolute error on 900 held-out cells is 3.2 %" in note
    assert latencies(table).hypervolume_share.notna().all()


def test_predicted_accuracies_are_said_to_be_predicted(tmp_path, records):
    predicted = []
    for record in records:
        accuracy = record.accuracies[0].model_copy(update={"source": "predicted"})
        predicted.append(record.model_copy(update={"accuracies": [accuracy]}))
    table = table_of(tmp_path, predicted, landscape={"surrogate": True})
    assert set(table.shown["Source"]) == {"predicted"}
    assert any("a surrogate predicts the accuracies" in note for note in table.notes)
    assert latencies(table).hypervolume_share.isna().all()


def test_a_front_of_another_cost_is_not_taken(tmp_path, records):
    table = table_of(tmp_path, records, [true_front(origin="of another board")])
    assert latencies(table).hypervolume_share.isna().all()


def test_a_simulated_share_has_its_error(tmp_path, records):
    front = true_front()
    errors = [0.004] * len(front.random_cells)
    simulated = front.model_copy(update={"random_errors": errors, "repetitions": 2_000})
    table = table_of(tmp_path, records, [simulated])
    assert latencies(table).random_error.dropna().unique().tolist() == [0.004]
    assert any("mean of 2,000 simulations" in note for note in table.notes)


def test_a_study_without_costs_has_the_time_of_the_search(tmp_path):
    root = make_folder(tmp_path, tables=["pareto"])
    table = pareto_table(load(root))
    assert set(table.frame.cost) == {"search time"}
    rows = table.frame[table.frame.dataset == "digits"].set_index("selector")
    for group in load(root).groups:
        assert rows.loc[group.name].cost_mean == pytest.approx(fmean(group.seconds))


def test_a_damaged_front_is_refused(tmp_path, records):
    front = true_front()
    points = front.points[::-1]
    root = write_study(tmp_path, records, [front.model_copy(update={"points": points})])
    with pytest.raises(
        UserError, match="points do not increase in accuracy and in cost"
    ):
        load(root)


# --- the report


def test_the_report_has_table_and_figures(tmp_path, records):
    root = write_study(tmp_path, records, [true_front()])
    files = {path.relative_to(root).as_posix() for path in write_report(root).files}
    assert {"report/pareto.csv", "report/pareto.md", "report/pareto.tex"} <= files
    assert "report/figures/pareto-digits-test-10-latency-in-ms.svg" in files
    runs = (root / "report" / "runs.csv").read_text().splitlines()
    place = runs[0].split(",").index("cost_latency")
    assert float(runs[1].split(",")[place]) == records[0].costs[0].value


def test_all_forms_have_every_row(table):
    rows = len(table.frame)
    assert to_csv(table).count("\n") == rows + 1
    for name in NAMES:
        assert name in to_markdown(table) and name in to_latex(table)


def test_costs_have_four_digits():
    assert amount(0.013912) == "0.01391"
    assert amount(802_426.0, 12.3) == "802,426 ± 12"
    assert amount(0.0) == "0"


def test_a_figure_of_the_same_records_is_the_same(tmp_path, records):
    root = write_study(tmp_path, records, [true_front()])
    (first,) = sections(load(root))
    (again,) = sections(load(root))
    assert [one.svg for one in first.figures] == [one.svg for one in again.figures]
    latency = first.figures[0]
    assert "cost_weight 0" in latency.svg and "true front" in latency.svg
    assert "15,625 cells" in latency.caption


def test_two_costs_of_one_name_have_columns_of_their_own(tmp_path, records):
    other = cost_of(1.0, of="params", unit="parameters")
    last = records[-1].model_copy(update={"costs": [other]})
    root = write_study(tmp_path, [*records[:-1], last])
    write_report(root)
    header = (root / "report" / "runs.csv").read_text().split("\n")[0]
    assert "cost_latency_table:made-up/board" in header
    assert "cost_latency_params" in header


@pytest.mark.parametrize("text", hostile.TEXTS.values(), ids=hostile.TEXTS)
def test_names_of_costs_are_shown_in_one_line(tmp_path, text):
    run = weighted_run(0.0, 0)
    cost = cost_of(20.0, name=text, of=text, unit=text, origin=text)
    run = run.model_copy(update={"costs": [cost]})
    table = table_of(tmp_path, [run])
    for line in (table.answer, *table.notes, *table.shown["Plane"]):
        assert "\n" not in line and line.isprintable()
    assert to_latex(table) and to_markdown(table)
    assert all(figure.svg for figure in pareto_figures(load(tmp_path)))


def mixture_notes(root, records):
    notes = table_of(root, records).notes
    return [note for note in notes if "drawn from it" in note]


def test_the_gap_between_mixture_and_drawn_cells_is_noted(tmp_path):
    records = [
        measured_mixture(weighted_run(0.1, 0), 5.0, 5.3, 0.15),
        measured_mixture(weighted_run(0.1, 1), 5.2, 5.4, 0.25),
        weighted_run(0.0, 0),
    ]
    (note,) = mixture_notes(tmp_path, records)
    assert note.endswith(
        "supernets of magnitude (0.1): mixture 5.100 ms, 100 cells drawn from it 5.350 ± 0.200 ms, by "
        f"{FITTED['of']} (means over 2 supernets)."
    )


def test_selectors_of_the_same_supernets_share_a_note(tmp_path):
    records = [
        measured_mixture(weighted_run(0.1, 0, name), 5.0, 5.3, 0.15)
        for name in ("magnitude", "darts-pt")
    ]
    (note,) = mixture_notes(tmp_path, records)
    assert "supernets of magnitude (0.1) and darts-pt (0.1): mixture" in note
    assert "(one supernet)" in note


@pytest.mark.parametrize(
    "changes",
    [
        {"of": "additive:made-up/another@100"},
        {"of": "additive:another/board@100"},
        {"of": "params", "unit": "parameters"},
        {"unit": "s"},
        {"of": "nonsense: of others"},
    ],
)
def test_a_mixture_of_another_cost_is_in_no_note(tmp_path, changes):
    record = measured_mixture(weighted_run(0.1, 0), 5.0, 5.3, 0.15, **changes)
    assert mixture_notes(tmp_path, [record]) == []


def test_the_folder_of_a_table_does_not_matter(tmp_path):
    of = "mlp:/somewhere/else/made-up/board@50"
    record = measured_mixture(weighted_run(0.1, 0), 5.0, 5.3, 0.15, of=of)
    (note,) = mixture_notes(tmp_path, [record])
    assert f"by {of}" in note
