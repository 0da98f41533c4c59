"""Gates through the command line: what each kind of row comes to, thresholds, the three outcomes, exit codes."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import t

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Machine, Record
from archselect.reports.comparison.snapshot import (
    SelectorRuns,
    Snapshot,
    read_snapshot,
    write_baseline,
)
from archselect.reports.results.metrics import ACCURACY, TAUS, Metric, Series

SEARCH = "nb201, digits"
PLACE = "digits/test/10"
TAU = TAUS["operation, best-acc"]
FORWARDS = Metric(name="forwards", title="forwards", better="lower", unit="count")
SECONDS = Metric(name="seconds", title="seconds", better="lower", unit="seconds")
MACHINE = Machine(
    device="cpu",
    device_name="x86_64",
    threads=2,
    platform="Linux",
    python="3.11",
    torch="2.13",
    deterministic=True,
)
SIX = [90.0, 91.0, 92.0, 90.5, 91.5, 92.5]
GATE = "accuracy_drop>1pt"


def series(
    values, metric=ACCURACY, label="mine", place=PLACE, identity="same", machine=MACHINE
):
    by_seed = values if isinstance(values, dict) else dict(enumerate(values))
    return Series(
        metric=metric,
        label=label,
        search=SEARCH,
        place=place,
        identity=identity,
        values=by_seed,
        machines=[machine],
    )


def side(*every, failed=None, labels=None, unfinished=0):
    """A snapshot of some series.

    `failed` has the seeds of failed runs by label, `labels` are those of the study.
    """
    failed = failed or {}
    named = list(dict.fromkeys([*(own.label for own in every), *failed]))
    finished = {
        label: max((len(own.values) for own in every if own.label == label), default=0)
        for label in named
    }
    return Snapshot(
        name="small",
        title="Small",
        command="archselect run small.toml",
        code_versions=["0.1.0"],
        commits=[],
        labels=named if labels is None else labels,
        series=list(every),
        settings={},
        runs=[
            SelectorRuns(
                label=label,
                search=SEARCH,
                finished=finished[label],
                failed=failed.get(label, []),
            )
            for label in named
        ],
        unfinished=unfinished,
    )


@pytest.fixture
def compare(archselect, tmp_path):
    """`compare(base, new, *gates, strict=False)` is (exit code, standard output, the rows of the JSON file)."""

    def call(base, new, *gates, strict=False):
        write_baseline(base, tmp_path / "base.json")
        write_baseline(new, tmp_path / "new.json")
        options = [word for gate in gates for word in ("--fail-if", gate)]
        files = ["--json", "out.json", "--junit", "out.xml", "--markdown", "out.md"]
        code, out, err = archselect(
            "compare", "base.json", "new.json", *options, *files, *["--strict"] * strict
        )
        assert code in (0, 1), err
        content = json.loads((tmp_path / "out.json").read_text())
        assert (tmp_path / "out.md").read_text() == out
        assert content["failed"] == bool(code)
        return code, out, content["gates"]

    return call


@pytest.fixture
def refused(archselect, tmp_path):
    """`refused(base, new, *gates)` is the one line with which a comparison is refused."""

    def call(base, new, *gates, options=()):
        write_baseline(base, tmp_path / "base.json")
        write_baseline(new, tmp_path / "new.json")
        words = [word for gate in gates for word in ("--fail-if", gate)]
        code, out, err = archselect(
            "compare", "base.json", "new.json", *words, *options
        )
        assert (code, out) == (2, "") and err.count("\n") == 1, (code, out, err)
        return err

    return call


OTHER = series(SIX, label="other")
MINE = series(SIX)
SLOW = MACHINE.model_copy(update={"device_name": "slow"})

LOST = {
    "all runs failed": (
        side(OTHER, MINE),
        side(OTHER, failed={"mine": ["0/0", "1/1"]}),
        ("mine", "failed", "all 2 runs failed in new"),
    ),
    "the only run failed, of a selector that base has not": (
        side(OTHER),
        side(OTHER, failed={"mine": ["0/0"]}),
        ("mine", "failed", "its only run failed in new"),
    ),
    "some runs failed": (
        side(OTHER, MINE),
        side(OTHER, series(SIX[:4]), failed={"mine": ["4/4", "5/5"]}),
        ("mine", "failed", "2 of 6 runs failed in new but not in base"),
    ),
    "as many runs failed, and another one": (
        side(OTHER, series(dict(enumerate(SIX[:5]))), failed={"mine": ["5/5"]}),
        side(
            OTHER,
            series({0: 90.0, 1: 91.0, 2: 92.0, 3: 90.5, 5: 92.5}),
            failed={"mine": ["4/4"]},
        ),
        ("mine", "failed", "1 of 6 runs failed in new but not in base"),
    ),
    "the same runs failed": (
        side(OTHER, series(SIX[:5]), failed={"mine": ["5/5"]}),
        side(OTHER, series(SIX[:5]), failed={"mine": ["5/5"]}),
        ("mine", "holds", "drop of 0 points"),
    ),
    "all runs failed in both": (
        side(OTHER, failed={"mine": ["0/0", "1/1"]}),
        side(OTHER, failed={"mine": ["0/0", "1/1"]}),
        ("mine", "failed", "no value in base or new: all 2 runs failed in new"),
    ),
    "all runs failed in base only": (
        side(OTHER, failed={"mine": ["0/0"]}),
        side(OTHER, MINE),
        ("mine", "not checked", "base has no value: nothing to compare"),
    ),
    "runs are not finished": (
        side(OTHER, MINE),
        side(OTHER, MINE, unfinished=2),
        (
            "the study",
            "failed",
            "2 of its runs are not finished in new: rerun 'archselect run small.toml'",
        ),
    ),
    "no run is finished": (
        side(OTHER, MINE),
        side(OTHER, labels=["other", "mine"], unfinished=6),
        ("mine", "failed", "no run is finished in new"),
    ),
    "planned, and no run is finished in either": (
        side(OTHER),
        side(OTHER, labels=["other", "mine"], unfinished=6),
        ("mine", "failed", "no run is finished in new"),
    ),
    "vanished": (
        side(OTHER, MINE),
        side(OTHER),
        ("mine", "failed", "missing: in base, but not in new"),
    ),
    "not in base": (
        side(OTHER),
        side(OTHER, MINE),
        ("mine", "not checked", "not in base: nothing to compare"),
    ),
    "undefined in new": (
        side(OTHER, MINE),
        side(OTHER, series({}), series(SIX, metric=FORWARDS)),
        ("mine", "failed", "missing: base has a value, new has none"),
    ),
    "undefined in both": (
        side(OTHER, series({}), series(SIX, metric=FORWARDS)),
        side(OTHER, series({}), series(SIX, metric=FORWARDS)),
        ("mine", "not checked", "no value in base or new"),
    ),
    "not measured in either": (
        side(OTHER, series(SIX, metric=FORWARDS)),
        side(OTHER, series(SIX, metric=FORWARDS)),
        ("mine", "not checked", "no value in base or new"),
    ),
    "other images": (
        side(OTHER, MINE),
        side(OTHER, series(SIX, identity="other")),
        ("mine", "failed", "not comparable: other images or another truth"),
    ),
    "no seed in common": (
        side(OTHER, MINE),
        side(OTHER, series({7: 90.0, 8: 91.0})),
        ("mine", "failed", "not comparable: no seed in common"),
    ),
    "one seed lost": (
        side(OTHER, MINE),
        side(OTHER, series(SIX[:5])),
        ("mine", "failed", "new lacks seed 5 of base"),
    ),
    "seeds lost": (
        side(OTHER, MINE),
        side(OTHER, series(SIX[:4])),
        ("mine", "failed", "new lacks seeds 4, 5 of base"),
    ),
    "seeds gained": (
        side(OTHER, series(SIX[:4])),
        side(OTHER, MINE),
        ("mine", "holds", "drop of 0 points"),
    ),
    "a place has another name": (
        side(OTHER, MINE),
        side(OTHER, series(SIX, place=f"{PLACE}, searched on digits")),
        ("mine", "holds", "drop of 0 points"),
    ),
}


@pytest.mark.parametrize("case", LOST)
def test_a_gate_does_not_lose_its_subject(compare, tmp_path, case):
    base, new, (label, status, why) = LOST[case]
    code, out, rows = compare(base, new, GATE)
    (row,) = (row for row in rows if row["selector"] == label)
    assert row["status"] == status and row["why"].startswith(why), row
    assert code == (1 if status == "failed" else 0)
    assert ("❌" in out.splitlines()[2]) == (status == "failed")
    if status != "holds":
        line = next(
            line
            for line in out.splitlines()
            if line.startswith("|") and f"| {label} |" in line
        )
        assert why in line
        part = "failure" if status == "failed" else "skipped"
        suite = ElementTree.parse(tmp_path / "out.xml").getroot()
        (case_,) = (own for own in suite if own.get("name").startswith(f"{label}, "))
        assert case_.find(part).get("message").startswith(why)
    if status == "not checked":
        assert (f"Not checked: {label} ({why}" in out.splitlines()[2]) == why.endswith(
            "nothing to compare"
        )


def test_a_renamed_selector_is_one_that_vanished_and_one_that_base_has_not(compare):
    code, _, rows = compare(side(MINE), side(series(SIX, label="yours")), GATE)
    assert code == 1
    assert [(row["selector"], row["status"]) for row in rows] == [
        ("yours", "not checked"),
        ("mine", "failed"),
    ]


def test_a_place_that_vanished_fails(compare):
    more = series(SIX, place="svhn/test/10", identity="svhn")
    code, _, rows = compare(side(MINE, more), side(MINE), GATE)
    assert code == 1
    assert [(row["place"], row["status"]) for row in rows] == [
        (PLACE, "holds"),
        ("svhn/test/10", "failed"),
    ]


@pytest.mark.parametrize("gate", ["tau_drop>0.1", "tau_best_acc_drop>0.1"])
def test_a_metric_that_vanished_fails_and_one_that_base_has_not_is_refused(
    compare, refused, gate
):
    taus = series([0.4, 0.5, 0.6], metric=TAU)
    code, _, rows = compare(side(MINE, taus), side(MINE), gate)
    assert code == 1 and rows[0]["why"] == "missing: base has a value, new has none"
    line = refused(side(MINE), side(MINE, taus), gate)
    assert (
        "has nothing to check: mine, τ-b, operations, best-acc: base has no value"
        in line
    )
    assert "write a new base" in line


def test_a_gate_on_what_nothing_has_is_refused(refused):
    line = refused(side(MINE), side(MINE), "tau_drop>0.1")
    assert "no selector has a rank correlation; the metrics are accuracy" in line
    assert "did you mean 'accuracy'?" in refused(
        side(MINE), side(MINE), "acuracy_drop>1"
    )


def test_seconds_of_another_machine_fail_the_gate_that_is_on_them(compare):
    base, new = (
        side(series(SIX, metric=SECONDS, machine=machine))
        for machine in (MACHINE, SLOW)
    )
    code, _, rows = compare(base, new, "seconds_increase>10%")
    assert code == 1 and rows[0]["why"].startswith(
        "not comparable: another machine (x86_64, 2 threads"
    )
    assert compare(base, new)[0] == 0


def test_a_folder_of_which_all_runs_failed_fails_the_gate(
    folder, fake, build, archselect, tmp_path
):
    new = build(tmp_path / "failed", seeds=2, labels=["magnitude"])
    for record in list(Folder(new).read_all(Record)):
        fake.fail(new, record)
    code, out, _ = archselect("compare", folder, new, "--fail-if", GATE)
    assert code == 1
    assert "| magnitude | accuracy, digits/test/10 | all 2 runs failed in new |" in out
    assert (
        "| darts-pt | accuracy, digits/test/10 | missing: in base, but not in new |"
        in out
    )
    for words in (
        ("compare", new, folder, "--fail-if", GATE),
        ("baseline", new, "kept.json"),
    ):
        code, out, err = archselect(*words)
        assert (code, out) == (2, "") and "has no finished run of study" in err


def test_a_selector_of_which_all_runs_failed_fails_the_gate(
    folder, fake, archselect, tmp_path
):
    assert archselect("baseline", folder, "kept.json")[0] == 0
    for record in list(Folder(folder).read_all(Record)):
        if record.inputs.selector.label == "magnitude":
            fake.fail(folder, record)
    for gate in (GATE, "forwards_increase>1%", "tau_drop>0.5"):
        code, out, _ = archselect("compare", "kept.json", folder, "--fail-if", gate)
        assert code == 1 and f"❌ **1 of 1 gates failed**: `{gate}`." in out
        assert "all 4 runs failed in new" in out


def test_one_selector_on_two_parts_of_a_data_set_is_two(
    build, fake, tmp_path, archselect
):
    """They share label, space and name of the data; their values are not mixed."""
    from archselect.benchmarks.store.facts import write_fact

    root = build(tmp_path / "two", seeds=3, labels=["magnitude"])
    source = Folder(root)
    records = list(source.read_all(Record))
    more = []
    for record in records:
        data = record.inputs.data.model_copy(
            update={"train_images": 300, "valid_images": 300}
        )
        inputs = record.inputs.model_copy(update={"data": data})
        counts = {
            "score": record.cost.counts["score"].model_copy(update={"forwards": 99})
        }
        cost = record.cost.model_copy(update={"counts": counts})
        more.append(
            record.model_copy(update={"id": inputs.id, "inputs": inputs, "cost": cost})
        )
    for record in more:
        write_fact(source.path(Record, record.id), record)
    runs = [record.id for record in (*records, *more)]
    write_fact(source.study_path, source.study().model_copy(update={"runs": runs}))
    kept = read_snapshot(root)
    forwards = {
        own.label: set(own.values.values())
        for own in kept.series
        if own.metric.name == "score_forwards"
    }
    assert sorted(map(sorted, forwards.values())) == [[30.0], [99.0]]
    assert set(forwards) == set(kept.labels) == {runs.label for runs in kept.runs}
    assert (
        archselect("compare", root, root, "--fail-if", "score_forwards_increase>0%")[0]
        == 0
    )


FALL = [94.9, 94.8, 94.86, 10.0, 94.9, 94.8]
BEFORE = [94.86] * 6


@pytest.mark.parametrize("gate", ["accuracy_drop>10pt", "accuracy_drop>10%"])
def test_beyond_the_threshold_and_not_proven_is_neither_green_nor_red(
    compare, tmp_path, gate
):
    base, new = side(series(BEFORE), OTHER), side(series(FALL), OTHER)
    code, out, rows = compare(base, new, gate)
    assert code == 0
    row = next(row for row in rows if row["selector"] == "mine")
    differences = np.array(FALL) - np.array(BEFORE)
    half = t.ppf(0.975, 5) * differences.std(ddof=1) / np.sqrt(6)
    scale = 100 / 94.86 if gate.endswith("%") else 1.0
    assert row["status"] == "not proven" and row["pairs"] == 6
    assert row["size"] == pytest.approx(-differences.mean() * scale)
    assert row["low"] == pytest.approx((-differences.mean() - half) * scale)
    assert row["high"] == pytest.approx((-differences.mean() + half) * scale)
    headline, line = (
        out.splitlines()[2],
        next(line for line in out.splitlines() if "⚠ not proven |" in line),
    )
    assert headline.startswith(
        f"⚠ **1 row is beyond the threshold, but not proven with 6 seeds**: `{gate}`."
    )
    assert (
        "✅" not in headline
        and "beyond the threshold, but not proven with 6 seeds |" in line
    )
    assert f"95 % interval [{row['low']:.4g}, {row['high']:.4g}]" in line
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    (skipped,) = suite.iter("skipped")
    assert (
        skipped.get("message").startswith("⚠ drop of ")
        and suite.find(".//skipped/../system-out") is not None
    )

    code, out, rows = compare(base, new, gate, strict=True)
    assert (
        code == 1
        and next(row for row in rows if row["selector"] == "mine")["status"]
        == "not proven"
    )
    assert out.splitlines()[2].startswith(
        f"❌ **1 of 1 gates failed** (`--strict`): `{gate}`. ⚠ **1 row is beyond"
    )
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "0")


def test_strict_without_a_gate_is_refused(refused):
    assert "--strict needs a gate" in refused(
        side(MINE), side(MINE), options=["--strict"]
    )


def test_a_mean_within_the_threshold_holds_and_says_what_it_could_have_seen(compare):
    new = side(
        series(
            [
                value - shift
                for value, shift in zip(SIX, [0, 3, -2, 2, -1, 3], strict=True)
            ]
        )
    )
    code, out, (row,) = compare(side(MINE), new, GATE)
    assert code == 0 and row["status"] == "holds"
    assert row["size"] < 1 < row["high"] and row["reach"] > 1
    assert f"would detect {row['reach']:.3g} points with probability 80 % (mine)" in out


@pytest.mark.parametrize(
    ("pairs", "status"),
    [
        (1, "not proven"),
        (2, "not proven"),
        (5, "not proven"),
        (6, "failed"),
        (7, "failed"),
    ],
)
def test_equal_differences_are_proven_by_their_number_alone(compare, pairs, status):
    before = [90.1, 91.7, 92.3, 90.2, 91.9, 92.6, 93.3][:pairs]
    new = side(series([value - 5.3 for value in before]))
    code, out, (row,) = compare(side(series(before)), new, GATE)
    assert (row["status"], code) == (status, int(status == "failed"))
    assert row["low"] is None and row["size"] == pytest.approx(5.3)
    why = "fewer than three seeds" if pairs < 3 else "all differences equal"
    assert f"no interval: {why}" in out
    assert compare(side(series(before)), new, "accuracy_drop>5.4pt")[0] == 0


def test_equal_differences_of_two_rows_need_a_seed_more(compare):
    def both(shift, seeds):
        return side(
            *(
                series([90.0 - shift + s for s in range(seeds)], label=label)
                for label in ("mine", "yours")
            )
        )

    assert {row["status"] for row in compare(both(0, 6), both(5, 6), GATE)[2]} == {
        "not proven"
    }
    assert {row["status"] for row in compare(both(0, 7), both(5, 7), GATE)[2]} == {
        "failed"
    }


def test_two_seeds_prove_nothing(compare):
    code, out, (row,) = compare(
        side(series([90.0, 91.0])), side(series([50.0, 50.99])), GATE
    )
    assert (code, row["status"]) == (0, "not proven")
    code, out, (row,) = compare(
        side(series([90.0, 91.0])), side(series([90.0, 90.9])), GATE
    )
    assert (code, row["status"], row["reach"]) == (0, "holds", None)
    assert "2 seeds cannot prove a change (mine): use at least four" in out


def test_counts_are_exact_with_one_seed(compare):
    base, new = (side(series([count], metric=FORWARDS)) for count in (30.0, 33.0))
    for gate, code in (
        ("forwards_increase>10%", 0),
        ("forwards_increase>9.99%", 1),
        ("forwards_increase>3", 0),
        ("forwards_increase>2", 1),
    ):
        assert compare(base, new, gate)[0] == code, gate
    assert "| ❌ worse |" in compare(base, new)[1]


def test_from_zero_every_increase_is_beyond_every_per_cent(compare):
    zero, some = (side(series([count] * 4, metric=FORWARDS)) for count in (0.0, 5.0))
    assert compare(zero, some, "forwards_increase>1000%")[0] == 1
    assert compare(zero, zero, "forwards_increase>0%")[0] == 0
    accuracy = side(series([0.0] * 4))
    code, _, (row,) = compare(
        accuracy, side(series([0.0, 10.0, 0.0, 0.0])), "accuracy_increase>1%"
    )
    assert (code, row["status"]) == (0, "not proven")
    assert (
        row["why"] == "from 0 to 2.5: beyond the threshold, but not proven with 4 seeds"
    )


def test_per_cent_is_of_base_and_pt_is_points(compare):
    base, new = side(series([80.0] * 7)), side(series([76.0] * 7))
    code, out, (row,) = compare(base, new, "accuracy_drop>4.9%")
    assert code == 1 and row["unit"] == "%" and "drop of 5 % of base (4 points)" in out
    assert compare(base, new, "accuracy_drop>5%")[0] == 0
    code, out, (row,) = compare(base, new, "accuracy_drop>3.9pt")
    assert code == 1 and row["unit"] == "points" and "drop of 4 points" in out
    assert compare(base, new, "accuracy_drop>4pt")[0] == 0


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ("accuracy>1pt", "is not a gate: write METRIC_drop>NUMBER"),
        ("", "is not a gate"),
        ("accuracy_drop>", "is not a gate"),
        ("accuracy_drop>=1pt", "is not a gate"),
        ("accuracy_drop>0,5pt", "is not a gate"),
        ("accuracy_drop>0.5 points", "is not a gate"),
        ("accuracy_drop>1_0pt", "is not a gate"),
        ("accuracy_drop>٣pt", "is not a gate"),
        ("accuracy_drop>-1pt", "has a negative threshold"),
        ("accuracy_drop>-0pt", "has a negative threshold"),
        ("accuracy_drop>1e999pt", "has a threshold that is too large"),
        ("forwards_increase>1e999", "has a threshold that is too large"),
        ("tau_drop>nan", "has a threshold that is not finite"),
        ("tau_drop>inf", "has a threshold that is not finite"),
        (
            "accuracy_drop>0.5",
            "write 'accuracy_drop>0.5pt' for percentage points, or 'accuracy_drop>0.5%' for per cent",
        ),
        (
            "tau_drop>5%",
            "has a unit, but τ has none: write, for example, 'tau_drop>0.05'",
        ),
        ("tau_best_acc_drop>5pt", "has a unit, but τ has none"),
        (
            "score_forwards_increase>5pt",
            "write 'score_forwards_increase>5' for a number, or",
        ),
        (
            "seconds_increase>5pt",
            "write 'seconds_increase>5' for a number, or 'seconds_increase>5%' for per cent of base",
        ),
        ("accuracy_drop>100pt", "can never fail"),
        ("accuracy_drop>100%", "can never fail"),
        ("forwards_drop>200%", "can never fail"),
        ("tau_drop>2", "can never fail"),
    ],
)
def test_bad_gates(refused, gate, words):
    assert words in refused(side(MINE), side(MINE), gate)


@pytest.mark.parametrize(
    "gate", ["accuracy_drop>5e-1pt", " accuracy_drop > .5 pt ", "accuracy_drop>0.5pt"]
)
def test_forms_of_one_gate(compare, refused, gate):
    new = side(series([value - 0.51 for value in SIX]))
    code, _, (row,) = compare(side(MINE), new, gate)
    assert code == 1 and row["threshold"] == 0.5
    if gate != "accuracy_drop>0.5pt":
        assert "is given twice: remove one of them" in refused(
            side(MINE), new, gate, "accuracy_drop>0.5pt"
        )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
@pytest.mark.parametrize("which", ["base", "new"])
def test_a_baseline_with_a_value_that_is_not_finite_is_refused(refused, value, which):
    bad = side(OTHER, series([*SIX[:5], value]))
    sides = (bad, side(OTHER, MINE)) if which == "base" else (side(OTHER, MINE), bad)
    line = refused(*sides, GATE)
    fault = "larger than 1e+30" if value == 1e300 else "not finite"
    assert (
        f"{which}.json: accuracy of mine at {PLACE}, seed 5, is {value}, which is {fault}"
        in line
    )


def test_a_record_with_a_value_that_is_not_finite_is_refused(folder, archselect):
    path = next((folder / "records").glob("*.json"))
    content = json.loads(path.read_text())
    content["accuracies"][0]["mean"] = "NaN"
    path.write_text(json.dumps(content))
    label = content["inputs"]["selector"]["label"]
    code, out, err = archselect("compare", folder, folder, "--fail-if", GATE)
    assert (code, out) == (2, "")
    assert (
        f"{path.name}: accuracy of {label}, seed " in err
        and "is nan, which is not finite: remove the file" in err
    )


def test_a_baseline_without_values_or_with_one_series_twice_is_refused(refused):
    assert "base.json has no value of any selector: write it again" in refused(
        side(), side(MINE), GATE
    )
    assert "new.json has no value of any selector" in refused(
        side(MINE), side(series({})), GATE
    )
    assert f"base.json has accuracy of mine at {PLACE} 2 times" in refused(
        side(MINE, MINE), side(MINE), GATE
    )


@pytest.mark.parametrize(
    ("value", "fault"),
    [(-0.5, "not between 0 and 100"), (100.5, "not between 0 and 100")],
)
def test_a_baseline_with_an_accuracy_that_nothing_can_have_is_refused(
    refused, value, fault
):
    line = refused(side(OTHER, series([*SIX[:5], value])), side(OTHER, MINE), GATE)
    assert (
        f"base.json: accuracy of mine at {PLACE}, seed 5, is {value}, which is {fault}"
        in line
    )
