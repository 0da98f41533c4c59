"""Discretisation policies: which operations and inputs are kept, given the scores.

DARTS keeps the inputs of a node whose best operations weigh most, each weighed on its
own edge; this is what :meth:`.search.Search.architecture` does. Other rules are here.
They work in every space; where nodes keep all their inputs, only the limit of skips
tells.
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
"""How many skips a cell may have."""
SKIP = "skip_connect"
LIMITED_CELL = 0
"""The cell type whose skips are limited: in the DARTS spaces the normal one."""


def joint_weights(
    space: SearchSpace,
    alphas: Sequence[Tensor],
) -> dict[Edge, list[float]]:
    """Return one softmax of the alphas over all operations that enter a node.

    Zhang et al., LHD, ICML 2023, train with it and keep the strongest pairs of input
    and operation (released code, `gen_trans.py`). There one input may be kept twice,
    with two operations, which no architecture here has.

    Args:
        space: of the alphas.
        alphas: one (edges, operations) tensor per cell type.

    Returns:
        by edge, one weight per operation, in index order.
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
    """Return the operations among which each edge may be decided.

    Chen et al., P-DARTS, ICCV 2019: while the normal cell keeps more skips than it may,
    the weakest of them is removed and the cell is read again. An edge that has
    nothing else keeps its skip.

    Args:
        space: of the edges.
        weights: by edge, one per operation, in index order.
        most: skips that the first cell type may keep.
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
    """Drop inputs at random until every node has as many as it keeps.

    It is a control: no score says which inputs stay.
    """
    for parts in search.node_rounds():
        for node in chain.from_iterable(parts):
            search.drop_edge(task.pick(search.inputs(node)))
