"""Files of operation scores."""

import pandas as pd
import pytest

from archselect.benchmarks.scoring.operation_files import read_operation_scores
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space

NB201 = get_space("nb201")
ROW = {
    "source_node": 0,
    "target_node": 1,
    "operation": "none",
    "scorer": "a",
    "score": 1.5,
    "better": "lower",
}


@pytest.fixture
def write(tmp_path):
    def save(*rows, name="scores.csv"):
        frame = pd.DataFrame([ROW | row for row in rows])
        path = tmp_path / name
        frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(
            path, index=False
        )
        return path

    return save


@pytest.mark.parametrize("name", ["scores.csv", "scores.csv.gz", "scores.parquet"])
def test_every_score_finds_its_place(write, name):
    path = write(
        {},
        {
            "scorer": "b",
            "better": "higher",
            "source_node": 2,
            "target_node": 3,
            "operation": "avg_pool_3x3",
        },
        {"source_node": 1, "target_node": 3, "operation": "nor_conv_3x3", "score": -2},
        name=name,
    )
    a, b = read_operation_scores(path, NB201)
    assert (a.name, a.scale.better, b.name, b.scale.better) == (
        "a",
        "lower",
        "b",
        "higher",
    )
    assert [(s.cell, s.edge, s.choice, s.value) for s in a.scores] == [
        (0, 0, 0, 1.5),
        (0, 4, 3, -2.0),
    ]
    assert [(s.cell, s.edge, s.choice, s.value) for s in b.scores] == [(0, 5, 4, 1.5)]


def test_cell_types_by_name(write):
    path = write(
        {
            "cell": "reduce",
            "source_node": 1,
            "target_node": 2,
            "operation": "sep_conv_3x3",
        }
    )
    (a,) = read_operation_scores(path, get_space("s2"))
    assert [(s.cell, s.edge, s.choice) for s in a.scores] == [(1, 1, 1)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{}, {}], "row 2: this score is repeated"),
        ([{"score": "x"}], "row 1: score must be a number"),
        (
            [{}, {"operation": "skip_connect", "score": "inf"}],
            "row 2: score must be finite; remove the rows",
        ),
        ([{"score": "-inf"}], "row 1: score must be finite"),
        ([{"score": "nan"}], "row 1: score must be a number"),
        ([{"better": "high"}], "row 1: better must be 'higher' or 'lower'"),
        (
            [{}, {"target_node": 2, "better": "higher"}],
            "row 2: better is 'higher', but an earlier row has 'lower' for a",
        ),
        (
            [{"operation": "nor_conv3x3"}],
            "row 1: unknown operation of space nb201 .*did you mean 'nor_conv_3x3'",
        ),
        (
            [{"operation": "nor_conv_3x4"}],
            "row 1: unknown operation of space nb201 'nor_conv_3x4': known: avg_pool_3x3",
        ),
        ([{"source_node": 3}], "row 1: unknown edge of space nb201 '3→1'"),
        ([{"cell": "norm"}], "row 1: unknown cell of space nb201 'norm'"),
    ],
)
def test_a_mistake_names_the_row(write, rows, message):
    with pytest.raises(UserError, match=message):
        read_operation_scores(write(*rows), NB201)


def test_a_column_that_is_missing(tmp_path):
    path = tmp_path / "scores.csv"
    pd.DataFrame([ROW]).rename(columns={"better": "beter"}).to_csv(path, index=False)
    with pytest.raises(
        UserError, match=r"unknown column of .*'better': did you mean 'beter'"
    ):
        read_operation_scores(path, NB201)
