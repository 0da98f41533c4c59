"""Discretisation policies: which operations and inputs to keep, given the scores.

DARTS compares the best operation of each input of a node and keeps the inputs where it
has the largest weights; :meth:`.search.Search.architecture` does this. This file has
the other rules. They work in every space, but where nodes keep all inputs only the
limit of skips has an effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from archselect.nasbench_adapters.networks.discrete import strongest
from archselect.nasbench_adapters.space import Edge, SearchSpace
from archselect.selectors.base import Task
from archselect.selectors.search import Search

MostSkips = Literal["all"] | Annotated[int, Field(ge=0)]
"""Number of skips that a cell may have at most."""
SKIP = "skip_connect"
LIMITED_CELL = 0
"""Index of the cell type whose skips are limited: the normal cell in DARTS spaces."""


def joint_weights(
    space: SearchSpace,
    alphas: Sequence[Tensor],
) -> dict[Edge, list[float]]:
    """Return, per node, one softmax of the alphas of all operations that enter it.

    Zhang et al., LHD, ICML 2023, train with it and keep the strongest pairs of input
    and operation (released code, `gen_trans.py`). Their code can keep one input twice,
    with two operations; architectures here cannot.

    Args:
        space: the search space.
        alphas: one (edges, operations) tensor per cell type.

    Returns:
        for each edge, one weight per operation, in index order.
    """
    weights = {}
    for cell, edges, table in zip(space.cells, space.edges, alphas, strict=True):
        rows = table.detach().double().cpu()
        for node in cell.summing_nodes:
            incoming = [edges[index] for index in cell.incoming(node)]
            sizes = [len(edge.operations) for edge in incoming]
            entries = [rows[edge.index, : len(edge.operations)] for edge in incoming]
            shares = torch.cat(entries).softmax(0).split(sizes)
            for edge, share in zip(incoming, shares, strict=True):
                weights[edge] = share.tolist()
    return weights


def limit_skips(
    space: SearchSpace,
    weights: Mapping[Edge, Sequence[float]],
    most: MostSkips,
) -> dict[Edge, list[int]]:
    """Return, for each edge, the operations to choose from under a limit of skips.

    Chen et al., P-DARTS, ICCV 2019: while the normal cell has too many skips, remove
    the skip with the smallest weight and select the cell again. An edge without other
    operations keeps its skip.

    Args:
        space: the search space.
        weights: for each edge, one weight per operation, in index order.
        most: number of skips that the first cell type may keep.
    """
    candidates = {edge: list(edge.candidates) for edge in weights}
    if most == "all":
        return candidates
    while True:
        skips = _kept_skips(space, weights, candidates)
        removable = [edge for edge in skips if len(candidates[edge]) > 1]
        if len(skips) <= most or not removable:
            return candidates
        weakest = min(removable, key=lambda edge: weights[edge][_skip_of(edge)])
        candidates[weakest].remove(_skip_of(weakest))


def _kept_skips(
    space: SearchSpace,
    weights: Mapping[Edge, Sequence[float]],
    candidates: Mapping[Edge, Sequence[int]],
) -> list[Edge]:
    """Return the edges of the limited cell type that keep a skip, in order."""
    tables = []
    for edges in space.edges:
        columns = max(len(edge.operations) for edge in edges)
        table = torch.full((len(edges), columns), -torch.inf, dtype=torch.float64)
        for edge in edges:
            for choice in candidates[edge]:
                table[edge.index, choice] = weights[edge][choice]
        tables.append(table)
    kept = strongest(space, tables)[LIMITED_CELL]
    skips = []
    for edge in space.edges[LIMITED_CELL]:
        if SKIP in edge.operations and kept[edge.index, _skip_of(edge)]:
            skips.append(edge)
    return skips


def _skip_of(edge: Edge) -> int:
    """Return the index of an edge's skip."""
    return edge.operations.index(SKIP)


def drop_at_random(task: Task, search: Search) -> None:
    """Drop random inputs until every node has as many as it keeps.

    This is a control: the scores do not decide which inputs stay.
    """
    for parts in search.node_rounds():
        for node in chain.from_iterable(parts):
            search.drop_edge(task.pick(search.inputs(node)))
