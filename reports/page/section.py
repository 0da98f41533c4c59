"""What a section of a report is: a table, its figures, and extras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from archselect.reports.figures.canvas import Figure
from archselect.reports.results.results import Results
from archselect.reports.tables.table import Table


@dataclass(frozen=True)
class Extras:
    """What a section adds to the report beside its table and figures.

    Attributes:
        html: stands on the page under the figures. It is not escaped any more.
        script: JavaScript of the page.
        markdown: blocks that stand in `report.md` under the figures.
        drawings: SVG files of `report/figures`, by name without ending.
        files: further files of `report`, by name.
        glossary: words that only this section uses, and what they mean.
    """

    html: str = ""
    script: str = ""
    markdown: tuple[str, ...] = ()
    drawings: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    glossary: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A table, the figures that stand under it, and what else it brings."""

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
    """How a section is made of the results of any study.

    Attributes:
        table: makes its table.
        figures: draws its figures of the records. They are files of every report, also
            of a study that does not ask for the section.
        charts: draws its figures of the table's own rows.
        extras: makes what else it brings.
        needs_truth: whether it is empty where there is no truth at all.
    """

    table: Callable[[Results], Table]
    figures: Callable[[Results], Sequence[Figure]] = _no_figures
    charts: Callable[[Table], Sequence[Figure]] = _no_charts
    extras: Callable[[Results], Extras] = _no_extras
    needs_truth: bool = False

    def make(self, results: Results) -> Section:
        """Return the section of a study."""
        table = self.table(results)
        figures = (*self.figures(results), *self.charts(table))
        return Section(table, figures, self.extras(results))
