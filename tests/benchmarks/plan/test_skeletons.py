"""A study says where its supernets have another skeleton than the truth's networks."""

import pytest

from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.skeletons import list_other_skeletons
from archselect.benchmarks.runs.truth_building import RECIPES
from archselect.nasbench_adapters.spaces import get_space

STUDY = """
name = "skeletons"
title = "For tests"

[seeds]
supernet = [0]

[[spaces]]
name = "nb201"
skeleton = {skeleton}

[[data]]
name = "digits"
truth = [
    {{ table = "{table}", dataset = "digits", split = "test", epochs = 10 }},
    {{ table = "{table}", dataset = "digits", split = "valid", epochs = 10 }},
]

[[supernets]]
recipe = "untrained"

[[selectors]]
name = "random"
"""
OWN = '{ channels = 4, cells = 2, reduction = "pool" }'


def notes_of(tmp_path, skeleton, table="nb201-digits"):
    path = tmp_path / "skeletons.toml"
    path.write_text(STUDY.format(skeleton=skeleton, table=table))
    return list_other_skeletons(read_study(str(path)))


def test_the_truths_own_skeleton_needs_no_note(tmp_path):
    assert notes_of(tmp_path, OWN) == []


@pytest.mark.parametrize(
    ("skeleton", "words"),
    [
        ("{}", "channels 16, cells 5, reduction residual"),
        ("{ channels = 4, cells = 2 }", "channels 4, cells 2, reduction residual"),
        (OWN.replace("2", "1"), "channels 4, cells 1, reduction pool"),
    ],
)
def test_another_skeleton_is_said_once_for_all_columns(tmp_path, skeleton, words):
    (note,) = notes_of(tmp_path, skeleton)
    assert note == (
        f"nb201: the supernets have {words}, but the networks of nb201-digits have channels 4, cells 2, reduction "
        "pool. Its accuracies may not hold for these supernets"
    )


def test_a_truth_without_a_recipe_has_no_note(tmp_path, small_truth):
    assert notes_of(tmp_path, "{}", small_truth) == []


def test_the_defaults_are_those_of_the_skeleton():
    space = get_space("nb201")
    assert space.skeleton() == space.skeleton(**space.skeleton_defaults)
    assert set(space.skeleton_defaults) <= set(vars(RECIPES["nb201-digits"]))
