"""The architectures to score.

They are a whole space, a random sample, the best by a ground truth, or those in a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from archselect.benchmarks.plan.parts import TruthPart
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
"""Other names of proxies in published files (of NASLib and Zero-Cost-PT)."""
ARCHITECTURE_COLUMNS = ("architecture", "arch", "genotype")
"""Columns of a file that can hold its architectures; the first one present counts."""
EMPTY = ("", "nan", "none", "null", "na")
"""Values in a file that mean no published score, in lower case."""
ATTEMPTS = 1_000
"""Consecutive draws without a new architecture that mean a space is exhausted."""
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True)
class CellsRequest:
    """Which architectures to score, as the option `--cells` says.

    Attributes:
        kind: "all" of the space, a random "sample", the "top" of a ground truth, or
            those in a "file".
        amount: number ("sample") or fraction ("top").
        population: population in the file.
    """

    kind: Literal["all", "sample", "top", "file"]
    amount: float = 0
    population: Population | None = None


class _Columns(NamedTuple):
    """The columns of a file.

    Attributes:
        architecture: name that the user gives; None for the first of
            :data:`ARCHITECTURE_COLUMNS`.
        accuracy: name that the user gives; None if accuracies are not read.
        proxies: proxies whose published scores are read.
    """

    architecture: str | None
    accuracy: str | None
    proxies: tuple[str, ...]


def read_cells(
    space: SearchSpace,
    text: str,
    *,
    has_truth: bool = False,
    architecture_column: str | None = None,
    accuracy_column: str | None = None,
    proxies: tuple[str, ...] = (),
) -> CellsRequest:
    """Return which architectures a text asks for; read the file, if it names one.

    Enumerates no space and opens no ground truth.

    Args:
        space: space of the architectures.
        text: "all" (one per class of equal functions), "sample:N" (N different ones,
            drawn as the space draws), "top:F" (the best fraction F of a ground truth,
            by mean accuracy), or the path of a CSV or Parquet file.
        has_truth: whether accuracies are looked up in a ground truth.
        architecture_column: column of architectures in a file.
        accuracy_column: column of accuracies in a file.
        proxies: proxies whose published scores a file can have, in columns with their
            names. An empty cell means that a proxy has no score of the architecture; an
            infinite value is kept as published.

    Raises:
        UserError: the text is not valid; a file, a column or a row cannot be read; or
            there are two sources of accuracies.
    """
    is_file = _names_file(text)
    if not is_file and (architecture_column or accuracy_column):
        raise UserError(
            f"--cells {text} is not a file: remove --architecture-column and --accuracy-column"
        )
    if accuracy_column and has_truth:
        raise UserError(
            "there are two sources of accuracies: use --accuracy-column of the file, or a ground truth with --table"
        )
    if is_file:
        columns = _Columns(architecture_column, accuracy_column, proxies)
        population = _read_file(space, expand(text), columns)
        return CellsRequest("file", population=population)
    kind, _, amount = text.partition(":")
    if kind == "sample":
        return CellsRequest("sample", _count(amount))
    if kind == "top":
        if not has_truth:
            raise UserError(
                f"--cells {text} needs a ground truth: --table, --dataset, --split and --epochs"
            )
        return CellsRequest("top", _share(amount))
    return CellsRequest("all")


def check_cells_file(text: str) -> None:
    """Raise UserError if a text for :func:`read_cells` names a missing file."""
    if _names_file(text) and not expand(text).is_file():
        raise UserError(
            f"there is no file {text}: --cells takes all, sample:N, top:F, or a CSV or Parquet file"
        )


def gather(
    space: SearchSpace,
    request: CellsRequest,
    *,
    seed: int = 0,
    truth: TruthPart | None = None,
) -> Population:
    """Return the requested population, with its accuracies in a ground truth.

    Args:
        space: space of the architectures.
        request: which architectures, from :func:`read_cells`.
        seed: seed of a sample.
        truth: column in which to look up accuracies.

    Raises:
        UserError: the space has fewer architectures, or the ground truth is of another
            space or lacks an architecture.
    """
    if request.population is not None:
        population = request.population
    elif request.kind == "sample":
        population = _sample(space, int(request.amount), seed)
    elif request.kind == "top":
        assert truth is not None
        population = _top(space, request.amount, truth)
    else:
        population = _all(space)
    if truth is None:
        return population
    return _with_accuracies(space, population, truth)


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
    """Return the population that a text asks for.

    Arguments and errors are those of :func:`read_cells` and :func:`gather`.
    """
    request = read_cells(
        space,
        cells,
        has_truth=truth is not None,
        architecture_column=architecture_column,
        accuracy_column=accuracy_column,
        proxies=proxies,
    )
    return gather(space, request, seed=seed, truth=truth)


def _names_file(text: str) -> bool:
    """Return whether a text for :func:`read_cells` names a file."""
    kind, colon, _ = text.partition(":")
    is_amount = colon and kind in ("sample", "top")
    return text != "all" and not is_amount


def _count(amount: str) -> int:
    """Return the N of "sample:N"; raise UserError if N is not valid."""
    count = int(amount) if _COUNT.fullmatch(amount) else 0
    if not 1 <= count <= MOST_CELLS_SAMPLED:
        raise UserError(
            f"--cells sample:{amount}: write a number, such as sample:100, of at most {MOST_CELLS_SAMPLED:,}"
        )
    return count


def _share(amount: str) -> float:
    """Return the F of "top:F"; raise UserError if F is not valid."""
    try:
        share = float(amount)
    except ValueError:
        share = 0
    if not 0 < share <= 1:
        raise UserError(
            f"--cells top:{amount}: write a fraction, such as top:0.1 for the best tenth"
        )
    return share


def _population(
    space: SearchSpace, architectures: Sequence[Architecture], source: str
) -> Population:
    return Population(
        space=space.name,
        source=source,
        architectures=[space.format(architecture) for architecture in architectures],
    )


def _all(space: SearchSpace) -> Population:
    """Return one architecture of each class of equal functions."""
    representatives = space.representatives
    source = f"all {len(representatives):,} classes of {space.name}"
    return _population(space, representatives, source)


def _sample(space: SearchSpace, amount: int, seed: int) -> Population:
    """Return a number of different architectures, drawn as the space draws."""
    rng = np.random.default_rng(stream_seed("population", seed))
    drawn: dict[Architecture, None] = {}
    fruitless = 0
    while len(drawn) < amount:
        before = len(drawn)
        drawn[space.canonical(space.sample(rng))] = None
        fruitless = fruitless + 1 if len(drawn) == before else 0
        if fruitless == ATTEMPTS:
            raise UserError(
                f"--cells sample:{amount}: {space.name} seems to have only {before} architectures: use --cells all"
            )
    source = f"{len(drawn):,} of {space.name} at random, seed {seed}"
    return _population(space, tuple(drawn), source)


def _top(space: SearchSpace, share: float, truth: TruthPart) -> Population:
    """Return the best fraction of the architectures in a table."""
    table = open_truth(truth.table)
    if table.predicts:
        raise UserError(
            f"--cells top:{share:g} needs a table, but '{truth.table}' is a surrogate"
        )
    within = table.within(space)

    def mean(architecture: Architecture) -> float | None:
        return within.mean(architecture, truth.dataset, truth.split, truth.epochs)

    # Each class is represented by its representative. If the table lacks that one, by
    # the first member that the table has.
    classes: dict[Architecture, Architecture] = {}
    for row in within.reference.architectures:
        architecture = unflatten(space, row)
        canonical = space.canonical(architecture)
        if canonical not in classes:
            classes[canonical] = architecture if mean(canonical) is None else canonical
    means: dict[Architecture, float] = {}
    for architecture in classes.values():
        accuracy = mean(architecture)
        if accuracy is not None:
            means[architecture] = accuracy
    ranked = sorted(means, key=means.__getitem__, reverse=True)
    best = ranked[: max(1, round(share * len(ranked)))]
    source = f"the best {len(best):,} of {len(ranked):,} classes of {space.name} by {_column_name(truth)}"
    return _population(space, best, source)


def _column_name(truth: TruthPart) -> str:
    return f"{truth.table}: {truth.dataset}/{truth.split}/{truth.epochs}"


def _read_file(space: SearchSpace, path: Path, columns: _Columns) -> Population:
    """Return the population in a file, with its accuracies and published scores."""
    column = columns.architecture
    frame = read_frame(path, ARCHITECTURE_COLUMNS if column is None else (column,))
    names = columns_of(frame)
    architecture = _architecture_column(path, names, columns.architecture)
    if frame.empty:
        raise UserError(f"{path} has no architecture: use another file")
    accuracy = columns.accuracy
    if accuracy is not None and accuracy not in names:
        raise unknown(f"column of {path}", accuracy, names)
    rows = Rows(path, frame)
    refuse_long_rows(rows)
    rows.require(architecture)
    parsed = rows.parse(architecture, space)
    rows.refuse(
        parsed.duplicated() & rows.good,
        "this architecture is repeated; keep one row of it",
    )
    trials: list[list[float]] = []
    if accuracy is not None:
        values = rows.accuracies(accuracy)
        check_per_cent(path, accuracy, values[rows.good])
        trials = [[float(value)] for value in values]
    published = _published_scores(rows, names, columns)
    rows.raise_any()
    return Population(
        space=space.name,
        source=f"{len(frame):,} of {path.name}",
        architectures=[space.format(cell) for cell in parsed],
        truth=None if accuracy is None else f"column {accuracy} of {path.name}",
        trials=trials,
        published=published,
    )


def _architecture_column(path: Path, names: Sequence[str], named: str | None) -> str:
    """Return the column of a file's architectures; raise UserError if there is none."""
    if named:
        if named not in names:
            raise unknown(f"column of {path}", named, names)
        return named
    for column in ARCHITECTURE_COLUMNS:
        if column in names:
            return column
    raise UserError(
        f"{path} has no column architecture, arch or genotype: name the column of architectures with "
        f"--architecture-column; its columns are {', '.join(names)}"
    )


