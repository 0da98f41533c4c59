"""The command line as a whole: its group, exit codes, and what the commands share."""

from __future__ import annotations

import re
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.console import Console
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
from typer.core import TyperGroup

from archselect.benchmarks.cli.signals import exit_code
from archselect.benchmarks.runtime.printing import to_output_encoding
from archselect.nasbench_adapters.errors import Notice, UserError
from archselect.nasbench_adapters.foreign_text import escape_invisible, one_line
from archselect.nasbench_adapters.input_files import expand
from archselect.nasbench_adapters.limits import (
    MOST_SEEDS,
    MOST_WHOLE_NUMBER,
    MOST_WORKERS,
)
from archselect.nasbench_adapters.toml import parse_toml

if TYPE_CHECKING:
    from archselect.benchmarks.plan.parts import TruthPart
    from archselect.reports.page.write import TerminalTable


class PlainConsole(Console):
    """A console to which every text is data: without markup, emoji codes and highlights, and all of it can be seen."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return what is shown of a text, wherever it stands: by itself, or as a title or a cell of a table."""
        return super().render_str(escape_invisible(text), **options)


class _Description(ProgressColumn):
    """What a progress bar is of."""

    def render(self, task: Task) -> Text:
        return Text(one_line(task.description))


out, err = PlainConsole(soft_wrap=True), PlainConsole(stderr=True)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """In one line if it is ours."""
    if issubclass(category, Notice):
        notice(f"archselect: {message}", "yellow")
    else:
        err.print(
            warnings.formatwarning(message, category, filename, lineno, line),
            end="",
            soft_wrap=True,
        )


BAD_INPUT = 2
"""The exit code of bad input; 1 is for a gate, a run or a check that failed."""
FAULT = 70
"""The exit code of a fault in archselect itself, as sysexits.h has it."""
UNPRINTED = 74
"""The exit code where all went well but standard output could not be written, as
sysexits.h has it.
"""


class _Group(TyperGroup):
    """A group of commands that ends with one line and an exit code of its own for each kind of failure."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except UserError as error:
            err.print(f"archselect: {error}", style="red", soft_wrap=True)
            sys.exit(BAD_INPUT)
        except KeyboardInterrupt as interrupt:
            notice(
                "archselect: interrupted; what is finished is kept, the same command goes on",
                "red",
            )
            sys.exit(exit_code(interrupt))
        except BrokenPipeError as error:
            # Typer takes it for one of standard output, and ends with 1.
            raise RuntimeError("a pipe to another process broke") from error


app = typer.Typer(
    cls=_Group,
    help="Which method reads the best architecture out of a supernet, and at what cost?\n\n"
    "Start with:  archselect run quickstart",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
truth_app = typer.Typer(
    help="Ground truth: look up, import, build and list tables of accuracies.",
    no_args_is_help=True,
)
app.add_typer(truth_app, name="truth")

DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of image data sets. Default: the user's data folder."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:NUMBER.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, max=MOST_WORKERS, help="Processes. Default: one per core, or per GPU."
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help="Where it is done: local (processes of this machine), slurm or dask."
    ),
]
EngineSet = Annotated[
    list[str] | None,
    typer.Option(
        help="A setting of the engine, NAME=VALUE: scheduler=tcp://HOST:PORT, partition=gpu. Repeatable."
    ),
]
RerunOtherCode = Annotated[
    bool,
    typer.Option(
        "--rerun-other-code",
        help="Make anew what another commit of archselect made, and what was made from that; otherwise it is kept.",
    ),
]
StudyName = Annotated[
    str,
    typer.Argument(help="A built-in study ('archselect list studies') or a TOML file."),
]


def with_expanded_paths(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that gets each path among its arguments with `~` replaced by the user's home folder."""

    @wraps(command)
    def call(**arguments: Any) -> None:
        command(**{name: _expanded(value) for name, value in arguments.items()})

    return call


def _expanded(value: Any) -> Any:
    if isinstance(value, list):
        return [_expanded(part) for part in value]
    return expand(value) if isinstance(value, Path) else value


SKELETON = "skeleton."
"""What stands before the settings of a network's size, on the command line."""


