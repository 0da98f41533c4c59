"""The command line `archselect`: every command, in the order of its help."""

from __future__ import annotations

from collections.abc import Callable

from archselect.benchmarks.cli import comparing, drawing, extending, listing, scores, studies, training, truth
from archselect.benchmarks.cli.app import app, truth_app

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
    app.command(name)(command)
for name, command in OF_TRUTHS.items():
    truth_app.command(name)(command)


def main() -> None:
    """The entry point."""
    app()
