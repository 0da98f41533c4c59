"""An interrupted run goes on where it stopped, whatever moment it stopped at, and comes out the same."""

import json
import shutil

import pytest
import torch

from archselect.benchmarks.plan.jobs import plan_runs
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs.delegating_task import DelegatingTask
from archselect.benchmarks.runs.journal import Journal, JournaledTask, discard
from archselect.benchmarks.runs.runner import Runner
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.machine import commit
from archselect.benchmarks.store.folder import Folder
from archselect.nasbench_adapters.errors import UserError
from archselect.selectors.proxies.base import Undefined


class Killed(Exception):
    """Stands for the death of the process."""


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "out")


@pytest.fixture
def jobs(small_study):
    return {
        job.label: job for job in plan_runs(small_study, None) if job.supernet.seed == 0
    }


def run(folder, job):
    """A run in what may be a new process: nothing is shared with an earlier one but the folder."""
    runner = Runner(folder, torch.device("cpu"), None)
    if not runner.supernet_path(job.supernet).exists():
        runner.make_supernet(job.supernet)
    return runner.run(job)


def answers(monkeypatch):
    """Counts what the task computes, and dies before the answer `self.die_at`."""

    class Counter:
        computed = 0
        die_at = None
        within = False  # another answer, of which this is a part

    for name in (
        "evaluate",
        "proxy",
        "proxies",
        "proxy_of_network",
        "output_information",
        "tune",
    ):
        original = getattr(SupernetTask, name)

        def counted(self, *args, _original=original, **kwargs):
            if Counter.within:
                return _original(self, *args, **kwargs)
            if Counter.computed == Counter.die_at:
                raise Killed
            Counter.computed += 1
            Counter.within = True
            try:
                return _original(self, *args, **kwargs)
            finally:
                Counter.within = False

        monkeypatch.setattr(SupernetTask, name, counted)
    return Counter


@pytest.mark.parametrize("label", ["darts-pt", "zero-cost-pt"])
def test_a_run_killed_at_many_moments_comes_out_the_same(
    label, jobs, folder, tmp_path, monkeypatch
):
    counter = answers(monkeypatch)
    job = jobs[label]
    wanted = run(Folder(tmp_path / "undisturbed"), job).facts()
    total = counter.computed
    assert total > 10
    counter.computed = 0
    for moment in range(0, total, 5):
        counter.die_at = moment
        with pytest.raises(Killed):
            run(folder, job)
    counter.die_at = None
    assert run(folder, job).facts() == wanted
    # No answer was computed twice, though the run was killed so often.
    assert counter.computed == total


def test_a_finished_run_replays_without_computing(jobs, folder, monkeypatch):
    counter = answers(monkeypatch)
    first = run(folder, jobs["darts-pt"])
    counter.computed = counter.die_at = 0
    again = run(folder, jobs["darts-pt"])
    assert again.facts() == first.facts()
    assert again.cost.phases["tune"] == first.cost.phases["tune"]


def test_a_selector_that_reads_trained_alphas_is_replayed_too(
    write_study, tmp_path, monkeypatch
):
    """SGAS decides by the alphas that its own training moves."""
    sgas = ('name = "magnitude"', 'name = "sgas"\nwarmup_epochs = 1\ninterval = 1')
    study = read_study(str(write_study(sgas)))
    (job,) = (
        job
        for job in plan_runs(study, None)
        if job.label == "sgas" and job.supernet.seed == 0
    )
    counter = answers(monkeypatch)
    wanted = run(Folder(tmp_path / "undisturbed"), job).facts()
    counter.computed, counter.die_at = 0, 4
    with pytest.raises(Killed):
        run(Folder(tmp_path / "out"), job)
    counter.die_at = None
    assert run(Folder(tmp_path / "out"), job).facts() == wanted


