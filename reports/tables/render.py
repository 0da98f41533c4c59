"""A table as Markdown, CSV, LaTeX, Typst and HTML."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from io import StringIO
from typing import NamedTuple

import pandas as pd

from archselect.nasbench_adapters.foreign_text import shorten, spreadsheet_cell
from archselect.reports.escaping import html, latex, markdown, typst
from archselect.reports.tables.table import BEST, NOT_WORSE, Table

_MARKDOWN_MARKS = {"": "{}", BEST: "**{}**", NOT_WORSE: "*{}*"}
_LATEX_MARKS = {"": "{}", BEST: r"\textbf{{{}}}", NOT_WORSE: r"\underline{{{}}}"}
_TYPST_MARKS = {"": "{}", BEST: "strong({})", NOT_WORSE: "underline({})"}

WIDE = 12
"""Most columns that fit on paper.

The print version of a wider table has only its most important columns.
"""
_SPECIAL = re.compile(r'[",\r\n]')
"""Letters that require quotes around a field of a CSV file."""
LONGEST_CELL = 100
"""Most letters of a cell on paper; a longer text loses its middle."""
SHORT = 28
"""Most letters of a text that the page keeps on one line."""

_PAPER_WIDTH = r"\ifdim\width>\textwidth\textwidth\else\width\fi"


class _Cell(NamedTuple):
    """The text of a cell, and its mark; the mark may be empty."""

    text: str
    mark: str


# CSV


def to_csv(table: Table) -> str:
    """Return a table's frame as CSV, unrounded; undefined numbers are empty fields."""
    return csv_text(table.frame)


def csv_text(frame: pd.DataFrame) -> str:
    """Return a frame as CSV.

    The text is that of DataFrame.to_csv, except that spreadsheets take no cell for a
    formula; it takes a tenth of the time.
    """
    columns = [_fields([name, *_values(column)]) for name, column in frame.items()]
    if len(columns) < 2:  # a lone empty field would be an empty line
        safe = frame.rename(columns=_safe_value).map(_safe_value)
        return safe.to_csv(index=False, lineterminator="\n")
    return "".join(f"{','.join(row)}\n" for row in zip(*columns, strict=True))


def _values(column: pd.Series) -> list[object]:
    """Return the values of a column, with empty texts for missing ones."""
    values: list[object] = column.tolist()
    missing = column.isna()
    if not missing.any():
        return values
    return [
        "" if is_missing else value
        for value, is_missing in zip(values, missing.tolist(), strict=True)
    ]


def _fields(values: list[object]) -> list[str]:
    """Return values as fields of a CSV file, quoted where necessary.

    No spreadsheet takes a field for a formula.
    """
    texts = [str(_safe_value(value)) for value in values]
    if not _SPECIAL.search("".join(texts)):
        return texts
    fields = {}
    for text in set(texts):
        fields[text] = _quoted(text) if _SPECIAL.search(text) else text
    return [fields[text] for text in texts]


def _safe_value(value: object) -> object:
    """Return a value that no spreadsheet takes for a formula."""
    return spreadsheet_cell(value) if isinstance(value, str) else value


def _quoted(text: str) -> str:
    """Return a text as the csv module writes it."""
    file = StringIO()
    csv.writer(file, lineterminator="\n").writerow([text, ""])
    return file.getvalue().removesuffix(",\n")


# Markdown


def to_markdown(table: Table) -> str:
    """Return the answer, a GitHub table with aligned columns, caption and notes."""
    columns = list(table.shown.columns)
    headers = [markdown(header) for header in columns]
    rows = [_markdown_cells(row) for row in _rows(table, columns)]
    is_numeric = [column in table.numeric for column in columns]
    widths = []
    for place, header in enumerate(headers):
        cells = [row[place] for row in rows]
        widths.append(max(3, len(header), *map(len, cells)))
    lines = [
        f"## {markdown(table.title)}",
        "",
        markdown(table.answer),
        "",
        _markdown_line(headers, widths, is_numeric),
        _markdown_rule(widths, is_numeric),
        *(_markdown_line(row, widths, is_numeric) for row in rows),
        "",
        markdown(table.caption),
    ]
    if table.notes:
        lines.append("")
        lines += [f"* {markdown(note)}" for note in table.notes]
    return "\n".join(lines) + "\n"


