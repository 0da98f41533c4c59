"""Folders of one study joined; contradictions refused."""

import shutil
from pathlib import Path

import pytest

from archselect.benchmarks.engines import local
from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.store import merging
from archselect.benchmarks.store.facts import read_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.merging import merge_folders
from archselect.benchmarks.store.records import (
    Failure,
    Landscape,
    Record,
    SupernetInputs,
)
from archselect.benchmarks.store.traces import read_trace, write_trace
from archselect.nasbench_adapters.atomic_files import lock_folder
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.reports.results.results import load


@pytest.fixture(scope="module")
def more_once(finished_once, pool_within, tmp_path_factory):
    """The finished study with two other seeds; not to be touched."""
    study = read_study(str(finished_once.parent / "small.toml"))
    more = study.model_copy(
        update={"seeds": study.seeds.model_copy(update={"supernet": [7, 8]})}
    )
    root = tmp_path_factory.mktemp("more") / "more"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "worker_pool", pool_within)
        run_study(more, root, device="cpu")
    return root


@pytest.fixture
def parts(finished, more_once, tmp_path):
    """A finished study, and the same with two other seeds."""
    return finished, Path(shutil.copytree(more_once, tmp_path / "more"))


def test_two_folders_become_one(parts, tmp_path):
    out = tmp_path / "joined"
    assert merge_folders(parts, out) == (13, 0)
    records = {record.id for root in parts for record in Folder(root).read_all(Record)}
    assert {record.id for record in Folder(out).read_all(Record)} == records and len(
        records
    ) == 12
    assert len(list(Folder(out).read_all(Landscape))) == 1
    results = load(out)
    assert (
        not results.missing
        and not results.others
        and all(len(group.records) == 4 for group in results.groups)
    )
    # Again, and into one of them: nothing is copied twice.
    assert merge_folders(parts, out) == (0, 13)
    assert merge_folders(parts, parts[0]) == (6, 7)


def test_times_may_differ_and_selections_may_not(parts, tmp_path):
    again = shutil.copytree(parts[0], tmp_path / "again")
    folder = Folder(again)
    record = next(folder.read_all(Record))
    slower = record.model_copy(
        update={"cost": record.cost.model_copy(update={"warmup": 99.0})}
    )
    write_fact(folder.path(Record, record.id), slower)
    merge_folders([parts[0], again], tmp_path / "joined")
    assert (
        read_fact(Folder(tmp_path / "joined").path(Record, record.id), Record) == record
    )
    other = record.selected.model_copy(update={"canonical": "another"})
    write_fact(
        folder.path(Record, record.id), record.model_copy(update={"selected": other})
    )
    with pytest.raises(UserError, match="contradict each other"):
        merge_folders([parts[0], again], tmp_path / "refused")
    assert not (tmp_path / "refused").exists()


def test_another_study_is_refused(parts, tmp_path):
    other = shutil.copytree(parts[0], tmp_path / "other")
    info = Folder(other).study()
    write_fact(Folder(other).study_path, info.model_copy(update={"name": "other"}))
    with pytest.raises(UserError, match="hold different studies: their name differ"):
        merge_folders([parts[0], other], tmp_path / "joined")


def test_traces_come_along(parts, tmp_path, digits):
    recipe = Recipe(recipe="blank", epochs=1, batch_size=8, trace=True)
    inputs = SupernetInputs(
        recipe="blank", settings=recipe.settings(), skeleton={"channels": 2, "cells": 1}
    )
    names = []
    for seed, root in enumerate(parts):
        trace = make_supernet(
            recipe, get_space("nb201"), inputs, digits(16), seed
        ).trace
        write_trace(Folder(root).trace(trace.info.id), trace)
        names.append(trace.info.id)
    out = tmp_path / "joined"
    assert merge_folders(parts, out) == (15, 0)
    assert {path.stem for path in (out / "traces").iterdir()} == set(names)
    assert read_trace(Folder(out).trace(names[1])).info.seed == 1
    assert merge_folders(parts, out) == (0, 15)
    Folder(parts[0]).trace(names[0]).write_bytes(b"")
    with pytest.raises(UserError, match="is damaged, or is not a trace"):
        merge_folders(parts, tmp_path / "refused")


