"""Claims of Xie et al. (AISTATS 2021) about supernet training, and their verdicts.

A seed meets a claim if it meets all its conditions; the verdict counts the seeds that
do. The claims are from the paper; the rules, that is the conditions and thresholds, are
ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np

from archselect.reports.results.wiring_quantities import (
    Bools,
    CellWiring,
    SupernetWiring,
    mean_costs,
    mean_gap,
)

SEEDS = 5
"""Fewest seeds for a verdict."""
SHARE = 0.8
"""Share of the seeds that must meet all conditions."""
FALL = 2
"""Fewest edges to lose within the first part of the epochs."""
FIRST_PART = 4
"""Divisor for the first part of the epochs: a quarter."""
LAST_PART = 10
"""Divisor for the last part of the epochs: a tenth."""
NARROWER = 0.2
"""Least difference of q between edges from inputs and edges between nodes."""
MANY_NONE = 0.8
"""Least share of none among the edges of a bi-level supernet."""
FEW_NONE = 0.2
"""Greatest share of none among the edges of its single-level control."""

SHOWN = "SHOWN"
NOT_SHOWN = "NOT SHOWN"


@dataclass(frozen=True)
class Condition:
    """One condition of a claim.

    Attributes:
        key: name in files.
        label: name in tables.
        words: the condition as a sentence.
    """

    key: str
    label: str
    words: str


@dataclass(frozen=True)
class MeasuredCondition:
    """The number of a condition for one seed, and whether it is met.

    Both are None if the control is missing.
    """

    number: float | None
    met: bool | None


Measure = Callable[
    [SupernetWiring, SupernetWiring | None], tuple[MeasuredCondition, ...]
]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, and our rule for it.

    Attributes:
        name: name in tables.
        says: the claim as text.
        conditions: conditions, all of which a seed must meet.
        measure: function that measures the conditions of a supernet, given its control
            or None.
        control: description of the control; empty if none is needed.
    """

    name: str
    says: str
    conditions: tuple[Condition, ...]
    measure: Measure
    control: str = ""

    @property
    def rule(self) -> str:
        """The rule as text."""
        conditions = "; ".join(
            f"{condition.label}: {condition.words}" for condition in self.conditions
        )
        rule = f"{self.name} ({self.says}). {conditions}."
        return f"{rule} Control: {self.control}." if self.control else rule


@dataclass(frozen=True)
class JudgedSeed:
    """The measured conditions of one seed, in the order of the claim."""

    seed: int
    measured: tuple[MeasuredCondition, ...]

    @property
    def met(self) -> bool | None:
        """Whether all conditions are met; None if a control is missing."""
        met = [condition.met for condition in self.measured]
        return None if None in met else all(met)


class ConditionCount(NamedTuple):
    """A condition, the number of seeds that meet it, and of seeds that measure it."""

    condition: Condition
    meeting: int
    known: int


@dataclass(frozen=True)
class Verdict:
    """The verdict on one claim over the seeds of a group."""

    claim: Claim
    seeds: tuple[JudgedSeed, ...]

    @property
    def judged(self) -> int:
        """The number of seeds for which all conditions are measured."""
        return sum(seed.met is not None for seed in self.seeds)

    @property
    def meeting(self) -> int:
        """The number of seeds that meet all conditions."""
        return sum(seed.met is True for seed in self.seeds)

    @property
    def words(self) -> str:
        """The verdict: SHOWN, NOT SHOWN, or the reason for no verdict."""
        if not self.judged:
            return "no control"
        if self.judged < SEEDS:
            return f"too few seeds ({self.judged} of {SEEDS})"
        return SHOWN if self.meeting >= SHARE * self.judged else NOT_SHOWN

    def counts(self) -> list[ConditionCount]:
        """Return the number of seeds that meet each condition."""
        counts = []
        for place, condition in enumerate(self.claim.conditions):
            met = [seed.measured[place].met for seed in self.seeds]
            unknown = met.count(None)
            counts.append(
                ConditionCount(condition, met.count(True), len(met) - unknown)
            )
        return counts


def epoch_of_fewest_edges(wiring: SupernetWiring) -> int:
    """Return the first epoch after which the argmax genotype has its fewest edges."""
    return int(wiring.edges.argmin())


def gap_before_fewest_edges(wiring: SupernetWiring) -> float:
    """Return the mean L - H until :func:`epoch_of_fewest_edges`, in nats.

    Use the images that train the alphas. Return NaN if that epoch is the start.
    """
    until = epoch_of_fewest_edges(wiring)
    return mean_gap(wiring.trace, wiring.trace.info.parts[0], slice(0, until))


def gap_at_end(wiring: SupernetWiring, part: str) -> float:
    """Return the mean L - H in the last tenth of the epochs, in nats."""
    return mean_gap(wiring.trace, part, _last_epochs(wiring))


def _last_epochs(wiring: SupernetWiring) -> slice:
    epochs = wiring.trace.epochs
    return slice(epochs - ceil(epochs / LAST_PART), epochs)


def last_q(wiring: SupernetWiring, between: bool) -> float:
    """Return the mean final q of the free edges; NaN if there are none.

    Args:
        wiring: wiring of the supernet.
        between: whether to use edges between nodes (True) or from inputs (False).
    """
    return _mean([cell.q[-1, _free_edges(cell, between)] for cell in wiring.cells])


def none_share(wiring: SupernetWiring) -> float:
    """Return the share of free edges whose final argmax is none."""
    return _mean([cell.absent[-1, cell.free] for cell in wiring.cells])


