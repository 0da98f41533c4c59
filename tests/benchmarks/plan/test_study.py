from itertools import product

import pytest

from archselect.benchmarks.plan.jobs import plan_runs
from archselect.benchmarks.plan.reading import read_study
from archselect.nasbench_adapters.errors import UserError


def labels(study):
    return [label for _, _, label in study.pairs()]


def test_a_selector_on_two_supernets_is_labelled_by_both(write_study):
    path = write_study(('name = "random"\non = ["untrained"]', 'name = "random"'))
    study = read_study(str(path))
    assert labels(study) == [
        "random (darts)",
        "random (untrained)",
        "magnitude",
        "darts-pt",
        "zero-cost-pt",
    ]


def test_labels_rename_supernets_and_selectors(write_study):
    path = write_study(
        ('recipe = "darts"', 'recipe = "darts"\nlabel = "short"'),
        (
            'name = "magnitude"\non = ["darts"]',
            'name = "magnitude"\nlabel = "α"\non = ["short", "untrained"]',
        ),
        (
            'name = "darts-pt"\non = ["darts"]',
            'name = "darts-pt"\nlabel = "PT"\non = ["short"]',
        ),
    )
    assert labels(read_study(str(path))) == [
        "random",
        "α (short)",
        "α (untrained)",
        "PT",
        "zero-cost-pt",
    ]


def test_pairs_are_every_selector_with_its_supernets(small_study):
    expected = [
        (selector.name, supernet.label)
        for selector, supernet in product(small_study.selectors, small_study.supernets)
        if selector.on is None or supernet.label in selector.on
    ]
    assert [
        (selector.name, supernet.label) for selector, supernet, _ in small_study.pairs()
    ] == expected


WIRING = """
name = "w"
title = "Two spaces, two data sets"
tables = ["wiring"]

[seeds]
supernet = [0]

[[spaces]]
name = "minimal"
label = "deep"
skeleton = { channels = 2, layers = 2 }

[[spaces]]
name = "minimal"
skeleton = { channels = 2, layers = 1 }

[[data]]
name = "digits"

[[data]]
name = "digits@4"

[[supernets]]
recipe = "dsnas"
spaces = ["deep"]
data = ["digits"]
trace = true

[[supernets]]
recipe = "darts"
spaces = ["minimal"]

[[selectors]]
name = "magnitude"
"""


def test_supernets_are_trained_where_they_are_meant_to_be(tmp_path):
    """And a study whose tables need no accuracies needs nothing to judge by."""
    path = tmp_path / "w.toml"
    path.write_text(WIRING, encoding="utf-8")
    study = read_study(str(path))
    found = {
        (space.title, data.name): [label for _, _, label in study.pairs_on(space, data)]
        for space in study.spaces
        for data in study.data
    }
    darts, dsnas = "magnitude (darts)", "magnitude (dsnas)"
    assert found == {
        ("deep", "digits"): [dsnas],
        ("deep", "digits@4"): [],
        ("minimal", "digits"): [darts],
        ("minimal", "digits@4"): [darts],
    }
    jobs = plan_runs(study, None)
    assert sorted((job.label, job.supernet.data.name) for job in jobs) == [
        (darts, "digits"),
        (darts, "digits@4"),
        (dsnas, "digits"),
    ]
    path.write_text(
        WIRING.replace('"wiring"', '"wiring", "accuracy"'), encoding="utf-8"
    )
    with pytest.raises(
        UserError,
        match=r"data\.0: needs 'truth'.* only the tables time, cells, memory, wiring, alphas need neither",
    ):
        read_study(str(path))