def _markdown_cells(row: list[_Cell]) -> list[str]:
    return [_MARKDOWN_MARKS[cell.mark].format(markdown(cell.text)) for cell in row]


def _markdown_line(cells: list[str], widths: list[int], is_numeric: list[bool]) -> str:
    """Return a line of a table, with numbers aligned right."""
    padded = []
    for cell, width, right in zip(cells, widths, is_numeric, strict=True):
        padded.append(cell.rjust(width) if right else cell.ljust(width))
    return f"| {' | '.join(padded)} |"


def _markdown_rule(widths: list[int], is_numeric: list[bool]) -> str:
    """Return the separator line below the headers."""
    rules = []
    for width, right in zip(widths, is_numeric, strict=True):
        rules.append("-" * (width - 1) + ":" if right else "-" * width)
    return f"| {' | '.join(rules)} |"


# LaTeX


def to_latex(table: Table) -> str:
    """Return the most important columns as a LaTeX `table*`, with caption and notes.

    The first line names the packages that the table needs. LaTeX shrinks a table that
    is wider than the text.
    """
    table = table.narrow()
    columns = _columns(table)
    alignment = "".join("r" if header in table.numeric else "l" for header in columns)
    lines = [
        r"% \usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{latex(table.title)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\resizebox{{{_PAPER_WIDTH}}}{{!}}{{%",
        rf"\begin{{tabular}}{{@{{}}{alignment}@{{}}}}",
        r"\toprule",
        " & ".join(map(_latex_cell, columns)) + r" \\",
        r"\midrule",
        *_latex_rows(table, columns),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\par\smallskip",
        r"\begin{minipage}{\textwidth}\footnotesize",
        *(latex(note) + r"\par" for note in (table.caption, *table.notes)),
        r"\end{minipage}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _latex_rows(table: Table, columns: Sequence[str]) -> list[str]:
    """Return the lines of all rows, with a heading over each group of rows."""
    lines: list[str] = []
    before = ""
    for heading, row in zip(_headings(table), _rows(table, columns), strict=True):
        if heading != before:
            if before:
                lines.append(r"\addlinespace")
            text = rf"\emph{{{_latex_cell(heading)}}}"
            lines.append(rf"\multicolumn{{{len(columns)}}}{{@{{}}l}}{{{text}}} \\")
            before = heading
        cells = [_LATEX_MARKS[cell.mark].format(_latex_cell(cell.text)) for cell in row]
        lines.append(" & ".join(cells) + r" \\")
    return lines


def _latex_cell(text: str) -> str:
    """Return a cell's text, short enough for a row within LaTeX's longest length."""
    return latex(shorten(text, LONGEST_CELL))


# Typst


def to_typst(table: Table) -> str:
    """Return the most telling columns as a figure of Typst, with caption and notes.

    All texts are strings, in which Typst reads no markup. A document includes the file
    and refers to the table as `@tab:name`.
    """
    table = table.narrow()
    columns = _columns(table)
    alignment = ["right" if column in table.numeric else "left" for column in columns]
    headers = [_typst_cell(_Cell(column, "")) for column in columns]
    lines = [
        "#figure(",
        "  kind: table,",
        f"  caption: {typst(table.title)},",
        "  table(",
        f"    columns: {len(columns)},",
        f"    align: ({', '.join(alignment)},),",
        "    stroke: none,",
        "    table.hline(),",
        f"    table.header({', '.join(headers)}),",
        "    table.hline(stroke: 0.5pt),",
        *(f"    {row}," for row in _typst_rows(table, columns)),
        "    table.hline(),",
        "  ),",
        f") <tab:{table.name}>",
    ]
    for note in (table.caption, *table.notes):
        lines.append(f"#par(text(size: 0.8em, {typst(note)}))")
    return "\n".join(lines) + "\n"


def _typst_rows(table: Table, columns: Sequence[str]) -> list[str]:
    """Return the cells of every row, with a heading over each group of rows."""
    lines = []
    before = ""
    for heading, row in zip(_headings(table), _rows(table, columns), strict=True):
        if heading != before:
            text = f"emph({_typst_cell(_Cell(heading, ''))})"
            lines.append(f"table.cell(colspan: {len(columns)}, align: left, {text})")
            before = heading
        lines.append(", ".join(map(_typst_cell, row)))
    return lines


def _typst_cell(cell: _Cell) -> str:
    """Return a cell of which a page holds a row."""
    return _TYPST_MARKS[cell.mark].format(typst(shorten(cell.text, LONGEST_CELL)))


# HTML


def to_html(table: Table) -> str:
    """Return a table as HTML `<table>`, without its caption.

    Rows with the same heading are grouped under it.
    """
    columns = _columns(table)
    classes = {column: _html_class(table, column, len(columns)) for column in columns}
    headers = []
    for column in columns:
        attribute = _class_attribute(classes[column])
        headers.append(
            f'<th scope="col"{attribute} aria-sort="none">{html(column)}</th>'
        )
    lines = [
        "<table>",
        f"<thead><tr>{''.join(headers)}</tr></thead>",
        "<tbody>",
    ]
    before = ""
    rows = zip(_headings(table), _rows(table, columns), strict=True)
    for place, (heading, row) in enumerate(rows):
        if heading != before:
            if lines[-1] != "<tbody>":
                lines.append("</tbody><tbody>")
            cell = f'<th scope="rowgroup" colspan="{len(columns)}">{html(heading)}</th>'
            lines.append(f'<tr class="part">{cell}</tr>')
            before = heading
        links = table.links[place] if table.links else {}
        cells = []
        for column, (text, mark) in zip(columns, row, strict=True):
            attribute = _class_attribute(classes[column], mark)
            content = _linked(html(text), links.get(column))
            cells.append(f"<td{attribute}>{content}</td>")
        row_id = f' id="{table.row_ids[place]}"' if table.row_ids else ""
        lines.append(f"<tr{row_id}>{''.join(cells)}</tr>")
    lines += ["</tbody>", "</table>"]
    return "\n".join(lines)


def _linked(text: str, id: str | None) -> str:
    """Return a cell's text, as a link if it leads to a place on the page."""
    return text if id is None else f'<a href="#{id}">{text}</a>'


def _html_class(table: Table, column: str, columns: int) -> str:
    """Return the CSS classes of a column's cells.

    "number" aligns right, "short" keeps a text on one line, and "more" hides less
    important columns of a wide table in print.
    """
    classes = []
    if column in table.numeric:
        classes.append("number")
    elif table.shown[column].str.len().max() <= SHORT:
        classes.append("short")
    if columns > WIDE and column not in table.brief:
        classes.append("more")
    return " ".join(classes)


def _class_attribute(*classes: str) -> str:
    """Return a `class` attribute with the classes that are not empty."""
    text = " ".join(filter(None, classes))
    return f' class="{text}"' if text else ""


# All forms


def _columns(table: Table) -> list[str]:
    """Return the columns to show, without headings and empty optional columns."""
    empty = [column for column in table.optional if not any(table.shown[column])]
    left_out = {table.heading, *empty}
    return [column for column in table.shown.columns if column not in left_out]


def _headings(table: Table) -> list[str]:
    """Return the heading of each row; empty texts if the table has no headings."""
    if not table.heading:
        return [""] * len(table.shown)
    return list(table.shown[table.heading])


def _rows(table: Table, columns: Sequence[str]) -> list[list[_Cell]]:
    """Return the cells of every row."""
    rows = []
    for row, marks in zip(table.shown.to_dict("records"), table.marks, strict=True):
        rows.append([_Cell(row[column], marks.get(column, "")) for column in columns])
    return rows
