"""The log of a run, a supernet or a training: a file of its own in `logs/`, one JSON object a line. No torch here.

Each line has `time` (UTC), `level` and `event`: begun, answered (what a selector asked,
and how often), epoch, finished or failed, a warning, or whatever a selector writes to a
logger of `logging`. Nothing is read off logs: they may go.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from archselect.nasbench_adapters.atomic_files import open_to_append, unwritable

LOG = logging.getLogger("archselect")
LOG.setLevel(logging.INFO)
EVERY = 60.0
"""Seconds after which a run that asks the same question on and on gets another line."""


def note(event: str, **facts: object) -> None:
    """Write a line with these facts, if a log is open."""
    LOG.info(event, extra={"facts": facts})


@contextmanager
def logged(path: Path, **about: object) -> Iterator[None]:
    """Within it, what this thread logs goes into the file, too; it begins with `about` and the process.

    The file lies in a folder of a study's folder, below which nothing is written
    through links. Raises UserError if it cannot be written.
    """
    try:
        handler = _File(path)
    except OSError as error:
        raise unwritable(path, error) from error
    own = threading.get_ident()
    handler.addFilter(
        lambda line: line.thread == own
    )  # a cluster's worker may do several runs at once
    handler.setFormatter(_Lines())
    logging.getLogger().addHandler(handler)
    _hear_warnings()
    start = time.monotonic()
    try:
        note("begun", **about, host=platform.node(), pid=os.getpid())
        yield
        note("finished", seconds=round(time.monotonic() - start, 3))
    except BaseException as error:
        LOG.exception(
            "failed", extra={"facts": {"error": f"{type(error).__name__}: {error}"}}
        )
        raise
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


class Answers:
    """Notes the questions of a run: a line when another comes, and each :data:`EVERY` seconds.

    A context manager, at whose end the last is noted.
    """

    def __init__(self) -> None:
        self._of: tuple[str, bool] | None = None
        self._times, self._since = 0, time.monotonic()

    def answered(self, question: str, replayed: bool) -> None:
        """A question was answered, or its answer taken from the journal."""
        if self._of != (question, replayed) or time.monotonic() - self._since > EVERY:
            self._note()
            self._of = (question, replayed)
        self._times += 1

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        self._note()

    def _note(self) -> None:
        now = time.monotonic()
        if self._of is not None:
            question, replayed = self._of
            journal = {"from_journal": True} if replayed else {}
            note(
                "answered",
                question=question,
                times=self._times,
                seconds=round(now - self._since, 3),
                **journal,
            )
        self._times, self._since = 0, now


class _File(logging.Handler):
    """Adds each line to a file, at once.

    A disk that is full stops no run here: what the run itself writes will.
    """

    def __init__(self, path: Path) -> None:
        self._file = open_to_append(path, path.parent.parent)
        super().__init__()

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            self._file.write((self.format(record) + "\n").encode())
            self._file.flush()

    def close(self) -> None:
        self._file.close()
        super().close()


class _Lines(logging.Formatter):
    """A line of JSON for each record of `logging`."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(
            timespec="milliseconds"
        )
        line: dict[str, Any] = {
            "time": when,
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.name != LOG.name:
            line["logger"] = record.name
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _hear_warnings() -> None:
    """Have Python's warnings logged, besides being shown."""
    if isinstance(warnings.showwarning, _Shown):
        return
    warnings.showwarning = _Shown(warnings.showwarning)


class _Shown:
    """Shows a warning as before, and logs it."""

    def __init__(self, show: Any) -> None:
        self._show = show

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        facts = {"category": category.__name__, "where": f"{filename}:{lineno}"}
        LOG.warning("%s", message, extra={"facts": facts})
        self._show(message, category, filename, lineno, file, line)
