"""Logs of runs, supernets and trainings: files in `logs/`, one JSON object per line.

Each line has `time` (UTC), `level` and `event`. Events are begun, answered (which
question of a selector, and how often), epoch, finished or failed, a warning, or
whatever a selector writes to a logger of `logging`. Nothing is computed from logs: they
can be deleted. This module does not import torch.
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
"""Seconds after which a run that repeats one question gets another line."""


def note(event: str, **facts: object) -> None:
    """Write a line with these facts, if a log is open."""
    LOG.info(event, extra={"facts": facts})


@contextmanager
def log_to(path: Path, **about: object) -> Iterator[None]:
    """Write everything that this thread logs within the block also into a file.

    Args:
        path: path of the file, in a folder of a study's folder. Nothing below the
            study's folder is written through links.
        about: facts of the first line, besides the process.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        handler = _FileHandler(path)
    except OSError as error:
        raise unwritable(path, error) from error
    thread = threading.get_ident()
    # A worker of a cluster may do several runs at once, each in a thread.
    handler.addFilter(lambda line: line.thread == thread)
    handler.setFormatter(_JsonFormatter())
    logging.getLogger().addHandler(handler)
    _log_warnings()
    start = time.monotonic()
    try:
        note("begun", **about, host=platform.node(), pid=os.getpid())
        yield
        note("finished", seconds=round(time.monotonic() - start, 3))
    except BaseException as error:
        facts = {"error": f"{type(error).__name__}: {error}"}
        LOG.exception("failed", extra={"facts": facts})
        raise
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


class Answers:
    """Logs the questions of a run.

    It writes a line when the question changes, and every :data:`EVERY` seconds. As a
    context manager, it logs the last question at its end.
    """

    def __init__(self) -> None:
        self._question = ""
        self._replayed = False
        self._times = 0
        self._since = time.monotonic()

    def answered(self, question: str, replayed: bool) -> None:
        """Count an answer to a question, computed or replayed from the journal."""
        is_other = (self._question, self._replayed) != (question, replayed)
        if is_other or time.monotonic() - self._since > EVERY:
            self._note()
            self._question = question
            self._replayed = replayed
        self._times += 1

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        self._note()

    def _note(self) -> None:
        """Log the answers since the last line, if there are any."""
        now = time.monotonic()
        if self._times:
            note(
                "answered",
                question=self._question,
                times=self._times,
                seconds=round(now - self._since, 3),
                **({"from_journal": True} if self._replayed else {}),
            )
        self._times = 0
        self._since = now


class _FileHandler(logging.Handler):
    """Appends each line to a file, immediately.

    A full disk stops no run here: the files that the run itself writes will stop it.
    """

    def __init__(self, path: Path) -> None:
        self._file = open_to_append(path, path.parent.parent)
        super().__init__()

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record of `logging`."""
        with suppress(OSError):
            self._file.write((self.format(record) + "\n").encode())
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class _JsonFormatter(logging.Formatter):
    """Formats a record of `logging` as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record of `logging`."""
        created = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": created.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.name != LOG.name:
            line["logger"] = record.name
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _log_warnings() -> None:
    """Log Python's warnings from now on, in addition to showing them."""
    if not isinstance(warnings.showwarning, _LoggingShow):
        warnings.showwarning = _LoggingShow(warnings.showwarning)


class _LoggingShow:
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
