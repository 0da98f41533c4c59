"""A table as Markdown, CSV, LaTeX and HTML."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from io import StringIO

import pandas as pd

from archselect.nasbench_adapters.foreign_text import shorten, spreadsheet_cell
from archselect.reports.escaping import html, latex, markdown
from archselect.reports.tables.table import BEST, HEADINGS, LEVEL_WITH_IT, Table

_MARKDOWN_MARKS = {"": "{}", BEST: "**{}**", LEVEL_WITH_IT: "*{}*"}
_LATEX_MARKS = {"": "{}", BEST: r"\textbf{{{}}}", LEVEL_WITH_IT: r"\underline{{{}}}"}

WIDE = 12
"""Columns that fit on paper; of more than these, only the most telling ones are
printed.
"""
_SPECIAL = re.compile(r'[",\r\n]')
"""What may put a field of a CSV file into quotes."""
LONGEST_CELL = 100
"""Letters of a cell on paper; of a longer one the middle is left out."""
SHORT = 28
"""Letters of a text that is not broken into lines."""

_PAPER_WIDTH = r"\ifdim\width>\textwidth\textwidth\else\width\fi"


def to_csv(table: Table) -> str:
    """The numbers in full; an undefined one is an empty field.

    The text of DataFrame.to_csv, in a tenth of its time.
    """
    return csv_text(table.frame)


def csv_text(frame: pd.DataFrame) -> str:
    """A frame as :func:`to_csv` writes a table's."""
    columns = [_fields([name, *_values(column)]) for name, column in frame.items()]
    if len(columns) < 2:  # an empty field by itself would be an empty line
        return (
            frame.rename(columns=_cell)
            .map(_cell)
            .to_csv(index=False, lineterminator="\n")
        )
    return "".join(f"{','.join(row)}\n" for row in zip(*columns, strict=True))


def _values(column: pd.Series) -> list[object]:
    missing = column.isna()
    values: list[object] = column.tolist()
    if missing.any():
        return [
            "" if gone else value
            for value, gone in zip(values, missing.tolist(), strict=True)
        ]
    return values


def _fields(values: list[object]) -> list[str]:
    """Texts, in quotes where they must be, of which spreadsheets take none for a formula."""
    texts = [str(_cell(value)) for value in values]
    if not _SPECIAL.search("".join(texts)):
        return texts
    fields = {
        text: _field(text) if _SPECIAL.search(text) else text for text in set(texts)
    }
    return [fields[text] for text in texts]


def _cell(value: object) -> object:
    return spreadsheet_cell(value) if isinstance(value, str) else value


def _field(text: str) -> str:
    file = StringIO()
    csv.writer(file, lineterminator="\n").writerow([text, ""])
    return file.getvalue().removesuffix(",\n")


def to_markdown(table: Table) -> str:
    """The table's answer, a GitHub table with aligned columns, then caption and notes."""
    columns = list(table.shown.columns)
    headers = [markdown(header) for header in columns]
    rows = [
        [_MARKDOWN_MARKS[mark].format(markdown(text)) for text, mark in row]
        for row in _cells(table, columns)
    ]
    widths = [
        max(3, *(len(row[i]) for row in (headers, *rows))) for i in range(len(headers))
    ]
    right = [column in table.numeric for column in columns]
    rule = [
        "-" * (width - 1) + ":" if r else "-" * width
        for width, r in zip(widths, right, strict=True)
    ]

    def line(cells: list[str]) -> str:
        padded = (
            c.rjust(w) if r else c.ljust(w)
            for c, w, r in zip(cells, widths, right, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    lines = [f"## {markdown(table.title)}", "", markdown(table.answer), ""]
    lines += [
        line(headers),
        f"| {' | '.join(rule)} |",
        *map(line, rows),
        "",
        markdown(table.caption),
    ]
    if table.notes:
        lines += ["", *(f"* {markdown(note)}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    """The table's most telling columns in a `table*` float, by booktabs, and caption and notes below it.

    Needs the packages that its first line names. A table wider than the text is made
    smaller.
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
    ]
    before = ""
    for group, row in zip(_groups(table), _cells(table, columns), strict=True):
        if group != before:
            lines += [] if not before else [r"\addlinespace"]
            lines.append(
                rf"\multicolumn{{{len(columns)}}}{{@{{}}l}}{{\emph{{{_latex_cell(group)}}}}} \\"
            )
            before = group
        lines.append(
            " & ".join(
                _LATEX_MARKS[mark].format(_latex_cell(text)) for text, mark in row
            )
            + r" \\"
        )
    lines += [
        r"\bottomrule",
        r"\end{tabular}}",
        r"\par\smallskip",
        r"\begin{minipage}{\textwidth}\footnotesize",
        *(latex(note) + r"\par" for note in (table.caption, *table.notes)),
        r"\end{minipage}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _latex_cell(text: str) -> str:
    """A cell, of which LaTeX's longest length holds a row."""
    return latex(shorten(text, LONGEST_CELL))


def to_html(table: Table) -> str:
    """A `<table>` with its caption left to the page; rows that share a value of :data:`HEADINGS` stand under it."""
    columns = _columns(table)
    more = (
        [column for column in columns if column not in table.brief]
        if len(columns) > WIDE
        else []
    )
    kinds = {
        column: f"{_kind(table, column)}{' more' * (column in more)}".strip()
        for column in columns
    }
    head = "".join(
        f'<th scope="col"{_class(kinds[column])} aria-sort="none">{html(column)}</th>'
        for column in columns
    )
    lines = ["<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>"]
    before = ""
    for group, row in zip(_groups(table), _cells(table, columns), strict=True):
        if group != before:
            before = group
            lines += [] if lines[-1] == "<tbody>" else ["</tbody><tbody>"]
            heading = (
                f'<th scope="rowgroup" colspan="{len(columns)}">{html(group)}</th>'
            )
            lines.append(f'<tr class="part">{heading}</tr>')
        cells = zip(columns, row, strict=True)
        made = (
            f"<td{_class(kinds[column], mark)}>{html(text)}</td>"
            for column, (text, mark) in cells
        )
        lines.append(f"<tr>{''.join(made)}</tr>")
    lines += ["</tbody>", "</table>"]
    return "\n".join(lines)


def _columns(table: Table) -> list[str]:
    """The columns under headings of groups, without an empty one of notes."""
    columns = [column for column in table.shown.columns if column not in HEADINGS]
    return [
        column for column in columns if column != "Note" or any(table.shown["Note"])
    ]


def _groups(table: Table) -> list[str]:
    """Row by row the heading that it stands under, or nothing."""
    found = [column for column in HEADINGS if column in table.shown.columns]
    return list(table.shown[found[0]]) if found else [""] * len(table.shown)


def _cells(table: Table, columns: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    """Row by row the text and mark of every cell."""
    for row, marks in zip(table.shown.to_dict("records"), table.marks, strict=True):
        yield [(row[column], marks.get(column, "")) for column in columns]


def _class(*names: str) -> str:
    """An HTML attribute of these classes, of which some may be empty."""
    return f' class="{said}"' if (said := " ".join(filter(None, names))) else ""


def _kind(table: Table, column: str) -> str:
    """The class of a column's cells: numbers are set flush right, short texts are not broken."""
    if column in table.numeric:
        return "number"
    return "short" if table.shown[column].str.len().max() <= SHORT else ""
