"""The two spaces of Xie et al. (AISTATS 2021, arXiv 2009.01272).

In them they watch how a cell's wiring evolves. There is one cell type, of which all
layers are: two inputs (the outputs of the two layers before it) and nodes that sum all
their incoming edges. The cell puts out these nodes, concatenated. `none` is an
operation like the others: it may win, and so a search chooses the cell's depth and
width. As in DARTS' supernet, inputs are brought to the cell's channels, poolings are
normalised, and normalisation has no scale and shift. The text form is NAS-Bench-201's,
with a group for each node; here 2 reads 0, and 3 reads 0 and 2::

    |sep_conv_3x3~0|none~1|+|skip_connect~0|none~1|max_pool_3x3~2|

In Python `get_space("minimal")`, in a study `name = "minimal"` under `[[spaces]]`.
Edges are deleted, fixed or restricted by the name, such as `minimal:2-3=none`: see
:mod:`.restrictions`.
"""

from __future__ import annotations

from collections.abc import Iterator

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import (
    NONE,
    Architecture,
    Cell,
    Layer,
    Skeleton,
    complete_edges,
    skeleton_settings,
)
from archselect.nasbench_adapters.spaces.cell_text import format_cell, parse_cell
from archselect.nasbench_adapters.spaces.darts import OPERATIONS
from archselect.nasbench_adapters.spaces.restrictions import RestrictableSpace

INPUTS = 2
LONGEST = 1_000_000
"""Largest number of architectures that are listed."""


def wiring_cell(nodes: int) -> Cell:
    """Return the cell with so many nodes between its inputs and its output."""
    last = INPUTS + nodes
    edges = complete_edges(INPUTS, last)
    return Cell(
        name="cell",
        inputs=INPUTS,
        nodes=last,
        edges=edges,
        operations=((NONE, *OPERATIONS),) * len(edges),
        output=tuple(range(INPUTS, last)),
        preprocessed=True,
        normalised_pools=True,
    )


class WiringSpace(RestrictableSpace):
    """Either space: the text form and the macro skeleton.

    The text of a cell is `|op~0|op~1|+|op~0|op~1|op~2|+…`.
    """

    def __init__(self, restrictions: str | None = None) -> None:
        super().__init__(restrictions)
        self.enumerable = self.size <= LONGEST

    def enumerate(self) -> Iterator[Architecture]:
        """See :meth:`SearchSpace.enumerate`.

        Raises UserError for a space of more than a million architectures.
        """
        if not self.enumerable:
            raise UserError(
                f"{self.name} is too large to be listed: draw a sample, or restrict its edges"
            )
        return super().enumerate()

    def parse(self, text: str) -> Architecture:
        """See :meth:`SearchSpace.parse`. Surrounding blanks are allowed."""
        return parse_cell(text, self.cells[0], self.name)

    def format(self, architecture: Architecture) -> str:
        """See :meth:`SearchSpace.format`.

        Raises ValueError unless every edge carries one of its operations.
        """
        (choices,) = architecture.choices
        (cell,) = self.cells
        (edges,) = self.edges
        decided = []
        for edge, choice in zip(edges, choices, strict=False):
            decided.append(choice in edge.choices)
        if len(choices) != len(edges) or not all(decided):
            raise ValueError(
                f"a cell of {self.name} decides all {len(cell.edges)} edges"
            )
        return format_cell(choices, cell)

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the representative of the cells that compute the same.

        In it every edge that leaves a node of zeros carries its first operation. That
        is `none`, unless a restriction takes it from the edge. A node is zero if
        nothing but `none` and nodes of zeros enters it. An operation of zeros is zero
        only because normalisation has no shift and is by the batch's own statistics, as
        in a supernet in training mode. By running statistics, and with the shifts that
        a stand-alone network learns, it is a constant. Cells that are alike in other
        ways, as by another order of their nodes, are not taken for one.
        """
        (choices,) = architecture.choices
        (edges,) = self.edges
        row = list(choices)
        zeros = set(range(INPUTS, self.cells[0].nodes))
        # Edges stand by target: all that enter a node come before those that leave it.
        for edge in edges:
            if edge.source in zeros:
                row[edge.index] = 0
                continue
            choice = row[edge.index]
            assert choice is not None
            if edge.operations[choice] != NONE:
                zeros.discard(edge.target)
        return Architecture((tuple(row),))

    def skeleton(self, **settings: object) -> Skeleton:
        """Return the macro skeleton: `layers` cells of one width and size.

        The linear classifier has no bias.

        Settings:
            channels: of the cells' nodes (the paper's: 16); the stem has three times as
                many.
            layers: cells (the paper's: 8).
        """
        defaults = {"channels": 16, "layers": 8}
        chosen = skeleton_settings(self.name, settings, defaults)
        channels = chosen.number("channels")
        cell = Layer("cell", channels)
        cells = (cell,) * chosen.number("layers")
        return Skeleton(3 * channels, cells, bias=False)


class MinimalWiring(WiringSpace):
    """Two nodes; the edge between them is the only way to be deep."""

    name = "minimal"
    summary = "Wiring evolution's minimal cell: 2 nodes, 5 edges of none and DARTS' seven, all kept"
    formulation = 1
    whole = wiring_cell(2)


class FullWiring(WiringSpace):
    """Four nodes, connected as in DARTS' cells."""

    name = "wiring"
    summary = "Wiring evolution's full cell: 4 nodes, 14 edges of none and DARTS' seven, all kept"
    formulation = 1
    whole = wiring_cell(4)
