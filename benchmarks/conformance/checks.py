"""The checks that every selector has to pass; each looks at one trial at a time.

A check yields what to fix. RULES has the rule of each, as `archselect check` prints it.
"""

from __future__ import annotations

from collections.abc import Callable

from archselect.benchmarks.conformance.faults import (
    Faults,
    architecture_faults,
    closing_faults,
    decision_faults,
    edge_score_faults,
    operation_score_faults,
)
from archselect.benchmarks.conformance.honesty import (
    dishonest_closings,
    dishonest_decisions,
    dishonest_drops,
    dishonest_selection,
)
from archselect.benchmarks.conformance.trials import Trial

Check = Callable[[Trial], Faults]


def finishes(trial: Trial) -> Faults:
    """Yield what `select` raised."""
    if trial.error and not trial.notes:
        yield trial.error


def complete(trial: Trial) -> Faults:
    """Yield what is wrong with the architectures selected and scored."""
    if trial.selection is None:
        return
    architectures = [trial.selection.architecture]
    for architecture, _ in trial.selection.architecture_scores:
        architectures.append(architecture)
    for architecture in dict.fromkeys(architectures):
        yield from architecture_faults(trial.space, architecture)


def undecided_only(trial: Trial) -> Faults:
    """Yield what is scored, decided or closed of decided edges or other operations."""
    yield from trial.notes.get("decisions", ())
    if trial.selection is not None:
        yield from decision_faults(trial.space, trial.selection)
        yield from closing_faults(trial.space, trial.selection)
        yield from operation_score_faults(trial.space, trial.selection)
        yield from edge_score_faults(trial.space, trial.selection)


def untouched(trial: Trial) -> Faults:
    """Yield what changed otherwise than by tuning."""
    if not trial.changes:
        return
    more = f" and {len(trial.changes) - 1} more" if len(trial.changes) > 1 else ""
    yield f"it changes {trial.changes[0]}{more}: score through the task, draw from task.rng, work on copies"


def seeded(trial: Trial) -> Faults:
    """Yield how two answers from one seed differ."""
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
    """Yield where the best is not kept, or the worst not closed or dropped."""
    if trial.selection is not None:
        yield from dishonest_decisions(trial.space, trial.selection)
        yield from dishonest_closings(trial.space, trial.selection)
        yield from dishonest_drops(trial.space, trial.selection)
        yield from dishonest_selection(trial.selection)


def within_budget(trial: Trial) -> Faults:
    """Yield queries that were not declared, and those after the budget was spent."""
    paid, refused = trial.queries
    if paid and not trial.declares_reward:
        yield "it queries rewards and does not declare it: needs = frozenset({'reward'})"
    if refused > 1:
        yield (
            f"it queries {refused - 1} times more after its budget is spent: end the loop by "
            "'with search.spending():'"
        )


def surfaces(trial: Trial) -> Faults:
    """Yield that scores that are not finite raised no error."""
    if trial.undefined and trial.selection is not None:
        yield "some scores were not finite and it selected all the same: `search.decide` refuses them"


def offered(trial: Trial) -> Faults:
    """Yield what it uses of the task that `Task` does not offer, or sets."""
    yield from trial.notes.get("offered", ())


def self_contained(trial: Trial) -> Faults:
    """Yield the devices, files and other packages that it uses."""
    for note in trial.notes.get("devices", ()):
        yield f"{note}: use that of a tensor of the task"
    for note in trial.notes.get("files", ()):
        yield f"{note}: give back a Selection, which is recorded"
    for name in trial.foreign_imports:
        yield f"its module imports {name}: a selector needs archselect.selectors and archselect.nasbench_adapters"


RULES: dict[Check, str] = {
    finishes: "`select` must return a Selection, with any settings",
    complete: "the architecture must be one of the space, with all edges decided",
    undecided_only: (
        "only undecided edges, and operations that they allow, may be scored and decided"
    ),
    untouched: "supernet, alphas and global random states may change by tuning only",
    seeded: "the same seed must give the same answer: the task has all randomness",
    honest: "the best must be kept, and the worst closed or dropped, on the stated scale",
    within_budget: "queries must be declared, and end where the budget ends",
    surfaces: "a score that is not finite must raise an error, and not just lose",
    offered: "only what `Task` offers may be used of the task, and nothing be set",
    self_contained: "no device may be named, no file used, no other package imported",
}
"""What each check requires, in one line."""
CHECKS: tuple[Check, ...] = tuple(RULES)
"""All checks, in the order in which they are shown."""


def name_of(check: Check) -> str:
    """Return a check's name as printed."""
    return check.__name__.replace("_", " ")
