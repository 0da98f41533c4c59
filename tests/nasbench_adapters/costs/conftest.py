"""Shared by the tests of costs: a small made-up table, and the measured latencies where at hand."""

import pytest
from support.made_costs import ADDED, BASE, made_up, whole_choices

from archselect.nasbench_adapters.costs.importing import CostSource, import_costs
from archselect.nasbench_adapters.spaces import get_space


@pytest.fixture(scope="session")
def space():
    return get_space("nb201")


@pytest.fixture(scope="session")
def additive_table():
    """A cost that is exactly the sum of what operations add."""
    return made_up([BASE + ADDED[whole_choices()].sum(axis=1)])


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's own cache and data."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setattr(
        "archselect.nasbench_adapters.costs.storage.user_data_path",
        lambda name: home / "data" / name,
    )
    for package in ("hpo_bench_costs", "graph_bench_costs"):
        monkeypatch.setattr(
            f"archselect.nasbench_adapters.costs.{package}.user_cache_path",
            lambda name: home / "cache" / name,
        )
    return home


@pytest.fixture(scope="session")
def latencies(shared_file, tmp_path_factory):
    """The latencies of 27 devices, imported."""
    source = CostSource(space="nb201", unit="ms", origin="HELP", licence="MIT")
    path = tmp_path_factory.mktemp("latencies") / "nb201-latency.npz"
    file = shared_file("nb201_latency_27_devices.npz")
    return import_costs(file, source, out=path).table
