"""Read from its logs, on any machine, what each worker of a study does.

A log without an end in its last line belongs to unfinished work: a supernet, a run or a
training. Killed work also leaves such a log; the time of its last line shows that. This
module does not import torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from archselect.benchmarks.store.folder import Folder
from archselect.nasbench_adapters.foreign_text import one_line

LATEST = 24 * 3600.0
"""Seconds after which a silent worker is no longer shown."""
MOST_SHOWN = 64
"""The maximal number of workers shown: those with the latest reports."""
TAIL = 256 * 1024
"""The number of bytes that are read from the end of a log."""
ENDS = ("finished", "failed")
KINDS = {"supernet": "supernet", "run": "selection", "training": "training"}
"""Keys of the first line of a log, and the names of the work for readers."""
LONGEST = 200
"""The maximal number of characters of a worker's line."""


class Activity(BaseModel):
    """What a worker does.

    Attributes:
        worker: machine and process.
        work: text that names the supernet, selection or training.
        step: text that says what it does at present; empty before the first step.
        silent: seconds since it wrote the last line.
        left: seconds until this work is done at its own pace; None if that is unknown.
        share: part of the work that is done, from 0 to 1; None if that is unknown.
    """

    worker: str
    work: str
    step: str
    silent: float
    left: float | None
    share: float | None

    def __str__(self) -> str:
        step = f": {self.step}" if self.step else ""
        return one_line(f"{self.worker}: {self.work}{step}", LONGEST)


def read_activities(folder: Folder, now: float) -> list[Activity]:
    """Return what each worker does, the most recent report first.

    Args:
        folder: folder of the study.
        now: the time in seconds since 1970.
    """
    activities = []
    for path in _latest_logs(folder.root / "logs", now):
        activity = _read(path, now)
        if activity is not None:
            activities.append(activity)
    activities.sort(key=lambda activity: activity.silent)
    return activities[:MOST_SHOWN]


def _latest_logs(folder: Path, now: float) -> list[Path]:
    """Return the logs that were written within the last :data:`LATEST` seconds."""
    if not folder.is_dir():
        return []
    paths = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed since it was listed
                written = entry.stat(follow_symlinks=False).st_mtime
                is_file = entry.is_file(follow_symlinks=False)
                if is_file and now - written < LATEST:
                    paths.append(Path(entry.path))
    return paths


def _read(path: Path, now: float) -> Activity | None:
    """Return the unfinished work of a log; None if the work has ended."""
    lines = _lines(path)
    if not lines or lines[-1].get("event") in ENDS:
        return None
    since_begun: list[dict[str, Any]] = []
    for line in lines:
        if line.get("event") == "begun":
            since_begun = []
        since_begun.append(line)
    begun = since_begun[0]
    steps = [line for line in since_begun if _fraction(line) is not None]
    answers = [line for line in since_begun if line.get("event") == "answered"]
    silent = max(now - (_time(lines[-1]) or now), 0.0)
    return Activity(
        worker=f"{begun.get('host', '?')} {begun.get('pid', '?')}",
        work=_work(begun, path),
        step=_step(steps, answers),
        silent=silent,
        left=_left(begun, steps, silent),
        share=_fraction(steps[-1]) if steps else None,
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the last lines of a log, without lines that are no JSON object.

    The last line may be incomplete.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - TAIL, 0))
            content = file.read(TAIL)
    except FileNotFoundError:
        return []  # removed since it was listed
    lines = []
    for text in content.splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines


def _work(begun: Mapping[str, Any], path: Path) -> str:
    """Return text that names the work of a log."""
    for key, kind in KINDS.items():
        if begun.get(key) is None or begun.get("event") != "begun":
            continue
        if key == "run":
            seeds = (
                f"seeds {begun.get('supernet_seed')} and {begun.get('selection_seed')}"
            )
            return f"{kind} {begun.get('selector')} on {begun.get('space')}, {seeds}"
        name = begun.get("recipe", "")
        which = f"{kind} {name}".strip()
        return f"{which} on {begun.get('space')}, seed {begun.get('seed')}"
    return f"log {path.name}"


def _fraction(line: Mapping[str, Any]) -> float | None:
    """Return the share of the work that is done at the end of an epoch.

    Returns None for other lines.
    """
    done = line.get("done")
    whole = line.get("of")
    if line.get("event") != "epoch" or type(done) is not int or type(whole) is not int:
        return None
    if whole <= 0 or not 0 <= done <= whole:
        return None
    return done / whole


def _step(steps: list[dict[str, Any]], answers: list[dict[str, Any]]) -> str:
    """Return text that says what a worker does at present."""
    if steps:
        last = steps[-1]
        words = f"epoch {last['done']} of {last['of']}"
        loss = last.get("train_loss", last.get("loss"))
        return f"{words}, loss {loss:.3g}" if isinstance(loss, float) else words
    if answers:
        last = answers[-1]
        return f"asks {last.get('question')}, {last.get('times')} answers last noted"
    return ""


def _left(
    begun: Mapping[str, Any], steps: list[dict[str, Any]], silent: float
) -> float | None:
    """Return the seconds until all epochs are done, at the pace since the first line.

    Epochs before the checkpoint do not count in this pace.
    """
    if not steps:
        return None
    first = steps[0] if len(steps) > 1 else begun
    start = _time(first)
    end = _time(steps[-1])
    done_before = _fraction(first) or 0.0
    done = _fraction(steps[-1])
    if start is None or end is None or done is None or done <= done_before:
        return None
    per_share = (end - start) / (done - done_before)
    return max(per_share * (1 - done) - silent, 0.0)


def _time(line: Mapping[str, Any]) -> float | None:
    """Return when a line was written, in seconds since 1970; None if unknown."""
    try:
        return datetime.fromisoformat(str(line.get("time"))).timestamp()
    except (ValueError, OverflowError):
        return None
