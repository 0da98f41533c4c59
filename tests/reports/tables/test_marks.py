"""Who is the best, and who is not shown to be worse, against scipy's paired test; and what the tables answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from archselect.reports.page.sections import tables
from archselect.reports.results.results import load
from archselect.reports.tables.accuracy import accuracy_table
from archselect.reports.tables.marks import describe_others, mark_selectors
from archselect.reports.tables.table import BEST, NOT_WORSE, WORSE, join_words
from archselect.reports.tables.tau import tau_table


@given(st.integers(0, 2**31), st.integers(3, 6), st.integers(2, 5))
def test_marks_are_those_of_a_paired_test_after_holm(seed, seeds, names):
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.normal(90, 2, (names, 1)), 1.0, (names, seeds)).round(3)
    found = mark_selectors(
        {f"{n}": dict(enumerate(map(float, own))) for n, own in enumerate(values)}
    )
    best = int(values.mean(axis=1).argmax())
    others = [n for n in range(names) if n != best]
    p = {n: float(ttest_rel(values[n], values[best]).pvalue) for n in others}
    highest = 0.0
    expected = {f"{best}": BEST}
    for rank, n in enumerate(sorted(others, key=p.__getitem__)):
        highest = max(highest, min(1.0, p[n] * (len(others) - rank)))
        expected[f"{n}"] = WORSE if highest < 0.05 else NOT_WORSE
    assert found == expected


def test_equal_means_are_both_the_best_and_one_seed_shows_nothing():
    values = {
        "a": {0: 90.0, 1: 92.0, 2: 91.0},
        "b": {0: 92.0, 1: 90.0, 2: 91.0},
        "c": {0: 10.0, 1: 10.001, 2: 10.0},
    }
    assert mark_selectors(values) == {"a": BEST, "b": BEST, "c": WORSE}
    assert mark_selectors({"a": {0: 90.0}, "b": {0: 10.0}}) == {}
    # Two seeds with equal differences are no certainty.
    assert mark_selectors({"a": {0: 0.636, 1: 0.636}, "b": {0: 0.5, 1: 0.5}}) == {}
    # Nor is a mean of one seed the best, whatever the others have.
    assert mark_selectors({"a": {0: 99.0}, "b": values["a"], "c": values["c"]}) == {}
    assert mark_selectors({"a": {0: 90.0}}) == {} == mark_selectors({})


def test_marks_in_words():
    marks = {"a": BEST, "b": NOT_WORSE, "c": WORSE, "d": WORSE}
    assert describe_others("abcd", marks) == "b is not shown to be worse, c and d are"
    assert describe_others("acd", marks) == "c and d are worse"
    assert describe_others("ae", {"a": BEST}) == "nothing is shown for e"


def test_lists_in_words():
    assert (
        join_words("") == ""
        and join_words("a") == "a"
        and join_words("ab") == "a and b"
        and join_words("abc") == "a, b and c"
    )
    assert (
        join_words("abcd") == "a, b, c and d"
        and join_words("abcdef") == "a, b, c and 3 more"
    )


@pytest.mark.parametrize(
    ("make", "column"), [(accuracy_table, "mean"), (tau_table, "tau_b")]
)
def test_the_marked_best_has_the_highest_mean(folder, make, column):
    table = make(load(folder))
    frame = table.frame.assign(
        mark=[next(iter(marks.values()), "") for marks in table.marks]
    )
    keys = [key for key in ("truth", "level") if key in frame]
    several = [own for _, own in frame.groupby(keys) if len(own) > 1]
    assert several
    for own in several:
        assert (own[own.mark == BEST][column] == own[column].max()).all() and (
            own.mark == BEST
        ).any()


def test_every_table_answers_in_one_sentence_or_two(folder):
    for table in tables(load(folder)):
        assert table.answer.endswith(".") and 20 < len(table.answer) < 400


def test_the_answer_names_the_best(folder):
    frame = accuracy_table(load(folder)).frame
    digits = frame[frame.truth == "nb201-digits"]
    best = digits.loc[digits["mean"].idxmax()]
    answer = accuracy_table(load(folder)).answer
    assert answer.startswith(
        f"On digits/test/10 {best.selector} selects the best cells: {best['mean']:.2f} %"
    )
    assert (
        f"{best.gap_corrected:.2f} points below the best of the space, corrected for noise"
        in answer
    )
