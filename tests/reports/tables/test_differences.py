"""The table of differences: pairs, references, families, and what it says."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest
from scipy import stats

from archselect.benchmarks.store.facts import content_id, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import DataInputs, Landscape, Record
from archselect.reports.comparison.snapshot import take_snapshot
from archselect.reports.figures.study import differences_figure
from archselect.reports.page.sections import tables
from archselect.reports.results.metrics import (
    ACCURACY,
    cost_series,
    exact_means,
    quality_series,
)
from archselect.reports.results.results import load
from archselect.reports.statistics.paired import Stratum, compare, verdict
from archselect.reports.tables.differences import differences_table


def values(folder, label, truth="nb201-digits"):
    """Accuracy by supernet seed, from the records themselves; of a random cell what the truth expects of it."""
    (expected,) = (
        one.mean for one in Folder(folder).read_all(Landscape) if one.truth == truth
    )
    found = {}
    for record in Folder(folder).read_all(Record):
        if record.inputs.selector.label == label:
            (mean,) = (
                a.mean for a in record.accuracies if a.landscape == content_id(truth)
            )
            if record.selected.uniform:
                mean = expected
            found.setdefault(record.inputs.supernet_seed, []).append(mean)
    return {seed: fmean(own) for seed, own in found.items()}


def rows(folder, metric="accuracy", place="digits/test/10"):
    frame = differences_table(load(folder)).frame
    return frame[(frame.metric == metric) & (frame.place == place)].set_index(
        "selector"
    )


def test_every_selector_against_the_best(folder):
    means = {
        label: fmean(values(folder, label).values())
        for label in ("random", "magnitude", "darts-pt", "zero-cost-pt")
    }
    best = max(means, key=means.get)
    found = rows(folder)
    assert set(found.index) == set(means) - {best} and set(found.minus) == {best}
    pairs = {
        label: [(values(folder, label)[s], values(folder, best)[s]) for s in range(4)]
        for label in found.index
    }
    tests = {
        label: stats.ttest_rel(*zip(*own, strict=True)) for label, own in pairs.items()
    }
    random = found.loc["random"]
    assert random.difference == pytest.approx(means["random"] - means[best])
    assert (
        random.verdict == "undefined: no test against an exact mean"
        and random.low < random.high
    )
    assert (
        random[
            [
                "p_t",
                "p_holm",
                "p_permutation",
                "p_wilcoxon",
                "improvement",
                "iqm_selector",
            ]
        ]
        .isna()
        .all()
    )
    found = found.drop("random")
    for label, row in found.iterrows():
        assert (
            row.difference == pytest.approx(means[label] - means[best])
            and row.pairs == 4
        )
        assert row.p_t == pytest.approx(tests[label].pvalue, rel=1e-6)
        # The interval is as wide as the factor that Holm's adjustment puts on the row's
        # p-value.
        low, high = tests[label].confidence_interval(1 - 0.05 * row.p_t / row.p_holm)
        assert (row.low, row.high) == pytest.approx(
            (low, high), rel=1e-6
        ) or row.p_holm == 1
        assert (row.low > 0 or row.high < 0) == (row.verdict in ("better", "worse"))
    assert (
        found.p_holm.max() == pytest.approx(found.p_t.max())
        or found.p_holm.max() > found.p_t.max()
    )
    assert found.p_holm.min() == pytest.approx(min(1, 2 * found.p_t.min()))


def test_several_selections_from_one_supernet_are_one_value(tmp_path, fake, build):
    root = build(tmp_path / "study", labels=["magnitude", "darts-pt"])
    info = load(root).info
    more = [fake.record(fake.inputs("darts-pt", seed, 9)) for seed in range(4)]
    for record in more:
        write_fact(Folder(root).path(Record, record.id), record)
    write_fact(
        Folder(root).study_path,
        info.model_copy(update={"runs": [*info.runs, *(r.id for r in more)]}),
    )
    (row,) = rows(root).itertuples()
    ours, theirs = values(root, row.Index), values(root, row.minus)
    assert row.pairs == 4
    assert row.difference == pytest.approx(fmean(ours[s] - theirs[s] for s in range(4)))


def test_a_named_reference_is_compared_with_every_other(folder, build, tmp_path):
    root = build(tmp_path / "named", references=["magnitude"])
    found = rows(root)
    assert set(found.index) == {"magnitude"} and set(found.minus) == {
        "random",
        "darts-pt",
        "zero-cost-pt",
    }
    assert (
        "Each row is magnitude minus another selector"
        in differences_table(load(root)).caption
    )
    row = found.set_index("minus").loc["random"]
    assert row.difference == pytest.approx(
        fmean(values(root, "magnitude").values())
        - fmean(values(root, "random").values())
    )
    # Where it has no values, as random has no scores, it is every one against the best.
    other = build(tmp_path / "random", references=["random"])
    assert set(rows(other, "tau_best_acc").minus) == set(
        rows(folder, "tau_best_acc").minus
    )


def test_random_cells_stand_for_what_the_truth_expects_of_one(folder):
    """Four random cells say little: the table knows the mean of all, and that is what others are compared with."""
    results = load(folder)
    landscape = next(one for one in results.landscapes if one.truth == "nb201-digits")
    table = differences_table(results)
    sentence = f"random means the exact mean of a random cell, {landscape.mean:.2f} %"
    assert any(sentence in note for note in table.notes)
    found = rows(folder)
    best = found.minus.iloc[0]
    assert found.loc["random"].difference == pytest.approx(
        landscape.mean - fmean(values(folder, best).values())
    )
    sampled = (
        next(group for group in results.groups if group.label == "random")
        .known(landscape)
        .means
    )
    assert abs(fmean(sampled) - landscape.mean) > 0.1
    # A truth that does not know the mean has the runs' own cells; so have snapshots,
    # whose gates look at what ran.
    unknown = replace(
        results,
        landscapes=tuple(
            one.model_copy(update={"mean": None}) for one in results.landscapes
        ),
    )
    assert exact_means(unknown) == {}
    taken = next(
        one
        for one in take_snapshot(results).series
        if one.label == "random" and one.metric == ACCURACY
    )
    assert sorted(taken.values.values()) == sorted(sampled)


def test_the_coverage_of_the_intervals_stands_beside_them(folder):
    (note, *_) = [
        note for note in differences_table(load(folder)).notes if "simulated" in note
    ]
    assert "over 4 seeds contains the true mean 95 % of the time" in note
    assert not [
        note for note in differences_table(load(folder)).notes if "over 1 seeds" in note
    ]


def test_two_references_are_compared_with_one_another_once(build, tmp_path):
    found = rows(
        build(tmp_path / "two", references=["magnitude", "random"])
    ).reset_index()
    pairs = set(zip(found.selector, found.minus, strict=True))
    assert len(found) == len(pairs) == 5
    assert ("magnitude", "random") in pairs and ("random", "magnitude") not in pairs


def test_selectors_without_scores_have_no_row_of_correlations(folder):
    found = rows(folder, "tau_best_acc")
    assert "random" not in set(found.index) | set(found.minus)
    assert len(found) == 2


def test_seeds_that_only_one_has_are_left_out(folder, fake):
    record = next(
        r
        for r in Folder(folder).read_all(Record)
        if r.inputs.selector.label == "random"
    )
    fake.fail(folder, record)
    found = rows(folder)
    assert found.loc["random"].pairs == 3 and found.drop("random").pairs.eq(4).all()


def test_one_seed_is_undefined_and_says_so(tmp_path, build):
    root = build(tmp_path / "one", seeds=1)
    table = differences_table(load(root))
    assert set(table.frame.verdict) == {"undefined: fewer than three seeds"}
    assert set(table.shown["95 % interval"]) == {"not defined: fewer than three seeds"}


def test_two_data_sets_are_pooled_with_equal_weight(tmp_path, fake, build):
    root = build(tmp_path / "study", labels=["random", "magnitude"])
    info = load(root).info
    other = DataInputs(
        name="more",
        checksum="bb" * 8,
        train_images=9,
        valid_images=9,
        split="first",
        augment="none",
    )
    more = []
    for label in ("random", "magnitude"):
        for seed in range(2):
            record = fake.record(
                fake.inputs(label, seed).model_copy(update={"data": other})
            )
            write_fact(Folder(root).path(Record, record.id), record)
            more.append(record)
    write_fact(
        Folder(root).study_path,
        info.model_copy(update={"runs": [*info.runs, *(r.id for r in more)]}),
    )
    frame = differences_table(load(root)).frame
    own = frame[frame.metric == "accuracy"]
    assert "digits/test/10, searched on more" in set(own.place)
    (pooled,) = own[own.place == "all 2 searches"].itertuples()
    assert (pooled.pairs, pooled.strata) == (6, 2)
    sign = 1 if pooled.selector == "random" else -1
    parts = []
    for place in (
        "digits/test/10, searched on digits",
        "digits/test/10, searched on more",
    ):
        (row,) = own[own.place == place].itertuples()
        parts.append(row.difference * (1 if row.selector == "random" else -1))
    assert pooled.difference * sign == pytest.approx(fmean(parts))


@pytest.mark.parametrize(
    ("differences", "better", "said"),
    [
        ((1.0, 1.1, 0.9, 1.0), "higher", "better"),
        ((1.0, 1.1, 0.9, 1.0), "lower", "worse"),
        ((-1.0, -1.1, -0.9, -1.0), "higher", "worse"),
        ((1.0, -1.1, 0.9, -1.0), "higher", "no evidence"),
        ((0.0, 0.0, 0.0), "higher", "no evidence"),
        ((0.136,) * 4, "higher", "no evidence"),
        ((0.136,) * 6, "higher", "better"),
        ((0.136, 0.136), "higher", "undefined: fewer than three seeds"),
        ((1.0,), "higher", "undefined: fewer than three seeds"),
    ],
)
def test_verdicts(differences, better, said):
    found = compare([Stratum(differences, (0.0,) * len(differences))])
    assert verdict(found, found.p, better) == said


def test_costs_are_summed_over_phases_and_given_by_phase(folder):
    found = {
        (series.label, series.metric.name): series
        for series in cost_series(load(folder))
    }
    whole, score, supernet = (
        found["darts-pt", name].values
        for name in ("forwards", "score_forwards", "supernet_forwards")
    )
    assert (
        whole == {seed: score[seed] + supernet[seed] for seed in range(4)}
        and score[0] == 30
    )
    assert found["darts-pt", "seconds"].values[0] == pytest.approx(
        sum(
            found["darts-pt", f"{phase}_seconds"].values[0]
            for phase in ("data", "score", "tune", "supernet")
        )
    )


def test_a_place_is_the_same_only_with_the_same_images_and_truth(
    folder, fake, build, tmp_path
):
    ours = {
        (s.label, s.metric.name, s.place): s.identity
        for s in quality_series(load(folder))
    }
    again = {
        (s.label, s.metric.name, s.place): s.identity
        for s in quality_series(load(build(tmp_path / "again", seeds=2)))
    }
    assert ours == again
    identities = {identity for identity in ours.values()}
    assert len(identities) == 2  # one for each truth


def test_the_figure_has_a_row_for_every_difference_in_accuracy(build, tmp_path):
    results = load(
        build(tmp_path / "study", tables=["differences"], references=["zero-cost-pt"])
    )
    found = tables(results)
    frame = found[0].frame
    figure = differences_figure(found[0])
    assert figure is not None
    shown = frame[frame.metric == "accuracy"]
    for row in shown.itertuples():
        assert (
            f">{row.selector} − {row.minus}<" in figure.svg
            and f">{row.difference:+.2f}<" in figure.svg
        )
    assert len(shown) == 6
    one = load(build(tmp_path / "one", seeds=1, tables=["differences"]))
    assert differences_figure(differences_table(one)) is None
