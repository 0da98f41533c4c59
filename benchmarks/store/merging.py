"""Joins folders of one study, made on several machines or with several seeds.

Everything is read and compared before anything is written. Files are written in an
order that an interruption leaves a folder of the study with a part of its runs: the
same command resumes there.
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
    """How many facts and traces were copied, and how many were there already."""

    copied: int
    present: int


def _ignore(line: str) -> None:
    """Do nothing with a line."""


def merge_folders(
    roots: Sequence[Path],
    out: Path,
    notify: Callable[[str], None] = _ignore,
) -> Merged:
    """Copy all facts of some folders into one folder.

    The same run made twice is taken once, from the first folder that has it, provided
    that both selected and counted the same; its times may differ. A run that failed in
    one folder and is finished in another is finished. Traces are copied, too, each from
    the first folder that has it, and the logs of what is copied. Supernets, checkpoints
    and unfinished runs are not. All folders are locked meanwhile, except sources that
    cannot be written to.

    Args:
        roots: the folders.
        out: where to; may be one of them, or hold a part of them already.
        notify: called with a line for each folder whose runs are not finished, and one
            if several commits of archselect made the runs.

    Returns:
        How much was copied.

    Raises:
        UserError: before anything is written, if a folder is not one of records, comes
            twice or lies within another, is being written by another command, or is of
            another study; if facts contradict one another (all are listed); or if no
            run is finished in any.
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
    """Yield a line for each folder of which runs are not finished."""
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
            f"another command has written into {target.root} meanwhile: run this one again"
        )


# --- places


def _check_places(roots: Sequence[Path], out: Path) -> None:
    """Raise UserError for a folder that is missing, named twice or within another."""
    faults = Faults()
    places = [root.resolve() for root in roots]
    for root, place in zip(roots, places, strict=True):
        if not root.is_dir():
            message = f"there is no folder {root}: name one that 'archselect run STUDY --out DIR' has written"
            faults.add(UserError(message))
        times = places.count(place)
        if times > 1:
            message = f"{root} is given {times} times: name each folder once"
            faults.add(UserError(message))
    named = dict(zip(places, roots, strict=True))
    named[out.resolve()] = out
    for place, root in named.items():
        for outer in place.parents:
            if outer in named:
                message = f"{root} lies within {named[outer]}: name folders that lie beside each other"
                faults.add(UserError(message))
    faults.raise_any()


# --- writing


def _write(target: Folder, info: StudyInfo, gathered: Gathered) -> Merged:
    """Write what the target lacks.

    The study comes first, so that an interruption leaves a folder of it that can be
    reported on, and merged into again.
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
