"""The scripts of `.ci`: the line about skipped tests, and the setting that the tests run under."""

from __future__ import annotations

import json
import os
import subprocess

from chart import DIRECTIONS, chart_points
from skipped import merge_reasons, read_reasons, summarise


def report(path, **reasons):
    """Write a JUnit file of tests, each with the reason for which it was skipped, or None."""
    cases = []
    for name, reason in reasons.items():
        inner = (
            ""
            if reason is None
            else f'<skipped type="pytest.skip" message="{reason}" />'
        )
        cases.append(
            f'<testcase classname="tests.test_x" name="{name}">{inner}</testcase>'
        )
    path.write_text(
        f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>",
        encoding="utf-8",
    )
    return path


def test_skips_of_all_environments_are_one_line(tmp_path):
    first = report(
        tmp_path / "py.xml",
        a=None,
        b="no Slurm here: munged missing",
        c="needs a CUDA device",
        d=None,
    )
    second = report(
        tmp_path / "lowest.xml",
        a="no root",
        b="no Slurm here: all missing",
        e="needs a CUDA device",
    )
    line = summarise(merge_reasons([first, second]))
    assert (
        line == "3 of 5 tests were skipped: 2 × needs a CUDA device; 1 × no Slurm here"
    )


def test_nothing_skipped_has_no_reasons(tmp_path):
    assert summarise(merge_reasons([report(tmp_path / "py.xml", a=None)])) == (
        "0 of 1 tests were skipped"
    )


def test_a_test_that_fails_as_expected_is_not_skipped(tmp_path):
    path = report(tmp_path / "py.xml", a="because")
    path.write_text(path.read_text().replace("pytest.skip", "pytest.xfail"))
    assert read_reasons(path) == {"tests.test_x::a": None}


def test_an_unknown_setting_is_refused_before_anything_is_installed(root):
    environment = os.environ | {"TEST_SETTING": "avx3-1"}
    done = subprocess.run(
        [root / ".ci" / "run"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert (
        done.stderr
        == "TEST_SETTING=avx3-1 is none of: native-1 sse-2 avx2-1 native-2 sse-1 avx2-2\n"
    )


def test_charts_have_each_metric_in_its_direction():
    accuracy = {"metric": "accuracy", "unit": "points", "better": "higher", "new": 91.5}
    seconds = {"metric": "seconds", "unit": "seconds", "better": "lower", "new": 3.0}
    lost = {"metric": "flops", "unit": "count", "better": "lower", "new": None}
    where = {"selector": "darts-pt", "place": "digits/test/10"}
    compared = {"changes": [change | where for change in (accuracy, seconds, lost)]}
    assert chart_points(compared, "higher") == [
        {
            "name": "accuracy: darts-pt (digits/test/10)",
            "unit": "points",
            "value": 91.5,
        }
    ]
    assert [point["value"] for point in chart_points(compared, "lower")] == [3.0]


def test_charts_read_what_compare_writes(root, tmp_path, archselect):
    study = str(root / "docs" / "results" / "zero-cost-pt-darts-cpu")
    compared = tmp_path / "compared.json"
    code, _, err = archselect("compare", study, study, "--json", compared)
    assert code == 0, err
    changes = json.loads(compared.read_text(encoding="utf-8"))["changes"]
    charts = {
        direction: chart_points({"changes": changes}, direction)
        for direction in DIRECTIONS
    }
    valued = [change for change in changes if change["new"] is not None]
    assert charts["lower"]
    assert len(charts["higher"]) + len(charts["lower"]) == len(valued)
    names = [point["name"] for points in charts.values() for point in points]
    assert len(set(names)) == len(names)
