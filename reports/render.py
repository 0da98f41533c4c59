"""A table as Markdown, CSV, LaTeX and HTML."""

from __future__ import annotations

from html import escape

from archselect.reports.table import Table

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    "×": r"$\times$",
    "τ": r"$\tau$",
    "ρ": r"$\rho$",
    "α": r"$\alpha$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "–": "--",
    "⁹": r"\textsuperscript{9}",
    "⁶": r"\textsuperscript{6}",
}

HEADINGS = ("Landscape", "Published in")
"""Columns that a page shows as headings of groups of rows."""
SHORT = 28
"""Letters of a text that is not broken into lines."""


def to_csv(table: Table) -> str:
    """The numbers in full; an undefined one is an empty field."""
    return str(table.frame.to_csv(index=False, lineterminator="\n"))


def to_markdown(table: Table) -> str:
    """A GitHub table with aligned columns, then caption and notes."""
    headers = [_markdown(header) for header in table.shown.columns]
    rows = [[_markdown(cell) for cell in row] for row in table.shown.itertuples(index=False)]
    widths = [max(3, *(len(row[i]) for row in (headers, *rows))) for i in range(len(headers))]
    right = [header in table.numeric for header in table.shown.columns]
    rule = ["-" * (width - 1) + ":" if r else "-" * width for width, r in zip(widths, right, strict=True)]

    def line(cells: list[str]) -> str:
        padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return f"| {' | '.join(padded)} |"

    lines = [f"## {_markdown(table.title)}", "", line(headers), f"| {' | '.join(rule)} |", *map(line, rows)]
    lines += ["", _markdown(table.caption)]
    if table.notes:
        lines += ["", *(f"* {_markdown(note)}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    """A booktabs table in a `table*` float; needs the packages booktabs and (for wide tables) graphicx."""
    alignment = "".join("r" if header in table.numeric else "l" for header in table.shown.columns)
    lines = [
        r"% \usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{latex(' '.join((f'{table.title}.', table.caption, *table.notes)))}}}",
        rf"\label{{tab:{table.name}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        " & ".join(map(latex, table.shown.columns)) + r" \\",
        r"\midrule",
        *(" & ".join(map(latex, row)) + r" \\" for row in table.shown.itertuples(index=False)),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def to_html(table: Table) -> str:
    """A `<table>` with its caption left to the page; rows that share a value of :data:`HEADINGS` stand under it."""
    grouped = next((column for column in HEADINGS if column in table.shown.columns), None)
    columns = [column for column in table.shown.columns if column != grouped]
    if "Note" in columns and not any(table.shown["Note"]):
        columns.remove("Note")
    kinds = {column: _kind(table, column) for column in columns}
    head = "".join(f'<th scope="col"{kinds[column]}>{escape(column)}</th>' for column in columns)
    lines = ["<table>", f"<thead><tr>{head}</tr></thead>"]
    before = None
    lines.append("<tbody>")
    for _, row in table.shown.iterrows():
        if grouped and row[grouped] != before:
            before = row[grouped]
            lines += [
                "</tbody><tbody>" if len(lines) > 3 else "",
                f'<tr class="part"><th scope="rowgroup" colspan="{len(columns)}">{escape(before)}</th></tr>',
            ]
        cells = "".join(f"<td{kinds[column]}>{escape(row[column])}</td>" for column in columns)
        lines.append(f"<tr>{cells}</tr>")
    lines += ["</tbody>", "</table>"]
    return "\n".join(line for line in lines if line)


def _kind(table: Table, column: str) -> str:
    """The class of a column's cells: numbers are set flush right, short texts are not broken."""
    if column in table.numeric:
        return ' class="number"'
    return ' class="short"' if table.shown[column].str.len().max() <= SHORT else ""


def latex(text: str) -> str:
    """Plain text with everything special to LaTeX escaped."""
    return "".join(_LATEX.get(character, character) for character in text.replace("\n", " "))


def _markdown(text: str) -> str:
    for special in ("\\", "|", "*", "_", "`", "<", "[", "]"):
        text = text.replace(special, "\\" + special)
    return " ".join(text.split("\n"))
