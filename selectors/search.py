"""`Search`: the state of one selection, and all that a selector's author has to learn.

It knows which edges are decided, builds the mixtures to score, and notes scores and
decisions for the record::

    search = task.search("loss with it alone", better="lower")
    for edge in search.open_edges():
        losses = [task.evaluate(mixture).loss for mixture in search.only(edge)]
        search.decide(edge, losses)
    return search.selection()

Five words have one meaning each:

* An **edge** (:class:`archselect.nasbench_adapters.space.Edge`) is open until the
  search decides it for one of its operations, or drops it. Selectors never take edges
  apart; they hand them back. Its operations are **live** until the search closes them
  (:meth:`Search.close`); mixtures and scores are of the live ones.
* A **step** is one scoring, of one edge or of several, and the decisions that follow
  from it. :meth:`Search.score`, :meth:`Search.decide` with values, and
  :meth:`Search.drop` each begin a step by themselves. What belongs together goes into
  ``with search.step():``. A decision without scores belongs to the step before it.
* In a **round** of :meth:`Search.rounds` a selector decides one or more of the open
  edges, usually one of every part of the space; in one of :meth:`Search.node_rounds`
  it drops inputs of nodes that have too many.
* A **query** (:meth:`Search.query`) asks for the reward of a whole architecture, and
  costs one of a budget.
* To **start over** (:meth:`Search.start_over`) is to open all edges again. Only a
  method that proposes several candidates does so. Steps are counted from 0 each time,
  and the column `round` of a record says how often the search started over before.
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
"""The remedy for a score of an operation that is no finite number."""


class AnswersSearch(Protocol):
    """The part of a task that a search needs.

    Attributes:
        space: in which it searches.
        rng: for choices.
        queries: the account of the queries; None without a reward.
    """

    space: SearchSpace
    rng: np.random.Generator
    queries: Queries | None

    def query(self, architecture: Architecture) -> float:
        """See :meth:`archselect.selectors.base.Task.query`."""
        ...

    def mixture(
        self, decisions: Decisions, alphas: Sequence[Tensor] | None = None
    ) -> Mixture:
        """See :meth:`archselect.selectors.base.Task.mixture`."""
        ...


class Search:
    """What is decided so far, what has been scored, and the mixtures that follow.

    A selector gets one from :meth:`.Task.search`. The module's docstring explains edge,
    step, round and starting over.

    Args:
        task: makes the mixtures, and answers queries.
        operations: scale of the scores of operations and edges; None where the selector
            has none.
        architectures: scale of the scores of whole architectures; None where the
            selector has none.

    Attributes:
        space: in which it searches.
        decisions: which edges are decided at present; an immutable value.
        alphas: of which mixtures are made, one (edges, operations) tensor per cell
            type; None stands for the task's. A selector may set it.
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
            cell: index of a cell type, whose edges alone are wanted; None for all.
        """
        for edge in self.space.open_edges(self.decisions, cell):
            if self._is_open(edge):
                yield edge

    def open_parts(self) -> list[list[Edge]]:
        """Return the open edges that have several operations, by part of the space.

        The parts are :attr:`.SearchSpace.parts`, usually one per cell type. A part
        without such an edge has no list.
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

        The loop's body decides one or more of them. Edges of one operation are no
        choice and are left out: see :meth:`open_parts`.

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
        """Yield the nodes with too many inputs by part, until there are none.

        Edges of one operation are decided first. The loop's body drops inputs of one or
        more of the nodes. In a space whose nodes keep all inputs there is no round.

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
        """Return nodes by part of the space; a part without one has no list."""
        parts = []
        for cells in self.space.parts:
            in_part = [node for node in nodes if node.cell in cells]
            if in_part:
                parts.append(in_part)
        return parts

    @property
    def is_finished(self) -> bool:
        """Whether no edge has a choice left, and no node too many inputs."""
        return not self.open_parts() and not self.space.overfull_nodes(self.decisions)

    def live(self, edge: Edge) -> tuple[int, ...]:
        """Return the indices of an edge's live operations, in order.

        They are all but the closed ones of an open edge, the one of a decided edge, and
        none of a dropped one.
        """
        return self.decisions.live(edge)

    @property
    def decided_edges(self) -> list[Edge]:
        """Edges decided since the search last started over, in order; none twice.

        Dropped edges and those of one operation are not among them.
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
        """Present mixture: one (edges, operations) table per cell type.

        It is the activation of the alphas, softmax(alpha) if the recipe says nothing
        else, on open edges, one operation with weight one on decided edges, and zero on
        dropped ones.
        """
        return self.mixture_of(self.decisions)

    def mixture_of(self, decisions: Decisions) -> Mixture:
        """Return the mixture of other decisions, with this search's alphas."""
        return self._task.mixture(decisions, self.alphas)

    def weights(self) -> dict[Edge, list[float]]:
        """Return the present mixture's weights by edge, as numbers.

        An open edge has one per live operation, in index order, and any other edge one
        per operation.
        """
        tables = [table.tolist() for table in self.mixture.weights]
        weights = {}
        for edge in chain.from_iterable(self.space.edges):
            row = tables[edge.cell][edge.index]
            weights[edge] = [row[choice] for choice in self._scored(edge)]
        return weights

    def only(self, edge: Edge) -> list[Mixture]:
        """Return one mixture per live operation of an edge, which carries it alone.

        They are in index order; all other edges are as in :attr:`mixture`.
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
        """Return one mixture per live operation of an edge, in which it lacks that one.

        They are in index order; all other edges are as in :attr:`mixture`.

        Args:
            edge: that loses an operation.
            renormalise: whether the weights that are left are rescaled to sum to one.
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
        """Make one step of all that is scored and decided within it.

        Raises ValueError within another step.
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
        """Note the scores of an edge's operations, and decide nothing.

        It begins a step, unless it is called within one.

        Args:
            edge: an open edge.
            values: one per live operation, in index order, which is that of
                :meth:`only` and :meth:`without`; all of them finite.

        Raises:
            ValueError: the edge is decided, the number of values is not that of its
                live operations, one of them is no finite number, or the search has no
                scale of operations.
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

        It is the one with the best of `values`; without `values`, the one with the best
        of the edge's last scores; or the given `operation`. Ties go to the lower index.

        Args:
            edge: an open edge.
            values: scores to note first, as :meth:`score` takes them.
            among: indices of the operations of which the best is taken, such as
                `edge.candidates`; None for all. All live operations have scores all
                the same, and closed ones are not taken.
            operation: index of the operation to keep, whatever the scores.

        Raises:
            ValueError: as :meth:`score`; or `operation` is given beside `values` or
                `among`, `among` is empty, the edge has no such operation, it or all of
                `among` are closed, or there is no score to decide the edge by.
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
        """Close one operation of an open edge, and note that.

        The supernet no longer computes it, and no mixture has it. An edge with one live
        operation left is decided for it. It belongs to the step before it, as a
        decision without scores does.

        Args:
            edge: an open edge.
            operation: index of a live operation.

        Raises ValueError as :meth:`.Decisions.close`.
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
        """Drop the input of a node that has the worst score, the later one of equals.

        It begins a step, unless it is called within one.

        Args:
            node: with more inputs than it keeps.
            scores: by input, of the supernet without that input; an edge that matters
                has the best score. All of them finite.

        Raises:
            ValueError: a score is missing or not finite, or the search has no scale of
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
        """Drop an edge that needs no score of its own.

        Args:
            edge: an open edge, or a decided one into a node with too many inputs.
        """
        self._note(edge, DROPPED)

    def keep_strongest(self) -> None:
        """Drop the weaker inputs of every node whose inputs all have scores.

        The strongest stay: those whose operation had the best score when it was
        decided, the earlier ones of equals. Other nodes, such as those whose inputs
        have one operation each, keep all inputs for now.
        """
        self.decisions = self.space.decide_forced_edges(self.decisions)
        for node in self.space.overfull_nodes(self.decisions):
            if self._strength.keys() >= set(node.inputs):
                for edge in self._weakest(node):
                    self._note(edge, DROPPED)

    # --- queries under a budget

    @property
    def queries(self) -> Queries:
        """Account of the queries: what was asked, and how many are left.

        Raises ValueError where the study gives no reward.
        """
        if self._task.queries is None:
            raise ValueError(NO_REWARD)
        return self._task.queries

    @property
    def pool(self) -> tuple[Architecture, ...] | None:
        """Only architectures that have a reward; None where all of the space have."""
        return self.queries.pool

    def draw(self) -> Architecture:
        """Return an architecture that can be queried, drawn at random.

        Each that costs a query of its own (:attr:`.Queries.listed`: one per class where
        classes are counted) is as likely as the others. Of a space too large to be
        listed it is drawn as the space draws one.
        """
        listed = self.queries.listed
        if listed is None:
            return self.space.sample(self._task.rng)
        return listed[int(self._task.rng.integers(len(listed)))]

    def query(self, architecture: Architecture) -> float:
        """Return the reward of an architecture; more is better.

        The first query of an architecture costs one of the budget, and its reward is
        noted as the score of the architecture that answers: see :class:`.Queries`.

        Raises:
            BudgetSpent: no query is left; see :meth:`spending`.
            ValueError: the study gives no reward, or none to this architecture; or the
                search has another scale of architectures.
        """
        if self._architectures is None:
            self._architectures = REWARD
        if self._architectures != REWARD:
            raise ValueError(
                f"architectures are scored by {self._architectures.name!r}: queries need "
                "a search of their own, task.search()"
            )
        left = self.queries.left
        reward = self._task.query(architecture)
        if self.queries.left < left:
            asked = self.queries.asked_as(architecture)
            self.score_architecture(asked, reward)
        return reward

    @contextmanager
    def spending(self) -> Iterator[None]:
        """End the block, quietly, at the query for which no budget is left."""
        with suppress(BudgetSpent):
            yield

    # --- rounds and results

    def start_over(self) -> None:
        """Open all edges again.

        Scores and decisions so far stay noted. The next step is number 0 again.
        """
        self.decisions = self.space.undecided()
        self._restarts += 1
        self._step = -1
        self._last_scores = {}
        self._strength = {}

    def architecture(self) -> Architecture:
        """Return the architecture decided on since the search last started over.

        Edges of one operation need no decision. A node that still has too many inputs
        keeps the strongest: those whose operation had the best score when it was
        decided, the earlier ones of equals. A node that is left with fewer inputs than
        it keeps is filled up: see :func:`.fill_nodes`.

        Raises:
            ValueError: an edge is undecided, or some inputs of a node were decided by
                scores and others without.
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
        """Note the score of a whole architecture.

        Args:
            architecture: of the space.
            value: on the scale that `task.search(architectures=…)` named.

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
        """Return the best architecture scored; ties go to the first.

        Raises ValueError if there is none.
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
        """Return what the selector returns: an architecture, and all that was noted.

        Args:
            architecture: the one selected; None for that of :meth:`architecture`,
                which may raise ValueError.
            uniform, sub_space: see
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
        """Return the index of an edge's operation, OPEN or DROPPED."""
        return self.decisions.choices[edge.cell][edge.index]

    def _is_open(self, edge: Edge) -> bool:
        return self._choice(edge) == OPEN

    def _scored(self, edge: Edge) -> Sequence[int]:
        """Return the operations that have mixtures and scores.

        They are the live ones of an open edge, and all of any other.
        """
        return self.live(edge) if self._is_open(edge) else edge.choices

    def _begin_step(self) -> None:
        """Begin a step, unless one is under way."""
        if not self._in_step:
            self._step += 1

    def _name(self, edge: Edge) -> str:
        """Return an edge as messages name it."""
        return self.space.edge_in_words(edge)

    def _note(self, edge: Edge, choice: int, among: Sequence[int] = ()) -> None:
        """Decide an edge for an operation, or drop it, and note that."""
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
        """Return the inputs that a node cannot keep, the strongest of them first."""
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
        """Return the scale of operations' scores; raise ValueError without one."""
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
        """Raise ValueError unless there are indices, all of them of operations.

        None is no index, but stands for the best operation.
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
            raise ValueError(f"{self._name(edge)} has lost {named}: they are closed")


def _require_finite(
    value: float,
    scale: Scale,
    candidate: str,
    remedy: str = "",
) -> None:
    """Raise ValueError for a score that is no finite number: a failure must surface.

    Args:
        value: the score.
        scale: its name.
        candidate: what it is of, in words.
        remedy: what to do about it, put at the end of the message.
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
