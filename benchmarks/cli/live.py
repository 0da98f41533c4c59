"""Progress of a running study: a bar, a line per worker, and the estimated end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from archselect.benchmarks.cli.terminal import progress

if TYPE_CHECKING:
    from archselect.benchmarks.runs.execution import Progress as StudyProgress
    from archselect.benchmarks.store.activity import Activity

DAY = 86400
"""Seconds of a day."""
UNITS = ((DAY, "days"), (3600, "hours"), (60, "minutes"))
"""Units of time above the second, with their lengths in seconds."""
EVERY = 2.0
"""Seconds between two looks at the logs of the workers."""
SILENT = 120.0
"""Seconds after which a line says how long a worker has been silent."""
MOST_LINES = 16
"""The maximal number of workers shown below the bar."""


def duration(seconds: float) -> str:
    """Return a duration as text, in the largest unit that gives at least 2."""
    for size, unit in UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def format_end(left: float) -> str:
    """Return the local time at which the remaining seconds are over, as text."""
    end = time.localtime(time.time() + left)
    form = "%H:%M" if left < DAY else "%Y-%m-%d %H:%M"
    return f"until {time.strftime(form, end)}"


def format_activity(activity: Activity) -> str:
    """Return a line that says what a worker does, and how long it still takes."""
    words = f"{activity}"
    if activity.left is not None:
        words += f", about {duration(activity.left)} left"
    if activity.silent > SILENT:
        words += f", silent for {duration(activity.silent)}"
    return words


class _WorkerLines:
    """A line for each worker of a study, read from its logs every few seconds.

    Args:
        root: folder of the study.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._looked = 0.0
        self._lines: list[str] = []

    def __call__(self) -> list[str]:
        """Return the lines, at most :data:`EVERY` seconds old."""
        from archselect.benchmarks.store.activity import read_activities
        from archselect.benchmarks.store.folder import Folder

        now = time.monotonic()
        if now - self._looked >= EVERY:
            self._looked = now
            activities = read_activities(Folder(self._root), time.time())
            self._lines = [format_activity(one) for one in activities[:MOST_LINES]]
        return self._lines


@contextmanager
def study_progress(folder: Path) -> Iterator[StudyProgress]:
    """Show the progress of a study; yield the function that updates it."""
    pace = _Pace()
    with progress("reading data and truth", _WorkerLines(folder)) as bar:

        def show(stage: str, done: int, total: int) -> None:
            left = pace.left(stage, done, total)
            words = stage if left is None else f"{stage}, about {duration(left)} left"
            bar.update(bar.task_ids[0], description=words, completed=done, total=total)

        yield show


class _Pace:
    """Estimates how long a stage still takes, at the pace since it began."""

    def __init__(self) -> None:
        self._stage = ""
        self._first = 0
        self._start = 0.0

    def left(self, stage: str, done: int, total: int) -> float | None:
        """Return the seconds until a stage ends; None before its first piece of work.

        Args:
            stage: name of the stage; a new name starts a new pace.
            done: pieces of work that are done, including those of earlier commands.
            total: total number of pieces.
        """
        now = time.monotonic()
        if stage != self._stage:
            self._stage = stage
            self._first = done
            self._start = now
        made = done - self._first
        if made == 0:
            return None
        return (now - self._start) / made * (total - done)
