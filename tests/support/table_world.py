"""A world in which the table itself stands in the place of the supernet.

The alphas' loss is minus the expected validation accuracy of a cell that is drawn edge
by edge from softmax(alpha), plus a penalty. The expectation is exact: the table of all
cells is contracted with the weights of the edges. It shows what activations, schedules
and penalties do without any training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from archselect.benchmarks.optimisers.memory import Memory
from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty
from archselect.nasbench_adapters.networks.activation import SOFTMAX
from archselect.nasbench_adapters.networks.discrete import strongest
from archselect.nasbench_adapters.space import Architecture, SearchSpace

STEPS = 300
RATE = 0.05
BETAS = (0.5, 0.999)


class TableWorld:
    """A space of one cell type whose edges all have the same operations.

    Args:
        space: enumerable.
        accuracies: validation accuracy in per cent of every cell, in the order in which
            the space enumerates them.
    """

    def __init__(self, space: SearchSpace, accuracies: np.ndarray) -> None:
        self.space = space
        (cell,) = space.cells
        self.operations = len(cell.operations[0])
        shape = [self.operations] * len(cell.edges)
        table = np.zeros(shape)
        for architecture, accuracy in zip(space.enumerate(), accuracies, strict=True):
            table[architecture.choices[0]] = accuracy
        self.table = torch.from_numpy(table)

    def expected_accuracy(self, weights: Tensor) -> Tensor:
        """Return the expectation, in per cent, for weights (edges, operations)."""
        expected = self.table
        for row in weights:
            expected = torch.tensordot(row, expected, dims=([0], [0]))
        return expected

    def search(
        self,
        penalties: Sequence[Penalty],
        seed: int,
        steps: int = STEPS,
    ) -> tuple[Architecture, Tensor]:
        """Return the cell with the largest weights after the search, and the weights.

        Args:
            penalties: of the alphas.
            seed: of the initial alphas.
            steps: of Adam.
        """
        generator = torch.Generator().manual_seed(seed)
        device = torch.device("cpu")
        alphas = SOFTMAX.new_alphas(self.space, generator, device, 1e-3)
        leaves = [alpha.double().requires_grad_() for alpha in alphas]
        optimiser = torch.optim.Adam(leaves, RATE, betas=BETAS)
        memory: Memory = {}
        undecided = self.space.undecided()
        for step in range(steps):
            clock = (step + 1) / steps
            view = AlphaView(
                self.space, SOFTMAX, undecided, leaves, clock, clock, memory
            )
            loss = -self.expected_accuracy(view.tables[0]) / 100
            for penalty in penalties:
                loss = loss + penalty(view)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        tables = SOFTMAX.tables(self.space, [leaf.detach() for leaf in leaves])
        (one_hot,) = strongest(self.space, tables)
        choices = tuple(int(choice) for choice in one_hot.argmax(-1))
        return Architecture((choices,)), tables[0]
