"""The groups of commands of the command line, and its exit codes."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from archselect.benchmarks.cli.signals import exit_code
from archselect.benchmarks.cli.terminal import err, notice, show_warning
from archselect.nasbench_adapters.distribution import (
    installed_version,
    missing_package,
)
from archselect.nasbench_adapters.errors import UserError

BAD_INPUT = 2
"""The exit code of bad input. Exit code 1 means a failed gate, run or check."""
FAULT = 70
"""The exit code of a bug in archselect itself, as in sysexits.h."""
UNPRINTED = 74
"""The exit code of a command that succeeded, but could not write to standard output.
It is that of sysexits.h.
"""


class _Group(TyperGroup):
    """A group of commands. A failure prints one line and sets the exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = show_warning
                return super().invoke(ctx)
        except UserError as error:
            err.print(f"archselect: {error}", style="red", soft_wrap=True)
            sys.exit(BAD_INPUT)
        except ModuleNotFoundError as error:
            remedy = missing_package(error)
            if remedy is None:
                raise
            notice(f"archselect: {remedy}", "red")
            sys.exit(BAD_INPUT)
        except KeyboardInterrupt as interrupt:
            notice(
                "archselect: interrupted; finished work is kept, rerun the command to resume",
                "red",
            )
            sys.exit(exit_code(interrupt))
        except BrokenPipeError as error:
            # Typer would blame standard output, and end with 1.
            raise RuntimeError("the pipe to another process is broken") from error


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
    help="Look up, import, fit, build and list ground truths (tables of accuracies).",
    no_args_is_help=True,
)
cost_app = typer.Typer(
    help="Look up, import, fit and list costs of architectures: parameters, multiply-adds, latencies.",
    no_args_is_help=True,
)
app.add_typer(truth_app, name="truth")
app.add_typer(cost_app, name="cost")


def _print_version(wanted: bool) -> None:
    """Print the version and exit, if the user asks for it."""
    if wanted:
        typer.echo(f"archselect {installed_version()}")
        raise typer.Exit


@app.callback()
def _main(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    pass
