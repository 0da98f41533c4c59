"""The report of a folder of records, written beside them; and its tables for the terminal."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from archselect.benchmarks.store.folder import REPORT_FILES, Folder
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.drawing.cells import SelectedCells, selected_cells
from archselect.reports.escaping import code, markdown
from archselect.reports.figures.canvas import Figure
from archselect.reports.figures.study import figures
from archselect.reports.page.citing import bibliography
from archselect.reports.page.page import page
from archselect.reports.page.sections import tables
from archselect.reports.results.results import Results, load
from archselect.reports.tables.render import csv_text, to_csv, to_latex, to_markdown
from archselect.reports.tables.runs import runs_frame
from archselect.reports.tables.table import MARKS, Table
from archselect.reports.wiring.parts import WiringPart, wiring_parts
from archselect.reports.wiring.tables import seeds_table


@dataclass(frozen=True)
class ReportPaths:
    """Where a report was written: the page, the tables as one Markdown file, and every file; and its tables.

    `tables` are those of the study, with their most telling columns.
    """

    html: Path
    markdown: Path
    files: tuple[Path, ...]
    tables: tuple[TerminalTable, ...]


@dataclass(frozen=True)
class TerminalTable:
    """A table narrow enough for a terminal, as text; `numeric` are the columns to set flush right."""

    title: str
    answer: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[str, ...]
    caption: str


def write_report(folder: Path) -> ReportPaths:
    """Write `report.html` and `report/` into the folder.

    The same records give the same bytes.

    Raises UserError if the folder is none of ours, has no finished run, or cannot be
    written to.
    """
    with _uncollected():
        return _write(folder)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for cycles, of which records have none and which takes a third of a large report's time."""
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
    found, cells = tables(results), selected_cells(results)
    drawn, runs, wiring = (
        figures(results, found),
        runs_frame(results),
        wiring_parts(results),
    )
    texts = {"report.html": page(results, found, drawn, cells, runs, wiring)}
    texts["report/report.md"] = _markdown(results, found, drawn, cells, wiring)
    for table in found:
        texts |= {f"report/{name}": text for name, text in _files(table).items()}
    texts["report/runs.csv"] = csv_text(runs)
    if wiring:
        texts["report/wiring-seeds.csv"] = to_csv(seeds_table(results))
    texts["report/references.bib"] = bibliography(results)
    drawings = {figure.name: figure.svg for figure in drawn} | {
        cell.name: cell.svg for cell in cells.drawn
    }
    for part in wiring:
        drawings |= part.drawings
    for name, svg in drawings.items():
        texts[f"report/figures/{name}.svg"] = svg
    for name, text in texts.items():
        write_atomically(folder / name, text.encode(), folder)
    return ReportPaths(
        html=folder / "report.html",
        markdown=folder / "report" / "report.md",
        files=tuple(folder / name for name in texts),
        tables=tuple(map(for_terminal, found)),
    )


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write a table into a folder as Markdown, CSV and LaTeX; the files."""
    texts = _files(table)
    for name, text in texts.items():
        write_atomically(folder / name, text.encode(), folder)
    return [folder / name for name in texts]


def _files(table: Table) -> dict[str, str]:
    """A table's files by name."""
    kinds = {"md": to_markdown, "csv": to_csv, "tex": to_latex}
    return {f"{table.name}.{kind}": write(table) for kind, write in kinds.items()}


def for_terminal(table: Table) -> TerminalTable:
    """A table with its most telling columns."""
    shown = table.narrow()
    return TerminalTable(
        title=table.title,
        answer=table.answer,
        columns=tuple(shown.shown.columns),
        rows=tuple(tuple(row) for row in shown.shown.itertuples(index=False)),
        numeric=shown.numeric,
        caption="\n".join(note for note in table.notes if note != MARKS),
    )


def _markdown(
    results: Results,
    found: list[Table],
    drawn: list[Figure],
    cells: SelectedCells,
    wiring: list[WiringPart],
) -> str:
    info = results.info
    parts = [
        f"# {markdown(info.title)}\n",
        f"{markdown(info.description)}\n",
        f"    {one_line(info.command)}\n",
    ]
    parts += [
        f"{markdown(sentence)}\n"
        for sentence in (*results.status(), *results.provenance())
    ]
    if info.variant_of:
        listed = "\n".join(
            f"* {markdown(difference)}" for difference in info.differences
        )
        count = len(info.differences)
        parts.append(
            f"A variant of {markdown(info.variant_of)}. Settings that differ: {count}\n\n{listed}\n"
        )
    for table in found:
        parts.append(to_markdown(table))
        parts += [
            _image(figure)
            for figure in drawn
            if figure.name.split("-")[0] == table.name
        ]
        if table.name == "wiring":
            parts += [text for part in wiring for text in _wiring(part)]
    parts.append("## Selected cells\n")
    for cell in cells.drawn:
        parts.append(f"![{cell.name}](figures/{cell.name}.svg)\n")
        parts.append(f"{code(cell.architecture)}: {markdown(cell.who)}\n")
    if cells.left_out:
        parts.append(
            f"{cells.left_out:,} more cells, which fewer runs selected, are in runs.csv.\n"
        )
    return "\n".join(parts)


def _wiring(part: WiringPart) -> Iterator[str]:
    yield f"### {markdown(part.name)}\n"
    if part.evolution:
        for frame in part.evolution.stills:
            words = markdown(frame.words)
            yield f"![{words}](figures/{frame.name}.svg)\n\nSeed {part.evolution.seed}, {words}.\n"
    yield from map(_image, part.figures)


def _image(figure: Figure) -> str:
    return f"![{markdown(figure.title)}](figures/{figure.name}.svg)\n\n{markdown(figure.caption)}\n"
