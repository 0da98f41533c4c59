"""The command line `archselect`: all commands, in the order of the help text."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from archselect.benchmarks.cli import (
    comparing,
    cost,
    drawing,
    estimating,
    extending,
    listing,
    publishing,
    scores,
    studies,
    training,
    truth,
)
from archselect.benchmarks.cli.app import FAULT, UNPRINTED, app, cost_app, truth_app
from archselect.benchmarks.cli.options import as_command
from archselect.benchmarks.cli.signals import ended_by_signals
from archselect.benchmarks.cli.terminal import notice
from archselect.benchmarks.runtime.printing import fault_of_output, guarded_streams
from archselect.nasbench_adapters.foreign_text import escape_invisible

COMMANDS: dict[str, Callable[..., None]] = {
    "run": as_command(studies.run),
    "status": as_command(studies.status),
    "estimate": as_command(estimating.estimate),
    "report": as_command(studies.report),
    "compare": as_command(comparing.compare),
    "baseline": as_command(comparing.baseline),
    "merge": as_command(comparing.merge),
    "site": as_command(publishing.site),
    "train": as_command(training.train),
    "score": as_command(scores.score),
    "operation-scores": as_command(scores.operation_scores),
    "new-study": as_command(extending.new_study),
    "new-selector": as_command(extending.new_selector),
    "check": as_command(extending.check),
    "draw": as_command(drawing.draw_architecture),
    "list": as_command(listing.list_things),
    "doctor": as_command(listing.doctor),
}
"""The commands by name."""

TRUTH_COMMANDS: dict[str, Callable[..., None]] = {
    "list": as_command(truth.list_columns),
    "lookup": as_command(truth.lookup),
    "import": as_command(truth.import_table),
    "fit": as_command(truth.fit),
    "build": as_command(truth.build),
}
"""The commands of `archselect truth` by name."""

COST_COMMANDS: dict[str, Callable[..., None]] = {
    "list": as_command(cost.list_costs),
    "lookup": as_command(cost.lookup),
    "import": as_command(cost.import_table),
    "fit": as_command(cost.fit),
}
"""The commands of `archselect cost` by name."""

for name, command in COMMANDS.items():
    app.command(name)(command)
for name, command in TRUTH_COMMANDS.items():
    truth_app.command(name)(command)
for name, command in COST_COMMANDS.items():
    cost_app.command(name)(command)


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code.

    Exit codes:

    * 0: success;
    * 1: a gate, a run or a check failed;
    * 2: bad input;
    * 70: a bug in archselect itself;
    * 74: the command succeeded, but could not write to standard output;
    * 130, 143, 129: interrupted by Ctrl-C, SIGTERM, SIGHUP.

    A reader that closes the pipe early, as in `archselect list studies | head -1`, does
    not change the exit code.
    """
    with guarded_streams(), ended_by_signals():
        try:
            app()
        except SystemExit as end:
            if sys.stdout is not None:
                sys.stdout.flush()
            sys.exit(_code_in_view_of_output(end.code))
        except Exception:
            # Python would exit with 1, which here means a failed gate, run or check.
            sys.stderr.write(escape_invisible(traceback.format_exc()))
            sys.exit(FAULT)


def _code_in_view_of_output(code: str | int | None) -> str | int | None:
    """Return the exit code; print a message if standard output could not be written."""
    fault = fault_of_output()
    if fault is None:
        return code
    message = f"archselect: cannot write to standard output: {fault.strerror or fault}"
    notice(message, "red")
    return code or UNPRINTED
