"""Messages to the user while jobs run, one line each."""

from __future__ import annotations

import warnings
from time import monotonic

from archselect.nasbench_adapters.errors import Notice


class Notices:
    """Messages of one engine to its user."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def show(self, line: str) -> None:
        """Show a line, even if it was shown before.

        `warnings.warn` would skip repeated lines.
        """
        warnings.warn_explicit(line, Notice, __file__, 1)

    def show_once(self, topic: str, line: str) -> None:
        """Show a line, unless a line on the same topic was shown before."""
        if topic not in self._shown:
            self._shown.add(topic)
            self.show(line)


class Silence:
    """The time for which a program or a folder has not answered.

    Args:
        notices: messages to the user.
        patience: seconds after which the silence is too long.
    """

    def __init__(self, notices: Notices, patience: float) -> None:
        self._notices = notices
        self._patience = patience
        self._since: float | None = None

    def note_failure(self, fault: Exception, last_sign: float = 0.0) -> bool:
        """Note that there is no answer; return whether the silence is too long.

        The first failure is reported.

        Args:
            fault: the error.
            last_sign: time (:func:`time.monotonic`) of the last other sign of life.
        """
        if self._since is None:
            self._since = monotonic()
            self._notices.show(
                f"{fault}; jobs continue, and archselect tries again for {self.limit}"
            )
        start = max(self._since, last_sign)
        return monotonic() - start >= self._patience

    def note_answer(self, name: str) -> None:
        """Note that there is an answer; report it after a silence."""
        if self._since is not None:
            self._notices.show(f"{name} answers again")
        self._since = None

    @property
    def limit(self) -> str:
        """The longest allowed silence, as text."""
        return f"{self._patience / 60:.3g} minutes"
