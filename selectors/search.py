"""`Search`: the state of one selection. To write a selector, you only need to know it.

It knows which edges are decided, builds the mixtures to score, and notes scores and
decisions for the record::

    search = task.search("loss with it alone", better="lower")
    for edge in search.open_edges():
        losses = [task.evaluate(mixture).loss for mixture in search.only(edge)]
        search.decide(edge, losses)
    return search.selection()

Five words have one meaning each:

* An **edge** (:class:`archselect.nasbench_adapters.space.Edge`) is open until the
  search decides it for one of its operations, or drops it. A selector passes edges
  back to the search and need not look inside. An operation is **live** until the
  search closes it (:meth:`Search.close`). Only live operations have mixtures and
  scores.
* A **step** is one scoring, of one edge or of several, and the decisions that follow
  from it. :meth:`Search.score`, :meth:`Search.decide` with values, and
  :meth:`Search.drop` each begin a new step. To make one step of several calls, put
  them into ``with search.step():``. A decision without scores belongs to the step
  before it.
* In a **round** of :meth:`Search.rounds` a selector decides one or more of the open
  edges, usually one of every part of the space; in one of :meth:`Search.node_rounds`
  it drops inputs of nodes that have too many.
* A **query** (:meth:`Search.query`) asks for the reward of a whole architecture. The
  study limits the number of queries.
* To **start over** (:meth:`Search.start_over`) opens all edges again. Only a method
  that proposes several candidates does so. Steps are then counted from 0 again, and
  the column `round` of a record counts how often the search has started over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from math import isfinite
from typing import Protocol

import numpy as np
from torch import Tensor

from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.space import (
    DROPPED,
    OPEN,
    Architecture,
    Decisions,
    Edge,
    OverfullNode,
    SearchSpace,
)
from archselect.selectors.queries import NO_REWARD, REWARD, BudgetSpent, Queries
from archselect.selectors.selection import (
    Closing,
    Decision,
    EdgeScore,
    OperationScore,
    Scale,
    ScoredArchitecture,
    Selection,
    SubSpace,
)
from archselect.selectors.topology import fill_nodes

LEAVE_OUT = (
    "; scores must be finite: to leave an operation out, score all and decide among the "
    "others, search.decide(edge, values, among=[…])"
)
"""Advice that ends the message about a score that is not a finite number."""


class AnswersSearch(Protocol):
    """The part of a task that a search needs.

    Attributes:
        space: the search space.
        rng: generator for random choices.
        queries: the queries made and left; None without a reward.
    """

    space: SearchSpace
    rng: np.random.Generator
    queries: Queries | None

    def query(self, architecture: Architecture) -> float:
        """Return the reward of an architecture, like :meth:`.Task.query`."""
        ...

    def mixture(
        self, decisions: Decisions, alphas: Sequence[Tensor] | None = None
    ) -> Mixture:
        """Return the mixture under some decisions, like :meth:`.Task.mixture`."""
        ...


class Search:
    """The state of one selection: decisions and scores so far, and current mixtures.

    A selector gets one from :meth:`.Task.search`. The module's docstring explains edge,
    step, round and starting over.

    Args:
        task: makes the mixtures, and answers queries.
        operations: scale of the scores of operations and edges; None if the selector
            has no such scores.
        architectures: scale of the scores of whole architectures; None if the selector
            has no such scores.

    Attributes:
        space: the search space.
        decisions: the current decisions, an immutable value.
        alphas: alphas that the mixtures are made from, one (edges, operations) tensor
            per cell type; None means the task's alphas. A selector may set it.
    """

    def __init__(
        self,
        task: AnswersSearch,
        operations: Scale | None = None,
        architectures: Scale | None = None,
    ) -> None:
        self.space = task.space
        self.decisions = task.space.undecided()
        self.alphas: Sequence[Tensor] | None = None
        self._task = task
        self._operations = operations
        self._architectures = architectures
        self._restarts = 0
        self._step = -1
        self._in_step = False
        self._last_scores: dict[Edge, dict[int, float]] = {}
        self._strength: dict[Edge, float] = {}
        self._closings: list[Closing] = []
        self._operation_scores: list[OperationScore] = []
        self._edge_scores: list[EdgeScore] = []
        self._decided_edges: list[Decision] = []
        self._among: list[tuple[int, ...]] = []
        self._architecture_scores: list[ScoredArchitecture] = []

    # --- what is open

    def open_edges(self, cell: int | None = None) -> Iterator[Edge]:
        """Yield the undecided edges in order.

        An edge that is decided while the loop runs is skipped.

        Args:
            cell: index of a cell type, to get only its edges; None for all edges.
        """
        for edge in self.space.open_edges(self.decisions, cell):
            if self._is_open(edge):
                yield edge

    def open_parts(self) -> list[list[Edge]]:
        """Return the open edges that have several operations, by part of the space.

        The parts are :attr:`.SearchSpace.parts`, usually one per cell type. The result
        has no list for a part without such edges.
        """
        parts = []
        for cells in self.space.parts:
            edges: list[Edge] = []
            for cell in cells:
                edges += self.space.open_choices(self.decisions, cell)
            if edges:
                parts.append(edges)
        return parts

    def rounds(self) -> Iterator[list[list[Edge]]]:
        """Yield the open edges by part, round after round, until none is left.

        The loop's body decides one or more of them. Edges with a single operation offer
        no choice and are left out, as in :meth:`open_parts`.

        Raises ValueError if a round decides nothing.
        """
        parts = self.open_parts()
        while parts:
            before = self.decisions
            yield parts
            if self.decisions == before:
                raise ValueError("a round decides no edge: call search.decide")
            parts = self.open_parts()

    def node_rounds(self) -> Iterator[list[list[OverfullNode]]]:
        """Yield the nodes with too many inputs by part, until none is left.

        Edges with a single operation are decided first. The loop's body drops inputs of
        one or more of the nodes. In a space whose nodes keep all inputs there is no
        round.

        Raises ValueError if a round drops nothing.
        """
        self.decisions = self.space.decide_forced_edges(self.decisions)
        nodes = self.space.overfull_nodes(self.decisions)
        while nodes:
            before = self.decisions
            yield self._by_part(nodes)
            if self.decisions == before:
                raise ValueError("a round drops no edge: call search.drop")
            nodes = self.space.overfull_nodes(self.decisions)

    def _by_part(self, nodes: Sequence[OverfullNode]) -> list[list[OverfullNode]]:
        """Return nodes by part of the space, with no list for a part without nodes."""
        parts = []
        for cells in self.space.parts:
            in_part = [node for node in nodes if node.cell in cells]
            if in_part:
                parts.append(in_part)
        return parts

    @property
    def is_finished(self) -> bool:
        """Whether no edge has a choice left and no node has too many inputs."""
        return not self.open_parts() and not self.space.overfull_nodes(self.decisions)

    def live(self, edge: Edge) -> tuple[int, ...]:
        """Return the indices of an edge's live operations, in order.

        An open edge has all operations that are not closed, a decided edge has one, and
        a dropped edge has none.
        """
        return self.decisions.live(edge)

    @property
    def decided_edges(self) -> list[Edge]:
        """Edges decided since the search last started over, in order, each once.

        It leaves out dropped edges and edges with a single operation.
        """
        edges: dict[Edge, None] = {}
        for noted in self._decided_edges:
            if noted.round == self._restarts and noted.choice != DROPPED:
                edge = self.space.edges[noted.cell][noted.edge]
                if len(edge.operations) > 1:
                    edges[edge] = None
        return list(edges)

    def inputs(self, node: OverfullNode) -> list[Edge]:
        """Return the edges into a node that are not dropped, in order."""
        return [edge for edge in node.inputs if self._choice(edge) != DROPPED]

    # --- mixtures

    @property
    def mixture(self) -> Mixture:
        """Current mixture: one (edges, operations) table per cell type.

        An open edge has the activation of its alphas, by default softmax(alpha). A
        decided edge has weight one on its operation, and a dropped edge has zeros.
        """
        return self.mixture_of(self.decisions)

    def mixture_of(self, decisions: Decisions) -> Mixture:
        """Return the mixture of other decisions, with this search's alphas."""
        return self._task.mixture(decisions, self.alphas)

    def weights(self) -> dict[Edge, list[float]]:
        """Return the current mixture's weights by edge, as numbers.

        An open edge has one weight per live operation, in index order. Any other edge
        has one weight per operation. Where edges have weights, too, these are factors.
        """
        mixture = self.mixture
        cells = range(len(self.space.cells))
        tables = [mixture.table(cell).tolist() for cell in cells]
        weights = {}
        for edge in chain.from_iterable(self.space.edges):
            row = tables[edge.cell][edge.index]
            weights[edge] = [row[choice] for choice in self._scored(edge)]
        return weights

    def only(self, edge: Edge) -> list[Mixture]:
        """Return one mixture per live operation, with only that operation on the edge.

        They are in index order. All other edges are as in :attr:`mixture`.
        """
        mixture = self.mixture
        mixtures = []
        for choice in self._scored(edge):
            mixtures.append(mixture.fixed(edge.cell, edge.index, choice))
        return mixtures

    def without(
        self,
        edge: Edge,
        renormalise: bool = False,
    ) -> list[Mixture]:
        """Return one mixture per live operation of an edge, without that operation.

        They are in index order. All other edges are as in :attr:`mixture`.

        Args:
            edge: the edge that loses an operation.
            renormalise: whether the remaining weights are rescaled to sum to one.
        """
        mixture = self.mixture
        mixtures = []
        for choice in self._scored(edge):
            without = mixture.without(edge.cell, edge.index, choice, renormalise)
            mixtures.append(without)
        return mixtures

    # --- scores and decisions

    @contextmanager
    def step(self) -> Iterator[None]:
        """Make one step of all scores and decisions in the block.

        Raises ValueError inside another step.
        """
        if self._in_step:
            raise ValueError("a step within a step: end the first one before the next")
        self._step += 1
        self._in_step = True
        try:
            yield
        finally:
            self._in_step = False

    def score(
        self,
        edge: Edge,
        values: Sequence[float],
    ) -> None:
        """Record the scores of an edge's operations, and decide nothing.

        It begins a new step, unless it is called inside one.

        Args:
            edge: an open edge.
            values: one finite score per live operation, in index order, which is the
                order of :meth:`only` and :meth:`without`.

        Raises:
            ValueError: the edge is decided, the number of values differs from the
                number of live operations, a value is not a finite number, or the search
                has no scale for operations.
        """
        scale = self._scale_of_operations()
        self._require_open(edge)
        live = self.live(edge)
        if len(values) != len(live):
            raise ValueError(
                f"{len(values)} scores for the {len(live)} operations of "
                f"{self._name(edge)}"
            )
        scores = dict(zip(live, values, strict=True))
        for choice, value in scores.items():
            candidate = f"operation {edge.operations[choice]} on {self._name(edge)}"
            _require_finite(value, scale, candidate, LEAVE_OUT)
        self._begin_step()
        for choice, value in scores.items():
            noted = OperationScore(
                round=self._restarts,
                step=self._step,
                cell=edge.cell,
                edge=edge.index,
                choice=choice,
                value=float(value),
            )
            self._operation_scores.append(noted)
        self._last_scores[edge] = scores

    def decide(
        self,
        edge: Edge,
        values: Sequence[float] | None = None,
        *,
        among: Sequence[int] | None = None,
        operation: int | None = None,
    ) -> None:
        """Decide an edge for one of its operations.

        With `values` the operation with the best value is kept. Without them it is the
        operation with the best of the edge's last scores, or the given `operation`.
        Ties go to the lower index.

        Args:
            edge: an open edge.
            values: scores to record first, one per live operation as in :meth:`score`.
            among: indices of the operations to choose from, such as `edge.candidates`;
                None for all. Closed operations are never chosen.
            operation: index of the operation to keep, whatever the scores.

        Raises:
            ValueError: as for :meth:`score`; or `operation` is given together with
                `values` or `among`, `among` is empty, the edge has no such operation,
                that operation or all of `among` are closed, or the edge has no score.
        """
        if operation is not None and (values is not None or among is not None):
            raise ValueError(
                "decide for the best of the values or for an operation, not for both"
            )
        self._require_open(edge)
        self._require_operations(edge, [operation] if among is None else among)
        if among is not None:
            live = self.live(edge)
            among = [choice for choice in among if choice in live]
        if values is not None:
            self.score(edge, values)
        choice = self._best(edge, among) if operation is None else operation
        if edge in self._last_scores:
            score = float(self._last_scores[edge][choice])
            self._strength[edge] = self._scale_of_operations().sign * score
        self._note(edge, choice, among or ())

    def close(self, edge: Edge, operation: int) -> None:
        """Close one operation of an open edge, and record it.

        The supernet no longer computes that operation, and no mixture holds it. If one
        live operation is left, the edge is decided for it. A closing belongs to the
        step before it, like a decision without scores.

        Args:
            edge: an open edge.
            operation: index of a live operation.

        Raises ValueError like :meth:`.Decisions.close`.
        """
        remaining = self.decisions.close(edge, operation)
        closing = Closing(
            round=self._restarts,
            step=max(self._step, 0),
            cell=edge.cell,
            edge=edge.index,
            choice=operation,
        )
        self._closings.append(closing)
        live = remaining.live(edge)
        if len(live) == 1:
            self._note(edge, live[0])
        self.decisions = remaining

    def drop(
        self,
        node: OverfullNode,
        scores: Mapping[Edge, float],
    ) -> None:
        """Drop the input of a node with the worst score; ties drop the later input.

        It begins a new step, unless it is called inside one.

        Args:
            node: a node with more inputs than it keeps.
            scores: for each input, a finite score of the supernet without that input;
                the most important input has the best score.

        Raises:
            ValueError: a score is missing or not finite, or the search has no scale for
                operations.
        """
        scale = self._scale_of_operations()
        inputs = self.inputs(node)
        if set(scores) != set(inputs):
            raise ValueError(
                f"{len(scores)} scores for the {len(inputs)} inputs of node {node.index}"
            )
        for edge in inputs:
            candidate = f"the supernet without {self._name(edge)}"
            _require_finite(scores[edge], scale, candidate)
        self._begin_step()
        for edge in inputs:
            noted = EdgeScore(
                round=self._restarts,
                step=self._step,
                cell=edge.cell,
                node=node.index,
                edge=edge.index,
                value=float(scores[edge]),
            )
            self._edge_scores.append(noted)
        worst = min(reversed(inputs), key=lambda edge: scale.sign * scores[edge])
        self._note(worst, DROPPED)

    def drop_edge(self, edge: Edge) -> None:
        """Drop an edge without a score.

        Args:
            edge: an open edge, or a decided one into a node with too many inputs.
        """
        self._note(edge, DROPPED)

    def keep_strongest(self) -> None:
        """Drop the weaker inputs of every node whose inputs all have scores.

        The strongest inputs stay: those whose operation had the best score when it was
        decided. Ties go to the earlier input. Other nodes keep all inputs for now, for
        example nodes whose inputs have a single operation each.
        """
        self.decisions = self.space.decide_forced_edges(self.decisions)
        for node in self.space.overfull_nodes(self.decisions):
            if self._strength.keys() >= set(node.inputs):
                for edge in self._weakest(node):
                    self._note(edge, DROPPED)

    # --- queries under a budget

    @property
    def queries(self) -> Queries:
        """The queries made so far, and how many are left.

        Raises ValueError if the study gives no reward.
        """
        if self._task.queries is None:
            raise ValueError(NO_REWARD)
        return self._task.queries

    @property
    def pool(self) -> tuple[Architecture, ...] | None:
        """The architectures that have a reward; None if all of the space have one."""
        return self.queries.pool

    def draw(self) -> Architecture:
        """Return a random architecture that can be queried.

        It is drawn uniformly from :attr:`.Queries.listed`: where classes are counted,
        each class is equally likely. In a space too large to be listed,
        :meth:`.SearchSpace.sample` draws it.
        """
        listed = self.queries.listed
        if listed is None:
            return self.space.sample(self._task.rng)
        return listed[int(self._task.rng.integers(len(listed)))]

    def query(self, architecture: Architecture) -> float:
        """Return the reward of an architecture; more is better.

        The first query of an architecture costs one query of the budget. The reward is
        recorded as the score of the architecture whose reward it is: where classes are
        counted, the representative of the class (:class:`.Queries`).

        Raises:
            BudgetSpent: no query is left; :meth:`spending` ends a loop then.
            ValueError: the study gives no reward, this architecture has none, or the
                search scores architectures by something else.
        """
        if self._architectures is None:
            self._architectures = REWARD
        if self._architectures != REWARD:
            raise ValueError(
                f"this search scores architectures by {self._architectures.name!r}: "
                "make another search for queries, with task.search()"
            )
        left = self.queries.left
        reward = self._task.query(architecture)
        if self.queries.left < left:
            asked = self.queries.asked_as(architecture)
            self.score_architecture(asked, reward)
        return reward

    @contextmanager
    def spending(self) -> Iterator[None]:
        """End the block, without an error, at the first query beyond the budget."""
        with suppress(BudgetSpent):
            yield

    # --- rounds and results

    def start_over(self) -> None:
        """Open all edges again.

        Scores and decisions so far stay recorded. The next step is number 0 again.
        """
        self.decisions = self.space.undecided()
        self._restarts += 1
        self._step = -1
        self._last_scores = {}
        self._strength = {}

    def architecture(self) -> Architecture:
        """Return the architecture that the current decisions give.

        Edges with a single operation need no decision. A node that still has too many
        inputs keeps the strongest: those whose operation had the best score when it was
        decided. Ties go to the earlier input. :func:`.fill_nodes` adds inputs to a node
        that has too few.

        Raises:
            ValueError: an edge is undecided, or some inputs of a node have scores and
                others have none.
        """
        self.decisions = self.space.decide_forced_edges(self.decisions)
        for node in self.space.overfull_nodes(self.decisions):
            for edge in self._weakest(node):
                self._note(edge, DROPPED)
        return fill_nodes(self.space, self.decisions).architecture()

    def score_architecture(
        self,
        architecture: Architecture,
        value: float,
    ) -> None:
        """Record the score of a whole architecture.

        Args:
            architecture: an architecture of the space.
            value: its score, on the scale given to `task.search(architectures=…)`.

        Raises ValueError without such a scale, or if the value is not finite.
        """
        if self._architectures is None:
            raise ValueError(
                "scores of architectures need a scale: task.search(architectures=Scale(...))"
            )
        _require_finite(
            value, self._architectures, f"architecture {architecture.choices}"
        )
        self._architecture_scores.append(ScoredArchitecture(architecture, float(value)))

    def best_architecture(self) -> Architecture:
        """Return the architecture with the best score; ties go to the first.

        Raises ValueError if no architecture has a score.
        """
        if self._architectures is None or not self._architecture_scores:
            raise ValueError("no architecture was scored")
        sign = self._architectures.sign
        scored = self._architecture_scores
        best = max(scored, key=lambda candidate: sign * candidate.value)
        return best.architecture

    def selection(
        self,
        architecture: Architecture | None = None,
        uniform: bool = False,
        sub_space: SubSpace | None = None,
    ) -> Selection:
        """Return the selector's result: an architecture, with all scores and decisions.

        Args:
            architecture: the selected architecture; None takes the result of
                :meth:`architecture`, which may raise ValueError.
            uniform, sub_space: as in
                :class:`archselect.selectors.selection.Selection`.
        """
        if architecture is None:
            architecture = self.architecture()
        return Selection(
            architecture=architecture,
            operation_scale=self._operations,
            operation_scores=tuple(self._operation_scores),
            edge_scores=tuple(self._edge_scores),
            decisions=tuple(self._decided_edges),
            among=tuple(self._among),
            architecture_scale=self._architectures,
            architecture_scores=tuple(self._architecture_scores),
            closings=tuple(self._closings),
            sub_space=sub_space,
            uniform=uniform,
        )

    # --- bookkeeping

    def _choice(self, edge: Edge) -> int:
        """Return the index of an edge's operation; OPEN or DROPPED if it has none."""
        return self.decisions.choices[edge.cell][edge.index]

    def _is_open(self, edge: Edge) -> bool:
        return self._choice(edge) == OPEN

    def _scored(self, edge: Edge) -> Sequence[int]:
        """Return the operations that have mixtures and scores.

        They are the live operations of an open edge, and all operations of any other.
        """
        return self.live(edge) if self._is_open(edge) else edge.choices

    def _begin_step(self) -> None:
        """Begin a step, unless one has begun."""
        if not self._in_step:
            self._step += 1

    def _name(self, edge: Edge) -> str:
        """Return the name of an edge in messages."""
        return self.space.edge_in_words(edge)

    def _note(self, edge: Edge, choice: int, among: Sequence[int] = ()) -> None:
        """Decide an edge for an operation, or drop it, and record the decision."""
        noted = Decision(
            round=self._restarts,
            step=max(self._step, 0),
            cell=edge.cell,
            edge=edge.index,
            choice=choice,
        )
        self._decided_edges.append(noted)
        self._among.append(tuple(among))
        self.decisions = self.decisions.decide(edge.cell, edge.index, choice)

    def _best(
        self,
        edge: Edge,
        among: Sequence[int] | None,
    ) -> int:
        """Return the index of an edge's best operation by its last scores."""
        if edge not in self._last_scores:
            raise ValueError(
                f"{self._name(edge)} has no scores to decide it by: give values or an "
                "operation"
            )
        values = self._last_scores[edge]
        sign = self._scale_of_operations().sign
        candidates = self.live(edge) if among is None else among
        return max(candidates, key=lambda choice: sign * values[choice])

    def _weakest(self, node: OverfullNode) -> list[Edge]:
        """Return the inputs that a node cannot keep, the strongest first."""
        unscored = [edge for edge in node.inputs if edge not in self._strength]
        if unscored and len(unscored) < len(node.inputs):
            raise ValueError(
                f"node {node.index} keeps its strongest inputs, but "
                f"{self._name(unscored[0])} has no score"
            )
        strengths = {edge: self._strength.get(edge, 0.0) for edge in node.inputs}
        ranked = sorted(node.inputs, key=lambda edge: -strengths[edge])
        return ranked[node.keeps :]

    def _scale_of_operations(self) -> Scale:
        """Return the scale of operations' scores; raise ValueError if there is none."""
        if self._operations is None:
            raise ValueError(
                "scores need a name: task.search('accuracy without it', better='lower')"
            )
        return self._operations

    def _require_open(self, edge: Edge) -> None:
        """Raise ValueError for an edge that is decided or dropped."""
        if not self._is_open(edge):
            raise ValueError(
                f"{self._name(edge)} is already decided: take one of "
                "search.open_edges()"
            )

    def _require_operations(self, edge: Edge, choices: Sequence[int | None]) -> None:
        """Raise ValueError unless all choices are operations, and one of them is live.

        None stands for the best operation.
        """
        if not choices:
            raise ValueError(
                f"among is empty: name the operations to decide {self._name(edge)} among"
            )
        for choice in choices:
            if choice is not None and choice not in edge.choices:
                raise ValueError(
                    f"{self._name(edge)} has no operation {choice}: it has "
                    f"{len(edge.operations)}"
                )
        named = [choice for choice in choices if choice is not None]
        if named and set(named).isdisjoint(self.live(edge)):
            raise ValueError(
                f"operations {named} of {self._name(edge)} are closed: name a live one"
            )


def _require_finite(
    value: float,
    scale: Scale,
    candidate: str,
    remedy: str = "",
) -> None:
    """Raise ValueError for a score that is not a finite number.

    Args:
        value: the score.
        scale: holds the name of the score.
        candidate: description of the scored candidate.
        remedy: advice for the end of the message.
    """
    score = f"score {scale.name!r} of {candidate}"
    try:
        is_finite = isfinite(value)
    # torch raises RuntimeError for a tensor of several numbers
    except (TypeError, ValueError, RuntimeError):
        what = "None" if value is None else f"of type {type(value).__name__}"
        message = f"{score} is {what}, not a number{remedy}"
        raise ValueError(message) from None
    if not is_finite:
        raise ValueError(f"{score} is not finite: {value}{remedy}")
