"""Each claim's conditions: met by a training that bears it out, and not by one that violates one of them."""

from __future__ import annotations

import numpy as np
import pytest

from archselect.reports.results.wiring_quantities import SupernetWiring
from archselect.reports.wiring.verdicts import (
    GROWING,
    NO_EDGES,
    NOT_SHOWN,
    PRUNING,
    SHOWN,
    WIDTH,
    JudgedSeed,
    MeasuredCondition,
    Verdict,
    gap_at_end,
    gap_before_fewest_edges,
)

GROWN = [5] * 3 + [2] * 9 + [4] * 9  # 20 epochs; after epoch 3 there are fewest
GAPS = [0.2] * 3 + [0.1] * 15 + [-0.3] * 2


def met(claim, trace, control=None):
    return [
        own.met
        for own in claim.measure(
            SupernetWiring(trace), control and SupernetWiring(control)
        )
    ]


@pytest.mark.parametrize(
    ("edges", "gaps", "expected"),
    [
        (GROWN, GAPS, [True, True, True, True]),
        ([5] * 3 + [4] * 9 + [5] * 9, GAPS, [False, True, True, True]),
        (
            [5] * 6 + [2] * 6 + [4] * 9,
            GAPS,
            [False, True, True, True],
        ),  # after the first quarter
        ([5] * 5 + [2] * 7 + [4] * 9, GAPS, [True, True, True, True]),  # at its end
        ([5] * 3 + [2] * 18, GAPS, [True, False, True, True]),
        (GROWN, [-0.2] * 3 + GAPS[3:], [True, True, False, True]),
        (
            GROWN,
            [-0.2, 0.1, 0.2, *GAPS[3:]],
            [True, True, True, True],
        ),  # the mean counts
        (GROWN, [*GAPS[:18], 0.3, -0.2], [True, True, True, False]),
        (
            [2] * 21,
            GAPS,
            [False, False, False, True],
        ),  # fewest before training: no epoch is before it
    ],
)
def test_growing_asks_for_each_condition(traces, edges, gaps, expected):
    assert met(GROWING, traces.wired(edges, gaps)) == expected


def test_the_numbers_of_growing_are_given(traces):
    wiring = SupernetWiring(traces.wired(GROWN, GAPS))
    assert [own.number for own in GROWING.measure(wiring, None)] == pytest.approx(
        [3, 2, 0.2, -0.3], abs=1e-5
    )
    assert (
        gap_before_fewest_edges(wiring),
        gap_at_end(wiring, "all"),
    ) == pytest.approx((0.2, -0.3), abs=1e-5)


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([5] * 5 + [3] * 6, [True, True]),
        ([5] * 5 + [3] * 5 + [4], [False, True]),
        ([5] * 11, [True, False]),
        ([3] * 5 + [2] * 5 + [4], [False, False]),
    ],
)
def test_pruning_ends_lowest_and_below_its_start(traces, edges, expected):
    assert met(PRUNING, traces.wired(edges, [0.1] * 10)) == expected


@pytest.mark.parametrize(
    ("q", "dearer", "expected"),
    [
        ([0.9, 0.9, 0.9, 0.7, 0.6], 0.1, [True, True]),
        ([0.9, 0.9, 0.9, 0.7, 0.7], 0.1, [False, True]),
        ([0.9, 0.9, 0.9, 0.7, 0.6], -0.1, [True, False]),
    ],
)
def test_width_asks_for_both_conditions(traces, q, dearer, expected):
    control = traces.wired([5] * 6, [0.1] * 5, traces.inputs("spos", 0), dearer=dearer)
    assert met(WIDTH, traces.wired([5] * 6, [0.1] * 5, q=q), control) == expected


def test_width_without_control_is_no_verdict(traces):
    measured = WIDTH.measure(SupernetWiring(traces.wired([5] * 6, [0.1] * 5)), None)
    assert (
        measured[1] == MeasuredCondition(None, None)
        and JudgedSeed(0, measured).met is None
    )
    verdict = Verdict(WIDTH, tuple(JudgedSeed(seed, measured) for seed in range(6)))
    assert verdict.words == "no control" and (verdict.judged, verdict.meeting) == (0, 0)
    assert [(condition.key, of) for condition, _, of in verdict.counts()] == [
        ("less_between", 6),
        ("dearer_between", 0),
    ]


@pytest.mark.parametrize(
    ("last", "of_control", "gaps", "expected"),
    [
        (1, 4, (0.2, -0.2), [True, True, True, True]),
        (2, 4, (0.2, -0.2), [False, True, True, True]),
        (0, 3, (0.2, -0.2), [True, False, True, True]),
        (0, 5, (-0.2, -0.2), [True, True, False, True]),
        (0, 5, (0.2, 0.2), [True, True, True, False]),
    ],
)
def test_no_edges_asks_for_each_condition(traces, last, of_control, gaps, expected):
    inputs = traces.inputs("darts", 0, level="bi")
    early = [(-gaps[0], -gaps[1])] * 18  # only the last tenth counts
    trace = traces.wired([5] * 10 + [last] * 11, [*early, gaps, gaps], inputs)
    control = traces.wired(
        [5] * 20 + [of_control], [0.1] * 20, traces.inputs("darts", 0, level="single")
    )
    assert met(NO_EDGES, trace, control) == expected
    assert met(NO_EDGES, trace)[1] is None


@pytest.mark.parametrize(
    ("meeting", "seeds", "words"),
    [
        (4, 5, SHOWN),
        (3, 5, NOT_SHOWN),
        (5, 6, SHOWN),
        (7, 9, NOT_SHOWN),
        (8, 10, SHOWN),
        (0, 5, NOT_SHOWN),
        (4, 4, "too few seeds (4 of 5)"),
    ],
)
def test_a_verdict_needs_five_seeds_and_four_fifths_of_them(meeting, seeds, words):
    judged = [
        JudgedSeed(
            s, (MeasuredCondition(1.0, True), MeasuredCondition(1.0, s < meeting))
        )
        for s in range(seeds)
    ]
    verdict = Verdict(PRUNING, tuple(judged))
    assert verdict.words == words and verdict.meeting == meeting
    assert [count for _, count, _ in verdict.counts()] == [seeds, meeting]


def test_seeds_without_control_are_not_judged():
    known, unknown = (
        (MeasuredCondition(1.0, True), MeasuredCondition(1.0, True)),
        (MeasuredCondition(1.0, True), MeasuredCondition(None, None)),
    )
    verdict = Verdict(
        WIDTH, tuple(JudgedSeed(s, known if s < 5 else unknown) for s in range(7))
    )
    assert (verdict.words, verdict.judged, verdict.meeting) == (SHOWN, 5, 5)


def test_what_is_not_defined_meets_nothing(traces):
    trace = traces.wired(GROWN, GAPS)
    trace.losses[-2:] = 0
    *_, last = GROWING.measure(SupernetWiring(trace), None)
    assert last.number is not None and np.isnan(last.number) and last.met is False
