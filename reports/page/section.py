"""A section of a report: a table, its figures, and extras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from archselect.reports.figures.canvas import Figure
from archselect.reports.results.results import Results
from archselect.reports.tables.table import Table


@dataclass(frozen=True)
class Extras:
    """The parts of a section that are neither its table nor its figures.

    Attributes:
        html: HTML that the page shows under the figures; the page does not escape it.
            script: JavaScript for the page. markdown: blocks that `report.md` shows
            under the figures. drawings: texts of the SVG files in `report/figures`, by
            name without ending. files: texts of further files in `report`, by name.
            glossary: words that only this section uses, with their meanings.
    """

    html: str = ""
    script: str = ""
    markdown: tuple[str, ...] = ()
    drawings: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    glossary: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A table, the figures under it, and extras."""

    table: Table
    figures: tuple[Figure, ...] = ()
    extras: Extras = Extras()


def _no_figures(_results: Results) -> list[Figure]:
    return []


def _no_charts(_table: Table) -> list[Figure]:
    return []


def _no_extras(_results: Results) -> Extras:
    return Extras()


@dataclass(frozen=True)
class SectionKind:
    """The functions that make a section from the results of a study.

    Attributes:
        table: makes the table. figures: draws figures from the records. Every report
            has them as files, even if the study does not list the section. charts:
            draws figures from the rows of the table. extras: makes the extras.
            needs_truth: whether the section is empty for a study without a truth.
    """

    table: Callable[[Results], Table]
    figures: Callable[[Results], Sequence[Figure]] = _no_figures
    charts: Callable[[Table], Sequence[Figure]] = _no_charts
    extras: Callable[[Results], Extras] = _no_extras
    needs_truth: bool = False

    def make(self, results: Results) -> Section:
        """Return the section for a study's results."""
        table = self.table(results)
        figures = (*self.figures(results), *self.charts(table))
        return Section(table, figures, self.extras(results))
