"""Which architectures are scored: a whole space, a random sample, the best of a truth, or those of a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from archselect.benchmarks.plan.study import TruthPart
from archselect.benchmarks.store.records import Population
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.input_files import expand
from archselect.nasbench_adapters.limits import MOST_CELLS_SAMPLED
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.choices import unflatten
from archselect.nasbench_adapters.truth.frames import (
    columns_of,
    read_frame,
    refuse_long_rows,
)
from archselect.nasbench_adapters.truth.rows import Rows, check_per_cent

ALIASES = {"jacov": "jacob_cov", "jacob": "nwot"}
"""Other names of proxies in published files (NASLib's, Zero-Cost-PT's)."""

EMPTY = ("", "nan", "none", "null", "na")
"""What a cell of a file may hold, in small letters, where there is no published score.
"""

_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)

ATTEMPTS = 1_000
"""Draws in a row that bring nothing new, after which a space is taken to have no more.
"""


@dataclass(frozen=True)
class Cells:
    """Which architectures are wanted: a text that was checked, and what a file that it names holds.

    Attributes:
        kind: "all", "sample", "top" or "file".
        amount: how many, or which share, of "sample" and "top".
        of_file: the file's architectures.
    """

    kind: str
    amount: float = 0
    of_file: Population | None = None


def read_cells(
    space: SearchSpace,
    text: str,
    *,
    has_truth: bool = False,
    architecture_column: str | None = None,
    accuracy_column: str | None = None,
    proxies: tuple[str, ...] = (),
) -> Cells:
    """Return what a text asks for; a file is read whole.

    Enumerates no space and opens no truth.

    Args:
        space: of the architectures.
        text: "all" (one of each class of equal function), "sample:N" (N different ones,
            drawn as the space draws), "top:F" (the best share F of those a truth holds,
            by its mean of trials), or the path of a CSV or Parquet.
        has_truth: whether accuracies are looked up in a truth.
        architecture_column, accuracy_column: of a file.
        proxies: whose published scores a file may have, in columns of their names. An
            empty cell says that a proxy has no score of the architecture; an infinite
            value is kept as it was published.

    Raises:
        UserError: the text names none, or a file, a column or a row cannot be read;
            accuracies are given twice.
    """
    kind, _, amount = text.partition(":")
    of_file = _names_file(text)
    if not of_file and (architecture_column or accuracy_column):
        raise UserError(
            f"--cells {text} is no file: leave out --architecture-column and --accuracy-column"
        )
    if accuracy_column and has_truth:
        raise UserError(
            "give accuracies once: --accuracy-column of the file, or a truth with --table"
        )
    if of_file:
        return Cells(
            "file",
            of_file=_of_file(
                space, expand(text), architecture_column, accuracy_column, proxies
            ),
        )
    if kind == "sample":
        return Cells("sample", _count(amount))
    if kind == "top":
        if not has_truth:
            raise UserError(
                f"--cells {text} needs a truth: --table, --dataset, --split and --epochs"
            )
        return Cells("top", _share(amount))
    return Cells("all")


def check_cells_file(text: str) -> None:
    """Raise UserError if a text, as of :func:`read_cells`, names a file that is not there."""
    if _names_file(text) and not expand(text).is_file():
        raise UserError(
            f"there is no file {text}: --cells takes all, sample:N, top:F, or a CSV or Parquet file"
        )


def gather(
    space: SearchSpace, cells: Cells, *, seed: int = 0, truth: TruthPart | None = None
) -> Population:
    """Return the population that was asked for, with what a truth says of it.

    Args:
        space: of the architectures.
        cells: which ones; see :func:`read_cells`.
        seed: of a sample.
        truth: the column that accuracies are looked up in.

    Raises:
        UserError: the space has fewer architectures, or the truth is of another space
            or lacks an architecture.
    """
    if cells.of_file is not None:
        found = cells.of_file
    elif cells.kind == "sample":
        found = _sample(space, int(cells.amount), seed)
    elif cells.kind == "top":
        assert truth is not None
        found = _top(space, cells.amount, truth)
    else:
        found = _population(
            space,
            space.representatives,
            f"all {len(space.representatives):,} classes of {space.name}",
        )
    return found if truth is None else _looked_up(space, found, truth)


def populate(
    space: SearchSpace,
    cells: str,
    *,
    seed: int = 0,
    truth: TruthPart | None = None,
    architecture_column: str | None = None,
    accuracy_column: str | None = None,
    proxies: tuple[str, ...] = (),
) -> Population:
    """Return the population that a text names: :func:`read_cells`, then :func:`gather`; raises what they raise."""
    wanted = read_cells(
        space,
        cells,
        has_truth=truth is not None,
        architecture_column=architecture_column,
        accuracy_column=accuracy_column,
        proxies=proxies,
    )
    return gather(space, wanted, seed=seed, truth=truth)


def _names_file(text: str) -> bool:
    kind, colon, _ = text.partition(":")
    is_amount = colon and kind in ("sample", "top")
    return text != "all" and not is_amount


def _count(amount: str) -> int:
    count = int(amount) if _COUNT.fullmatch(amount) else 0
    if not 1 <= count <= MOST_CELLS_SAMPLED:
        raise UserError(
            f"--cells sample:{amount}: write how many, such as sample:100, and at most {MOST_CELLS_SAMPLED:,}"
        )
    return count


def _share(amount: str) -> float:
    try:
        share = float(amount)
    except ValueError:
        share = 0
    if not 0 < share <= 1:
        raise UserError(
            f"--cells top:{amount}: write a share, such as top:0.1 for the best tenth"
        )
    return share


def _population(
    space: SearchSpace, architectures: tuple[Architecture, ...], source: str
) -> Population:
    return Population(
        space=space.name,
        source=source,
        architectures=[space.format(a) for a in architectures],
    )


def _sample(space: SearchSpace, amount: int, seed: int) -> Population:
    rng = np.random.default_rng(stream_seed("population", seed))
    found: dict[Architecture, None] = {}
    fruitless = 0
    while len(found) < amount:
        before = len(found)
        found[space.canonical(space.sample(rng))] = None
        fruitless = fruitless + 1 if len(found) == before else 0
        if fruitless == ATTEMPTS:
            raise UserError(
                f"--cells sample:{amount}: {space.name} seems to have only {before}; use --cells all"
            )
    return _population(
        space, tuple(found), f"{len(found):,} of {space.name} at random, seed {seed}"
    )


def _top(space: SearchSpace, share: float, truth: TruthPart) -> Population:
    table = open_truth(truth.table)
    if table.predicts:
        raise UserError(
            f"--cells top:{share:g} needs a table; '{truth.table}' is a surrogate"
        )
    within = table.within(space)

    def mean(architecture: Architecture) -> float | None:
        return within.mean(architecture, truth.dataset, truth.split, truth.epochs)

    # One of each class: its representative, or, where the table does not hold that, the
    # first one it holds.
    classes: dict[Architecture, Architecture] = {}
    for architecture in (
        unflatten(space, row) for row in within.reference.architectures
    ):
        canonical = space.canonical(architecture)
        if canonical not in classes:
            classes[canonical] = architecture if mean(canonical) is None else canonical
    known = [(found, a) for a in classes.values() if (found := mean(a)) is not None]
    best = sorted(known, key=lambda pair: -pair[0])[: max(1, round(share * len(known)))]
    source = f"the best {len(best):,} of {len(known):,} classes of {space.name} by {_said(truth)}"
    return _population(space, tuple(a for _, a in best), source)


def _said(truth: TruthPart) -> str:
    return f"{truth.table}: {truth.dataset}/{truth.split}/{truth.epochs}"


def _of_file(
    space: SearchSpace,
    path: Path,
    architecture: str | None,
    accuracy: str | None,
    proxies: tuple[str, ...],
) -> Population:
    known = ("architecture", "arch", "genotype")
    frame = read_frame(path, known if architecture is None else (architecture,))
    names = columns_of(frame)
    column = architecture or next((name for name in known if name in names), None)
    if column is None:
        raise UserError(
            f"{path} has no column architecture, arch or genotype: name the one that holds the architectures with "
            f"--architecture-column; its columns are {', '.join(names)}"
        )
    if column not in names:
        raise unknown(f"column of {path}", column, names)
    if frame.empty:
        raise UserError(f"{path} holds no architecture: give a file that has some")
    if accuracy is not None and accuracy not in names:
        raise unknown(f"column of {path}", accuracy, names)
    rows = Rows(path, frame)
    refuse_long_rows(rows)
    rows.require(column)
    parsed = rows.parse(column, space)
    rows.refuse(
        parsed.duplicated() & rows.good,
        "this architecture came before; keep one row of it",
    )
    trials: list[list[float]] = []
    if accuracy is not None:
        values = rows.accuracies(accuracy)
        check_per_cent(path, accuracy, values[rows.good])
        trials = [[float(value)] for value in values]
    published = {}
    for name in names:
        proxy = ALIASES.get(name, name)
        if proxy in proxies and name != accuracy:
            published[proxy] = _published(rows, name)
    rows.raise_any()
    return Population(
        space=space.name,
        source=f"{len(frame):,} of {path.name}",
        architectures=[space.format(cell) for cell in parsed],
        truth=None if accuracy is None else f"column {accuracy} of {path.name}",
        trials=trials,
        published=published,
    )


def _published(rows: Rows, column: str) -> list[float | None]:
    """Return a proxy's published scores, None where a row has none; refuse rows with anything else."""
    cells = rows.frame[column]
    numbers = pd.to_numeric(cells, errors="coerce")
    empty = cells.isna() | cells.astype(str).str.strip().str.lower().isin(EMPTY)
    rows.refuse(numbers.isna() & ~empty, f"{column} must be a number, or nothing")
    return [None if np.isnan(value) else float(value) for value in numbers]


def _looked_up(
    space: SearchSpace, population: Population, column: TruthPart
) -> Population:
    truth = open_truth(column.table)
    if not truth.covers(space):
        raise UserError(
            f"truth '{column.table}' is of space {truth.space.name}, not of {space.name}"
        )
    within = truth.within(space)
    found = [
        within.lookup(
            space.parse(text), column.dataset, column.split, column.epochs
        ).accuracies
        for text in population.architectures
    ]
    count = {len(trials) for trials in found}
    many = (
        f"{min(count)} to {max(count)} trials"
        if len(count) > 1
        else f"{max(count)} trial{'s' * (max(count) > 1)}"
    )
    return population.model_copy(
        update={
            "truth": f"{_said(column)}, mean of {many}, {truth.describe_provenance()}",
            "trials": [[float(value) for value in trials] for trials in found],
        }
    )
