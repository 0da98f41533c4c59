"""Spaces of confopt's benchmarks of DARTS (Jha et al., AutoML-Conf 2025).

The suite combines three networks with three sets of operations. Two of the networks are
skeletons of DARTS' own cells: *wide* has 18 channels and 4 layers, *deep* 7 channels
and 18 layers. The third, *single cell*, is a space of its own: one reduction cell of
eight nodes. *Regular* is the set of :class:`.DartsWithNone`, *no skip* is the same
without `skip_connect`.
"""

from __future__ import annotations

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import (
    NONE,
    Architecture,
    Cell,
    EdgeOperations,
    Layer,
    SearchSpace,
    Skeleton,
    complete_edges,
    skeleton_settings,
)
from archselect.nasbench_adapters.spaces.darts import (
    EDGES,
    INPUTS,
    KEPT,
    OPERATIONS,
    STEMS,
    DartsSpace,
    format_entries,
    parse_entries,
)
from archselect.nasbench_adapters.spaces.genotype import Genotype, parse_genotype

NODES = 10
"""Nodes of the single cell: two inputs and eight that sum."""
SINGLE_EDGES = complete_edges(INPUTS, NODES)
OUTPUT = tuple(range(NODES - 4, NODES))
"""The last four nodes, as in DARTS; confopt sets the number of nodes alone."""
REGULAR = (NONE, *OPERATIONS)
NO_SKIP = tuple(name for name in REGULAR if name != "skip_connect")


class DartsWithoutSkip(DartsSpace):
    """DARTS' operations, `none` included, without `skip_connect`."""

    name = "darts-no-skip"
    summary = "DARTS with none and without skip_connect, an operation set of confopt"
    formulation = 1
    operations = ((NO_SKIP,) * len(EDGES),) * 2


class SingleCell(SearchSpace):
    """One reduction cell of eight nodes, each of which keeps two of its inputs.

    The last four nodes are put out, so that earlier ones can be loose ends. The text is
    that of DARTS, `Genotype(…)`, with an empty normal cell: the network has none.
    """

    name = "single-cell"
    summary = "confopt's single cell: one reduction cell, 44 edges, two kept per node"
    formulation = 1
    operations: EdgeOperations = (REGULAR,) * len(SINGLE_EDGES)
    """Per edge, the operations allowed."""

    def __init__(self) -> None:
        cell = Cell(
            name="reduce",
            inputs=INPUTS,
            nodes=NODES,
            edges=SINGLE_EDGES,
            operations=self.operations,
            output=OUTPUT,
            kept=(None,) * INPUTS + (KEPT,) * (NODES - INPUTS),
            preprocessed=True,
            normalised_pools=True,
        )
        self.cells = (cell,)

    def parse(self, text: str) -> Architecture:
        """See :meth:`SearchSpace.parse`."""
        genotype = parse_genotype(text)
        if genotype.normal or genotype.normal_concat:
            raise UserError(
                f"genotype: space {self.name} has no normal cell: write normal=[], normal_concat=[]"
            )
        if sorted(genotype.reduce_concat) != list(OUTPUT):
            raise UserError(
                f"genotype: reduce_concat must be {list(OUTPUT)} in space {self.name}"
            )
        (cell,) = self.cells
        return Architecture((parse_entries(self.name, cell, genotype.reduce),))

    def format(self, architecture: Architecture) -> str:
        """See :meth:`SearchSpace.format`.

        Raises ValueError unless every node has its two inputs.
        """
        (cell,) = self.cells
        (row,) = architecture.choices
        return str(Genotype((), (), format_entries(cell, row), OUTPUT))

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the architecture with its loose ends set to one form.

        Such a node has its first inputs, each with the first operation.
        """
        (cell,) = self.cells
        (row,) = architecture.choices
        choices = list(row)
        read = set(cell.output)
        for node in reversed(cell.summing_nodes):
            incoming = cell.incoming(node)
            if node in read:
                kept = [edge for edge in incoming if row[edge] is not None]
                read.update(cell.edges[edge][0] for edge in kept)
                continue
            for place, edge in enumerate(incoming):
                first = cell.candidates(edge)[0]
                choices[edge] = first if place < KEPT else None
        return Architecture((tuple(choices),))

    def skeleton(self, **settings: object) -> Skeleton:
        """Return the macro skeleton: the stem and one reduction cell.

        Settings:
            channels: C (confopt: 26); the stem has three times as many, and the nodes,
                which are of a reduction cell, twice as many.
        """
        chosen = skeleton_settings(self.name, settings, {"channels": 26})
        channels = chosen.number("channels")
        stem = STEMS["cifar"]
        layer = Layer("cell", 2 * channels, stride=2)
        return Skeleton(stem.widening * channels, (layer,), stem=stem.block)


class SingleCellWithoutSkip(SingleCell):
    """The single cell without `skip_connect`."""

    name = "single-cell-no-skip"
    summary = "confopt's single cell with none and without skip_connect"
    formulation = 1
    operations = (NO_SKIP,) * len(SINGLE_EDGES)
