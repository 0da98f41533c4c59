"""The command `archselect draw`."""

from xml.etree import ElementTree

import numpy as np
import pytest

from archselect.nasbench_adapters.spaces import SPACES, get_space


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
        if not set(cell.operations) <= set(space.drawn_operations):
            continue  # it is drawn as the edges of another cell
        chosen = {
            names[k]
            for names, k in zip(cell.operations, row, strict=True)
            if k is not None and len(names) > 1
        }
        assert chosen and chosen <= set(words)


def test_a_graph_network_is_drawn_as_its_tree(archselect, tmp_path):
    assert archselect("draw", "0,0,1,2|gcn,gat,fc,skip", "--space", "nbgraph")[0] == 0
    words = drawn(tmp_path / "cell.svg")
    assert {"gcn", "gat", "fc", "skip"} <= set(words) and "cheb" not in words


def test_a_genotype_is_one_of_darts_and_goes_to_cell_svg(archselect, tmp_path):
    space = get_space("darts")
    text = space.format(space.sample(np.random.default_rng(0)))
    assert archselect("draw", text)[:2] == (0, "cell.svg\n")
    words = drawn(tmp_path / "cell.svg")
    assert "normal" in words and "reduce" in words and "ck−2" in words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["|none~0|"], "name the search space with --space"),
        (["|none~0|", "--space", "nb201"], "wanted 3 nodes"),
        (["Genotype(normal=[])"], "it lacks normal_concat"),
        (["Genotype()", "--space", "dart"], "did you mean 'darts'?"),
        (
            ["Genotype()", "--out", "x.png"],
            "--out x.png: the drawing is an SVG: choose a file name that ends in .svg",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(
    archselect, tmp_path, arguments, message
):
    code, out, err = archselect("draw", *arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1 and message in err
    assert list(tmp_path.iterdir()) == []
