"""Errors that a user can fix: one line, with the nearest known name."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import Faults, UserError, nearest, unknown


def test_a_slip_is_met_with_the_nearest_name():
    error = unknown("selector", "dart-pt", ["random", "darts-pt", "magnitude"])
    assert isinstance(error, UserError)
    assert (
        str(error)
        == "unknown selector 'dart-pt': did you mean 'darts-pt'? known: darts-pt, magnitude, random"
    )


def test_a_name_like_no_other_is_met_with_the_list():
    assert (
        str(unknown("space", "???", ["nb201"])) == "unknown space '???': known: nb201"
    )
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
    assert (
        message.startswith("a.json: xxx")
        and message.endswith("xxx: remove it")
        and len(message) < 3_000
    )


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("nb201", "nb101"),
        ("nb201", "nb301"),
        ("s4", "s1"),
        ("cifar10", "cifar100"),
        ("cifar10", "cifar10-valid"),
        ("darts", "darts-pt"),
        ("darts-pt-table2", "darts-pt-table3"),
        ("nor_conv_3x4", "nor_conv_3x3"),
        ("sgas", "snas"),
        ("enas", "snas"),
        ("pdarts", "darts"),
        ("sdarts", "darts"),
        ("nb20", "nb201"),
        ("a", "b"),
        ("run-a", "run-b"),
        ("x-test", "x-valid"),
        ("v1-1", "v11"),
        ("", "x"),
        ("-", ""),
    ],
)
def test_another_thing_is_no_misspelling(name, known):
    assert not nearest(name, [known])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DARTS_PT", "darts-pt"),
        ("darts pt", "darts-pt"),
        ("dartspt", "darts-pt"),
        ("darts-tp", "darts-pt"),
        ("drats-pt", "darts-pt"),
        ("dart-pt", "darts-pt"),
        ("magintude", "magnitude"),
        ("magnitud", "magnitude"),
        ("magnetude", "magnitude"),
        ("NB-201", "nb201"),
        ("nb_201", "nb201"),
    ],
)
def test_another_spelling_and_a_misspelling_are_known_again(name, meant):
    assert (
        nearest(name, ["darts-pt", "darts", "magnitude", "nb101", "nb201", "random"])
        == meant
    )


def test_what_could_be_two_names_is_neither():
    assert nearest("tests", ["test", "testss"]) is None
    assert nearest("AB", ["a-b", "ab"]) is None
    assert nearest("ab", ["a-b", "ab"]) == "ab"


def test_an_alias_names_what_is_there():
    assert nearest("NAS-Bench-201", ["nb201"], {"nasbench201": "nb201"}) == "nb201"
    assert nearest("nasbench201", ["nb101"], {"nasbench201": "nb201"}) is None
    assert nearest("nasbench101", ["nb201"], {"nasbench201": "nb201"}) is None


def test_one_fault_is_a_line_and_several_are_a_list():
    faults = Faults("a.toml")
    faults.raise_any()
    with faults.collect():
        raise UserError("wrong")
    with pytest.raises(UserError) as one:
        faults.raise_any()
    assert str(one.value) == "a.toml: wrong" and one.value.faults == ("a.toml: wrong",)
    faults.add(UserError("bad"))
    faults.add(UserError("wrong"))
    outer = Faults()
    with outer.collect():
        faults.raise_any()
    with pytest.raises(UserError) as several:
        outer.raise_any()
    assert (
        str(several.value)
        == "found 2 faults; nothing was started:\n  a.toml: bad\n  a.toml: wrong"
    )
    assert str(copy.copy(several.value)) == str(
        several.value
    )  # as what a worker raises is pickled


def test_a_fault_that_is_not_the_users_is_not_collected():
    faults = Faults()
    with pytest.raises(ValueError), faults.collect():
        raise ValueError
    assert not faults
