"""Published numbers, with where they stand, how they were reduced and what they were judged by: `published.csv`.

`value` and `std` are as printed. `reduction` says what a number stands for ("mean" or "best" of `seeds` runs, "single"
for one run, "mean over edges"); it is empty where the paper does not say. `split`, `epochs` and `protocol` say which
accuracy it is: looked up on a split after so many epochs, or of a final training by a protocol.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from archselect.benchmarks.records import Reproduced, unknown


@dataclass(frozen=True)
class Published:
    """One published number, or several single runs of one method together.

    Attributes:
        paper, table, space, dataset, method, metric: where it stands and of what it is.
        value: the number; of single runs their mean.
        low, high: its spread: value ± std, the lowest and highest of single runs, or what rounds to the number.
        spread: which of these, in words.
        reduction: "mean", "best", "mean over edges", "runs" for single runs, or "" where it is not said.
        runs: how many runs it is of; None where that is not said.
        split, epochs, protocol: which accuracy it is, where it is one.
        source, note: of the number.
    """

    paper: str
    table: str
    space: str
    dataset: str
    method: str
    metric: str
    value: float
    low: float
    high: float
    spread: str
    reduction: str
    runs: int | None
    split: str
    epochs: int | None
    protocol: str
    source: str
    note: str

    @property
    def short_paper(self) -> str:
        """The paper's name without its authors and year."""
        return short(self.paper)


def short(paper: str) -> str:
    """A paper's name without what stands in brackets behind it."""
    return paper.partition(" (")[0]


@cache
def published() -> tuple[Published, ...]:
    """All published numbers, in the order of the papers' tables; single runs of one method as one."""
    with (Path(__file__).parent / "published.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    keys = ("paper", "table", "space", "dataset", "method", "metric", "reduction")
    together: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for place, row in enumerate(rows):
        apart = "" if row["reduction"] == "single" else f"{place}"
        together.setdefault((*(row[key] for key in keys), apart), []).append(row)
    return tuple(_published(same) for same in together.values())


def find(reproduced: Reproduced) -> list[Published]:
    """The numbers that a study's entry names. Raises UserError, with the nearest name, if there are none."""
    rows: Sequence[Published] = published()
    for what, of in (("paper", short), ("table", str), ("method", str)):
        wanted = getattr(reproduced, what)
        known = dict.fromkeys(of(getattr(row, what)) for row in rows)
        if wanted not in known:
            raise unknown(f"{what} with published numbers", wanted, known)
        rows = [row for row in rows if of(getattr(row, what)) == wanted]
    return list(rows)


def check(entries: Iterable[Reproduced]) -> None:
    """Raises UserError for an entry that names no published number."""
    for entry in entries:
        find(entry)


def _published(rows: list[dict[str, str]]) -> Published:
    first = rows[0]
    values = [float(row["value"]) for row in rows]
    value = sum(values) / len(values)
    if first["reduction"] == "single":
        low, high, spread = min(values), max(values), "lowest to highest run"
    elif first["std"]:
        std = float(first["std"])
        low, high, spread = value - std, value + std, "± standard deviation"
    else:
        exponent = Decimal(first["value"]).as_tuple().exponent
        half = 0.5 * 10.0 ** int(exponent)
        low, high, spread = value - half, value + half, "as printed, no spread"
    seeds = first["seeds"]
    return Published(
        paper=first["paper"],
        table=first["table"],
        space=first["space"],
        dataset=first["dataset"],
        method=first["method"],
        metric=first["metric"],
        value=value,
        low=low,
        high=high,
        spread=spread,
        reduction="runs" if first["reduction"] == "single" else first["reduction"],
        runs=len(rows) if first["reduction"] == "single" else int(seeds) if seeds.isdigit() else None,
        split=first["split"],
        epochs=int(first["epochs"]) if first["epochs"] else None,
        protocol=first["protocol"],
        source=first["source"],
        note=first["note"] if len(rows) == 1 else "",
    )
