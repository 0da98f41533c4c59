"""NAS-Bench-201 (Dong and Yang, ICLR 2020): one cell of four nodes, six edges, five operations, 15,625 cells."""

from __future__ import annotations

from functools import cache
from itertools import product

from archselect.nasbench_adapters.errors import unknown
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
REDUCTIONS = ("residual", "pool")


class NasBench201(SearchSpace):
    """The space, its text form `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|` and its macro skeleton."""

    name = "nb201"
    summary = "NAS-Bench-201: 1 cell, 6 edges, 5 operations, 15,625 cells in 6,466 classes"
    formulation = 1
    whole_tables = True
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
        """See :meth:`SearchSpace.parse`. Accepts the string of the NAS-Bench-201 files, surrounding blanks allowed."""
        return parse_cell(text, self.cells[0], "NAS-Bench-201")

    def format(self, architecture: Architecture) -> str:
        """See :meth:`SearchSpace.format`. Raises ValueError unless all six edges carry an operation."""
        (choices,) = architecture.choices
        if len(choices) != len(EDGES) or any(choice not in range(len(OPERATIONS)) for choice in choices):
            raise ValueError("a NAS-Bench-201 cell decides all six edges")
        return format_cell(choices, self.cells[0])

    def canonical(self, architecture: Architecture) -> Architecture:
        """The least cell (by operation indices) of the benchmark's class of equal cells: 6,466 classes.

        The rule is NAS-Bench-201's own (its section on isomorphic cells): a `none` edge is a zero, a
        `skip_connect` edge is its source, the terms of a node are sorted as text. Keeping to it makes the classes
        those of the published files. It is a little finer than equality of functions, because it keeps zeros as
        terms and does not regroup nested sums: by exact reckoning there are 4,930 distinct functions.
        """
        return _representatives()[architecture.choices[0]]

    def skeleton(self, **settings: object) -> Skeleton:
        """The macro skeleton: three stages of `cells` cells at `channels`, 2x and 4x, each halving the image.

        Settings:
            channels: of the first stage (the benchmark's networks: 16).
            cells: per stage (the benchmark's networks: 5).
            reduction: block between stages: "residual" (the benchmark's, two 3x3 convolutions) or "pool"
                (average pooling and a 1x1 convolution; for tiny worlds, where the residual block would do the
                cells' work).
        """
        chosen = skeleton_settings(self.name, settings, {"channels": 16, "cells": 5, "reduction": "residual"})
        channels, cells, reduction = (chosen[key] for key in ("channels", "cells", "reduction"))
        assert isinstance(channels, int) and isinstance(cells, int)
        if reduction not in REDUCTIONS:
            raise unknown("reduction of nb201", reduction, REDUCTIONS)
        layers: list[Layer] = []
        for stage in range(3):
            width = channels * 2**stage
            if stage:
                layers.append(Layer(f"{reduction}_reduction", width, stride=2))
            layers += [Layer("cell", width)] * cells
        return Skeleton(channels, tuple(layers), head="rectified")


@cache
def _text(node: int, choices: tuple[int, ...]) -> str:
    """The sorted sum that NAS-Bench-201 compares nodes by, of the choices on all edges into nodes up to it."""
    if node == 0:
        return "0"
    # Edges stand by target, then by source: as many enter a node as there are nodes before it.
    first = node * (node - 1) // 2
    return "+".join(sorted(_terms(source, choices)[choice] for source, choice in enumerate(choices[first:])))


def _terms(source: int, choices: tuple[int, ...]) -> list[str]:
    """What an edge from a node adds, by its operation."""
    text = _text(source, choices[: source * (source + 1) // 2])
    zero, given = "#", {"none": "#", "skip_connect": text}
    return [zero if text == zero else given.get(name, f"({text})@{name}") for name in OPERATIONS]


@cache
def _representatives() -> dict[tuple[int | None, ...], Architecture]:
    """The representative of every cell."""
    least: dict[str, Architecture] = {}
    found: dict[tuple[int | None, ...], Architecture] = {}
    choices = range(len(OPERATIONS))
    for before in product(choices, repeat=len(EDGES) - 3):
        terms = [_terms(source, before) for source in range(3)]
        for last in product(choices, repeat=3):
            cell = before + last
            text = "+".join(sorted([own[choice] for own, choice in zip(terms, last, strict=True)]))
            if text not in least:
                least[text] = Architecture((cell,))
            found[cell] = least[text]
    return found
