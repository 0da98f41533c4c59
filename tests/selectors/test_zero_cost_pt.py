"""Zero-Cost-PT, both stages and all seven orders of edges, against a slow retelling, on scores from a table."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archselect.nasbench_adapters.errors import UserError
from archselect.selectors.base import OperationScore
from archselect.selectors.proxies import PROXIES, Proxy
from archselect.selectors.zero_cost_pt import ZeroCostPT

ORDERS = (
    "random",
    "order",
    "reverse",
    "global-op-iter",
    "global-op-once",
    "global-edge-iter",
    "global-edge-once",
)
NAN = float("nan")


@pytest.fixture(scope="module", autouse=True)
def proxies():
    """Two proxies that no task here computes: the scores come from the table."""
    with pytest.MonkeyPatch.context() as patch:
        for better in ("higher", "lower"):
            patch.setitem(PROXIES, better, Proxy(better, "for tests", "", better, lambda *_: 0.0))
        yield


def retell(toy, order, score, taken):
    """One candidate by the protocol: [(edge, choice), ...]. `score(decisions, edge, choice)`, lower is kept.

    `taken` are the edges as the selector took them, which only the random order follows.
    """
    decisions, told = toy.undecided(), []

    def ranking(edge):
        values = [score(decisions, edge, k) for k in range(toy.counts[edge])]
        return min(values) if "op" in order else sum(values) / len(values)

    initial = {edge: ranking(edge) for edge in toy.places}
    while len(told) < len(toy.places):
        left = [edge for edge in toy.places if edge not in [e for e, _ in told]]
        if order == "random":
            edge = taken[len(told)]
        elif order in ("order", "reverse"):
            edge = left[0 if order == "order" else -1]
        elif order.endswith("once"):
            edge = min(left, key=initial.get)
        else:
            edge = min(left, key=ranking)
        values = [score(decisions, edge, k) for k in range(toy.counts[edge])]
        told.append((edge, values.index(min(values))))
        decisions = decisions.decide(*edge, told[-1][1])
    return told, decisions.architecture()


salts = st.integers(0, 10_000)
many_levels = st.sampled_from([1, 3, 10**6])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("proxy", ["higher", "lower"])
@settings(max_examples=25)
@given(salt=salts, levels=many_levels, iterations=st.integers(1, 4))
def test_decisions_follow_the_order(toy, table_task, table, order, proxy, salt, levels, iterations):
    scores = table(salt, levels)
    task = table_task(scores, salt)
    selection = ZeroCostPT(proxy=proxy, order=order, iterations=iterations).select(task)
    # The operation is kept without which the network scores worst by the proxy.
    sign = 1 if proxy == "higher" else -1
    candidates = []
    for round in range(iterations):
        decided = [d for d in selection.decisions if d.round == round]
        assert sorted((d.cell, d.edge) for d in decided) == sorted(toy.places)
        # A step is a scoring; rankings of edges are steps of their own.
        first, apart = {"global-op-once": (1, 1), "global-edge-once": (1, 1), "global-edge-iter": (1, 2)}.get(
            order, (0, 1)
        )
        assert [d.step for d in decided] == [first + apart * place for place in range(5)]

        def score(decisions, edge, choice, round=round):
            mixture = task.mixture(decisions, f"alphas {round + 1}").without(*edge, choice)
            return sign * scores(mixture, "proxy")

        told, candidate = retell(toy, order, score, [(d.cell, d.edge) for d in decided])
        assert [((d.cell, d.edge), d.choice) for d in decided] == told
        candidates.append(candidate)
    assert [architecture for architecture, _ in selection.architecture_scores] == list(dict.fromkeys(candidates))


@settings(max_examples=40)
@given(salt=salts, levels=many_levels, iterations=st.integers(1, 12), proxy=st.sampled_from(["higher", "lower"]))
def test_the_best_distinct_candidate_wins(table_task, table, salt, levels, iterations, proxy):
    """Stage 2: every distinct candidate once, in the order proposed, V minibatches of the size; ties to the first."""
    scores = table(salt, levels)
    task = table_task(scores, salt)
    selector = ZeroCostPT(proxy=proxy, iterations=iterations, validation_batches=7, batch_size=12)
    selection = selector.select(task)
    judged = [architecture for architecture, _ in selection.architecture_scores]
    assert task.networks == [(proxy, architecture, 7, 12) for architecture in judged]
    assert len(set(judged)) == len(judged) <= iterations
    values = [scores(architecture, "network") for architecture in judged]
    assert [value for _, value in selection.architecture_scores] == values
    best = max(values) if proxy == "higher" else min(values)
    assert selection.architecture == judged[values.index(best)]
    assert task.drawn_alphas == iterations


# Per candidate: one minibatch for each of the five decisions; "-once" draws one more for the order, and
# "global-edge-iter" one more at each decision for the ranking.
MINIBATCHES = dict.fromkeys(ORDERS, 5) | {"global-op-once": 6, "global-edge-once": 6, "global-edge-iter": 10}


@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=10)
@given(salt=salts, norm=st.sampled_from(["running", "batch"]))
def test_a_decision_sees_one_minibatch_of_its_own(toy, table_task, table, order, salt, norm):
    task = table_task(table(salt, 10**6), salt)
    ZeroCostPT(proxy="higher", order=order, iterations=2, batch_size=9, norm=norm).select(task)
    assert task.minibatches == [9] * (2 * MINIBATCHES[order])
    assert {(name, mode) for name, _, _, mode in task.proxies} == {("higher", norm)}
    batches = Counter(batch for _, _, batch, _ in task.proxies)
    assert len(batches) == len(task.minibatches)
    # Whatever is compared is compared on one minibatch, under one set of decisions and alphas.
    for drawn in batches:
        compared = {(m.decisions, m.alphas) for _, m, batch, _ in task.proxies if batch == drawn}
        assert len(compared) == 1
    # No question is asked twice on a minibatch, and no weight is renormalised.
    asked = [(m.masked, batch) for _, m, batch, _ in task.proxies]
    assert len(set(asked)) == len(asked)
    assert not any(mixture.renormalise for _, mixture, _, _ in task.proxies)


@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=10)
@given(salt=salts)
def test_every_score_that_decides_is_noted(toy, table_task, table, order, salt):
    """For each decision all scores of its edge, under the decisions made before it, and the kept one is best."""
    scores = table(salt, 10**6)
    task = table_task(scores, salt)
    selection = ZeroCostPT(proxy="higher", order=order, iterations=2).select(task)
    noted = set(selection.operation_scores)
    assert len(noted) == len(selection.operation_scores)
    decisions = {0: toy.undecided(), 1: toy.undecided()}
    for d in selection.decisions:
        edge = (d.cell, d.edge)
        mixture = task.mixture(decisions[d.round], f"alphas {d.round + 1}")
        values = [scores(mixture.without(*edge, k), "proxy") for k in range(toy.counts[edge])]
        assert {OperationScore(d.round, d.step, *edge, k, value) for k, value in enumerate(values)} <= noted
        assert d.choice == values.index(min(values))
        decisions[d.round] = decisions[d.round].decide(*edge, d.choice)
    assert (selection.operation_scale.name, selection.operation_scale.better) == ("higher without it", "lower")
    assert (selection.architecture_scale.name, selection.architecture_scale.better) == ("higher", "higher")


@pytest.mark.parametrize("order", ORDERS)
def test_every_score_looked_at_is_noted(table_task, table, order):
    task = table_task(table(0, 10**6))
    selection = ZeroCostPT(proxy="higher", order=order, iterations=2).select(task)
    looked_at = Counter(task.table(mixture, "proxy") for _, mixture, _, _ in task.proxies)
    # Scored twice on two minibatches, a question is looked at twice; here both answers are the same.
    assert set(looked_at) == {score.value for score in selection.operation_scores}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("where", [(0, 0, 0), (0, 2, 3), (1, 1, 1)])
def test_a_proxy_that_is_nan_surfaces(table_task, table, order, where):
    scores = table(0, 10**6)
    task = table_task(lambda asked, purpose: NAN if asked.masked == where else scores(asked, purpose))
    with pytest.raises(ValueError, match="NaN"):
        ZeroCostPT(proxy="higher", order=order, iterations=1).select(task)


@pytest.mark.parametrize("order", ["global-op-iter", "global-op-once", "global-edge-iter", "global-edge-once"])
@pytest.mark.parametrize("where", [(0, 0, 0), (0, 2, 3), (1, 1, 1)])
def test_a_proxy_that_is_nan_in_the_ranking_of_edges_surfaces(toy, table_task, table, order, where):
    """Even if it is a number again when the edge's turn comes."""
    scores = table(0, 10**6)
    task = table_task(
        lambda asked, purpose: (
            NAN
            if purpose == "proxy" and asked.masked == where and asked.decisions == toy.undecided()
            else scores(asked, purpose)
        )
    )
    with pytest.raises(ValueError, match="NaN"):
        ZeroCostPT(proxy="higher", order=order, iterations=1).select(task)


