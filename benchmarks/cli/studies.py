"""Commands on studies: run, status, report, estimate."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from archselect.benchmarks.cli.app import (
    DataDir,
    Device,
    Engine,
    EngineSet,
    RerunOtherCode,
    StudyName,
    Workers,
    notice,
    out,
    parse_seeds,
    parse_settings,
    print_shown,
    print_table,
    progress,
    say,
)
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.foreign_text import one_line

if TYPE_CHECKING:
    from archselect.benchmarks.plan.study import Draft
    from archselect.benchmarks.store.status import Status


def run(
    study: StudyName,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for records and report. Default: archselect-runs/STUDY.",
        ),
    ] = None,
    workers: Workers = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic",
            help="On a GPU, algorithms that give the same numbers each time; slower.",
        ),
    ] = False,
    engine: Engine = "local",
    engine_set: EngineSet = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set in place of the study's only one: a name, or an .npz of your own."
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="Supernet seeds in place of the study's: 0,1,2 or 0-3."),
    ] = None,
    selector: Annotated[
        list[str] | None,
        typer.Option(
            help="A selector beside the study's, which the others are compared with: a name, or a class of your own, "
            "FILE.py:CLASS, which is executed. Repeatable."
        ),
    ] = None,
    rerun_other_code: RerunOtherCode = False,
) -> None:
    """Run a study, or what is missing of it, and print its tables.

    Finished runs are kept: the same command goes on where an interrupted one stopped.
    The report is DIR/report.html.
    """
    from archselect.benchmarks.plan.preflight import (
        check_claim,
        check_parts_of_study,
        check_place,
    )
    from archselect.benchmarks.runs.harness import run_study
    from archselect.reports.page.write import write_report
    from archselect.reports.published.numbers import check_published

    faults = Faults()
    settings: dict[str, Any] = {}
    wanted: list[int] | None = None
    with faults.collect():
        settings = parse_settings(engine_set or (), "--engine-set")
    if seeds is not None:
        with faults.collect():
            wanted = parse_seeds(seeds)
    draft = _draft(study, data, wanted, selector or [], faults)
    name = draft.study.name if draft.study else Path(study).stem
    folder = out_dir or Path("archselect-runs") / name
    check_place(folder, device, engine, settings, faults)
    if draft.study is not None:
        with faults.collect():
            check_published(draft.study.reproduces)
        with faults.collect():
            check_claim(folder, name)
    check_parts_of_study(draft.spaces, draft.data, data_dir, faults)
    faults.raise_any()
    read = draft.study
    assert read is not None
    with progress("reading data and truth") as bar:

        def show(stage: str, done: int, total: int) -> None:
            bar.update(bar.task_ids[0], description=stage, completed=done, total=total)

        outcome = run_study(
            read,
            folder,
            device=device,
            workers=workers,
            engine=engine,
            deterministic=deterministic,
            engine_settings=settings,
            data_dir=data_dir,
            rerun_other_code=rerun_other_code,
            notify=notice,
            progress=show,
            command=_command(study, data, seeds, selector or [], deterministic),
        )
    if outcome.made or outcome.kept:
        paths = write_report(folder)
        for table in paths.tables:
            print_shown(table)
        say(f"{outcome.made} runs made, {outcome.kept} kept. Report: {paths.html}")
        say(f"A log of each run: {folder / 'logs'}")
    if outcome.failed:
        from archselect.benchmarks.store.status import status as look

        failed = look(folder).failed
        said = [f"{run}; log: {run.log}" for run in failed[:MOST_FAILED]]
        more = len(failed) - len(said)
        said += [f"and {more} more"] * (more > 0)
        said.append(
            f"{len(outcome.failed)} runs failed; see {folder / 'failures'}. The same command tries them again."
        )
        for line in said:
            notice(line)
        raise typer.Exit(1)


def _draft(
    name: str,
    data: str | None,
    seeds: list[int] | None,
    selectors: list[str],
    faults: Faults,
) -> Draft:
    """Return a study as the options change it, as far as it can be read; note all faults."""
    from archselect.benchmarks.plan.study import SelectorPart, draft_study

    of_study = Faults()
    draft = draft_study(name, of_study)
    faults.take(of_study)
    if data is None and seeds is None and not selectors:
        return draft
    usable = []
    for selector in selectors:
        with faults.collect():
            SelectorPart(name=selector).build()
            usable.append(selector)
    if draft.study is not None and not of_study:
        with faults.collect():
            draft.study = draft.study.variant(
                name, data=data, supernet_seeds=seeds, selectors=usable
            )
    if data is not None:
        draft.data = [part.model_copy(update={"name": data}) for part in draft.data]
    return draft


def _command(
    study: str,
    data: str | None,
    seeds: str | None,
    selectors: list[str],
    deterministic: bool,
) -> list[str]:
    options = [
        ("--data", data),
        ("--seeds", seeds),
        *(("--selector", name) for name in selectors),
    ]
    words = [word for name, value in options if value for word in (name, value)]
    return ["archselect", "run", study, *words, *["--deterministic"] * deterministic]


def status(
    folder: Annotated[
        Path,
        typer.Argument(help="A folder that 'archselect run' writes or has written."),
    ],
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Look again every five seconds, till all is done."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say how far a study is: done, under way, failed, time left.

    Works from any machine that sees the folder.
    """
    from archselect.benchmarks.store.status import status as look

    now = look(folder)
    if as_json:
        out.print(now.model_dump_json(indent=2))
        return
    if not watch:
        out.print(_shown_status(now))
        return
    with Live(Text(_shown_status(now)), console=out, auto_refresh=False) as live:
        while now.done + len(now.failed) < now.runs:
            sleep(WATCH)
            now = look(folder)
            live.update(Text(_shown_status(now)), refresh=True)


