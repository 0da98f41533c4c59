"""The commands `archselect check` and `archselect draw`."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from archselect.nasbench_adapters.spaces import SPACES, get_space

BAD = Path(__file__).parents[1] / "support" / "bad_selectors.py"


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


def drawn(path):
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    return [
        "".join(text.itertext())
        for text in root.iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.mark.parametrize("name", SPACES)
def test_an_architecture_of_every_space_is_drawn(archselect, tmp_path, name):
    space = get_space(name)
    architecture = space.format(space.sample(np.random.default_rng(1)))
    assert archselect("draw", architecture, "--space", name, "--out", "a/b.svg") == (
        0,
        "a/b.svg\n",
        "",
    )
    words = drawn(tmp_path / "a" / "b.svg")
    for cell, row in zip(space.cells, space.parse(architecture).choices, strict=True):
        chosen = {
            names[k]
            for names, k in zip(cell.operations, row, strict=True)
            if k is not None and len(names) > 1
        }
        assert chosen and chosen <= set(words)


def test_a_genotype_is_one_of_darts_and_goes_to_cell_svg(archselect, tmp_path):
    space = get_space("darts")
    text = space.format(space.sample(np.random.default_rng(0)))
    assert archselect("draw", text)[:2] == (0, "cell.svg\n")
    words = drawn(tmp_path / "cell.svg")
    assert "normal" in words and "reduce" in words and "ck−2" in words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["|none~0|"], "name the architecture's space with --space"),
        (["|none~0|", "--space", "nb201"], "wanted 3 nodes"),
        (["Genotype(normal=[])"], "it lacks normal_concat"),
        (["Genotype()", "--space", "dart"], "did you mean 'darts'?"),
        (
            ["Genotype()", "--out", "x.png"],
            "--out x.png: drawings are SVG: name a file that ends in .svg",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(
    archselect, tmp_path, arguments, message
):
    code, out, err = archselect("draw", *arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1 and message in err
    assert list(tmp_path.iterdir()) == []
