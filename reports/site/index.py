"""The first page of a site: overall ranks, leaderboards and studies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archselect.reports.drawing.palette import style_sheet
from archselect.reports.page.first_screen import first_screen
from archselect.reports.page.html import render
from archselect.reports.page.section import Section
from archselect.reports.results.results import Results
from archselect.reports.site.boards import Board
from archselect.reports.site.folders import StudyFolder
from archselect.reports.site.overall import OverallRanking
from archselect.reports.statistics.ranking import LEAST_LANDSCAPES, LEAST_METHODS
from archselect.reports.tables.accuracy import RANDOM_CELL
from archselect.reports.tables.table import NONE
from archselect.reports.tables.words import short

PACKAGE = "archselect.reports.site"


@dataclass(frozen=True)
class StudyCard:
    """What the site's first page says of one study.

    Attributes:
        study: its folder.
        title: of the study.
        answer: in a sentence or two.
        warnings: what a reader must know, such as failed runs.
        methods: names of its selectors.
        spaces: that it searches.
        data: names of the data sets that it searches on.
        judged_on: names of the data sets of its truths.
        finished: runs that finished.
        runs: all runs of the study.
    """

    study: StudyFolder
    title: str
    answer: str
    warnings: tuple[str, ...]
    methods: tuple[str, ...]
    spaces: tuple[str, ...]
    data: tuple[str, ...]
    judged_on: tuple[str, ...]
    finished: int
    runs: int


def study_card(
    study: StudyFolder, results: Results, sections: Sequence[Section]
) -> StudyCard:
    """Return what the first page says of a study."""
    return StudyCard(
        study=study,
        title=results.info.title,
        answer=_answer(results, sections),
        warnings=tuple(results.status()),
        methods=_distinct(group.label for group in results.groups),
        spaces=_distinct(group.inputs.space for group in results.groups),
        data=_distinct(group.inputs.data.name for group in results.groups),
        judged_on=_distinct(one.dataset for one in results.landscapes),
        finished=len(results.records),
        runs=len(results.info.runs),
    )


def _answer(results: Results, sections: Sequence[Section]) -> str:
    """Return a study's verdict; without an accuracy, the answer of its first table."""
    first = first_screen(results)
    if first is not None:
        return first.verdict
    return sections[0].table.answer if sections else ""


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def index_page(
    cards: Sequence[StudyCard],
    rankings: Sequence[OverallRanking],
    boards: Sequence[Board],
) -> str:
    """Return the site's first page as text.

    Args:
        cards: of all studies, in order.
        rankings: over landscapes of several studies, the largest first.
        boards: of all landscapes, in order.
    """
    methods = [method for card in cards for method in card.methods]
    return render(
        "site.html.j2",
        PACKAGE,
        cards=cards,
        rankings=rankings,
        boards=boards,
        methods=len(set(methods)),
        runs=sum(card.finished for card in cards),
        spaces=sorted({board.landscape.space for board in boards}),
        datasets=sorted({board.landscape.dataset for board in boards}),
        least_methods=LEAST_METHODS,
        least_landscapes=LEAST_LANDSCAPES,
        random_cell=RANDOM_CELL,
        unknown=NONE,
        short=short,
        light=style_sheet(dark=False),
        dark=style_sheet(dark=True),
    )
