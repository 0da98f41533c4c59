"""Run a study into a folder, in worker processes, and resume it if it was interrupted.

Supernets come first, then the runs on them, then the final trainings of the selected
architectures, each trained once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from archselect.benchmarks.engines.registry import get_engine
from archselect.benchmarks.plan.jobs import RunJob, plan_runs
from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.plan.preflight import (
    check_study,
    describe_downloads,
    names_of_images,
)
from archselect.benchmarks.plan.rewards import check_reward_columns, reward_parts
from archselect.benchmarks.plan.study import Study
from archselect.benchmarks.runs import worker
from archselect.benchmarks.runs.execution import Execution, Progress, ignore_progress
from archselect.benchmarks.runs.fronts import write_fronts
from archselect.benchmarks.runs.graph_rewards import reported_landscape, reports_of
from archselect.benchmarks.runs.landscapes import describe_truths, trained_landscape
from archselect.benchmarks.runs.other_code import OtherCode
from archselect.benchmarks.runs.query_baselines import write_query_baselines
from archselect.benchmarks.runs.run_states import (
    RunState,
    find_kept_runs,
    find_selections,
    states_at,
)
from archselect.benchmarks.runs.study_folder import claim_folder, remove_leftovers
from archselect.benchmarks.runtime.machine import Code, find_device, running_code
from archselect.benchmarks.runtime.workers import Submit
from archselect.benchmarks.store.compaction import compact
from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Landscape
from archselect.nasbench_adapters.atomic_files import lock_folder
from archselect.nasbench_adapters.errors import Faults, UserError


def _ignore_notice(line: str) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class StudyOutcome:
    """The result of a command that runs a study.

    Attributes:
        made: number of runs that the command finished.
        kept: number of runs that were finished before.
        failed: ids of the runs that failed.
    """

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
    notify: Callable[[str], None] = _ignore_notice,
    progress: Progress = ignore_progress,
    command: list[str] | None = None,
) -> StudyOutcome:
    """Run the missing runs of a study.

    Args:
        study: the study to run.
        root: the folder; it can hold finished runs of the same study.
        device, deterministic: device and mode, as in :func:`.machine.open_device`.
        workers: number of workers; None for one per core or GPU, or for all workers of
            a cluster.
        engine, engine_settings: where runs are done (:mod:`.engines.registry`).
        data_dir: folder of the data sets; None for the user's data folder.
        rerun_other_code: whether to repeat work of another commit, and all based on it.
        notify: function that gets each line that a user must know.
        progress: function that gets the stage, and the numbers done and in total.
        command: command that reproduces the results; it is noted in the folder.

    Raises:
        UserError: before anything runs, if something is missing, or if the folder
            cannot be written, holds another study, or is in use.
    """
    options = _StudyOptions(
        root,
        device,
        workers,
        engine,
        engine_settings or {},
        deterministic,
        data_dir,
        rerun_other_code,
        running_code(),
    )
    check_study(study, root, device, engine, options.engine_settings, data_dir)
    options = _resolve(options)
    plan = _plan(study, data_dir, notify)
    with lock_folder(options.root):
        folder = _prepare_folder(options.root, study, plan, command or [])
        _tell_all(folder.study().notes, notify)
        states = [RunState(job) for job in plan.distinct_jobs]
        replaced = _find_states(folder, states, plan, rerun_other_code, notify)
        with _open_engine(options, plan) as submit:
            execution = Execution(folder, states, rerun_other_code, submit, progress)
            execution.make_supernets(replaced.supernets)
            execution.run_selectors()
            execution.train_selected()
        remove_leftovers(folder)  # no worker writes there any more
    return _summarise(states)


def _tell_all(notes: Sequence[str], notify: Callable[[str], None]) -> None:
    """Pass each note of a study to the user."""
    for note in notes:
        notify(note)


@dataclass(frozen=True)
class _StudyOptions:
    """Where and how runs are done: the options of :func:`run_study`."""

    root: Path
    device: str
    workers: int | None
    engine: str
    engine_settings: dict[str, Any]
    deterministic: bool
    data_dir: Path | None
    rerun_other_code: bool
    command_code: Code


def _resolve(options: _StudyOptions) -> _StudyOptions:
    """Return options whose device and paths mean the same in every worker."""
    if options.engine == "local":
        device = find_device(options.device)
        return replace(options, device=str(device))
    # Other machines do the runs: each finds its own device, and needs absolute paths.
    root = options.root.absolute()
    data_dir = options.data_dir
    if data_dir is not None:
        data_dir = data_dir.absolute()
    return replace(options, root=root, data_dir=data_dir)


class _StudyPlan(NamedTuple):
    """The runs of a study, and the landscapes of its ground truths."""

    jobs: list[RunJob]
    landscapes: dict[TruthPart, Landscape]

    @property
    def distinct_jobs(self) -> list[RunJob]:
        """The jobs, one per id, in order."""
        by_id = {job.inputs.id: job for job in self.jobs}
        return list(by_id.values())


def _plan(
    study: Study, data_dir: Path | None, notify: Callable[[str], None]
) -> _StudyPlan:
    """Return the runs of a study, and tell first which data sets it fetches.

    Raises UserError if a ground truth, data set or batch size does not fit.
    """
    parts = reward_parts(study)
    for data in study.data:
        parts += data.truth
    spaces = [space.name for space in study.spaces]
    # Before the data sets, which may have to be downloaded.
    described = describe_truths(parts, spaces)
    landscapes = dict(zip(parts, described, strict=True))
    check_reward_columns(study, landscapes)
    images = names_of_images(study, study.data)
    _tell_all(describe_downloads(images, data_dir), notify)
    jobs = plan_runs(study, data_dir, landscapes)
    _check_batch_sizes(jobs)
    return _StudyPlan(jobs, landscapes)


def _check_batch_sizes(jobs: Sequence[RunJob]) -> None:
    """Raise UserError for each selector whose batch needs more images than exist."""
    faults = Faults()
    for job in jobs:
        if job.supernet is None:
            continue
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


def _prepare_folder(
    root: Path,
    study: Study,
    plan: _StudyPlan,
    command: Sequence[str],
) -> Folder:
    """Write the study, its landscapes and its true fronts into a folder."""
    folder = Folder(root)
    claim_folder(folder, study, plan.jobs, command)
    landscapes = list(plan.landscapes.values())
    trainings = {}
    for job in plan.jobs:
        for training in job.trainings:
            trainings[training.id] = training
    landscapes += map(trained_landscape, trainings.values())
    reports = reports_of([job.report for job in plan.jobs])
    landscapes += map(reported_landscape, reports)
    for landscape in landscapes:
        write_fact(folder.path(Landscape, landscape.id), landscape, root)
    write_fronts(folder, plan.jobs, plan.landscapes)
    write_query_baselines(folder, plan.jobs, plan.landscapes)
    compact(folder)
    return folder


def _find_states(
    folder: Folder,
    states: Sequence[RunState],
    plan: _StudyPlan,
    rerun_other_code: bool,
    notify: Callable[[str], None],
) -> OtherCode:
    """Find the stage of each run; return the work of other commits to repeat.

    A notice names the work of other commits that is kept.
    """
    other = find_kept_runs(folder, states, plan.landscapes)
    replaced = OtherCode()
    if rerun_other_code:
        replaced = other
        for state in states:
            if state.id in replaced.runs:
                state.stage = "planned"
    elif notice := other.notice():
        notify(notice)
    find_selections(folder, states, plan.landscapes, not rerun_other_code)
    return replaced


def _open_engine(
    options: _StudyOptions, plan: _StudyPlan
) -> AbstractContextManager[Submit]:
    """Return the engine, which starts workers and gives them work within its block."""
    landscapes: dict[TruthPart, str] = {}
    for part, landscape in plan.landscapes.items():
        landscapes[part] = landscape.id
    settings = worker.WorkerSettings(
        root=options.root,
        data_dir=options.data_dir,
        device=options.device,
        deterministic=options.deterministic,
        other_code=not options.rerun_other_code,
        landscapes=landscapes,
        command_code=options.command_code,
    )
    start = (worker.start_worker, (settings,))
    open_engine = get_engine(options.engine)
    return open_engine(options.workers, options.device, start, options.engine_settings)


def _summarise(states: Sequence[RunState]) -> StudyOutcome:
    finished = states_at(states, "finished")
    kept = states_at(states, "kept")
    failed = states_at(states, "failed")
    return StudyOutcome(
        made=len(finished),
        kept=len(kept),
        failed=sorted(state.id for state in failed),
    )
