"""Latencies and parameters of the package `nas-bench-graph`."""

import pickle

import numpy as np
import pytest

from archselect.nasbench_adapters.costs import graph_bench_costs as module
from archselect.nasbench_adapters.costs.graph_bench_costs import (
    convert,
    graph_bench_costs,
)
from archselect.nasbench_adapters.costs.storage import list_cost_tables, open_cost_table
from archselect.nasbench_adapters.costs.table_cost import TableCost
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import graph_bench

SPACE = get_space("nbgraph")


@pytest.mark.slow
def test_all_of_a_class_have_its_costs(tmp_path):
    values = {"valid_perf": 0.5, "perf": 0.5, "latency": 0.25, "para": np.float64(1.5)}
    for dataset in graph_bench.DATASETS:
        path = tmp_path / f"{dataset}.bench"
        path.write_bytes(pickle.dumps({11111: values}))
    table = convert(tmp_path, "1")
    latency = TableCost(table, "latency-cora")
    parameters = TableCost(table, "parameters-cora")
    assert (latency.unit, parameters.unit) == ("s", "parameters")
    for text in ("0,0,0,1|gcn,gcn,gcn,gcn", "0,1,0,0|gcn,gcn,gcn,gcn"):
        architecture = SPACE.parse(text)
        assert latency.of(architecture) == 0.25
        assert parameters.of(architecture) == 1_500_000
    assert latency.of(SPACE.parse("0,0,0,0|gcn,gcn,gcn,gcn")) is None


def test_without_the_package_one_line_says_how_to_install_it(monkeypatch):
    def absent(name):
        raise graph_bench.PackageNotFoundError(name)

    graph_bench_costs.cache_clear()
    monkeypatch.setattr(graph_bench, "version", absent)
    monkeypatch.setattr(graph_bench, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'archselect\[graph\]'"):
        open_cost_table("nas-bench-graph")
    listed = {table.name: table for table in list_cost_tables()}["nas-bench-graph"]
    assert not listed.present and listed.command == graph_bench.INSTALL


@pytest.mark.slow
def test_the_package(monkeypatch):
    if not graph_bench.installed():
        pytest.skip(f"the package is not installed: {graph_bench.INSTALL}")
    graph_bench_costs.cache_clear()
    table = graph_bench_costs()
    assert len(table) == SPACE.size
    assert table.gaps("parameters-cora").total == 0
    proteins = np.isfinite(table.stored("latency-proteins"))
    assert len(np.unique(table.classes[proteins])) == 2_021
    graph_bench_costs.cache_clear()
    monkeypatch.setattr(module, "convert", None)
    assert graph_bench_costs().checksum == table.checksum
    graph_bench_costs.cache_clear()
