"""Commands on studies: run, status, estimate, report."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.live import Live
from rich.text import Text

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
    print_table,
    progress,
    say,
    study_progress,
)
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.foreign_text import one_line

if TYPE_CHECKING:
    from archselect.benchmarks.plan.study import Study
    from archselect.benchmarks.runs.estimate import Estimate
    from archselect.benchmarks.runs.harness import StudyOutcome
    from archselect.benchmarks.store.status import Status
    from archselect.running import PlannedRun

MOST_FAILED = 10
"""Failed runs that are listed at the end of a study."""
WATCH_INTERVAL = 5.0
"""Seconds between two looks of `archselect status --watch`."""
UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"))
"""Units of time that are longer than a second, in seconds."""
MINUTE = 60
SHORTEST = 0.1
"""The shortest time of an estimate that is shown, in seconds."""
COMPUTING = ((1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP"))
"""Units of computing, in floating-point operations."""


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
            help="On a GPU, algorithms that give the same numbers each time; slower.",
        ),
    ] = False
    engine: Engine = "local"
    engine_set: EngineSet = None
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set in place of the study's only one: a name, or an .npz of your own."
        ),
    ] = None
    seeds: Annotated[
        str | None,
        typer.Option(help="Supernet seeds in place of the study's: 0,1,2 or 0-3."),
    ] = None
    selector: Annotated[
        list[str] | None,
        typer.Option(
            help="A selector beside the study's, which the others are compared with: a name, or a class of your own, "
            "FILE.py:CLASS, which is executed. Repeatable."
        ),
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting in place of the study's: selectors.darts-pt.tune_epochs=1, spaces.nb201.skeleton.cells=2, "
            "seeds.selection=[0, 1]. Repeatable.",
        ),
    ] = None
    rerun_other_code: RerunOtherCode = False


def run(study: StudyName, options: RunOptions) -> None:
    """Run a study, or what is missing of it, and print its tables.

    Finished runs are kept: rerun the command to resume an interrupted study. The report
    is DIR/report.html.
    """
    plan = _plan_run(study, options)
    outcome = _run_study(plan)
    if outcome.made or outcome.kept:
        _print_report(plan.folder, outcome)
    if outcome.failed:
        _print_failed(plan.folder, len(outcome.failed))
        raise typer.Exit(1)


def _plan_run(name: str, options: RunOptions) -> PlannedRun:
    """Return the study as it is to run; raise UserError with all that is wrong."""
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
    """Run what is missing of a study, and show how far it is."""
    from archselect.running import run_planned

    with study_progress() as show:
        return run_planned(plan, notice, show)


def _print_report(folder: Path, outcome: StudyOutcome) -> None:
    """Write the report of a folder; print its tables and where it is."""
    from archselect.reports.page.write import write_report

    paths = write_report(folder)
    for table in paths.tables:
        print_shown(table)
    say(f"{outcome.made} runs made, {outcome.kept} kept. Report: {paths.html}")
    say(f"A log of each run: {folder / 'logs'}")


def _print_failed(folder: Path, count: int) -> None:
    """Print the failed runs of a folder, some of them if there are many."""
    from archselect.benchmarks.store.status import read_status

    failed = read_status(folder).failed
    for failure in failed[:MOST_FAILED]:
        notice(f"{failure}; log: {failure.log}")
    if len(failed) > MOST_FAILED:
        notice(f"and {len(failed) - MOST_FAILED} more")
    notice(
        f"{count} runs failed; see {folder / 'failures'}. Rerun the command to try them again."
    )


def status(
    folder: Annotated[
        Path,
        typer.Argument(help="A folder that 'archselect run' writes or has written."),
    ],
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Look again every five seconds, until all is done."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show how far a study is: done, under way, failed, time left.

    Works from any machine that sees the folder.
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
    """Return whether every run is done or failed."""
    return now.done + len(now.failed) >= now.runs


def _status_text(now: Status) -> str:
    """Return a status in a few lines."""
    failed = len(now.failed)
    to_come = now.runs - now.done - now.begun - failed
    training = f", {now.training} more with a checkpoint" if now.training else ""
    lines = [
        f"{now.study}: {now.done} of {now.runs} runs done, {now.begun} under way, {failed} failed, {to_come} to come",
        f"supernets: {now.supernets} made{training}",
    ]
    if now.left:
        left = _duration(now.left)
        lines.append(f"time left: about {left}, at the pace of the last runs")
    if now.quiet is not None and not _is_over(now):
        lines.append(f"last written to: {_duration(now.quiet)} ago")
    lines += map(str, now.failed)
    return "\n".join(map(one_line, lines))


def _duration(seconds: float) -> str:
    """Return a time in words, in the largest unit of which there are at least two."""
    for size, unit in UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def report(folder: RunFolder) -> None:
    """Write tables, figures and report.html from records, and print the tables."""
    from archselect.reports.page.write import write_report

    paths = write_report(folder)
    for table in paths.tables:
        print_shown(table)
    say(f"Report: {paths.html}")


class DeviceSpeed(NamedTuple):
    """How fast a device computes, and what it is, in words.

    Attributes:
        flops_per_second: that it reaches.
        source: where the number is from.
    """

    flops_per_second: float
    source: str

    def show(self, flops: int) -> str:
        """Return how much computing FLOPs are, and how long; "-" for none."""
        if not flops:
            return "-"
        seconds = flops / self.flops_per_second
        return f"{_amount(flops)}, {_time(seconds)}"


def estimate(
    study: StudyName,
    throughput: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            help="TFLOP/s your device reaches on such networks. Default: that of a published search.",
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Count what a study will cost before it runs, in FLOPs and time."""
    from archselect.benchmarks.runs.estimate import estimate_study, total_counts

    read = _read_for_estimate(study, throughput, data_dir)
    with progress(f"counting {study}"):
        estimates = estimate_study(read, data_dir)
        speed = _throughput(throughput)
    rows = [_estimate_row(one, speed) for one in estimates]
    runs = len(read.seeds.supernet) * len(read.seeds.selection)
    whole = speed.show(total_counts(read, estimates).flops)
    print_table(
        f"{read.name}: cost of one run",
        ["space, data", "selector", "supernet (shared)", "selection", "final training"],
        rows,
        _estimate_caption(runs, whole, speed),
    )


