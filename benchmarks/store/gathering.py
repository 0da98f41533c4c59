"""Gather the content of several folders of one study, and find contradictions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from archselect.benchmarks.store.facts import content_id, read_checked, short_commit
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.one_study import ComponentVersions
from archselect.benchmarks.store.records import (
    Failure,
    Landscape,
    QueryBaseline,
    Record,
    Trained,
    TrueFront,
)
from archselect.benchmarks.store.traces import Trace, read_trace
from archselect.nasbench_adapters.errors import Faults, UserError

MergedFact = Record | Trained | Landscape | TrueFront | QueryBaseline | Failure
MERGED_KINDS: tuple[type[MergedFact], ...] = (
    Landscape,
    TrueFront,
    QueryBaseline,
    Trained,
    Record,
    Failure,
)
"""Kinds that are copied, in this order: what a record refers to comes first."""


_Key = tuple[type[MergedFact], str]
"""Kind and id of a fact."""


@dataclass(frozen=True)
class SourceFile:
    """A file of a fact or trace in one of the folders.

    Attributes:
        folder: folder of the file.
        path: path of the file.
        content: hash of what must be the same in every folder.
        commit: commit of archselect that made it; None if unknown or irrelevant.
    """

    folder: Folder
    path: Path
    content: str
    commit: str | None = None


class FactSource(NamedTuple):
    """A fact by kind and id, and the file to copy it from."""

    kind: type[MergedFact]
    id: str
    file: SourceFile


class Gathered:
    """All facts and traces of some folders, each from the first folder that has it.

    Args:
        runs: ids of the study's runs.

    Attributes:
        traces: traces by the supernet's id.
    """

    def __init__(self, runs: set[str]) -> None:
        self.traces: dict[str, SourceFile] = {}
        self._facts: dict[_Key, SourceFile] = {}
        self._runs = runs
        self._versions = ComponentVersions()
        self._faults = Faults()

    def add_folder(self, folder: Folder) -> None:
        """Add what a folder has and no earlier folder has.

        Contradictions are collected for :meth:`raise_faults`. Raises UserError for a
        damaged file.
        """
        for kind in MERGED_KINDS:
            for path in folder.files(kind):
                self._add_fact(folder, path, kind)
        for path in sorted(folder.trace("x").parent.glob("*.npz")):
            file = SourceFile(folder, path, _hash_trace(read_trace(path)))
            first = self.traces.setdefault(path.stem, file)
            self._compare(
                first,
                file,
                "they are traces of the same supernet, with different numbers",
            )

    def _add_fact(
        self,
        folder: Folder,
        path: Path,
        kind: type[MergedFact],
    ) -> None:
        fact = read_checked(path, kind)
        commit = fact.commit if isinstance(fact, Record | Trained) else None
        file = SourceFile(folder, path, _hash_fact(fact), commit)
        first = self._facts.setdefault((kind, fact.id), file)
        self._compare(
            first, file, "they have the same inputs, but more than the times differ"
        )
        if isinstance(fact, Record | Failure) and fact.id in self._runs:
            self._versions.note_run(folder.root, fact.inputs, self._faults)
        if isinstance(fact, Landscape):
            self._versions.note_truth(folder.root, fact, self._faults)

    def _compare(
        self,
        first: SourceFile,
        other: SourceFile,
        how: str,
    ) -> None:
        """Add a fault if two files of one id differ in what must be the same."""
        if first.content == other.content:
            return
        commits = ""
        if first.commit != other.commit:
            one = short_commit(first.commit)
            commits = f" (made by {one} and {short_commit(other.commit)})"
        self._faults.add(
            UserError(
                f"{first.path} and {other.path} contradict each other: {how}{commits}; find out why, and remove one "
                "of them"
            )
        )

    def raise_faults(self) -> None:
        """Raise UserError for all contradictions, or if no run is finished."""
        self._faults.raise_any()
        if not any(kind is Record for kind, _ in self._facts):
            raise UserError(
                "none of the folders holds a finished run: run their study's commands first"
            )

    def facts(self) -> list[FactSource]:
        """Return the facts to copy; facts that others refer to come first.

        Failures of runs that are finished in another folder are left out.
        """
        sources = []
        for (kind, id), file in self._facts.items():
            is_finished = (Record, id) in self._facts
            if kind is not Failure or not is_finished:
                sources.append(FactSource(kind, id, file))
        return sorted(sources, key=_place_of_kind)

    def describe_commits(self) -> Iterator[str]:
        """Yield a line if several commits made the runs."""
        commits = set()
        for (kind, _), file in self._facts.items():
            if kind is Record:
                commits.add(file.commit)
        if len(commits) > 1:
            listed = ", ".join(sorted(map(short_commit, commits)))
            yield (
                f"{len(commits)} commits of archselect made the runs ({listed}); "
                "the report shows which commit made which run"
            )


def _place_of_kind(source: FactSource) -> int:
    return MERGED_KINDS.index(source.kind)


def _hash_fact(fact: MergedFact) -> str:
    """Return the hash of what is the same each time a fact is made.

    Two failures of a run count as the same, whatever their errors.
    """
    if isinstance(fact, Failure):
        return fact.id
    if isinstance(fact, Record | Trained):
        return content_id(fact.facts())
    return content_id(fact.model_dump(mode="json"))


def _hash_trace(trace: Trace) -> str:
    """Return the hash of a trace, without the commit that made it."""
    text = trace.info.model_dump_json(exclude={"commit"})
    digest = hashlib.sha256(text.encode())
    digest.update(trace.losses.tobytes())
    for cell in trace.cells:
        for array in vars(cell).values():
            digest.update(array.tobytes())
    return digest.hexdigest()
