"""Zero-Cost-PT, both stages and all seven orders of edges, against a slow retelling, on scores from a table."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import DROPPED, OPEN
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies import PROXIES, Proxy
from archselect.selectors.selection import Decision, EdgeScore, OperationScore
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
            patch.setitem(
                PROXIES,
                better,
                Proxy(
                    better,
                    "for tests",
                    "",
                    better,
                    lambda *_: 0.0,
                    PROXIES["params"].domain,
                ),
            )
        yield


class Retelling:
    """One candidate by the protocol, told by hand: what is asked, on which minibatch, noted and decided.

    `taken` are the selector's own decisions, of which only the random order of edges
    and nodes is taken over.
    """

    def __init__(
        self,
        task,
        space,
        open_choices,
        overfull,
        pruning,
        filling,
        setting,
        round,
        batches,
        taken,
    ):
        self.task, self.space, self.setting, self.round = task, space, setting, round
        self.batches, self.taken = batches, iter(taken)
        self.alphas = f"alphas {round + 1}" if setting.fresh_alphas else task.alphas
        self.lower = (
            setting.proxy == "higher"
        )  # the operation is kept without which the network scores worst
        self.decisions, self.step = space.undecided(), 0
        self.asked, self.scores, self.edges, self.decided = [], [], [], []
        self.propose(open_choices(space), overfull(space), pruning)
        self.candidate = filling(space, self.decisions)

    def ask(self, mixture, batch):
        self.asked.append((self.setting.proxy, mixture, batch, self.setting.norm))
        return self.task.table(mixture, "proxy")

    def fresh(self):
        self.batches.append(self.setting.batch_size)
        return f"batch {len(self.batches)}"

    def judge(self, cell, edges, batch):
        """A step: {edge: the scores without each of its operations}."""
        mixture, values = self.task.mixture(self.decisions, self.alphas), {}
        for edge in edges:
            choices = range(len(self.space.cells[cell].operations[edge]))
            values[edge] = [
                self.ask(mixture.without(cell, edge, k), batch) for k in choices
            ]
            self.scores += [
                OperationScore(self.round, self.step, cell, edge, k, values[edge][k])
                for k in choices
            ]
        self.step += 1
        return values

    def ranked(self, values):
        """Edges by what the order's name says, the first to be decided first; on ties as they come."""
        sign = 1 if self.lower else -1
        if "op" in self.setting.order:
            return sorted(
                values, key=lambda edge: min(sign * value for value in values[edge])
            )
        return sorted(
            values, key=lambda edge: sign * sum(values[edge]) / len(values[edge])
        )

    def decide(self, cell, edge, values):
        choice = values.index(min(values) if self.lower else max(values))
        self.decided.append(Decision(self.round, self.step - 1, cell, edge, choice))
        self.decisions = self.decisions.decide(cell, edge, choice)

    def propose(self, left, full, pruning):
        order = self.setting.order
        if order == "reverse":
            left = [edges[::-1] for edges in left]
        if order.endswith("once"):
            left = [
                self.ranked(self.judge(cell, edges, self.fresh()))
                for cell, edges in enumerate(left)
            ]
        while any(
            left
        ):  # a round: one edge of every cell type that has one left, on one minibatch
            batch = self.fresh()
            for cell, edges in enumerate(left):
                if not edges:
                    continue
                if order == "global-op-iter":
                    values = self.judge(cell, edges, batch)
                    edge = self.ranked(values)[0]
                elif order == "global-edge-iter":
                    # The edge is found on the round's minibatch, and its operation on
                    # one of its own.
                    edge = self.ranked(self.judge(cell, edges, batch))[0]
                    values = self.judge(cell, [edge], self.fresh())
                else:
                    edge = next(self.taken).edge if order == "random" else edges[0]
                    values = self.judge(cell, [edge], batch)
                if order != "random":
                    next(self.taken)
                edges.remove(edge)
                self.decide(cell, edge, values[edge])
        for cell, row in enumerate(self.decisions.choices):
            for edge, choice in enumerate(row):
                if choice == OPEN:  # it allows one operation
                    self.decisions = self.decisions.decide(cell, edge, 0)
        while any(
            full
        ):  # a round: one node of every cell type that has one left, on one minibatch
            batch, known = self.fresh(), {}
            for cell, found in enumerate(full):
                if found:
                    self.prune(cell, found, batch, known, pruning)

    def prune(self, cell, found, batch, known, pruning):
        node = self.space.cells[cell].edges[next(self.taken).edge][1]
        if self.setting.order == "reverse":
            node = max(found)

        def score(without):
            if (
                without not in known
            ):  # on the same minibatch the same question has the same answer
                known[without] = self.ask(
                    self.task.mixture(without, self.alphas), batch
                )
            return known[without]

        keep = self.space.cells[cell].kept[node]
        better = "lower" if self.lower else "higher"
        restored = self.setting.edges_restored
        passes, self.decisions = pruning(
            self.decisions, cell, found.pop(node), keep, score, better, restored
        )
        for scores, dropped in passes:
            self.edges += [
                EdgeScore(self.round, self.step, cell, node, e, value)
                for e, value in scores.items()
            ]
            self.decided.append(Decision(self.round, self.step, cell, dropped, DROPPED))
        for _ in passes[1:]:
            next(self.taken)
        self.step += 1


