"""Errors a user can mend: one line, with the nearest known name."""

from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError, nearest, unknown


def test_a_slip_is_met_with_the_nearest_name():
    error = unknown("selector", "dart-pt", ["random", "darts-pt", "magnitude"])
    assert isinstance(error, UserError)
    assert str(error) == "unknown selector 'dart-pt': did you mean 'darts-pt'? known: darts-pt, magnitude, random"


def test_a_name_like_no_other_is_met_with_the_list():
    assert str(unknown("space", "???", ["nb201"])) == "unknown space '???': known: nb201"
    assert str(unknown("space", "x", [])) == "unknown space 'x': known: none"


@given(st.text(), st.lists(st.text(alphabet="abcdefgh-", min_size=1), unique=True))
def test_the_message_is_one_line_whatever_the_name(name, known):
    message = str(unknown("thing", name, known))
    assert len(message.splitlines()) == 1
    assert all(other in message for other in known)


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.data())
def test_a_known_name_is_nearest_to_itself(known, data):
    name = data.draw(st.sampled_from(known))
    assert nearest(name, known) == name


@given(st.text(), st.lists(st.text(), unique=True))
def test_the_nearest_name_is_a_known_one(name, known):
    assert nearest(name, known) in [*known, None]


@given(st.text())
def test_whatever_is_quoted_the_message_is_one_printable_line(text):
    message = str(UserError(f"a.json: {text}"))
    assert message.isprintable() and message.startswith("a.json:")


def test_a_long_message_loses_its_middle():
    message = str(UserError(f"a.json: {'x' * 100_000}: remove it"))
    assert message.startswith("a.json: xxx") and message.endswith("xxx: remove it") and len(message) < 3_000
