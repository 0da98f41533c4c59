"""Whether closings are those that the scores say, on selections made by hand."""

import pytest

from archselect.benchmarks.conformance.faults import closing_faults
from archselect.benchmarks.conformance.honesty import dishonest_closings
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.selection import Closing, OperationScore, Scale, Selection

NB201 = get_space("nb201")
S3 = get_space("s3")
SCORES = (5.0, 1.0, 4.0, 2.0, 3.0)
"""Of the operations of one edge."""


def closed(*choices, better="higher", scores=SCORES, step=0):
    """A selection that closes operations of the first edge at a step, after scores at step 0."""
    return Selection(
        architecture=Architecture(((0,) * 6,)),
        operation_scale=Scale("made up", better),
        operation_scores=tuple(
            OperationScore(0, 0, 0, 0, choice, value)
            for choice, value in enumerate(scores)
        ),
        edge_scores=(),
        decisions=(),
        architecture_scale=None,
        architecture_scores=(),
        closings=tuple(Closing(0, step, 0, 0, choice) for choice in choices),
    )


@pytest.mark.parametrize(
    ("choices", "better"),
    [
        ((1,), "higher"),
        ((1, 3), "higher"),
        ((3, 1), "higher"),
        ((3, 4, 1, 2), "higher"),
        ((0,), "lower"),
        ((2, 0), "lower"),
        ((), "higher"),
    ],
)
def test_the_worst_may_be_closed_in_any_order(choices, better):
    assert not list(dishonest_closings(NB201, closed(*choices, better=better)))


@pytest.mark.parametrize(
    ("choices", "better", "wrong"),
    [
        ((0,), "higher", [0]),
        ((3,), "higher", [3]),
        ((1, 4), "higher", [4]),
        ((2, 0, 1), "lower", [1]),
    ],
)
def test_what_is_better_than_one_that_is_left_is_named(choices, better, wrong):
    faults = list(dishonest_closings(NB201, closed(*choices, better=better)))
    named = [int(fault.split("operation ")[1].split()[0]) for fault in faults]
    assert named == wrong
    assert all(f"{better} is declared better" in fault for fault in faults)


def test_equal_ones_are_as_bad_as_each_other():
    assert not list(dishonest_closings(NB201, closed(0, scores=(1.0,) * 5)))


def test_without_scores_before_it_nothing_is_said():
    assert not list(dishonest_closings(NB201, closed(0, scores=())))
    assert not list(dishonest_closings(NB201, closed(0, step=-1)))


def test_what_no_architecture_has_need_not_be_closed():
    """An operation of S3 is `none`, which its nodes drop."""
    none = S3.cells[0].operations[0].index("none")
    scores = [3.0] * len(S3.cells[0].operations[0])
    scores[none] = 1.0
    other = (none + 1) % len(scores)
    scores[other] = 2.0
    assert not list(dishonest_closings(S3, closed(other, scores=scores)))


def test_a_later_score_decides():
    first = closed(1)
    again = [
        OperationScore(0, 1, 0, 0, choice, -SCORES[choice]) for choice in (0, 2, 3, 4)
    ]
    both = Selection(
        **{
            **vars(first),
            "operation_scores": (*first.operation_scores, *again),
            "closings": (Closing(0, 0, 0, 0, 1), Closing(0, 1, 0, 0, 0)),
        }
    )
    assert not list(dishonest_closings(NB201, both))


@pytest.mark.parametrize(
    ("closing", "message"),
    [
        (Closing(0, 0, 0, 9, 1), "which does not exist"),
        (Closing(0, 0, 0, 0, 9), "which the edge does not have"),
        (Closing(0, 0, 0, 2, 0), "it selects operation 0 of edge 1→2"),
    ],
)
def test_closings_of_nothing_and_of_what_is_selected(closing, message):
    selection = Selection(**{**vars(closed()), "closings": (closing,)})
    (fault,) = closing_faults(NB201, selection)
    assert message in fault


def test_what_was_closed_in_an_earlier_round_may_be_selected():
    closings = (Closing(0, 0, 0, 2, 0), Closing(1, 0, 0, 2, 1))
    selection = Selection(**{**vars(closed()), "closings": closings})
    assert not list(closing_faults(NB201, selection))
