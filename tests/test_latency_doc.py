"""The numbers in `docs/latency.md` are those of the world in which the table is the supernet."""

import re

import numpy as np
import pandas as pd
import pytest
from support.table_world import TableWorld

from archselect.benchmarks.optimisers.mixture_cost import open_mixture_cost
from archselect.benchmarks.optimisers.penalties.expected_cost import ExpectedCost
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.costs.importing import CostSource, import_costs
from archselect.nasbench_adapters.spaces import get_space

ROW = re.compile(r"^\| (\w+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)
DEVICE = "eyeriss"
WEIGHTS = ["0", "0.01", "0.03", "0.1", "0.3", "1"]


@pytest.fixture(scope="module")
def rows(root):
    """The page's rows: accuracy and latency by device and weight."""
    page = (root / "docs" / "latency.md").read_text(encoding="utf-8")
    found = ROW.findall(page)
    return {(device, weight): numbers for device, weight, *numbers in found}


@pytest.fixture(scope="module")
def accuracies(shared_file):
    """Mean accuracies on CIFAR-100 after 200 epochs, by split and cell."""
    table = pd.read_csv(shared_file("nb201.csv.gz"), low_memory=False)
    chosen = table.query("dataset == 'cifar100' and epochs == 200")
    return chosen.groupby(["split", "arch"]).accuracy.mean()


@pytest.fixture(scope="module")
def latencies(shared_file, tmp_path_factory):
    """The table of 27 devices, and its path."""
    source = CostSource(space="nb201", unit="ms", origin="HELP", licence="MIT")
    out = tmp_path_factory.mktemp("latencies") / "latency.npz"
    return import_costs(shared_file("nb201_latency_27_devices.npz"), source, out=out)


def test_every_device_has_every_weight(rows):
    devices = list(dict.fromkeys(device for device, _ in rows))
    assert devices == ["1080ti_256", "eyeriss", "pixel2"]
    assert list(rows) == [(device, weight) for device in devices for weight in WEIGHTS]


def test_neither_accuracy_nor_latency_rises_with_the_weight(rows):
    for device in ("1080ti_256", "eyeriss", "pixel2"):
        values = [list(map(float, rows[device, weight])) for weight in WEIGHTS]
        assert (np.diff(values, axis=0) <= 0).all()


@pytest.mark.slow
def test_the_numbers_of_a_device_are_computed(rows, accuracies, latencies):
    space = get_space("nb201")
    texts = [space.format(architecture) for architecture in space.enumerate()]
    world = TableWorld(space, accuracies["x-valid"].reindex(texts).to_numpy())
    of = f"additive:{latencies.path}/{DEVICE}@100"
    cost = open_mixture_cost(of, space, NetworkShape())
    measured = latencies.table.values(DEVICE)
    stored = [row.tobytes() for row in latencies.table.architectures]
    for weight in WEIGHTS:
        penalty = ExpectedCost(cost=cost, cost_weight=float(weight))
        cell, _ = world.search([penalty], seed=0)
        key = np.array(cell.choices[0], dtype=np.int8).tobytes()
        accuracy = accuracies["x-test"][space.format(cell)]
        latency = measured[stored.index(key)]
        numbers = [f"{accuracy:.2f}", f"{latency:.2f}"]
        assert numbers == list(rows[DEVICE, weight]), weight
