"""Claims of DARTS-PRIME about alphas, and three further questions, each with a rule.

The claims are those of Maile et al. 2021, arXiv 2106.11655; the rules, the margin and
the questions are ours. A claim compares two values of one setting, with all other
settings equal, paired by supernet seed (:mod:`.contrasts`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from archselect.benchmarks.store.records import Landscape
from archselect.reports.alphas.contrasts import (
    Contrast,
    GroupPair,
    ValuePair,
    combine,
    deviations,
)
from archselect.reports.alphas.groups import AlphaGroup, ChosenOperation, selectors_of
from archselect.reports.results.results import Results

MARGIN = 0.5
"""Largest loss of mean accuracy that counts as not worse, in percentage points."""
PENALTY = "proximity"
"""The setting with the penalty on the distance to the discrete architecture."""
NO_PENALTY = "none"
OF_ALPHAS = "(alpha)"
"""Ending of the name of a selector's scores if they are the weights themselves."""
NO_PARAMETERS = 'needs [[costs]] with of = "params" in the study'

Direction = Literal["lower", "higher", "not lower"]
"""The claimed direction for the treated side, or for the first selector."""


@dataclass(frozen=True)
class Measurement:
    """The values behind one verdict.

    Attributes:
        place: space and images, and the landscape if accuracies are compared.
            selector: name of the selector; "A against B" if two are compared.
            pairs: values of each pair of groups.
            missing: why there are no values; empty if there are values.
    """

    place: str
    selector: str
    pairs: tuple[ValuePair, ...]
    missing: str = ""


class Context(NamedTuple):
    """The input of a measure: the study's results, and pairs of groups in one place."""

    results: Results
    place: str
    pairs: Sequence[GroupPair]

    @property
    def selectors(self) -> list[str]:
        """Selectors that ran on both sides of a pair."""
        treated = selectors_of([pair.treated for pair in self.pairs])
        control = selectors_of([pair.control for pair in self.pairs])
        return [name for name in treated if name in control]

    @property
    def against(self) -> list[tuple[str, str]]:
        """Pairs of the selector whose scores are the weights and every other one."""
        readers = [name for name in self.selectors if self._reads_weights(name)]
        others = [name for name in self.selectors if name not in readers]
        return [(reader, other) for reader in readers[:1] for other in others]

    def _reads_weights(self, selector: str) -> bool:
        """Return whether a selector's scores are the weights themselves."""
        for record in self.pairs[0].treated.readings[selector].records:
            scale = record.selected.operation_scale
            if scale is None or not scale.name.endswith(OF_ALPHAS):
                return False
        return True

    @property
    def landscapes(self) -> list[Landscape]:
        """The landscapes with accuracies of these groups."""
        known = []
        for landscape in self.results.landscapes:
            if any(self._is_judged(pair.treated, landscape) for pair in self.pairs):
                known.append(landscape)
        return known

    def where(self, landscape: Landscape) -> str:
        """Return the place and the landscape as text."""
        return f"{self.place}: {self.results.title(landscape)}"

    def accuracies(self, selector: str, landscape: Landscape) -> tuple[ValuePair, ...]:
        """Return the accuracies of a selector's architectures, for every pair."""
        pairs = []
        for pair in self.pairs:
            ours = pair.treated.accuracies(selector, landscape)
            theirs = pair.control.accuracies(selector, landscape)
            pairs.append(ValuePair(ours, theirs))
        return tuple(pairs)

    def _is_judged(self, group: AlphaGroup, landscape: Landscape) -> bool:
        return any(group.accuracies(name, landscape) for name in group.readings)


Measure = Callable[[Context], list[Measurement]]


@dataclass(frozen=True)
class AlphaClaim:
    """A claim, or a question, and our rule for it.

    Attributes:
        key: name in files.
            says: the claim as text, with {treated} for the treated value.
            measures: the compared quantity, as text.
            unit: unit of the values.
            direction: claimed direction.
            contrast: settings that are compared.
            measure: function that returns the values.
            every_penalty: whether the claim is tested for each penalty of the study.
            paper: whether the claim is from the paper.
    """

    key: str
    says: str
    measures: str
    unit: str
    direction: Direction
    contrast: Contrast = field(compare=False)
    measure: Measure = field(compare=False)
    every_penalty: bool = True
    paper: bool = True


def _measure_parameters(context: Context) -> list[Measurement]:
    measurements = []
    for selector in context.selectors:
        pairs = []
        for pair in context.pairs:
            ours = pair.treated.parameters(selector)
            theirs = pair.control.parameters(selector)
            pairs.append(ValuePair(ours, theirs))
        is_known = any(pair.ours and pair.theirs for pair in pairs)
        missing = "" if is_known else NO_PARAMETERS
        measurements.append(Measurement(context.place, selector, tuple(pairs), missing))
    return measurements


def _measure_accuracies(context: Context) -> list[Measurement]:
    measurements = []
    for landscape in context.landscapes:
        for selector in context.selectors:
            pairs = context.accuracies(selector, landscape)
            where = context.where(landscape)
            measurements.append(Measurement(where, selector, pairs))
    return measurements