def last_cost(wiring: SupernetWiring, between: bool) -> float:
    """Return the mean cost of the free edges in the last tenth of the epochs.

    Args:
        wiring: wiring of the supernet.
        between: whether to use edges between nodes (True) or from inputs (False).
    """
    epochs = _last_epochs(wiring)
    costs = [
        mean_costs(cell, epochs)[_free_edges(cell, between)] for cell in wiring.cells
    ]
    return _mean(costs)


def has_free_edges(wiring: SupernetWiring, between: bool) -> bool:
    """Return whether there is a free edge, which can be none or something else.

    Args:
        wiring: wiring of the supernet.
        between: whether to use edges between nodes (True) or from inputs (False).
    """
    return any(_free_edges(cell, between).any() for cell in wiring.cells)


def _free_edges(cell: CellWiring, between: bool) -> Bools:
    return cell.free & (cell.inputs != between)


def _mean(parts: Sequence[np.ndarray]) -> float:
    joined = np.concatenate(parts)
    return float(joined.mean()) if len(joined) else float("nan")


def _measured(number: float, met: bool) -> MeasuredCondition:
    """Return a measured condition; an undefined number does not meet it."""
    return MeasuredCondition(float(number), bool(met) and not np.isnan(number))


_UNKNOWN = MeasuredCondition(None, None)


def _measure_growing(
    wiring: SupernetWiring, _: SupernetWiring | None
) -> tuple[MeasuredCondition, ...]:
    edges = wiring.edges
    first_quarter = edges[: wiring.trace.epochs // FIRST_PART + 1]
    fall = edges[0] - first_quarter.min()
    regrowth = edges[-1] - edges.min()
    gap_before = gap_before_fewest_edges(wiring)
    gap_after = gap_at_end(wiring, wiring.trace.info.parts[0])
    return (
        _measured(fall, fall >= FALL),
        _measured(regrowth, regrowth > 0),
        _measured(gap_before, gap_before > 0),
        _measured(gap_after, gap_after < 0),
    )


def _measure_pruning(
    wiring: SupernetWiring, _: SupernetWiring | None
) -> tuple[MeasuredCondition, ...]:
    edges = wiring.edges
    regrowth = edges[-1] - edges.min()
    lost = edges[0] - edges[-1]
    return _measured(regrowth, regrowth == 0), _measured(lost, lost > 0)


def _measure_width(
    wiring: SupernetWiring, control: SupernetWiring | None
) -> tuple[MeasuredCondition, ...]:
    less_probable = last_q(wiring, between=False) - last_q(wiring, between=True)
    narrower = _measured(less_probable, less_probable > NARROWER)
    if control is None:
        return narrower, _UNKNOWN
    dearer = last_cost(control, between=True) - last_cost(control, between=False)
    return narrower, _measured(dearer, dearer > 0)


def _measure_no_edges(
    wiring: SupernetWiring, control: SupernetWiring | None
) -> tuple[MeasuredCondition, ...]:
    share = none_share(wiring)
    search_part, training_part = wiring.trace.info.parts[:2]
    search_gap = gap_at_end(wiring, search_part)
    training_gap = gap_at_end(wiring, training_part)
    control_keeps = _UNKNOWN
    if control is not None:
        control_share = none_share(control)
        control_keeps = _measured(control_share, control_share <= FEW_NONE)
    return (
        _measured(share, share >= MANY_NONE),
        control_keeps,
        _measured(search_gap, search_gap > 0),
        _measured(training_gap, training_gap < 0),
    )


GROWING = Claim(
    "GROWING",
    "edges are lost early and come back",
    (
        Condition(
            "falls",
            "falls",
            f"the argmax genotype loses at least {FALL} edges in the first quarter of the epochs",
        ),
        Condition("regrows", "regrows", "its number of edges ends above the minimum"),
        Condition(
            "gap_before_fewest",
            "L−H > 0 first",
            "until the minimum, the mean L − H is positive on the images that train the alphas",
        ),
        Condition(
            "gap_at_end",
            "L−H < 0 last",
            "in the last tenth of the epochs, the mean L − H is negative",
        ),
    ),
    _measure_growing,
)
PRUNING = Claim(
    "PRUNING",
    "edges are lost and stay lost",
    (
        Condition(
            "at_minimum",
            "ends lowest",
            "the argmax genotype ends with its minimum number of edges",
        ),
        Condition(
            "below_first",
            "below initial",
            "it ends with fewer edges than before training",
        ),
    ),
    _measure_pruning,
)
WIDTH = Claim(
    "WIDTH",
    "edges from inputs are preferred to edges between nodes",
    (
        Condition(
            "less_between",
            "lower between",
            f"the mean final q of edges between nodes is more than {NARROWER} below that of edges from inputs",
        ),
        Condition(
            "dearer_between",
            "costlier between",
            "in the last tenth of a training with random paths, operations other than none cost more on edges between "
            "nodes than on edges from inputs",
        ),
    ),
    _measure_width,
    "spos with the same space, data, skeleton and seed",
)
NO_EDGES = Claim(
    "NO EDGES",
    "bi-level optimisation selects no edges",
    (
        Condition(
            "none",
            "edges none",
            f"at least {MANY_NONE:.0%} of the edges end as none".replace("%", " %"),
        ),
        Condition(
            "control_none",
            "control kept",
            f"at most {FEW_NONE:.0%} of the edges of the control end as none".replace(
                "%", " %"
            ),
        ),
        Condition(
            "gap_search",
            "L−H > 0 search",
            "in the last tenth of the epochs, L − H is positive on the images that train the alphas",
        ),
        Condition(
            "gap_train",
            "L−H < 0 training",
            "in the same epochs, L − H is negative on the images that train the weights",
        ),
    ),
    _measure_no_edges,
    "single-level DARTS with the same other settings",
)
CLAIMS = (GROWING, PRUNING, WIDTH, NO_EDGES)
