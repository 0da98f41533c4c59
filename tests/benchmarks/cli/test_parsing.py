"""Values of options: seeds, settings, a truth's column."""

import pytest

from archselect.benchmarks.cli.parsing import (
    parse_seeds,
    parse_settings,
    split_settings,
    truth_part,
)
from archselect.nasbench_adapters.errors import UserError


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0", [0]), ("5, 1 - 3", [5, 1, 2, 3]), ("2-2", [2]), ("007", [7])],
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "1,", "3-1", "-1", "a", "1-2-3", "٣"])
def test_what_names_no_seeds(text):
    with pytest.raises(UserError, match="is not a list of seeds: write 0,1,2 or 0-3"):
        parse_seeds(text)


def test_settings_are_numbers_truth_values_or_texts():
    texts = ["a=1", "b=1.5", "c=true", "d=x=y", "e=[1, 2]", "f=", "skeleton.cells=2"]
    settings = parse_settings(texts)
    assert settings == {
        "a": 1,
        "b": 1.5,
        "c": True,
        "d": "x=y",
        "e": [1, 2],
        "f": "",
        "skeleton.cells": 2,
    }
    assert split_settings(settings).skeleton == {"cells": 2}
    assert list(split_settings(settings).others) == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a"], "--engine-set 'a' is not NAME=VALUE"),
        (["=1"], "--engine-set '=1' is not NAME=VALUE"),
        (["a=1", "a=2"], "--engine-set names a twice"),
    ],
)
def test_what_is_no_setting(texts, message):
    with pytest.raises(UserError, match=message):
        parse_settings(texts, "--engine-set")


def test_a_truth_needs_all_four_options():
    assert truth_part(None, None, None, None) is None
    part = truth_part("t", "d", "s", 3)
    assert (part.table, part.dataset, part.split, part.epochs) == ("t", "d", "s", 3)
    with pytest.raises(UserError, match="needs --table, --dataset, --split and"):
        truth_part("t", None, "s", 3)
