"""Runs a study into a folder, in worker processes: supernets first, then the runs on
them, then the final trainings of what they selected, each architecture once. Goes on
where it stopped.
"""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from archselect.benchmarks.engines.registry import get_engine
from archselect.benchmarks.plan.jobs import RunJob, SupernetJob, TrainingJob, span
from archselect.benchmarks.plan.preflight import check_study
from archselect.benchmarks.plan.study import Study, TruthPart, differences, read_study
from archselect.benchmarks.runs.journal import discard
from archselect.benchmarks.runs.kept import (
    OtherCode,
    find_other_code,
    selected_by_this_code,
    trained_by_this_code,
    trainings,
)
from archselect.benchmarks.runs.run import (
    Landscapes,
    Runner,
    describe_truths,
    trained_accuracy,
    trained_landscape,
)
from archselect.benchmarks.runs.training import Advance
from archselect.benchmarks.runtime.calls import StartError
from archselect.benchmarks.runtime.machine import (
    Code,
    code,
    commit,
    find_device,
    open_device,
)
from archselect.benchmarks.runtime.vouching import check_code
from archselect.benchmarks.runtime.workers import THREADS, Submit, settle
from archselect.benchmarks.store.compaction import compact, read_records
from archselect.benchmarks.store.facts import (
    content_id,
    read_fact,
    read_fact_if_there,
    write_fact,
)
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Failure,
    Inputs,
    Landscape,
    Record,
    StudyInfo,
    Trained,
)
from archselect.nasbench_adapters.atomic_files import held
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.foreign_text import (
    LONGEST_MESSAGE,
    one_line,
    shortened,
    visible,
)

LONGEST_TRACEBACK = 50_000
"""Letters of the longest traceback that is kept; of a longer one the middle is left
out.
"""


class Progress(Protocol):
    """Told how far a study is."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` "supernets", "runs" or "trainings" are there."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What came of a study: how many runs were made now, were there before, and failed (their records' ids)."""

    made: int
    kept: int
    failed: list[str]


def run_study(
    study: Study,
    root: Path,
    *,
    device: str = "auto",
    workers: int | None = None,
    engine: str = "local",
    engine_settings: dict[str, Any] | None = None,
    deterministic: bool = False,
    data_dir: Path | None = None,
    rerun_other_code: bool = False,
    notify: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda stage, done, total: None,
    command: list[str] | None = None,
) -> Outcome:
    """Run what is missing of a study.

    Args:
        study: what to run.
        root: the folder; may hold finished runs of the same study.
        device: see :func:`.machine.find_device`.
        workers: how many; None for one per core, or GPU, of this machine, and as many
            as a cluster has.
        engine: where runs are done; see :data:`.engines.registry.ENGINES`.
        engine_settings: of the engine's own.
        deterministic: see :func:`.machine.open_device`; records say whether it was so.
        data_dir: where data sets are; None for the user's data folder.
        rerun_other_code: make anew what another commit of archselect made: supernets,
            the runs that read from them, other runs, and final trainings. A record or a
            supernet stays until its successor is there.
        notify: called with a line that says what of other commits is kept, before
            anything runs.
        progress: told how far it is.
        command: noted in the folder as the way to reproduce it.

    Raises:
        UserError: before anything runs, if data, a truth, the device or the engine is
            not there, or the folder cannot be written, belongs to another study or is
            being written by another command.
    """
    made_by = code()
    check_study(study, root, device, engine, engine_settings or {}, data_dir)
    open_engine = get_engine(engine)
    if engine == "local":
        device = str(find_device(device))
    else:
        # The device is a matter of the machine that a run is done on, and so is the
        # folder that it is in.
        root, data_dir = root.absolute(), data_dir and data_dir.absolute()
    folder = Folder(root)
    parts = [part for data in study.data for part in data.truth]
    # Before the data are read, for which they may be downloaded.
    landscapes = describe_truths(parts, [space.name for space in study.spaces])
    jobs = span(study, data_dir)
    _check_batches(jobs)
    with held(root):
        _claim(folder, study, jobs, command or [])
        plans = {plan.id: plan for job in jobs for plan in job.trainings}
        for landscape in [*landscapes, *map(trained_landscape, plans.values())]:
            write_fact(folder.path(Landscape, landscape.id), landscape, root)
        truths = dict(zip(parts, landscapes, strict=True))
        compact(folder)
        by_id = {job.inputs.id: job for job in jobs}
        finished: set[str] = set()

        def finished_records() -> Iterator[Record]:
            """Yield one after the other: a hundred thousand records fill the memory."""
            for record in read_records(folder, by_id):
                if _finished(record, by_id, truths):
                    finished.add(record.id)
                    yield record

        other = find_other_code(folder, jobs, finished_records())
        if not rerun_other_code and (line := other.notice()):
            notify(line)
        anew = other if rerun_other_code else OtherCode()
        finished -= anew.runs
        todo = [job for id, job in by_id.items() if id not in finished]

        def selection(job: RunJob) -> Record | None:
            """What the run selected; with `rerun_other_code`, only by the present code."""
            record = _selection(folder, job, truths)
            kept = record is not None and (
                not rerun_other_code or selected_by_this_code(folder, job, record)
            )
            return record if kept else None

        choosing = [job for job in todo if selection(job) is None]
        of_parts = {part: landscape.id for part, landscape in truths.items()}
        start = (
            _start_worker,
            (
                root,
                data_dir,
                device,
                deterministic,
                not rerun_other_code,
                of_parts,
                made_by,
            ),
        )
        with open_engine(workers, device, start, engine_settings or {}) as submit:
            failed = _make_supernets(
                folder, jobs, choosing, anew.supernets, submit, progress
            )
            without = set(failed)
            ready = [job for job in choosing if job.inputs.id not in without]
            progress("runs", len(jobs) - len(ready), len(jobs))
            failed += _run_selectors(
                folder, ready, len(jobs), finished, submit, progress
            )
            rest = [job for job in todo if job.inputs.id not in finished]
            failed += _train_selected(
                folder, rest, selection, rerun_other_code, submit, progress
            )
        # Only now that no worker is left, who could be about to write there.
        _remove_empty_folders(folder)
        return Outcome(len(todo) - len(failed), len(jobs) - len(todo), sorted(failed))