salts = st.integers(0, 10_000)
many_levels = st.sampled_from([1, 3, 10**6])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("proxy", ["higher", "lower"])
@settings(max_examples=12)
@given(
    name=st.sampled_from(["toy", "toy", "toy", "nb201", "s3"]),
    salt=salts,
    levels=many_levels,
    iterations=st.integers(1, 3),
    norm=st.sampled_from(["running", "batch"]),
    restored=st.booleans(),
    fresh=st.booleans(),
)
def test_every_step_is_the_protocols(
    toy,
    table_task,
    table,
    open_choices,
    overfull,
    retell_pruning,
    retell_filling,
    order,
    proxy,
    name,
    salt,
    levels,
    iterations,
    norm,
    restored,
    fresh,
):
    """Replays stage 1: given random choices, every minibatch, question, score, decision and candidate is foretold."""
    space = toy if name == "toy" else get_space(name)
    task = table_task(table(salt, levels), salt, space)
    setting = ZeroCostPT(
        proxy=proxy,
        order=order,
        iterations=iterations,
        batch_size=9,
        norm=norm,
        edges_restored=restored,
        fresh_alphas=fresh,
    )
    selection = setting.select(task)
    batches, told = [], []
    for round in range(iterations):
        taken = [d for d in selection.decisions if d.round == round]
        rules = (open_choices, overfull, retell_pruning, retell_filling)
        told.append(Retelling(task, space, *rules, setting, round, batches, taken))
    assert task.minibatches == batches
    assert task.proxied == [each for one in told for each in one.asked]
    assert list(selection.operation_scores) == [
        each for one in told for each in one.scores
    ]
    assert list(selection.edge_scores) == [each for one in told for each in one.edges]
    assert list(selection.decisions) == [each for one in told for each in one.decided]
    candidates = [one.candidate for one in told]
    assert [architecture for architecture, _ in selection.architecture_scores] == list(
        dict.fromkeys(candidates)
    )
    assert task.drawn_alphas == (iterations if fresh else 0)


@settings(max_examples=40)
@given(
    salt=salts,
    levels=many_levels,
    iterations=st.integers(1, 12),
    proxy=st.sampled_from(["higher", "lower"]),
)
def test_the_best_distinct_candidate_wins(
    table_task, table, salt, levels, iterations, proxy
):
    """Stage 2: every distinct candidate once, in the order proposed, V minibatches of the size; ties to the first."""
    scores = table(salt, levels)
    task = table_task(scores, salt)
    selector = ZeroCostPT(
        proxy=proxy, iterations=iterations, validation_batches=7, batch_size=12
    )
    selection = selector.select(task)
    judged = [architecture for architecture, _ in selection.architecture_scores]
    assert task.networks == [(proxy, architecture, 7, 12) for architecture in judged]
    assert len(set(judged)) == len(judged) <= iterations
    values = [scores(architecture, "network") for architecture in judged]
    assert [value for _, value in selection.architecture_scores] == values
    best = max(values) if proxy == "higher" else min(values)
    assert selection.architecture == judged[values.index(best)]
    assert task.drawn_alphas == iterations


