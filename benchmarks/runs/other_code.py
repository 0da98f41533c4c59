"""Finished work of other commits of archselect, which a command keeps or repeats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from archselect.benchmarks.plan.jobs import RunJob, TrainingJob
from archselect.benchmarks.runs.landscapes import trained_accuracy
from archselect.benchmarks.runtime.machine import commit
from archselect.benchmarks.runtime.tensor_files import read_commit
from archselect.benchmarks.store.facts import read_fact_if_there, short_commit
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record, Trained

RERUN_OPTION = "--rerun-other-code"
"""The option that repeats such work."""
MOST_NAMED = 3
"""The maximal number of commits that a notice names."""


@dataclass
class OtherCode:
    """The ids of finished work of other commits, and these commits.

    A run also counts if another commit made its supernet, or a training of the
    architecture that it selected. An unknown commit is None.
    """

    runs: set[str] = field(default_factory=set)
    supernets: set[str] = field(default_factory=set)
    trainings: set[str] = field(default_factory=set)
    commits: set[str | None] = field(default_factory=set)

    def notice(self) -> str | None:
        """Return the line that says what is kept; None if nothing is kept."""
        counts = {
            "run": len(self.runs),
            "supernet": len(self.supernets),
            "training": len(self.trainings),
        }
        kept = []
        for name, count in counts.items():
            if count:
                kept.append(format_count(count, name))
        return format_kept_notice(kept, self.commits) if kept else None

    def note_supernet(self, folder: Folder, id: str) -> None:
        """Add a supernet if it exists and another commit made it."""
        commits = _commits_of_supernet(folder, id)
        commits.discard(commit())
        if commits:
            self.supernets.add(id)
            self.commits |= commits

    def note_run(self, folder: Folder, job: RunJob, record: Record) -> None:
        """Add a finished run, and its final trainings, if another commit made them.

        Call :meth:`note_supernet` for all supernets first.
        """
        here = commit()
        trained = _read_trained(folder, job, record)
        is_other = job.supernet is not None and job.supernet.id in self.supernets
        for maker in _makers(job, record):
            if maker != here:
                is_other = True
                self.commits.add(maker)
        for training in trained.values():
            if training.commit != here:
                is_other = True
                self.commits.add(training.commit)
                self.trainings.add(training.id)
        # A training may have been repeated since the record was written.
        if is_other or not _has_accuracies_of(record, job, trained):
            self.runs.add(record.id)


def format_kept_notice(kept: Sequence[str], commits: Iterable[str | None]) -> str:
    """Return the line that says what is kept of other commits.

    Args:
        kept: the work as text, such as "8 runs".
        commits: commits that did the work.
    """
    *others, last = kept
    listed = f"{', '.join(others)} and {last}" if others else last
    makers = _name_commits(commits)
    here = short_commit(commit())
    return (
        f"Kept: {listed} of other commits of archselect ({makers}; this is {here}). "
        f"{RERUN_OPTION} repeats them."
    )


def format_count(count: int, name: str) -> str:
    """Return a number of things as text: "1 run", "1,200 runs"."""
    ending = "" if count == 1 else "s"
    return f"{count:,} {name}{ending}"


def _name_commits(commits: Iterable[str | None]) -> str:
    names = sorted({short_commit(name) for name in commits})
    shown = names[:MOST_NAMED]
    more = len(names) - len(shown)
    if more:
        shown.append(f"{more} more")
    return ", ".join(shown)


def is_selected_by_this_code(folder: Folder, job: RunJob, record: Record) -> bool:
    """Return whether the present commit made a selection and its supernet.

    The supernet in the folder may differ from the one that the selection was read from;
    both count.
    """
    commits = _makers(job, record)
    if job.supernet is not None:
        commits |= _commits_of_supernet(folder, job.supernet.id)
    return commits == {commit()}


def _makers(job: RunJob, record: Record) -> set[str | None]:
    """Return the commits that made a selection and its supernet."""
    if job.supernet is None:
        return {record.commit}
    return {record.commit, record.supernet_commit}


def _commits_of_supernet(folder: Folder, id: str) -> set[str | None]:
    """Return the commit that made a supernet; an empty set if the file is missing."""
    path = folder.supernet(id)
    return {read_commit(path)} if path.is_file() else set()


def plan_trainings(job: RunJob, architecture: str) -> list[TrainingJob]:
    """Return the final trainings of the architecture that a run selected."""
    trainings = []
    for plan in job.trainings:
        trainings += plan.jobs(architecture)
    return trainings


def is_trained_by_this_code(folder: Folder, training: TrainingJob) -> bool:
    """Return whether a training is finished and the present commit did it."""
    trained = _read_training(folder, training)
    return trained is not None and trained.commit == commit()


def _read_training(folder: Folder, training: TrainingJob) -> Trained | None:
    """Return the record of a training; None if it is missing."""
    path = folder.path(Trained, training.id)
    return read_fact_if_there(path, Trained)


def _read_trained(
    folder: Folder,
    job: RunJob,
    record: Record,
) -> dict[str, Trained]:
    """Return the existing records of a run's final trainings, by id."""
    trained = {}
    architecture = record.selected.architecture
    for training in plan_trainings(job, architecture):
        fact = _read_training(folder, training)
        if fact is not None:
            trained[fact.id] = fact
    return trained


def _has_accuracies_of(
    record: Record,
    job: RunJob,
    trained: dict[str, Trained],
) -> bool:
    """Return whether a record has the accuracies of the existing trainings."""
    architecture = record.selected.architecture
    for plan in job.trainings:
        ids = [training.id for training in plan.jobs(architecture)]
        if not trained.keys() >= set(ids):
            continue
        trainings = [trained[id] for id in ids]
        if trained_accuracy(plan, trainings) not in record.accuracies:
            return False
    return True
