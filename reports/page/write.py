"""Writing of a folder's report, and its tables for the terminal."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from archselect.benchmarks.store.folder import REPORT_FILES, Folder
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.reports.drawing.cells import SelectedCells, selected_cells
from archselect.reports.page.citing import bibliography
from archselect.reports.page.markdown import report_markdown
from archselect.reports.page.page import page
from archselect.reports.page.section import Section
from archselect.reports.page.sections import other_figures, sections
from archselect.reports.results.results import Results, load
from archselect.reports.tables.render import (
    csv_text,
    to_csv,
    to_latex,
    to_markdown,
    to_typst,
)
from archselect.reports.tables.runs import judged_frame, runs_frame
from archselect.reports.tables.table import MARKS_NOTE, Table


@dataclass(frozen=True)
class TerminalTable:
    """A table that fits a terminal, as text.

    `numeric` lists the columns to align right.
    """

    title: str
    answer: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[str, ...]
    caption: str


@dataclass(frozen=True)
class ReportPaths:
    """The paths of a written report, and its tables.

    Attributes:
        html: path of the HTML page.
            markdown: path of the report as one Markdown file.
            files: paths of all files.
            tables: tables of the study, with their most important columns.
    """

    html: Path
    markdown: Path
    files: tuple[Path, ...]
    tables: tuple[TerminalTable, ...]


def write_report(folder: Path) -> ReportPaths:
    """Write `report.html` and `report/` into the folder.

    The same records give the same bytes.

    Raises UserError if the folder has no study of archselect or no finished run, or if
    it is not writable.
    """
    with _without_garbage_collection():
        return _write(folder)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Switch off Python's garbage collection for a while.

    Records have no reference cycles, and the collection takes a third of the time of a
    large report.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _write(folder: Path) -> ReportPaths:
    Folder(folder).refuse_links(REPORT_FILES)
    results = load(folder, compacted=True)
    report_sections = sections(results)
    cells = selected_cells(results)
    texts = report_texts(results, report_sections, cells)
    for name, svg in _drawings(results, report_sections, cells).items():
        texts[f"report/figures/{name}.svg"] = svg
    paths = _write_texts(texts, folder)
    return ReportPaths(
        html=folder / "report.html",
        markdown=folder / "report" / "report.md",
        files=tuple(paths),
        tables=tuple(for_terminal(section.table) for section in report_sections),
    )


def report_texts(
    results: Results,
    report_sections: Sequence[Section],
    cells: SelectedCells,
    home: str = "",
) -> dict[str, str]:
    """Return the texts of a report's files other than figures, by path.

    Args:
        results: results of the study.
        report_sections: sections in the order of the study.
        cells: selected cells and their drawings.
        home: address of the site that has the page; empty if there is none.
    """
    runs = runs_frame(results)
    texts = {
        "report.html": page(results, report_sections, cells, runs, home),
        "report/report.md": report_markdown(results, report_sections, cells),
    }
    for section in report_sections:
        for name, text in _table_files(section.table).items():
            texts[f"report/{name}"] = text
    texts["report/runs.csv"] = csv_text(judged_frame(results))
    for section in report_sections:
        for name, text in section.extras.files.items():
            texts[f"report/{name}"] = text
    texts["report/references.bib"] = bibliography(results)
    return texts


def _drawings(
    results: Results, report_sections: Sequence[Section], cells: SelectedCells
) -> dict[str, str]:
    """Return all drawings of a report as SVG, by name."""
    drawings: dict[str, str] = {}
    for section in report_sections:
        drawings |= {figure.name: figure.svg for figure in section.figures}
    drawings |= {figure.name: figure.svg for figure in other_figures(results)}
    drawings |= {cell.name: cell.svg for cell in cells.drawn}
    for section in report_sections:
        drawings |= section.extras.drawings
    return drawings


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write a table into a folder, as in a report; return the files.

    It is written as Markdown, CSV, LaTeX and Typst.
    """
    return _write_texts(_table_files(table), folder)


def _write_texts(texts: Mapping[str, str], folder: Path) -> list[Path]:
    for name, text in texts.items():
        write_atomically(folder / name, text.encode(), folder)
    return [folder / name for name in texts]


def _table_files(table: Table) -> dict[str, str]:
    """Return a table's files by name."""
    return {
        f"{table.name}.md": to_markdown(table),
        f"{table.name}.csv": to_csv(table),
        f"{table.name}.tex": to_latex(table),
        f"{table.name}.typ": to_typst(table),
    }


def for_terminal(table: Table) -> TerminalTable:
    """Return a table with its most important columns."""
    narrow = table.narrow()
    notes = [note for note in table.notes if note != MARKS_NOTE]
    return TerminalTable(
        title=table.title,
        answer=table.answer,
        columns=tuple(narrow.shown.columns),
        rows=tuple(tuple(row) for row in narrow.shown.itertuples(index=False)),
        numeric=narrow.numeric,
        caption="\n".join(notes),
    )