def run_training(
    job: TrainingJob,
    root: Path,
    device: torch.device,
    *,
    threads: int = THREADS,
    data_dir: Path | None = None,
    every: int = 1,
    rerun_other_code: bool = False,
    advance: Advance = lambda done, total, epoch: None,
) -> tuple[Trained, bool]:
    """Train one architecture to the end, or go on with it; in this process, whose CPU threads are set.

    Args:
        job: what to train and how.
        root: the folder; a training that is finished there is not repeated.
        device: to train on.
        threads: of the CPU; with another number than one, sums have another order and
            numbers other last digits.
        data_dir: where data sets are; None for the user's data folder.
        every: epochs between checkpoints.
        rerun_other_code: make the training anew if another commit of archselect made
            it.
        advance: told (epochs done, epochs in all, the last of them).

    Returns:
        The record, and whether it was made now.

    Raises:
        UserError: the training diverged, or the folder holds a damaged file or cannot
            be written.
    """
    folder = Folder(root)
    path = folder.path(Trained, job.id)
    if path.is_file() and (not rerun_other_code or trained_by_this_code(folder, job)):
        return read_fact(path, Trained), False
    settle(threads)
    with held(root):
        folder.refuse_links()
        try:
            trained = Runner(folder, device, data_dir, not rerun_other_code).train(
                job, every, advance
            )
        except FloatingPointError as error:
            raise UserError(
                f"the training diverged ({error}); lower learning_rate"
            ) from error
        write_fact(path, trained, root)
    return trained, True


def _check_batches(jobs: list[RunJob]) -> None:
    """Raise UserError for each selector whose setting `batch_size` is more than the images that it draws from."""
    faults = Faults()
    for job in jobs:
        size = job.inputs.selector.settings.get("batch_size")
        data = job.inputs.data
        if isinstance(size, int) and size > data.train_images:
            faults.add(
                UserError(
                    f"selector {job.label}: a batch of {size} does not fit part 'train' of '{data.name}', which has "
                    f"{data.train_images} images; give 1 to {data.train_images}"
                )
            )
    faults.raise_any()


def _claim(
    folder: Folder, study: Study, jobs: list[RunJob], command: list[str]
) -> None:
    """Write what the folder is of, or refuse a folder of another study."""
    info = StudyInfo(
        name=study.name,
        title=study.title,
        description=" ".join(study.description.split()),
        labels=[label for _, _, label in study.pairs()],
        tables=list(study.tables),
        runs=[job.inputs.id for job in jobs],
        command=visible(shlex.join(command)),
        source=study.source,
        reproduces=study.reproduces,
        variant_of=study.variant_of,
        references=study.references,
        differences=[]
        if study.variant_of is None
        else differences(study, read_study(study.variant_of)),
    )
    there = read_fact_if_there(folder.study_path, StudyInfo)
    if there is not None:
        dropped = set(there.runs) - set(info.runs)
        known = {_but_formulations(job.inputs) for job in jobs}
        if there.name != info.name or any(
            not _may_be_dropped(folder, run, known) for run in dropped
        ):
            raise UserError(
                f"{folder.root} holds study '{there.name}' with other settings; name another folder with --out"
            )
    write_fact(folder.study_path, info, folder.root)


