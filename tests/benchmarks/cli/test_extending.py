"""The command `archselect check`."""

from pathlib import Path

import pytest

BAD = Path(__file__).parents[2] / "support" / "bad_selectors.py"


def test_a_selector_that_passes(archselect):
    code, out, err = archselect(
        "check", "random", "--space", "nb201", "--space", "s2", "--device", "cpu"
    )
    assert (code, err) == (0, "")
    assert "checks of random" in out and "nb201" in out and "s2" in out
    assert out.count(" ok ") == 18 and "fails" not in out and "seconds" in out


def test_a_selector_that_fails_is_told_what_to_fix(archselect):
    code, out, err = archselect(
        "check", f"{BAD}:SetsAlphas", "--space", "nb201", "--device", "cpu"
    )
    assert (code, err) == (1, "")
    assert (
        "offered: Require that it uses of the task what `Task` offers, and sets nothing."
        in out
    )
    assert "  nb201: it sets task.alphas; the task is shared, and not its own" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["magnitud"], "unknown selector 'magnitud': did you mean 'magnitude'?"),
        (["absent.py:Mine"], "there is no file absent.py"),
        ([f"{BAD}:Sond"], "did you mean 'Sound'?"),
        (["random", "--space", "nb101"], "unknown space with a supernet 'nb101'"),
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
