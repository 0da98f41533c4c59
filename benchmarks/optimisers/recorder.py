"""Record a training for its trace, without changing it.

Sums stay on the device within an epoch, and are read once at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.benchmarks.store.traces import (
    CellTrace,
    Trace,
    TraceInfo,
    cell_shapes,
    shape_of_losses,
)
from archselect.nasbench_adapters.networks import Mixture, mixture_of, sampled, scoring
from archselect.nasbench_adapters.networks.activation import count_columns
from archselect.nasbench_adapters.networks.mixture import blank_alphas


class MeasuredCosts(NamedTuple):
    """Costs of a cell type's operations over some batches, on the CPU.

    Attributes:
        counts: (edges, operations), the number of batches that computed each operation.
        means: (edges, operations), mean cost over these batches.
        variances: (edges, operations), variance of the cost.
        layers: (layers, edges, operations), means by layer.
        edges: (layers, edges), means under the mixture, over all batches.
    """

    counts: Tensor
    means: Tensor
    variances: Tensor
    layers: Tensor
    edges: Tensor


class _Costs:
    """Costs of a cell type's operations, summed over batches.

    Counts are on the CPU and sums on the device.
    """

    def __init__(
        self,
        layers: int,
        edges: int,
        operations: int,
        device: torch.device,
    ) -> None:
        shape = (edges, operations)
        self._counts = np.zeros(shape, dtype=np.int32)
        self._batches = 0
        zeros = partial(torch.zeros, dtype=torch.float64, device=device)
        self._layers = zeros(layers, edges, operations)
        self._squares = zeros(edges, operations)
        self._weighed = zeros(layers, edges)

    def count_forward(self, support: Sequence[Sequence[bool]]) -> None:
        """Count the operations of a forward pass.

        Their costs are added in the backward pass, if the loss depends on any of them.
        """
        self._counts += np.array(support, dtype=np.int32)
        self._batches += 1

    def add_gradient(
        self,
        table: Tensor,
        gradient: Tensor,
    ) -> None:
        """Add the costs of a backward pass.

        Args:
            table: the mixture, (layers, edges, operations).
            gradient: gradient of the loss by the mixture, of its shape. It is zero
                outside the support.
        """
        costs = gradient.double()
        by_operation = costs.sum(0)
        weighed = costs * table
        self._layers += costs
        self._squares += by_operation.square()
        self._weighed += weighed.sum(-1)

    def measured(self) -> MeasuredCosts:
        """Return the costs over all batches. Waits for the device."""
        counts = torch.from_numpy(self._counts)
        layers = self._layers.cpu()
        means = layers.sum(0) / counts
        mean_squares = self._squares.cpu() / counts
        # Prevent a negative variance from rounding.
        variances = (mean_squares - means.square()).clamp_min(0)
        by_layer = layers / counts
        by_edge = self._weighed.cpu() / self._batches
        return MeasuredCosts(
            counts=counts,
            means=means.float(),
            variances=variances.float(),
            layers=by_layer.float(),
            edges=by_edge.float(),
        )


class Recorder:
    """The recorder of everything that a trace keeps of a training.

    Args:
        trainer: trainer of the training.

    Attributes:
        parts: parts of the images whose losses are recorded. Costs are recorded for the
            first, from which the alphas learn.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._space = trainer.space
        self._activation = trainer.activation
        self._layers = trainer.layers
        self._device = trainer.images.device
        optimiser = trainer.optimiser
        self.parts = list(dict.fromkeys([optimiser.searched, optimiser.part]))
        self._history: dict[str, list[Tensor]] = {}
        self._begin()

    def _begin(self) -> None:
        """Start the sums of an epoch."""
        self._costs: list[_Costs] = []
        for index, cell in enumerate(self._space.cells):
            columns = count_columns(self._space, index)
            layers = self._layers[index]
            costs = _Costs(layers, len(cell.edges), columns, self._device)
            self._costs.append(costs)
        self._losses = torch.zeros(
            len(self.parts), 2, 3, dtype=torch.float64, device=self._device
        )

    def listening(
        self,
        mixture: Mixture,
        part: str,
    ) -> Mixture:
        """Return a mixture whose costs are recorded.

        They are recorded only if the alphas learn from that part of the images.

        Args:
            mixture: mixture with one table per layer.
            part: part of the images in the forward pass.
        """
        if part != self.parts[0]:
            return mixture
        weights = []
        for cell, costs in enumerate(self._costs):
            leaf = mixture.weights[cell]
            if not leaf.requires_grad:
                leaf = leaf.detach().requires_grad_()
            costs.count_forward(mixture.support[cell])
            leaf.register_hook(partial(costs.add_gradient, leaf.detach()))
            weights.append(leaf)
        return replace(mixture, weights=tuple(weights))

    def hear(self, batch: Batch, logits: Tensor) -> None:
        """Add the losses of a forward pass, from its logits (batch, classes)."""
        if batch.part not in self.parts:
            return
        exact = logits.detach().double()
        logarithms = F.log_softmax(exact, dim=1)
        labels = batch.labels[:, None]
        loss = -logarithms.gather(1, labels)[:, 0]
        terms = logarithms.exp() * logarithms
        entropy = -terms.sum(1)
        is_right = logarithms.argmax(1) == batch.labels
        right = is_right.double()
        # (wrong and right, batch) times (batch, one and loss and entropy).
        by_outcome = torch.stack([1 - right, right])
        ones = torch.ones_like(loss)
        summands = torch.stack([ones, loss, entropy], dim=1)
        place = self.parts.index(batch.part)
        self._losses[place] += by_outcome @ summands

    def _keep(self, name: str, value: Tensor) -> None:
        """Keep one more value under a name."""
        values = self._history.setdefault(name, [])
        values.append(value)

    def keep_probabilities(self, alphas: Sequence[Tensor]) -> None:
        """Keep the weights that the activation gives to the alphas."""
        with torch.no_grad():
            of_operations = self._activation.operation_alphas(alphas)
            tables = self._activation.tables(self._space, of_operations)
            for cell, table in enumerate(tables):
                self._keep(f"probabilities_{cell}", table.cpu().float())

    def end_epoch(self, alphas: Sequence[Tensor], alpha_steps: int) -> None:
        """Keep an epoch's weights and steps of the alphas, losses and costs."""
        self.keep_probabilities(alphas)
        self._keep("alpha_step_counts", torch.tensor(alpha_steps, dtype=torch.int32))
        self._keep("losses", self._losses.cpu().float())
        for cell, costs in enumerate(self._costs):
            measured = costs.measured()
            self._keep(f"cost_counts_{cell}", measured.counts)
            self._keep(f"cost_means_{cell}", measured.means)
            self._keep(f"cost_variances_{cell}", measured.variances)
            self._keep(f"edge_costs_{cell}", measured.edges)
        self._begin()

    def probe(self, trainer: Trainer, seed: int) -> None:
        """Keep the costs of uniformly drawn paths.

        They are measured in one pass over the part that the alphas learn from. Nothing
        is trained; running statistics and random streams of the training do not change.

        Args:
            trainer: trainer whose supernet is probed.
            seed: seed of the paths and of the batches.
        """
        self._begin()
        part = self.parts[0]
        generator = torch.Generator().manual_seed(seed)
        size = trainer.optimiser.batch_size
        augment = trainer.optimiser.augment
        zeros = blank_alphas(self._space, torch.device("cpu"))
        equal = mixture_of(self._space, zeros)
        undecided = self._space.undecided()
        with scoring(trainer.supernet, "batch"), torch.enable_grad():
            batches = trainer.images.epoch(part, size, generator, augment)
            for images, labels in batches:
                drawn = sampled(self._space, equal, undecided, generator, self._device)
                path = drawn.leaf()
                loss = trainer.loss(Batch(images, labels, part), path)
                torch.autograd.grad(loss, path.weights, allow_unused=True)
        for cell, costs in enumerate(self._costs):
            measured = costs.measured()
            self._keep(f"probe_counts_{cell}", measured.counts)
            self._keep(f"probe_means_{cell}", measured.means)
            self._keep(f"probe_variances_{cell}", measured.variances)
            self._keep(f"probe_layers_{cell}", measured.layers)
        self._begin()

    def state(self) -> dict[str, Any]:
        """Return everything kept, for :meth:`load_state`. Call it between epochs."""
        state = {}
        for name, values in self._history.items():
            state[name] = torch.stack(values)
        return state

    def load_state(
        self,
        state: dict[str, Any],
        epochs: int,
    ) -> None:
        """Restore what was kept in the first epochs.

        Raises ValueError if it has other shapes.
        """
        given = {}
        for name, values in state.items():
            given[name] = tuple(values.shape)
        if given != self._shapes_after(epochs):
            raise ValueError("its trace has another shape")
        self._history = {}
        for name, values in state.items():
            self._history[name] = list(values.unbind())
        self._begin()

    def _shapes_after(self, epochs: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of what is kept after a number of epochs, by name."""
        by_name: dict[str, tuple[int, ...]] = {
            "losses": shape_of_losses(len(self.parts), epochs),
            "alpha_step_counts": (epochs,),
        }
        for index, cell in enumerate(self._space.cells):
            edges = len(cell.edges)
            columns = count_columns(self._space, index)
            layers = self._layers[index]
            of_cell = cell_shapes(edges, columns, layers, epochs, probes=1)
            for name, shape in of_cell.items():
                by_name[f"{name}_{index}"] = shape
        return by_name

    def trace(self, info: TraceInfo) -> Trace:
        """Return the trace. Call it after the last probe."""
        state = self.state()
        arrays = {}
        for name, values in state.items():
            arrays[name] = values.numpy()
        cells = []
        for index in range(len(self._layers)):
            suffix = f"_{index}"
            of_cell = {}
            for name, values in arrays.items():
                if name.endswith(suffix):
                    of_cell[name.removesuffix(suffix)] = values
            cells.append(CellTrace(**of_cell))
        return Trace(info, arrays["losses"], arrays["alpha_step_counts"], tuple(cells))
