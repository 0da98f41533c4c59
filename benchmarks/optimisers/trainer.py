"""The trainer that an optimiser works with: supernet, alphas, batches, and two steps.

An update consists of a step of the weights and a step of the alphas.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from archselect.benchmarks.optimisers.alpha_settings import WeighedPenalty
from archselect.benchmarks.optimisers.memory import Memory
from archselect.benchmarks.optimisers.mixture_cost import MixtureCost
from archselect.benchmarks.optimisers.penalties.base import AlphaView
from archselect.benchmarks.optimisers.schedules import BATCH, EveryStep, Schedule
from archselect.benchmarks.optimisers.settings import CommonSettings
from archselect.benchmarks.runtime.precision import autocast
from archselect.benchmarks.runtime.tensor_files import (
    check_optimizer_state,
    check_same_structure,
)
from archselect.benchmarks.store.facts import Settings
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import (
    FusedSupernet,
    Mixture,
    Supernet,
    executed,
    hardened,
    mixture_of,
    sampled,
)
from archselect.nasbench_adapters.networks.activation import SOFTMAX, Activation
from archselect.nasbench_adapters.networks.mixture import close_alphas, decided_mixture
from archselect.nasbench_adapters.space import Decisions, SearchSpace


class Batch(NamedTuple):
    """A batch of images, on the supernet's device.

    Attributes:
        images: (batch, channels, height, width), normalised.
        labels: (batch,).
        part: part of the data: "train", "valid" or "all".
    """

    images: Tensor
    labels: Tensor
    part: str


class UpdateRule(CommonSettings):
    """What a trainer needs of an optimiser: settings, and the update for one batch.

    Attributes:
        formulation: number that is raised when the results of the optimiser change on
            purpose. It is part of a supernet's id.
        side_skips: whether the supernet has a skip beside every edge
            (:class:`.SideSkips`).
    """

    formulation: ClassVar[int] = 1
    side_skips: ClassVar[bool] = False

    @property
    def part(self) -> str:
        """Part of the images whose batches `step` gets: "train" or "all"."""
        return "train"

    @property
    def searched(self) -> str:
        """Part of the images that the alphas learn from, for traces."""
        return self.part

    def build_activation(self) -> Activation:
        """Return the function from alphas to weights; by default the softmax."""
        return SOFTMAX

    def build_schedule(self) -> Schedule:
        """Return the schedule of the alphas' steps; by default every batch."""
        return EveryStep()

    def trains_alphas(self, progress: float) -> bool:
        """Return whether alphas may be stepped; by default always.

        Args:
            progress: share of the epochs that are done.
        """
        del progress
        return True

    def build_penalties(
        self,
        space: SearchSpace,
        network: NetworkShape,
    ) -> list[WeighedPenalty]:
        """Return the penalties on the alphas; by default none.

        Args:
            space: space of the alphas.
            network: shape of the network for which costs are counted.
        """
        del space, network
        return []

    def open_mixture_cost(
        self,
        space: SearchSpace,
        network: NetworkShape,
    ) -> MixtureCost | None:
        """Return the cost that the training records; by default None.

        Args:
            space: space of the alphas.
            network: shape of the network for which costs are counted.
        """
        del space, network
        return None

    def side_weight(self, progress: float) -> float:
        """Return the weight of the skips beside the edges; 0 for no skips.

        Args:
            progress: share of the epochs that are done, from 0 to 1.
        """
        del progress
        return 0.0

    def begin(self, trainer: Trainer) -> None:
        """Write the optimiser's initial state into the memory of a new training."""

    def sources(self, space: SearchSpace) -> list[str]:
        """Return the sources of code and tables that are not built in.

        Args:
            space: space of the alphas.
        """
        del space
        return []

    @abstractmethod
    def step(self, trainer: Trainer, batch: Batch) -> None:
        """Update weights and alphas, or some of them, for one batch of `part`.

        A selector that tunes a supernet also calls this method.
        """


