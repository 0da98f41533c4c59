"""The DARTS space (Liu et al., ICLR 2019) and its sub-spaces S1 to S4 (Zela et al., ICLR 2020).

Two cell types, normal and reduction; each has two inputs (the outputs of the two layers
before it) and four nodes, and every node keeps two of its incoming edges. The cell puts
out the four nodes, concatenated.
"""

from __future__ import annotations

from collections.abc import Sequence

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
"""Inputs that a node keeps."""
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
"""The seven that DARTS-PT and Zero-Cost-PT search; DARTS itself has `none` as an
eighth.
"""

STEMS = {"cifar": "conv", "imagenet": "imagenet"}

_SHORT = {
    "m": "max_pool_3x3",
    "a": "avg_pool_3x3",
    "i": "skip_connect",
    "s": "sep_conv_3x3",
    "d": "dil_conv_3x3",
    "D": "dil_conv_5x5",
}


def _edges(text: str) -> EdgeOperations:
    """Return the operations of each edge from a text of one word per edge, one letter per operation."""
    return tuple(_operations(word) for word in text.split())


def _operations(word: str) -> tuple[str, ...]:
    return tuple(_SHORT[letter] for letter in word)


class DartsSpace(SearchSpace):
    """The DARTS space of seven operations, its text form `Genotype(…)` and its macro skeleton."""

    name = "darts"
    summary = "DARTS: normal and reduction cell, 14 edges of 7 operations each, two kept per node"
    formulation = 1
    operations: tuple[EdgeOperations, EdgeOperations] = (
        (OPERATIONS,) * len(EDGES),
    ) * 2
    """Per cell type and edge, the operations allowed."""

    def __init__(self) -> None:
        self.cells = tuple(
            Cell(
                name=name,
                inputs=INPUTS,
                nodes=NODES,
                edges=EDGES,
                operations=operations,
                output=OUTPUT,
                kept=(None,) * INPUTS + (KEPT,) * len(OUTPUT),
                preprocessed=True,
                normalised_pools=True,
            )
            for name, operations in zip(
                ("normal", "reduce"), self.operations, strict=True
            )
        )

    def parse(self, text: str) -> Architecture:
        """See :meth:`SearchSpace.parse`.

        Accepts what :mod:`.genotype` reads; the order of a node's inputs is free.
        """
        genotype = parse_genotype(text)
        for name in ("normal_concat", "reduce_concat"):
            if sorted(getattr(genotype, name)) != list(OUTPUT):
                raise UserError(
                    f"genotype: {name} must be {list(OUTPUT)} in space {self.name}"
                )
        normal, reduction = self.cells
        return Architecture(
            (
                self._choices(normal, genotype.normal),
                self._choices(reduction, genotype.reduce),
            )
        )

    def _choices(self, cell: Cell, entries: Sequence[Entry]) -> tuple[int | None, ...]:
        """Return the choices on a cell's edges.

        Raises UserError, saying where, if the entries are none of it.
        """
        if len(entries) != KEPT * len(OUTPUT):
            raise UserError(
                f"genotype: {cell.name} has {len(entries)} entries, not two for each of 4 nodes"
            )
        choices: list[int | None] = [None] * len(EDGES)
        for place, (operation, source) in enumerate(entries):
            target = INPUTS + place // KEPT
            where = f"genotype: entry {place} of {cell.name}"
            if not 0 <= source < target:
                raise UserError(
                    f"{where} reads node {source}; node {target} may read 0 to {target - 1}"
                )
            edge = EDGES.index((source, target))
            if choices[edge] is not None:
                raise UserError(
                    f"{where} reads node {source} a second time; a node has two different inputs"
                )
            allowed = [cell.operations[edge][k] for k in cell.candidates(edge)]
            if operation not in allowed:
                kind = f"operation of space {self.name} on edge {source}→{target} of {cell.name}"
                raise unknown(kind, operation, allowed)
            choices[edge] = cell.operations[edge].index(operation)
        return tuple(choices)

    def format(self, architecture: Architecture) -> str:
        """See :meth:`SearchSpace.format`.

        Raises ValueError unless every node has its two inputs.
        """
        rows = zip(self.cells, architecture.choices, strict=True)
        normal, reduction = (self._entries(cell, row) for cell, row in rows)
        return str(Genotype(normal, OUTPUT, reduction, OUTPUT))

    def _entries(self, cell: Cell, row: Sequence[int | None]) -> tuple[Entry, ...]:
        """Return the entries of a genotype.

        Raises ValueError unless every node has its two inputs.
        """
        entries = []
        for node in OUTPUT:
            kept = [edge for edge in cell.incoming(node) if row[edge] is not None]
            if len(kept) != KEPT or any(
                row[edge] not in cell.candidates(edge) for edge in kept
            ):
                raise ValueError(
                    f"node {node} of a DARTS cell has two inputs, each with an operation of its edge"
                )
            for edge in kept:
                choice = row[edge]
                assert choice is not None
                source, _ = EDGES[edge]
                entries.append((cell.operations[edge][choice], source))
        return tuple(entries)

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the architecture itself: the order of a node's inputs is no part of it, and every node is put out."""
        return architecture

    def skeleton(self, **settings: object) -> Skeleton:
        """Return the macro skeleton: `layers` cells, those at one and two thirds of the depth reduction cells.

        Settings:
            channels: of the first cells' nodes (search: 16; CIFAR-10 networks: 36;
                ImageNet: 48); a reduction cell doubles them, the stem has three times
                as many.
            layers: cells (search: 8; CIFAR-10 networks: 20; ImageNet: 14).
            stem: "cifar", or "imagenet" (three convolutions of stride 2).
        """
        chosen = skeleton_settings(
            self.name, settings, {"channels": 16, "layers": 8, "stem": "cifar"}
        )
        channels = chosen["channels"]
        layers = chosen["layers"]
        stem = chosen["stem"]
        assert (
            isinstance(channels, int)
            and isinstance(layers, int)
            and isinstance(stem, str)
        )
        if stem not in STEMS:
            raise unknown(f"stem of {self.name}", stem, STEMS)
        if layers < 3:
            raise UserError(
                f"a network of space {self.name} needs 3 layers or more, not {layers}"
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
        stem_channels = channels if stem == "imagenet" else 3 * channels
        return Skeleton(
            stem_channels, tuple(cells), stem=STEMS[stem], auxiliary=reductions[1]
        )


class DartsWithNone(DartsSpace):
    """DARTS' own set of eight: `none` competes in the supernet, but no architecture has it."""

    name = "darts-none"
    summary = "DARTS with none as an eighth operation in the supernet, as DARTS and SGAS search it"
    formulation = 1
    operations = (((NONE, *OPERATIONS),) * len(EDGES),) * 2


class S1(DartsSpace):
    """Two operations per edge, found by pruning a DARTS search (RobustDARTS, Zela et al., ICLR 2020, section 3)."""

    name = "s1"
    summary = "S1 of RobustDARTS: two operations per edge, other ones on each edge"
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
    """As S2, with `none` as a third; `none` may win in a supernet, but an architecture has two inputs per node."""

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
