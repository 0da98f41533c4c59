"""The report as one Markdown file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.drawing.cells import SelectedCells
from archselect.reports.escaping import code, markdown
from archselect.reports.figures.canvas import Figure
from archselect.reports.page.section import Section
from archselect.reports.results.results import Results
from archselect.reports.tables.render import to_markdown


def report_markdown(
    results: Results, sections: Sequence[Section], cells: SelectedCells
) -> str:
    """Return the whole report as Markdown, with links to the figures' files."""
    blocks = list(_head(results))
    for section in sections:
        blocks.append(to_markdown(section.table))
        blocks += map(figure_markdown, section.figures)
        blocks += section.extras.markdown
    blocks += _selected_cells(cells)
    return "\n".join(blocks)


def _head(results: Results) -> Iterator[str]:
    """Yield title, description, command, status and changes from the original study."""
    info = results.info
    yield f"# {markdown(info.title)}\n"
    yield f"{markdown(info.description)}\n"
    yield f"    {one_line(info.command)}\n"
    for sentence in (*results.status(), *results.provenance()):
        yield f"{markdown(sentence)}\n"
    if info.variant_of:
        count = len(info.differences)
        listed = "\n".join(f"* {markdown(setting)}" for setting in info.differences)
        yield (
            f"A variant of {markdown(info.variant_of)}. Settings that differ: {count}\n\n{listed}\n"
        )


def _selected_cells(cells: SelectedCells) -> Iterator[str]:
    """Yield the drawings of the selected cells, each with the runs that selected it."""
    yield "## Selected cells\n"
    for cell in cells.drawn:
        yield f"![{cell.name}](figures/{cell.name}.svg)\n"
        yield f"{code(cell.architecture)}: {markdown(cell.who)}\n"
    if cells.left_out:
        yield (
            f"{cells.left_out:,} more cells, each selected by fewer runs, are in runs.csv.\n"
        )


def figure_markdown(figure: Figure) -> str:
    """Return a figure as Markdown: a link to its file, and its caption."""
    return f"![{markdown(figure.title)}](figures/{figure.name}.svg)\n\n{markdown(figure.caption)}\n"
