"""Correlations of operation scores, against scipy and against what is published of the released scores."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from archselect.benchmarks.operation_files import read_operation_scores
from archselect.benchmarks.records import OperationScore, Scale, ScorerFacts
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.reports.operation_scores import operation_table, oracle_in, oracles_of
from archselect.reports.published import published

OPERATIONS = 5


def scorer(name, values, better="higher"):
    """Of values[edge][choice]."""
    scores = [
        OperationScore(round=0, step=0, cell=0, edge=e, choice=k, value=float(v))
        for e, row in enumerate(values)
        for k, v in enumerate(row)
    ]
    return ScorerFacts(name=name, scale=Scale(name=name, better=better), scores=scores)


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_mean_over_edges_of_scipys(better):
    rng = np.random.default_rng(0)
    values, worth = rng.integers(0, 4, (6, OPERATIONS)), rng.normal(size=(6, OPERATIONS))
    scorers = [scorer("a", values, better), scorer("worth", worth)]
    frame = operation_table(scorers, {"worth": oracle_in(scorers, "worth")}).frame.set_index("scorer")
    sign = 1 if better == "higher" else -1
    for kind, measure in (("tau", kendalltau), ("rho", spearmanr)):
        wanted = [measure(sign * values[e], worth[e]).statistic for e in range(6)]
        assert frame.loc["a", f"{kind}_vs_worth"] == pytest.approx(np.mean(wanted))
        assert [frame.loc["a", f"{kind}_vs_worth:0.{e}"] for e in range(6)] == pytest.approx(wanted)
        assert frame.loc["worth", f"{kind}_vs_worth"] == pytest.approx(1)


def test_an_oracle_of_which_less_is_better_is_turned_round():
    scorers = [scorer("a", [[1, 2, 3]]), scorer("loss", [[3, 2, 1]], "lower")]
    frame = operation_table(scorers, {"loss": oracle_in(scorers, "loss")}).frame
    assert frame.tau_vs_loss.tolist() == [1, 1]


def test_an_edge_without_a_correlation_is_said_and_in_no_mean():
    scorers = [scorer("a", [[1, 2, 3], [1, 1, 1]]), scorer("b", [[1, 2, 3], [1, 2, 3]])]
    table = operation_table(scorers, {"b": oracle_in(scorers, "b")})
    row = table.frame.iloc[0]
    assert row.tau_vs_b == 1 and np.isnan(row["tau_vs_b:0.1"])
    assert row.undefined == "edge 0.1, b: all scores equal"
    flat = [scorer("a", [[1, 1, 1]]), scorer("b", [[1, 2, 3]])]
    assert operation_table(flat, {"b": oracle_in(flat, "b")}).shown["τ-b b ↑"][0] == "–"


def test_oracles_of_a_landscape(fake):
    world, *where = fake.worlds["nb201-digits"]
    found = oracles_of(world.landscape("x", *where))
    assert found["best-acc"][0, 2, 3] == world.oracle(best=True)[0][2][3]
    assert found["avg-acc"][0, 5, 0] == world.oracle(best=False)[0][5][0]


def test_an_oracle_that_is_not_there_or_knows_less():
    scorers = [scorer("a", [[1, 2, 3]]), scorer("b", [[1, 2]])]
    with pytest.raises(UserError, match="unknown scorer of the file 'c'"):
        oracle_in(scorers, "c")
    with pytest.raises(UserError, match="oracle b has no value for operation 2 on edge 0 of cell type 0, which a"):
        operation_table(scorers, {"b": oracle_in(scorers, "b")})


def test_the_published_correlations_of_the_released_scores(shared_file):
    """All 44 numbers, to the digit."""
    scorers = read_operation_scores(shared_file("nb201_operation_scores.csv"), get_space("nb201"))
    oracles = {name: oracle_in(scorers, name) for name in ("best_acc", "avg_acc")}
    frame = operation_table(scorers, oracles).frame.set_index("scorer")
    rows = [row for row in published() if row.table == "operation scores, mean over 6 edges"]
    assert len(rows) == 44
    for row in rows:
        kind, oracle = row.metric.split("_vs_")
        ours = frame.loc[row.method, f"{'tau' if kind == 'kendall' else 'rho'}_vs_{oracle}"]
        assert ours == pytest.approx(row.value, abs=5.001e-4), (row.method, row.metric)
