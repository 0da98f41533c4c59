"""Finished work of other commits of archselect, which a command keeps or redoes."""

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
"""The option that makes such work again."""
MOST_NAMED = 3
"""Commits that a notice names, at most."""


@dataclass
class OtherCode:
    """The ids of finished work of other commits, and these commits.

    A run counts too if its supernet, or a training of what it selected, is of another
    commit. A commit that is not known is None.
    """

    runs: set[str] = field(default_factory=set)
    supernets: set[str] = field(default_factory=set)
    trainings: set[str] = field(default_factory=set)
    commits: set[str | None] = field(default_factory=set)

    def notice(self) -> str | None:
        """Return the line that says what is kept; None if there is nothing to say."""
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
        """Note a supernet if it is there and another commit made it."""
        commits = _commits_of_supernet(folder, id)
        commits.discard(commit())
        if commits:
            self.supernets.add(id)
            self.commits |= commits

    def note_run(self, folder: Folder, job: RunJob, record: Record) -> None:
        """Note a finished run, and its final trainings, if another commit made them.

        Supernets must have been noted before.
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
        # A training may have been made again since the record was written.
        if is_other or not _has_accuracies_of(record, job, trained):
            self.runs.add(record.id)


def format_kept_notice(kept: Sequence[str], commits: Iterable[str | None]) -> str:
    """Return the line that says what is kept of other commits.

    Args:
        kept: the work in words, such as "8 runs".
        commits: that made it.
    """
    *others, last = kept
    listed = f"{', '.join(others)} and {last}" if others else last
    makers = _name_commits(commits)
    here = short_commit(commit())
    return (
        f"Kept: {listed} of other code of archselect ({makers}; this is {here}). "
        f"{RERUN_OPTION} makes them again."
    )


def format_count(count: int, name: str) -> str:
    """Return a number of things in words: "1 run", "1,200 runs"."""
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

    The supernet that is there now may be another one than the selection was read from;
    both count.
    """
    commits = _makers(job, record)
    if job.supernet is not None:
        commits |= _commits_of_supernet(folder, job.supernet.id)
    return commits == {commit()}


def _makers(job: RunJob, record: Record) -> set[str | None]:
    """Return the commits that made a selection and the supernet it was read from."""
    if job.supernet is None:
        return {record.commit}
    return {record.commit, record.supernet_commit}


def _commits_of_supernet(folder: Folder, id: str) -> set[str | None]:
    """Return the commit that made a supernet; an empty set if it is not there."""
    path = folder.supernet(id)
    return {read_commit(path)} if path.is_file() else set()


def plan_trainings(job: RunJob, architecture: str) -> list[TrainingJob]:
    """Return the final trainings of the architecture that a run selected."""
    trainings = []
    for plan in job.trainings:
        trainings += plan.jobs(architecture)
    return trainings


def is_trained_by_this_code(folder: Folder, training: TrainingJob) -> bool:
    """Return whether a training is finished and the present commit made it."""
    trained = _read_training(folder, training)
    return trained is not None and trained.commit == commit()


def _read_training(folder: Folder, training: TrainingJob) -> Trained | None:
    """Return the record of a training; None if it is not there."""
    path = folder.path(Trained, training.id)
    return read_fact_if_there(path, Trained)


def _read_trained(
    folder: Folder,
    job: RunJob,
    record: Record,
) -> dict[str, Trained]:
    """Return the records of a run's final trainings that are there, by id."""
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
    """Return whether a record has the accuracies of the trainings that are there."""
    architecture = record.selected.architecture
    for plan in job.trainings:
        ids = [training.id for training in plan.jobs(architecture)]
        if not trained.keys() >= set(ids):
            continue
        trainings = [trained[id] for id in ids]
        if trained_accuracy(plan, trainings) not in record.accuracies:
            return False
    return True
