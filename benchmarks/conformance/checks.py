"""The checks that every selector must pass; each one judges a single trial.

A check yields what to fix. RULES has the rule of each check, as `archselect check`
prints it.
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
    """Yield what is wrong with the selected and scored architectures."""
    if trial.selection is None:
        return
    architectures = [trial.selection.architecture]
    for architecture, _ in trial.selection.architecture_scores:
        architectures.append(architecture)
    for architecture in dict.fromkeys(architectures):
        yield from architecture_faults(trial.space, architecture)


def undecided_only(trial: Trial) -> Faults:
    """Yield scores, decisions and closings of wrong edges or operations."""
    yield from trial.notes.get("decisions", ())
    if trial.selection is not None:
        yield from decision_faults(trial.space, trial.selection)
        yield from closing_faults(trial.space, trial.selection)
        yield from operation_score_faults(trial.space, trial.selection)
        yield from edge_score_faults(trial.space, trial.selection)


def untouched(trial: Trial) -> Faults:
    """Yield state that changed in other ways than by tuning."""
    if not trial.changes:
        return
    more = f" and {len(trial.changes) - 1} more" if len(trial.changes) > 1 else ""
    yield f"it changes {trial.changes[0]}{more}: score with the task, draw from task.rng, and work on copies"


def seeded(trial: Trial) -> Faults:
    """Yield how two selections from the same seed differ."""
    first = trial.selection
    second = trial.second_selection
    if first is None or not trial.is_repeated or first == second:
        return
    if second is not None and second.architecture == first.architecture:
        difference = "different scores or decisions"
    else:
        difference = "a different architecture, or none"
    yield f"the same seed gives {difference}: draw only from task.rng, task.minibatch and task.new_alphas"


def honest(trial: Trial) -> Faults:
    """Yield cases where the best is not kept, or the worst not closed or dropped."""
    if trial.selection is not None:
        yield from dishonest_decisions(trial.space, trial.selection)
        yield from dishonest_closings(trial.space, trial.selection)
        yield from dishonest_drops(trial.space, trial.selection)
        yield from dishonest_selection(trial.selection)


def within_budget(trial: Trial) -> Faults:
    """Yield queries that were not declared, and queries beyond the budget."""
    paid, refused = trial.queries
    if paid and not trial.declares_reward:
        yield "it queries rewards but does not declare it: set needs = frozenset({'reward'})"
    if refused > 1:
        yield (
            f"it makes {refused - 1} queries after its budget is spent: loop within "
            "'with search.spending():'"
        )


def surfaces(trial: Trial) -> Faults:
    """Yield a fault if scores that are not finite raised no error."""
    if trial.undefined and trial.selection is not None:
        yield "some scores were not finite, but it selected an architecture: use `search.decide`, which raises an error"


def offered(trial: Trial) -> Faults:
    """Yield attributes of the task that it uses or sets, but `Task` does not offer."""
    yield from trial.notes.get("offered", ())


def self_contained(trial: Trial) -> Faults:
    """Yield the devices, files and other packages that it uses."""
    for note in trial.notes.get("devices", ()):
        yield f"{note}: use the device of a tensor of the task"
    for note in trial.notes.get("files", ()):
        yield f"{note}: return a Selection, which is recorded"
    for name in trial.foreign_imports:
        yield f"its module imports {name}: import only archselect.selectors and archselect.nasbench_adapters"


RULES: dict[Check, str] = {
    finishes: "`select` must return a Selection, for all settings",
    complete: "the architecture must be in the space, with all edges decided",
    undecided_only: (
        "it may score and decide only undecided edges, and only operations that they have"
    ),
    untouched: "supernet, alphas and global random states may change only by tuning",
    seeded: "the same seed must give the same selection: all random numbers come from the task",
    honest: "it must keep the best, and close or drop the worst, on the declared scale",
    within_budget: "it must declare that it queries, and stop when the budget is spent",
    surfaces: "a score that is not finite must raise an error",
    offered: "it may use only what `Task` offers, and set nothing",
    self_contained: "it may name no device, use no file, and import no other package",
}
"""What each check requires, in one line."""
CHECKS: tuple[Check, ...] = tuple(RULES)
"""All checks, in the order in which they are shown."""


def name_of(check: Check) -> str:
    """Return a check's name as printed."""
    return check.__name__.replace("_", " ")
