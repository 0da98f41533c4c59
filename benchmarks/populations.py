"""Which architectures are scored: a whole space, a random sample, the best of a truth, or those of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from archselect.benchmarks.records import Population
from archselect.benchmarks.study import TruthPart
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.files import expand
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.streams import stream_seed
from archselect.nasbench_adapters.truth import Surrogate, open_truth
from archselect.nasbench_adapters.truth.long_csv import parse_all, read_frame, refuse
from archselect.nasbench_adapters.truth.table import unflatten

ALIASES = {"jacov": "jacob_cov", "jacob": "nwot"}
"""Other names of proxies in published files (NASLib's, Zero-Cost-PT's)."""

ATTEMPTS = 1_000
"""Draws in a row that bring nothing new, after which a space is taken to have no more."""


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
    """The population that a text names.

    Args:
        space: of the architectures.
        cells: "all" (one of each class of equal function), "sample:N" (N different ones, drawn as the space draws),
            "top:F" (the best share F of those a truth holds, by its mean of trials), or the path of a CSV or Parquet.
        seed: of a sample.
        truth: the column that accuracies are looked up in.
        architecture_column, accuracy_column: of a file.
        proxies: whose published scores a file may have, in columns of their names.

    Raises:
        UserError: if the text names none, a file or column cannot be read, a truth is of another space or lacks an
            architecture, or both a truth and a column of accuracies are given.
    """
    kind, colon, amount = cells.partition(":")
    of_file = not (cells == "all" or (colon and kind in ("sample", "top")))
    if not of_file and (architecture_column or accuracy_column):
        raise UserError(f"--cells {cells} is no file: leave out --architecture-column and --accuracy-column")
    if accuracy_column and truth:
        raise UserError("give accuracies once: --accuracy-column of the file, or a truth with --table")
    if of_file:
        found = _of_file(space, expand(cells), architecture_column, accuracy_column, proxies)
    elif cells == "all":
        found = _population(space, space.representatives, f"all {len(space.representatives):,} classes of {space.name}")
    elif kind == "sample":
        found = _sample(space, amount, seed)
    else:
        found = _top(space, amount, truth)
    return found if truth is None else _looked_up(space, found, truth)


def _population(space: SearchSpace, architectures: tuple[Architecture, ...], source: str) -> Population:
    return Population(space=space.name, source=source, architectures=[space.format(a) for a in architectures])


def _sample(space: SearchSpace, amount: str, seed: int) -> Population:
    if not amount.isdecimal() or int(amount) < 1:
        raise UserError(f"--cells sample:{amount}: write how many, such as sample:100")
    rng = np.random.default_rng(stream_seed("population", seed))
    found: dict[Architecture, None] = {}
    fruitless = 0
    while len(found) < int(amount):
        before = len(found)
        found[space.canonical(space.sample(rng))] = None
        fruitless = fruitless + 1 if len(found) == before else 0
        if fruitless == ATTEMPTS:
            raise UserError(f"--cells sample:{amount}: {space.name} seems to have only {before}; use --cells all")
    return _population(space, tuple(found), f"{len(found):,} of {space.name} at random, seed {seed}")


def _top(space: SearchSpace, amount: str, truth: TruthPart | None) -> Population:
    try:
        share = float(amount)
    except ValueError:
        share = 0
    if not 0 < share <= 1:
        raise UserError(f"--cells top:{amount}: write a share, such as top:0.1 for the best tenth")
    if truth is None:
        raise UserError(f"--cells top:{amount} needs a truth: --table, --dataset, --split and --epochs")
    table = open_truth(truth.table)
    if isinstance(table, Surrogate):
        raise UserError(f"--cells top:{amount} needs a table; '{truth.table}' is a surrogate")
    within = table.within(space)

    def mean(architecture: Architecture) -> float | None:
        return within.mean(architecture, truth.dataset, truth.split, truth.epochs)

    # One of each class: its representative, or, where the table does not hold that, the first one it holds.
    classes: dict[Architecture, Architecture] = {}
    for architecture in (unflatten(space, row) for row in within.architectures):
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
    space: SearchSpace, path: Path, architecture: str | None, accuracy: str | None, proxies: tuple[str, ...]
) -> Population:
    known = ("architecture", "arch", "genotype")
    frame = read_frame(path, known if architecture is None else (architecture,))
    names = [str(name) for name in frame.columns]
    column = architecture or next((name for name in known if name in names), None)
    if column is None or column not in names:
        raise unknown(f"column of {path}", column or "architecture", names)
    if frame.empty:
        raise UserError(f"{path} holds no architecture: give a file that has some")
    refuse(path, frame[column].isna() | (frame[column] == ""), f"{column} is missing")
    parsed = frame[column].map(parse_all(path, frame[column], space))
    refuse(path, parsed.duplicated(), "this architecture came before; keep one row of it")
    trials: list[list[float]] = []
    if accuracy is not None:
        if accuracy not in names:
            raise unknown(f"column of {path}", accuracy, names)
        values = pd.to_numeric(frame[accuracy], errors="coerce")
        refuse(path, ~values.between(0, 100), f"{accuracy} must be a number within 0..100 (per cent)")
        trials = [[float(value)] for value in values]
    published = {}
    for name in names:
        proxy = ALIASES.get(name, name)
        if proxy in proxies and name != accuracy:
            numbers = pd.to_numeric(frame[name], errors="coerce")
            published[proxy] = [None if np.isnan(value) else float(value) for value in numbers]
    return Population(
        space=space.name,
        source=f"{len(frame):,} of {path.name}",
        architectures=[space.format(cell) for cell in parsed],
        truth=None if accuracy is None else f"column {accuracy} of {path.name}",
        trials=trials,
        published=published,
    )


def _looked_up(space: SearchSpace, population: Population, column: TruthPart) -> Population:
    truth = open_truth(column.table)
    if not truth.speaks_for(space):
        raise UserError(f"truth '{column.table}' is of space {truth.space.name}, not of {space.name}")
    within = truth.within(space)
    found = [
        within.lookup(space.parse(text), column.dataset, column.split, column.epochs).accuracies
        for text in population.architectures
    ]
    count = {len(trials) for trials in found}
    many = f"{min(count)} to {max(count)} trials" if len(count) > 1 else f"{max(count)} trial{'s' * (max(count) > 1)}"
    return population.model_copy(
        update={
            "truth": f"{_said(column)}, mean of {many}, {truth.how()}",
            "trials": [[float(value) for value in trials] for trials in found],
        }
    )
