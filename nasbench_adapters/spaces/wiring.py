"""The two spaces of Xie et al. (AISTATS 2021, arXiv 2009.01272).

The paper studies how the wiring of a cell evolves in them. All layers have one cell
type, with two inputs (the outputs of the two layers before it) and nodes that sum all
their incoming edges. The cell's output is the concatenation of these nodes. `none` is
an operation like the others, so a search also chooses the cell's depth and width. As in
DARTS' supernet, inputs are converted to the cell's channels, poolings are normalised,
and normalisation has no scale and shift. The text form is that of NAS-Bench-201, with
one group per node; in this example node 2 reads 0, and node 3 reads 0 and 2::

    |sep_conv_3x3~0|none~1|+|skip_connect~0|none~1|max_pool_3x3~2|

Use `get_space("minimal")` in Python, and `name = "minimal"` under `[[spaces]]` in a
study. A name such as `minimal:2-3=none` deletes, fixes or restricts edges
(:mod:`.restrictions`).
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
"""Largest number of architectures in a space that is listed."""


def wiring_cell(nodes: int) -> Cell:
    """Return the cell with a number of nodes between its inputs and its output."""
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
    """Base of the two spaces: their text form and macro skeleton.

    The text of a cell is `|op~0|op~1|+|op~0|op~1|op~2|+…`.
    """

    def __init__(self, restrictions: str | None = None) -> None:
        super().__init__(restrictions)
        self.enumerable = self.size <= LONGEST

    def enumerate(self) -> Iterator[Architecture]:
        """Yield every architecture, in lexicographic order of operation indices.

        Raises UserError for a space with more than a million architectures.
        """
        if not self.enumerable:
            raise UserError(
                f"{self.name} is too large to be listed: draw a sample, or restrict its edges"
            )
        return super().enumerate()

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a text; surrounding blanks are allowed.

        Raises UserError, which shows the place, if the text is malformed.
        """
        return parse_cell(text, self.cells[0], self.name)

    def format(self, architecture: Architecture) -> str:
        """Return the text of an architecture.

        Raises ValueError unless every edge has one of its operations.
        """
        (choices,) = architecture.choices
        (cell,) = self.cells
        (edges,) = self.edges
        decided = []
        for edge, choice in zip(edges, choices, strict=False):
            decided.append(choice in edge.choices)
        if len(choices) != len(edges) or not all(decided):
            raise ValueError(
                f"a cell of {self.name} needs an operation on all {len(cell.edges)} edges"
            )
        return format_cell(choices, cell)

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the representative of the cells with the same function.

        In it every edge from a zero node has its first operation, which is `none`
        unless a restriction removes it. A node is zero if it has only `none` edges and
        edges from zero nodes. An operation on zeros gives zeros only if normalisation
        has no shift and uses the statistics of the batch, as in a supernet in training
        mode. With running statistics, or the learned shifts of a stand-alone network,
        it gives a constant. Cells that are equal for other reasons, for example with
        their nodes in another order, have different representatives.
        """
        (choices,) = architecture.choices
        (edges,) = self.edges
        row = list(choices)
        zeros = set(range(INPUTS, self.cells[0].nodes))
        # Edges are sorted by target, so a node's inputs come before its outputs.
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
            channels: channels of the cells' nodes (16 in the paper); the stem has three
                times as many.
            layers: number of cells (8 in the paper).
        """
        defaults = {"channels": 16, "layers": 8}
        chosen = skeleton_settings(self.name, settings, defaults)
        channels = chosen.number("channels")
        cell = Layer("cell", channels)
        cells = (cell,) * chosen.number("layers")
        return Skeleton(3 * channels, cells, bias=False)


class MinimalWiring(WiringSpace):
    """Two nodes; only the edge between them can make the cell deeper."""

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
