"""Output of the command line: lines, tables, warnings and a progress bar.

Text from studies, files and folders is data. It is printed without markup, and
invisible characters are made visible.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from archselect.benchmarks.runtime.printing import to_output_encoding
from archselect.nasbench_adapters.errors import Notice
from archselect.nasbench_adapters.foreign_text import escape_invisible, one_line

if TYPE_CHECKING:
    from archselect.reports.page.write import TerminalTable

WIDTH_OF_FILES = 240
"""The width of a table in a file or a pipe, in characters: wide tables stay whole."""


class PlainConsole(Console):
    """A console without markup, emoji codes and highlights, for text of any origin."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a line, title or table cell as rendered text."""
        return super().render_str(escape_invisible(text), **options)


class _Description(ProgressColumn):
    """The text before a progress bar."""

    def render(self, task: Task) -> Text:
        """Return the description of a task in one line."""
        return Text(one_line(task.description))


out = PlainConsole(soft_wrap=True)
err = PlainConsole(stderr=True)


def say(line: str) -> None:
    """Print a line to standard output. A line break inside it is shown as an escape."""
    out.print(escape_invisible(line, keep=""))


def notice(line: str, colour: str = "") -> None:
    """Print a line to standard error, above the progress bar if there is one.

    A line break inside it is shown as an escape.
    """
    err.print(escape_invisible(line, keep=""), style=colour, soft_wrap=True)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning like :func:`warnings.showwarning`; print a Notice in one line."""
    if issubclass(category, Notice):
        notice(f"archselect: {message}", "yellow")
        return
    text = warnings.formatwarning(message, category, filename, lineno, line)
    err.print(text, end="", soft_wrap=True)


def _no_lines() -> list[str]:
    """Return no lines."""
    return []


class _Bar(Progress):
    """A progress bar with lines below it.

    Args:
        lines: function that returns the present lines.
    """

    def __init__(self, lines: Callable[[], list[str]]) -> None:
        self._lines = lines
        super().__init__(
            _Description(),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=err,
            transient=True,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the bar, and then each line, cut to the width of the terminal."""
        yield from super().get_renderables()
        for line in self._lines():
            yield Text(one_line(line), overflow="ellipsis", no_wrap=True)


@contextmanager
def progress(
    description: str, lines: Callable[[], list[str]] = _no_lines
) -> Iterator[Progress]:
    """Show a progress bar on standard error, if standard error is a terminal.

    Args:
        description: text before the bar.
        lines: function that returns the lines below the bar; it is called often.
    """
    bar = _Bar(lines)
    bar.add_task(description, total=None)
    with bar if err.is_terminal else nullcontext():
        yield bar


def print_shown(shown: TerminalTable) -> None:
    """Print one table of a report."""
    title = f"{shown.title}\n{shown.answer}"
    print_table(title, shown.columns, shown.rows, shown.caption, shown.numeric)


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str = "",
    numeric: Sequence[str] = (),
) -> None:
    """Print a table.

    Args:
        title: text above the table.
        columns: names of the columns.
        rows: rows with one text per column.
        caption: text below the table.
        numeric: columns to align to the right.
    """
    table = Table(title=to_output_encoding(title), title_justify="left")
    for column in columns:
        table.add_column(
            to_output_encoding(column),
            overflow="fold",
            justify="right" if column in numeric else "left",
        )
    for row in rows:
        table.add_row(*map(to_output_encoding, row))
    width = None if out.is_terminal else WIDTH_OF_FILES
    PlainConsole(width=width).print(table)
    out.print(f"{caption}\n" if caption else "")