MOST_FAILED = 10
"""Failed runs that are listed at the end of a study."""
WATCH = 5.0
"""Seconds between two looks."""


def _shown_status(now: Status) -> str:
    waiting = now.runs - now.done - now.begun - len(now.failed)
    parts = [
        f"{now.done} of {now.runs} runs done",
        f"{now.begun} under way",
        f"{len(now.failed)} failed",
    ]
    lines = [f"{now.study}: {', '.join([*parts, f'{waiting} to come'])}"]
    training = f", {now.training} more with a checkpoint" if now.training else ""
    lines.append(f"supernets: {now.supernets} made{training}")
    if now.left:
        lines.append(
            f"time left: about {_duration(now.left)}, at the pace of the last runs"
        )
    if now.quiet is not None and now.done + len(now.failed) < now.runs:
        lines.append(f"last written to: {_duration(now.quiet)} ago")
    lines += map(str, now.failed)
    return "\n".join(map(one_line, lines))


def _duration(seconds: float) -> str:
    """In the largest unit of which there are two."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def report(
    folder: Annotated[
        Path, typer.Argument(help="A folder that 'archselect run' has written.")
    ],
) -> None:
    """Write tables, figures and report.html anew from a folder of records, and print the tables."""
    from archselect.reports.page.write import write_report

    paths = write_report(folder)
    for table in paths.tables:
        print_shown(table)
    say(f"Report: {paths.html}")


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
    """Count what a study will cost before it runs, in FLOPs and hours."""
    from archselect.benchmarks.plan.preflight import check_data
    from archselect.benchmarks.plan.study import draft_study
    from archselect.benchmarks.runs.estimate import KNOWN, published_throughput, total
    from archselect.benchmarks.runs.estimate import estimate as estimate_study
    from archselect.nasbench_adapters.images import split_side

    faults = Faults()
    draft = draft_study(study, faults)
    names = [part.name for part in draft.data]
    names += [
        train.data
        for part in draft.data
        for train in part.train
        if train.data is not None
    ]
    # What an estimate needs of these is known without them.
    check_data(
        [name for name in names if split_side(name)[0] not in KNOWN], data_dir, faults
    )
    if throughput is not None and not isfinite(throughput):
        faults.add(UserError(f"--throughput {throughput}: write a number of TFLOP/s"))
    faults.raise_any()
    read = draft.study
    assert read is not None
    with progress(f"counting {study}"):
        estimates = estimate_study(read, data_dir)
        rate, device = (
            (throughput * 1e12, "your device") if throughput else published_throughput()
        )

    def shown(flops: int) -> str:
        return (
            f"{_digits(flops / 1e15)} PFLOP, {_digits(flops / rate / 3600)} h"
            if flops
            else "-"
        )

    rows = [
        [
            f"{e.space}, {e.data}",
            e.label,
            shown(e.supernet.flops),
            shown(e.selection.flops),
            "-" if e.training is None else shown(e.training.flops),
        ]
        for e in estimates
    ]
    runs = len(read.seeds.supernet) * len(read.seeds.selection)
    whole = total(read, estimates)
    print_table(
        f"{read.name}: cost of one run",
        ["space, data", "selector", "supernet (shared)", "selection", "final training"],
        rows,
        f"{runs} runs of each; every supernet once, and a training for each run: {shown(whole.flops)} in all. Hours at "
        f"{rate / 1e12:.3g} TFLOP/s, {'of' if throughput else 'as counted for a published search on'} {device}. Final "
        "networks are wider and run faster than that, so their hours are an upper bound; equal selections are trained "
        "once.",
    )


def _digits(value: float) -> str:
    """About three digits, without exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
