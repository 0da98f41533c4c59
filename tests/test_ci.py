"""The scripts of `.ci`: the line about skipped tests, and the setting that the tests run under."""

from __future__ import annotations

import os
import subprocess

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
