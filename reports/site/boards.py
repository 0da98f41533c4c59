"""Leaderboards: what every method of every study reaches on one landscape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev

import pandas as pd

from archselect.benchmarks.store.records import Landscape
from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.results.metrics import is_random_sample
from archselect.reports.results.results import Group, Results
from archselect.reports.site.folders import StudyFolder
from archselect.reports.tables.words import describe_landscape

_DECIMALS = 9
"""Decimals to which equal means agree."""


@dataclass(frozen=True)
class BoardEntry:
    """What one method reaches on one landscape.

    Attributes:
        method: the selector's label; its name in the study's report, where several
            selectors of one landscape have the label.
        studies: those that have exactly these runs.
        runs: their ids.
        mean: of the runs' accuracies, in per cent.
        std: sample standard deviation over the runs, in points; None of one run.
        gap: points below the best architecture; None where that is not known.
        seconds: mean over the runs, all phases together.
        queries: budget of queries; None of a method that queries nothing.
        saw_truth: whether runs queried what judges them.
    """

    method: str
    studies: tuple[StudyFolder, ...]
    runs: frozenset[str]
    mean: float
    std: float | None
    gap: float | None
    seconds: float
    queries: int | None
    saw_truth: bool


@dataclass
class Board:
    """The entries of one landscape, of all studies.

    Attributes:
        landscape: the truth that judges.
        title: of the landscape, with its space.
        description: what the truth is, and how good.
        entries: the most accurate first.
    """

    landscape: Landscape
    title: str
    description: str
    entries: list[BoardEntry] = field(default_factory=list)

    def places(self) -> list[int]:
        """Return the place of each entry, from 1; equal means share a place."""
        means = [round(entry.mean, _DECIMALS) for entry in self.entries]
        return [1 + sum(other > mean for other in means) for mean in means]


class Boards:
    """The boards of all landscapes, filled study by study."""

    def __init__(self) -> None:
        self._by_id: dict[str, Board] = {}

    def add(self, study: StudyFolder, results: Results) -> None:
        """Add what a study's methods reach, on each landscape that knows it.

        Random draws are left out where the landscape knows what a random cell has.
        """
        for landscape in results.landscapes:
            judged = [group for group in results.groups if group.known(landscape)]
            labels = Counter(group.label for group in judged)
            for group in judged:
                if not is_random_sample(landscape, group):
                    name = group.label if labels[group.label] == 1 else group.name
                    entry = _make_entry(study, landscape, group, name)
                    _add_entry(self._board(results, landscape), entry)

    def _board(self, results: Results, landscape: Landscape) -> Board:
        if landscape.id not in self._by_id:
            column = f"{landscape.dataset}/{landscape.split}/{landscape.epochs}"
            self._by_id[landscape.id] = Board(
                landscape=landscape,
                title=one_line(f"{landscape.space}: {column}"),
                description=describe_landscape(results, landscape),
            )
        return self._by_id[landscape.id]

    def in_order(self) -> list[Board]:
        """Return the boards by their titles, each with its best entry first."""
        boards = sorted(
            self._by_id.values(), key=lambda board: (board.title, board.landscape.truth)
        )
        for board in boards:
            board.entries.sort(key=lambda entry: -entry.mean)
        return boards


def _make_entry(
    study: StudyFolder, landscape: Landscape, group: Group, name: str
) -> BoardEntry:
    """Return the entry of a group of a study, under a name."""
    means = group.known(landscape).means
    mean = fmean(means)
    best = best_accuracy(landscape)
    reward = group.inputs.reward
    return BoardEntry(
        method=one_line(name),
        studies=(study,),
        runs=frozenset(record.id for record in group.records),
        mean=mean,
        std=stdev(means) if len(means) > 1 else None,
        gap=None if best is None else best - mean,
        seconds=fmean(group.seconds),
        queries=None if reward is None else reward.queries,
        saw_truth=saw_truth(group),
    )


def _add_entry(board: Board, entry: BoardEntry) -> None:
    """Add an entry; one with the runs of another one adds its study to that one."""
    for place, other in enumerate(board.entries):
        if other.runs == entry.runs:
            both = (*other.studies, *entry.studies)
            board.entries[place] = replace(other, studies=both)
            return
    board.entries.append(entry)


def best_accuracy(landscape: Landscape) -> float | None:
    """Return the accuracy of the best architecture, corrected for noise if possible."""
    if landscape.optimum_corrected is not None:
        return landscape.optimum_corrected
    return landscape.optimum


def saw_truth(group: Group) -> bool:
    """Return whether runs of a group queried what judges them."""
    rewards = [record.inputs.reward for record in group.records]
    return any(reward is not None and reward.is_reported for reward in rewards)


def boards_frame(boards: Iterable[Board]) -> pd.DataFrame:
    """Return a row for each entry, under stable names, for files and programs."""
    rows = []
    for board in boards:
        landscape = board.landscape
        for entry in board.entries:
            row = {
                "space": landscape.space,
                "truth": landscape.truth,
                "dataset": landscape.dataset,
                "split": landscape.split,
                "epochs": landscape.epochs,
                "method": entry.method,
                "studies": " ".join(study.slug for study in entry.studies),
                "runs": len(entry.runs),
                "mean": entry.mean,
                "std": entry.std,
                "gap": entry.gap,
                "seconds": entry.seconds,
                "queries": entry.queries,
                "saw_truth": entry.saw_truth,
            }
            rows.append(row)
    return pd.DataFrame(rows, columns=_FRAME_COLUMNS)


_FRAME_COLUMNS = [
    *("space", "truth", "dataset", "split", "epochs", "method", "studies"),
    *("runs", "mean", "std", "gap", "seconds", "queries"),
    "saw_truth",
]
