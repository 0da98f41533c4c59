"""The trainer an optimiser is given: supernet, alphas, batches, and the two steps that updates are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from archselect.benchmarks.checked import check_optimizer
from archselect.benchmarks.optimisers.base import Batch, Optimiser
from archselect.benchmarks.precision import autocast
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import FusedSupernet, Mixture, Supernet, executed, mixture_of
from archselect.nasbench_adapters.space import Decisions, SearchSpace


class Trainer:
    """Trains a supernet and its alphas in place. One object, so that optimiser states live on between calls.

    Args:
        optimiser: how.
        space: of the supernet.
        supernet: moved in place.
        alphas: leaf tensors that require gradients; moved in place if the optimiser steps them.
        images: the two halves.
        seed: of the order of batches, of augmentation and of what the optimiser draws.

    Attributes:
        fused: the supernet, with few large kernels.
        generator: the one random stream of the training, on the CPU.
        decisions: of the epoch under way.
        progress: how much of the training lies behind, from 0 in its first epoch; 1 while a selector tunes.
        weight_optimizer, alpha_optimizer: SGD and Adam.
    """

    def __init__(
        self,
        optimiser: Optimiser,
        space: SearchSpace,
        supernet: Supernet,
        alphas: tuple[Tensor, ...],
        images: Images,
        seed: int,
    ) -> None:
        self.optimiser, self.space, self.supernet, self.alphas, self.images = (
            optimiser,
            space,
            supernet,
            alphas,
            images,
        )
        self.fused = FusedSupernet(supernet)
        self._forward = executed(self.fused, supernet, optimiser.execution)
        self.generator = torch.Generator().manual_seed(seed)
        self.decisions, self.progress = space.undecided(), 0.0
        self._valid: Iterator[Batch] = iter(())
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

    def epoch(self, decisions: Decisions, progress: float = 1.0) -> None:
        """One pass over the optimiser's part of the images with the decided edges fixed."""
        self.supernet.train()
        self.decisions, self.progress = decisions, progress
        size, augment = self.optimiser.batch_size, self.optimiser.augment
        self._valid = self.images.endless("valid", size, self.generator, augment)
        for batch in self._batches(self.optimiser.part, size, augment):
            self.optimiser.step(self, batch)

    def _batches(self, part: str, size: int, augment: bool) -> Iterator[Batch]:
        if self.optimiser.batches == "epoch":
            yield from self.images.epoch(part, size, self.generator, augment)
        else:
            for _ in range(-(-len(self.images.index(part)) // size)):
                yield self.images.minibatch(part, size, self.generator, augment)

    def valid(self) -> Batch:
        """The next batch of the validation half."""
        return next(self._valid)

    def mixture(self) -> Mixture:
        """softmax(alpha) on open edges, one-hot on decided ones; gradients flow to the alphas."""
        return mixture_of(self.space, self.alphas, self.decisions)

    def loss(self, batch: Batch, mixture: Mixture, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Mean cross-entropy on a batch.

        Args:
            batch: images and labels.
            mixture: what goes forward.
            weights: by name, in place of the supernet's own; its running statistics are then left as they are.
        """
        images, labels = batch
        with autocast(self.images.device, self.optimiser.precision):
            if weights is None:
                logits = self._forward(images, mixture)
            else:
                statistics = {name: buffer.clone() for name, buffer in self.supernet.named_buffers()}
                logits = functional_call(self.supernet, {**statistics, **weights}, (images, mixture, self.fused.way))
            return F.cross_entropy(logits, labels)

    def gradients(self, loss: Tensor) -> tuple[Tensor, ...]:
        """The loss' gradient with respect to the alphas; zero where it does not depend on them."""
        return torch.autograd.grad(loss, self.alphas, materialize_grads=True)

    def step_alphas(self, gradients: Sequence[Tensor | None]) -> None:
        """One step of Adam along the gradients; alphas whose gradient is None stay."""
        for alpha, gradient in zip(self.alphas, gradients, strict=True):
            alpha.grad = gradient
        self.alpha_optimizer.step()

    def step_weights(self, loss: Tensor, also: Sequence[Tensor] = ()) -> tuple[Tensor | None, ...]:
        """One step of SGD down the loss, its gradient clipped.

        Weights on which the loss does not depend stay. Returns the loss' gradients with respect to `also` (leaves,
        such as the alphas or a mixture's weights), had in the same backward.
        """
        for leaf in also:
            leaf.grad = None
        self.weight_optimizer.zero_grad()
        loss.backward()
        if self.optimiser.grad_clip:
            nn.utils.clip_grad_norm_(self.supernet.parameters(), self.optimiser.grad_clip)
        self.weight_optimizer.step()
        return tuple(leaf.grad for leaf in also)

    def state(self) -> dict[str, Any]:
        """All that training moves, for :meth:`load_state`: tensors, numbers and containers of them."""
        return {
            "weights": self.supernet.state_dict(),
            "alphas": [alpha.detach() for alpha in self.alphas],
            "weight_optimizer": self.weight_optimizer.state_dict(),
            "alpha_optimizer": self.alpha_optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a copy of a state; training goes on from it bit by bit as if it had not been interrupted."""
        self.supernet.load_state_dict(state["weights"])
        with torch.no_grad():
            for alpha, saved in zip(self.alphas, state["alphas"], strict=True):
                alpha.copy_(saved)
        for name in ("weight_optimizer", "alpha_optimizer"):
            check_optimizer(state[name], getattr(self, name).state_dict())
        self.weight_optimizer.load_state_dict(deepcopy(state["weight_optimizer"]))
        self.alpha_optimizer.load_state_dict(deepcopy(state["alpha_optimizer"]))
        self.generator.set_state(state["generator"])
