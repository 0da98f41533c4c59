"""Records a training for its trace: it listens to every forward and backward and changes none.

Sums stay on the device within an epoch; they are read once at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.benchmarks.store.traces import (
    CellTrace,
    Trace,
    TraceInfo,
    shape_of_losses,
    shapes,
)
from archselect.nasbench_adapters.networks import Mixture, mixture_of, sampled, scoring
from archselect.nasbench_adapters.networks.mixture import count_columns


class _Costs:
    """Costs on a cell type, summed over batches: counts on the host, sums on the device."""

    def __init__(
        self, layers: int, edges: int, operations: int, device: torch.device
    ) -> None:
        self._counts = np.zeros((edges, operations), dtype=np.int32)
        self._batches = 0
        self._layers = torch.zeros(
            layers, edges, operations, dtype=torch.float64, device=device
        )
        self._squares = torch.zeros(
            edges, operations, dtype=torch.float64, device=device
        )
        self._weighed = torch.zeros(layers, edges, dtype=torch.float64, device=device)

    def count_forward(self, support: Sequence[Sequence[bool]]) -> None:
        """Count the operations of a forward; what they cost comes with the backward, if the loss depends on any."""
        self._counts += np.array(support, dtype=np.int32)
        self._batches += 1

    def add_gradient(self, table: Tensor, gradient: Tensor) -> None:
        """Add the costs of a backward.

        Args:
            table: the mixture, (layers, edges, operations).
            gradient: the loss' gradient by it, of its shape. It is zero outside of the
                support.
        """
        costs = gradient.double()
        self._layers += costs
        self._squares += costs.sum(0).square()
        self._weighed += (costs * table).sum(-1)

    def measured(self) -> dict[str, Tensor]:
        """Return counts, means, variances, means by layer, and means by layer and edge under the mixture."""
        counts = torch.from_numpy(self._counts)
        layers = self._layers.cpu()
        means = layers.sum(0) / counts
        # Rounding must not make a variance negative.
        variances = (self._squares.cpu() / counts - means.square()).clamp_min(0)
        return {
            "counts": counts,
            "means": means.float(),
            "variances": variances.float(),
            "layers": (layers / counts).float(),
            "edges": (self._weighed.cpu() / self._batches).float(),
        }


class Recorder:
    """The recorder of what a trace keeps of a training.

    Args:
        trainer: whose.

    Attributes:
        parts: of the images that losses are recorded of; costs are those of the first,
            which the alphas learn from.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._space = trainer.space
        self._layers = trainer.layers
        self._device = trainer.images.device
        self.parts = list(
            dict.fromkeys([trainer.optimiser.searched, trainer.optimiser.part])
        )
        self._history: dict[str, list[Tensor]] = {}
        self._begin()

    def _begin(self) -> None:
        """Begin the sums of an epoch."""
        self._costs = []
        for place, cell in enumerate(self._space.cells):
            columns = count_columns(self._space, place)
            self._costs.append(
                _Costs(self._layers[place], len(cell.edges), columns, self._device)
            )
        self._losses = torch.zeros(
            len(self.parts), 2, 3, dtype=torch.float64, device=self._device
        )

    def listening(self, mixture: Mixture, part: str) -> Mixture:
        """Return the mixture such that its costs are recorded, if the alphas learn from that part of the images.

        Args:
            mixture: with one table per layer.
            part: of the images that go forward under it.
        """
        if part != self.parts[0]:
            return mixture
        weights = tuple(
            table if table.requires_grad else table.detach().requires_grad_()
            for table in mixture.weights
        )
        for costs, table, support in zip(
            self._costs, weights, mixture.support, strict=True
        ):
            costs.count_forward(support)
            table.register_hook(partial(costs.add_gradient, table.detach()))
        return Mixture(weights, mixture.support)

    def hear(self, batch: Batch, logits: Tensor) -> None:
        """Add the losses of a forward, from its logits (batch, classes)."""
        if batch.part not in self.parts:
            return
        logs = F.log_softmax(logits.detach().double(), dim=1)
        loss = -logs.gather(1, batch.labels[:, None])[:, 0]
        entropy = -(logs.exp() * logs).sum(1)
        right = (logs.argmax(1) == batch.labels).double()
        by_outcome = torch.stack([1 - right, right])
        summands = torch.stack([torch.ones_like(loss), loss, entropy], dim=1)
        self._losses[self.parts.index(batch.part)] += by_outcome @ summands

    def _keep(self, name: str, value: Tensor) -> None:
        self._history.setdefault(name, []).append(value)

    def keep_probabilities(self, alphas: Sequence[Tensor]) -> None:
        """Keep the alphas' softmax."""
        with torch.no_grad():
            for c, table in enumerate(mixture_of(self._space, alphas).weights):
                self._keep(f"probabilities_{c}", table.cpu().float())

    def end_epoch(self, alphas: Sequence[Tensor]) -> None:
        """Keep the alphas' softmax, and the losses and costs of an epoch."""
        self.keep_probabilities(alphas)
        self._keep("losses", self._losses.cpu().float())
        for c, costs in enumerate(self._costs):
            measured = costs.measured()
            self._keep(f"cost_counts_{c}", measured["counts"])
            self._keep(f"cost_means_{c}", measured["means"])
            self._keep(f"cost_variances_{c}", measured["variances"])
            self._keep(f"edge_costs_{c}", measured["edges"])
        self._begin()

    def probe(self, trainer: Trainer, seed: int) -> None:
        """Keep the costs of uniformly drawn paths, over one pass of the part that the alphas learn from.

        Nothing is trained, no running statistics move, and no random stream of the
        training.

        Args:
            trainer: whose supernet is probed.
            seed: of the paths and of the batches.
        """
        self._begin()
        part = self.parts[0]
        generator = torch.Generator().manual_seed(seed)
        size = trainer.optimiser.batch_size
        augment = trainer.optimiser.augment
        equal = mixture_of(
            self._space,
            [torch.zeros_like(alpha, device="cpu") for alpha in trainer.alphas],
        )
        with scoring(trainer.supernet, "batch"), torch.enable_grad():
            for images, labels in trainer.images.epoch(part, size, generator, augment):
                path = sampled(
                    self._space, equal, self._space.undecided(), generator, self._device
                ).leaf()
                loss = trainer.loss(Batch(images, labels, part), path)
                torch.autograd.grad(loss, path.weights, allow_unused=True)
        for c, costs in enumerate(self._costs):
            for name, value in costs.measured().items():
                if name != "edges":
                    self._keep(f"probe_{name}_{c}", value)
        self._begin()

    def state(self) -> dict[str, Any]:
        """Return all that was kept, for :meth:`load_state`; between two epochs."""
        return {name: torch.stack(values) for name, values in self._history.items()}

    def load_state(self, state: dict[str, Any], epochs: int) -> None:
        """Take over what was kept until after so many epochs.

        Raises ValueError if it is of another shape.
        """
        wanted: dict[str, tuple[int, ...]] = {
            "losses": shape_of_losses(len(self.parts), epochs)
        }
        for c, cell in enumerate(self._space.cells):
            columns = count_columns(self._space, c)
            of_cell = shapes(
                len(cell.edges), columns, self._layers[c], epochs, probes=1
            )
            wanted |= {f"{name}_{c}": shape for name, shape in of_cell.items()}
        if {name: tuple(values.shape) for name, values in state.items()} != wanted:
            raise ValueError("its trace is of another shape")
        self._history = {name: list(values.unbind()) for name, values in state.items()}
        self._begin()

    def trace(self, info: TraceInfo) -> Trace:
        """Return the trace; after the last probe."""
        arrays = {name: values.numpy() for name, values in self.state().items()}
        cells = []
        for c in range(len(self._layers)):
            suffix = f"_{c}"
            of_cell = {
                name.removesuffix(suffix): value
                for name, value in arrays.items()
                if name.endswith(suffix)
            }
            cells.append(CellTrace(**of_cell))
        return Trace(info, arrays["losses"], tuple(cells))