def test_information_that_is_infinite_is_replayed_too(
    write_study, tmp_path, monkeypatch
):
    """IS-DARTS measures `none` as such, and draws a new order of images."""
    settings = 'name = "is-darts"\nepochs = 3\nshrinks = 2\ninterval = 1'
    study = read_study(str(write_study(('name = "magnitude"', settings))))
    (job,) = (
        job
        for job in plan_runs(study, None)
        if job.label == "is-darts" and job.supernet.seed == 0
    )
    counter = answers(monkeypatch)
    wanted = run(Folder(tmp_path / "undisturbed"), job).facts()
    assert counter.computed == 4
    for moment in (1, 1):
        counter.computed, counter.die_at = 0, moment
        with pytest.raises(Killed):
            run(Folder(tmp_path / "out"), job)
    counter.computed, counter.die_at = 0, None
    assert run(Folder(tmp_path / "out"), job).facts() == wanted
    assert counter.computed == 2


def test_candidates_that_were_tuned_are_replayed_too(
    write_study, tmp_path, monkeypatch
):
    settings = 'change = "fix"\nmeasure = "accuracy"\nnorm = "batch"\ncandidate_epochs = 1\nrescore = false'
    study = read_study(
        str(
            write_study(
                ('name = "magnitude"', f'name = "operation-scores"\n{settings}')
            )
        )
    )
    (job,) = (
        job
        for job in plan_runs(study, None)
        if job.label == "operation-scores" and job.supernet.seed == 0
    )
    counter = answers(monkeypatch)
    wanted = run(Folder(tmp_path / "undisturbed"), job).facts()
    assert counter.computed == 60  # a tuning and an evaluation for each of 30
    for moment in (0, 1, 20, 31):
        counter.computed, counter.die_at = 0, moment
        with pytest.raises(Killed):
            run(Folder(tmp_path / "out"), job)
    counter.computed, counter.die_at = 0, None
    assert run(Folder(tmp_path / "out"), job).facts() == wanted
    assert counter.computed == 60 - 20 - 30


def damaged(folder, job):
    """(name, what to do to a journal that was cut short) of every kind of damage."""
    lines, state = (
        folder.journal(job.inputs.id).with_suffix(suffix)
        for suffix in (".jsonl", ".pt")
    )
    text = lines.read_text()
    return {
        "a torn last line": lambda: lines.write_text(text[:-20]),
        "a line of nonsense": lambda: lines.write_text(text.rstrip("\n") + "\n{]\n"),
        "an empty journal": lambda: lines.write_text(""),
        "another run's journal": lambda: lines.write_text(
            text.replace(job.inputs.id, "0" * 16)
        ),
        "lines of two processes": lambda: lines.write_text(
            "".join(f"{line}\n" * 2 for line in text.splitlines())
        ),
        "a process behind another": lambda: lines.write_text(
            text + "".join(f"{x}\n" for x in text.splitlines()[:5])
        ),
        "a line that is missing": lambda: lines.write_text(
            "".join(f"{x}\n" for place, x in enumerate(text.splitlines()) if place != 8)
        ),
        "no state": lambda: state.unlink(),
        "a damaged state": lambda: state.write_bytes(state.read_bytes()[:-9]),
        "a state whose tuning was not noted": lambda: lines.write_text(
            "".join(line + "\n" for line in text.splitlines()[: json_place(text) + 1])
        ),
    }


def json_place(text):
    """The place among the answers of the last tuning."""
    return max(
        i
        for i, line in enumerate(text.splitlines()[1:])
        if json.loads(line)["question"] == "tune"
    )


def test_a_damaged_journal_never_changes_the_result(
    jobs, folder, tmp_path, monkeypatch
):
    counter = answers(monkeypatch)
    job = jobs["darts-pt"]
    wanted = run(Folder(tmp_path / "undisturbed"), job).facts()
    counter.computed, counter.die_at = 0, 30
    with pytest.raises(Killed):
        run(folder, job)
    counter.die_at = None
    kept = tmp_path / "kept"
    shutil.copytree(folder.root, kept)
    for name in damaged(folder, job):
        shutil.rmtree(folder.root)
        shutil.copytree(kept, folder.root)
        damaged(folder, job)[name]()
        assert run(folder, job).facts() == wanted, name


