"""NAS-Bench-1Shot1 (Zela et al., ICLR 2020): three sub-spaces of NAS-Bench-101 that a supernet can hold.

The number of blocks is fixed, and so is how many parents each block and the output has; which parents, and the
block's operation, is searched. A block that nothing reads is a loose end: it is part of an architecture and its text,
but not of the cell that NAS-Bench-101 knows, which is pruned.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, permutations, product
from typing import ClassVar, NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import DROPPED, Architecture
from archselect.nasbench_adapters.spaces.nb101 import (
    OPERATIONS,
    Module,
    ModuleSpace,
    NasBench101,
    canonical_module,
    layout,
    least_numberings,
    live_vertices,
    module_cell,
    module_of,
    parse_module,
    pruned,
    renumbered,
    row_of,
)

TRUTH = NasBench101()


class Members(NamedTuple):
    """All architectures of a sub-space and the cells of NAS-Bench-101 that they are.

    Attributes:
        choices: (architectures, edges) int8, operation indices, DROPPED for a dropped edge; the least connections
            first, and of one set of connections the least operations first.
        cell: (architectures,) of each the index of its cell.
        first: (cells,) of each cell its representative: the index of the first architecture that is it.
        cells: (cells, edges of nb101) int8, the canonical choices in space nb101.
    """

    choices: np.ndarray
    cell: np.ndarray
    first: np.ndarray
    cells: np.ndarray


class OneShotSpace(ModuleSpace):
    """A sub-space: `parents` is how many connections each block, and last the output, keeps."""

    parents: ClassVar[tuple[int, ...]]
    truth_space: ClassVar[str] = TRUTH.name
    """The space whose tables speak for this one; see :meth:`in_truth`."""
    skeleton_defaults: ClassVar[dict[str, object]] = {"channels": 16, "cells": 3, "momentum": "released"}

    def __init__(self) -> None:
        self.cells = (module_cell(len(self.parents) - 1, self.parents),)

    def parse(self, text: str) -> Architecture:
        """See :meth:`SearchSpace.parse`. The form is that of nb101, with all blocks in their places.

        Any other text of nb101 whose cell is in the sub-space gives that cell's representative. Raises UserError if
        it is not.
        """
        module = parse_module(text)
        if module.vertices == self.blocks + 2 and tuple(module.matrix.sum(axis=0).tolist()) == (0, *self.parents):
            return Architecture((row_of(module, self.blocks),))
        found = _placed(canonical_module(module), self.parents)
        if found is None:
            raise UserError(f"{module} is no cell of {self.name}: its blocks and output have {self._rule} parents")
        return found

    @property
    def _rule(self) -> str:
        return ", ".join(map(str, self.parents[:-1])) + f" and {self.parents[-1]}"

    def format(self, architecture: Architecture) -> str:
        """See :meth:`SearchSpace.format`: the cell with all blocks, loose ends included, as a text of nb101.

        Raises ValueError unless every block has its operation and its number of parents.
        """
        module = module_of(architecture.choices[0], self.blocks)
        if module.vertices != self.blocks + 2 or tuple(module.matrix.sum(axis=0).tolist()) != (0, *self.parents):
            raise ValueError(f"blocks and output of {self.name} have {self._rule} parents")
        return str(module)

    def module(self, architecture: Architecture) -> Module:
        """See :meth:`ModuleSpace.module`."""
        return pruned(module_of(architecture.choices[0], self.blocks))

    def canonical(self, architecture: Architecture) -> Architecture:
        """The representative, here, of all architectures that are the same cell: see :class:`Members`."""
        found = _placed(canonical_module(self.module(architecture)), self.parents)
        assert found is not None
        return found

    def in_truth(self, architecture: Architecture) -> Architecture:
        """The architecture as one of :attr:`truth_space`: the representative there of its cell, loose ends pruned."""
        return TRUTH.architecture(canonical_module(self.module(architecture)))

    def contains(self, architecture: Architecture) -> bool:
        """Whether a cell of nb101, given as an architecture of it, is one of the sub-space's."""
        return _placed(canonical_module(TRUTH.module(architecture)), self.parents) is not None

    def members(self) -> Members:
        """All architectures, and which of them are the same cell. The largest sub-space has 1.3 million."""
        blocks = self.blocks
        edges, connections, operations = layout(blocks)
        labels = np.indices((len(OPERATIONS),) * blocks, dtype=np.int8).reshape(blocks, -1).T
        graphs: dict[str, int] = {}
        parts, codes = [], []
        for chosen in product(*map(combinations, map(range, range(1, blocks + 2)), self.parents)):
            part = np.full((len(labels), len(edges)), DROPPED, dtype=np.int8)
            for v, parents in enumerate(chosen, start=1):
                part[:, [connections[u, v] for u in parents]] = 0
            part[:, operations] = labels
            parts.append(part)
            matrix = [[v > 0 and u in chosen[v - 1] for v in range(blocks + 2)] for u in range(blocks + 2)]
            bits = "".join("01"[edge] for row in matrix for edge in row)
            kept = live_vertices(bits)
            least, numberings = least_numberings(renumbered(bits, kept))
            used = labels[:, [v - 1 for v in kept[1:-1]]]
            code = np.min([_code(used[:, [v - 1 for v in numbering[1:-1]]]) for numbering in numberings], axis=0)
            codes.append(graphs.setdefault(least, len(graphs)) * len(labels) + code)
        classes, first, cell = np.unique(np.concatenate(codes), return_index=True, return_inverse=True)
        matrices = list(graphs)
        cells = np.empty((len(classes), len(TRUTH.cells[0].edges)), dtype=np.int8)
        for index, code in enumerate(classes.tolist()):
            graph, label = divmod(code, len(labels))
            cells[index] = _choices(row_of(_module(matrices[graph], label), TRUTH.blocks))
        return Members(np.concatenate(parts), cell, first, cells)


