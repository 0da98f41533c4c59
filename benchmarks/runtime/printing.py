"""Standard output and standard error that fail no command: marks are replaced, a reader that is gone is not minded."""

from __future__ import annotations

import codecs
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

READABLE = {
    "✅": "[ok]",
    "❌": "[failed]",
    "⚠": "[!]",
    "↑": "^",
    "↓": "v",
    "→": "->",
    "←": "<-",
    "−": "-",
    "–": "-",
    "—": "-",
    "±": "+/-",
    "×": "x",
    "·": "*",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "∞": "inf",
    "α": "alpha",
    "β": "beta",
    "δ": "delta",
    "ε": "epsilon",
    "η": "eta",
    "λ": "lambda",
    "μ": "mu",
    "ξ": "xi",
    "ρ": "rho",
    "τ": "tau",
    "Σ": "sum",
    "∂": "d",
    "∇": "grad",
    "‖": "||",
    "⟨": "<",
    "⟩": ">",
    "Ł": "L",
    "\u202f": " ",
    "\u2011": "-",
    "\ufe0f": "",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
}
"""What is printed in place of a mark that a terminal's encoding does not have, in
ASCII.
"""
_ERRORS = "archselect"
"""The name under which Python knows how the streams treat what cannot be encoded."""


def to_ascii(text: str) -> str:
    """Return a text in ASCII: marks as in :data:`READABLE`, letters without accents, "?" for anything else."""
    return "".join(map(_plain, text))


def to_output_encoding(text: str) -> str:
    """Return a text with the letters that standard output will show, so that a table's columns can be made as wide."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, errors=_ERRORS).decode(
        encoding, errors="surrogateescape"
    )


def _plain(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter in READABLE:
        return READABLE[letter]
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return plain or ("" if unicodedata.combining(letter) else "?")


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what is printed in place of the first letter that cannot be, and where printing goes on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter = error.object[error.start]
    if "\udc80" <= letter <= "\udcff":
        # A byte of a file's name that is no text, as Python stands for it.
        return letter.encode(errors="surrogateescape"), error.start + 1
    return to_ascii(letter), error.start + 1


codecs.register_error(_ERRORS, _replace)


_COMMAND = re.compile(r"(?:(?:\A|(?<=[\n\r]))[^\S\n\r]*:(?=:))|#(?=#\[)")
"""What GitHub's runners take for the beginning of a command to them, in what a step of
a workflow prints.
"""

_LINE_BREAK = re.compile(r"[\n\r]")


class GuardedStream:
    """A text stream for :data:`sys.stdout` or :data:`sys.stderr` whose faults stop nothing.

    The first fault is kept in `fault`; whatever is written after it is dropped. A line
    that GitHub would take for a command to its runner, such as `::set-output
    name=result::holds`, is written so that it is none.

    Args:
        stream: where the text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_within_line = False
        self.fault: OSError | None = None
        if hasattr(stream, "reconfigure") and stream.errors in (
            "strict",
            "surrogateescape",
        ):
            stream.reconfigure(errors=_ERRORS)

    def write(self, text: str) -> int:
        """Write a text, or drop it if the stream has failed; its length."""
        if self.fault is None:
            try:
                self._stream.write(self._without_commands(text))
            except OSError as error:
                self._fail(error)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Send on what is written so far."""
        if self.fault is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(error)

    def __getattr__(self, name: str) -> Any:
        # Typer would write UTF-8 to the buffer of a stream in ASCII.
        if (
            name == "buffer"
            and self._stream.encoding
            and codecs.lookup(self._stream.encoding).name == "ascii"
        ):
            raise AttributeError(name)
        return getattr(self._stream, name)

    def _without_commands(self, text: str) -> str:
        """Return a text with the first letter of each command as its number."""
        # What goes on with a line begins none.
        before = "." if self._is_within_line else ""
        safe = _COMMAND.sub(_as_number, before + text)
        last_line = _LINE_BREAK.split(before + text)[-1]
        self._is_within_line = bool(last_line.strip())
        return safe.removeprefix(before)

    def _fail(self, error: OSError) -> None:
        self.fault = error
        # Python tries once more at its end to send what is left; now that succeeds.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def _as_number(found: re.Match[str]) -> str:
    command = found[0]
    return f"{command[:-1]}\\u{ord(command[-1]):04x}"


def guard_streams() -> None:
    """Put a :class:`GuardedStream` in place of standard output and standard error, for the rest of this process."""
    _open_missing()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, GuardedStream):
            setattr(sys, name, GuardedStream(stream))


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Within the block, standard output and standard error fail no command."""
    before = sys.stdout, sys.stderr
    guard_streams()
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, GuardedStream):
                stream.flush()
        sys.stdout, sys.stderr = before


def fault_of_output() -> OSError | None:
    """Return why standard output failed, None if it did not, or only because its reader is gone."""
    fault = sys.stdout.fault if isinstance(sys.stdout, GuardedStream) else None
    return None if isinstance(fault, BrokenPipeError) else fault


def _open_missing() -> None:
    """Open the standard streams' descriptors that are closed, or the next file that is opened would be written to."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest one that is free
