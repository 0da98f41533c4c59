"""Correlations of operation scores, against scipy and against what is published of the released scores."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from archselect.benchmarks.scoring.operation_files import read_operation_scores
from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Decision,
    Landscape,
    OperationScore,
    Scale,
    ScorerFacts,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.reports.published.numbers import published_numbers
from archselect.reports.results.results import load
from archselect.reports.results.score_correlations import correlate_iterations
from archselect.reports.tables.controls import (
    controls_in_words,
    controls_of,
    order_in_words,
)
from archselect.reports.tables.operations import operation_table, operations_table
from archselect.reports.tables.oracles import oracle_in, oracles_of
from archselect.reports.tables.tau import tau_table

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
    values, worth = (
        rng.integers(0, 4, (6, OPERATIONS)),
        rng.normal(size=(6, OPERATIONS)),
    )
    scorers = [scorer("a", values, better), scorer("worth", worth)]
    frame = operation_table(
        scorers, {"worth": oracle_in(scorers, "worth")}
    ).frame.set_index("scorer")
    sign = 1 if better == "higher" else -1
    for kind, measure in (("tau", kendalltau), ("rho", spearmanr)):
        wanted = [measure(sign * values[e], worth[e]).statistic for e in range(6)]
        assert frame.loc["a", f"{kind}_vs_worth"] == pytest.approx(np.mean(wanted))
        assert [
            frame.loc["a", f"{kind}_vs_worth:0.{e}"] for e in range(6)
        ] == pytest.approx(wanted)
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
    with pytest.raises(
        UserError,
        match="oracle b has no value for operation 2 on edge 0 of cell type 0, which a",
    ):
        operation_table(scorers, {"b": oracle_in(scorers, "b")})


def test_the_published_correlations_of_the_released_scores(shared_file):
    """All 44 numbers, to the digit."""
    scorers = read_operation_scores(
        shared_file("nb201_operation_scores.csv"), get_space("nb201")
    )
    oracles = {name: oracle_in(scorers, name) for name in ("best_acc", "avg_acc")}
    frame = operation_table(scorers, oracles).frame.set_index("scorer")
    rows = [
        row
        for row in published_numbers()
        if row.table == "operation scores, mean over 6 edges"
    ]
    assert len(rows) == 44
    for row in rows:
        kind, oracle = row.metric.split("_vs_")
        ours = frame.loc[
            row.method, f"{'tau' if kind == 'kendall' else 'rho'}_vs_{oracle}"
        ]
        assert ours == pytest.approx(row.value, abs=5.001e-4), (row.method, row.metric)


def in_iterations(fake, better="lower", seeds=3, rounds=2):
    """Records of which each round scores edges 0, 1, 2, then 1, 2, then 2; and the oracle."""
    rng = np.random.default_rng(0)
    oracle = [rng.normal(size=(6, OPERATIONS)).tolist()]
    records = []
    for seed in range(seeds):
        scores = [
            OperationScore(
                round=r,
                step=10 * r + 2 * t,
                cell=0,
                edge=e,
                choice=k,
                value=float(rng.integers(0, 4) + 10 * (k == e)),
            )
            for r in range(rounds)
            for t in range(3)
            for e in range(t, 3)
            for k in range(OPERATIONS)
        ]
        record = fake.record(fake.inputs("magnitude", seed))
        changes = {
            "operation_scores": Columns(OperationScore, scores),
            "operation_scale": Scale(name="x", better=better),
            "decisions": Columns(Decision),
        }
        records.append(
            record.model_copy(
                update={"selected": record.selected.model_copy(update=changes)}
            )
        )
    return records, oracle


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_iteration_by_iteration(fake, better):
    records, oracle = in_iterations(fake, better)
    found = correlate_iterations(records, oracle)
    assert [own.edges for own in found] == [3, 2, 1]
    sign = 1 if better == "higher" else -1
    for t, own in enumerate(found):
        by_edge = {}
        per_seed = []
        for record in records:
            values = []
            for r in range(2):
                for e in range(t, 3):
                    scores = [
                        s.value
                        for s in record.selected.operation_scores
                        if (s.round, s.step, s.edge) == (r, 10 * r + 2 * t, e)
                    ]
                    values.append(
                        kendalltau(sign * np.array(scores), oracle[0][e]).statistic
                    )
                    by_edge.setdefault((0, e), []).append(values[-1])
            per_seed.append(np.mean(values))
        assert own.correlation.per_seed == pytest.approx(per_seed)
        assert own.correlation.tau.mean == pytest.approx(np.mean(per_seed))
        assert own.taus == pytest.approx(
            {edge: np.mean(values) for edge, values in by_edge.items()}
        )


def test_only_iterations_that_all_seeds_have(fake):
    records, oracle = in_iterations(fake)
    short = records[1].selected.model_copy(
        update={
            "operation_scores": Columns(
                OperationScore,
                (s for s in records[1].selected.operation_scores if s.step % 10 < 4),
            )
        }
    )
    records[1] = records[1].model_copy(update={"selected": short})
    assert len(correlate_iterations(records, oracle)) == 2
    assert (
        correlate_iterations([fake.record(fake.inputs("random", 0)), *records], oracle)
        == []
    )
    assert correlate_iterations([], oracle) == []


def test_the_table_of_a_study(folder):
    """A selector that scores all edges at once has the correlations of the table tau."""
    results = load(folder)
    table, tau = operations_table(results), tau_table(results).frame
    frame = table.frame[table.frame.truth == "nb201-digits"].set_index(
        ["selector", "iteration"]
    )
    own = tau[(tau.truth == "nb201-digits") & (tau.selector == "magnitude")].set_index(
        "level"
    )
    row = frame.loc[("magnitude", 0)]
    for oracle in ("best-acc", "avg-acc"):
        assert row[f"tau_vs_{oracle}"] == pytest.approx(
            own.loc[f"operation, {oracle}", "tau_b"]
        )
        assert row[f"rho_vs_{oracle}_low"] == pytest.approx(
            own.loc[f"operation, {oracle}", "spearman_low"]
        )
        edges = [row[f"tau_vs_{oracle}:0.{e}"] for e in range(6)]
        assert np.mean(edges) == pytest.approx(row[f"tau_vs_{oracle}"])
    assert (row.edges, row.seeds) == (6, 4)
    # One that decides edge after edge has an iteration for each.
    assert [key[1] for key in frame.index if key[0] == "zero-cost-pt"] == list(range(6))
    assert set(frame.loc["zero-cost-pt"].edges) == {1}
    shown = table.shown.set_index("Selector")
    assert set(shown.loc["best-acc (oracle)", "τ-b best-acc ↑"]) == {"1.000"}
    assert not any("random" in name for name in shown.index)


def test_the_controls_on_nas_bench_201(root):
    """On CIFAR-10 the constant order has .600 and .933, the parameters .637 and .837."""
    folder = Folder(root / "docs" / "results" / "operation-scores-nb201")
    (found,) = folder.read_all(Landscape)
    frame = operation_table(controls_of(found), oracles_of(found)).frame.set_index(
        "scorer"
    )
    for name, best, mean in (
        ("constant order", 0.600, 0.933),
        ("parameters", 0.637, 0.837),
    ):
        row = frame.loc[name]
        assert (row["tau_vs_best-acc"], row["tau_vs_avg-acc"]) == pytest.approx(
            (best, mean), abs=5e-4
        )
    order = "nor_conv_3x3 > nor_conv_1x1 > skip_connect > avg_pool_3x3 > none"
    assert controls_in_words(found) == (
        f"Controls that use no supernet: constant order ({order}), τ-b 0.600 with best-acc and 0.933 with avg-acc; "
        "parameters, τ-b 0.637 with best-acc and 0.837 with avg-acc."
    )


def test_no_edge_has_a_part_in_its_own_order(fake):
    world, *where = fake.worlds["nb201-digits"]
    found = world.landscape("x", *where)
    oracle = [[[float(k) for k in range(OPERATIONS)] for _ in range(6)]]
    oracle[0][2] = oracle[0][2][::-1]
    constant, _ = controls_of(found.model_copy(update={"oracle_mean": oracle}))
    by_edge = {e: [s.value for s in constant.scores if s.edge == e] for e in range(6)}
    assert by_edge[2] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert by_edge[0] == pytest.approx([0.8, 1.4, 2.0, 2.6, 3.2])


def test_an_operation_is_the_same_by_its_name_and_not_by_its_place(fake):
    world, *where = fake.worlds["nb201-digits"]
    changes = {
        "operations": [[["a", "b"], ["b", "a", "c"]]],
        "oracle_mean": [[[1.0, 2.0], [20.0, 10.0, float("nan")]]],
        "operation_parameters": [],
    }
    found = world.landscape("x", *where).model_copy(update=changes)
    (constant,) = controls_of(found)
    scored = {(s.edge, s.choice): s.value for s in constant.scores}
    assert scored == {
        (0, 0): 10.0,
        (0, 1): 20.0,
        (1, 0): 2.0,
        (1, 1): 1.0,
    }  # "c" is on no other edge
    assert order_in_words(found) == ""


def test_a_landscape_without_facts_of_operations_has_no_controls(fake):
    world, *where = fake.worlds["nb201-digits"]
    bare = world.landscape("x", *where).model_copy(
        update={"operations": [], "operation_parameters": []}
    )
    assert controls_of(bare) == [] and controls_in_words(bare) == ""


def test_the_controls_stand_in_the_table(folder):
    table = operations_table(load(folder))
    frame = table.frame[table.frame.truth == "nb201-digits"].set_index("selector")
    for control in ("constant order (control)", "parameters (control)"):
        row = frame.loc[control]
        edges = [row[f"tau_vs_avg-acc:0.{e}"] for e in range(6)]
        assert row["tau_vs_avg-acc"] == pytest.approx(np.mean(edges)) and row.edges == 6
        assert np.isnan(row.iteration)
        assert not table.answer.count(control)
