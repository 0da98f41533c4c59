"""NAS-Bench-201 (Dong and Yang, ICLR 2020): one cell of four nodes and six edges.

Each edge has one of five operations, which makes 15,625 cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import ClassVar

from archselect.nasbench_adapters.space import (
    Architecture,
    Cell,
    Layer,
    SearchSpace,
    Skeleton,
    skeleton_settings,
)
from archselect.nasbench_adapters.spaces.cell_text import format_cell, parse_cell

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
ZERO = "#"
"""The sign for a zero in the text that represents a node's function."""
REDUCTIONS = ("residual", "pool")


class NasBench201(SearchSpace):
    """The space, with the benchmark's text form and macro skeleton.

    The text of a cell is `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.
    """

    name = "nb201"
    summary = (
        "NAS-Bench-201: 1 cell, 6 edges, 5 operations, 15,625 cells in 6,466 classes"
    )
    formulation = 1
    whole_tables = True
    skeleton_defaults: ClassVar[Mapping[str, object]] = {
        "channels": 16,
        "cells": 5,
        "reduction": "residual",
    }
    yardsticks: ClassVar[Mapping[str, str]] = {
        "3x3 everywhere, skip on (0,3)": (
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
            "|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
        )
    }
    cells = (
        Cell(
            name="cell",
            inputs=1,
            nodes=4,
            edges=EDGES,
            operations=(OPERATIONS,) * len(EDGES),
            output=(3,),
        ),
    )

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a text in the form of NAS-Bench-201's files.

        Surrounding blanks are allowed. Raises UserError, which shows the place, if the
        text is malformed.
        """
        return parse_cell(text, self.cells[0], "NAS-Bench-201")

    def format(self, architecture: Architecture) -> str:
        """Return the text of an architecture.

        Raises ValueError unless all six edges have an operation.
        """
        (choices,) = architecture.choices
        decided = [choice in range(len(OPERATIONS)) for choice in choices]
        if len(choices) != len(EDGES) or not all(decided):
            raise ValueError("a NAS-Bench-201 cell needs an operation on all six edges")
        return format_cell(choices, self.cells[0])

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the first cell, by operation indices, of the benchmark's class.

        There are 6,466 classes of equal cells. The rule is that of NAS-Bench-201 (its
        section on isomorphic cells), so the classes are those of the published files: a
        `none` edge is a zero, a `skip_connect` edge is its source, and the terms of a
        node are sorted as text. Some cells of equal function are in different classes,
        because the rule keeps zeros as terms and does not simplify nested sums. There
        are 4,930 distinct functions.
        """
        return _representatives()[architecture.choices[0]]

    def skeleton(self, **settings: object) -> Skeleton:
        """Return the macro skeleton: three stages of `cells` cells.

        The stages have 1, 2 and 4 times `channels` channels. A block between two stages
        halves the image.

        Settings:
            channels: channels of the first stage (16 in the benchmark).
            cells: number of cells per stage (5 in the benchmark).
            reduction: block between stages: "residual" (as in the benchmark, two 3x3
                convolutions) or "pool" (average pooling and a 1x1 convolution; for tiny
                networks, in which the cells would matter little beside a residual
                block).
        """
        chosen = skeleton_settings(self.name, settings, self.skeleton_defaults)
        channels = chosen.number("channels")
        cells = chosen.number("cells")
        reduction = chosen.word("reduction", REDUCTIONS, f"reduction of {self.name}")
        layers: list[Layer] = []
        for stage in range(3):
            width = channels * 2**stage
            if stage:
                layers.append(Layer(f"{reduction}_reduction", width, stride=2))
            layers += [Layer("cell", width)] * cells
        return Skeleton(channels, tuple(layers), head="rectified")


@cache
def _text(node: int, choices: tuple[int, ...]) -> str:
    """Return the sorted sum by which NAS-Bench-201 compares nodes.

    Args:
        node: index of the node.
        choices: choices on all edges into this node and the nodes before it.
    """
    if node == 0:
        return "0"
    # Edges are sorted by target, then by source. Node n has n incoming edges.
    first = node * (node - 1) // 2
    terms = [_terms(source, choices) for source in range(node)]
    return _sum_of(terms, choices[first:])


def _sum_of(
    terms: Sequence[Sequence[str]],
    choices: Sequence[int],
) -> str:
    """Return the sorted sum of the terms of the edges into a node.

    Args:
        terms: for each edge, its term with each operation.
        choices: index of each edge's operation.
    """
    added = []
    for edge_terms, choice in zip(terms, choices, strict=True):
        added.append(edge_terms[choice])
    added.sort()
    return "+".join(added)


def _terms(
    source: int,
    choices: tuple[int, ...],
) -> list[str]:
    """Return the term of an edge from a node, with each operation."""
    edges_before = source * (source + 1) // 2
    text = _text(source, choices[:edges_before])
    if text == ZERO:
        return [ZERO] * len(OPERATIONS)
    special = {"none": ZERO, "skip_connect": text}
    return [special.get(name, f"({text})@{name}") for name in OPERATIONS]


@cache
def _representatives() -> dict[tuple[int | None, ...], Architecture]:
    """Return the representative of every cell."""
    first_of: dict[str, Architecture] = {}
    representatives: dict[tuple[int | None, ...], Architecture] = {}
    choices = range(len(OPERATIONS))
    into_last = 3
    for before in product(choices, repeat=len(EDGES) - into_last):
        terms = [_terms(source, before) for source in range(into_last)]
        for last in product(choices, repeat=into_last):
            cell = before + last
            text = _sum_of(terms, last)
            if text not in first_of:
                first_of[text] = Architecture((cell,))
            representatives[cell] = first_of[text]
    return representatives