def _measure_spread(context: Context) -> list[Measurement]:
    measurements = []
    for measured in _measure_accuracies(context):
        pairs = tuple(deviations(pair) for pair in measured.pairs)
        measurements.append(Measurement(measured.place, measured.selector, pairs))
    return measurements


def _measure_changed_cells(context: Context) -> list[Measurement]:
    measurements = []
    for ours, theirs in context.against:
        pairs = []
        for pair in context.pairs:
            pairs.append(ValuePair(_changed(pair, ours), _changed(pair, theirs)))
        who = f"{ours} against {theirs}"
        measurements.append(Measurement(context.place, who, tuple(pairs)))
    return measurements


def _changed(pair: GroupPair, selector: str) -> dict[int, float]:
    """Return the number of edges on which both sides' cells differ, by seed."""
    treated = pair.treated.edges(selector)
    control = pair.control.edges(selector)
    seeds = treated.keys() & control.keys()
    return {seed: _count_changed(treated[seed], control[seed]) for seed in seeds}


def _count_changed(
    treated: frozenset[ChosenOperation], control: frozenset[ChosenOperation]
) -> float:
    changed = {edge[:3] for edge in treated ^ control}
    return float(len(changed))


def _measure_changed_accuracy(context: Context) -> list[Measurement]:
    measurements = []
    for landscape in context.landscapes:
        for ours, theirs in context.against:
            our_pairs = context.accuracies(ours, landscape)
            their_pairs = context.accuracies(theirs, landscape)
            changes = []
            for mine, other in zip(our_pairs, their_pairs, strict=True):
                ours_change = combine(mine.ours, mine.theirs, _distance)
                theirs_change = combine(other.ours, other.theirs, _distance)
                changes.append(ValuePair(ours_change, theirs_change))
            who = f"{ours} against {theirs}"
            where = context.where(landscape)
            measurements.append(Measurement(where, who, tuple(changes)))
    return measurements


def _measure_gap(context: Context) -> list[Measurement]:
    measurements = []
    for landscape in context.landscapes:
        for ours, theirs in context.against:
            our_pairs = context.accuracies(ours, landscape)
            their_pairs = context.accuracies(theirs, landscape)
            gaps = []
            for mine, other in zip(our_pairs, their_pairs, strict=True):
                treated = combine(mine.ours, other.ours, _distance)
                control = combine(mine.theirs, other.theirs, _distance)
                gaps.append(ValuePair(treated, control))
            who = f"{ours} against {theirs}"
            where = context.where(landscape)
            measurements.append(Measurement(where, who, tuple(gaps)))
    return measurements


def _distance(ours: float, theirs: float) -> float:
    return abs(ours - theirs)


_PENALTY = Contrast(PENALTY, "prox", NO_PENALTY, follows=("rho",))
SMALLER_CELLS = AlphaClaim(
    key="smaller_cells",
    says="{treated} finds smaller cells than softmax",
    measures="parameters of the selected architecture",
    unit="parameters",
    direction="lower",
    contrast=Contrast(
        "activation", "crb", "softmax", follows=("alpha_scale", "alpha_mean")
    ),
    measure=_measure_parameters,
    every_penalty=False,
)
SMALLER_SPREAD = AlphaClaim(
    key="smaller_spread",
    says="{treated} reduces the spread of the accuracy over seeds",
    measures="distance between a seed's accuracy and the median over the seeds of its side (paired Brown-Forsythe "
    "test)",
    unit="points",
    direction="lower",
    contrast=_PENALTY,
    measure=_measure_spread,
)
INFORMED_NOT_WORSE = AlphaClaim(
    key="informed_not_worse",
    says="with {treated}, the informed schedule is not worse than the regular one",
    measures="accuracy of the selected architecture",
    unit="points",
    direction="not lower",
    contrast=Contrast("schedule", "informed", "every", follows=("schedule_steps",)),
    measure=_measure_accuracies,
)
CHANGES_CELLS = AlphaClaim(
    key="changes_cells",
    says="{treated} changes the cells of the selector that reads the weights more than those of the other selector",
    measures="number of edges on which the cells selected with and without the penalty differ",
    unit="edges",
    direction="higher",
    contrast=_PENALTY,
    measure=_measure_changed_cells,
    paper=False,
)
CHANGES_ACCURACY = AlphaClaim(
    key="changes_accuracy",
    says="{treated} changes the accuracy of the selector that reads the weights more than that of the other selector",
    measures="absolute difference of a seed's accuracies with and without the penalty",
    unit="points",
    direction="higher",
    contrast=_PENALTY,
    measure=_measure_changed_accuracy,
    paper=False,
)
CLOSES_GAP = AlphaClaim(
    key="closes_gap",
    says="{treated} reduces the accuracy gap between the two selectors",
    measures="absolute difference of the two selectors' accuracies on a seed, with and without the penalty",
    unit="points",
    direction="lower",
    contrast=_PENALTY,
    measure=_measure_gap,
    paper=False,
)
ALPHA_CLAIMS = (
    SMALLER_CELLS,
    SMALLER_SPREAD,
    INFORMED_NOT_WORSE,
    CHANGES_CELLS,
    CHANGES_ACCURACY,
    CLOSES_GAP,
)
