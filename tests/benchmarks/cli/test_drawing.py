"""The command `archselect draw`."""

from xml.etree import ElementTree

import numpy as np
import pytest

from archselect.nasbench_adapters.formats import get_format
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


def test_it_is_written_in_other_formats(archselect, tmp_path):
    words = ("draw", "9", "--space", "nb201", "--from", "index")
    text = "|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
    assert archselect(*words, "--as", "text") == (0, f"{text}\n", "")
    code, indices, _ = archselect(*words, "--as", "op-indices")
    assert (code, indices) == (0, "(4, 1, 0, 1, 1, 2)\n")
    again = ("draw", indices, "--space", "nb201", "--from", "op-indices")
    assert archselect(*again, "--as", "index") == (0, "9\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_long_format_is_one_line(archselect):
    space = get_space("darts")
    architecture = space.sample(np.random.default_rng(0))
    code, out, _ = archselect("draw", space.format(architecture), "--as", "nb301")
    assert code == 0
    assert get_format("nb301", space).parse(space, out) == architecture
    assert out.count("\n") == 1


@pytest.mark.parametrize("name", SPACES)
def test_every_space_is_written_for_graphviz(archselect, name):
    space = get_space(name)
    architecture = space.sample(np.random.default_rng(1))
    text = space.format(architecture)
    code, out, _ = archselect("draw", text, "--space", name, "--dot")
    assert code == 0
    assert out.count("{") == out.count("}")
    edges = sum(len(cell["edges"]) for cell in space.graph(architecture))
    assert out.count(" -> ") == edges
    nodes = sum(cell["nodes"] for cell in space.graph(architecture))
    assert out.count("shape=") == nodes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["|none~0|"], "name the search space with --space"),
        (["|none~0|", "--space", "nb201"], "wanted 3 nodes"),
        (["Genotype(normal=[])"], "it lacks normal_concat"),
        (["9", "--space", "nb201", "--from", "indx"], "did you mean 'index'?"),
        (["9.5", "--space", "nb201", "--from", "index"], "malformed index '9.5'"),
        (["9", "--space", "nb-macro", "--from", "index"], "its own text form only"),
        (["9", "--space", "nb201", "--dot", "--as", "text"], "give one of them"),
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
