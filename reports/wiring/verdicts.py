"""Which claims of Xie et al. (AISTATS 2021) a supernet's training bears out: conditions and their verdict over seeds.

The claims are the paper's; the rules, that is conditions and thresholds, are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from archselect.reports.results.wiring_quantities import (
    Bools,
    CellWiring,
    SupernetWiring,
    mean_costs,
    mean_gap,
)

SEEDS = 5
"""Seeds below which there is no verdict."""
SHARE = 0.8
"""Of the seeds that must meet all conditions."""
FALL = 2
"""Edges that must be lost within the :data:`FIRST_PART` of the epochs."""
FIRST_PART, LAST_PART = 4, 10
"""The first quarter and the last tenth of the epochs."""
NARROWER = 0.2
"""By how much edges between nodes must be less probable than edges from inputs."""
MANY_NONE, FEW_NONE = 0.8, 0.2
"""Share of the edges that is none: at least, of the bi-level supernet; at most, of its
single-level control.
"""

SHOWN, NOT_SHOWN = "SHOWN", "NOT SHOWN"


@dataclass(frozen=True)
class Condition:
    """One condition: `key` names it in files, `label` in tables, `words` say it in full."""

    key: str
    label: str
    words: str


@dataclass(frozen=True)
class Measured:
    """A condition's number for one seed, and whether it is met; both None where the control is missing."""

    number: float | None
    met: bool | None


@dataclass(frozen=True)
class Claim:
    """A claim, its conditions and how they are measured of a supernet and its control (None: it is missing).

    `control` says in words what the control is; it is empty where none is needed.
    """

    name: str
    says: str
    conditions: tuple[Condition, ...]
    measure: Callable[[SupernetWiring, SupernetWiring | None], tuple[Measured, ...]]
    control: str = ""

    @property
    def rule(self) -> str:
        """In words."""
        conditions = "; ".join(f"{c.label}: {c.words}" for c in self.conditions)
        return f"{self.name} ({self.says}). {conditions}." + (
            f" Control: {self.control}." if self.control else ""
        )


@dataclass(frozen=True)
class Judged:
    """The conditions of one seed, in the claim's order."""

    seed: int
    measured: tuple[Measured, ...]

    @property
    def met(self) -> bool | None:
        """Whether all are met; None where a control is missing."""
        every = [own.met for own in self.measured]
        return None if None in every else all(every)


@dataclass(frozen=True)
class Verdict:
    """What the seeds of a group come to."""

    claim: Claim
    seeds: tuple[Judged, ...]

    @property
    def judged(self) -> int:
        """Seeds with all that the conditions need."""
        return sum(seed.met is not None for seed in self.seeds)

    @property
    def meeting(self) -> int:
        """Those that meet all conditions."""
        return sum(seed.met is True for seed in self.seeds)

    @property
    def words(self) -> str:
        """SHOWN, NOT SHOWN, or why there is no verdict."""
        if not self.judged:
            return "no control"
        if self.judged < SEEDS:
            return f"too few seeds ({self.judged} of {SEEDS})"
        return SHOWN if self.meeting >= SHARE * self.judged else NOT_SHOWN

    def counts(self) -> list[tuple[Condition, int, int]]:
        """Each condition, how many seeds meet it, and of how many it is known."""
        columns = zip(*(seed.measured for seed in self.seeds), strict=True)
        return [
            (
                condition,
                sum(own.met is True for own in column),
                sum(own.met is not None for own in column),
            )
            for condition, column in zip(self.claim.conditions, columns, strict=True)
        ]


def fewest(wiring: SupernetWiring) -> int:
    """After which epoch the argmax genotype first has its fewest edges."""
    return int(wiring.edges.argmin())


def gap_before(wiring: SupernetWiring) -> float:
    """Mean L - H of the epochs up to :func:`fewest`, on the images on which alphas learn; NaN if that is the start."""
    return mean_gap(wiring.trace, wiring.trace.info.parts[0], slice(0, fewest(wiring)))


def gap_at_end(wiring: SupernetWiring, part: str) -> float:
    """Mean L - H of the last tenth of the epochs."""
    return mean_gap(wiring.trace, part, _last(wiring))


def _last(wiring: SupernetWiring) -> slice:
    epochs = wiring.trace.epochs
    return slice(epochs - ceil(epochs / LAST_PART), epochs)


def last_q(wiring: SupernetWiring, between: bool) -> float:
    """Mean of the last q of the free edges between nodes, or from inputs; NaN without any."""
    return _mean([cell.q[-1, _free(cell, between)] for cell in wiring.cells])


def none_share(wiring: SupernetWiring) -> float:
    """Share of the free edges whose last argmax is none."""
    return _mean([cell.absent[-1, cell.free] for cell in wiring.cells])


def last_cost(wiring: SupernetWiring, between: bool) -> float:
    """Mean cost of the free edges between nodes, or from inputs, in the last tenth of the epochs."""
    return _mean(
        [mean_costs(cell, _last(wiring))[_free(cell, between)] for cell in wiring.cells]
    )


def has_free(wiring: SupernetWiring, between: bool) -> bool:
    """Whether there is a free edge between nodes, or from inputs: one that may be none or something else."""
    return any(_free(cell, between).any() for cell in wiring.cells)


def _free(cell: CellWiring, between: bool) -> Bools:
    return cell.free & (cell.inputs != between)


def _mean(parts: Sequence[np.ndarray]) -> float:
    every = np.concatenate(parts)
    return float(every.mean()) if len(every) else float("nan")


def _measured(number: float, met: bool) -> Measured:
    """A number that is not defined meets nothing."""
    return Measured(float(number), bool(met) and not np.isnan(number))


def _growing(wiring: SupernetWiring, _: SupernetWiring | None) -> tuple[Measured, ...]:
    edges = wiring.edges
    fall = edges[0] - edges[: wiring.trace.epochs // FIRST_PART + 1].min()
    regrowth = edges[-1] - edges.min()
    before, end = gap_before(wiring), gap_at_end(wiring, wiring.trace.info.parts[0])
    return (
        _measured(fall, fall >= FALL),
        _measured(regrowth, regrowth > 0),
        _measured(before, before > 0),
        _measured(end, end < 0),
    )


def _pruning(wiring: SupernetWiring, _: SupernetWiring | None) -> tuple[Measured, ...]:
    edges = wiring.edges
    regrowth, lost = edges[-1] - edges.min(), edges[0] - edges[-1]
    return _measured(regrowth, regrowth == 0), _measured(lost, lost > 0)


def _width(
    wiring: SupernetWiring, control: SupernetWiring | None
) -> tuple[Measured, ...]:
    less = last_q(wiring, between=False) - last_q(wiring, between=True)
    own = _measured(less, less > NARROWER)
    if control is None:
        return own, Measured(None, None)
    dearer = last_cost(control, between=True) - last_cost(control, between=False)
    return own, _measured(dearer, dearer > 0)


def _no_edges(
    wiring: SupernetWiring, control: SupernetWiring | None
) -> tuple[Measured, ...]:
    own = none_share(wiring)
    search, train = (gap_at_end(wiring, part) for part in wiring.trace.info.parts[:2])
    kept = Measured(None, None)
    if control is not None:
        kept = _measured(none_share(control), none_share(control) <= FEW_NONE)
    return (
        _measured(own, own >= MANY_NONE),
        kept,
        _measured(search, search > 0),
        _measured(train, train < 0),
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
    _growing,
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
    _pruning,
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
    _width,
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
    _no_edges,
    "single-level DARTS, all else the same",
)
CLAIMS = (GROWING, PRUNING, WIDTH, NO_EDGES)
