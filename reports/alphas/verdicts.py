"""Verdicts on the claims about alphas; the report prints their rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from scipy.special import fdtri

from archselect.reports.alphas.claims import (
    ALPHA_CLAIMS,
    INFORMED_NOT_WORSE,
    MARGIN,
    NO_PENALTY,
    PENALTY,
    SMALLER_CELLS,
    SMALLER_SPREAD,
    AlphaClaim,
    Context,
    Direction,
    Measurement,
)
from archselect.reports.alphas.contrasts import (
    Contrast,
    average,
    contrast_pairs,
)
from archselect.reports.alphas.groups import AlphaGroup
from archselect.reports.results.results import Results
from archselect.reports.statistics.intervals import LEAST_SEEDS, LEVEL
from archselect.reports.statistics.paired import (
    POWER,
    Difference,
    compare,
    pair,
)

HOLDS = "holds"
DOES_NOT_HOLD = "does not hold"
UNDECIDED = "not shown"
INTERVAL = f"{100 * LEVEL:.0f} % interval"

RULES: dict[Direction, str] = {
    "lower": f"holds if the {INTERVAL} of the mean difference is below zero, and does not hold if it is above zero",
    "higher": f"holds if the {INTERVAL} of the mean difference is above zero, and does not hold if it is below zero",
    "not lower": f"holds if the {INTERVAL} of the mean difference is above -{MARGIN:g}, our margin; otherwise it does "
    "not hold if the interval is below zero",
}
RULE = (
    "For every rule: differences are paired by supernet seed. The value of a seed is the mean over all other settings "
    "that both sides share, because these share initial weights. The interval is Student's. In all other cases, and "
    "with "
    f"fewer than {LEAST_SEEDS} seeds, the verdict is '{UNDECIDED}', which is no evidence against a claim. The "
    f"intervals "
    "are not adjusted for multiple tests."
)


@dataclass(frozen=True)
class AlphaVerdict:
    """The verdict on one claim for one selector in one place.

    Attributes:
        claim: the claim.
        treated: value of the setting that the claim is about.
        place: space and images, and the landscape if accuracies are compared.
        selector: name of the selector.
        settings: most pairs of groups that are averaged per seed.
        ours, theirs: means over seeds; None without values.
        difference: ours minus theirs.
        missing: why there are no values; empty if there are values.
    """

    claim: AlphaClaim
    treated: str
    place: str
    selector: str
    settings: int
    ours: float | None
    theirs: float | None
    difference: Difference
    missing: str = ""

    @property
    def words(self) -> str:
        """The verdict: holds, does not hold, or not shown."""
        low = self.difference.low
        high = self.difference.high
        if low is None or high is None:
            return UNDECIDED
        match self.claim.direction:
            case "lower":
                return _judge(is_shown=high < 0, is_refuted=low > 0)
            case "higher":
                return _judge(is_shown=low > 0, is_refuted=high < 0)
            case "not lower":
                return _judge(is_shown=low > -MARGIN, is_refuted=high < 0)

    @property
    def says(self) -> str:
        """The claim as text."""
        return self.claim.says.format(treated=self.treated)

    @property
    def could_show(self) -> str:
        """The effect that this number of seeds could show, or why there is none."""
        if self.missing:
            return self.missing
        detectable = self.difference.detectable
        if detectable is None:
            return self.difference.reason
        amount = format_amount(detectable, self.claim.unit)
        what = "margin" if self.claim.direction == "not lower" else "difference"
        words = f"a {what} of {amount} {self.claim.unit}"
        if self.claim is SMALLER_SPREAD:
            share = detectable_spread(self.difference.pairs, self.settings)
            words += f"; for normally distributed values, at best a spread of {100 * share:.0f} %"
        return words


def _judge(is_shown: bool, is_refuted: bool) -> str:
    if is_shown:
        return HOLDS
    return DOES_NOT_HOLD if is_refuted else UNDECIDED


def format_amount(value: float, unit: str, sign: str = "") -> str:
    """Return an amount as text, with the decimals of its unit."""
    decimals = 0 if unit == "parameters" else 2
    return f"{value:{sign},.{decimals}f}".replace("-", "−")


def detectable_spread(seeds: int, settings: int) -> float:
    """Return the largest detectable ratio of two standard deviations, below 1.

    The F-test detects this ratio with probability 80 % if all values are normally
    distributed and independent, even those of one seed. No test that holds for other
    values can do better.

    Args:
        seeds: number of seeds on each side, at least two.
        settings: number of pairs of groups per seed.
    """
    freedom = settings * (seeds - 1)
    bound = fdtri(freedom, freedom, (1 + LEVEL) / 2)
    usual = fdtri(freedom, freedom, POWER)
    return float(1 / (bound * usual) ** 0.5)


def judge_claims(results: Results, groups: Sequence[AlphaGroup]) -> list[AlphaVerdict]:
    """Return a verdict for every claim, place and selector with values to compare."""
    verdicts = []
    for claim in ALPHA_CLAIMS:
        for contrast, treated in _contrasts(claim, groups):
            for place, pairs in contrast_pairs(groups, contrast).items():
                context = Context(results, place, pairs)
                for measured in claim.measure(context):
                    verdicts.append(_verdict(claim, treated, measured))
    return verdicts


def _contrasts(
    claim: AlphaClaim, groups: Sequence[AlphaGroup]
) -> Iterator[tuple[Contrast, str]]:
    """Yield the contrasts of a claim, each with its treated value."""
    if not claim.every_penalty:
        yield claim.contrast, claim.contrast.treated
        return
    penalties = dict.fromkeys(group.setting(PENALTY, NO_PENALTY) for group in groups)
    for penalty in map(str, penalties):
        if penalty == NO_PENALTY:
            continue
        if claim.contrast.setting == PENALTY:
            yield replace(claim.contrast, treated=penalty), penalty
        else:
            yield replace(claim.contrast, among=((PENALTY, penalty),)), penalty


def _verdict(claim: AlphaClaim, treated: str, measured: Measurement) -> AlphaVerdict:
    mean = average(measured.pairs)
    difference = compare([pair(mean.ours, mean.theirs)])
    return AlphaVerdict(
        claim=claim,
        treated=treated,
        place=measured.place,
        selector=measured.selector,
        settings=len(measured.pairs),
        ours=_mean(list(mean.ours.values())),
        theirs=_mean(list(mean.theirs.values())),
        difference=difference,
        missing=measured.missing,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def rule_of(claim: AlphaClaim) -> str:
    """Return the rule of a claim as text."""
    says = claim.says.replace("{treated}", "the penalty")
    if not claim.every_penalty:
        says = claim.says.format(treated=claim.contrast.treated)
    says = says[0].upper() + says[1:]
    source = "claim of the paper" if claim.paper else "question of ours"
    rule = RULES[claim.direction]
    return f"{says} ({source}). Compared: {claim.measures}. It {rule}."


def unasked(verdicts: Sequence[AlphaVerdict]) -> list[str]:
    """Return sentences on what a study lacks to test the paper's other claims."""
    needs = {
        SMALLER_CELLS.key: 'supernets with activation = "crb" and "softmax"',
        SMALLER_SPREAD.key: "supernets with and without a proximity penalty, and accuracies",
        INFORMED_NOT_WORSE.key: "supernets of both schedules with a proximity penalty, and accuracies",
    }
    asked = {verdict.claim.key for verdict in verdicts}
    sentences = []
    for claim in ALPHA_CLAIMS:
        if claim.key in needs and claim.key not in asked:
            key = claim.key.replace("_", " ")
            sentences.append(
                f"This study does not test the claim '{key}': that needs {needs[claim.key]}."
            )
    return sentences
