"""Finished work that a command keeps though another commit of archselect made it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from archselect.benchmarks.plan.jobs import RunJob, TrainingJob
from archselect.benchmarks.runs.run import trained_accuracy
from archselect.benchmarks.runtime.machine import commit
from archselect.benchmarks.runtime.tensor_files import read_commit
from archselect.benchmarks.store.facts import read_fact_if_there, short_commit
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record, Trained

RERUN = "--rerun-other-code"
"""The option that makes such work anew."""
MOST_NAMED = 3
"""Commits that a notice names, at most."""


@dataclass
class OtherCode:
    """The ids of finished work of other commits, and these commits; None for those that are not known.

    A run counts too if its supernet, or a training of what it selected, is of another
    commit.
    """

    runs: set[str] = field(default_factory=set)
    supernets: set[str] = field(default_factory=set)
    trainings: set[str] = field(default_factory=set)
    commits: set[str | None] = field(default_factory=set)

    def notice(self) -> str | None:
        """Return one line that says what is kept, and which option makes it anew; None if there is nothing to say."""
        counts = [
            ("run", len(self.runs)),
            ("supernet", len(self.supernets)),
            ("training", len(self.trainings)),
        ]
        what = [counted(count, name) for name, count in counts if count]
        return kept_notice(what, self.commits) if what else None


def kept_notice(what: Sequence[str], commits: Iterable[str | None]) -> str:
    """Return the line for work in words, such as "8 runs", that these commits made."""
    listed = what[0] if len(what) == 1 else f"{', '.join(what[:-1])} and {what[-1]}"
    return (
        f"Kept: {listed} of other code of archselect ({_named(commits)}; this is {short_commit(commit())}). "
        f"{RERUN} makes them anew."
    )


def counted(count: int, name: str) -> str:
    """Return "1 run", "1,200 runs"."""
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def _named(commits: Iterable[str | None]) -> str:
    names = sorted({short_commit(own) for own in commits})
    more = len(names) - MOST_NAMED
    return ", ".join([*names[:MOST_NAMED], *([f"{more} more"] if more > 0 else [])])


def find_other_code(
    folder: Folder, jobs: Sequence[RunJob], finished: Iterable[Record]
) -> OtherCode:
    """Return what a folder holds of a study that other commits than the present one made.

    Args:
        folder: of the study.
        jobs: its runs.
        finished: the records of those that are finished.
    """
    other = OtherCode()
    by_id = {job.inputs.id: job for job in jobs}
    for id in dict.fromkeys(job.supernet.id for job in jobs):
        if made_by := _commits_of_supernet(folder, id) - {commit()}:
            other.supernets.add(id)
            other.commits |= made_by
    for record in finished:
        job = by_id[record.id]
        trained = _trained(folder, job, record)
        foreign = {
            fact.id: fact.commit for fact in trained.values() if fact.commit != commit()
        }
        other.trainings |= foreign.keys()
        selected_by = {record.commit, record.supernet_commit} - {commit()}
        other.commits |= {*foreign.values(), *selected_by}
        stale = bool(selected_by) or job.supernet.id in other.supernets
        if stale or foreign or not _has_accuracies_of(record, job, trained):
            other.runs.add(record.id)
    return other


def selected_by_this_code(folder: Folder, job: RunJob, record: Record) -> bool:
    """Return whether the present commit made a selection, the supernet it was read from, and the supernet there now."""
    now = _commits_of_supernet(folder, job.supernet.id)
    return {record.commit, record.supernet_commit, *now} == {commit()}


def _commits_of_supernet(folder: Folder, id: str) -> set[str | None]:
    """Return the commit that made a supernet; nothing if the supernet is not there."""
    path = folder.supernet(id)
    return {read_commit(path)} if path.is_file() else set()


def trainings(job: RunJob, record: Record) -> list[TrainingJob]:
    """Return the final trainings of what a run selected."""
    return [
        training
        for plan in job.trainings
        for training in plan.jobs(record.selected.architecture)
    ]


def trained_by_this_code(folder: Folder, training: TrainingJob) -> bool:
    """Return whether a training is finished, and the present commit made it."""
    trained = read_fact_if_there(folder.path(Trained, training.id), Trained)
    return trained is not None and trained.commit == commit()


def _trained(folder: Folder, job: RunJob, record: Record) -> dict[str, Trained]:
    """Return the records of the final trainings of what a run selected, by id, as far as they are there."""
    paths = [folder.path(Trained, training.id) for training in trainings(job, record)]
    facts = [read_fact_if_there(path, Trained) for path in paths]
    return {fact.id: fact for fact in facts if fact is not None}


def _has_accuracies_of(
    record: Record, job: RunJob, trained: dict[str, Trained]
) -> bool:
    """Return whether a record has the accuracies of the trainings there now: one may have been made anew since."""
    for plan in job.trainings:
        ids = [training.id for training in plan.jobs(record.selected.architecture)]
        if (
            trained.keys() >= set(ids)
            and trained_accuracy(plan, [trained[id] for id in ids])
            not in record.accuracies
        ):
            return False
    return True