# Per candidate: one minibatch for each of the five rounds of edges and two of nodes;
# "-once" draws one more per cell type for the order, and "global-edge-iter" one more at
# each of the seven decisions on an edge.
MINIBATCHES = dict.fromkeys(ORDERS, 7) | {
    "global-op-once": 9,
    "global-edge-once": 9,
    "global-edge-iter": 14,
}


@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=10)
@given(salt=salts, norm=st.sampled_from(["running", "batch"]))
def test_what_is_compared_is_compared_on_one_minibatch(
    toy, table_task, table, order, salt, norm
):
    task = table_task(table(salt, 10**6), salt)
    ZeroCostPT(
        proxy="higher", order=order, iterations=2, batch_size=9, norm=norm
    ).select(task)
    assert task.minibatches == [9] * (2 * MINIBATCHES[order])
    assert {(name, mode) for name, _, _, mode in task.proxied} == {("higher", norm)}
    batches = Counter(batch for _, _, batch, _ in task.proxied)
    assert len(batches) == len(task.minibatches)
    # Operations are compared under one set of decisions for each cell type, and one of
    # alphas.
    for drawn in batches:
        asked = [m for _, m, batch, _ in task.proxied if batch == drawn]
        assert len({m.alphas for m in asked}) == 1
        masked = {(m.decisions, m.masked[0]) for m in asked if m.masked}
        assert len(masked) == len({cell for _, cell in masked})
        assert bool(masked) == all(m.masked for m in asked)
    # No question is asked twice on a minibatch, and no weight is renormalised.
    asked = [(m.decisions, m.masked, batch) for _, m, batch, _ in task.proxied]
    assert len(set(asked)) == len(asked)
    assert not any(mixture.renormalise for _, mixture, _, _ in task.proxied)


def test_the_rounds_on_darts_are_the_released_codes(table_task, table):
    """14 rounds decide an edge of each cell, 3 prune a node of each: 17 minibatches for a candidate."""
    task = table_task(table(0, 10**6), space=get_space("darts"))
    selection = ZeroCostPT(proxy="higher", iterations=1, fresh_alphas=False).select(
        task
    )
    assert len(task.minibatches) == 17
    assert [d.cell for d in selection.decisions[:28]] == [0, 1] * 14
    assert sorted(d.cell for d in selection.decisions[28:]) == [0] * 6 + [1] * 6
    assert {m.alphas for _, m, _, _ in task.proxied} == {task.alphas}
    assert task.drawn_alphas == 0


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
        if d.choice == DROPPED:
            node = toy.cells[d.cell].edges[d.edge][1]
            scored = {
                s.edge
                for s in selection.edge_scores
                if (s.round, s.step, s.node) == (d.round, d.step, node)
            }
            assert scored == {
                e
                for e, (_, target) in enumerate(toy.cells[d.cell].edges)
                if target == node
            }
            continue
        values = [
            scores(mixture.without(*edge, k), "proxy")
            for k in range(len(toy.cells[d.cell].operations[d.edge]))
        ]
        assert {
            OperationScore(d.round, d.step, *edge, k, value)
            for k, value in enumerate(values)
        } <= noted
        assert d.choice == values.index(min(values))
        decisions[d.round] = decisions[d.round].decide(*edge, d.choice)
    assert (selection.operation_scale.name, selection.operation_scale.better) == (
        "higher without it",
        "lower",
    )
    assert (selection.architecture_scale.name, selection.architecture_scale.better) == (
        "higher",
        "higher",
    )


@pytest.mark.parametrize("order", ORDERS)
def test_every_score_looked_at_is_noted(table_task, table, order):
    task = table_task(table(0, 10**6))
    selection = ZeroCostPT(proxy="higher", order=order, iterations=2).select(task)
    looked_at = {task.table(mixture, "proxy") for _, mixture, _, _ in task.proxied}
    assert looked_at == {
        score.value for score in (*selection.operation_scores, *selection.edge_scores)
    }


