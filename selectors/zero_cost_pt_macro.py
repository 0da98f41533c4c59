"""Zero-Cost-PT as in its released code for NAS-Bench-Macro, with that code's faults.

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
    """Repeat two faults of Zero-Cost-PT's released code for NAS-Bench-Macro.

    Each setting stands for one fault. Its default repeats the fault, and its other
    value follows the paper. With both faults switched off, the selector equals
    :class:`.ZeroCostPT`.

    Settings:
        losers: what happens to the other operations of a decided edge. "kept" (released
            code): they keep their weights, and the decided operation gets weight one.
            "removed" (paper): their weights become zero.
        written: the order of the operations in a candidate's text. "drawn" (released
            code): the order in which the edges were decided. The text is then read in
            the order of the layers, so it names another network. "placed" (paper): the
            order of the layers. If edges have different operations, or nodes drop
            inputs, "drawn" works like "placed".
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
        """Return the candidate architecture, with its operations in the set order."""
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
