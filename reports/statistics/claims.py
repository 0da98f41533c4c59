"""The claim that a selector costs less and is not less accurate, by a printed rule."""

from __future__ import annotations

from typing import Literal

from archselect.reports.statistics.paired import JudgedDifference

CLAIMED_SAVING = 0.2
"""The part of the cost that is claimed to be saved (Xu et al., 2020)."""
LOSS = 0.5
"""The loss in accuracy, in points, that an interval must exclude."""

ClaimVerdict = Literal["holds", "not shown", "does not hold"]
HOLDS: ClaimVerdict = "holds"
NOT_SHOWN: ClaimVerdict = "not shown"
DOES_NOT_HOLD: ClaimVerdict = "does not hold"
CLAIM_ORDER: tuple[ClaimVerdict, ...] = (HOLDS, NOT_SHOWN, DOES_NOT_HOLD)
"""The verdicts, the most favourable first."""

CLAIM_RULE = (
    f"Holds: the mean cost is at most {100 - 100 * CLAIMED_SAVING:.0f} % of the reference's, the accuracy is not shown "
    "to be worse (paired t-test, 5 % after Holm), and the interval of its difference excludes a loss of more than "
    f"{LOSS:g} points. Not shown: so cheap and not shown to be worse, but the interval reaches below that loss, or "
    "there is none. Does not hold: dearer than that, or worse."
)


def judge_claim(saving: float, finding: JudgedDifference) -> ClaimVerdict:
    """Return whether a selector saves the claimed part at no loss of accuracy.

    See :data:`CLAIM_RULE`.

    Args:
        saving: the part of the reference's mean cost that it saves.
        finding: its accuracy minus the reference's, judged where higher is better.
    """
    # A cost of exactly 80 % is within, whatever the last bits are.
    if saving < CLAIMED_SAVING - 1e-9 or finding.verdict == "worse":
        return DOES_NOT_HOLD
    low = finding.difference.low
    if low is None or low < -LOSS:
        return NOT_SHOWN
    return HOLDS
