"""Messages to the user while jobs run, in one line each."""

from __future__ import annotations

import warnings
from time import monotonic

from archselect.nasbench_adapters.errors import Notice


class Notices:
    """Messages of one engine to its user, in one line each."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, line: str) -> None:
        """Show a line, each time: `warnings.warn` would remember all lines and skip repeated ones."""
        warnings.warn_explicit(line, Notice, __file__, 1)

    def tell_once(self, about: str, line: str) -> None:
        """Show a line, unless one about the same thing was shown before."""
        if about not in self._told:
            self._told.add(about)
            self.tell(line)


class Silence:
    """How long something has not answered.

    Args:
        notices: to tell the user of it.
        patience: seconds after which it is too long.
    """

    def __init__(self, notices: Notices, patience: float) -> None:
        self._notices = notices
        self._patience = patience
        self._since: float | None = None

    def goes_on(self, fault: Exception, heard: float = 0.0) -> bool:
        """Note that it does not answer, report the first time, and return whether it is silent for too long.

        Args:
            fault: what happened instead.
            heard: when something else last showed that all is well, as of
                :func:`time.monotonic`.
        """
        if self._since is None:
            self._since = monotonic()
            self._notices.tell(
                f"{fault}; jobs go on, and it is tried again for {self.limit}"
            )
        return monotonic() - max(self._since, heard) >= self._patience

    def ends(self, name: str) -> None:
        """Note that it answers, and report it after a silence."""
        if self._since is not None:
            self._notices.tell(f"{name} answers again")
        self._since = None

    @property
    def limit(self) -> str:
        """How long it may be silent, in words."""
        return f"{self._patience / 60:.3g} minutes"