PLACES = [(0, 0, 0), (1, 3, 3), (1, 5, 1)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("where", PLACES)
def test_a_proxy_that_is_nan_surfaces(table_task, table, order, where):
    scores = table(0, 10**6)
    task = table_task(
        lambda asked, purpose: NAN if asked.masked == where else scores(asked, purpose)
    )
    with pytest.raises(ValueError, match="not finite"):
        ZeroCostPT(proxy="higher", order=order, iterations=1).select(task)


@pytest.mark.parametrize("order", ORDERS)
def test_a_proxy_that_is_nan_without_an_edge_surfaces(table_task, table, order):
    scores = table(0, 10**6)
    task = table_task(
        lambda asked, purpose: scores(asked, purpose) if asked.masked else NAN
    )
    with pytest.raises(ValueError, match="not finite"):
        ZeroCostPT(proxy="higher", order=order, iterations=1).select(task)


@pytest.mark.parametrize(
    "order",
    ["global-op-iter", "global-op-once", "global-edge-iter", "global-edge-once"],
)
@pytest.mark.parametrize("where", PLACES)
def test_a_proxy_that_is_nan_in_the_ranking_of_edges_surfaces(
    toy, table_task, table, order, where
):
    """Even if it is a number again when the edge's turn comes."""
    scores = table(0, 10**6)
    cell = where[0]
    task = table_task(
        lambda asked, purpose: (
            NAN
            if purpose == "proxy"
            and asked.masked == where
            and asked.decisions.choices[cell] == toy.undecided().choices[cell]
            else scores(asked, purpose)
        )
    )
    with pytest.raises(ValueError, match="not finite"):
        ZeroCostPT(proxy="higher", order=order, iterations=1).select(task)


def test_a_network_whose_proxy_is_nan_surfaces(table_task):
    task = table_task(lambda asked, purpose: NAN if purpose == "network" else 0.0)
    with pytest.raises(ValueError, match="not finite"):
        ZeroCostPT(proxy="higher", iterations=1).select(task)


@pytest.mark.parametrize("value", [float("inf"), -float("inf")])
def test_an_infinite_score_surfaces(table_task, value):
    """It would always win, or always lose."""
    with pytest.raises(
        ValueError,
        match=f"'higher without it' of operation .* on edge .* is not finite: {value}",
    ):
        ZeroCostPT(proxy="higher", iterations=1).select(
            table_task(lambda asked, purpose: value)
        )
    task = table_task(lambda asked, purpose: value if purpose == "network" else 0.0)
    with pytest.raises(
        ValueError, match=f"score 'higher' of architecture .* is not finite: {value}"
    ):
        ZeroCostPT(proxy="higher", iterations=1).select(task)


def test_on_ties_the_first_operation_stays_and_the_last_edge_goes(table_task):
    task = table_task(lambda asked, purpose: 0.0)
    selection = ZeroCostPT(proxy="higher", order="order", iterations=1).select(task)
    # On edge (0, 2) of the second type that is `none`, which is no choice of an
    # architecture.
    assert selection.architecture.choices == ((0, 0, 0), (0, 1, None, 0, None, None))


def test_the_random_order_is_seeded_and_reaches_every_edge_and_node_first(
    toy, open_choices, table_task, table
):
    def order(seed):
        task = table_task(table(0, 3), seed)
        return [
            (d.cell, d.edge)
            for d in ZeroCostPT(proxy="higher", iterations=2).select(task).decisions
        ]

    orders = [order(seed) for seed in range(60)]
    assert order(7) == orders[7]
    each = len(orders[0]) // 2  # seven edges, then three drops
    assert each == 10
    for cell, edges in enumerate(open_choices(toy)):
        assert {next(e for c, e in taken if c == cell) for taken in orders} == set(
            edges
        )
    assert {toy.cells[1].edges[taken[7][1]][1] for taken in orders} == {2, 3}
    assert any(taken[:each] != taken[each:] for taken in orders)


def test_the_defaults_are_the_papers():
    assert ZeroCostPT().model_dump() == {
        "proxy": "nwot",
        "iterations": 10,
        "order": "random",
        "batch_size": 256,
        "validation_batches": 100,
        "norm": "running",
        "fresh_alphas": True,
        "inputs": "perturbation",
        "edges_restored": True,
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"order": "backwards"},
        {"iterations": 0},
        {"batch_size": 1},
        {"validation_batches": 0},
        {"V": 10},
    ],
)
def test_a_wrong_setting_is_refused(settings):
    with pytest.raises(ValidationError):
        ZeroCostPT(**settings)


def test_an_unknown_proxy_is_a_user_error():
    with pytest.raises(UserError, match="unknown proxy 'nwto': did you mean 'nwot'"):
        ZeroCostPT(proxy="nwto")
