"""Folders of one study joined; contradictions refused."""

import shutil

import pytest

from archselect.benchmarks.harness import run_study
from archselect.benchmarks.merging import merge_folders
from archselect.benchmarks.records import Folder, Landscape, Record, UserError, read_fact, write_fact
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
