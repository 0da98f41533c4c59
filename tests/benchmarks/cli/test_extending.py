"""The commands `archselect check` and `archselect new-study`."""

from pathlib import Path

import pytest

from archselect.benchmarks.conformance.checks import RULES, name_of
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.study_files import built_in_studies

BAD = Path(__file__).parents[2] / "support" / "bad_selectors.py"
BROKEN = """
from typing import ClassVar

from archselect.selectors.base import Selection, Selector, Task


class Broken(Selector):
    name: ClassVar[str] = "broken"
    summary: ClassVar[str] = "for tests"

    def select(self, task: Task) -> Selection:
        {fault}
"""


def test_a_selector_that_passes(archselect):
    code, out, err = archselect(
        "check", "random", "--space", "nb201", "--space", "s2", "--device", "cpu"
    )
    assert (code, err) == (0, "")
    assert "checks of random" in out and "nb201" in out and "s2" in out
    assert (
        out.count(" ok ") == 2 * len(RULES) and "fails" not in out and "seconds" in out
    )
    for check, rule in RULES.items():
        assert f"  {name_of(check)}: {rule}\n" in out


def test_a_selector_that_fails_is_told_what_to_fix(archselect):
    code, out, err = archselect(
        "check", f"{BAD}:SetsAlphas", "--space", "nb201", "--device", "cpu"
    )
    assert (code, err) == (1, "")
    assert "offered: it may use only what `Task` offers, and set nothing" in out
    assert (
        "  nb201: it sets task.alphas, but a selector must not change its task" in out
    )


def test_what_no_trial_reaches_is_one_line(archselect, tmp_path):
    """Seven checks need a Selection; the table keeps those that say something."""
    text = BROKEN.format(fault="raise RuntimeError('always')")
    (tmp_path / "broken.py").write_text(text)
    code, out, err = archselect(
        "check", f"{tmp_path / 'broken.py'}:Broken", "--space", "nb201", "--space", "s2"
    )
    assert (code, err) == (1, "")
    unreached = [line for line in out.splitlines() if "not reached" in line]
    assert len(unreached) == 1
    assert unreached[0].startswith("not reached: complete, ")
    assert unreached[0].endswith(" (they need `finishes`)")
    assert "finishes: `select` must return a Selection, for all settings" in out
    assert "RuntimeError: always (with default settings" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["magnitud"], "unknown selector 'magnitud': did you mean 'magnitude'?"),
        (["absent.py:Mine"], "there is no file absent.py"),
        ([f"{BAD}:Sond"], "did you mean 'Sound'?"),
        (["random", "--space", "nb20"], "unknown space to check random on 'nb20'"),
        (
            ["magnitude", "--space", "nb101"],
            "nb101 has no supernet: selector magnitude",
        ),
        (
            ["random", "--space", "minimal:2-3=non"],
            "unknown operation of space minimal on edge 2-3 'non'",
        ),
        (["random", "--device", "gpu"], "unknown device 'gpu'"),
    ],
)
def test_bad_input_is_one_line_and_2(archselect, arguments, message):
    code, out, err = archselect("check", *arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1 and message in err


def test_a_new_study_is_a_copy_that_can_be_read_under_its_own_name(
    archselect, tmp_path
):
    code, out, err = archselect("new-study", "mine.toml", "--from", "quickstart")
    assert code == 0, err
    assert "archselect run mine.toml" in out
    study = read_study(str(tmp_path / "mine.toml"))
    original = read_study("quickstart")
    assert study.name == "mine"
    assert {**study.model_dump(), "name": original.name} == original.model_dump()
    code, _, err = archselect("new-study", "mine.toml")
    assert code == 2
    assert "mine.toml" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mine.toml", "--from", "quickstar"), "did you mean 'quickstart'"),
        (("mine.py",), "choose a name such as my_study.toml"),
    ],
)
def test_a_new_study_that_cannot_be_written_is_refused(archselect, words, message):
    code, _, err = archselect("new-study", *words)
    assert code == 2
    assert message in err


@pytest.mark.parametrize("name", built_in_studies())
def test_every_built_in_study_can_be_copied(archselect, tmp_path, name):
    assert archselect("new-study", "copy.toml", "--from", name)[0] == 0
    text = (tmp_path / "copy.toml").read_text(encoding="utf-8")
    assert 'name = "copy"' in text