class Listener(Protocol):
    """What a trainer calls in every forward pass and epoch: a recorder."""

    def listening(
        self,
        mixture: Mixture,
        part: str,
    ) -> Mixture:
        """Return a mixture whose gradient is recorded.

        Args:
            mixture: mixture with one table per layer.
            part: part of the images in the forward pass.
        """

    def hear(self, batch: Batch, logits: Tensor) -> None:
        """Record the forward pass of a batch by its logits (batch, classes)."""

    def end_epoch(self, alphas: Sequence[Tensor], alpha_steps: int) -> None:
        """Record the end of an epoch: its alphas, and the number of their steps."""


class Trainer:
    """The state of a training, which changes a supernet and its alphas in place.

    It is one object, so that the states of SGD and Adam are kept between calls.

    Args:
        optimiser: the optimiser.
        space: space of the supernet.
        supernet: the supernet, changed in place.
        alphas: leaf tensors that require gradients. They are changed in place if the
            optimiser steps them.
        images: the two halves.
        seed: seed of the order of batches, of augmentation, and of the optimiser's
            draws.
        skeleton: settings of the supernet's skeleton, for costs that are counted.

    Attributes:
        fused: the supernet with fewer and larger kernels.
        generator: the only random stream of the training, on the CPU.
        recorder: recorder of the training for its trace; None without a trace.
        decisions: decisions of the current epoch.
        progress: share of the epochs that are done: 0 in the first epoch, and 1 while a
            selector tunes.
        clock: share of the batches of all epochs that are done, including the current
            one; 1 while a selector tunes.
        activation, schedule, penalties: those of the optimiser.
        network: shape of the networks of the supernet's architectures.
        memory: state of optimiser, schedule and penalties between steps.
        alpha_steps: number of steps of the alphas in the current epoch.
        grad_norm: norm of the last gradient of the weights before clipping, a scalar on
            the supernet's device.
        weight_optimizer: SGD of the supernet's weights.
        alpha_optimizer: Adam of the alphas.
    """

    def __init__(
        self,
        optimiser: UpdateRule,
        space: SearchSpace,
        supernet: Supernet,
        alphas: tuple[Tensor, ...],
        images: Images,
        seed: int,
        skeleton: Settings,
    ) -> None:
        self.optimiser = optimiser
        self.space = space
        self.supernet = supernet
        self.alphas = alphas
        self.images = images
        self.fused = FusedSupernet(supernet)
        self._forward = executed(self.fused, supernet, optimiser.execution)
        by_type = supernet.layers_by_type()
        self.layers: list[int] = []
        for cell_type in range(len(space.cells)):
            of_type = by_type.get(cell_type, [])
            self.layers.append(len(of_type))
        self.recorder: Listener | None = None
        self.generator = torch.Generator().manual_seed(seed)
        self.decisions = space.undecided()
        self.progress = 0.0
        self._last_loss: Tensor | None = None
        self.clock = 0.0
        self.activation = optimiser.build_activation()
        self.schedule = optimiser.build_schedule()
        dataset = images.dataset
        self.network = NetworkShape(skeleton, dataset.image_shape, dataset.classes)
        self.penalties = optimiser.build_penalties(space, self.network)
        self.memory: Memory = {BATCH: 0.0}
        self.alpha_steps = 0
        self.grad_norm = torch.zeros((), device=images.device)
        self._is_due = True
        self._valid: Iterator[tuple[Tensor, Tensor]] = iter(())
        self.weight_optimizer = torch.optim.SGD(
            supernet.parameters(),
            optimiser.learning_rate,
            momentum=optimiser.momentum,
            weight_decay=optimiser.weight_decay,
        )
        self.alpha_optimizer = torch.optim.Adam(
            alphas,
            optimiser.alpha_learning_rate,
            betas=(optimiser.alpha_beta1, optimiser.alpha_beta2),
            weight_decay=optimiser.alpha_weight_decay,
        )
        self._begin_memory()

    def _begin_memory(self) -> None:
        """Write the initial state of optimiser, schedule and penalties."""
        self.optimiser.begin(self)
        self.schedule.begin(self.memory)
        if self.penalties:
            view = self._view()
            for penalty, _ in self.penalties:
                penalty.begin(view)

    def _view(self) -> AlphaView:
        """Return the state that penalties read, for the current alphas."""
        return AlphaView(
            self.space,
            self.activation,
            self.decisions,
            self.alphas,
            self.clock,
            self.progress,
            self.memory,
        )

    def epoch(
        self,
        decisions: Decisions,
        progress: float = 1.0,
    ) -> None:
        """Train for one pass over the optimiser's part of the images.

        Decided edges are fixed.

        Args:
            decisions: the decided edges.
            progress: share of the epochs that are done, from 0 to 1.
        """
        self.supernet.train()
        self.decisions = decisions
        self.progress = progress
        size = self.optimiser.batch_size
        self._valid = self.images.endless(
            "valid", size, self.generator, self.optimiser.augment
        )
        part = self.optimiser.part
        self.alpha_steps = 0
        steps = self._count_batches(part) * max(self.optimiser.epochs, 1)
        for place, (images, labels) in enumerate(self._batches(part)):
            self.memory[BATCH] = float(place)
            self.clock = min(progress + (place + 1) / steps, 1.0)
            batch = Batch(images, labels, part)
            self.optimiser.step(self, batch)
        if self.recorder is not None:
            self.recorder.end_epoch(self.alphas, self.alpha_steps)

    def _count_batches(self, part: str) -> int:
        """Return the number of batches of one epoch."""
        return math.ceil(len(self.images.index(part)) / self.optimiser.batch_size)

    def _batches(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one epoch."""
        size = self.optimiser.batch_size
        augment = self.optimiser.augment
        if self.optimiser.batches == "epoch":
            yield from self.images.epoch(part, size, self.generator, augment)
        else:
            for _ in range(self._count_batches(part)):
                yield self.images.minibatch(part, size, self.generator, augment)

    def valid(self) -> Batch:
        """Return the next batch of the validation half."""
        images, labels = next(self._valid)
        return Batch(images, labels, "valid")

    def mixture(self, alphas: Sequence[Tensor] | None = None) -> Mixture:
        """Return the activated alphas on open edges, and one-hot weights on others.

        Args:
            alphas: alphas to which gradients flow, one (edges, operations) tensor per
                cell type; None for the trainer's.
        """
        if alphas is None:
            alphas = self.alphas
        return mixture_of(self.space, alphas, self.decisions, self.activation)

    def probabilities(self) -> Mixture:
        """Return the mixture in which each open edge's weights sum to one."""
        tables = []
        alphas = close_alphas(self.alphas, self.decisions)
        for cell, alpha in zip(self.space.cells, alphas, strict=True):
            tables.append(self.activation.probabilities(cell, alpha))
        return decided_mixture(self.space, tables, self.decisions, self.activation)

    def relaxed(
        self,
        noises: Sequence[Tensor],
        temperature: float,
    ) -> Mixture:
        """Return a mixture near one-hot, by :meth:`.Activation.relaxed`.

        Args:
            noises: Gumbel noise, (edges, operations) per cell type.
            temperature: temperature, above zero.
        """
        tables = []
        alphas = close_alphas(self.alphas, self.decisions)
        by_cell = zip(self.space.cells, alphas, noises, strict=True)
        for cell, alpha, noise in by_cell:
            tables.append(self.activation.relaxed(cell, alpha, noise, temperature))
        return decided_mixture(self.space, tables, self.decisions, self.activation)

    def drawn(self, mixture: Mixture) -> Mixture:
        """Return a drawn mixture with one operation per open edge.

        An operation is drawn in proportion to its weight. Waits for the device once.
        """
        device = self.images.device
        return sampled(self.space, mixture, self.decisions, self.generator, device)

    def hardened(self, mixture: Mixture) -> Mixture:
        """Return the mixture of every open edge's largest operation.

        Gradients are those of the given mixture. Waits for the device once.
        """
        device = self.images.device
        return hardened(self.space, mixture, self.decisions, device)

    def loss(
        self,
        batch: Batch,
        mixture: Mixture,
        weights: Mapping[str, Tensor] | None = None,
        recorded: bool = True,
    ) -> Tensor:
        """Return the mean cross-entropy on a batch, a scalar.

        Args:
            batch: images and labels.
            mixture: mixture for the forward pass.
            weights: weights by name that replace the supernet's; running statistics are
                then not updated. None for the supernet's weights.
            recorded: whether to record the loss in the trace, if there is one.
        """
        images, labels, part = batch
        recorder = self.recorder if recorded else None
        has_gradient = any(table.requires_grad for table in mixture.weights)
        # Always if there is a gradient, so that a trace does not change the rounding.
        if recorder is not None or has_gradient:
            mixture = mixture.spread(self.layers)
        if recorder is not None:
            mixture = recorder.listening(mixture, part)
        side_weight = self.optimiser.side_weight(self.progress)
        if side_weight:
            mixture = mixture.beside(side_weight)
        with autocast(self.images.device, self.optimiser.precision):
            logits = self._logits(images, mixture, weights)
            if recorder is not None:
                recorder.hear(batch, logits)
            loss = F.cross_entropy(logits, labels)
        self._last_loss = loss.detach()
        return loss

    def read_loss(self) -> float | None:
        """Return the last loss; None if there was none. Waits for the device."""
        return None if self._last_loss is None else float(self._last_loss)

    def _logits(
        self,
        images: Tensor,
        mixture: Mixture,
        weights: Mapping[str, Tensor] | None,
    ) -> Tensor:
        """Return the logits (batch, classes) of images.

        Args:
            images: (batch, channels, height, width).
            mixture: mixture of the supernet.
            weights: weights by name; running statistics are then not updated. None for
                the supernet's weights.
        """
        if weights is None:
            return self._forward(images, mixture)
        tensors = {}
        for name, buffer in self.supernet.named_buffers():
            tensors[name] = buffer.clone()
        tensors.update(weights)
        arguments = (images, mixture, self.fused.replace_cells)
        logits: Tensor = functional_call(self.supernet, tensors, arguments)
        return logits

    def gradients(self, loss: Tensor) -> tuple[Tensor, ...]:
        """Return the loss' gradient by the alphas, (edges, operations) per cell type.

        It is zero where the loss does not depend on them.
        """
        if not loss.requires_grad:
            # With constant weights, when every operation is dead.
            return tuple(torch.zeros_like(alpha) for alpha in self.alphas)
        return torch.autograd.grad(loss, self.alphas, materialize_grads=True)

    def alphas_are_due(self) -> bool:
        """Return whether this batch has a step of the alphas.

        Call it once per batch, before the step of the weights.
        """
        is_scheduled = self.schedule.is_due(self.memory)
        self._is_due = is_scheduled and self.optimiser.trains_alphas(self.progress)
        return self._is_due

    def step_alphas(self, gradients: Sequence[Tensor | None]) -> None:
        """Do one step of Adam with the gradients plus those of the penalties.

        Alphas without a gradient do not change. The sum is clipped.
        """
        if self.penalties:
            gradients = _add_gradients(gradients, self._penalty_gradients())
        for alpha, gradient in zip(self.alphas, gradients, strict=True):
            alpha.grad = gradient
        if self.optimiser.alpha_grad_clip:
            nn.utils.clip_grad_norm_(self.alphas, self.optimiser.alpha_grad_clip)
        alive = self.activation.living(self.alphas)
        self.alpha_optimizer.step()
        self.activation.settle(self.alphas, alive)
        self.alpha_steps += 1
        if self.penalties:
            self._finish_penalties()

    def _penalty_gradients(self) -> tuple[Tensor, ...]:
        """Return the gradients of all penalties, (edges, operations) per cell type."""
        view = self._view()
        total = view.zero()
        for penalty, weight in self.penalties:
            total = total + weight * penalty(view)
        return torch.autograd.grad(total, self.alphas, materialize_grads=True)

    def _finish_penalties(self) -> None:
        """Tell the penalties that the alphas have stepped."""
        with torch.no_grad():
            after = self._view()
            for penalty, _ in self.penalties:
                penalty.finish_step(after)

    def step_weights(
        self, loss: Tensor, also: Sequence[Tensor] = ()
    ) -> tuple[Tensor, ...]:
        """Do one step of SGD on the loss, with a clipped gradient.

        Weights on which the loss does not depend do not change.

        Args:
            loss: a scalar.
            also: other leaves, such as the alphas or a mixture's weights.

        Returns:
            the loss' gradients by `also`, from the same backward pass; zeros if it does
            not depend on a leaf.
        """
        gradients = self.backward(loss, also)
        self.descend()
        return gradients

    def backward(self, loss: Tensor, also: Sequence[Tensor] = ()) -> tuple[Tensor, ...]:
        """Compute the gradient of the weights: the first half of a step of SGD.

        Takes and returns the same as :meth:`step_weights`.
        """
        for leaf in also:
            leaf.grad = None
        self.weight_optimizer.zero_grad()
        loss.backward()
        gradients = []
        for leaf in also:
            gradient = leaf.grad
            if gradient is None:
                gradient = torch.zeros_like(leaf)
            gradients.append(gradient)
        return tuple(gradients)

    def descend(self) -> None:
        """Do one step of SGD along the clipped gradient of the weights.

        This is the second half of a step, after :meth:`backward`. Weights without a
        gradient do not change.
        """
        self.grad_norm = self._clip_gradient()
        self.schedule.observe(self.grad_norm, self._is_due, self.memory)
        self.weight_optimizer.step()

    def _clip_gradient(self) -> Tensor:
        """Clip the gradient of the weights; return its norm before, a scalar."""
        weights = list(self.supernet.parameters())
        if self.optimiser.grad_clip:
            return nn.utils.clip_grad_norm_(weights, self.optimiser.grad_clip)
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        return nn.utils.get_total_norm(gradients)

    def state(self) -> dict[str, Any]:
        """Return everything that training changes, for :meth:`load_state`.

        It consists of tensors, numbers and containers of them.
        """
        return {
            "weights": self.supernet.state_dict(),
            "alphas": [alpha.detach() for alpha in self.alphas],
            "weight_optimizer": self.weight_optimizer.state_dict(),
            "alpha_optimizer": self.alpha_optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "memory": dict(self.memory),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a copy of a state.

        Training resumes from it with identical results, as if never interrupted.
        """
        self.supernet.load_state_dict(state["weights"])
        with torch.no_grad():
            alphas = zip(self.alphas, state["alphas"], strict=True)
            for alpha, saved in alphas:
                alpha.copy_(saved)
        for name in ("weight_optimizer", "alpha_optimizer"):
            present = getattr(self, name).state_dict()
            check_optimizer_state(state[name], present)
        self.weight_optimizer.load_state_dict(deepcopy(state["weight_optimizer"]))
        self.alpha_optimizer.load_state_dict(deepcopy(state["alpha_optimizer"]))
        self.generator.set_state(state["generator"])
        self.load_memory(state["memory"])

    def load_memory(self, memory: Memory) -> None:
        """Restore the state of optimiser, schedule and penalties.

        Raises TypeError if it has other names, ValueError if it has other shapes.
        """
        if memory.keys() != self.memory.keys():
            raise TypeError("the memory is of another optimiser, schedule or penalty")
        check_same_structure(memory, self.memory)
        for name, value in memory.items():
            self._restore(name, value)

    def _restore(self, name: str, value: Tensor | float) -> None:
        """Restore a value of the memory. Raise ValueError for another shape."""
        present = self.memory[name]
        if isinstance(value, Tensor) and isinstance(present, Tensor):
            if value.shape != present.shape:
                raise ValueError(f"{name} has shape {tuple(value.shape)}")
            value = value.to(self.images.device)
        self.memory[name] = value


def _add_gradients(
    gradients: Sequence[Tensor | None],
    others: Sequence[Tensor],
) -> list[Tensor | None]:
    """Return sums of gradients; None stands for zero."""
    sums: list[Tensor | None] = []
    for gradient, other in zip(gradients, others, strict=True):
        sums.append(other if gradient is None else gradient + other)
    return sums
