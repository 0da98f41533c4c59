"""The memory of a training step, and the sub-space that a run searched."""

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
"""Number of architectures drawn from a sub-space that no table lists."""


def describe_memory(
    task: Task,
    selection: Selection,
    batch_size: int,
    memory_budget: int,
    truths: Iterable[tuple[GroundTruth, TruthPart]],
) -> StepMemoryFacts | None:
    """Return the description of the memory of a step, for a record.

    Returns None if neither the selector nor the supernet has a memory budget.

    Args:
        task: task that counts the memory.
        selection: the selection, with the sub-space that was searched.
        batch_size: batch size of a step.
        memory_budget: budget in the supernet's recipe, in bytes; 0 for none.
        truths: ground truths of the space, with their columns.
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
    """Return the accuracies of the architectures that live operations allow.

    For a table, these are all architectures that it has. For a surrogate, these are
    :data:`DRAWS` random architectures, the same in every call.
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
    """Return the mean accuracies of a table's allowed architectures, in per cent."""
    stored = truth.reference
    means = stored.means(part.dataset, part.split, part.epochs)
    inside = rows_within(truth.space, decisions, stored.population.choices)
    return means[inside & ~np.isnan(means)]


def _draw_means(
    truth: GroundTruth, part: TruthPart, decisions: Decisions
) -> Sequence[float]:
    """Return the predictions for random architectures, in per cent."""
    rng = np.random.default_rng(stream_seed("sub-space"))
    means = []
    for _ in range(DRAWS):
        architecture = sample_within(truth.space, decisions, rng)
        mean = truth.mean(architecture, part.dataset, part.split, part.epochs)
        if mean is not None:
            means.append(mean)
    return means
