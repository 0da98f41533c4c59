"""NAS-Bench-Graph (Qin et al., NeurIPS 2022): networks of four layers on graphs.

Each layer reads the input or one earlier layer, and has one of nine operations. The
classifier reads all layers that no other layer reads. A text such as
`0,0,1,2|gcn,gat,fc,skip` lists what every layer reads (0 is the input), then its
operation. The space has no supernet here, because its networks read graphs and not
images.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple, NoReturn

import numpy as np

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.space import (
    Architecture,
    Cell,
    EdgeOperations,
    SearchSpace,
)

OPERATIONS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
"""The operations of a layer, in the order of the benchmark."""
SKIP = OPERATIONS.index("skip")
LAYERS = 4
LINKS = tuple(tuple(str(source) for source in range(layer)) for layer in (2, 3, 4))
"""What the second, third and fourth layer can read; the first reads the input."""
FORM = "text such as 0,0,1,2|gcn,gat,fc,skip"


class LayerTree(NamedTuple):
    """A layer and all layers that depend on it; trees are compared as tuples.

    Attributes:
        smaller: minus the number of layers in the tree, so that large trees come first.
        operation: index of the layer's operation.
        readers: trees of the layers that read this layer, sorted.
    """

    smaller: int
    operation: int
    readers: tuple[LayerTree, ...]


class NasBenchGraph(SearchSpace):
    """The space, with the benchmark's classes of equal networks.

    The cell type `links` holds what the second, third and fourth layer read, and
    `operations` the operations of the four layers.
    """

    name = "nbgraph"
    summary = "NAS-Bench-Graph: 4 layers, 9 operations, 157,440 graph networks in 26,206 classes, no supernet"
    formulation = 1
    has_supernet = False
    cells = (
        Cell(
            name="links",
            inputs=1,
            nodes=LAYERS,
            edges=tuple((0, node) for node in range(1, LAYERS)),
            operations=LINKS,
            output=tuple(range(1, LAYERS)),
        ),
        Cell(
            name="operations",
            inputs=1,
            nodes=LAYERS + 1,
            edges=tuple((0, node) for node in range(1, LAYERS + 1)),
            operations=(OPERATIONS,) * LAYERS,
            output=tuple(range(1, LAYERS + 1)),
        ),
    )

    @property
    def size(self) -> int:
        """Number of valid architectures, which are all except those of four skips."""
        links = len(list(product(*LINKS)))
        return super().size - links

    def valid(self, architecture: Architecture) -> bool:
        """Return whether any layer is not a skip; networks of skips are excluded."""
        _, operations = architecture.choices
        return any(operation != SKIP for operation in operations)

    def draw_probabilities(self, choices: np.ndarray) -> np.ndarray:
        """Return the probability of each architecture, which is equal for all."""
        return np.full(len(choices), 1 / self.size)

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a text; blanks around names are allowed.

        Raises UserError, which shows the place, if the text is malformed.
        """
        parts = text.split("|")
        if len(parts) != 2:
            raise _malformed(text, f"wanted {FORM}")
        links = _parse_layers(text, parts[0], "links")
        names = _parse_layers(text, parts[1], "operations")
        if links[0] != "0":
            raise _malformed(text, f"layer 1 reads 0, not {links[0]}")
        sources = []
        for layer, (allowed, link) in enumerate(
            zip(LINKS, links[1:], strict=True), start=2
        ):
            sources.append(_index(f"input of layer {layer}", link, allowed))
        operations = []
        for name in names:
            operations.append(_index(f"operation of {self.name}", name, OPERATIONS))
        architecture = Architecture((tuple(sources), tuple(operations)))
        if not self.valid(architecture):
            raise _malformed(text, "four skips compute nothing; use another operation")
        return architecture

    def format(self, architecture: Architecture) -> str:
        """Return the text of an architecture.

        Raises ValueError unless every layer has a link and an operation.
        """
        for cell, row in zip(self.cells, architecture.choices, strict=True):
            for allowed, choice in zip(cell.operations, row, strict=True):
                if choice not in range(len(allowed)):
                    raise ValueError(
                        f"{choice} is not an index of {', '.join(allowed)}"
                    )
        links = ",".join(map(str, links_of(architecture)))
        names = ",".join(OPERATIONS[choice] for choice in operations_of(architecture))
        return f"{links}|{names}"

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the representative of the benchmark's class.

        A skip that only passes on its input moves to the front of the network. Layers
        are sorted by distance from the input. Layers that read the same source are
        sorted by the number of layers that depend on them, largest first, then by
        operation. The classes are those of the released code.
        """
        operations = operations_of(architecture)
        is_skip = tuple(operation == SKIP for operation in operations)
        wiring = _wiring(links_of(architecture), is_skip)
        trees = _sorted_trees(wiring.readers, operations)
        return _laid_out(wiring.skips, trees)

    def skeleton(self, **settings: object) -> NoReturn:
        """Raise UserError, because the networks of this space read no images."""
        del settings
        raise UserError(
            f"space {self.name} has no network that reads images: look its architectures up ('archselect truth lookup')"
        )

    @property
    def drawn_operations(self) -> EdgeOperations:
        """Operations allowed on each edge of a drawing; links are drawn as edges."""
        _, operations = self.cells
        return operations.operations

    def graph(self, architecture: Architecture) -> list[dict[str, object]]:
        """Return the network as plain data; each layer has an edge from its source."""
        links = links_of(architecture)
        edges = []
        for layer, choice in enumerate(operations_of(architecture), start=1):
            edges.append([links[layer - 1], layer, OPERATIONS[choice]])
        layers = range(1, LAYERS + 1)
        return [
            {
                "name": "network",
                "inputs": 1,
                "nodes": LAYERS + 1,
                "output": [layer for layer in layers if layer not in links],
                "edges": edges,
            }
        ]


def links_of(architecture: Architecture) -> tuple[int, ...]:
    """Return what each of the four layers reads: 0 for the input, else a layer."""
    links, _ = architecture.choices
    return (0, *_decided(links))


def operations_of(architecture: Architecture) -> tuple[int, ...]:
    """Return the indices of the operations of the four layers."""
    _, operations = architecture.choices
    return _decided(operations)


def _decided(row: Sequence[int | None]) -> tuple[int, ...]:
    """Return a row of choices; raise ValueError if an edge is dropped."""
    choices = tuple(choice for choice in row if choice is not None)
    if len(choices) != len(row):
        raise ValueError("a layer of NAS-Bench-Graph cannot be dropped")
    return choices


def _parse_layers(text: str, part: str, title: str) -> list[str]:
    """Return the four words of one part of a text.

    Raises UserError for another number of words.
    """
    words = [word.strip() for word in part.split(",")]
    if len(words) != LAYERS:
        raise _malformed(text, f"wanted {LAYERS} {title}, found {len(words)}")
    return words


def _index(kind: str, name: str, allowed: Sequence[str]) -> int:
    """Return the index of a name; raise UserError if it is not allowed."""
    if name not in allowed:
        raise unknown(kind, name, allowed)
    return allowed.index(name)


def _malformed(text: str, fault: str) -> UserError:
    return UserError(f"malformed NAS-Bench-Graph network {text!r}: {fault}")


class Reader(NamedTuple):
    """A layer and the layers that read it, without operations.

    Attributes:
        smaller: minus the number of layers that depend on it, including itself.
        layer: number of the layer.
        readers: the layers that read it.
    """

    smaller: int
    layer: int
    readers: tuple[Reader, ...]


class Wiring(NamedTuple):
    """The wiring of four layers without skips that only pass on their input.

    Attributes:
        skips: number of skips that are left out.
        readers: the layers that read the input.
    """

    skips: int
    readers: tuple[Reader, ...]


@cache
def _wiring(links: tuple[int, ...], is_skip: tuple[bool, ...]) -> Wiring:
    """Return the wiring of layers without skips that only pass on their input."""
    sources = list(links)
    layers = set(range(1, LAYERS + 1))
    # Sources come before their readers, so the source of each skip is already final.
    for layer in range(1, LAYERS + 1):
        if is_skip[layer - 1] and _only_passes_on(layer, layers, sources):
            layers.remove(layer)
            for reader in _reading(layer, layers, sources):
                sources[reader - 1] = sources[layer - 1]
    return Wiring(LAYERS - len(layers), _readers(0, layers, sources))


def _reading(source: int, layers: Collection[int], sources: Sequence[int]) -> list[int]:
    """Return the layers that read a source."""
    return [layer for layer in layers if sources[layer - 1] == source]


def _only_passes_on(skip: int, layers: Collection[int], sources: Sequence[int]) -> bool:
    """Return whether a skip can be left out of the wiring.

    It cannot if it is an output and its source also has other readers: the output then
    includes the source's features.
    """
    source = sources[skip - 1]
    is_read = bool(_reading(skip, layers, sources))
    is_alone = len(_reading(source, layers, sources)) == 1
    return is_read or is_alone or source == 0


def _readers(
    source: int, layers: Collection[int], sources: Sequence[int]
) -> tuple[Reader, ...]:
    """Return the layers that read a source, each with its own readers."""
    found = []
    for layer in _reading(source, layers, sources):
        readers = _readers(layer, layers, sources)
        smaller = sum(reader.smaller for reader in readers) - 1
        found.append(Reader(smaller, layer, readers))
    return tuple(found)


def _sorted_trees(
    readers: Sequence[Reader], operations: Sequence[int]
) -> tuple[LayerTree, ...]:
    """Return the trees of layers with one source, in the order of the benchmark."""
    trees = []
    for smaller, layer, deeper in readers:
        below = _sorted_trees(deeper, operations) if deeper else ()
        trees.append(LayerTree(smaller, operations[layer - 1], below))
    return tuple(sorted(trees))


def _laid_out(skips: int, trees: Sequence[LayerTree]) -> Architecture:
    """Return the architecture of a row of skips, with trees after the last skip."""
    links = list(range(skips))
    operations = [SKIP] * skips
    level = [(skips, tree) for tree in trees]
    while level:
        deeper = []
        for source, tree in level:
            links.append(source)
            operations.append(tree.operation)
            layer = len(links)
            deeper += [(layer, reader) for reader in tree.readers]
        level = deeper
    return Architecture((tuple(links[1:]), tuple(operations)))
