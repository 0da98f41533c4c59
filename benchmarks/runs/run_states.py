"""The stage of each run of a study, while a command works on it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archselect.benchmarks.plan.graph_rewards import PlannedReport
from archselect.benchmarks.plan.jobs import RunJob
from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.runs.other_code import OtherCode, is_selected_by_this_code
from archselect.benchmarks.runtime.machine import commit
from archselect.benchmarks.store.compaction import read_records
from archselect.benchmarks.store.facts import read_fact_if_there, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Failure,
    Landscape,
    MemoryRefusal,
    Record,
)
from archselect.nasbench_adapters.foreign_text import (
    LONGEST_MESSAGE,
    escape_invisible,
    one_line,
    shorten,
)
from archselect.nasbench_adapters.networks.step_memory import MemoryExceeded

LONGEST_TRACEBACK = 50_000
"""Characters of the longest traceback that is kept. A longer one loses its middle."""

Stage = Literal["kept", "planned", "selected", "finished", "failed"]
"""The stage of a run.

* kept: its record existed before the command began, and stays.
* planned: its selector must still run, and its supernet may still be missing.
* selected: its selection is in the folder; its record must still be written.
* finished: this command wrote its record.
* failed: this command wrote why there is no record.
"""


@dataclass
class RunState:
    """The state of one run.

    Attributes:
        job: the run.
        stage: stage of the run.
        selection_file: file that holds the selection, set at the stage "selected".
            Records are not kept in memory, because a study can have very many.
        architecture: the selected architecture, set at the same stage.
    """

    job: RunJob
    stage: Stage = "planned"
    selection_file: Path | None = None
    architecture: str = ""

    @property
    def id(self) -> str:
        """The id of the run and of its record."""
        return self.job.inputs.id

    @property
    def supernet_id(self) -> str | None:
        """The id of the supernet that the run reads; None if it reads none."""
        return self.job.supernet.id if self.job.supernet else None

    def select(self, record: Record, file: Path) -> None:
        """Note what was selected, and the file that holds it."""
        self.stage = "selected"
        self.selection_file = file
        self.architecture = record.selected.architecture

    def fail(self, folder: Folder, error: BaseException) -> None:
        """Write why the run failed, and set its stage."""
        text = "".join(traceback.format_exception(error))
        failure = Failure(
            id=self.id,
            inputs=self.job.inputs,
            error=one_line(f"{type(error).__name__}: {error}", LONGEST_MESSAGE),
            memory=_refusal_of(error),
            traceback=shorten(escape_invisible(text), LONGEST_TRACEBACK),
            commit=commit(),
        )
        path = folder.path(Failure, failure.id)
        write_fact(path, failure, folder.root)
        self.stage = "failed"


def _refusal_of(error: BaseException) -> MemoryRefusal | None:
    """Return the bytes needed if memory was too small; None for other errors."""
    if not isinstance(error, MemoryExceeded):
        return None
    return MemoryRefusal(needed=error.needed, budget=error.budget)


def states_at(states: Sequence[RunState], stage: Stage) -> list[RunState]:
    """Return the runs at a stage."""
    return [state for state in states if state.stage == stage]


def supernet_ids(states: Sequence[RunState]) -> list[str]:
    """Return the ids of the supernets that runs read, each once, in order."""
    ids = [state.supernet_id for state in states]
    return list(dict.fromkeys(id for id in ids if id is not None))


def find_kept_runs(
    folder: Folder,
    states: Sequence[RunState],
    landscapes: Mapping[TruthPart, Landscape],
) -> OtherCode:
    """Find the finished runs; return the work that other commits did.

    A run is finished if its record has every cost, and an accuracy for every ground
    truth and every training, that the study names now.
    """
    other = OtherCode()
    for supernet in supernet_ids(states):
        other.note_supernet(folder, supernet)
    by_id = {state.id: state for state in states}
    for record in read_records(folder, by_id):
        state = by_id.get(record.id)
        if state is None or not _is_complete(record, state.job, landscapes):
            continue
        state.stage = "kept"
        other.note_run(folder, state.job, record)
    return other


def find_selections(
    folder: Folder,
    states: Sequence[RunState],
    landscapes: Mapping[TruthPart, Landscape],
    other_code: bool,
) -> None:
    """Find the selections that an earlier command made for planned runs.

    Args:
        folder: folder of the study.
        states: states of its runs.
        landscapes: the landscapes of the ground truths that the study names now. A
            selection is used only if it has an accuracy for each of them, and every
            cost that the study names.
        other_code: whether to use selections of another commit.
    """
    for state in states_at(states, "planned"):
        selection_file = folder.selection(state.id)
        record_file = folder.path(Record, state.id)
        for file in (selection_file, record_file):
            record = read_fact_if_there(file, Record)
            if record is None or record.id != state.id:
                continue
            if not _is_looked_up(record, state.job, landscapes):
                continue
            if other_code or is_selected_by_this_code(folder, state.job, record):
                state.select(record, file)
            break


def _is_complete(
    record: Record,
    job: RunJob,
    landscapes: Mapping[TruthPart, Landscape],
) -> bool:
    """Return whether a record has every accuracy that the study asks for now."""
    if not _is_looked_up(record, job, landscapes):
        return False
    present = {
        (accuracy.landscape, tuple(accuracy.trial_seeds))
        for accuracy in record.accuracies
    }
    for plan in job.trainings:
        seeds = tuple(map(str, plan.seeds))
        if (plan.id, seeds) not in present:
            return False
    return True


def _is_looked_up(
    record: Record,
    job: RunJob,
    landscapes: Mapping[TruthPart, Landscape],
) -> bool:
    """Return whether a record has every looked-up value that its run needs.

    These are an accuracy for every ground truth of its space, every cost, and the
    report.
    """
    known = {(cost.name, cost.of, cost.unit, cost.origin) for cost in record.costs}
    for cost in job.costs:
        if (cost.name, cost.of, cost.unit, cost.origin) not in known:
            return False
    present = {accuracy.landscape for accuracy in record.accuracies}
    for part in job.data.truth:
        landscape = landscapes[part]
        is_of_space = landscape.space == job.inputs.space
        if is_of_space and landscape.id not in present:
            return False
    return job.report is None or _has_report(record, job.report)


def _has_report(record: Record, report: PlannedReport) -> bool:
    """Return whether a record has a report's trainings, with all its seeds."""
    seeds = [str(seed) for seed in report.seeds]
    return any(
        accuracy.landscape == report.id and accuracy.trial_seeds == seeds
        for accuracy in record.accuracies
    )
