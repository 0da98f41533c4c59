"""Spaces of confopt's benchmarks of DARTS (Jha et al., AutoML-Conf 2025).

The suite combines three networks with three sets of operations. Two of the networks
have DARTS' cells: *wide* has 18 channels and 4 layers, *deep* has 7 channels and 18
layers. The third, *single cell*, is a separate space with one reduction cell of eight
nodes. The set *regular* is that of :class:`.DartsWithNone`; *no skip* is the same set
without `skip_connect`; *all skip* is the regular set with a skip beside the operations
of every edge. An edge of the supernet then gives skip(x) + Σ_o a_o o(x), an edge of the
trained network skip(x) + o(x). Where the image is halved that skip is a factorised
reduction with its own weights (released code, automl/ConfigurableOptimizer at 13bde40).
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
    DartsWithNone,
    format_entries,
    parse_entries,
)
from archselect.nasbench_adapters.spaces.genotype import Genotype, parse_genotype

NODES = 10
"""Nodes of the single cell: two inputs and eight that sum."""
SINGLE_EDGES = complete_edges(INPUTS, NODES)
OUTPUT = tuple(range(NODES - 4, NODES))
"""The last four nodes, as in DARTS; confopt changes only the number of nodes."""
REGULAR = (NONE, *OPERATIONS)
NO_SKIP = tuple(name for name in REGULAR if name != "skip_connect")


class DartsWithoutSkip(DartsSpace):
    """DARTS' operations, `none` included, without `skip_connect`."""

    name = "darts-no-skip"
    summary = "DARTS with none and without skip_connect, an operation set of confopt"
    formulation = 1
    operations = ((NO_SKIP,) * len(EDGES),) * 2


class DartsAllSkip(DartsWithNone):
    """DARTS' operations, `none` included, and a skip beside every edge."""

    name = "darts-all-skip"
    summary = (
        "DARTS with none and a skip beside every edge, an operation set of confopt"
    )
    formulation = 1
    skips_beside = True


class SingleCell(SearchSpace):
    """One reduction cell of eight nodes, each of which keeps two of its inputs.

    The output holds the last four nodes, so nothing may read an earlier node (a loose
    end). The text is DARTS' `Genotype(…)` with an empty normal cell.
    """

    name = "single-cell"
    summary = "confopt's single cell: one reduction cell, 44 edges, two kept per node"
    formulation = 1
    operations: EdgeOperations = (REGULAR,) * len(SINGLE_EDGES)
    """For each edge, the allowed operations."""
    skips_beside: bool = False
    """Whether every edge has a skip beside its operations."""

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
            skips_beside=self.skips_beside,
        )
        self.cells = (cell,)

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a genotype whose normal cell is empty.

        Raises UserError, which shows the place, if it is not one of this space.
        """
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
        """Return the genotype of an architecture.

        Raises ValueError unless every node has two inputs.
        """
        (cell,) = self.cells
        (row,) = architecture.choices
        return str(Genotype((), (), format_entries(cell, row), OUTPUT))

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the architecture with all loose ends in one standard form.

        In that form a node has its first inputs, each with the first operation.
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
            channels: C (26 in confopt). The stem has 3 C channels; a node of the
                reduction cell has 2 C.
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


class SingleCellAllSkip(SingleCell):
    """The single cell with a skip beside every edge."""

    name = "single-cell-all-skip"
    summary = "confopt's single cell with none and a skip beside every edge"
    formulation = 1
    skips_beside = True
