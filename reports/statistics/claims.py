"""The claim that a selector costs less without a loss of accuracy, and its rule."""

from __future__ import annotations

from typing import Literal

from archselect.reports.statistics.paired import JudgedDifference

CLAIMED_SAVING = 0.2
"""The claimed reduction of the cost, as a fraction (Xu et al., 2020)."""
LOSS = 0.5
"""The loss in accuracy that an interval must exclude, in percentage points."""

ClaimVerdict = Literal["holds", "not shown", "does not hold"]
HOLDS: ClaimVerdict = "holds"
NOT_SHOWN: ClaimVerdict = "not shown"
DOES_NOT_HOLD: ClaimVerdict = "does not hold"
CLAIM_ORDER: tuple[ClaimVerdict, ...] = (HOLDS, NOT_SHOWN, DOES_NOT_HOLD)
"""The verdicts, from the most to the least favourable."""

CLAIM_RULE = (
    f"Holds: the mean cost is at most {100 - 100 * CLAIMED_SAVING:.0f} % of the reference's, the accuracy is not "
    f"shown "
    "to be worse (paired t-test at 5 %, Holm-adjusted), and the interval of the difference excludes a loss of more "
    "than "
    f"{LOSS:g} points. Not shown: the first two conditions hold, but the interval includes a larger loss, or "
    "there is no interval. Does not hold: the cost is higher, or the accuracy is worse."
)


def judge_claim(saving: float, finding: JudgedDifference) -> ClaimVerdict:
    """Return whether a selector saves the claimed part without a loss of accuracy.

    The rule is :data:`CLAIM_RULE`.

    Args:
        saving: reduction of the reference's mean cost, as a fraction.
        finding: accuracy minus that of the reference, judged with "higher" as better.
    """
    # The tolerance accepts a cost of exactly 80 % in spite of rounding errors.
    if saving < CLAIMED_SAVING - 1e-9 or finding.verdict == "worse":
        return DOES_NOT_HOLD
    low = finding.difference.low
    if low is None or low < -LOSS:
        return NOT_SHOWN
    return HOLDS
