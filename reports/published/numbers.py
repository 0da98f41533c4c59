"""Published numbers with their source, kind and protocol, from `published.csv`.

Columns:

* `value`, `std`: as printed. If the printed value does not have the row's unit, `exact`
        has the converted value.
* `reduction`: "mean" or "best" of `seeds` runs; "single" for one run, whose `seeds` may
        name its supernet; "exact" for a constant of a table, whose `std` is the spread
        of single values and not an error; empty if the paper does not say.
* `split`, `epochs`, `training_protocol`: the kind of accuracy: looked up on a split
        after this many epochs, or from a final training with this protocol.
* `search_protocol`: the protocol of the search, a name in `search_protocols.toml`;
        empty if it is not known.
* `oracle`: for a rank correlation, the accuracies of operations that it is with: a name
        in `released_oracles.csv`, or "table" for those of the benchmark's whole table.
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
"""Columns that all single runs of one method share."""

_Row = dict[str, str]


@dataclass(frozen=True)
class PublishedNumber:
    """A published number, or the single runs of one method together.

    Attributes:
        paper, table, space, dataset, method, metric: source and meaning of the number.
            value: the number; for single runs, their mean over supernets if these are
                named, else over runs.
            rounding: largest possible rounding error of the number.
            values: single runs, in order; empty for other numbers.
            independent: single runs, averaged per supernet if supernets are named.
            std: printed standard deviation; None if there is none.
            reduction: "mean", "best", "exact", "single", or "" if the paper does not
                say.
            runs: number of runs; None if the paper does not say.
            split, epochs, training_protocol: kind of accuracy, for an accuracy.
            search_protocol, oracle: as in the file.
            source, note: where the number was found, and a remark.
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
    """Return a paper's name without the brackets after it."""
    return paper.partition(" (")[0]


@cache
def published_numbers() -> tuple[PublishedNumber, ...]:
    """Return all published numbers, in the order of the file.

    The single runs of one method form one number.
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

    Raises UserError, with the most similar name, if there are none.
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
    """Return the numbers with a name in a column; raise UserError if there are none."""
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
    """Return the number of runs; None if the paper does not say."""
    first = rows[0]
    if first["reduction"] == "single":
        return len(rows)
    return int(first["seeds"]) if first["seeds"].isdigit() else None


def _means_of_supernets(values: Sequence[float], seeds: Sequence[str]) -> list[float]:
    """Return the mean over the runs of each supernet.

    A run whose seeds name no supernet counts as a supernet by itself.
    """
    supernets: dict[object, list[float]] = {}
    for place, (value, seed) in enumerate(zip(values, seeds, strict=True)):
        named = re.match(r"supernet (\d+)", seed)
        supernet = named[1] if named else place
        supernets.setdefault(supernet, []).append(value)
    return [sum(runs) / len(runs) for runs in supernets.values()]


def _rounding(text: str) -> float:
    """Return half a unit of the last printed digit."""
    exponent = int(Decimal(text).as_tuple().exponent)
    return 0.5 * 10.0**exponent
