"""A task without a supernet, with random rewards, to try selectors on."""

from __future__ import annotations

import numpy as np
import torch

from archselect.benchmarks.conformance.fake_task import QUERIES, DrawnAnswers
from archselect.benchmarks.conformance.state import StateTracker
from archselect.benchmarks.runs.supernet_free_task import SupernetFreeTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.selectors.queries import Queries


class FakeQueryTask(SupernetFreeTask):
    """A task that answers queries with random rewards, and nothing else.

    Args:
        space: the search space.
        seed: seed of the random choices.
        answers: source of the rewards.

    Attributes:
        state: tracker of changes of the global random states.
    """

    def __init__(self, space: SearchSpace, seed: int, answers: DrawnAnswers) -> None:
        rng = np.random.default_rng(stream_seed("rehearsal choices", seed))
        clock = PhaseClock(torch.device("cpu"))
        super().__init__(space, rng, clock)
        self.answer_queries(Queries(space, QUERIES), self._draw)
        self.answers = answers
        self.state = StateTracker(None, ())

    def _draw(self, architecture: Architecture) -> float:
        return 100 * self.answers.draw(b"reward", repr(architecture).encode())
