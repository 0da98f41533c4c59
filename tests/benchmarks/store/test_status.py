"""How far a study is: of a folder that is new, under way, stopped, finished; and what the command prints."""

import json
import os
import re

import pytest

from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Failure, Record
from archselect.benchmarks.store.status import PACE, _seconds_per_run, read_status
from archselect.nasbench_adapters.errors import UserError


def unfinish(root, count, first=1000.0, apart=10.0):
    """Take `count` records away; the others were written so many seconds apart.

    Returns what was taken.
    """
    records = list(Folder(root).read_all(Record))
    for record in records[:count]:
        Folder(root).path(Record, record.id).unlink()
    for place, record in enumerate(records[count:]):
        os.utime(Folder(root).path(Record, record.id), (0, first + apart * place))
    return records[:count]


def test_a_finished_study(finished):
    found = read_status(finished)
    assert (found.runs, found.done, found.failed, found.begun, found.left) == (
        6,
        6,
        [],
        0,
        0.0,
    )
    assert found.supernets == 4 and found.training == 0


def test_a_study_under_way(finished):
    """One run begun, one failed, one to come, three done; a supernet in training."""
    begun, failed, _ = unfinish(finished, 3)
    folder = Folder(finished)
    folder.journal(begun.id).parent.mkdir()
    folder.journal(begun.id).with_suffix(".jsonl").write_text("{}")
    write_fact(
        folder.path(Failure, failed.id),
        Failure(id=failed.id, inputs=failed.inputs, error="X: y", traceback=""),
    )
    (finished / "supernets" / "z.checkpoint").touch()
    for path in finished.rglob("*"):
        if path.parent.name != "records":
            os.utime(path, (0, 1005.0))
    found = read_status(finished, now=1050.0)
    assert (found.done, found.begun, len(found.failed), found.training) == (3, 1, 1, 1)
    assert found.quiet == 30.0
    assert found.left == 20.0  # two runs, ten seconds each
    assert (found.failed[0].label, found.failed[0].error) == (
        failed.inputs.selector.label,
        "X: y",
    )
    assert found.failed[0].seeds == (
        failed.inputs.supernet_seed,
        failed.inputs.selection_seed,
    )


def test_the_pace_is_that_of_the_last_runs_and_a_pause_does_not_matter():
    assert (
        _seconds_per_run([])
        is _seconds_per_run([5.0])
        is _seconds_per_run([5.0, 6.0])
        is None
    )
    assert _seconds_per_run([0, 10, 20, 90_000, 90_010]) == 10
    # Two workers end their runs in pairs: what counts is the mean.
    assert _seconds_per_run([0, 0, 20, 20, 40, 40, 60]) == pytest.approx(40 / 5)
    slow, fast = [100.0 * k for k in range(50)], [5000.0 + k for k in range(PACE + 1)]
    assert _seconds_per_run(slow + fast) == 1


def test_a_clock_that_is_behind_does_not_matter(finished):
    """As of a machine that looks at another's folder."""
    assert read_status(finished, now=0.0).quiet == 0.0


def test_what_is_printed(finished, archselect):
    failed, _ = unfinish(finished, 2)
    path = Folder(finished).path(Failure, failed.id)
    write_fact(
        path,
        Failure(
            id=failed.id,
            inputs=failed.inputs,
            error="MemoryError: too much",
            traceback="",
        ),
    )
    code, out, _ = archselect("status", finished)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "small: 4 of 6 runs done, 0 running, 1 failed, 1 not started"
    assert lines[1] == "supernets: 4 trained"
    paced = "time left: about 10 seconds, at the pace of the last runs: until "
    assert re.fullmatch(rf"{paced}\d\d:\d\d", lines[2])
    assert lines[3].startswith("last written: ") and lines[3].endswith(" ago")
    assert lines[4].startswith("failed: ") and lines[4].endswith(
        ": MemoryError: too much"
    )
    code, out, _ = archselect("status", finished, "--json")
    assert code == 0 and json.loads(out) == json.loads(
        read_status(finished).model_dump_json()
    ) | {"quiet": json.loads(out)["quiet"]}


def test_watching_ends_when_all_is_done(finished, archselect, monkeypatch):
    (taken,) = unfinish(finished, 1)

    def finish(seconds):
        write_fact(Folder(finished).path(Record, taken.id), taken)

    monkeypatch.setattr("archselect.benchmarks.cli.studies.sleep", finish)
    code, out, _ = archselect("status", finished, "--watch")
    assert code == 0 and "6 of 6 runs done" in out


def test_a_folder_that_is_none(tmp_path, archselect):
    with pytest.raises(UserError, match=r"holds no study.json"):
        read_status(tmp_path)
    assert archselect("status", tmp_path)[0] == 2
