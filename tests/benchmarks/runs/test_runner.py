from dataclasses import replace

import numpy as np
import pytest
import torch

from archselect.benchmarks.plan.jobs import plan_runs
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs.landscapes import describe_truths, landscape_id
from archselect.benchmarks.runs.runner import Runner
from archselect.benchmarks.store.facts import read_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Landscape, Record
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth import fitting, forms, open_truth

CPU = torch.device("cpu")


@pytest.fixture
def jobs(small_study):
    return {
        job.label: job for job in plan_runs(small_study, None) if job.supernet.seed == 0
    }


@pytest.fixture
def runner(tmp_path):
    return Runner(Folder(tmp_path / "out"), CPU, None)


def made(runner, job):
    if not runner.supernet_path(job.supernet).exists():
        runner.make_supernet(job.supernet)
    return runner.run(job)


def test_a_record_says_what_was_selected_and_what_it_is_worth(
    part, runner, jobs, small_truth, nb201, tmp_path
):
    record = made(runner, jobs["zero-cost-pt"])
    assert record.id == jobs["zero-cost-pt"].inputs.id == record.inputs.id
    cell = nb201.parse(record.selected.architecture)
    assert record.selected.canonical == nb201.format(nb201.canonical(cell))
    table = open_truth(str(small_truth))
    trials = table.lookup(cell, "made-up", "test", 1)
    (accuracy,) = record.accuracies
    assert tuple(accuracy.trials) == trials.accuracies and accuracy.trial_seeds == [
        "a",
        "b",
    ]
    assert accuracy.mean == trials.mean
    means = table.means("made-up", "test", 1)
    assert accuracy.rank == 1 + int((means > round(trials.mean, 9)).sum())
    assert accuracy.landscape == landscape_id(table, part(small_truth))
    scored = [nb201.parse(s.architecture) for s in record.selected.architecture_scores]
    assert accuracy.scored == [
        table.lookup(a, "made-up", "test", 1).mean for a in scored
    ]
    best = max(record.selected.architecture_scores, key=lambda s: s.value)
    assert best.architecture == record.selected.architecture
    # Two rounds of six edges with five operations each.
    assert len(record.selected.operation_scores) == 2 * 6 * 5
    assert len(record.selected.decisions) == 2 * 6
    write_fact(tmp_path / "record.json", record)
    assert read_fact(tmp_path / "record.json", Record) == record


def test_the_supernets_training_is_in_the_record_of_every_run_on_it(runner, jobs):
    magnitude, darts_pt = (
        made(runner, jobs["magnitude"]),
        made(runner, jobs["darts-pt"]),
    )
    assert magnitude.cost.phases["supernet"] == darts_pt.cost.phases["supernet"]
    assert magnitude.cost.counts["supernet"] == darts_pt.cost.counts["supernet"]
    assert set(magnitude.cost.phases) == {"supernet", "select"}
    assert set(darts_pt.cost.phases) == {"supernet", "select", "score", "tune"}
    assert darts_pt.cost.warmup >= 0 and darts_pt.cost.peak_memory > 0
    # Six decisions among five operations, each on 32 images in batches of 16; five
    # tunings of two double steps.
    assert darts_pt.cost.counts["score"].forwards == 6 * 5 * 2
    assert darts_pt.cost.counts["tune"].forwards == 5 * 4


def test_a_run_does_not_depend_on_the_runs_before_it(small_study, jobs, tmp_path):
    alone, busy = (
        Runner(Folder(tmp_path / name), CPU, None) for name in ("alone", "busy")
    )
    first = made(alone, jobs["zero-cost-pt"]).facts()
    made(busy, jobs["darts-pt"])
    torch.manual_seed(99)
    assert made(busy, jobs["zero-cost-pt"]).facts() == first
    assert made(busy, jobs["zero-cost-pt"]).facts() == first


def test_a_damaged_supernet_is_the_users_to_mend(runner, jobs):
    job = jobs["random"]
    runner.make_supernet(job.supernet)
    path = runner.supernet_path(job.supernet)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(
        UserError,
        match=f"{path.name} is damaged, or is not a supernet of archselect: remove it and run",
    ):
        runner.run(job)


OWN = """from typing import ClassVar

from archselect.{0}


class Own({1}):
    name: ClassVar[str] = "own"
"""


