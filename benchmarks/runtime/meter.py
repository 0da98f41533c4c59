"""Meters of a run: seconds and counts by phase, and peak memory.

The device synchronises at each boundary of a phase. Counts do not depend on hardware.
"""

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

KIBIBYTE = 1024


class PhaseClock:
    """Clock for the phases of a run. It also counts a model's passes.

    A phase within another one interrupts it, so that no second counts twice.
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
        """Count the time and the passes of the block towards a phase."""
        self._switch()
        self._stack.append(name)
        self._calls[name] += 1
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def _switch(self) -> None:
        """Add the time since the last switch to the phase that is active."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = perf_counter()
        if self._stack:
            self._seconds[self._stack[-1]] += now - self._since
        self._since = now

    def times(self) -> dict[str, Time]:
        """Return seconds and number of calls of every phase, in order of first use."""
        return {
            name: Time(seconds=self._seconds[name], calls=calls)
            for name, calls in self._calls.items()
        }

    def counts(self) -> dict[str, Counts]:
        """Return forwards, backwards, images and FLOPs of every phase that has any."""
        return dict(self._counts)

    def state(self) -> dict[str, Any]:
        """Return times and counts so far, as JSON values, for :meth:`restore`."""
        self._switch()
        counts = {name: counts.model_dump() for name, counts in self._counts.items()}
        return {
            "seconds": dict(self._seconds),
            "calls": dict(self._calls),
            "counts": counts,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state, and forget what was measured since."""
        self._switch()
        self._seconds.clear()
        self._calls.clear()
        self._counts.clear()
        for name, seconds in state["seconds"].items():
            self._seconds[name] = float(seconds)
        for name, calls in state["calls"].items():
            self._calls[name] = int(calls)
        for name, counts in state["counts"].items():
            self._counts[name] = Counts(**counts)

    def count_passes(self, model: nn.Module, image_shape: tuple[int, int, int]) -> None:
        """Start to count the model's passes, in the phases in which they happen.

        Args:
            model: Model whose forward and backward passes are counted.
            image_shape: (channels, height, width) of its images.
        """
        cost = ForwardCost(model, image_shape)

        def count_forward(
            _: nn.Module, inputs: tuple[Any, ...], output: Tensor
        ) -> None:
            images, *others = inputs
            # Candidates that are computed together count separately.
            mixtures = others[2] if len(others) > 2 else others[:1] or [None]
            passes = len(mixtures)
            count = len(images)
            flops = count * sum(map(cost, mixtures))
            self.count(forwards=passes, images=count * passes, flops=flops)

            def count_backward(_: Tensor) -> None:
                self.count(backwards=1, flops=2 * flops)

            if output.requires_grad:
                output.register_hook(count_backward)

        model.register_forward_hook(count_forward)

    def count(self, **counts: int) -> None:
        """Add to the counts of the active phase, by the names of :class:`.Counts`."""
        name = self._stack[-1] if self._stack else "other"
        totals = self._counts[name].model_dump()
        for key, count in counts.items():
            totals[key] += count
        self._counts[name] = Counts(**totals)


class PeakMemory:
    """Meter of the peak memory since its construction.

    It reads CUDA's allocator, or else the process. Only Linux can reset the peak of a
    process; on other systems it is the peak since the process began.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.kind = "process peak (resident)"
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.kind = "CUDA peak (allocated)"
        else:
            # This resets the peak on Linux.
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")

    def read(self) -> int:
        """Return the peak in bytes."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        with suppress(OSError):
            status = Path("/proc/self/status").read_text()
            for line in status.splitlines():
                if line.startswith("VmHWM:"):
                    kibibytes = line.split()[1]
                    return int(kibibytes) * KIBIBYTE
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * KIBIBYTE