def _published_scores(
    rows: Rows, names: Sequence[str], columns: _Columns
) -> dict[str, list[float | None]]:
    """Return the published scores of a file, by proxy."""
    published = {}
    for column in names:
        proxy = ALIASES.get(column, column)
        if proxy in columns.proxies and column != columns.accuracy:
            published[proxy] = _read_scores(rows, column)
    return published


def _read_scores(rows: Rows, column: str) -> list[float | None]:
    """Return the scores of a column, None for empty cells; refuse any other value."""
    values = rows.frame[column]
    numbers = pd.to_numeric(values, errors="coerce")
    lower = values.astype(str).str.strip().str.lower()
    empty = values.isna() | lower.isin(EMPTY)
    rows.refuse(numbers.isna() & ~empty, f"{column} must be a number or empty")
    return [None if np.isnan(number) else float(number) for number in numbers]


def _with_accuracies(
    space: SearchSpace, population: Population, column: TruthPart
) -> Population:
    """Return a population with its accuracies in a ground truth."""
    truth = open_truth(column.table)
    if not truth.covers(space):
        raise UserError(
            f"truth '{column.table}' is of space {truth.space.name}, not of {space.name}"
        )
    within = truth.within(space)
    trials: list[list[float]] = []
    for text in population.architectures:
        architecture = space.parse(text)
        looked_up = within.lookup(
            architecture, column.dataset, column.split, column.epochs
        )
        trials.append([float(accuracy) for accuracy in looked_up.accuracies])
    counts = {len(accuracies) for accuracies in trials}
    description = f"{_column_name(column)}, mean of {_trials_name(counts)}, {truth.describe_provenance()}"
    return population.model_copy(update={"truth": description, "trials": trials})


def _trials_name(counts: set[int]) -> str:
    """Return text with the number of trials of each architecture."""
    most = max(counts)
    if len(counts) > 1:
        return f"{min(counts)} to {most} trials"
    return f"{most} trial" if most == 1 else f"{most} trials"