def test_what_is_edited_while_a_study_runs_is_refused(runner, write_study, tmp_path):
    files = tmp_path / "own_optimiser.py", tmp_path / "own_selector.py"
    bases = (
        ("benchmarks.optimisers.darts import Darts", "Darts"),
        ("selectors.magnitude import Magnitude", "Magnitude"),
    )
    for path, base in zip(files, bases, strict=True):
        path.write_text(OWN.format(*base), encoding="utf-8")
    optimiser, selector = (str(path) for path in files)
    changed = (
        ('"darts"\nep', f'"{optimiser}"\nlabel = "darts"\nep'),
        ('"magnitude"', f'"{selector}"'),
    )
    jobs = plan_runs(read_study(str(write_study(*changed))), None)
    own = {job.label: job for job in jobs if job.supernet.seed == 0}
    job, builtin = own["own"], own["random"]
    ids = {name: (each.supernet.id, each.inputs.id) for name, each in own.items()}
    assert made(runner, job).inputs.supernet.source == job.supernet.supernet.source(
        "nb201"
    )
    for path, text in ((files[1], selector), (files[0], optimiser)):
        path.write_text(path.read_text() + "# edited\n", encoding="utf-8")
        with pytest.raises(
            UserError, match=f"^{text} changed while the command ran: rerun it"
        ):
            runner.run(job)
    with pytest.raises(UserError, match=f"^{optimiser} changed while"):
        runner.make_supernet(job.supernet)
    made(runner, builtin)
    again = {
        job.label: job
        for job in plan_runs(read_study(str(write_study(*changed))), None)
        if job.supernet.seed == 0
    }
    renamed = {name: (each.supernet.id, each.inputs.id) for name, each in again.items()}
    assert [name for name in ids if ids[name] == renamed[name]] == [
        "random",
        "zero-cost-pt",
    ]
    assert renamed["darts-pt"][0] != ids["darts-pt"][0]


def looking_up(job, truth):
    """The job with another truth."""
    return replace(job, data=job.data.model_copy(update={"truth": [truth]}))


def test_what_a_table_does_not_hold_is_said_and_the_selection_kept(
    part, runner, jobs, parts_of_the_truth, nb201
):
    record = made(runner, jobs["zero-cost-pt"])
    scored = [nb201.parse(s.architecture) for s in record.selected.architecture_scores]
    chosen = nb201.parse(record.selected.architecture)
    others = [cell for cell in nb201.representatives[:50] if cell not in scored]
    path = parts_of_the_truth(
        "part", [*others, *(cell for cell in set(scored) if cell != chosen)]
    )
    again = runner.run(looking_up(jobs["zero-cost-pt"], part(path)))
    assert again.selected == record.selected
    (accuracy,) = again.accuracies
    assert (accuracy.source, accuracy.trials, accuracy.mean, accuracy.rank) == (
        "not in the table",
        [],
        None,
        None,
    )
    known = {
        cell: mean
        for cell, mean in zip(scored, record.accuracies[0].scored, strict=True)
        if cell != chosen
    }
    assert all(
        (value is None) == (cell == chosen)
        for cell, value in zip(scored, accuracy.scored, strict=True)
    )
    assert sum(value is not None for value in accuracy.scored) == sum(
        cell in known for cell in scored
    )
    assert accuracy.landscape == landscape_id(open_truth(str(path)), part(path))


def test_a_record_of_a_surrogate_says_that_it_is_one(
    part, runner, jobs, parts_of_the_truth, nb201, tmp_path, monkeypatch
):
    monkeypatch.setattr(forms, "ROUNDS", 20)
    rng = np.random.default_rng(0)
    path = parts_of_the_truth(
        "part", {nb201.canonical(nb201.sample(rng)) for _ in range(120)}
    )
    surrogate = fitting.fit_surrogate(
        open_truth(str(path)), "made-up", "test", 1, "fitted", folds=3
    )
    surrogate.save(tmp_path / "fitted.npz")
    record = made(
        runner, looking_up(jobs["zero-cost-pt"], part(tmp_path / "fitted.npz"))
    )
    (accuracy,) = record.accuracies
    cell = nb201.parse(record.selected.architecture)
    assert (accuracy.source, accuracy.trial_seeds) == ("predicted", ["predicted"])
    assert accuracy.surrogate_tau == surrogate.agreement.tau
    assert accuracy.mean == pytest.approx(surrogate.predict([cell])[0])
    means = surrogate.reference.means("made-up", "test", 1)
    assert accuracy.rank == 1 + int((means > accuracy.mean).sum())
    scored = [nb201.parse(s.architecture) for s in record.selected.architecture_scores]
    assert accuracy.scored == pytest.approx(surrogate.predict(scored))
    (found,) = describe_truths([part(tmp_path / "fitted.npz")], ["nb201"])
    assert found.id == accuracy.landscape
    assert (found.surrogate, found.truth, found.architectures) == (
        True,
        "fitted",
        len(means),
    )
    assert found.agreement == surrogate.agreement
    assert (found.provenance, found.space_size) == ("measured", 15625)
    write_fact(tmp_path / "landscape.json", found)
    assert read_fact(tmp_path / "landscape.json", Landscape) == found
