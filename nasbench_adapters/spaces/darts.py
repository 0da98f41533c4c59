"""The DARTS space (Liu et al., ICLR 2019) and its sub-spaces S1 to S4.

Zela et al. (ICLR 2020) define the sub-spaces. There are two cell types, normal and
reduction. Each has two inputs (the outputs of the two layers before it) and four nodes,
and every node keeps two of its incoming edges. The cell's output is the concatenation
of the four nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archselect.nasbench_adapters.errors import UserError, unknown
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
from archselect.nasbench_adapters.spaces.genotype import Entry, Genotype, parse_genotype

INPUTS = 2
NODES = 6
KEPT = 2
"""Number of inputs that a node keeps."""
EDGES = complete_edges(INPUTS, NODES)
OUTPUT = tuple(range(INPUTS, NODES))

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The seven operations of DARTS-PT and Zero-Cost-PT; DARTS has `none` as an eighth."""


class DartsStem(NamedTuple):
    """A stem of DARTS' networks.

    Attributes:
        block: name of the stem in :mod:`archselect.nasbench_adapters.networks.blocks`.
        widening: output channels as a multiple of the first cells' channels.
    """

    block: str
    widening: int


STEMS = {
    "cifar": DartsStem("conv", widening=3),
    "imagenet": DartsStem("imagenet", widening=1),
}
"""Stems by their names in studies."""

_SHORT = {
    "m": "max_pool_3x3",
    "a": "avg_pool_3x3",
    "i": "skip_connect",
    "s": "sep_conv_3x3",
    "d": "dil_conv_3x3",
    "D": "dil_conv_5x5",
}


def _edges(text: str) -> EdgeOperations:
    """Return the operations of each edge.

    Args:
        text: one word per edge, with one letter (:data:`_SHORT`) per operation.
    """
    words = text.split()
    return tuple(_operations(word) for word in words)


def _operations(word: str) -> tuple[str, ...]:
    """Return the operations of a word; each letter stands for one."""
    return tuple(_SHORT[letter] for letter in word)


def darts_cell(
    name: str,
    operations: EdgeOperations,
    skips_beside: bool = False,
) -> Cell:
    """Return a cell type of DARTS.

    Args:
        name: name of the cell type.
        operations: for each edge, the allowed operations.
        skips_beside: whether every edge has a skip beside its operations.
    """
    return Cell(
        name=name,
        inputs=INPUTS,
        nodes=NODES,
        edges=EDGES,
        operations=operations,
        output=OUTPUT,
        kept=(None,) * INPUTS + (KEPT,) * len(OUTPUT),
        preprocessed=True,
        normalised_pools=True,
        skips_beside=skips_beside,
    )


def parse_entries(
    space: str,
    cell: Cell,
    entries: Sequence[Entry],
) -> tuple[int | None, ...]:
    """Return the choices on a cell's edges.

    Args:
        space: name of the space, for messages.
        cell: a cell type whose nodes keep two inputs each.
        entries: two for each node, in the order of the nodes.

    Raises UserError, which shows the place, if the entries do not fit the cell.
    """
    nodes = len(cell.summing_nodes)
    if len(entries) != KEPT * nodes:
        raise UserError(
            f"genotype: {cell.name} has {len(entries)} entries; it must have two for each of {nodes} nodes"
        )
    choices: list[int | None] = [None] * len(cell.edges)
    for place, (operation, source) in enumerate(entries):
        target = cell.inputs + place // KEPT
        where = f"genotype: entry {place} of {cell.name}"
        if not 0 <= source < target:
            raise UserError(
                f"{where} reads node {source}; node {target} can read nodes 0 to {target - 1} only"
            )
        edge = cell.edges.index((source, target))
        if choices[edge] is not None:
            raise UserError(
                f"{where} reads node {source} a second time; a node needs two different inputs"
            )
        names = cell.operations[edge]
        allowed = [names[choice] for choice in cell.candidates(edge)]
        if operation not in allowed:
            title = (
                f"operation of space {space} on edge {source}→{target} of {cell.name}"
            )
            raise unknown(title, operation, allowed)
        choices[edge] = names.index(operation)
    return tuple(choices)


def format_entries(
    cell: Cell,
    row: Sequence[int | None],
) -> tuple[Entry, ...]:
    """Return the entries of a genotype, two for each node of a cell type.

    Args:
        cell: a cell type whose nodes keep two inputs each.
        row: choices on the cell's edges.

    Raises ValueError unless every node has two inputs.
    """
    entries = []
    for node in cell.summing_nodes:
        kept = [edge for edge in cell.incoming(node) if row[edge] is not None]
        are_allowed = [row[edge] in cell.candidates(edge) for edge in kept]
        if len(kept) != KEPT or not all(are_allowed):
            raise ValueError(
                f"node {node} of a DARTS cell needs two inputs, each with an operation of its edge"
            )
        for edge in kept:
            choice = row[edge]
            assert choice is not None
            source, _ = cell.edges[edge]
            name = cell.operations[edge][choice]
            entries.append((name, source))
    return tuple(entries)