def test_a_network_whose_proxy_is_nan_surfaces(table_task):
    task = table_task(lambda asked, purpose: NAN if purpose == "network" else 0.0)
    with pytest.raises(ValueError, match="NaN"):
        ZeroCostPT(proxy="higher", iterations=1).select(task)


def test_minus_infinity_is_a_score_like_any_other(table_task):
    """log|det K| of images that no ReLU tells apart."""
    task = table_task(lambda asked, purpose: -float("inf"))
    selection = ZeroCostPT(proxy="higher", order="order", iterations=1).select(task)
    assert selection.architecture.choices == ((0, 0, 0), (0, 0))


def test_the_random_order_is_seeded_and_reaches_every_edge_first(toy, table_task, table):
    def order(seed):
        task = table_task(table(0, 3), seed)
        return [(d.cell, d.edge) for d in ZeroCostPT(proxy="higher", iterations=2).select(task).decisions]

    orders = [order(seed) for seed in range(60)]
    assert order(7) == orders[7]
    assert {edges[0] for edges in orders} == set(toy.places)
    assert any(edges[:5] != edges[5:] for edges in orders)


def test_the_defaults_are_the_papers():
    assert ZeroCostPT().model_dump() == {
        "proxy": "nwot",
        "iterations": 10,
        "order": "random",
        "batch_size": 256,
        "validation_batches": 100,
        "norm": "running",
    }


@pytest.mark.parametrize(
    "settings",
    [{"order": "backwards"}, {"iterations": 0}, {"batch_size": 1}, {"validation_batches": 0}, {"V": 10}],
)
def test_a_wrong_setting_is_refused(settings):
    with pytest.raises(ValidationError):
        ZeroCostPT(**settings)


def test_an_unknown_proxy_is_a_user_error():
    with pytest.raises(UserError, match="unknown proxy 'nwto': did you mean 'nwot'"):
        ZeroCostPT(proxy="nwto")
