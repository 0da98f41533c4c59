"""Joins folders of records of one study, made on several machines or with several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archselect.benchmarks.records import (
    Failure,
    Folder,
    Landscape,
    Record,
    StudyInfo,
    Trained,
    UserError,
    short_commit,
    write_fact,
)
from archselect.benchmarks.traces import Trace, read_trace, write_trace

Kept = Record | Trained | Landscape | Failure


def merge_folders(roots: Sequence[Path], out: Path) -> tuple[int, int]:
    """Copy all facts of the folders into `out`, which may be one of them.

    The same run made twice is taken once, from the first folder that has it, provided that both selected and counted
    the same; its times may differ. A run that failed in one folder and is finished in another is finished. Traces come
    along, each from the first folder that has it. Supernets, checkpoints and unfinished runs stay behind.

    Returns:
        How many facts and traces were copied, and how many were there already.

    Raises UserError, before anything is written, if a folder is none of ours, they are of different studies, or two
    of them contradict one another.
    """
    folders = [Folder(root) for root in roots]
    info = _joined([(folder, folder.study()) for folder in folders])
    facts: dict[Path, tuple[Path, Kept]] = {}
    target = Folder(out)
    traces: dict[Path, Trace] = {}
    for folder in folders:
        for here in sorted(folder.trace("x").parent.glob("*.npz")):
            there = target.trace(here.stem)
            if there not in traces:
                traces[there] = read_trace(here)
        for fact in _facts(folder):
            here = folder.path(type(fact), fact.id)
            there, first = facts.setdefault(target.path(type(fact), fact.id), (here, fact))
            if _content(first) != _content(fact):
                raise UserError(
                    f"{there} and {here} contradict one another: the same inputs, and more than the times differ"
                    f"{_other_commits(first, fact)}; find out why and remove one of them"
                )
    target.refuse_links()
    copied = kept = 0
    for path, (_, fact) in facts.items():
        if isinstance(fact, Failure) and target.path(Record, fact.id) in facts:
            path.unlink(missing_ok=True)
        elif path.is_file():
            kept += 1
        else:
            write_fact(path, fact, out)
            copied += 1
    for path, trace in traces.items():
        if path.is_file():
            kept += 1
        else:
            write_trace(path, trace)
            copied += 1
    write_fact(target.study_path, info, out)
    return copied, kept


def _facts(folder: Folder) -> list[Kept]:
    return [*folder.read_all(Record), *folder.read_all(Trained), *folder.read_all(Landscape), *folder.read_all(Failure)]


def _content(fact: Kept) -> object:
    """What has to be the same wherever it was made; of a failure, only that it is one."""
    if isinstance(fact, Record | Trained):
        return fact.facts()
    return fact.id if isinstance(fact, Failure) else fact.model_dump(mode="json")


def _other_commits(first: Kept, second: Kept) -> str:
    """Return in words which commits made two records, if these differ."""
    if not isinstance(first, Record | Trained) or not isinstance(second, Record | Trained):
        return ""
    if first.commit == second.commit:
        return ""
    return f" (made by {short_commit(first.commit)} and {short_commit(second.commit)})"


def _joined(found: Sequence[tuple[Folder, StudyInfo]]) -> StudyInfo:
    """The study of all: every run, label and command of any. Raises UserError if they are not of one study."""
    (folder, first), *others = found
    for other, info in others:
        for what in ("name", "title", "source", "tables", "reproduces"):
            if getattr(info, what) != getattr(first, what):
                raise UserError(
                    f"{other.root} and {folder.root} are of different studies: their {what} differ; merge those of one"
                )
    infos = [info for _, info in found]

    def union(values: Sequence[list[str]]) -> list[str]:
        return list(dict.fromkeys(value for own in values for value in own))

    return first.model_copy(
        update={
            "runs": union([info.runs for info in infos]),
            "labels": union([info.labels for info in infos]),
            "references": union([info.references for info in infos]),
            "differences": union([info.differences for info in infos]),
            "variant_of": next((info.variant_of for info in infos if info.variant_of), None),
            "command": "; ".join(union([[info.command] for info in infos])) or "archselect merge",
        }
    )