def _may_be_dropped(folder: Folder, run: str, known: set[str]) -> bool:
    """Return whether a folder may hold a run that its study no longer has.

    It may if the run never finished, is of something of the user's own that was edited
    since, or is one of the study's with other formulation numbers: `known` has the
    study's runs by :func:`_but_formulations`.
    """
    record = read_fact_if_there(folder.path(Record, run), Record)
    if record is None:
        return True
    inputs = record.inputs
    edited = inputs.selector.source is not None or inputs.supernet.source is not None
    return edited or _but_formulations(inputs) in known


def _but_formulations(inputs: Inputs) -> str:
    """Return the hash of all that determines a run but the formulation numbers."""
    return content_id(inputs.model_dump(mode="json", exclude={"formulations"}))


def _finished(
    record: Record, jobs: dict[str, RunJob], truths: dict[TruthPart, Landscape]
) -> bool:
    """Whether a record is of a job, looked up in every truth, trained by every plan that the study names now."""
    job = jobs.get(record.id)
    if job is None or not _looked_up(record, job, truths):
        return False
    found = {
        (accuracy.landscape, tuple(accuracy.trial_seeds))
        for accuracy in record.accuracies
    }
    return found >= {(plan.id, tuple(map(str, plan.seeds))) for plan in job.trainings}


def _looked_up(record: Record, job: RunJob, truths: dict[TruthPart, Landscape]) -> bool:
    named = [truths[part] for part in job.supernet.data.truth]
    wanted = {
        landscape.id for landscape in named if landscape.space == job.inputs.space
    }
    return wanted <= {accuracy.landscape for accuracy in record.accuracies}


def _selection(
    folder: Folder, job: RunJob, truths: dict[TruthPart, Landscape]
) -> Record | None:
    """What the run selected, if that is known and was looked up in every truth that the study names now."""
    for path in (folder.selection(job.inputs.id), folder.path(Record, job.inputs.id)):
        record = read_fact_if_there(path, Record)
        if (
            record is not None
            and record.id == job.inputs.id
            and _looked_up(record, job, truths)
        ):
            return record
    return None


def _make_supernets(
    folder: Folder,
    jobs: list[RunJob],
    choosing: list[RunJob],
    anew: set[str],
    submit: Submit,
    progress: Progress,
) -> list[str]:
    """Make the supernets that runs read and that are not there, or are to be made anew.

    Returns the ids of the runs whose supernet cannot be made.
    """
    supernets = {job.supernet.id: job.supernet for job in choosing}
    missing = [
        job for job in supernets.values() if job.id in anew or not _is_made(folder, job)
    ]
    total = len({job.supernet.id for job in jobs})
    progress("supernets", total - len(missing), total)
    broken: dict[str, BaseException] = {}
    pending = {submit(_make_supernet, job): job.id for job in missing}
    for done, future in enumerate(as_completed(pending), start=1):
        id = pending.pop(future)
        if error := future.exception():
            _only_ours(error)
            broken[id] = error
        progress("supernets", total - len(missing) + done, total)
    return [
        _fail(folder, job, broken[job.supernet.id])
        for job in choosing
        if job.supernet.id in broken
    ]


def _is_made(folder: Folder, job: SupernetJob) -> bool:
    """Whether a supernet is there, and its trace if it is to have one."""
    traced = not job.supernet.trace or folder.trace(job.id).is_file()
    return traced and folder.supernet(job.id).is_file()


def _run_selectors(
    folder: Folder,
    ready: list[RunJob],
    total: int,
    finished: set[str],
    submit: Submit,
    progress: Progress,
) -> list[str]:
    """Do the runs; those without a training to come are added to `finished`.

    Ids of those that failed.
    """
    failed = []
    pending = {submit(_run, job): job for job in ready}
    for done, future in enumerate(as_completed(pending), start=total - len(ready) + 1):
        job = pending.pop(future)  # or every record would stay in memory to the end
        if error := future.exception():
            _only_ours(error)
            failed.append(_fail(folder, job, error))
        elif job.trainings:
            write_fact(folder.selection(job.inputs.id), future.result(), folder.root)
            discard(folder.journal(job.inputs.id))
        else:
            _finish(folder, job, future.result())
            finished.add(job.inputs.id)
        progress("runs", done, total)
    return failed


