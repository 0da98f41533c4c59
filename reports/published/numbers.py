"""Published numbers: where each stands, what it is of and how it was made.

They are in `published.csv`.

Columns:

* `value`, `std`: as printed. Where what is printed is not of the row's kind, `exact`
  has the value that is.
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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from archselect.benchmarks.store.records import Reproduced
from archselect.nasbench_adapters.errors import unknown

_SAME_NUMBER = (
    "paper",
    "table",
    "space",
    "dataset",
    "method",
    "metric",
    "reduction",
)
"""Columns that are equal in all single runs of one method."""

_Row = dict[str, str]


@dataclass(frozen=True)
class PublishedNumber:
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
        return short_name(self.paper)


def short_name(paper: str) -> str:
    """Return a paper's name without what stands in brackets behind it."""
    return paper.partition(" (")[0]


@cache
def published_numbers() -> tuple[PublishedNumber, ...]:
    """Return all published numbers, in the order of the papers' tables.

    Single runs of one method are one number.
    """
    path = Path(__file__).parent / "published.csv"
    numbers: dict[tuple[str, ...], list[_Row]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for place, row in enumerate(csv.DictReader(file)):
            single = row["reduction"] == "single"
            key = (
                *(row[column] for column in _SAME_NUMBER),
                "" if single else f"{place}",
            )
            numbers.setdefault(key, []).append(row)
    return tuple(_read_number(rows) for rows in numbers.values())


def find_published(reproduced: Reproduced) -> list[PublishedNumber]:
    """Return the numbers that a study's entry names.

    Raises UserError, with the nearest name, if there are none.
    """
    numbers: Sequence[PublishedNumber] = published_numbers()
    numbers = _narrow(numbers, "paper", reproduced.paper, short_name)
    numbers = _narrow(numbers, "table", reproduced.table)
    return _narrow(numbers, "method", reproduced.method)


def _narrow(
    numbers: Sequence[PublishedNumber],
    column: Literal["paper", "table", "method"],
    wanted: str,
    name_of: Callable[[str], str] = str,
) -> list[PublishedNumber]:
    """Return the numbers that have a name in a column. Raises UserError if none has."""
    by_name: dict[str, list[PublishedNumber]] = {}
    for number in numbers:
        name = name_of(getattr(number, column))
        by_name.setdefault(name, []).append(number)
    if wanted not in by_name:
        raise unknown(f"{column} with published numbers", wanted, by_name)
    return by_name[wanted]


def check_published(entries: Iterable[Reproduced]) -> None:
    """Raise UserError for an entry that names no published number."""
    for entry in entries:
        find_published(entry)


def _read_number(rows: list[_Row]) -> PublishedNumber:
    """Return one number from its row, or from the rows of its single runs."""
    first = rows[0]
    single = first["reduction"] == "single"
    texts = [row["exact"] or row["value"] for row in rows]
    values = [float(text) for text in texts]
    independent = _means_of_supernets(values, [row["seeds"] for row in rows])
    notes = dict.fromkeys(row["note"] for row in rows if row["note"])
    return PublishedNumber(
        paper=first["paper"],
        table=first["table"],
        space=first["space"],
        dataset=first["dataset"],
        method=first["method"],
        metric=first["metric"],
        value=sum(independent) / len(independent),
        rounding=max(_rounding(text) for text in texts),
        values=tuple(values) if single else (),
        independent=tuple(independent) if single else (),
        std=float(first["std"]) if first["std"] else None,
        reduction=first["reduction"],
        runs=_count_runs(rows),
        split=first["split"],
        epochs=int(first["epochs"]) if first["epochs"] else None,
        training_protocol=first["training_protocol"],
        search_protocol=first["search_protocol"],
        oracle=first["oracle"],
        source=first["source"],
        note="; ".join(notes),
    )


def _count_runs(rows: list[_Row]) -> int | None:
    """Return how many runs the number is of; None where that is not said."""
    first = rows[0]
    if first["reduction"] == "single":
        return len(rows)
    return int(first["seeds"]) if first["seeds"].isdigit() else None


def _means_of_supernets(values: Sequence[float], seeds: Sequence[str]) -> list[float]:
    """Return the mean of the runs of each supernet.

    A run whose seeds name no supernet is its own.
    """
    supernets: dict[object, list[float]] = {}
    for place, (value, seed) in enumerate(zip(values, seeds, strict=True)):
        named = re.match(r"supernet (\d+)", seed)
        supernet = named[1] if named else place
        supernets.setdefault(supernet, []).append(value)
    return [sum(runs) / len(runs) for runs in supernets.values()]


def _rounding(text: str) -> float:
    """Return half a unit of the last digit that is printed."""
    exponent = int(Decimal(text).as_tuple().exponent)
    return 0.5 * 10.0**exponent