def _version_and_stop(wanted: bool) -> None:
    if wanted:
        typer.echo(f"archselect {version('archselect')}")
        raise typer.Exit


@app.callback()
def _main(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version_and_stop,
            is_eager=True,
            help="Print the version and stop.",
        ),
    ] = False,
) -> None:
    pass


@contextmanager
def progress(description: str) -> Iterator[Progress]:
    """A progress bar on standard error; silent when that is not a terminal."""
    columns = _Description(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    bar = Progress(*columns, console=err, transient=True)
    bar.add_task(description, total=None)
    with bar if err.is_terminal else nullcontext():
        yield bar


def say(line: str) -> None:
    """Print a line to standard output; a line break in it, as a file's name may have, is shown and not printed."""
    out.print(escape_invisible(line, keep=""))


def notice(line: str, colour: str = "") -> None:
    """Print a line as :func:`say` does, to standard error, above the progress bar if there is one."""
    err.print(escape_invisible(line, keep=""), style=colour, soft_wrap=True)


def parse_seeds(text: str) -> list[int]:
    """The seeds of a text such as 0,1,2 or 0-3.

    Raises UserError if it names none, too many, or too large ones.
    """
    seeds: list[int] = []
    for part in text.split(","):
        named = _SEEDS.fullmatch(part)
        first = int(named[1]) if named else 0
        last = int(named[2] or named[1]) if named else -1
        if last < first:
            raise UserError(f"--seeds {text!r} names no seeds: write 0,1,2 or 0-3")
        if last > MOST_WHOLE_NUMBER:
            raise UserError(
                f"--seeds {text!r}: the largest seed is {MOST_WHOLE_NUMBER}"
            )
        # Counted before they are listed.
        if len(seeds) + last - first + 1 > MOST_SEEDS:
            raise UserError(
                f"--seeds {text!r} names more than {MOST_SEEDS:,} seeds, the most of one command: share them out"
            )
        seeds += range(first, last + 1)
    return seeds


_SEEDS = re.compile(r"\s*([0-9]{1,20})(?:\s*-\s*([0-9]{1,20}))?\s*", re.ASCII)
"""A seed, or the first and the last of a range."""


def parse_settings(texts: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """The values of NAME=VALUE: numbers and truth values as in TOML, all else as texts."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UserError(f"{option} {text!r} is not NAME=VALUE")
        if name in values:
            raise UserError(f"{option} names {name} twice")
        try:
            values[name] = _value_of(value)
        except ValueError as error:
            raise UserError(f"{option} {name}: {error}") from error
    return values


def _value_of(text: str) -> Any:
    """Return what a text is in TOML, or the text where it is no value.

    Raises ValueError as :func:`parse_toml` does.
    """
    try:
        parsed = parse_toml(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # A line break would begin another key.
    return parsed["value"] if len(parsed) == 1 else text


def truth_part(
    table: str | None, dataset: str | None, split: str | None, epochs: int | None
) -> TruthPart | None:
    """The column of a truth that options name, None if none of them is given."""
    from archselect.benchmarks.plan.parts import TruthPart

    if table is None and dataset is None and split is None and epochs is None:
        return None
    if table is None or dataset is None or split is None or epochs is None:
        raise UserError("a truth needs --table, --dataset, --split and --epochs")
    return TruthPart(table=table, dataset=dataset, split=split, epochs=epochs)


def print_shown(shown: TerminalTable) -> None:
    """Print one table of a report."""
    print_table(
        f"{shown.title}\n{shown.answer}",
        shown.columns,
        shown.rows,
        shown.caption,
        shown.numeric,
    )


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str = "",
    numeric: Sequence[str] = (),
) -> None:
    """Print rows under a title, and a caption below."""
    shown = Table(title=to_output_encoding(title), title_justify="left")
    for column in columns:
        shown.add_column(
            to_output_encoding(column),
            overflow="fold",
            justify="right" if column in numeric else "left",
        )
    for row in rows:
        shown.add_row(*map(to_output_encoding, row))
    # Wide tables stay whole when they go to a file or a pipe.
    PlainConsole(width=None if out.is_terminal else 240).print(shown)
    out.print(f"{caption}\n" if caption else "")
