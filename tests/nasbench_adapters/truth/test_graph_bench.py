"""The table of the package `nas-bench-graph`: a made-up folder of its form, and the package where it is installed."""

import pickle
from importlib.metadata import version

import numpy as np
import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.nbgraph import OPERATIONS, links_of
from archselect.nasbench_adapters.truth import graph_bench, list_truths, open_truth
from archselect.nasbench_adapters.truth.graph_bench import (
    DATASETS,
    KEYS,
    TREES,
    convert,
)
from archselect.nasbench_adapters.truth.registry import check_column
from archselect.nasbench_adapters.truth.table import TruthTable

SPACE = get_space("nbgraph")
VALUES = {"valid_perf": 0.75, "perf": 0.5, "latency": 0.25, "para": np.float64(1.5)}


@pytest.fixture
def write(tmp_path):
    """Writes the same content as the pickle of each data set."""

    def made(content):
        for dataset in DATASETS:
            path = tmp_path / f"{dataset}.bench"
            path.write_bytes(pickle.dumps(content, protocol=3))
        return tmp_path

    return made


@pytest.fixture
def installed():
    if not graph_bench.installed():
        pytest.skip(f"the package is not installed: {graph_bench.INSTALL}")


def test_the_trees_are_all_that_representatives_have():
    shapes = set()
    for links in np.ndindex(2, 3, 4):
        text = ",".join(map(str, (0, *links))) + "|gat,gcn,gin,cheb"
        shapes.add(links_of(SPACE.canonical(SPACE.parse(text)))[1:])
    assert sorted(shapes) == list(TREES)


@pytest.mark.slow
def test_a_number_is_a_tree_and_four_operations(write):
    folder = write({11111: VALUES, 80001: {**VALUES, "perf": 1.0}})
    table = convert(folder, "1")
    assert {column.key for column in table.columns} == set(KEYS)
    assert table.canonical_only and len(table) == 2
    star = SPACE.parse("0,0,0,1|gcn,gcn,gcn,gcn")
    assert table.lookup(star, "cora", "valid", 0).accuracies == (75.0,)
    assert table.lookup(star, "cora", "test", 0).accuracies == (50.0,)
    chain = SPACE.parse("0,1,2,3|gat,gat,gat,gcn")
    assert table.lookup(chain, "arxiv", "test", 0).accuracies == (100.0,)
    # The fourth layer reads the third in place of the first: another numbering.
    other = SPACE.parse("0,0,0,3|gcn,gcn,gcn,gcn")
    assert table.row(other) == table.row(star)
    members = {row.tobytes() for row in table.population.choices}
    assert len(members) == len(table.population.rows) > 2
    assert "choose by test accuracy" in table.origin and table.licence == "Apache-2.0"
    with pytest.raises(UserError, match="has no trial of"):
        table.lookup(SPACE.parse("0,0,0,0|fc,fc,fc,fc"), "cora", "test", 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "AttributeError"),
        ({"1": VALUES}, "'1' is not the number"),
        ({True: VALUES}, "True is not the number"),
        ({-1: VALUES}, "-1 is not the number"),
        ({90000: VALUES}, "90000 is not the number"),
        ({9: VALUES}, "9 is not the number"),
        ({1000: VALUES}, "1000 is not the representative"),
        ({88888: VALUES}, "88888 is not the representative"),
        ({0: {}}, "KeyError"),
        ({0: {**VALUES, "perf": 70.0}}, "not between 0 and 1"),
        ({0: {**VALUES, "valid_perf": float("nan")}}, "not between 0 and 1"),
    ],
)
def test_what_is_not_of_the_packages_form_is_refused(write, content, message):
    with pytest.raises(UserError, match=message):
        convert(write(content), "1")


def test_the_pickles_run_nothing(tmp_path, canary):
    with pytest.raises(UserError, match="cannot read"):
        convert(tmp_path, "1")
    (tmp_path / "arxiv.bench").write_bytes(pickle.dumps(canary))
    with pytest.raises(UserError, match="refused"):
        convert(tmp_path, "1")
    assert not canary.path.exists()


def test_without_the_package_one_line_says_how_to_install_it(monkeypatch):
    def absent(name):
        raise graph_bench.PackageNotFoundError(name)

    monkeypatch.setattr(graph_bench, "version", absent)
    monkeypatch.setattr(graph_bench, "find_spec", lambda name: None)
    message = r"nas-bench-graph is missing: pip install 'archselect\[graph\]'"
    with pytest.raises(UserError, match=message):
        open_truth("nas-bench-graph")
    with pytest.raises(UserError, match=message):
        check_column("nas-bench-graph", "cora", "valid", 0)
    listed = {truth.name: truth for truth in list_truths()}["nas-bench-graph"]
    assert not listed.present and listed.command == graph_bench.INSTALL


def test_its_columns_are_checked_without_reading(installed, own_folders):
    check_column("nas-bench-graph", "cora", "valid", 0, [SPACE])
    with pytest.raises(UserError, match="is of space nbgraph, not of nb201"):
        check_column("nas-bench-graph", "cora", "test", 0, [get_space("nb201")])
    with pytest.raises(UserError, match="has no cora/valid at 200 epochs"):
        check_column("nas-bench-graph", "cora", "valid", 200)
    assert not (own_folders / "cache").exists()


@pytest.mark.slow
def test_the_package(installed, own_folders, monkeypatch):
    table = open_truth("nas-bench-graph")
    counts = {column.dataset: column.count for column in table.columns}
    assert counts == dict.fromkeys(DATASETS, 26_206) | {"proteins": 2_021}
    assert len(table.population.rows) == 157_440
    assert table.holds_whole_space("cora", "valid", 0)
    assert not table.holds_whole_space("proteins", "valid", 0)
    # Measured on the package's files: the best test accuracy, and that of the network
    # with the best validation accuracy, which on these two data sets is one alone.
    for dataset, best, chosen in [("arxiv", 72.39, 71.95), ("citeseer", 71.57, 71.03)]:
        validation = table.matrix(dataset, "valid", 0)[:, 0]
        test = table.matrix(dataset, "test", 0)[:, 0]
        assert test.max() == pytest.approx(best, abs=0.01)
        assert test[validation.argmax()] == pytest.approx(chosen, abs=0.01)
    (kept,) = (own_folders / "cache").rglob("*.npz")
    assert version("nas-bench-graph") in kept.name
    monkeypatch.setattr(graph_bench, "convert", None)
    assert open_truth("nas-bench-graph").checksum == table.checksum
    assert TruthTable.open(kept).checksum == table.checksum


@pytest.mark.slow
def test_numbers_and_classes_are_those_of_the_package(installed):
    """Against the code that the package computes its numbers with."""
    from nas_bench_graph.architecture import Arch

    rng = np.random.default_rng(0)
    for _ in range(2_000):
        architecture = SPACE.sample(rng)
        names = [OPERATIONS[choice] for choice in architecture.choices[1]]
        number = Arch(list(links_of(architecture)), names).valid_hash()
        assert graph_bench._representative(number) == SPACE.canonical(architecture)
