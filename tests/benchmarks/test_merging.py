"""Folders of one study joined; contradictions refused."""

import shutil

import pytest

from archselect.benchmarks.harness import run_study
from archselect.benchmarks.merging import merge_folders
from archselect.benchmarks.records import Folder, Landscape, Record, SupernetInputs, UserError, read_fact, write_fact
from archselect.benchmarks.supernets import Recipe, make_supernet
from archselect.benchmarks.traces import read_trace, write_trace
from archselect.nasbench_adapters.spaces import get_space
from archselect.reports.results import load


@pytest.fixture
def parts(quick, finished, inline, tmp_path):
    """A finished study, and the same with two other seeds."""
    more = quick.model_copy(update={"seeds": quick.seeds.model_copy(update={"supernet": [7, 8]})})
    run_study(more, tmp_path / "more", device="cpu")
    return finished, tmp_path / "more"


def test_two_folders_become_one(parts, tmp_path, inline, quick):
    out = tmp_path / "joined"
    assert merge_folders(parts, out) == (13, 0)
    records = {record.id for root in parts for record in Folder(root).read_all(Record)}
    assert {record.id for record in Folder(out).read_all(Record)} == records and len(records) == 12
    assert len(list(Folder(out).read_all(Landscape))) == 1
    results = load(out)
    assert not results.missing and not results.others and all(len(group.records) == 4 for group in results.groups)
    # Again, and into one of them: nothing is copied twice.
    assert merge_folders(parts, out) == (0, 13)
    assert merge_folders(parts, parts[0]) == (6, 7)


def test_times_may_differ_and_selections_may_not(parts, tmp_path):
    again = shutil.copytree(parts[0], tmp_path / "again")
    folder = Folder(again)
    record = next(folder.read_all(Record))
    slower = record.model_copy(update={"cost": record.cost.model_copy(update={"warmup": 99.0})})
    write_fact(folder.path(Record, record.id), slower)
    merge_folders([parts[0], again], tmp_path / "joined")
    assert read_fact(Folder(tmp_path / "joined").path(Record, record.id), Record) == record
    other = record.selected.model_copy(update={"canonical": "another"})
    write_fact(folder.path(Record, record.id), record.model_copy(update={"selected": other}))
    with pytest.raises(UserError, match="contradict one another"):
        merge_folders([parts[0], again], tmp_path / "refused")
    assert not (tmp_path / "refused").exists()


def test_another_study_is_refused(parts, tmp_path):
    other = shutil.copytree(parts[0], tmp_path / "other")
    info = Folder(other).study()
    write_fact(Folder(other).study_path, info.model_copy(update={"name": "other"}))
    with pytest.raises(UserError, match="are of different studies: their name differ"):
        merge_folders([parts[0], other], tmp_path / "joined")


def test_traces_come_along(parts, tmp_path, digits):
    recipe = Recipe(recipe="blank", epochs=1, batch_size=8, trace=True)
    inputs = SupernetInputs(recipe="blank", settings=recipe.settings(), skeleton={"channels": 2, "cells": 1})
    names = []
    for seed, root in enumerate(parts):
        trace = make_supernet(recipe, get_space("nb201"), inputs, digits(16), seed).trace
        write_trace(Folder(root).trace(trace.info.id), trace)
        names.append(trace.info.id)
    out = tmp_path / "joined"
    assert merge_folders(parts, out) == (15, 0)
    assert {path.stem for path in (out / "traces").iterdir()} == set(names)
    assert read_trace(Folder(out).trace(names[1])).info.seed == 1
    assert merge_folders(parts, out) == (0, 15)
    Folder(parts[0]).trace(names[0]).write_bytes(b"")
    with pytest.raises(UserError, match="is not a trace or is damaged"):
        merge_folders(parts, tmp_path / "refused")
