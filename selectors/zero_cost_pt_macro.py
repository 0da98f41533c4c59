"""Zero-Cost-PT as its released code searches NAS-Bench-Macro, with that code's faults.

Xiang et al., AAAI 2023, released code (nasbench_macro/network_proposal.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.space import Architecture, Edge, SearchSpace
from archselect.selectors.search import Search
from archselect.selectors.zero_cost_pt import ZeroCostPT


class ZeroCostPTMacro(ZeroCostPT):
    """Zero-Cost-PT with what the released code for NAS-Bench-Macro does otherwise.

    The paper decides a layer for one operation and names it where it is. Each setting
    has the fault as its default, and can be set right by itself. With all set right it
    is :class:`.ZeroCostPT`. That nwot counts zeros for a silenced block is part of
    nwot, here and there.

    Settings:
        losers: what a decided edge does with the operations that lost: "kept" (released
            code) leaves them their weight beside a weight of one on the winner;
            "removed" (the paper).
        written: in which order the operations of a candidate are written down: "drawn"
            (released code), in the order in which edges were decided, though the text
            is then read in the order of the layers, so that it names another network;
            "placed" (the paper). Where edges allow other operations than one another,
            or nodes drop inputs, both are "placed".
    """

    name: ClassVar[str] = "zero-cost-pt-macro"
    summary: ClassVar[str] = (
        "zero-cost-pt with two faults of its released code for NAS-Bench-Macro"
    )
    paper: ClassVar[str] = "Xiang et al., Zero-Cost-PT, AAAI 2023, arXiv 2106.06799"
    formulation: ClassVar[int] = 1
    small: ClassVar[Mapping[str, object]] = {"iterations": 2}

    losers: Literal["kept", "removed"] = "kept"
    written: Literal["drawn", "placed"] = "drawn"

    def _without(self, search: Search, edge: Edge) -> list[Mixture]:
        """Return one mixture per live operation of an edge, without that one."""
        if self.losers == "removed":
            return super()._without(search, edge)
        mixture = search.mixture_of(search.space.undecided())
        for decided in search.decided_edges:
            for winner in search.live(decided):
                mixture = mixture.raised(decided.cell, decided.index, winner)
        mixtures = []
        for choice in search.live(edge):
            mixtures.append(mixture.without(edge.cell, edge.index, choice))
        return mixtures

    def _candidate(self, search: Search) -> Architecture:
        """Return the architecture decided on, as it is written down."""
        placed = search.architecture()
        if self.written == "placed" or not _has_like_edges(search.space):
            return placed
        drawn = []
        for edge in search.decided_edges:
            drawn.append(placed.choices[edge.cell][edge.index])
        rows = []
        for row in placed.choices:
            rows.append(tuple(drawn[: len(row)]))
            del drawn[: len(row)]
        return Architecture(tuple(rows))


def _has_like_edges(space: SearchSpace) -> bool:
    """Return whether all edges allow the same operations, and nodes keep all inputs."""
    operations = {names for cell in space.cells for names in cell.operations}
    keeps_all = all(
        cell.kept_inputs(node) is None
        for cell in space.cells
        for node in cell.summing_nodes
    )
    return len(operations) == 1 and keeps_all
