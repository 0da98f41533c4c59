"""Ground truths of runs: columns of made-up tables, and tables of some architectures."""

import pytest

from archselect.benchmarks.plan.parts import TruthPart
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.table_builder import TableBuilder


@pytest.fixture
def part():
    """`part(path, **changes)` is the column of a made-up table, with these changes."""

    def column(path, **changes):
        return TruthPart(
            **{
                "table": str(path),
                "dataset": "made-up",
                "split": "test",
                "epochs": 1,
                **changes,
            }
        )

    return column


@pytest.fixture
def parts_of_the_truth(small_truth, nb201, tmp_path):
    """`parts_of_the_truth(name, cells)` is the small truth's part of these cells, as a file."""
    whole = open_truth(str(small_truth))

    def write(name, cells):
        builder = TableBuilder(nb201)
        for cell in cells:
            builder.add(
                cell,
                "made-up",
                "test",
                1,
                "a",
                whole.lookup(cell, "made-up", "test", 1).accuracies[0],
            )
        path = tmp_path / f"{name}.npz"
        builder.table(name, origin="a part", licence="MIT").save(path)
        return path

    return write
