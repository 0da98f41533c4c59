"""The folder of records: which file is where.

A folder holds `study.json` (the resolved study), `records/ID.json` (one per finished
run), `failures/ID.json` (one per run that raised), `landscapes/ID.json` (what a ground
truth says of a whole space), `fronts/ID.json` (what a truth and a cost say of it
together), `baselines/ID.json` (what queries of a reward can find in it) and
`trainings/ID.json` (architectures trained to the end).
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
"""One file of each folder that reports write into, and the files that stand alone."""
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
"""The same of all that commands write into a folder of records or of scores."""
_FOLDERS: dict[type[Fact], str] = {
    Record: "records",
    Failure: "failures",
    Landscape: "landscapes",
    TrueFront: "fronts",
    QueryBaseline: "baselines",
    Trained: "trainings",
    Scored: "scores",
}
"""Where the files of a kind of fact are."""


class Folder:
    """A folder of records."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # --- where files are

    def path(self, kind: type[Fact], id: str) -> Path:
        """Return where a fact is: a record, a failure, a landscape, and so on."""
        return self.root / _FOLDERS[kind] / f"{id}.json"

    def files(self, kind: type[Fact]) -> list[Path]:
        """Return the files of a kind of fact, sorted by name."""
        return sorted((self.root / _FOLDERS[kind]).glob("*.json"))

    def selection(self, id: str) -> Path:
        """Return where a run's record waits for the training of its architecture."""
        return self.root / "selections" / f"{id}.json"

    def checkpoint(self, id: str) -> Path:
        """Return where the weights of a final training are, finished or not."""
        return self.root / "checkpoints" / f"{id}.pt"

    def supernet(self, id: str) -> Path:
        """Return where a supernet is."""
        return self.root / "supernets" / f"{id}.pt"

    def trace(self, id: str) -> Path:
        """Return where the trace of a supernet is; see :mod:`.traces`."""
        return self.root / "traces" / f"{id}.npz"

    def journal(self, id: str) -> Path:
        """Return where the journal of an unfinished run is, without suffix."""
        return self.root / "progress" / id

    def log(self, id: str) -> Path:
        """Return where the log of a run, supernet or training is; see :mod:`.logs`."""
        return self.root / "logs" / f"{id}.jsonl"

    def scored(self, seed: int, start: int) -> Path:
        """Return where a seed's scores are, from the architecture at `start` on."""
        return self.root / "scores" / f"{seed}-{start:06d}.json"

    @property
    def study_path(self) -> Path:
        """The file that says which study the folder is of."""
        return self.root / "study.json"

    @property
    def compact_path(self) -> Path:
        """The file of all records together; see :mod:`.compaction`."""
        return self.root / "records.parquet"

    @property
    def scoring_path(self) -> Path:
        """The file that says which scores the folder holds."""
        return self.root / "scoring.json"

    @property
    def population_path(self) -> Path:
        """The file of the architectures that are scored."""
        return self.root / "population.json"

    # --- reading

    def study(self) -> StudyInfo:
        """Return the study.

        Raises UserError if the folder is not one of records.
        """
        if not self.study_path.is_file():
            raise UserError(
                f"{self.root} holds no study.json: name a folder that 'archselect run STUDY --out DIR' has written"
            )
        return read_fact(self.study_path, StudyInfo)

    def read_all(self, kind: type[FactType]) -> Iterator[FactType]:
        """Yield every fact of a kind, in order of file name.

        What another process removes meanwhile is left out. Raises UserError for a
        damaged file.
        """
        for path in self.files(kind):
            fact = read_fact_if_there(path, kind)
            if fact is not None:
                yield fact

    def check_all(self, kind: type[FactType]) -> Iterator[FactType]:
        """Yield every fact of a kind as :meth:`read_all`, each checked."""
        for path in self.files(kind):
            fact = read_fact_if_there(path, kind)
            if fact is not None:
                check_fact(path, fact)
                yield fact

    # --- before writing

    def refuse_links(self, names: Iterable[str] = WRITTEN_FILES) -> None:
        """Raise UserError if what is to be written is a link, or a pipe for instance.

        This finds a link before anything is computed. Every function that writes a file
        checks that file once more.
        """
        for name in names:
            refuse_links(self.root / name, self.root)
