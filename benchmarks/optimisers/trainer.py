"""The trainer an optimiser is given: supernet, alphas, batches, and two steps.

Updates are made of the step of the weights and the step of the alphas.
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

from archselect.benchmarks.optimisers.settings import CommonSettings
from archselect.benchmarks.runtime.precision import autocast
from archselect.benchmarks.runtime.tensor_files import check_optimizer_state
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import (
    FusedSupernet,
    Mixture,
    Supernet,
    executed,
    mixture_of,
    sampled,
)
from archselect.nasbench_adapters.space import Decisions, SearchSpace


class Batch(NamedTuple):
    """A batch of images, on the supernet's device.

    Attributes:
        images: (batch, channels, height, width), normalised.
        labels: (batch,).
        part: of the data that they are of: "train", "valid" or "all".
    """

    images: Tensor
    labels: Tensor
    part: str


class UpdateRule(CommonSettings):
    """What a trainer knows of an optimiser: settings, and the update for one batch.

    Attributes:
        formulation: raised when the numbers that the optimiser produces change on
        purpose;
            part of a supernet's id.
    """

    formulation: ClassVar[int] = 1

    @property
    def part(self) -> str:
        """Part of the images whose batches `step` is given: "train", or "all"."""
        return "train"

    @property
    def searched(self) -> str:
        """Part of the images from which the alphas' gradient comes, for traces."""
        return self.part

    @abstractmethod
    def step(self, trainer: Trainer, batch: Batch) -> None:
        """Update weights and alphas, or some of them, for one batch of `part`.

        Also tunes a supernet for a selector.
        """


class Listener(Protocol):
    """What a trainer calls at every forward and epoch: :class:`.recorder.Recorder`."""

    def listening(
        self,
        mixture: Mixture,
        part: str,
    ) -> Mixture:
        """Return the mixture such that its gradient is recorded.

        Args:
            mixture: with one table per layer.
            part: of the images that go forward under it.
        """

    def hear(self, batch: Batch, logits: Tensor) -> None:
        """Record a forward of a batch by its logits (batch, classes)."""

    def end_epoch(self, alphas: Sequence[Tensor]) -> None:
        """Record the end of an epoch, and the alphas then."""


class Trainer:
    """The state of a training, which changes a supernet and its alphas in place.

    It is one object, so that the states of SGD and Adam are kept between calls.

    Args:
        optimiser: how.
        space: of the supernet.
        supernet: changed in place.
        alphas: leaf tensors that require gradients; changed in place if the optimiser
            steps them.
        images: the two halves.
        seed: of the order of batches, of augmentation and of what the optimiser draws.

    Attributes:
        fused: the supernet, with few large kernels.
        generator: the one random stream of the training, on the CPU.
        recorder: records the training for its trace; None without one.
        decisions: of the current epoch.
        progress: share of the epochs that are done, 0 in the first one; 1 while a
            selector tunes.
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

    def epoch(
        self,
        decisions: Decisions,
        progress: float = 1.0,
    ) -> None:
        """Train for one pass over the optimiser's part of the images.

        Decided edges are fixed.

        Args:
            decisions: which edges are decided.
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
        for images, labels in self._batches(part):
            batch = Batch(images, labels, part)
            self.optimiser.step(self, batch)
        if self.recorder is not None:
            self.recorder.end_epoch(self.alphas)

    def _batches(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one epoch."""
        size = self.optimiser.batch_size
        augment = self.optimiser.augment
        if self.optimiser.batches == "epoch":
            yield from self.images.epoch(part, size, self.generator, augment)
        else:
            images = len(self.images.index(part))
            count = math.ceil(images / size)
            for _ in range(count):
                yield self.images.minibatch(part, size, self.generator, augment)

    def valid(self) -> Batch:
        """Return the next batch of the validation half."""
        images, labels = next(self._valid)
        return Batch(images, labels, "valid")

    def mixture(self, alphas: Sequence[Tensor] | None = None) -> Mixture:
        """Return softmax(alpha) on open edges, one-hot on decided ones.

        Args:
            alphas: to which gradients flow, one (edges, operations) tensor per cell
                type; the trainer's if left out.
        """
        if alphas is None:
            alphas = self.alphas
        return mixture_of(self.space, alphas, self.decisions)

    def drawn(self, mixture: Mixture) -> Mixture:
        """Return a drawn mixture of one operation per open edge.

        An operation is drawn in proportion to its weight. It waits for the device,
        once.
        """
        device = self.images.device
        return sampled(self.space, mixture, self.decisions, self.generator, device)

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
            mixture: what goes forward.
            weights: by name, in place of the supernet's own; its running statistics are
                then left as they are.
            recorded: whether the trace, where there is one, has it.
        """
        images, labels, part = batch
        recorder = self.recorder if recorded else None
        has_gradient = any(table.requires_grad for table in mixture.weights)
        # Always where there is a gradient, so that a trace does not change even the
        # rounding.
        if recorder is not None or has_gradient:
            mixture = mixture.spread(self.layers)
        if recorder is not None:
            mixture = recorder.listening(mixture, part)
        with autocast(self.images.device, self.optimiser.precision):
            logits = self._logits(images, mixture, weights)
            if recorder is not None:
                recorder.hear(batch, logits)
            return F.cross_entropy(logits, labels)

    def _logits(
        self,
        images: Tensor,
        mixture: Mixture,
        weights: Mapping[str, Tensor] | None,
    ) -> Tensor:
        """Return the logits (batch, classes) of images.

        Args:
            images: (batch, channels, height, width).
            mixture: of the supernet.
            weights: by name; running statistics then stay as they are. None for the
                supernet's own.
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
        return torch.autograd.grad(loss, self.alphas, materialize_grads=True)

    def step_alphas(self, gradients: Sequence[Tensor | None]) -> None:
        """Do one step of Adam along the gradients; alphas without gradient stay."""
        for alpha, gradient in zip(self.alphas, gradients, strict=True):
            alpha.grad = gradient
        if self.optimiser.alpha_grad_clip:
            nn.utils.clip_grad_norm_(self.alphas, self.optimiser.alpha_grad_clip)
        self.alpha_optimizer.step()

    def step_weights(
        self, loss: Tensor, also: Sequence[Tensor] = ()
    ) -> tuple[Tensor, ...]:
        """Do one step of SGD down the loss, its gradient clipped.

        Weights on which the loss does not depend stay.

        Args:
            loss: a scalar.
            also: other leaves, such as the alphas or a mixture's weights.

        Returns:
            the loss' gradients by `also`, from the same backward; zeros where it does
            not depend on one.
        """
        for leaf in also:
            leaf.grad = None
        self.weight_optimizer.zero_grad()
        loss.backward()
        if self.optimiser.grad_clip:
            nn.utils.clip_grad_norm_(
                self.supernet.parameters(), self.optimiser.grad_clip
            )
        self.weight_optimizer.step()
        gradients = []
        for leaf in also:
            gradient = leaf.grad
            if gradient is None:
                gradient = torch.zeros_like(leaf)
            gradients.append(gradient)
        return tuple(gradients)

    def state(self) -> dict[str, Any]:
        """Return all that training changes, for :meth:`load_state`.

        It is of tensors, numbers and containers of them.
        """
        return {
            "weights": self.supernet.state_dict(),
            "alphas": [alpha.detach() for alpha in self.alphas],
            "weight_optimizer": self.weight_optimizer.state_dict(),
            "alpha_optimizer": self.alpha_optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a copy of a state.

        Training resumes from it, bit for bit as if it was never interrupted.
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
