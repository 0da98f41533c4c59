"""Where the time goes: phases with a device synchronise at each boundary, and hardware-free counts beside them."""

from __future__ import annotations

import resource
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from archselect.benchmarks.store.records import Counts, Time
from archselect.nasbench_adapters.networks.flops import ForwardCost


class PhaseClock:
    """Seconds and counts by phase.

    A phase entered within another interrupts it: no second counts twice.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._seconds: dict[str, float] = defaultdict(float)
        self._calls: dict[str, int] = defaultdict(int)
        self._counts: dict[str, Counts] = defaultdict(Counts)
        self._stack: list[str] = []
        self._since = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge what happens within to the phase."""
        self._switch()
        self._stack.append(name)
        self._calls[name] += 1
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def _switch(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = perf_counter()
        if self._stack:
            self._seconds[self._stack[-1]] += now - self._since
        self._since = now

    def times(self) -> dict[str, Time]:
        """Seconds and number of calls of every phase, in order of first use."""
        return {
            name: Time(seconds=self._seconds[name], calls=calls)
            for name, calls in self._calls.items()
        }

    def counts(self) -> dict[str, Counts]:
        """Forwards, backwards, images and FLOPs of every phase that had any."""
        return dict(self._counts)

    def state(self) -> dict[str, Any]:
        """Times and counts so far, as JSON values, for :meth:`restore`."""
        self._switch()
        return {
            "seconds": dict(self._seconds),
            "calls": dict(self._calls),
            "counts": {
                name: counts.model_dump() for name, counts in self._counts.items()
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state, as if what was measured since had not happened."""
        self._switch()
        self._seconds = defaultdict(
            float, {name: float(seconds) for name, seconds in state["seconds"].items()}
        )
        self._calls = defaultdict(
            int, {name: int(calls) for name, calls in state["calls"].items()}
        )
        self._counts = defaultdict(
            Counts, {name: Counts(**counts) for name, counts in state["counts"].items()}
        )

    def watch(self, model: nn.Module, image_shape: tuple[int, int, int]) -> None:
        """Count the model's forwards and backwards from now on, in the phase in which they happen."""
        cost = ForwardCost(model, image_shape)

        def add(**more: int) -> None:
            name = self._stack[-1] if self._stack else "other"
            counts = self._counts[name].model_dump()
            self._counts[name] = Counts(
                **{key: value + more.get(key, 0) for key, value in counts.items()}
            )

        def after(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            images, *more = inputs
            # Candidates that are computed together count one by one.
            mixtures = more[2] if len(more) > 2 else more[:1] or [None]
            flops = len(images) * sum(map(cost, mixtures))
            add(forwards=len(mixtures), images=len(images) * len(mixtures), flops=flops)
            if output.requires_grad:
                output.register_hook(lambda gradient: add(backwards=1, flops=2 * flops))

        model.register_forward_hook(after)


class PeakMemory:
    """Peak memory from its construction on: of the CUDA allocator, or of the process where it can be reset."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.kind = "process peak (resident)"
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.kind = "CUDA peak (allocated)"
        else:
            # Linux: resets the high-water mark; elsewhere the mark is of the whole
            # process' life.
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")

    def read(self) -> int:
        """Bytes."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        with suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