def everything(root):
    """All files of a folder but the lock, by name: their content."""
    return {
        path.relative_to(root): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def refused(roots, out):
    """What a merge says that is refused, and writes nothing."""
    before = everything(out) if out.exists() else None
    with pytest.raises(UserError) as caught:
        merge_folders(roots, out)
    assert (everything(out) if out.exists() else None) == before
    return str(caught.value)


def edited(root, kind, number=0, **changes):
    """The file of a fact of a folder, with other values."""
    folder = Folder(root)
    fact = list(folder.read_all(kind))[number]
    path = folder.path(kind, fact.id)
    write_fact(path, fact.model_copy(update=changes))
    return path


def renamed(root, name):
    info = Folder(root).study()
    write_fact(Folder(root).study_path, info.model_copy(update={"name": name}))


def test_a_folder_of_another_study_is_not_taken_over(parts, tmp_path):
    out = shutil.copytree(parts[0], tmp_path / "there")
    renamed(out, "other")
    said = refused(parts, out)
    assert (
        f"{out} holds study 'other' with another name than this study 'small': name another folder with --out"
        in said
    )


@pytest.mark.parametrize("name", ["records/x.json", "scoring.json"])
def test_a_folder_of_no_study_is_not_taken_over(parts, tmp_path, name):
    path = tmp_path / "there" / name
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert "but no study.json: name another folder with --out" in refused(
        parts, tmp_path / "there"
    )


def test_what_was_merged_before_is_kept(parts, tmp_path):
    out = tmp_path / "joined"
    merge_folders(parts[:1], out)
    before = everything(out)
    assert merge_folders(parts[1:], out) == (6, 7)
    changed = before.items() - everything(out).items()
    assert [str(name) for name, _ in changed] == ["study.json"]
    assert len(Folder(out).study().runs) == 12
    whole = everything(out)
    assert merge_folders(parts, out) == (0, 13) and everything(out) == whole


def test_every_contradiction_is_listed(parts, tmp_path):
    again = shutil.copytree(parts[0], tmp_path / "again")
    paths = []
    for number in (0, 2):
        selected = list(Folder(again).read_all(Record))[number].selected
        paths.append(
            edited(
                again,
                Record,
                number,
                selected=selected.model_copy(update={"canonical": "another"}),
            )
        )
    paths.append(edited(again, Landscape, optimum=99.5))
    said = refused([parts[0], again], tmp_path / "joined")
    assert (
        all(str(path) in said for path in paths)
        and said.count("contradict each other") == 3
    )


def test_what_contradicts_the_folder_there_is_refused(parts, tmp_path):
    out = tmp_path / "joined"
    merge_folders(parts, out)
    selected = next(Folder(out).read_all(Record)).selected
    path = edited(
        out, Record, selected=selected.model_copy(update={"canonical": "another"})
    )
    assert f"{path} and " in refused(parts, out)


def test_landscapes_without_an_accuracy_do_not_contradict(parts, tmp_path):
    """An operation that no architecture has is worth nan, which is not equal to itself."""
    for root in parts:
        oracle = next(Folder(root).read_all(Landscape)).oracle_best
        oracle[0][0][0] = float("nan")
        edited(root, Landscape, oracle_best=oracle)
    assert merge_folders(parts, tmp_path / "joined") == (13, 0)


def test_traces_of_one_supernet_with_other_numbers_are_refused(parts, tmp_path, digits):
    recipe = Recipe(recipe="blank", epochs=1, batch_size=8, trace=True)
    inputs = SupernetInputs(
        recipe="blank", settings=recipe.settings(), skeleton={"channels": 2, "cells": 1}
    )
    trace = make_supernet(recipe, get_space("nb201"), inputs, digits(16), 0).trace
    for root in parts:
        write_trace(Folder(root).trace(trace.info.id), trace)
    assert merge_folders(parts, tmp_path / "joined") == (14, 0)
    trace.losses[0] += 1
    write_trace(Folder(parts[1]).trace(trace.info.id), trace)
    assert "traces of the same supernet, with different numbers" in refused(
        parts, tmp_path / "refused"
    )


def formulations(inputs):
    return inputs.formulations.model_copy(
        update={"supernet": {**inputs.formulations.supernet, "network": 99}}
    )


OTHER = {
    "formulation numbers": lambda inputs: {"formulations": formulations(inputs)},
    "images 'digits'": lambda inputs: {
        "data": inputs.data.model_copy(update={"checksum": "0" * 16})
    },
    "code of supernet '": lambda inputs: {
        "supernet": inputs.supernet.model_copy(update={"source": "file 1"})
    },
    "code of selector '": lambda inputs: {
        "selector": inputs.selector.model_copy(update={"source": "file 1"})
    },
}


@pytest.mark.parametrize("what", OTHER)
def test_runs_made_of_other_things_are_not_of_one_study(parts, tmp_path, what):
    for number, record in enumerate(list(Folder(parts[1]).read_all(Record))):
        edited(
            parts[1],
            Record,
            number,
            inputs=record.inputs.model_copy(update=OTHER[what](record.inputs)),
        )
    said = refused(parts, tmp_path / "joined")
    assert (
        f"{parts[0]} and {parts[1]} differ in {what}" in said
        and "make both with the same" in said
    )


def test_runs_judged_by_another_truth_are_not_of_one_study(parts, tmp_path):
    old = next(Folder(parts[1]).read_all(Landscape))
    new = old.model_copy(update={"id": "0123456789abcdef", "checksum": "another"})
    write_fact(Folder(parts[1]).path(Landscape, new.id), new)
    Folder(parts[1]).path(Landscape, old.id).unlink()
    assert "differ in truth 'made-up'" in refused(parts, tmp_path / "joined")


def test_other_commits_and_unfinished_folders_are_said(parts, tmp_path):
    path = edited(parts[1], Record, commit="0" * 40)
    gone = next(other for other in path.parent.iterdir() if other != path)
    gone.unlink()
    lines = []
    merge_folders(parts, tmp_path / "joined", lines.append)
    unfinished, commits = lines
    assert unfinished.startswith(f"{parts[1]}: 5 of 6 runs are finished; '")
    assert commits.startswith("2 commits of archselect made the runs (0000000000, ")


def test_folders_that_cannot_be_meant_are_refused(parts, tmp_path):
    out = tmp_path / "joined"
    assert "is named 2 times: name each folder once" in refused(
        [parts[0], parts[0] / ".." / parts[0].name], out
    )
    inner = shutil.copytree(parts[1], parts[0] / "inner")
    assert f"{inner} lies within {parts[0]}" in refused([parts[0], inner], out)
    assert f"{parts[0] / 'joined'} lies within {parts[0]}" in refused(
        parts, parts[0] / "joined"
    )
    assert f"there is no folder {tmp_path / 'nothing'}" in refused(
        [tmp_path / "nothing", parts[1]], out
    )
    shutil.rmtree(inner)
    for root in parts:
        shutil.rmtree(root / "records")
    assert "none of the folders holds a finished run" in refused(parts, out)


@pytest.mark.parametrize("which", ["first", "second", "out"])
def test_a_folder_that_another_command_writes_is_refused(parts, tmp_path, which):
    out = tmp_path / "joined"
    merge_folders(parts[:1], out)
    with lock_folder({"first": parts[0], "second": parts[1], "out": out}[which]):
        assert "another command is writing into" in refused(parts, out)
    assert merge_folders(parts, out) == (6, 7)


@pytest.mark.parametrize("writes", [1, 2, 5])
@pytest.mark.parametrize("place", ["new", "first"])
def test_an_interrupted_merge_goes_on(parts, tmp_path, monkeypatch, writes, place):
    """Whatever it has written by then is a folder of the study, and the same command completes it."""
    whole = tmp_path / "whole"
    merge_folders(parts, whole)
    out = tmp_path / "joined" if place == "new" else parts[0]
    left = [writes]

    def write(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        write_fact(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(merging, "write_fact", write)
        merge_folders(parts, out)
    assert Folder(out).study().runs == Folder(whole).study().runs
    if writes > 2 or place == "first":
        assert load(out).missing
    merge_folders(parts, out)
    written = everything(out)
    assert all(
        written[name] == content
        for name, content in everything(whole).items()
        if name.parts[0] != "study.json"
    )
    assert not load(out).missing


def test_a_run_that_is_finished_elsewhere_is_no_failure(parts, tmp_path):
    record = next(Folder(parts[1]).read_all(Record))
    failure = Failure(id=record.id, inputs=record.inputs, error="e", traceback="t")
    info = Folder(parts[0]).study()
    write_fact(
        Folder(parts[0]).study_path,
        info.model_copy(update={"runs": [*info.runs, record.id]}),
    )
    write_fact(Folder(parts[0]).path(Failure, record.id), failure)
    Folder(parts[0]).log(record.id).write_bytes(b"failed\n")
    out = tmp_path / "joined"
    merge_folders(parts[:1], out)
    assert (
        Folder(out).path(Failure, record.id).is_file()
        and Folder(out).log(record.id).read_bytes() == b"failed\n"
    )
    merge_folders(parts, out)
    assert not list(Folder(out).read_all(Failure))
    assert (
        Folder(out).log(record.id).read_bytes()
        == Folder(parts[1]).log(record.id).read_bytes()
    )


def test_the_command_says_what_is_refused_in_a_line_each(parts, tmp_path, archselect):
    renamed(parts[1], "other")
    code, out, err = archselect("merge", *parts, "--out", tmp_path / "joined")
    assert (code, out) == (
        2,
        "",
    ) and "hold different studies: their name differ" in " ".join(err.split())
    assert not (tmp_path / "joined").exists()
    renamed(parts[1], "small")
    code, out, err = archselect("merge", *parts, "--out", tmp_path / "joined")
    assert code == 0 and "13 records copied, 0 already in the folder" in out
