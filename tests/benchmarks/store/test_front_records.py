"""True fronts as files: what they cannot say, and how they travel with their study."""

from __future__ import annotations

import pytest
from support.pareto_folder import true_front, weighted_records, write_study

from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.merging import merge_folders
from archselect.benchmarks.store.ranges import Impossible
from archselect.benchmarks.store.records import TrueFront
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.results.results import load


@pytest.fixture(scope="module")
def front():
    return true_front()


def test_a_front_is_read_as_it_was_written(front, tmp_path):
    front.check()
    write_fact(Folder(tmp_path).path(TrueFront, front.id), front)
    assert list(Folder(tmp_path).check_all(TrueFront)) == [front]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": []}, "points is empty"),
        ({"hypervolume": float("nan")}, "hypervolume is nan"),
        ({"cells": -1}, "cells is -1"),
        ({"reference_cost": 1.0}, "points.cost is"),
        ({"random_shares": [0.5]}, "random_shares has 1 entries"),
        ({"random_errors": []}, "random_errors has 0 entries"),
        ({"random_cells": [2, 1]}, "random_cells do not increase"),
    ],
)
def test_what_no_front_can_be_is_refused(front, changes, message):
    with pytest.raises(Impossible, match=message):
        front.model_copy(update=changes).check()


def test_points_that_dominate_one_another_are_refused(front):
    first, second, *others = front.points
    swapped = [second, first, *others]
    with pytest.raises(Impossible, match="do not increase"):
        front.model_copy(update={"points": swapped}).check()


def test_a_share_above_one_is_refused(front):
    shares = [*front.random_shares[:-1], 1.5]
    with pytest.raises(Impossible, match=r"random_shares is 1\.5"):
        front.model_copy(update={"random_shares": shares}).check()


def test_merged_folders_keep_their_fronts(front, tmp_path):
    records = weighted_records(seeds=2)
    parts = [
        write_study(tmp_path / "one", records[::2], [front]),
        write_study(tmp_path / "other", records[1::2], [front]),
    ]
    merge_folders(parts, tmp_path / "joined")
    assert load(tmp_path / "joined").fronts == (front,)


def test_fronts_that_contradict_one_another_are_refused(front, tmp_path):
    records = weighted_records(seeds=1)
    other = front.model_copy(update={"hypervolume": front.hypervolume / 2})
    parts = [
        write_study(tmp_path / "one", records, [front]),
        write_study(tmp_path / "other", records, [other]),
    ]
    with pytest.raises(UserError, match="contradict each other"):
        merge_folders(parts, tmp_path / "joined")
