"""The task that a selector is given, on a run's own copy of a supernet.

It times its phases, and has one random stream per purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from archselect.benchmarks.optimisers.supernets import (
    Recipe,
    TrainedSupernet,
    memory_counter,
    new_supernet,
)
from archselect.benchmarks.optimisers.trainer import Trainer
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.benchmarks.store.records import SupernetInputs
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import (
    FoldedSupernet,
    FusedSupernet,
    Mixture,
    Network,
    build_network,
    executed,
    mixture_of,
    scoring,
)
from archselect.nasbench_adapters.networks.output_information import OutputInformation
from archselect.nasbench_adapters.networks.step_memory import (
    StepMemoryCounter,
    require_memory,
)
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import Architecture, Decisions, SearchSpace
from archselect.selectors.base import Evaluation, Minibatch, Task
from archselect.selectors.proxies import get_proxy
from archselect.selectors.proxies.base import Undefined
from archselect.selectors.queries import Queries

SCORING_BATCH = 500
"""Images per forward where the size of a batch does not change the result.

That is the case with running statistics and without augmentation.
"""


class SupernetTask(Task):
    """A task that computes its answers; see :class:`archselect.selectors.base.Task`.

    Args:
        space, recipe, inputs: of the supernet.
        trained: its weights; they are copied.
        images: the data, on the device to use.
        clock: takes the times and counts.
        supernet_seed, selection_seed: seed every random stream of the selection.

    Attributes:
        streams: the generators that answers to a selector draw from, by purpose.
        networks: how many stand-alone networks have been scored.
    """

    def __init__(
        self,
        space: SearchSpace,
        recipe: Recipe,
        inputs: SupernetInputs,
        trained: TrainedSupernet,
        images: Images,
        clock: PhaseClock,
        supernet_seed: int,
        selection_seed: int,
    ) -> None:
        self.space = space
        self.images = images
        self.clock = clock
        self._recipe = recipe
        self._inputs = inputs
        self._trained = trained
        self._seeds = (supernet_seed, selection_seed)
        self._skeleton = space.skeleton(**inputs.skeleton)
        optimiser = recipe.build()
        self._activation = optimiser.build_activation()
        self.activation = self._activation.name
        self.supernet = new_supernet(
            space,
            inputs,
            images,
            supernet_seed,
            self._activation,
            optimiser.side_skips,
        )
        self.supernet.load_state_dict(trained.weights)
        self.supernet.eval()
        self._prepare_forwards()
        self.alphas: tuple[Tensor, ...] = tuple(
            alpha.to(images.device, copy=True).requires_grad_()
            for alpha in trained.alphas
        )
        clock.count_passes(self.supernet, images.dataset.image_shape)
        self.rng = np.random.default_rng(self._stream("choices"))
        self.streams = {
            name: self._generator(name)
            for name in ("alphas", "minibatches", "validation")
        }
        self.networks = 0
        self._trainer: Trainer | None = None

    def answer_queries(
        self, queries: Queries, reward: Callable[[Architecture], float]
    ) -> None:
        """Answer queries from now on.

        Args:
            queries: their account.
            reward: returns the reward of an architecture.
        """
        self.queries = queries
        self._measure_reward = reward

    def _reward(self, architecture: Architecture) -> float:
        """See :meth:`.Task._reward`."""
        return self._measure_reward(architecture)

    def _prepare_forwards(self) -> None:
        """Prepare forwards with fewer and larger kernels, one per batch-norm mode."""
        self._folded = FoldedSupernet(self.supernet)
        self._fast: dict[str, Callable[[Tensor, Mixture], Tensor]] = {
            "running": self._folded,
            "batch": FusedSupernet(self.supernet),
        }
        # Only evaluations use graphs. A proxy listens to modules, which a graph does
        # not call, and would make the code of every candidate.
        self._evaluated = dict(self._fast)
        if self._recipe.execution == "cuda-graphs":
            self._evaluated["batch"] = executed(
                self._fast["batch"], self.supernet, self._recipe.execution
            )

    def _stream(self, purpose: str, *keys: int) -> int:
        return stream_seed(f"selection {purpose}", *self._seeds, *keys)

    def _generator(self, purpose: str, *keys: int) -> torch.Generator:
        return torch.Generator().manual_seed(self._stream(purpose, *keys))

    def mixture(
        self,
        decisions: Decisions,
        alphas: Sequence[Tensor] | None = None,
    ) -> Mixture:
        """See :meth:`.Task.mixture`."""
        weights = self.alphas if alphas is None else alphas
        with torch.no_grad():
            return mixture_of(self.space, weights, decisions, self._activation)

    def new_alphas(self) -> tuple[Tensor, ...]:
        """See :meth:`.Task.new_alphas`."""
        return self._activation.new_alphas(
            self.space,
            self.streams["alphas"],
            self.images.device,
            self._recipe.alpha_scale,
        )

    def evaluate(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """See :meth:`.Task.evaluate`.

        In "batch" mode, and with augmentation, batches are the recipe's and shuffled,
        as in the released code.
        """
        if norm == "batch" or augment:
            batches = self.images.epoch(
                "valid", self._recipe.batch_size, self.streams["validation"], augment
            )
        else:
            batches = self.images.sequential("valid", SCORING_BATCH)
        right = torch.zeros((), dtype=torch.long, device=self.images.device)
        loss = torch.zeros((), dtype=torch.float64, device=self.images.device)
        count = 0
        with self.clock.phase("score"), scoring(self.supernet, norm):
            for x, y in batches:
                logits = self._evaluated[norm](x, mixture)
                right += (logits.argmax(1) == y).sum()
                loss += F.cross_entropy(logits, y, reduction="sum").double()
                count += len(y)
            return Evaluation(100 * int(right) / count, float(loss) / count)

    def evaluate_tuned(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """See :meth:`.Task.evaluate_tuned`."""
        leaves = [*self.supernet.parameters(), *self.alphas]
        state = deepcopy(self.state())
        was_training = self.supernet.training
        gradients = [leaf.grad for leaf in leaves]
        try:
            self.tune(decisions, epochs, learning_rate)
            return self.evaluate(self.mixture(decisions), norm, augment)
        finally:
            self.load_state(state)
            self.supernet.train(was_training)
            for leaf, gradient in zip(leaves, gradients, strict=True):
                leaf.grad = gradient

    def minibatch(self, size: int) -> Minibatch:
        """See :meth:`.Task.minibatch`."""
        with self.clock.phase("data"):
            try:
                drawn = self.images.minibatch(
                    "train", size, self.streams["minibatches"], self._recipe.augment
                )
            except UserError as error:
                # A selector that asks for too many images fails its own run, not the
                # whole study.
                raise ValueError(
                    f"the selector asked for a minibatch that cannot be drawn: {error}"
                ) from error
            return Minibatch(*drawn)

    def proxy(
        self,
        name: str,
        mixture: Mixture,
        batch: Minibatch,
        norm: str = "running",
    ) -> float:
        """See :meth:`.Task.proxy`."""
        proxy = get_proxy(name)
        forward = self.supernet if proxy.side_by_side is None else self._fast[norm]
        with (
            self.clock.phase("score"),
            scoring(self.supernet, norm),
            _naming(name, _describe(self.space, mixture)),
        ):
            return proxy.measure(self.supernet, lambda x: forward(x, mixture), *batch)

    def proxies(
        self,
        name: str,
        mixtures: Sequence[Mixture],
        batch: Minibatch,
        norm: str = "running",
    ) -> list[float]:
        """See :meth:`.Task.proxies`."""
        proxy = get_proxy(name)
        # On a CPU, where launches cost nothing, one by one is as fast and takes less
        # memory.
        together = (
            batch.images.device.type != "cpu"
            and norm == "running"
            and self._folded.run_together(mixtures)
        )
        if proxy.side_by_side is None or not together:
            return [self.proxy(name, mixture, batch, norm) for mixture in mixtures]
        with self.clock.phase("score"), scoring(self.supernet, norm):
            values = proxy.side_by_side(
                self.supernet,
                lambda x: self._folded.candidates(x, mixtures),
                *batch,
                len(mixtures),
            )
        for value, mixture in zip(values, mixtures, strict=True):
            with _naming(name, _describe(self.space, mixture)):
                proxy.check(value)
        return values

    def output_information(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
        skips_flat: bool = False,
    ) -> list[list[list[float]]]:
        """See :meth:`.Task.output_information`."""
        batches = self.images.epoch(
            self._recipe.build().part,
            self._recipe.batch_size,
            self.streams["minibatches"],
            augment,
        )
        images = (batch for batch, _ in batches)
        measure = OutputInformation(self.supernet, skips_flat)
        with self.clock.phase("score"), scoring(self.supernet, norm):
            return measure.measure(images, mixture)

    def proxy_of_network(
        self,
        name: str,
        architecture: Architecture,
        batches: int,
        size: int,
    ) -> float:
        """See :meth:`.Task.proxy_of_network`.

        The batch-norm mode is that of the proxy's definition.
        """
        proxy = get_proxy(name)
        with self.clock.phase("validate"):
            network = self._new_network(architecture)
            total = 0.0
            for _ in range(batches):
                batch = self.minibatch(size)
                with (
                    scoring(network, proxy.norm or "running"),
                    _naming(name, self.space.format(architecture)),
                ):
                    total += proxy.measure(network, network, *batch)
            return total

    def _new_network(self, architecture: Architecture) -> Network:
        """Return the next stand-alone network, with initial weights of its own."""
        dataset = self.images.dataset
        seed = self._stream("network weights", self.networks)
        self.networks += 1
        network = build_network(
            self.space,
            architecture,
            self._skeleton,
            dataset.channels,
            dataset.classes,
            seed,
        ).to(self.images.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.clock.count_passes(network, dataset.image_shape)
        return network

    def memory(self, decisions: Decisions, batch_size: int | None = None) -> int:
        """See :meth:`.Task.memory`."""
        size = self._recipe.batch_size if batch_size is None else batch_size
        return self._memory.count(decisions).total(size)

    @cached_property
    def _memory(self) -> StepMemoryCounter:
        """Counts the memory of steps of the supernet."""
        return memory_counter(self.space, self._skeleton, self.images, self._activation)

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """See :meth:`.Task.tune`.

        As in the released code, the optimiser of the weights is a new one at the first
        call, and that of the alphas resumes from the supernet's training. Both are kept
        between calls.

        Raises MemoryExceeded if a step takes more than the recipe's budget.
        """
        if epochs and self._recipe.memory_budget:
            require_memory(self.memory(decisions), self._recipe.memory_budget)
        with self.clock.phase("tune"):
            trainer = self._tuner()
            for group in trainer.weight_optimizer.param_groups:
                group["lr"] = learning_rate
            for _ in range(epochs):
                trainer.epoch(decisions)

    def _tuner(self) -> Trainer:
        if self._trainer is None:
            self._trainer = Trainer(
                self._recipe.build_as(self._inputs, self.space.name),
                self.space,
                self.supernet,
                self.alphas,
                self.images,
                self._stream("tuning"),
                self._inputs.skeleton,
            )
            if self._trained.alpha_optimizer is not None:
                self._trainer.alpha_optimizer.load_state_dict(
                    deepcopy(self._trained.alpha_optimizer)
                )
            if self._trained.memory is not None:
                self._trainer.load_memory(self._trained.memory)
        return self._trainer

    def state(self) -> dict[str, Any]:
        """Return all that tuning has moved, for :meth:`load_state`.

        It is made of tensors, numbers and containers of them.
        """
        return self._tuner().state()

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state, from which tuning resumes bit by bit."""
        self._tuner().load_state(state)


@contextmanager
def _naming(proxy: str, candidate: str) -> Iterator[None]:
    """Name the proxy and the candidate in an Undefined error of the block."""
    try:
        yield
    except Undefined as error:
        raise Undefined(
            f"proxy {proxy} has no score of {candidate}: {error}"
        ) from error


def _describe(space: SearchSpace, mixture: Mixture) -> str:
    """Return in words which candidate a mixture is, by the edge that is tried."""
    if mixture.origin is None:
        return "the supernet"
    cell_index, edge = mixture.origin.cell, mixture.origin.edge
    cell = space.cells[cell_index]
    source, target = cell.edges[edge]
    support = mixture.support[cell_index][edge]
    operations = [
        name
        for name, is_present in zip(cell.operations[edge], support, strict=False)
        if is_present
    ]
    listed = " + ".join(operations) or "nothing"
    return f"the supernet with {listed} on edge {source}→{target} of {cell.name}"
