"""Comparing folders: verdicts, gates, and what is written of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import t

from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Accuracy, Record
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.comparison.compare import (
    MetricChange,
    differing_settings,
    find_changes,
)
from archselect.reports.comparison.comparison import compare_snapshots
from archselect.reports.comparison.exports import to_json, to_junit
from archselect.reports.comparison.gate import parse_gate
from archselect.reports.comparison.markdown import cut_to_bytes, to_markdown
from archselect.reports.comparison.outcomes import judge_gates
from archselect.reports.comparison.snapshot import (
    Snapshot,
    read_snapshot,
    write_baseline,
)
from archselect.reports.results.metrics import ACCURACY
from archselect.reports.statistics.paired import Stratum, compare


@pytest.fixture
def edited(folder, tmp_path):
    """`edited(change, label)` is a copy of the folder in which `change(record)` stands for each record of a label."""

    def edit(change, label="darts-pt", name="new"):
        root = shutil.copytree(folder, tmp_path / name)
        for record in list(Folder(root).read_all(Record)):
            if record.inputs.selector.label == label:
                write_fact(Folder(root).path(Record, record.id), change(record))
        return root

    return edit


def with_accuracy(record, shift):
    """All accuracies shifted, by a number or by one for each seed."""
    by = (
        shift[record.inputs.supernet_seed] if isinstance(shift, list | tuple) else shift
    )
    accuracies = [
        Accuracy(**(dict(a) | {"mean": a.mean + by})) for a in record.accuracies
    ]
    return record.model_copy(update={"accuracies": accuracies})


def with_counts(record, factor):
    counts = {
        phase: own.model_copy(update={"forwards": int(own.forwards * factor)})
        for phase, own in record.cost.counts.items()
    }
    return record.model_copy(
        update={"cost": record.cost.model_copy(update={"counts": counts})}
    )


def compared(base, new, *gates):
    return compare_snapshots(
        read_snapshot(base), read_snapshot(new), [parse_gate(gate) for gate in gates]
    )


def outcomes(found, status):
    return {(o.gate.text, o.label) for o in found.outcomes if o.status == status}


def test_the_same_folder_twice_shows_nothing(folder):
    found = compared(
        folder, folder, "accuracy_drop>0pt", "tau_drop>0", "forwards_increase>0%"
    )
    assert {change.verdict for change in found.changes} == {"no evidence"}
    assert not found.failed and {
        o.status for o in found.outcomes if o.label != "random"
    } == {"holds"}
    assert {o.metric for o in found.outcomes if o.status != "holds"} == {
        "tau"
    }  # random ranks nothing
    assert "All 3 gates hold" in to_markdown(found)


def test_noise_does_not_fail_a_gate_and_a_crippled_selector_does(folder, edited):
    noisy = edited(
        lambda record: with_accuracy(record, [1.0, -1.2, 0.9, -1.5]), name="noisy"
    )
    found = compared(folder, noisy, "accuracy_drop>0.1pt")
    assert not found.failed
    crippled = edited(
        lambda record: with_accuracy(record, [-9.0, -11.0, -10.0, -12.0]),
        name="crippled",
    )
    found = compared(folder, crippled, "accuracy_drop>0.5pt")
    assert outcomes(found, "failed") == {("accuracy_drop>0.5pt", "darts-pt")}
    worse = {
        (change.label, change.metric.name)
        for change in found.changes
        if change.verdict == "worse"
    }
    assert worse == {("darts-pt", "accuracy")}
    text = to_markdown(found)
    assert "❌ **1 of 1 gates failed**: `accuracy_drop>0.5pt`." in text
    half = (
        t.ppf(1 - 0.05 / 4, 3) * np.std([9, 11, 10, 12], ddof=1) / 2
    )  # it moved on both truths
    said = f"drop of 10.5 points, 95 % interval (2 rows) [{10.5 - half:.4g}, {10.5 + half:.4g}]"
    assert said in text


def test_a_gate_needs_the_whole_interval_beyond_it(folder, edited):
    new = edited(lambda record: with_accuracy(record, [-9.0, -11.0, -10.0, -12.0]))
    lowest = 10.5 - t.ppf(1 - 0.05 / 4, 3) * np.std([9, 11, 10, 12], ddof=1) / 2
    assert compared(folder, new, f"accuracy_drop>{lowest - 0.01:.3f}pt").failed
    assert not compared(folder, new, f"accuracy_drop>{lowest + 0.01:.3f}pt").failed


def test_counts_are_exact(folder, edited):
    new = edited(lambda record: with_counts(record, 1.1))
    assert compared(folder, new, "score_forwards_increase>9%").failed
    assert not compared(folder, new, "score_forwards_increase>10%").failed
    assert compared(folder, new, "score_forwards_increase>2").failed
    found = {(c.label, c.metric.name): c for c in compared(folder, new).changes}
    assert found["darts-pt", "score_forwards"].verdict == "worse"
    assert found["darts-pt", "score_forwards"].p is None


def test_seconds_compare_on_one_machine_only(folder, edited):
    def elsewhere(record):
        machine = record.cost.machine.model_copy(update={"device_name": "another"})
        return record.model_copy(
            update={"cost": record.cost.model_copy(update={"machine": machine})}
        )

    found = compared(folder, edited(elsewhere), "seconds_increase>1%")
    assert outcomes(found, "failed") == {("seconds_increase>1%", "darts-pt")}
    assert ("seconds_increase>1%", "magnitude") in outcomes(found, "holds")
    (own,) = (
        c for c in found.changes if (c.label, c.metric.name) == ("darts-pt", "seconds")
    )
    assert own.verdict.startswith(
        "not comparable: another machine (x86_64, 2 threads, torch 2.13.0 → another, 2 thre"
    )


def test_a_selector_that_fails_or_is_lost_fails_the_gate(folder, fake, tmp_path, build):
    new = shutil.copytree(folder, tmp_path / "new")
    record = next(
        r
        for r in Folder(new).read_all(Record)
        if r.inputs.selector.label == "magnitude"
    )
    fake.fail(new, record)
    found = compared(folder, new, "accuracy_drop>50pt")
    assert outcomes(found, "failed") == {("accuracy_drop>50pt", "magnitude")}
    assert "1 run of magnitude failed in new." in to_markdown(found)
    assert "magnitude: seed " in to_markdown(found)
    fewer = build(tmp_path / "fewer", labels=["random", "magnitude"])
    found = compared(folder, fewer, "accuracy_drop>50pt")
    assert outcomes(found, "failed") == {
        ("accuracy_drop>50pt", label) for label in ("darts-pt", "zero-cost-pt")
    }
    more = compared(fewer, folder, "accuracy_drop>50pt")
    assert not more.failed and len(outcomes(more, "not checked")) == 2


def test_other_images_or_another_truth_do_not_compare(folder, tmp_path, fake):
    base = read_snapshot(folder)
    other = base.model_copy(
        update={
            "series": [
                series.model_copy(update={"identity": "other"})
                for series in base.series
            ]
        }
    )
    assert {c.verdict for c in find_changes(base, other)} == {
        "not comparable: other images or another truth"
    }


def test_a_baseline_file_is_as_good_as_the_folder(folder, edited, tmp_path):
    path = tmp_path / "baseline.json"
    write_baseline(read_snapshot(folder), path)
    new = edited(lambda record: with_accuracy(record, [-9.0, -11.0, -10.0, -12.0]))
    assert to_json(compared(path, new, "accuracy_drop>1pt")) == to_json(
        compared(folder, new, "accuracy_drop>1pt")
    )
    path.write_text("{}")
    with pytest.raises(UserError, match="is not a valid snapshot"):
        read_snapshot(path)
    with pytest.raises(UserError, match=r"nothing does not exist"):
        read_snapshot(tmp_path / "nothing")


def test_settings_that_differ_are_listed(folder):
    base = read_snapshot(folder)
    settings = base.settings | {
        "darts-pt": base.settings["darts-pt"] | {"selector.settings.tune_epochs": "9"}
    }
    new = base.model_copy(
        update={
            "settings": settings,
            "code_versions": ["0.2.0"],
            "commits": ["0123abc"],
        }
    )
    said = differing_settings(base, new)
    assert said == [
        "archselect 0.1.0 → 0.2.0",
        "commit of archselect unknown → 0123abc",
        "darts-pt, selector.settings.tune_epochs: 5 → 9",
    ]
    assert not differing_settings(base, base)


def test_json_and_junit_say_the_same(folder, edited):
    new = edited(lambda record: with_accuracy(record, [-5.0, -5.1, -5.2, -5.3]))
    found = compared(folder, new, "accuracy_drop>1pt", "seconds_increase>1%")
    content = json.loads(to_json(found))
    assert content["failed"] and {g["status"] for g in content["gates"]} == {
        "failed",
        "holds",
    }
    suite = ElementTree.fromstring(to_junit(found))
    assert (
        int(suite.get("tests"))
        == len(content["gates"])
        == len(suite.findall("testcase"))
    )
    failures = [
        case.get("name")
        for case in suite.findall("testcase")
        if case.find("failure") is not None
    ]
    assert len(failures) == int(suite.get("failures")) == 2
    assert all(name.startswith("darts-pt, accuracy, ") for name in failures)


def test_holm_is_over_the_rows_of_a_metric(folder, edited):
    rng = np.random.default_rng(0)
    found = compared(
        folder, edited(lambda record: with_accuracy(record, list(rng.normal(0, 1, 4))))
    )
    own = [change for change in found.changes if change.metric.name == "accuracy"]
    (moved,) = (c for c in own if c.label == "darts-pt" and c.place == "digits/test/10")
    other = next(c for c in own if c.label == "darts-pt" and c is not moved)
    assert [c.p for c in own if c.label != "darts-pt"] == [1.0] * (
        len(own) - 2
    )  # did not move, and do not count
    factor = 2 if moved.difference.p_t < other.difference.p_t else 1
    assert moved.p >= min(1.0, factor * moved.difference.p_t) - 1e-12
    assert min(moved.p, other.p) == pytest.approx(
        min(1.0, 2 * min(moved.difference.p_t, other.difference.p_t))
    )


def test_a_summary_is_cut_at_its_limit():
    text = "".join(f"line {number}\n" for number in range(1_000))
    assert cut_to_bytes(text, 10_000) == text
    cut = cut_to_bytes(text, 500)
    assert (
        len(cut.encode()) <= 500 and cut.startswith("line 0\n") and "more lines" in cut
    )
    assert cut_to_bytes(text, 0) == cut_to_bytes(text, -5) == ""


def test_the_reach_of_a_gate_is_the_change_that_fails_it_four_times_in_five():
    """Of six seeds with a known spread, by simulation."""
    rng, seeds, noise = np.random.default_rng(5), 6, 1.0
    gate = parse_gate("accuracy_drop>0.5pt")
    scale = noise / float(np.std(plain := rng.normal(0, 1, seeds), ddof=1))
    reach = judged(gate, -scale * (plain - plain.mean())).reach
    found = [judged(gate, rng.normal(-reach, noise, seeds)).status for _ in range(400)]
    assert 0.73 < found.count("failed") / len(found) < 0.87
    found = [judged(gate, rng.normal(-0.5, noise, seeds)).status for _ in range(400)]
    assert found.count("failed") / len(found) < 0.06


def judged(gate, differences, interval=True):
    """What a gate says of new minus base, seed by seed; without `interval` as if that were undefined."""
    found = compare([Stratum(tuple(90 + differences), (90.0,) * len(differences))])
    if not interval:
        found = replace(
            found, low=None, high=None, p_t=None, error=None, reason="no interval"
        )
    after = 90 + float(np.mean(differences))
    change = MetricChange(
        metric=ACCURACY,
        label="mine",
        search="",
        place="here",
        base=90.0,
        new=after,
        difference=found,
        p=found.p_t,
        verdict="no evidence",
        seed_differences=tuple(differences),
    )
    empty = Snapshot(
        name="",
        title="",
        command="",
        code_versions=[],
        commits=[],
        labels=[],
        series=[],
        settings={},
        runs=[],
        unfinished=0,
    )
    (outcome,) = judge_gates([gate], [change], empty, empty)
    return outcome


def test_a_gate_that_holds_says_what_it_would_have_seen(folder, edited):
    new = edited(lambda record: with_accuracy(record, [-0.3, 0.2, 0.1, -0.1]))
    found = compared(folder, new, "accuracy_drop>0.5pt")
    (held,) = [
        line
        for line in to_markdown(found).splitlines()
        if "holds" in line and line.startswith("|")
    ]
    reach = max(o.reach for o in found.outcomes if o.reach is not None)
    assert f"would detect {reach:.3g} points with probability 80 % (darts-pt)" in held
    assert (
        reach > 0.5
        and [g["reach"] for g in json.loads(to_json(found))["gates"]].count(None) == 6
    )


@pytest.mark.parametrize(("seeds", "status"), [(4, "not proven"), (6, "failed")])
def test_no_interval_is_no_proof_whatever_the_reason(seeds, status):
    """Differences that have no interval and are not equal prove nothing, equal ones by their number."""
    gate = parse_gate("accuracy_drop>0.5pt")
    assert judged(gate, np.full(seeds, -5.0), interval=False).status == status
    assert (
        judged(gate, np.linspace(-5.0, -5.1, seeds), interval=False).status
        == "not proven"
    )
    assert judged(gate, np.linspace(-5.0, -5.1, seeds)).status == "failed"
    assert judged(gate, np.full(seeds, -0.5), interval=False).status == "holds"
