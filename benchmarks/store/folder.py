"""The folder of records: which file is where.

A folder holds `study.json` (the resolved study), `records/ID.json` (one per finished
run), `failures/ID.json` (one per run that raised), `landscapes/ID.json` (what a truth
says of a whole space) and `trainings/ID.json` (architectures trained to the end).
Records are facts, written atomically and never edited; every table and figure is a pure
function of the folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from archselect.benchmarks.store.facts import (
    Fact,
    FactType,
    check_fact,
    read_fact,
    read_fact_if_there,
)
from archselect.benchmarks.store.records.landscape import Landscape
from archselect.benchmarks.store.records.record import Failure, Record
from archselect.benchmarks.store.records.scores import Scored
from archselect.benchmarks.store.records.study import StudyInfo
from archselect.benchmarks.store.records.training import Trained
from archselect.nasbench_adapters.atomic_files import refuse_links
from archselect.nasbench_adapters.errors import UserError

OF_REPORTS = ("report/figures/any.svg", "report.html", "records.parquet", "scores.csv")
"""A file of each folder that reports write, and the files that stand alone."""
WRITTEN = (
    *OF_REPORTS,
    "study.json",
    "scoring.json",
    "population.json",
    "records/any.json",
    "failures/any.json",
    "landscapes/any.json",
    "trainings/any.json",
    "scores/any.json",
    "selections/any.json",
    "checkpoints/any.pt",
    "supernets/any.pt",
    "traces/any.npz",
    "progress/any.jsonl",
    "logs/any.jsonl",
)
"""The same of all that commands write into a folder of records or of scores."""


class Folder:
    """A folder of records."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, kind: type[Fact], id: str) -> Path:
        """Where a record, failure, landscape or training of that id is."""
        names: dict[type[Fact], str] = {
            Record: "records",
            Failure: "failures",
            Landscape: "landscapes",
            Trained: "trainings",
            Scored: "scores",
        }
        return self.root / names[kind] / f"{id}.json"

    def selection(self, id: str) -> Path:
        """Where the record of a run is whose selected architecture is still to be trained."""
        return self.root / "selections" / f"{id}.json"

    def checkpoint(self, id: str) -> Path:
        """Where the weights of a final training are, finished or not."""
        return self.root / "checkpoints" / f"{id}.pt"

    def supernet(self, id: str) -> Path:
        """Where a supernet is."""
        return self.root / "supernets" / f"{id}.pt"

    def trace(self, id: str) -> Path:
        """Where the trace of a supernet is; see :mod:`.traces`."""
        return self.root / "traces" / f"{id}.npz"

    def journal(self, id: str) -> Path:
        """Where the journal of an unfinished run is, without suffix."""
        return self.root / "progress" / id

    def log(self, id: str) -> Path:
        """Where the log of a run, supernet or training is; see :mod:`.logs`."""
        return self.root / "logs" / f"{id}.jsonl"

    @property
    def compact_path(self) -> Path:
        """All records in one file; see :mod:`.compaction`."""
        return self.root / "records.parquet"

    @property
    def scoring_path(self) -> Path:
        """The file that says which scores the folder holds."""
        return self.root / "scoring.json"

    @property
    def population_path(self) -> Path:
        """The architectures that are scored there."""
        return self.root / "population.json"

    def scored(self, seed: int, start: int) -> Path:
        """Where the scores of a seed are, from the architecture at `start` on."""
        return self.root / "scores" / f"{seed}-{start:06d}.json"

    def read_all(self, kind: type[FactType]) -> Iterator[FactType]:
        """Every fact of a kind, in order of file name; what is removed meanwhile is left out."""
        folder = self.path(kind, "x").parent
        for path in sorted(folder.glob("*.json")):
            fact = read_fact_if_there(path, kind)
            if fact is not None:
                yield fact

    def refuse_links(self, names: Iterable[str] = WRITTEN) -> None:
        """Raise UserError if a folder or file that a command writes is a link or something else, such as a pipe.

        So a link shows before anything is computed. Whatever writes a file looks at
        that file, too.
        """
        for name in names:
            refuse_links(self.root / name, self.root)

    def check_all(self, kind: type[FactType]) -> Iterator[FactType]:
        """Yield every fact of a kind as :meth:`read_all`, each checked by :func:`check_fact`."""
        for path in sorted(self.path(kind, "x").parent.glob("*.json")):
            fact = read_fact_if_there(path, kind)
            if fact is not None:
                check_fact(path, fact)
                yield fact

    @property
    def study_path(self) -> Path:
        """The file that says which study the folder is of."""
        return self.root / "study.json"

    def study(self) -> StudyInfo:
        """The study. Raises UserError if the folder is none of ours."""
        if not self.study_path.is_file():
            raise UserError(
                f"{self.root} holds no study.json: name a folder that 'archselect run STUDY --out DIR' has written"
            )
        return read_fact(self.study_path, StudyInfo)
