"""The folder of records, and the places of its files.

A folder holds `study.json` (the resolved study), `records/ID.json` (one per finished
run), `failures/ID.json` (one per failed run), `landscapes/ID.json` (statistics of a
ground truth over a whole space), `fronts/ID.json` (the true front of a ground truth and
a cost), `baselines/ID.json` (what queries of a reward can find) and `trainings/ID.json`
(architectures trained to the end). Records are facts, written atomically and never
edited; every table and figure is a pure function of the folder.
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
from archselect.benchmarks.store.records.front import TrueFront
from archselect.benchmarks.store.records.landscape import Landscape
from archselect.benchmarks.store.records.query_baseline import QueryBaseline
from archselect.benchmarks.store.records.record import Failure, Record
from archselect.benchmarks.store.records.scores import Scored
from archselect.benchmarks.store.records.study import StudyInfo
from archselect.benchmarks.store.records.training import Trained
from archselect.nasbench_adapters.atomic_files import refuse_links
from archselect.nasbench_adapters.errors import UserError

REPORT_FILES = (
    "report/figures/any.svg",
    "report.html",
    "records.parquet",
    "scores.csv",
)
"""One file of each folder that reports write, and the single files of reports."""
WRITTEN_FILES = (
    *REPORT_FILES,
    "study.json",
    "scoring.json",
    "population.json",
    "records/any.json",
    "failures/any.json",
    "landscapes/any.json",
    "fronts/any.json",
    "baselines/any.json",
    "trainings/any.json",
    "scores/any.json",
    "selections/any.json",
    "checkpoints/any.pt",
    "supernets/any.pt",
    "traces/any.npz",
    "progress/any.jsonl",
    "logs/any.jsonl",
)
"""The same for everything that commands write into a folder of records or scores."""
_FOLDERS: dict[type[Fact], str] = {
    Record: "records",
    Failure: "failures",
    Landscape: "landscapes",
    TrueFront: "fronts",
    QueryBaseline: "baselines",
    Trained: "trainings",
    Scored: "scores",
}
"""The folder of each kind of fact."""


class Folder:
    """A folder of records."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # --- where files are

    def path(self, kind: type[Fact], id: str) -> Path:
        """Return the path of a fact: a record, a failure, a landscape, and so on."""
        return self.root / _FOLDERS[kind] / f"{id}.json"

    def files(self, kind: type[Fact]) -> list[Path]:
        """Return the files of a kind of fact, sorted by name."""
        return sorted((self.root / _FOLDERS[kind]).glob("*.json"))

    def selection(self, id: str) -> Path:
        """Return the path of a run's record before its architecture is trained."""
        return self.root / "selections" / f"{id}.json"

    def checkpoint(self, id: str) -> Path:
        """Return the path of the weights of a final training, finished or not."""
        return self.root / "checkpoints" / f"{id}.pt"

    def supernet(self, id: str) -> Path:
        """Return the path of a supernet."""
        return self.root / "supernets" / f"{id}.pt"

    def trace(self, id: str) -> Path:
        """Return the path of the trace of a supernet (:mod:`.traces`)."""
        return self.root / "traces" / f"{id}.npz"

    def journal(self, id: str) -> Path:
        """Return the path of the journal of an unfinished run, without suffix."""
        return self.root / "progress" / id

    def log(self, id: str) -> Path:
        """Return the path of the log of a run, supernet or training (:mod:`.logs`)."""
        return self.root / "logs" / f"{id}.jsonl"

    def scored(self, seed: int, start: int) -> Path:
        """Return the path of a seed's scores of the part that starts at `start`."""
        return self.root / "scores" / f"{seed}-{start:06d}.json"

    @property
    def study_path(self) -> Path:
        """The file that says which study the folder holds."""
        return self.root / "study.json"

    @property
    def compact_path(self) -> Path:
        """The file of all records together (:mod:`.compaction`)."""
        return self.root / "records.parquet"

    @property
    def scoring_path(self) -> Path:
        """The file that says which scores the folder holds."""
        return self.root / "scoring.json"

    @property
    def population_path(self) -> Path:
        """The file of the scored architectures."""
        return self.root / "population.json"

    # --- reading

    def study(self) -> StudyInfo:
        """Return the study.

        Raises UserError if the folder holds no study.
        """
        if not self.study_path.is_file():
            raise UserError(
                f"{self.root} holds no study.json: name a folder that 'archselect run STUDY --out DIR' wrote"
            )
        return read_fact(self.study_path, StudyInfo)

    def read_all(self, kind: type[FactType]) -> Iterator[FactType]:
        """Yield every fact of a kind, in order of file name.

        Files that another process removes in the meantime are skipped. Raises UserError
        for a damaged file.
        """
        for path in self.files(kind):
            fact = read_fact_if_there(path, kind)
            if fact is not None:
                yield fact

    def check_all(self, kind: type[FactType]) -> Iterator[FactType]:
        """Yield every fact of a kind like :meth:`read_all`, and check each one."""
        for path in self.files(kind):
            fact = read_fact_if_there(path, kind)
            if fact is not None:
                check_fact(path, fact)
                yield fact

    # --- before writing

    def refuse_links(self, names: Iterable[str] = WRITTEN_FILES) -> None:
        """Raise UserError if a file to write is a link, or another special file.

        This finds a link before any computation. Every function that writes a file
        checks that file again.
        """
        for name in names:
            refuse_links(self.root / name, self.root)
