"""The command line as a whole: its groups of commands and its exit codes."""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from archselect.benchmarks.cli.signals import exit_code
from archselect.benchmarks.cli.terminal import err, notice, show_warning
from archselect.nasbench_adapters.errors import UserError

BAD_INPUT = 2
"""The exit code of bad input; 1 is for a gate, a run or a check that failed."""
FAULT = 70
"""The exit code of a fault in archselect itself, as sysexits.h has it."""
UNPRINTED = 74
"""The exit code where all went well but standard output could not be written, as
sysexits.h has it.
"""


class _Group(TyperGroup):
    """A group of commands that ends with one line and an exit code after a failure."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = show_warning
                return super().invoke(ctx)
        except UserError as error:
            err.print(f"archselect: {error}", style="red", soft_wrap=True)
            sys.exit(BAD_INPUT)
        except KeyboardInterrupt as interrupt:
            notice(
                "archselect: interrupted; finished work is kept, rerun the command to resume",
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
cost_app = typer.Typer(
    help="Costs of architectures: look up, import, fit and list parameters, multiply-adds and latencies.",
    no_args_is_help=True,
)
app.add_typer(truth_app, name="truth")
app.add_typer(cost_app, name="cost")


def _print_version(wanted: bool) -> None:
    """Print the version and stop, if that is wanted."""
    if wanted:
        typer.echo(f"archselect {version('archselect')}")
        raise typer.Exit


@app.callback()
def _main(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and stop.",
        ),
    ] = False,
) -> None:
    pass
