"""The log of a run: what is in it, what is not, and that it never decides anything."""

from __future__ import annotations

import json
import logging
import threading
import warnings

import pytest

from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.store import logs
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.logs import Answers, log_to, note
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.errors import UserError


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_run_and_supernet_has_one(finished):
    folder = Folder(finished)
    records = list(folder.read_all(Record))
    supernets = {path.stem for path in (finished / "supernets").glob("*.pt")}
    assert {path.stem for path in (finished / "logs").iterdir()} == {
        record.id for record in records
    } | supernets
    for record in records:
        first, *between, last = lines(folder.log(record.id))
        assert (first["event"], first["run"], first["selector"]) == (
            "begun",
            record.id,
            record.inputs.selector.label,
        )
        assert (first["supernet_seed"], first["space"]) == (
            record.inputs.supernet_seed,
            record.inputs.space,
        )
        assert last["event"] == "finished" and last["seconds"] > 0 and "time" in last
        assert {line["event"] for line in between} <= {"answered"}
        calls = sum(
            record.cost.phases[phase].calls
            for phase in ("score", "validate")
            if phase in record.cost.phases
        )
        assert bool(between) == bool(calls)
    (trained,) = {
        tuple(line["event"] for line in lines(folder.log(id))) for id in supernets
    } - {("begun", "finished")}
    assert trained == ("begun", "epoch", "finished")


def test_a_failed_run_says_why(quick, inline, tmp_path, monkeypatch):
    def broken(self, job, answers):
        logging.getLogger("my_selector").warning("about to break")
        raise ValueError("broken")

    monkeypatch.setattr("archselect.benchmarks.runs.runner.Runner._run", broken)
    outcome = run_study(quick, tmp_path / "out", device="cpu")
    begun, said, failed = lines(Folder(tmp_path / "out").log(outcome.failed[0]))
    assert begun["event"] == "begun"
    assert (said["logger"], said["level"], said["event"]) == (
        "my_selector",
        "warning",
        "about to break",
    )
    assert (failed["event"], failed["level"], failed["error"]) == (
        "failed",
        "error",
        "ValueError: broken",
    )
    assert 'raise ValueError("broken")' in failed["traceback"]


def test_questions_are_summed_up(tmp_path, monkeypatch):
    with log_to(tmp_path / "a.jsonl"), Answers() as answers:
        for question in ("proxy", "proxy", "tune", "proxy"):
            answers.answered(question, replayed=question == "tune")
        monkeypatch.setattr(logs, "EVERY", -1.0)
        answers.answered("proxy", replayed=False)
    found = [
        (line["question"], line["times"])
        for line in lines(tmp_path / "a.jsonl")
        if line["event"] == "answered"
    ]
    assert found == [("proxy", 2), ("tune", 1), ("proxy", 1), ("proxy", 1)]
    assert [line.get("from_journal") for line in lines(tmp_path / "a.jsonl")][2:4] == [
        True,
        None,
    ]


def test_warnings_are_shown_and_logged(tmp_path):
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with log_to(tmp_path / "a.jsonl"):
            warnings.warn("odd", RuntimeWarning, stacklevel=1)
    assert [str(warning.message) for warning in shown] == ["odd"]
    (warned,) = [
        line for line in lines(tmp_path / "a.jsonl") if line["level"] == "warning"
    ]
    assert (warned["event"], warned["category"]) == (
        "odd",
        "RuntimeWarning",
    ) and __file__ in warned["where"]


def test_runs_beside_one_another_in_one_process_have_their_own(tmp_path):
    """As a cluster's worker with several threads has them."""
    barrier = threading.Barrier(2)

    def run(name):
        with log_to(tmp_path / f"{name}.jsonl", run=name):
            barrier.wait(600)
            note("mine", name=name)
            barrier.wait(600)

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for name in "ab":
        assert [
            line.get("name", line.get("run"))
            for line in lines(tmp_path / f"{name}.jsonl")
        ] == [name, name, None]


def test_a_log_goes_on_and_nothing_is_left_open(tmp_path):
    before = list(logging.getLogger().handlers)
    for _ in range(2):
        with log_to(tmp_path / "a.jsonl"):
            pass
    assert [line["event"] for line in lines(tmp_path / "a.jsonl")] == [
        "begun",
        "finished",
    ] * 2
    note("nowhere")
    assert len(lines(tmp_path / "a.jsonl")) == 4
    assert logging.getLogger().handlers == before


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "logs").write_text("")
    with (
        pytest.raises(UserError, match="cannot write"),
        log_to(tmp_path / "logs" / "a.jsonl"),
    ):
        pass
