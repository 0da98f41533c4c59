"""Shared by the tests of truths: the real data where at hand, files made by the packages' own classes."""

import os
from pathlib import Path

import numpy as np
import pytest
from support.benchmark_results import arch_results

from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.benchmark_results import SPLITS
from archselect.nasbench_adapters.truth.long_csv import import_long

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def space():
    return get_space("nb201")


@pytest.fixture(scope="session")
def shared_data():
    folder = (
        ROOT / os.environ.get("ARCHSELECT_SHARED", "../shared") / "data"
    ).resolve()
    if not (folder / "nb201.csv.gz").is_file():
        pytest.skip(
            "no shared data: set ARCHSELECT_SHARED to the folder that holds data/nb201.csv.gz"
        )
    return folder


@pytest.fixture(scope="session")
def real_table(shared_data):
    return import_long(shared_data / "nb201.csv.gz", "nb201")


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's own cache and data."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setattr(
        "archselect.nasbench_adapters.truth.storage.user_data_path",
        lambda name: home / "data" / name,
    )
    for package in ("hpo_bench", "graph_bench"):
        monkeypatch.setattr(
            f"archselect.nasbench_adapters.truth.{package}.user_cache_path",
            lambda name: home / "cache" / name,
        )
    return home


class Canary:
    """Pickles to an instruction that would create a file when it is read back."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def canary(tmp_path):
    return Canary(tmp_path / "executed")


@pytest.fixture(scope="session")
def benchmark_content(space):
    """Makes what a file of all architectures holds, by classes of `nas_201_api` or `nats_bench.api_utils`.

    Some accuracies, parameters and times are numpy scalars, as in the released files;
    cells differ in trials.
    """

    def make(classes, schedules):
        rng = np.random.default_rng(0)
        architectures = [space.format(space.sample(rng)) for _ in range(4)]
        infos = {
            index: {
                schedule: arch_results(classes, rng, index, text, epochs).state_dict()
                for schedule, epochs in schedules.items()
            }
            for index, text in enumerate(architectures)
        }
        return {
            "meta_archs": architectures,
            "arch2infos": infos,
            "evaluated_indexes": set(infos),
        }

    return make


@pytest.fixture(scope="session")
def agrees():
    """Holds a table against what a package says of the final epoch: the mean of trials, and each trial."""

    def check(table, api, space):
        compared = 0
        for index, text in enumerate(api.meta_archs):
            for column in table.columns:
                told = api.get_more_info(
                    index, column.dataset, hp=str(column.epochs), is_random=False
                )
                key = "valid-accuracy" if column.split == "x-valid" else "test-accuracy"
                trials = table.lookup(space.parse(text), *column.key)
                assert trials.mean == pytest.approx(told[key], abs=1e-5)
                for seed, accuracy in zip(trials.seeds, trials.accuracies, strict=True):
                    one = api.get_more_info(
                        index,
                        column.dataset,
                        hp=str(column.epochs),
                        is_random=int(seed),
                    )
                    assert accuracy == pytest.approx(one[key], abs=1e-5)
                    compared += 1
        assert {c.key[:2] for c in table.columns} == {
            (d, s) for d, splits in SPLITS.items() for s in splits
        }
        return compared

    return check