def _code(labels: np.ndarray) -> np.ndarray:
    """Rows of operations as numbers, in their lexicographic order."""
    return labels.astype(np.int64) @ len(OPERATIONS) ** np.arange(labels.shape[1])[::-1]


def _module(bits: str, code: int) -> Module:
    """The cell of a matrix and of the number of its operations."""
    labels = []
    for _ in range(int(len(bits) ** 0.5) - 2):
        code, label = divmod(code, len(OPERATIONS))
        labels.append(label)
    return Module(bits, tuple(reversed(labels)))


def _choices(row: tuple[int | None, ...]) -> list[int]:
    return [DROPPED if choice is None else choice for choice in row]


@lru_cache(maxsize=1 << 16)
def _placed(module: Module, parents: tuple[int, ...]) -> Architecture | None:
    """The first architecture with those numbers of parents that is this pruned cell once pruned; None if none is.

    First in the order of :class:`Members`. A loose end takes the first parents and the first operation there are.
    """
    blocks = len(parents) - 1
    sources = [[u for u in range(v) if module.bits[u * module.vertices + v] == "1"] for v in range(module.vertices)]
    if len(sources[-1]) != parents[-1]:
        return None
    found = []
    for places in permutations(range(1, blocks + 1), module.vertices - 2):
        at = (0, *places)
        if any(
            len(sources[v]) != parents[at[v] - 1] or any(at[u] > at[v] for u in sources[v]) for v in range(1, len(at))
        ):
            continue
        chosen = [tuple(range(keeps)) for keeps in parents]
        chosen[-1] = tuple(sorted(at[u] for u in sources[-1]))
        operations = [0] * blocks
        for v in range(1, len(at)):
            chosen[at[v] - 1] = tuple(sorted(at[u] for u in sources[v]))
            operations[at[v] - 1] = module.operations[v - 1]
        found.append((chosen, operations))
    if not found:
        return None
    chosen, operations = min(found)
    bits = "".join("1" if v and u in chosen[v - 1] else "0" for u in range(blocks + 2) for v in range(blocks + 2))
    return Architecture((row_of(Module(bits, tuple(operations)), blocks),))


class OneShot1(OneShotSpace):
    """Four blocks; see table 1 of the paper."""

    name = "nb1shot1-1"
    summary = "NAS-Bench-1Shot1, space 1: 4 blocks with 1, 2, 2 and 2 parents, output of 2; cells of nb101"
    formulation = 1
    parents = (1, 2, 2, 2, 2)


class OneShot2(OneShotSpace):
    """Four blocks, fewer parents within the cell and more at its output."""

    name = "nb1shot1-2"
    summary = "NAS-Bench-1Shot1, space 2: 4 blocks with 1, 1, 2 and 2 parents, output of 3; cells of nb101"
    formulation = 1
    parents = (1, 1, 2, 2, 3)


class OneShot3(OneShotSpace):
    """Five blocks."""

    name = "nb1shot1-3"
    summary = "NAS-Bench-1Shot1, space 3: 5 blocks with 1, 1, 1, 2 and 2 parents, output of 2; cells of nb101"
    formulation = 1
    parents = (1, 1, 1, 2, 2, 2)
