"""Text of others, made safe to show: all of it can be seen, in one line, and no spreadsheet takes it for a formula."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.foreign_text import (
    LONGEST_LABEL,
    check_label,
    escape_invisible,
    one_line,
    shorten,
    spreadsheet_cell,
)
from archselect.nasbench_adapters.spaces import SPACES, get_space

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 中文 ± ✅", "plain é 中文 ± ✅"),
        ("\x1b[31m", r"\u001b[31m"),
        ("\x9b1m\x7f", r"\u009b1m\u007f"),
        ("a\u202eb\u200b", r"a\u202eb\u200b"),
        ("\U000e0041", r"\udb40\udc41"),
        ("\udcff", r"\udcff"),
        ("a\u3164b", r"a\u3164b"),
        ("two\nlines\tand a tab\r", "two\nlines\tand a tab\\r"),
        ("no\u00a0break", "no\u00a0break"),
    ],
)
def test_all_of_a_text_can_be_seen(text, shown):
    assert escape_invisible(text) == shown


def test_a_line_break_is_kept_only_where_it_may_be():
    assert escape_invisible("a\nb\tc", keep="") == r"a\nb\tc"
    assert one_line(" a\n\n b\u2028c\x1ed\te ") == "a b c d e"


@given(st.text())
def test_what_is_made_visible_is_and_stays_so(text):
    shown = escape_invisible(text, keep="")
    assert all(
        letter.isprintable() or letter.isspace() for letter in shown
    ) and not set(shown) & set("\n\r\t\x1b")
    assert escape_invisible(shown, keep="") == shown
    assert one_line(text).isprintable() and one_line(one_line(text)) == one_line(text)


@given(st.dictionaries(st.text(), st.text()))
def test_json_stays_the_same_json(values):
    assert (
        json.loads(escape_invisible(json.dumps(values, ensure_ascii=False))) == values
    )


@given(st.text(), st.integers(1, 60))
def test_a_text_is_never_longer_than_it_may_be(text, most):
    short = shorten(text, most)
    assert len(short) <= most and (short == text) == (len(text) <= most)


@pytest.mark.parametrize(
    "label",
    ["darts-pt", "$x$", "[/v2]", "_x", "中文", "a b", "=1", "x" * LONGEST_LABEL],
)
def test_what_can_be_shown_is_a_label(label):
    assert check_label(label) == label


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("", "is empty or blank"),
        (" \u00a0 ", "is empty or blank"),
        ("a\nb", "line breaks"),
        ("a\x1b[2J", r"invisible letters ('a\u001b[2J')"),
        ("dar\u200bts", r"dar\u200bts"),
        ("a\u202eb", r"a\u202eb"),
        (" a", "extra spaces"),
        ("a  b", "extra spaces"),
        ("x" * 101, "has 101 letters: give it at most 100"),
    ],
)
def test_what_cannot_be_shown_is_no_label(label, said):
    with pytest.raises(ValueError) as error:
        check_label(label)
    assert said in str(error.value) and str(error.value).isprintable()


@pytest.mark.parametrize("number", ["-0.5", "+1", "-3e-05", "-12", "-inf", "0", "1e9"])
def test_numbers_stay_numbers_in_a_spreadsheet(number):
    assert spreadsheet_cell(number) == number


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1+cmd",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        " =1",
        "=cmd|' /c'!A1",
        "-",
        "＝1",
        "- 1_0",
    ],
)
def test_what_looks_like_a_formula_is_a_text_in_a_spreadsheet(text):
    assert spreadsheet_cell(text) == f"'{text}"


@given(st.text())
def test_a_cell_that_starts_like_a_formula_is_a_number(text):
    cell = spreadsheet_cell(text)
    assert (
        not cell.startswith(FORMULA)
        or not math.isnan(float(cell))
        or "nan" in cell.lower()
    )


def test_every_word_of_our_spaces_can_be_shown():
    for name in SPACES:
        get_space(name)
