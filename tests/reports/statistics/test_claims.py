"""The claim that less cost costs no accuracy: each way to hold, and each not to."""

from __future__ import annotations

import pytest

from archselect.reports.statistics.claims import judge_claim
from archselect.reports.statistics.paired import Stratum, compare, judge


def finding(*differences):
    """A selector that differs from its reference by so much, seed by seed."""
    reference = tuple(float(seed) for seed in range(len(differences)))
    ours = tuple(
        base + difference
        for base, difference in zip(reference, differences, strict=True)
    )
    (found,) = judge([compare([Stratum(ours, reference)])], "higher")
    return found


NEAR_ZERO = (0.1, -0.1, 0.05, -0.05)
FAR_APART = (3.0, -3.0, 1.0, -1.0)
WORSE = (-3.0, -3.1, -2.9, -3.0)


@pytest.mark.parametrize(
    ("saving", "differences", "expected"),
    [
        (0.3, NEAR_ZERO, "holds"),
        (0.2, NEAR_ZERO, "holds"),
        (0.19, NEAR_ZERO, "does not hold"),
        (-0.5, NEAR_ZERO, "does not hold"),
        (0.3, FAR_APART, "not shown"),
        (0.3, WORSE, "does not hold"),
        (0.3, NEAR_ZERO[:2], "not shown"),
        (0.3, (0.0, 0.0, 0.0), "not shown"),
        (0.3, (), "not shown"),
    ],
)
def test_the_rule(saving, differences, expected):
    assert judge_claim(saving, finding(*differences)) == expected


def test_a_gain_in_accuracy_holds_too():
    assert judge_claim(0.5, finding(3.0, 3.1, 2.9, 3.0)) == "holds"


def test_eighty_per_cent_is_within_whatever_the_last_bits_are():
    assert judge_claim(1 - 0.8, finding(*NEAR_ZERO)) == "holds"