def _estimate_caption(runs: int, whole: str, speed: DeviceSpeed) -> str:
    """Return the note below a table of estimates.

    Args:
        runs: of each selector.
        whole: what all of the study costs.
        speed: of the device.
    """
    count = "1 run" if runs == 1 else f"{runs} runs"
    rate = speed.flops_per_second / 1e12
    return (
        f"{count} of each selector; every supernet once, and a training for each run: "
        f"{whole} in all. Times at {rate:.3g} TFLOP/s, {speed.source}. Final networks are "
        "wider and run faster than that, so their times are an upper bound; equal "
        "selections are trained once."
    )


def _read_for_estimate(
    name: str, throughput: float | None, data_dir: Path | None
) -> Study:
    """Return a study; raise UserError with all faults of it and the options."""
    from archselect.benchmarks.plan.preflight import check_data, names_of_images
    from archselect.benchmarks.plan.reading import draft_study
    from archselect.benchmarks.runs.estimate import KNOWN_SIZES
    from archselect.nasbench_adapters.images import split_side

    faults = Faults()
    draft = draft_study(name, faults)
    names = names_of_images(draft.study, draft.data)
    # What an estimate needs of the known data sets is known without their images.
    unknown = [data for data in names if split_side(data)[0] not in KNOWN_SIZES]
    check_data(unknown, data_dir, faults)
    if throughput is not None and not isfinite(throughput):
        faults.add(UserError(f"--throughput {throughput}: write a number of TFLOP/s"))
    faults.raise_any()
    assert draft.study is not None
    return draft.study


def _throughput(tflops: float | None) -> DeviceSpeed:
    """Return the throughput that the user names, or that of a published search."""
    from archselect.benchmarks.runs.estimate import published_throughput

    if tflops:
        return DeviceSpeed(tflops * 1e12, "of your device")
    rate, device = published_throughput()
    return DeviceSpeed(rate, f"as counted for a published search on {device}")


def _estimate_row(one: Estimate, speed: DeviceSpeed) -> list[str]:
    """Return the row of a table that shows one estimate."""
    training = "-" if one.training is None else speed.show(one.training.flops)
    return [
        f"{one.space}, {one.data}",
        one.label,
        speed.show(one.supernet.flops),
        speed.show(one.selection.flops),
        training,
    ]


def _time(seconds: float) -> str:
    """Return a time in hours, or in seconds if it is less than a minute."""
    if seconds >= MINUTE:
        return f"{_digits(seconds / 3600)} h"
    return f"{seconds:.1f} s" if seconds >= SHORTEST else f"<{SHORTEST} s"


def _amount(flops: float) -> str:
    """Return an amount of computing, in the largest unit of which there is one."""
    for size, unit in COMPUTING:
        if flops >= size:
            return f"{_digits(flops / size)} {unit}"
    return f"{flops:.0f} FLOP"


def _digits(value: float) -> str:
    """Return about three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
