"""The checks that every selector has to pass; each looks at one trial at a time.

A check yields what to fix. Its docstring is the rule, which `archselect check` prints
where a selector breaks it.
"""

from __future__ import annotations

from collections.abc import Callable

from archselect.benchmarks.conformance.faults import (
    Faults,
    architecture_faults,
    decision_faults,
    edge_score_faults,
    operation_score_faults,
)
from archselect.benchmarks.conformance.honesty import (
    dishonest_decisions,
    dishonest_drops,
    dishonest_selection,
)
from archselect.benchmarks.conformance.trials import Trial

Check = Callable[[Trial], Faults]


def finishes(trial: Trial) -> Faults:
    """Require a Selection from `select`, whatever the settings."""
    if trial.error and not trial.notes:
        yield trial.error


def complete(trial: Trial) -> Faults:
    """Require an architecture of the space, with all edges decided."""
    if trial.selection is None:
        return
    architectures = [trial.selection.architecture]
    for architecture, _ in trial.selection.architecture_scores:
        architectures.append(architecture)
    for architecture in dict.fromkeys(architectures):
        yield from architecture_faults(trial.space, architecture)


def undecided_only(trial: Trial) -> Faults:
    """Require scores and decisions of undecided edges and allowed operations only."""
    yield from trial.notes.get("decisions", ())
    if trial.selection is not None:
        yield from decision_faults(trial.space, trial.selection)
        yield from operation_score_faults(trial.space, trial.selection)
        yield from edge_score_faults(trial.space, trial.selection)


def untouched(trial: Trial) -> Faults:
    """Require that supernet, alphas and global random states change by tuning only."""
    if not trial.changes:
        return
    more = f" and {len(trial.changes) - 1} more" if len(trial.changes) > 1 else ""
    yield f"it changes {trial.changes[0]}{more}: score through the task, draw from task.rng, work on copies"


def seeded(trial: Trial) -> Faults:
    """Require the same answer from the same seed: the task has all randomness."""
    first = trial.selection
    second = trial.second_selection
    if first is None or not trial.is_repeated or first == second:
        return
    if second is not None and second.architecture == first.architecture:
        difference = "other scores or decisions"
    else:
        difference = "another architecture, or none"
    yield f"the same seed gives {difference}: draw from task.rng, task.minibatch and task.new_alphas alone"


def honest(trial: Trial) -> Faults:
    """Require that the best is kept, and the worst dropped, on the stated scale."""
    if trial.selection is not None:
        yield from dishonest_decisions(trial.space, trial.selection)
        yield from dishonest_drops(trial.space, trial.selection)
        yield from dishonest_selection(trial.selection)


def surfaces(trial: Trial) -> Faults:
    """Require an error where a score is not finite; such a score must not just lose."""
    if trial.undefined and trial.selection is not None:
        yield "some scores were not finite and it selected all the same: `search.decide` refuses them"


def offered(trial: Trial) -> Faults:
    """Require that it uses of the task what `Task` offers, and sets nothing."""
    yield from trial.notes.get("offered", ())


def self_contained(trial: Trial) -> Faults:
    """Require that it names no device, uses no files, and imports no other package."""
    for note in trial.notes.get("devices", ()):
        yield f"{note}: use that of a tensor of the task"
    for note in trial.notes.get("files", ()):
        yield f"{note}: give back a Selection, which is recorded"
    for name in trial.foreign_imports:
        yield f"its module imports {name}: a selector needs archselect.selectors and archselect.nasbench_adapters"


CHECKS: tuple[Check, ...] = (
    finishes,
    complete,
    undecided_only,
    untouched,
    seeded,
    honest,
    surfaces,
    offered,
    self_contained,
)
"""All checks, in the order in which they are shown."""


def name_of(check: Check) -> str:
    """Return a check's name as printed."""
    return check.__name__.replace("_", " ")