def _train_selected(
    folder: Folder,
    rest: list[RunJob],
    selection: Callable[[RunJob], Record | None],
    rerun_other_code: bool,
    submit: Submit,
    progress: Progress,
) -> list[str]:
    """Train what runs selected, each architecture once per plan and seed, and finish the runs; ids of those failed.

    Runs of which nothing is selected are left out. Selections are read twice, so that
    they need not stay in memory.
    """
    every: dict[str, TrainingJob] = {}
    wanted: dict[str, list[str]] = {}
    for job in rest:
        if record := selection(job):
            own = {training.id: training for training in trainings(job, record)}
            every |= own
            wanted[job.inputs.id] = list(own)

    def is_there(training: TrainingJob) -> bool:
        if rerun_other_code:
            return trained_by_this_code(folder, training)
        return folder.path(Trained, training.id).is_file()

    missing = [training for training in every.values() if not is_there(training)]
    done = len(every) - len(missing)
    if every:
        progress("trainings", done, len(every))
    broken: dict[str, BaseException] = {}
    pending = {submit(_train, training): training.id for training in missing}
    for future in as_completed(pending):
        id = pending.pop(future)
        if error := future.exception():
            _only_ours(error)
            broken[id] = error
        else:
            write_fact(folder.path(Trained, id), future.result(), folder.root)
        done += 1
        progress("trainings", done, len(every))
    failed = []
    for job in rest:
        errors = [broken[id] for id in wanted.get(job.inputs.id, ()) if id in broken]
        if errors:
            failed.append(_fail(folder, job, errors[0]))
        elif record := selection(job):
            _finish(folder, job, record)
    return failed


def _finish(folder: Folder, job: RunJob, record: Record) -> None:
    """Write the run's record: what was selected and looked up, and the accuracies that final trainings gave."""
    looked_up = [
        accuracy for accuracy in record.accuracies if accuracy.source != "trained"
    ]
    trained = []
    for plan in job.trainings:
        jobs = plan.jobs(record.selected.architecture)
        trained.append(
            trained_accuracy(
                plan, [read_fact(folder.path(Trained, own.id), Trained) for own in jobs]
            )
        )
    finished = record.model_copy(update={"accuracies": looked_up + trained})
    write_fact(folder.path(Record, record.id), finished, folder.root)
    folder.selection(record.id).unlink(missing_ok=True)
    folder.path(Failure, record.id).unlink(missing_ok=True)
    discard(folder.journal(record.id))


def _remove_empty_folders(folder: Folder) -> None:
    """Remove the folders of journals and of selections where nothing is left in them."""
    for path in (folder.journal("any"), folder.selection("any")):
        with suppress(OSError):
            path.parent.rmdir()


def _only_ours(error: BaseException) -> None:
    """Raise an error that is not of one run: the user must mend something first, or no worker can start.

    Any other is noted, and the study goes on.
    """
    if isinstance(error, UserError | StartError) or not isinstance(error, Exception):
        raise error


def _fail(folder: Folder, job: RunJob, error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    failure = Failure(
        id=job.inputs.id,
        inputs=job.inputs,
        error=one_line(f"{type(error).__name__}: {error}", LONGEST_MESSAGE),
        traceback=shortened(visible(text), LONGEST_TRACEBACK),
        commit=commit(),
    )
    write_fact(folder.path(Failure, failure.id), failure, folder.root)
    return failure.id


_runner: Runner | None = None
_made_by: Code | None = None


def _start_worker(
    root: Path,
    data_dir: Path | None,
    device: str,
    deterministic: bool,
    other_code: bool,
    landscapes: Landscapes,
    made_by: Code,
) -> None:
    global _runner, _made_by
    code()  # looked at before a file of it can change, and kept
    _runner = Runner(
        Folder(root),
        open_device(device, deterministic),
        data_dir,
        other_code,
        landscapes,
    )
    _made_by = made_by


def _ready() -> Runner:
    """Return the worker's runner. Raises UserError if its code is not the command's."""
    assert _runner is not None and _made_by is not None
    check_code(_made_by)
    return _runner


def _make_supernet(job: SupernetJob) -> None:
    _ready().make_supernet(job)


def _run(job: RunJob) -> Record:
    return _ready().run(job)


def _train(job: TrainingJob) -> Trained:
    return _ready().train(job)
