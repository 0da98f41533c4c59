"""Merge folders of one study, from several machines or with several seeds.

Everything is read and compared before anything is written. Files are written in such an
order that an interruption leaves a folder of the study with some of its runs: rerun the
same command to resume.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from archselect.benchmarks.store.facts import read_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.gathering import Gathered
from archselect.benchmarks.store.one_study import join_studies
from archselect.benchmarks.store.records import Failure, Record, StudyInfo
from archselect.benchmarks.store.traces import read_trace, write_trace
from archselect.nasbench_adapters.atomic_files import lock_folder, write_atomically
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.input_files import unreadable


class Merged(NamedTuple):
    """The number of facts and traces that were copied, and that existed already."""

    copied: int
    present: int


def _ignore(line: str) -> None:
    """Ignore a line."""


def merge_folders(
    roots: Sequence[Path],
    out: Path,
    notify: Callable[[str], None] = _ignore,
) -> Merged:
    """Copy all facts of some folders into one folder.

    If a run was made twice, it is taken from the first folder that has it. Both must
    have the same selection and the same counts; their times can differ. A run that
    failed in one folder and is finished in another counts as finished. Traces are also
    copied from the first folder that has them, and so are the logs of everything that
    is copied. Supernets, checkpoints and unfinished runs are not copied. All folders
    are locked in the meantime, except sources that cannot be written.

    Args:
        roots: the folders.
        out: folder to write; it can be one of them, or already hold some of the
            content.
        notify: function that gets a line for each folder with unfinished runs, and a
            line if several commits of archselect made the runs.

    Returns:
        How much was copied.

    Raises:
        UserError: before anything is written, if a folder holds no study, is named
        twice
            or lies within another, is in use by another command, or holds another
            study; if facts contradict each other (all are listed); or if no folder has
            a finished run.
    """
    _check_places(roots, out)
    folders = [Folder(root) for root in roots]
    target = Folder(out)
    join_studies(folders, target)  # refuses other studies before it locks anything
    is_new = not out.exists()
    resolved = [root.resolve() for root in roots]
    is_source = out.resolve() in resolved
    sources = folders if is_new or is_source else [target, *folders]
    with ExitStack() as locks:
        for folder in sources:
            if folder is target or os.access(folder.root, os.W_OK):
                locks.enter_context(lock_folder(folder.root))
        info = join_studies(folders, target)
        gathered = Gathered(set(info.runs))
        for folder in sources:
            gathered.add_folder(folder)
        gathered.raise_faults()
        if is_new:
            locks.enter_context(lock_folder(out))
            _check_still_new(target)
        for line in (*_describe_unfinished(folders), *gathered.describe_commits()):
            notify(line)
        return _write(target, info, gathered)


def _describe_unfinished(folders: Iterable[Folder]) -> Iterator[str]:
    """Yield a line for each folder with unfinished runs."""
    for folder in folders:
        info = folder.study()
        runs = len(info.runs)
        records = [folder.path(Record, run) for run in info.runs]
        done = sum(record.is_file() for record in records)
        if done < runs:
            yield f"{folder.root}: {done} of {runs} runs are finished; '{info.command}' resumes there"


def _check_still_new(target: Folder) -> None:
    """Raise UserError if another command has written a study into a new folder."""
    if target.study_path.exists():
        raise UserError(
            f"another command has written into {target.root} in the meantime: rerun this command"
        )


# --- places


def _check_places(roots: Sequence[Path], out: Path) -> None:
    """Raise UserError for a folder that is missing, named twice or within another."""
    faults = Faults()
    places = [root.resolve() for root in roots]
    for root, place in zip(roots, places, strict=True):
        if not root.is_dir():
            message = f"there is no folder {root}: name one that 'archselect run STUDY --out DIR' wrote"
            faults.add(UserError(message))
        times = places.count(place)
        if times > 1:
            message = f"{root} is named {times} times: name each folder once"
            faults.add(UserError(message))
    named = dict(zip(places, roots, strict=True))
    named[out.resolve()] = out
    for place, root in named.items():
        for outer in place.parents:
            if outer in named:
                message = f"{root} lies within {named[outer]}: name folders that are not within each other"
                faults.add(UserError(message))
    faults.raise_any()


# --- writing


def _write(target: Folder, info: StudyInfo, gathered: Gathered) -> Merged:
    """Write what the target lacks.

    The study is written first. An interruption then leaves a folder of the study, which
    can be reported on and merged again.
    """
    target.refuse_links()
    write_fact(target.study_path, info, target.root)
    facts = gathered.facts()
    copied = 0
    for id, file in gathered.traces.items():
        if not target.trace(id).is_file():
            write_trace(target.trace(id), read_trace(file.path))
            _copy_log(file.folder, target, id)
            copied += 1
    for kind, id, file in facts:
        path = target.path(kind, id)
        if not path.is_file():
            write_fact(path, read_fact(file.path, kind), target.root)
            _copy_log(file.folder, target, id)
            copied += 1
        if kind is Record:
            target.path(Failure, id).unlink(missing_ok=True)
    total = len(gathered.traces) + len(facts)
    return Merged(copied, present=total - copied)


def _copy_log(source: Folder, target: Folder, id: str) -> None:
    """Copy the log of a run, training or supernet, if there is one."""
    path = source.log(id)
    if not path.is_file():
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    write_atomically(target.log(id), content, target.root)
