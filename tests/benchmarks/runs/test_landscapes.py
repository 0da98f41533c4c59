import numpy as np
import pytest

from archselect.benchmarks.runs.landscapes import describe_truths, landscape_id
from archselect.benchmarks.store.facts import content_id
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.ground_truth import PREDICTED
from archselect.nasbench_adapters.truth.table_builder import TableBuilder


def test_the_survey_of_the_truths(part, small_truth):
    (found,) = describe_truths([part(small_truth)], ["nb201"])
    table = open_truth(str(small_truth))
    assert found.id == landscape_id(table, part(small_truth))
    assert found.id == content_id([table.checksum, "made-up", "made-up", "test", 1])
    assert (found.truth, found.space, found.architectures, found.trials) == (
        "made-up",
        "nb201",
        15625,
        2,
    )
    assert found.optimum == pytest.approx(table.means("made-up", "test", 1).max())
    assert len(found.quantiles) == 201
    assert (
        found.quantiles[0]
        <= found.mean
        <= found.quantiles[-1]
        == pytest.approx(found.optimum)
    )
    assert found.ceiling_single is not None and 0 < found.ceiling_single < 1


def test_the_survey_refuses_what_is_not_there(part, small_truth, tmp_path):
    with pytest.raises(
        UserError,
        match=r"has no made-up/tset at 1 epoch: did you mean the split 'test'",
    ):
        describe_truths([part(small_truth, split="tset")], ["nb201"])
    with pytest.raises(
        UserError,
        match=r"has no made-up/test at 2 epochs: it has made-up/test at 1 epoch",
    ):
        describe_truths([part(small_truth, epochs=2)], ["nb201"])
    with pytest.raises(UserError, match="is of space nb201, not of darts"):
        describe_truths([part(small_truth)], ["darts"])
    with pytest.raises(
        UserError, match=r"no truth table at .*absent.npz: 'archselect truth list'"
    ):
        describe_truths([part(tmp_path / "absent.npz")], ["nb201"])


def test_a_hole_in_a_truth_that_could_be_whole_is_an_error_before_anything_runs(
    part, parts_of_the_truth, nb201
):
    path = parts_of_the_truth("part", nb201.representatives[:100])
    with pytest.raises(
        UserError,
        match=r"has 100 of 15,625 architectures of nb201 .*'archselect truth fit'",
    ):
        describe_truths([part(path)], ["nb201"])


def test_a_part_of_a_large_space_is_surveyed_as_a_part(part, tmp_path):
    space, rng = get_space("darts"), np.random.default_rng(0)
    builder = TableBuilder(space)
    for place in range(12):
        builder.add(space.sample(rng), "made-up", "test", 1, "a", 80.0 + place)
    builder.table("few", origin="a model", licence="MIT", provenance=PREDICTED).save(
        tmp_path / "few.npz"
    )
    (found,) = describe_truths([part(tmp_path / "few.npz")], ["darts"])
    assert (found.architectures, found.space_size, found.optimum) == (
        12,
        space.size,
        91.0,
    )
    assert (found.surrogate, found.agreement, found.provenance) == (
        False,
        None,
        "predicted",
    )


def test_a_truth_that_speaks_for_several_spaces_of_a_study_is_refused(part, tmp_path):
    space, rng = get_space("nb101"), np.random.default_rng(0)
    builder = TableBuilder(space)
    for cell in dict.fromkeys(space.canonical(space.sample(rng)) for _ in range(500)):
        builder.add(cell, "made-up", "test", 1, "a", 80.0)
    builder.table("cells", origin="a test", licence="MIT").save(tmp_path / "cells.npz")
    with pytest.raises(
        UserError,
        match=r"fits several spaces \(nb1shot1-1, nb1shot1-2\): write a study for each",
    ):
        describe_truths([part(tmp_path / "cells.npz")], ["nb1shot1-1", "nb1shot1-2"])
