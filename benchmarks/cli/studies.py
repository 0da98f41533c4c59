"""Commands that run and show studies: run, status, report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from archselect.benchmarks.cli.live import (
    duration,
    format_activity,
    format_end,
    study_progress,
)
from archselect.benchmarks.cli.options import (
    DataDir,
    Device,
    Engine,
    EngineSet,
    RerunOtherCode,
    RunFolder,
    StudyName,
    Workers,
)
from archselect.benchmarks.cli.parsing import parse_seeds, parse_settings
from archselect.benchmarks.cli.terminal import (
    notice,
    out,
    print_shown,
    say,
)
from archselect.nasbench_adapters.errors import Faults
from archselect.nasbench_adapters.foreign_text import one_line

if TYPE_CHECKING:
    from archselect.benchmarks.runs.harness import StudyOutcome
    from archselect.benchmarks.store.status import Status
    from archselect.running import PlannedRun

MOST_FAILED = 10
"""The maximal number of failed runs listed at the end of a study."""
WATCH_INTERVAL = 5.0
"""Seconds between two updates of `archselect status --watch`."""


@dataclass(frozen=True)
class RunOptions:
    """Options of `archselect run`."""

    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for records and report. Default: archselect-runs/STUDY.",
        ),
    ] = None
    workers: Workers = None
    device: Device = "auto"
    data_dir: DataDir = None
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic",
            help="On a GPU, use algorithms that repeat their numbers exactly. Slower.",
        ),
    ] = False
    engine: Engine = "local"
    engine_set: EngineSet = None
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set that replaces the study's, if the study has only one: a name, or your own .npz."
        ),
    ] = None
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Supernet seeds that replace the study's, such as 0,1,2 or 0-3."
        ),
    ] = None
    selector: Annotated[
        list[str] | None,
        typer.Option(
            help="A selector to add to the study; the others are compared with it. A name, or your own class as "
            "FILE.py:CLASS (the file is executed). Repeatable."
        ),
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting that replaces the study's, such as selectors.darts-pt.tune_epochs=1 or "
            "seeds.selection=[0, 1]. Repeatable.",
        ),
    ] = None
    rerun_other_code: RerunOtherCode = False


def run(study: StudyName, options: RunOptions) -> None:
    """Run the missing runs of a study, write its report and print its tables.

    Finished runs are kept: rerun the command to resume an interrupted study. The report
    is OUT/report.html.
    """
    plan = _plan_run(study, options)
    outcome = _run_study(plan)
    if outcome.made or outcome.kept:
        _print_report(plan.folder, outcome)
    if outcome.failed:
        _print_failed(plan.folder, len(outcome.failed))
        raise typer.Exit(1)


def _plan_run(name: str, options: RunOptions) -> PlannedRun:
    """Return the study as it will run. Raise UserError with all faults."""
    from archselect.running import RunRequest, plan_run

    faults = Faults()
    engine_settings: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    seeds: list[int] | None = None
    with faults.collect():
        settings = parse_settings(options.settings or ())
    with faults.collect():
        engine_settings = parse_settings(options.engine_set or (), "--engine-set")
    if options.seeds is not None:
        with faults.collect():
            seeds = parse_seeds(options.seeds)
    request = RunRequest(
        study=name,
        out=options.out_dir,
        data=options.data,
        seeds=seeds,
        selectors=options.selector or (),
        settings=settings,
        device=options.device,
        workers=options.workers,
        engine=options.engine,
        engine_settings=engine_settings,
        data_dir=options.data_dir,
        deterministic=options.deterministic,
        rerun_other_code=options.rerun_other_code,
    )
    return plan_run(request, faults)


def _run_study(plan: PlannedRun) -> StudyOutcome:
    """Run the missing runs of a study, and show progress."""
    from archselect.running import run_planned

    with study_progress(plan.folder) as show:
        return run_planned(plan, notice, show)


def _print_report(folder: Path, outcome: StudyOutcome) -> None:
    """Write the report of a folder; print its tables and its path."""
    from archselect.reports.page.write import write_report

    paths = write_report(folder)
    for table in paths.tables:
        print_shown(table)
    say(f"{outcome.made} runs made, {outcome.kept} kept. Report: {paths.html}")
    say(f"A log of each run: {folder / 'logs'}")


def _print_failed(folder: Path, count: int) -> None:
    """Print the failed runs of a folder, but at most `MOST_FAILED`."""
    from archselect.benchmarks.store.status import read_status

    failed = read_status(folder).failed
    for failure in failed[:MOST_FAILED]:
        notice(f"{failure}; log: {failure.log}")
    if len(failed) > MOST_FAILED:
        notice(f"and {len(failed) - MOST_FAILED} more")
    notice(
        f"{count} runs failed: see {folder / 'failures'}. Rerun the command to try again."
    )


def status(
    folder: Annotated[
        Path,
        typer.Argument(help="A folder that 'archselect run' writes or wrote."),
    ],
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Update every five seconds until all runs have ended."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the progress of a study: runs, the time left, and what each worker does.

    Works on any machine that can read the folder.
    """
    from archselect.benchmarks.store.status import read_status

    now = read_status(folder)
    if as_json:
        out.print(now.model_dump_json(indent=2))
        return
    if not watch:
        out.print(_status_text(now))
        return
    with Live(Text(_status_text(now)), console=out, auto_refresh=False) as live:
        while not _is_over(now):
            sleep(WATCH_INTERVAL)
            now = read_status(folder)
            live.update(Text(_status_text(now)), refresh=True)


def _is_over(now: Status) -> bool:
    """Return whether every run has finished or failed."""
    return now.done + len(now.failed) >= now.runs


def _status_text(now: Status) -> str:
    """Return a status as a few lines of text."""
    failed = len(now.failed)
    to_come = now.runs - now.done - now.begun - failed
    training = f", {now.training} more with a checkpoint" if now.training else ""
    lines = [
        f"{now.study}: {now.done} of {now.runs} runs done, {now.begun} running, {failed} failed, {to_come} not started",
        f"supernets: {now.supernets} trained{training}",
    ]
    if now.left:
        left = duration(now.left)
        end = format_end(now.left)
        lines.append(f"time left: about {left}, at the pace of the last runs: {end}")
    if now.quiet is not None and not _is_over(now):
        lines.append(f"last written: {duration(now.quiet)} ago")
    lines += map(format_activity, now.workers)
    lines += map(str, now.failed)
    return "\n".join(map(one_line, lines))


def report(folder: RunFolder) -> None:
    """Write tables, figures and report.html from records, and print the tables."""
    from archselect.reports.page.write import write_report

    paths = write_report(folder)
    for table in paths.tables:
        print_shown(table)
    say(f"Report: {paths.html}")
