"""The task that a selector gets, with its own copy of a supernet.

The task times its phases, and has one random stream per purpose.
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
from archselect.selectors.proxies.base import Proxy, Undefined
from archselect.selectors.queries import Queries

SCORING_BATCH = 500
"""Images per forward pass, if the batch size does not change the result.

This is so with running statistics and without augmentation.
"""


class SupernetTask(Task):
    """A task that computes its answers (:class:`archselect.selectors.base.Task`).

    Args:
        space, recipe, inputs: space, recipe and description of the supernet.
        trained: trained weights, which are copied.
        images: the data, on the device to use.
        clock: clock for times and counts.
        supernet_seed, selection_seed: seeds of all random streams of the selection.

    Attributes:
        streams: generators for the answers to a selector, by purpose.
        networks: number of stand-alone networks that have been scored.
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
        self._proxies: dict[str, Proxy] = {}
        self._trainer: Trainer | None = None

    def answer_queries(
        self, queries: Queries, reward: Callable[[Architecture], float]
    ) -> None:
        """Answer queries with a reward.

        Args:
            queries: account of the queries.
            reward: function that returns the reward of an architecture.
        """
        self.queries = queries
        self._measure_reward = reward

    def _reward(self, architecture: Architecture) -> float:
        """Return the reward of an architecture."""
        return self._measure_reward(architecture)

    def _prepare_forwards(self) -> None:
        """Prepare forward passes with fewer, larger kernels, per batch-norm mode."""
        self._folded = FoldedSupernet(self.supernet)
        self._fast: dict[str, Callable[[Tensor, Mixture], Tensor]] = {
            "running": self._folded,
            "batch": FusedSupernet(self.supernet),
        }
        # Only evaluations use CUDA graphs. A proxy needs hooks on modules, which a
        # graph does not call, and would capture a graph for every candidate.
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
        """Return the mixture of the alphas under some decisions."""
        weights = self.alphas if alphas is None else alphas
        with torch.no_grad():
            return mixture_of(self.space, weights, decisions, self._activation)

    def new_alphas(self) -> tuple[Tensor, ...]:
        """Return new initial alphas."""
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
        """Return the accuracy and loss of a mixture on the validation images.

        In "batch" mode, and with augmentation, batches have the recipe's size and are
        shuffled, as in the released code.
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
        """Return the evaluation after tuning; undo the tuning."""
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
        """Return a random minibatch of training images."""
        with self.clock.phase("data"):
            try:
                drawn = self.images.minibatch(
                    "train", size, self.streams["minibatches"], self._recipe.augment
                )
            except UserError as error:
                # A selector that asks for too many images fails only its run, not the
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
        """Return a proxy's score of the supernet under a mixture."""
        proxy = self._get_proxy(name)
        forward = self.supernet if proxy.side_by_side is None else self._fast[norm]
        with (
            self.clock.phase("score"),
            scoring(self.supernet, norm),
            _naming(proxy.name, _describe(self.space, mixture)),
        ):
            return proxy.measure(self.supernet, lambda x: forward(x, mixture), *batch)

    def _get_proxy(self, name: str) -> Proxy:
        """Return a proxy, that of a user's file as it was when it was first used."""
        if name not in self._proxies:
            self._proxies[name] = get_proxy(name)
        return self._proxies[name]

    def proxies(
        self,
        name: str,
        mixtures: Sequence[Mixture],
        batch: Minibatch,
        norm: str = "running",
    ) -> list[float]:
        """Return a proxy's score of the supernet under each mixture."""
        proxy = self._get_proxy(name)
        # On a CPU, kernel launches cost nothing: one by one is as fast and takes less
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
            with _naming(proxy.name, _describe(self.space, mixture)):
                proxy.check(value)
        return values

    def output_information(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
        skips_flat: bool = False,
    ) -> list[list[list[float]]]:
        """Return the output information by cell type, edge and operation."""
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
        """Return a proxy's score of the stand-alone network of an architecture.

        The batch-norm mode is that of the proxy's definition.
        """
        proxy = self._get_proxy(name)
        with self.clock.phase("validate"):
            network = self._new_network(architecture)
            total = 0.0
            for _ in range(batches):
                batch = self.minibatch(size)
                with (
                    scoring(network, proxy.norm or "running"),
                    _naming(proxy.name, self.space.format(architecture)),
                ):
                    total += proxy.measure(network, network, *batch)
            return total

    def _new_network(self, architecture: Architecture) -> Network:
        """Return the next stand-alone network, with new initial weights."""
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
        """Return the bytes of a training step under some decisions."""
        size = self._recipe.batch_size if batch_size is None else batch_size
        return self._memory.count(decisions).total(size)

    @cached_property
    def _memory(self) -> StepMemoryCounter:
        """The counter of the memory of the supernet's steps."""
        return memory_counter(self.space, self._skeleton, self.images, self._activation)

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """Train the supernet for some epochs under some decisions.

        As in the released code, the first call creates a new optimiser of the weights;
        the optimiser of the alphas continues from the supernet's training. Both are
        kept between calls.

        Raises MemoryExceeded if a step takes more memory than the recipe's budget.
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
        """Return everything that tuning has changed, for :meth:`load_state`.

        It consists of tensors, numbers and containers of them.
        """
        return self._tuner().state()

    def load_state(self, state: dict[str, Any]) -> None:
        """Set a state, from which tuning resumes with identical results."""
        self._tuner().load_state(state)


@contextmanager
def _naming(proxy: str, candidate: str) -> Iterator[None]:
    """Add the proxy and the candidate to an Undefined error of the block."""
    try:
        yield
    except Undefined as error:
        raise Undefined(
            f"proxy {proxy} has no score of {candidate}: {error}"
        ) from error


def _describe(space: SearchSpace, mixture: Mixture) -> str:
    """Return text that names a candidate by the edge and operations of its mixture."""
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
