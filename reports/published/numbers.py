"""Published numbers, with where they stand, what each is of and how it was made: `published.csv`.

Columns:

* `value`, `std`: as printed. `exact` is there where what is printed is not of the row's
  kind: the value that is.
* `reduction`: "mean" or "best" of `seeds` runs; "single" for one run, whose `seeds` may
  name its supernet; "exact" for a constant of a table, whose `std` is the spread of
  single values and no error; empty where the paper does not say.
* `split`, `epochs`, `training_protocol`: which accuracy it is, looked up on a split
  after so many epochs, or of a final training by a protocol.
* `search_protocol`: how the search was made, by a name of `search_protocols.toml`;
  empty where that is not on record.
* `oracle`: of a rank correlation, the accuracies of operations it is with: a name of
  `released_oracles.csv`, or "table" for those of the benchmark's whole table.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from archselect.benchmarks.store.records import Reproduced
from archselect.nasbench_adapters.errors import unknown


@dataclass(frozen=True)
class Published:
    """One published number, or several single runs of one method together.

    Attributes:
        paper, table, space, dataset, method, metric: where it stands and of what it is.
        value: the number; of single runs their mean, over supernets where these are
            named.
        rounding: by how much rounding may have moved it.
        values: single runs, in order; empty for other numbers.
        independent: single runs, as the mean of each supernet where these are named.
        std: the printed standard deviation, None where there is none.
        reduction: "mean", "best", "exact", "single", or "" where it is not said.
        runs: how many runs it is of; None where that is not said.
        split, epochs, training_protocol: which accuracy it is, where it is one.
        search_protocol, oracle: as in the file.
        source, note: of the number.
    """

    paper: str
    table: str
    space: str
    dataset: str
    method: str
    metric: str
    value: float
    rounding: float
    values: tuple[float, ...]
    independent: tuple[float, ...]
    std: float | None
    reduction: str
    runs: int | None
    split: str
    epochs: int | None
    training_protocol: str
    search_protocol: str
    oracle: str
    source: str
    note: str

    @property
    def short_paper(self) -> str:
        """The paper's name without its authors and year."""
        return short(self.paper)


def short(paper: str) -> str:
    """Return a paper's name without what stands in brackets behind it."""
    return paper.partition(" (")[0]


@cache
def published() -> tuple[Published, ...]:
    """Return all published numbers, in the order of the papers' tables; single runs of one method as one."""
    with (Path(__file__).parent / "published.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        rows = list(csv.DictReader(file))
    keys = ("paper", "table", "space", "dataset", "method", "metric", "reduction")
    together: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for place, row in enumerate(rows):
        apart = "" if row["reduction"] == "single" else f"{place}"
        together.setdefault((*(row[key] for key in keys), apart), []).append(row)
    return tuple(_published(same) for same in together.values())


def find(reproduced: Reproduced) -> list[Published]:
    """Return the numbers that a study's entry names.

    Raises UserError, with the nearest name, if there are none.
    """
    rows: Sequence[Published] = published()
    for what, of in (("paper", short), ("table", str), ("method", str)):
        wanted = getattr(reproduced, what)
        known = dict.fromkeys(of(getattr(row, what)) for row in rows)
        if wanted not in known:
            raise unknown(f"{what} with published numbers", wanted, known)
        rows = [row for row in rows if of(getattr(row, what)) == wanted]
    return list(rows)


def check(entries: Iterable[Reproduced]) -> None:
    """Raise UserError for an entry that names no published number."""
    for entry in entries:
        find(entry)


def _published(rows: list[dict[str, str]]) -> Published:
    first = rows[0]
    single = first["reduction"] == "single"
    values = [float(row["exact"] or row["value"]) for row in rows]
    independent = _by_supernet(values, [row["seeds"] for row in rows])
    notes = dict.fromkeys(row["note"] for row in rows if row["note"])
    return Published(
        paper=first["paper"],
        table=first["table"],
        space=first["space"],
        dataset=first["dataset"],
        method=first["method"],
        metric=first["metric"],
        value=sum(independent) / len(independent),
        rounding=max(_rounding(row["exact"] or row["value"]) for row in rows),
        values=tuple(values) if single else (),
        independent=tuple(independent) if single else (),
        std=float(first["std"]) if first["std"] else None,
        reduction=first["reduction"],
        runs=_runs(rows),
        split=first["split"],
        epochs=int(first["epochs"]) if first["epochs"] else None,
        training_protocol=first["training_protocol"],
        search_protocol=first["search_protocol"],
        oracle=first["oracle"],
        source=first["source"],
        note="; ".join(notes),
    )


def _runs(rows: list[dict[str, str]]) -> int | None:
    """How many runs the number is of, None where that is not said."""
    if rows[0]["reduction"] == "single":
        return len(rows)
    return int(rows[0]["seeds"]) if rows[0]["seeds"].isdigit() else None


def _by_supernet(values: Sequence[float], seeds: Sequence[str]) -> list[float]:
    """The mean of the runs of each supernet; a run whose seeds name none is its own."""
    supernets: dict[object, list[float]] = {}
    for place, (value, seed) in enumerate(zip(values, seeds, strict=True)):
        named = re.match(r"supernet (\d+)", seed)
        supernets.setdefault(named[1] if named else place, []).append(value)
    return [sum(runs) / len(runs) for runs in supernets.values()]


def _rounding(text: str) -> float:
    """Half a unit of the last digit that is printed."""
    return 0.5 * 10.0 ** int(Decimal(text).as_tuple().exponent)
