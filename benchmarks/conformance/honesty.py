"""Check that the reported scores of a selection are those that decided it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import chain, repeat
from typing import Any, NamedTuple

from archselect.benchmarks.conformance.faults import (
    EdgeOfRound,
    Faults,
    edge_name,
    edge_of,
    has_edge,
    target_of,
)
from archselect.nasbench_adapters.space import DROPPED, SearchSpace
from archselect.selectors.selection import Closing, Decision, Scale, Selection

Choose = Callable[..., Any]
"""`min` or `max`."""


class ScoresOfEdge(NamedTuple):
    """The scores of an edge's operations at one step."""

    edge: EdgeOfRound
    step: int


class NodeAtStep(NamedTuple):
    """A node at one step of a search."""

    round: int
    step: int
    cell: int
    node: int


def dishonest_decisions(space: SearchSpace, selection: Selection) -> Faults:
    """Yield decisions for an operation that is not the best by the edge's last scores.

    It may be the best of all scored operations, of those that an architecture may have,
    or of those that the selector compared.
    """
    scale = selection.operation_scale
    if scale is None:
        if selection.operation_scores or selection.edge_scores:
            yield "it reports scores without a scale: call task.search(name, better=...)"
        return
    best = _best(scale)
    scores = _scores_by_edge(selection)
    # A selection made by hand may not say what was compared.
    compared = chain(selection.among, repeat(()))
    for decision, among in zip(selection.decisions, compared, strict=False):
        if decision.choice == DROPPED or not has_edge(space, decision):
            continue
        values = _last_scores(scores.get(edge_of(decision), {}), decision.step)
        if not values:
            continue
        winner = best(values, key=values.__getitem__)
        score = values.get(decision.choice)
        winning = [values[winner]]
        candidates = space.cells[decision.cell].candidates(decision.edge)
        for choices in (candidates, among):
            compared_scores = [values[choice] for choice in choices if choice in values]
            if compared_scores:
                winning.append(best(compared_scores))
        if score not in winning:
            yield (
                f"{_step_name(decision)}: it decides {edge_name(space, decision)} for operation {decision.choice} "
                f"with {scale.name!r} {_short(score)}, but {scale.better} is declared better, and "
                f"{winner} has {_short(values[winner])}: declare the right direction"
            )


def dishonest_drops(space: SearchSpace, selection: Selection) -> Faults:
    """Yield dropped edges whose score is not the worst of their node's edges."""
    scale = selection.operation_scale
    if scale is None:
        return
    worst = _worst(scale)
    scores = _scores_by_node(selection)
    for decision in selection.decisions:
        if decision.choice != DROPPED or not has_edge(space, decision):
            continue
        node = target_of(space, decision)
        key = NodeAtStep(decision.round, decision.step, decision.cell, node)
        if not scores.get(key):
            continue
        values = scores[key].pop(0)
        score = values.get(decision.edge)
        worst_score = worst(values.values())
        if score != worst_score:
            yield (
                f"{_step_name(decision)}: it drops {edge_name(space, decision)} with {scale.name!r} "
                f"{_short(score)}, but {scale.better} is declared better, and "
                f"{_short(worst_score)} is the worst: drop edges with `search.drop(node, scores)`"
            )


def dishonest_closings(space: SearchSpace, selection: Selection) -> Faults:
    """Yield closings of an operation that is better than one that was left.

    Operations that are closed by the same scores of an edge may be closed in any order.
    They are compared with the operations that an architecture may have. An edge without
    scores before a closing was closed by something else, such as rewards.
    """
    scale = selection.operation_scale
    if scale is None:
        return
    scores = _scores_by_edge(selection)
    left: dict[ScoresOfEdge, dict[int, float]] = {}
    closed: list[tuple[Closing, ScoresOfEdge, float]] = []
    for closing in selection.closings:
        edge = edge_of(closing)
        steps = [step for step in scores.get(edge, {}) if step <= closing.step]
        if not steps or not has_edge(space, closing):
            continue
        key = ScoresOfEdge(edge, max(steps))
        if key not in left:
            candidates = space.cells[edge.cell].candidates(edge.edge)
            values = scores[edge][key.step]
            left[key] = {
                choice: values[choice] for choice in candidates if choice in values
            }
        if closing.choice in left[key]:
            closed.append((closing, key, left[key].pop(closing.choice)))
    for closing, key, value in closed:
        if not left[key]:
            continue
        worst = _worst(scale)(left[key], key=left[key].__getitem__)
        if scale.sign * value > scale.sign * left[key][worst]:
            yield (
                f"{_step_name(closing)}: it closes operation {closing.choice} of {edge_name(space, closing)} "
                f"with {scale.name!r} {_short(value)}, but {scale.better} is declared better, and {worst} with "
                f"{_short(left[key][worst])} is left: close the worst, or declare the right direction"
            )


def dishonest_selection(selection: Selection) -> Faults:
    """Yield a selected architecture that is not the best of the scored ones.

    If operations were closed, the selection consists of what was left, so that none of
    the scored architectures need be in it. :func:`dishonest_closings` checks the
    closings, and :func:`.closing_faults` the selection.
    """
    if not selection.architecture_scores or selection.closings:
        return
    scale = selection.architecture_scale
    if scale is None:
        yield "it reports scores of architectures without a scale: call task.search(architectures=Scale(name, better))"
        return
    best = _best(scale)
    of_selected = [
        value
        for architecture, value in selection.architecture_scores
        if architecture == selection.architecture
    ]
    score = best(of_selected) if of_selected else None
    best_score = best(value for _, value in selection.architecture_scores)
    if score != best_score:
        yield (
            f"it selects an architecture with {scale.name!r} {_short(score)}, but {scale.better} "
            f"is declared better, and another one has {_short(best_score)}: select `search.best_architecture()`"
        )


def _best(scale: Scale) -> Choose:
    return max if scale.better == "higher" else min


def _worst(scale: Scale) -> Choose:
    return min if scale.better == "higher" else max


def _scores_by_edge(
    selection: Selection,
) -> dict[EdgeOfRound, dict[int, dict[int, float]]]:
    """Return the scores of operations, by edge, step and operation."""
    scores: dict[EdgeOfRound, dict[int, dict[int, float]]] = {}
    for score in selection.operation_scores:
        steps = scores.setdefault(edge_of(score), {})
        values = steps.setdefault(score.step, {})
        values[score.choice] = score.value
    return scores


def _last_scores(steps: dict[int, dict[int, float]], until: int) -> dict[int, float]:
    """Return the scores of the last step up to a decision; empty if there are none."""
    earlier = [step for step in steps if step <= until]
    return steps[max(earlier)] if earlier else {}


def _scores_by_node(selection: Selection) -> dict[NodeAtStep, list[dict[int, float]]]:
    """Return the scores of edges, by node, pass over its edges, and edge.

    A pass ends when an edge is repeated: a selector that drops several edges of a node
    scores the remaining edges after each drop.
    """
    scores: dict[NodeAtStep, list[dict[int, float]]] = defaultdict(lambda: [{}])
    for score in selection.edge_scores:
        key = NodeAtStep(score.round, score.step, score.cell, score.node)
        passes = scores[key]
        if score.edge in passes[-1]:
            passes.append({})
        passes[-1][score.edge] = score.value
    return scores


def _step_name(entry: Closing | Decision) -> str:
    return f"round {entry.round}, step {entry.step}"


def _short(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.5g}"
