"""The command line `archselect`: every command, in the order of its help."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from archselect.benchmarks.cli import (
    comparing,
    drawing,
    extending,
    listing,
    scores,
    studies,
    training,
    truth,
)
from archselect.benchmarks.cli.app import (
    FAULT,
    UNPRINTED,
    app,
    notice,
    truth_app,
    with_expanded_paths,
)
from archselect.benchmarks.cli.signals import ended_by_signals
from archselect.benchmarks.runtime.printing import fault_of_output, guarded_streams
from archselect.nasbench_adapters.foreign_text import escape_invisible

COMMANDS: dict[str, Callable[..., None]] = {
    "run": studies.run,
    "status": studies.status,
    "estimate": studies.estimate,
    "report": studies.report,
    "compare": comparing.compare,
    "baseline": comparing.baseline,
    "merge": comparing.merge,
    "train": training.train,
    "score": scores.score,
    "operation-scores": scores.operation_scores,
    "new-selector": extending.new_selector,
    "check": extending.check,
    "draw": drawing.draw_architecture,
    "list": listing.list_things,
    "doctor": listing.doctor,
}

OF_TRUTHS: dict[str, Callable[..., None]] = {
    "list": truth.list_columns,
    "lookup": truth.lookup,
    "import": truth.import_table,
    "fit": truth.fit,
    "build": truth.build,
}

for name, command in COMMANDS.items():
    app.command(name)(with_expanded_paths(command))
for name, command in OF_TRUTHS.items():
    truth_app.command(name)(with_expanded_paths(command))


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code.

    0: all went well. 1: a gate, a run or a check failed. 2: bad input. 70: a fault in
    archselect itself.
    74: all went well, but standard output could not be written. 130, 143, 129:
    interrupted by Ctrl-C, SIGTERM, SIGHUP. Output that a reader does not want, as in
    `archselect list studies | head -1`, changes nothing.
    """
    with guarded_streams(), ended_by_signals():
        try:
            app()
        except SystemExit as end:
            if sys.stdout is not None:
                sys.stdout.flush()
            sys.exit(_code_with_output(end.code))
        except Exception:
            # Python would end with 1, which means that a gate, a run or a check failed.
            sys.stderr.write(escape_invisible(traceback.format_exc()))
            sys.exit(FAULT)


def _code_with_output(code: str | int | None) -> str | int | None:
    """Return the exit code of a command in view of whether its output was written; says so if it was not."""
    fault = fault_of_output()
    if fault is None:
        return code
    message = f"archselect: cannot write to standard output: {fault.strerror or fault}"
    notice(message, "red")
    return code or UNPRINTED
