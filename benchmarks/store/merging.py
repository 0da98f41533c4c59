"""Joins folders of records of one study, made on several machines or with several seeds.

All is read and compared before anything is written, and written so that an interruption
leaves a folder of the study with a part of its runs: the same command goes on from
there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from archselect.benchmarks.store.facts import (
    content_id,
    read_checked,
    read_fact,
    short_commit,
    write_fact,
)
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.one_study import Sameness, check_claim, differing_field
from archselect.benchmarks.store.records import (
    Failure,
    Landscape,
    Record,
    StudyInfo,
    Trained,
)
from archselect.benchmarks.store.traces import Trace, read_trace, write_trace
from archselect.nasbench_adapters.atomic_files import lock_folder, write_atomically
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.input_files import unreadable

Kept = Record | Trained | Landscape | Failure
KINDS: tuple[type[Kept], ...] = (Landscape, Trained, Record, Failure)
"""What is copied, in this order: what a record names is there before it."""


def merge_folders(
    roots: Sequence[Path], out: Path, notify: Callable[[str], None] = lambda line: None
) -> tuple[int, int]:
    """Copy all facts of the folders into `out`, which may be one of them, or hold a part of them already.

    The same run made twice is taken once, from the first folder that has it, provided
    that both selected and counted the same; its times may differ. A run that failed in
    one folder and is finished in another is finished. Traces come along, each from the
    first folder that has it, and the logs of what is taken. Supernets, checkpoints and
    unfinished runs stay behind. All folders are held meanwhile, but for sources that
    cannot be written to.

    Args:
        roots: the folders.
        out: where to.
        notify: called with a line for each folder whose runs are not finished, and one
            if several commits of archselect made the runs.

    Returns:
        How many facts and traces were copied, and how many were there already.

    Raises UserError, before anything is written, if a folder is none of ours, comes
    twice or lies within another, is being written by another command, or is of another
    study; if facts contradict one another (all are listed); or if no run is finished in
    any.
    """
    _check_places(roots, out)
    folders = [Folder(root) for root in roots]
    target = Folder(out)
    _join_studies(folders, target)
    is_new = not out.exists()
    is_among = out.resolve() in [root.resolve() for root in roots]
    with ExitStack() as locks:
        for root in roots:
            if os.access(root, os.W_OK):
                locks.enter_context(lock_folder(root))
        if not is_new and not is_among:
            locks.enter_context(lock_folder(out))
        info = _join_studies(folders, target)
        gathered = _Gathered(set(info.runs))
        for folder in folders if is_new or is_among else [target, *folders]:
            gathered.take_all(folder)
        gathered.refuse()
        if is_new:
            locks.enter_context(lock_folder(out))
            if target.study_path.exists():
                raise UserError(
                    f"another command has written into {out} meanwhile: run this one again"
                )
        for line in (*_unfinished(folders), *gathered.commits_in_words()):
            notify(line)
        return _write(target, info, gathered)


def _unfinished(folders: Iterable[Folder]) -> Iterator[str]:
    """Yield a line for each folder of which runs are not finished."""
    for folder in folders:
        info = folder.study()
        done = sum(folder.path(Record, run).is_file() for run in info.runs)
        if done < len(info.runs):
            yield f"{folder.root}: {done} of {len(info.runs)} runs are finished; '{info.command}' goes on there"


# --- places


def _check_places(roots: Sequence[Path], out: Path) -> None:
    """Raise UserError for a folder that comes twice, is not there, or lies within another one or around it."""
    faults = Faults()
    places = [root.resolve() for root in roots]
    for root, place in zip(roots, places, strict=True):
        if not root.is_dir():
            faults.add(
                UserError(
                    f"there is no folder {root}: name one that 'archselect run STUDY --out DIR' has written"
                )
            )
        if places.count(place) > 1:
            faults.add(
                UserError(
                    f"{root} is given {places.count(place)} times: name each folder once"
                )
            )
    every = dict(zip([*places, out.resolve()], [*roots, out], strict=True))
    for place, root in every.items():
        for other, outer in every.items():
            if other in place.parents:
                faults.add(
                    UserError(
                        f"{root} lies within {outer}: name folders that lie beside each other"
                    )
                )
    faults.raise_any()


# --- the study


def _join_studies(folders: Sequence[Folder], target: Folder) -> StudyInfo:
    """Return the study of all: every run, label and command of any, and of the target.

    Raises UserError if they are not of one study.
    """
    infos = [folder.study() for folder in folders]
    first = infos[0]
    for folder, info in zip(folders, infos, strict=True):
        if differing := differing_field(info, first):
            raise UserError(
                f"{folder.root} and {folders[0].root} are of different studies: their {differing} differ; merge those "
                "of one"
            )
    check_claim(target, first)
    if target.study_path.is_file():
        infos.insert(0, target.study())  # so that a second merge changes nothing

    def union(values: Iterable[Sequence[str]]) -> list[str]:
        return list(dict.fromkeys(value for of_one in values for value in of_one))

    return first.model_copy(
        update={
            "runs": union(info.runs for info in infos),
            "labels": union(info.labels for info in infos),
            "references": union(info.references for info in infos),
            "differences": union(info.differences for info in infos),
            "variant_of": next(
                (info.variant_of for info in infos if info.variant_of), None
            ),
            "command": "; ".join(union(info.command.split("; ") for info in infos))
            or "archselect merge",
        }
    )


# --- what they hold


@dataclass(frozen=True)
class _Taken:
    """A fact or trace that is taken: from which folder, its file, and the hash of what has to be the same elsewhere.

    `commit` is of the archselect that made it, None where that is not known or does not
    matter.
    """

    folder: Folder
    path: Path
    content: str
    commit: str | None = None


class _Gathered:
    """All facts and traces of some folders, each from the first folder that has it, and how they contradict.

    Attributes:
        facts: by kind and id.
        traces: by the supernet's id.
    """

    def __init__(self, runs: set[str]) -> None:
        self.facts: dict[tuple[type[Kept], str], _Taken] = {}
        self.traces: dict[str, _Taken] = {}
        self._runs = runs
        self._sameness = Sameness()
        self._faults = Faults()

    def take_all(self, folder: Folder) -> None:
        """Take what a folder holds and no other had.

        Raises UserError for a damaged file.
        """
        for kind in KINDS:
            for path in sorted(folder.path(kind, "x").parent.glob("*.json")):
                self._take(folder, path, kind)
        for path in sorted(folder.trace("x").parent.glob("*.npz")):
            taken = _Taken(folder, path, _hash_of(read_trace(path)))
            first = self.traces.setdefault(path.stem, taken)
            self._compare(first, taken, "traces of one supernet, with other numbers")

    def _take(self, folder: Folder, path: Path, kind: type[Kept]) -> None:
        fact = read_checked(path, kind)
        commit = fact.commit if isinstance(fact, Record | Trained) else None
        taken = _Taken(folder, path, _content(fact), commit)
        first = self.facts.setdefault((kind, fact.id), taken)
        self._compare(first, taken, "the same inputs, and more than the times differ")
        if isinstance(fact, Record | Failure) and fact.id in self._runs:
            self._sameness.note_run(folder.root, fact.inputs, self._faults)
        if isinstance(fact, Landscape):
            self._sameness.note_truth(folder.root, fact, self._faults)

    def _compare(self, first: _Taken, other: _Taken, how: str) -> None:
        if first.content == other.content:
            return
        commits = (
            f" (made by {short_commit(first.commit)} and {short_commit(other.commit)})"
        )
        self._faults.add(
            UserError(
                f"{first.path} and {other.path} contradict one another: {how}"
                f"{commits if first.commit != other.commit else ''}; find out why and remove one of them"
            )
        )

    def wanted(self) -> list[tuple[type[Kept], str, _Taken]]:
        """Return the facts, what others refer to first, without failures of runs that are finished elsewhere."""
        return [
            (kind, id, taken)
            for wanted in KINDS
            for (kind, id), taken in self.facts.items()
            if kind is wanted and not (kind is Failure and (Record, id) in self.facts)
        ]

    def commits_in_words(self) -> Iterator[str]:
        """Yield a line if several commits made the runs."""
        commits = {
            taken.commit for (kind, _), taken in self.facts.items() if kind is Record
        }
        if len(commits) > 1:
            listed = ", ".join(sorted(map(short_commit, commits)))
            yield f"{len(commits)} commits of archselect made the runs ({listed}); the report says which made which"

    def refuse(self) -> None:
        """Raise UserError, with all faults, if what was taken contradicts itself, or if no run in it is finished."""
        self._faults.raise_any()
        if not any(kind is Record for kind, _ in self.facts):
            raise UserError(
                "none of the folders holds a finished run: run their study's commands first"
            )


def _content(fact: Kept) -> str:
    """Return the hash of what has to be the same wherever it was made; of a failure, only that it is one."""
    if isinstance(fact, Failure):
        return fact.id
    return content_id(
        fact.facts()
        if isinstance(fact, Record | Trained)
        else fact.model_dump(mode="json")
    )


def _hash_of(trace: Trace) -> str:
    """Return the hash of all that a trace says, but for the commit that made it."""
    digest = hashlib.sha256(trace.info.model_dump_json(exclude={"commit"}).encode())
    for array in (
        trace.losses,
        *(array for cell in trace.cells for array in vars(cell).values()),
    ):
        digest.update(array.tobytes())
    return digest.hexdigest()


# --- what is written


def _write(target: Folder, info: StudyInfo, gathered: _Gathered) -> tuple[int, int]:
    """Write what the target lacks; how much that was, and how much was there.

    The study comes first, so that an interruption leaves a folder of it that can be
    reported on, and merged into again.
    """
    target.refuse_links()
    write_fact(target.study_path, info, target.root)
    copied = 0
    for id, taken in gathered.traces.items():
        if not target.trace(id).is_file():
            write_trace(target.trace(id), read_trace(taken.path))
            _copy_log(taken.folder, target, id)
            copied += 1
    facts = gathered.wanted()
    for kind, id, taken in facts:
        if not target.path(kind, id).is_file():
            write_fact(target.path(kind, id), read_fact(taken.path, kind), target.root)
            _copy_log(taken.folder, target, id)
            copied += 1
        if kind is Record:
            target.path(Failure, id).unlink(missing_ok=True)
    return copied, len(gathered.traces) + len(facts) - copied


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
