"""Claims of Xie et al. (AISTATS 2021) about a supernet's training, and their verdicts.

A claim has conditions. A seed meets the claim if it meets all of them; the verdict is
over seeds. The claims are the paper's; the rules, that is conditions and thresholds,
are ours.
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
"""Fewest seeds that get a verdict."""
SHARE = 0.8
"""Share of the seeds that must meet all conditions."""
FALL = 2
"""Edges that must be lost within the :data:`FIRST_PART` of the epochs."""
FIRST_PART = 4
"""The first quarter of the epochs."""
LAST_PART = 10
"""The last tenth of the epochs."""
NARROWER = 0.2
"""By how much edges between nodes must be less probable than edges from inputs."""
MANY_NONE = 0.8
"""Least share of a bi-level supernet's edges that is none."""
FEW_NONE = 0.2
"""Greatest share of its single-level control's edges that is none."""

SHOWN = "SHOWN"
NOT_SHOWN = "NOT SHOWN"


@dataclass(frozen=True)
class Condition:
    """One condition of a claim.

    Attributes:
        key: names it in files.
        label: names it in tables.
        words: say it in full.
    """

    key: str
    label: str
    words: str


@dataclass(frozen=True)
class MeasuredCondition:
    """A condition's number for one seed, and whether it is met.

    Both are None where the control is missing.
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
        name: as tables show it.
        says: the claim, in words.
        conditions: all of which a seed must meet.
        measure: measures the conditions of a supernet and its control, which is None
            where it is missing.
        control: what the control is, in words; empty where none is needed.
    """

    name: str
    says: str
    conditions: tuple[Condition, ...]
    measure: Measure
    control: str = ""

    @property
    def rule(self) -> str:
        """The rule, in words."""
        conditions = "; ".join(
            f"{condition.label}: {condition.words}" for condition in self.conditions
        )
        rule = f"{self.name} ({self.says}). {conditions}."
        return f"{rule} Control: {self.control}." if self.control else rule


@dataclass(frozen=True)
class JudgedSeed:
    """The conditions of one seed, in the claim's order."""

    seed: int
    measured: tuple[MeasuredCondition, ...]

    @property
    def met(self) -> bool | None:
        """Whether all are met; None where a control is missing."""
        met = [condition.met for condition in self.measured]
        return None if None in met else all(met)


class ConditionCount(NamedTuple):
    """A condition, how many seeds meet it, and of how many that is known."""

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
        """How many seeds have all that the conditions need."""
        return sum(seed.met is not None for seed in self.seeds)

    @property
    def meeting(self) -> int:
        """How many seeds meet all conditions."""
        return sum(seed.met is True for seed in self.seeds)

    @property
    def words(self) -> str:
        """The verdict: SHOWN, NOT SHOWN, or why there is none."""
        if not self.judged:
            return "no control"
        if self.judged < SEEDS:
            return f"too few seeds ({self.judged} of {SEEDS})"
        return SHOWN if self.meeting >= SHARE * self.judged else NOT_SHOWN

    def counts(self) -> list[ConditionCount]:
        """Return how many seeds meet each condition."""
        counts = []
        for place, condition in enumerate(self.claim.conditions):
            met = [seed.measured[place].met for seed in self.seeds]
            unknown = met.count(None)
            counts.append(
                ConditionCount(condition, met.count(True), len(met) - unknown)
            )
        return counts


def epoch_of_fewest_edges(wiring: SupernetWiring) -> int:
    """Return after which epoch the argmax genotype first has its fewest edges."""
    return int(wiring.edges.argmin())


def gap_before_fewest_edges(wiring: SupernetWiring) -> float:
    """Return mean L - H up to :func:`epoch_of_fewest_edges`.

    It is over the images on which alphas learn; NaN if that epoch is the start.
    """
    until = epoch_of_fewest_edges(wiring)
    return mean_gap(wiring.trace, wiring.trace.info.parts[0], slice(0, until))


def gap_at_end(wiring: SupernetWiring, part: str) -> float:
    """Return mean L - H of the last tenth of the epochs."""
    return mean_gap(wiring.trace, part, _last_epochs(wiring))


def _last_epochs(wiring: SupernetWiring) -> slice:
    epochs = wiring.trace.epochs
    return slice(epochs - ceil(epochs / LAST_PART), epochs)


def last_q(wiring: SupernetWiring, between: bool) -> float:
    """Return the mean of the last q of the free edges; NaN without any.

    Args:
        wiring: of the supernet.
        between: whether edges between nodes count, or edges from inputs.
    """
    return _mean([cell.q[-1, _free_edges(cell, between)] for cell in wiring.cells])


def none_share(wiring: SupernetWiring) -> float:
    """Return the share of the free edges whose last argmax is none."""
    return _mean([cell.absent[-1, cell.free] for cell in wiring.cells])


def last_cost(wiring: SupernetWiring, between: bool) -> float:
    """Return the mean cost of the free edges in the last tenth of the epochs.

    Args:
        wiring: of the supernet.
        between: whether edges between nodes count, or edges from inputs.
    """
    epochs = _last_epochs(wiring)
    costs = [
        mean_costs(cell, epochs)[_free_edges(cell, between)] for cell in wiring.cells
    ]
    return _mean(costs)


def has_free_edges(wiring: SupernetWiring, between: bool) -> bool:
    """Return whether there is a free edge: one that may be none or something else.

    Args:
        wiring: of the supernet.
        between: whether edges between nodes count, or edges from inputs.
    """
    return any(_free_edges(cell, between).any() for cell in wiring.cells)


def _free_edges(cell: CellWiring, between: bool) -> Bools:
    return cell.free & (cell.inputs != between)


def _mean(parts: Sequence[np.ndarray]) -> float:
    joined = np.concatenate(parts)
    return float(joined.mean()) if len(joined) else float("nan")


def _measured(number: float, met: bool) -> MeasuredCondition:
    """Return a measured condition; a number that is not defined meets nothing."""
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
            f"the edges of the argmax genotype fall by at least {FALL} in the first quarter",
        ),
        Condition("regrows", "regrows", "they end above their minimum"),
        Condition(
            "gap_before_fewest",
            "L−H > 0 first",
            "up to the minimum the mean L − H is positive, on the images on which alphas learn",
        ),
        Condition(
            "gap_at_end",
            "L−H < 0 last",
            "in the last tenth of the epochs it is negative",
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
            "the argmax genotype ends with its minimum of edges",
        ),
        Condition(
            "below_first", "below initial", "it has fewer of them than before training"
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
            "dearer between",
            "in the last tenth of a training with random paths, operations other than none cost more between nodes "
            "than from inputs",
        ),
    ),
    _measure_width,
    "spos, the same space, data, skeleton and seed",
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
            f"of the control's at most {FEW_NONE:.0%}".replace("%", " %"),
        ),
        Condition(
            "gap_search",
            "L−H > 0 search",
            "in the last tenth of the epochs, on the images on which alphas learn",
        ),
        Condition(
            "gap_train",
            "L−H < 0 training",
            "in the same epochs, on those on which weights learn",
        ),
    ),
    _measure_no_edges,
    "single-level DARTS, all else the same",
)
CLAIMS = (GROWING, PRUNING, WIDTH, NO_EDGES)
