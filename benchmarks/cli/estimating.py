"""The command that estimates the cost of a study before it runs."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from archselect.benchmarks.cli.options import DataDir, Device, StudyName
from archselect.benchmarks.cli.terminal import print_table, progress
from archselect.nasbench_adapters.errors import Faults, UserError

if TYPE_CHECKING:
    import torch

    from archselect.benchmarks.plan.study import Study
    from archselect.benchmarks.runs.estimate import Estimate
    from archselect.benchmarks.runs.speed import Speed
    from archselect.benchmarks.store.records import Counts

MINUTE = 60
HOUR = 60 * MINUTE
LONG_UNITS = ((24 * HOUR, "days"), (HOUR, "hours"), (MINUTE, "minutes"))
"""Units of time above the second, with their lengths in seconds."""
SHORTEST = 0.1
"""The shortest time that an estimate shows, in seconds."""
COMPUTING = ((1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP"))
"""Units of computation, in floating-point operations."""


class _Times(NamedTuple):
    """Times of an estimate, and where they come from.

    Attributes:
        speed: speed to assume where none was measured.
        whole: time of the whole study, as text.
        source: origin of the speeds, as text.
    """

    speed: Speed
    whole: str
    source: str


def estimate(
    study: StudyName,
    throughput: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            help="TFLOP/s that another device reaches on such networks. Default: measured on this machine.",
        ),
    ] = None,
    data_dir: DataDir = None,
    device: Device = "auto",
) -> None:
    """Estimate the cost of a study before it runs, in FLOPs and in time here.

    The command computes a few steps of every supernet to measure the machine's speed.
    """
    from archselect.benchmarks.runs.estimate import estimate_study, total_counts

    read = _read_for_estimate(study, throughput, data_dir, device)
    with progress(f"counting {study}"):
        if throughput:
            estimates = estimate_study(read, data_dir)
            times = _times_elsewhere(read, estimates, throughput)
        else:
            estimates = estimate_study(read, data_dir, _open_to_measure(device))
            times = _times_here(read, estimates, device)
    rows = [_estimate_row(one, times.speed) for one in estimates]
    runs = len(read.seeds.supernet) * len(read.seeds.selection)
    count = "1 run" if runs == 1 else f"{runs} runs"
    amount = _amount(total_counts(read, estimates).flops)
    print_table(
        f"{read.name}: cost of one run",
        ["space, data", "selector", "supernet (shared)", "selection", "final training"],
        rows,
        f"{count} of each selector, each supernet trained once, one final training per run: "
        f"{amount}, {times.whole} in total. {times.source} Final networks are wider and "
        "reach a higher rate, so their times are upper bounds. Equal selections are "
        "trained once.",
    )


def _open_to_measure(device: str) -> torch.device:
    """Return a device, after setting this process to compute as a worker does."""
    from archselect.benchmarks.runtime.machine import open_device
    from archselect.benchmarks.runtime.process_settings import (
        THREADS,
        configure_process,
    )

    configure_process(THREADS)
    return open_device(device)


def _times_here(study: Study, estimates: list[Estimate], device: str) -> _Times:
    """Return the times on this machine, whose speed was measured."""
    from archselect.benchmarks.engines.local import default_workers
    from archselect.benchmarks.runs.estimate import published_throughput, total_seconds
    from archselect.benchmarks.runs.speed import Speed
    from archselect.benchmarks.runtime.machine import describe_machine, find_device

    found = find_device(device)
    workers = default_workers(found.type)
    speeds = [one.speed for one in estimates if one.speed is not None]
    trains = any(one.training for one in estimates)
    name = describe_machine(found).device_name
    source = f"Times follow from a few steps measured here ({name}), without other load"
    if speeds or not trains:
        # Without a supernet and a training nothing is computed, at whatever speed.
        speed = speeds[0] if speeds else Speed(1.0, 1.0)
    else:
        rate, where = published_throughput()
        speed = Speed(rate, rate)
        source = f"Times assume the speed of a published search on {where}: there is no supernet to measure"
    seconds = total_seconds(study, estimates, speed, workers)
    with_workers = "1 worker" if workers == 1 else f"{workers} workers"
    return _Times(
        speed,
        f"about {_long_time(seconds)} here with {with_workers}",
        f"{source}. For another device, give --throughput TFLOP/s.",
    )


def _times_elsewhere(
    study: Study, estimates: list[Estimate], throughput: float
) -> _Times:
    """Return the times on one device of a throughput in TFLOP/s."""
    from archselect.benchmarks.runs.estimate import total_seconds
    from archselect.benchmarks.runs.speed import Speed

    rate = throughput * 1e12
    speed = Speed(rate, rate)
    seconds = total_seconds(study, estimates, speed, workers=1)
    return _Times(
        speed,
        f"about {_long_time(seconds)}",
        f"Times assume {throughput:.3g} TFLOP/s, the rate of your device.",
    )


def _read_for_estimate(
    name: str, throughput: float | None, data_dir: Path | None, device: str
) -> Study:
    """Return a study. Raise UserError with all faults of the study and the options."""
    from archselect.benchmarks.plan.preflight import check_data, names_of_images
    from archselect.benchmarks.plan.reading import draft_study
    from archselect.benchmarks.runs.estimate import KNOWN_SIZES
    from archselect.benchmarks.runtime.machine import find_device
    from archselect.nasbench_adapters.images import split_side

    faults = Faults()
    draft = draft_study(name, faults)
    names = names_of_images(draft.study, draft.data)
    # The sizes of known data sets are known without their images.
    unknown = [data for data in names if split_side(data)[0] not in KNOWN_SIZES]
    check_data(unknown, data_dir, faults)
    if throughput is not None and not isfinite(throughput):
        faults.add(UserError(f"--throughput {throughput}: write a number of TFLOP/s"))
    with faults.collect():
        find_device(device)
    faults.raise_any()
    assert draft.study is not None
    return draft.study


def _estimate_row(one: Estimate, other: Speed) -> list[str]:
    """Return the table row of one estimate.

    Args:
        one: the estimate.
        other: speed to assume if none was measured on its supernet.
    """
    speed = one.speed or other
    return [
        f"{one.space}, {one.data}",
        one.label,
        _show_cost(one.supernet, speed),
        _show_cost(one.selection, speed),
        "-" if one.training is None else _show_cost(one.training, speed),
    ]


def _show_cost(counts: Counts, speed: Speed) -> str:
    """Return the FLOPs and the time of a phase, as text; "-" for no FLOPs."""
    if not counts.flops:
        return "-"
    return f"{_amount(counts.flops)}, {_time(speed.seconds(counts))}"


def _time(seconds: float) -> str:
    """Return a time in hours, minutes or seconds."""
    if seconds >= HOUR:
        return f"{_digits(seconds / HOUR)} h"
    if seconds >= MINUTE:
        return f"{seconds / MINUTE:.1f} min"
    return f"{seconds:.1f} s" if seconds >= SHORTEST else f"<{SHORTEST} s"


def _long_time(seconds: float) -> str:
    """Return a time with its unit as a word, such as "2.5 minutes"."""
    for size, unit in LONG_UNITS:
        if seconds >= size:
            number = f"{_digits(seconds / size)}"
            return f"1 {unit[:-1]}" if number == "1" else f"{number} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 1 else "a second"


def _amount(flops: float) -> str:
    """Return an amount of computation, in the largest unit that gives at least 1."""
    for size, unit in COMPUTING:
        if flops >= size:
            return f"{_digits(flops / size)} {unit}"
    return f"{flops:.0f} FLOP"


def _digits(value: float) -> str:
    """Return a number with about three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