class DartsSpace(SearchSpace):
    """The DARTS space of seven operations.

    It has the text form `Genotype(…)` and DARTS' macro skeleton.
    """

    name = "darts"
    summary = "DARTS: normal and reduction cell, 14 edges of 7 operations each, two kept per node"
    formulation = 1
    operations: tuple[EdgeOperations, EdgeOperations] = (
        (OPERATIONS,) * len(EDGES),
    ) * 2
    """For each cell type and edge, the allowed operations."""
    skips_beside: bool = False
    """Whether every edge has a skip beside its operations."""

    def __init__(self) -> None:
        normal, reduction = self.operations
        self.cells = (
            darts_cell("normal", normal, self.skips_beside),
            darts_cell("reduce", reduction, self.skips_beside),
        )

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a genotype, as :mod:`.genotype` reads it.

        A node's inputs may be in any order. Raises UserError, which shows the place, if
        it is not one of this space.
        """
        genotype = parse_genotype(text)
        for name in ("normal_concat", "reduce_concat"):
            if sorted(getattr(genotype, name)) != list(OUTPUT):
                raise UserError(
                    f"genotype: {name} must be {list(OUTPUT)} in space {self.name}"
                )
        normal_cell, reduction_cell = self.cells
        normal = parse_entries(self.name, normal_cell, genotype.normal)
        reduction = parse_entries(self.name, reduction_cell, genotype.reduce)
        return Architecture((normal, reduction))

    def format(self, architecture: Architecture) -> str:
        """Return the genotype of an architecture.

        Raises ValueError unless every node has two inputs.
        """
        normal_cell, reduction_cell = self.cells
        normal_row, reduction_row = architecture.choices
        normal = format_entries(normal_cell, normal_row)
        reduction = format_entries(reduction_cell, reduction_row)
        return str(Genotype(normal, OUTPUT, reduction, OUTPUT))

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the architecture itself: no two architectures are equal.

        An architecture does not store the order of a node's inputs, and the output
        holds every node.
        """
        return architecture

    def skeleton(self, **settings: object) -> Skeleton:
        """Return the macro skeleton of `layers` cells.

        The cells at one and two thirds of the depth are reduction cells.

        Settings:
            channels: channels of the first cells' nodes (search: 16; CIFAR-10 networks:
                36; ImageNet: 48). A reduction cell doubles them; the stem has three
                times as many.
            layers: number of cells (search: 8; CIFAR-10 networks: 20; ImageNet: 14).
            stem: "cifar", or "imagenet" (three convolutions of stride 2).
        """
        defaults = {"channels": 16, "layers": 8, "stem": "cifar"}
        chosen = skeleton_settings(self.name, settings, defaults)
        channels = chosen.number("channels")
        layers = chosen.number("layers")
        stem = STEMS[chosen.word("stem", STEMS, f"stem of {self.name}")]
        if layers < 3:
            raise UserError(
                f"a network of space {self.name} needs at least 3 layers, not {layers}"
            )
        reductions = (layers // 3, 2 * layers // 3)
        width = channels
        cells = []
        for layer in range(layers):
            if layer in reductions:
                width *= 2
                cells.append(Layer("cell", width, stride=2, cell=1))
            else:
                cells.append(Layer("cell", width, stride=1, cell=0))
        return Skeleton(
            stem.widening * channels,
            tuple(cells),
            stem=stem.block,
            auxiliary=reductions[1],
        )


class DartsWithNone(DartsSpace):
    """The DARTS space with DARTS' original eight operations.

    `none` is an operation of the supernet, but no architecture has it.
    """

    name = "darts-none"
    summary = "DARTS with none as an eighth operation in the supernet, as DARTS and SGAS search it"
    formulation = 1
    operations = (((NONE, *OPERATIONS),) * len(EDGES),) * 2


class S1(DartsSpace):
    """Two operations per edge, found by pruning a DARTS search.

    Source: RobustDARTS (Zela et al., ICLR 2020), section 3.
    """

    name = "s1"
    summary = "S1 of RobustDARTS: two operations per edge, different from edge to edge"
    formulation = 1
    operations = (
        _edges("id iD iD is id mi is is id is mi id dD dD"),
        _edges("ma md ma ma iD ma ms id iD ma ma iD iD iD"),
    )


class S2(DartsSpace):
    """Skip or separable convolution on every edge."""

    name = "s2"
    summary = "S2 of RobustDARTS: skip_connect or sep_conv_3x3 on every edge"
    formulation = 1
    operations = (_edges("is " * len(EDGES)),) * 2


class S3(DartsSpace):
    """S2 with `none` as a third operation.

    `none` can have the largest weight in a supernet, but every node of an architecture
    has two inputs with other operations.
    """

    name = "s3"
    summary = "S3 of RobustDARTS: none, skip_connect or sep_conv_3x3 on every edge"
    formulation = 1
    operations = (tuple((NONE, *names) for names in _edges("is " * len(EDGES))),) * 2


class S4(DartsSpace):
    """Noise or separable convolution on every edge."""

    name = "s4"
    summary = "S4 of RobustDARTS: noise or sep_conv_3x3 on every edge"
    formulation = 1
    operations = ((("noise", "sep_conv_3x3"),) * len(EDGES),) * 2