def test_a_journal_that_answers_another_question_is_refused(tmp_path):
    journal = Journal(tmp_path / "x", "run")
    journal.write(
        {"question": "proxy", "answer": 1.0, "streams": {}, "networks": 0, "clock": {}}
    )
    again = Journal(tmp_path / "x", "run")
    with pytest.raises(
        UserError, match=r"does not match its run \(line 2\): remove it and run again"
    ):
        again.next("evaluate")


def test_a_discarded_journal_leaves_its_folder_to_others(tmp_path):
    """A worker that has made sure of the folder writes into it a moment later, whatever became of other journals."""
    Journal(tmp_path / "progress" / "a", "a")
    Journal(tmp_path / "progress" / "b", "b")
    discard(tmp_path / "progress" / "a")
    assert [path.name for path in (tmp_path / "progress").iterdir()] == ["b.jsonl"]
    discard(tmp_path / "progress" / "b")
    assert list((tmp_path / "progress").iterdir()) == []


def test_a_journaled_task_offers_what_a_task_offers():
    from archselect.selectors.base import Task

    attributes = {"space", "supernet", "alphas", "activation", "rng", "queries"}
    assert set(Task.__annotations__) == attributes
    assert issubclass(JournaledTask, DelegatingTask)
    assert Task.__abstractmethods__ <= set(vars(DelegatingTask))


def test_lines_that_are_not_whole_are_not_answers(tmp_path):
    whole = {
        "number": 0,
        "question": "proxy",
        "answer": 1.0,
        "streams": {},
        "networks": 0,
        "clock": {},
    }
    whole["commit"] = commit()
    Journal(tmp_path / "x", "run").write(whole)
    for broken in ({"question": "proxy"}, [], "x", None):
        with (tmp_path / "x.jsonl").open("a") as file:
            file.write(json.dumps(broken) + "\n" + json.dumps(whole) + "\n")
        assert Journal(tmp_path / "x", "run").found == [whole]


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "x"},
        {"answer": None},
        {"networks": []},
        {"clock": {}},
        {"streams": 1},
    ],
)
def test_an_answer_of_another_form_is_refused(jobs, folder, change):
    job = jobs["zero-cost-pt"]
    run(folder, job)
    path = folder.journal(job.inputs.id).with_suffix(".jsonl")
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([*lines[:-1], json.dumps(json.loads(lines[-1]) | change), ""])
    )
    with pytest.raises(
        UserError,
        match=r"\.jsonl does not hold what it should .*: remove it and run again",
    ):
        run(folder, job)


@pytest.mark.parametrize("value", ["Infinity", "-Infinity", "NaN"])
def test_a_journals_score_that_is_not_finite_is_refused(
    jobs, folder, monkeypatch, value
):
    """Such as an earlier version noted."""
    counter = answers(monkeypatch)
    counter.die_at = 3
    job = jobs["zero-cost-pt"]
    with pytest.raises(Killed):
        run(folder, job)
    path = folder.journal(job.inputs.id).with_suffix(".jsonl")
    lines = path.read_text().splitlines()
    place = next(
        i
        for i, line in enumerate(lines)
        if json.loads(line).get("question") == "proxies"
    )
    answer = json.loads(lines[place])
    answer["answer"][0] = float(value)
    lines[place] = json.dumps(answer)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match="jsonl"):
        run(folder, job)


def test_a_candidate_without_a_score_is_left_out_and_replayed_so(
    jobs, folder, monkeypatch
):
    """Such as a disconnected cell: the proxy has no score of it, and the next candidate is asked for all the same."""
    job = jobs["zero-cost-pt"]
    whole = run(Folder(folder.root / "whole"), job).selected
    first = whole.architecture_scores[0].architecture
    original = SupernetTask.proxy_of_network

    def without_the_first(self, name, architecture, *rest):
        score = original(self, name, architecture, *rest)
        if self.space.format(architecture) == first:
            raise Undefined("no path leads through it")
        return score

    monkeypatch.setattr(SupernetTask, "proxy_of_network", without_the_first)
    if len(whole.architecture_scores) == 1:
        with pytest.raises(Undefined, match="no path leads through it"):
            run(folder, job)
        return
    once = run(folder, job).selected
    assert list(once.architecture_scores) == list(whole.architecture_scores)[1:]
    assert once.architecture != first
    assert run(folder, job).selected == once
