"""What a run records of the memory of a step, and of the sub-space that it searched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np

from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.runs.landscapes import landscape_id
from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.records import (
    Closing,
    StepMemoryFacts,
    SubSpaceAccuracy,
)
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import Decisions
from archselect.nasbench_adapters.sub_space import rows_within, sample_within
from archselect.nasbench_adapters.truth.ground_truth import GroundTruth
from archselect.nasbench_adapters.truth.surrogate import Surrogate
from archselect.selectors.base import Task
from archselect.selectors.selection import Selection, SubSpace

DRAWS = 1_000
"""Architectures that are drawn from a sub-space where no table lists them."""


def describe_memory(
    task: Task,
    selection: Selection,
    batch_size: int,
    memory_budget: int,
    truths: Iterable[tuple[GroundTruth, TruthPart]],
) -> StepMemoryFacts | None:
    """Return what a record says of the memory of a step.

    None where neither the selector nor the supernet has a budget.

    Args:
        task: counts the memory.
        selection: what was selected, and of which operations.
        batch_size: of a step.
        memory_budget: of the supernet's recipe, in bytes; 0 for none.
        truths: ground truths of the space, and which columns of them.
    """
    undecided = task.space.undecided()
    searched = selection.sub_space
    if searched is None and memory_budget:
        searched = SubSpace(undecided, memory_budget)
    if searched is None:
        return None
    decisions = searched.decisions
    edges = list(chain.from_iterable(task.space.edges))
    return StepMemoryFacts(
        budget=searched.budget,
        whole=task.memory(undecided, batch_size),
        step=task.memory(decisions, batch_size),
        batch_size=batch_size,
        live=sum(len(decisions.live(edge)) for edge in edges),
        operations=sum(len(edge.operations) for edge in edges),
        closings=Columns(Closing, selection.closings),
        sub_spaces=[judge(truth, part, decisions) for truth, part in truths],
    )


def judge(
    truth: GroundTruth, part: TruthPart, decisions: Decisions
) -> SubSpaceAccuracy:
    """Return what a ground truth says of the architectures of live operations.

    Of a table they are all that it holds; of a surrogate, :data:`DRAWS` draws, always
    the same ones.
    """
    predicts = isinstance(truth, Surrogate)
    find_means = _draw_means if predicts else _list_means
    means = find_means(truth, part, decisions)
    return SubSpaceAccuracy(
        landscape=landscape_id(truth, part),
        architectures=len(means),
        drawn=predicts,
        mean=float(np.mean(means)) if len(means) else None,
        best=float(np.max(means)) if len(means) else None,
    )


def _list_means(
    truth: GroundTruth, part: TruthPart, decisions: Decisions
) -> np.ndarray:
    """Return the means of trials of all architectures of a table, in per cent."""
    stored = truth.reference
    means = stored.means(part.dataset, part.split, part.epochs)
    inside = rows_within(truth.space, decisions, stored.population.choices)
    return means[inside & ~np.isnan(means)]


def _draw_means(
    truth: GroundTruth, part: TruthPart, decisions: Decisions
) -> Sequence[float]:
    """Return the predictions of drawn architectures, in per cent."""
    rng = np.random.default_rng(stream_seed("sub-space"))
    means = []
    for _ in range(DRAWS):
        architecture = sample_within(truth.space, decisions, rng)
        mean = truth.mean(architecture, part.dataset, part.split, part.epochs)
        if mean is not None:
            means.append(mean)
    return means
