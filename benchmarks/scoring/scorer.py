"""Score stand-alone networks with proxies.

A network's weights depend only on the seed and the architecture; so do its minibatches,
if they are fresh. An architecture therefore has the same score in every population.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archselect.benchmarks.runtime.same_inputs import (
    check_same_images,
    check_same_source,
)
from archselect.benchmarks.scoring.inputs import OWN_NORM
from archselect.benchmarks.store.records import DataInputs, Score, ScoringInputs
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import build_network, scoring
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies import get_proxy, proxy_source
from archselect.selectors.proxies.base import Proxy, Undefined

AUGMENT = True
"""Whether minibatches are augmented as in training; all released codes do so."""

Minibatch = tuple[Tensor, Tensor]
"""Images (batch, channels, height, width) and labels (batch,)."""


class Scorer:
    """Scores architectures one by one.

    Args:
        inputs: what to score, and how.
        images: images whose training half gives minibatches; networks are on their
            device.
        proxies: proxies of the inputs, by name or as FILE.py:OBJECT; None if no proxy
            is of a user's file.
    """

    def __init__(
        self,
        inputs: ScoringInputs,
        images: Images,
        proxies: Sequence[str] | None = None,
    ) -> None:
        named = inputs.proxies if proxies is None else proxies
        self._source = proxy_source(named)
        self._proxies = [get_proxy(name) for name in named]
        self.inputs = inputs
        self.device = images.device
        self._images = images
        self._space = get_space(inputs.space)
        self._skeleton = self._space.skeleton(**inputs.skeleton)

    def check(self) -> None:
        """Raise UserError if images or proxies differ from those of the inputs."""
        names = ", ".join(self.inputs.proxies)
        check_same_source(names, self._source, self.inputs.source)
        described = DataInputs.model_validate(self._images.describe())
        check_same_images(self.inputs.data.name, described, self.inputs.data)

    def score(self, text: str, seed: int) -> dict[str, Score]:
        """Return every proxy's score of a freshly initialised network.

        A score is summed over the minibatches. If a proxy is not defined, its score is
        None and has a reason.

        Args:
            text: the architecture.
            seed: seed of weights and minibatches.
        """
        network = self._network(text, seed)
        batches = self._minibatches(text, seed)
        return {
            proxy.name: self._measure(proxy, network, batches)
            for proxy in self._proxies
        }

    def _network(self, text: str, seed: int) -> nn.Module:
        """Return the network of an architecture, with fresh weights, on the device."""
        dataset = self._images.dataset
        network = build_network(
            self._space,
            self._space.parse(text),
            self._skeleton,
            dataset.channels,
            dataset.classes,
            stream_seed("scoring weights", seed, text),
            affine=not self.inputs.supernet_operations,
        )
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _minibatches(self, text: str, seed: int) -> list[Minibatch]:
        """Return the minibatches for an architecture."""
        keys = [text] if self.inputs.fresh_batches else []
        generator = torch.Generator()
        generator.manual_seed(stream_seed("scoring minibatches", seed, *keys))
        size = self.inputs.batch_size
        return [
            self._images.minibatch("train", size, generator, AUGMENT)
            for _ in range(self.inputs.batches)
        ]

    def _measure(
        self, proxy: Proxy, network: nn.Module, batches: Sequence[Minibatch]
    ) -> Score:
        """Return one proxy's score of a network, summed over the minibatches."""
        norm = self.inputs.norm
        if norm == OWN_NORM:
            norm = proxy.norm or "running"
        value: float | None
        reason = ""
        start = time.perf_counter()
        try:
            with scoring(network, norm):
                value = sum(
                    proxy.measure(network, network, images, labels)
                    for images, labels in batches
                )
        except Undefined as error:
            value = None
            reason = str(error)
        return Score(value=value, reason=reason, seconds=time.perf_counter() - start)
