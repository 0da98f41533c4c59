"""Standard streams whose faults do not make a command fail.

Characters that a terminal cannot show are replaced, and a closed output is ignored.
"""

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
    "†": "(+)",
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
"""ASCII text for characters that a terminal's encoding may lack."""
_ERRORS = "archselect"
"""Name of our error handler for characters that cannot be encoded."""


def to_ascii(text: str) -> str:
    """Return a text in ASCII.

    Characters in :data:`READABLE` are replaced, letters lose their accents, and any
    other character becomes "?".
    """
    return "".join(map(_letter_to_ascii, text))


def to_output_encoding(text: str) -> str:
    """Return a text with the characters that standard output will show.

    A table needs them for the widths of its columns.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, errors=_ERRORS).decode(
        encoding, errors="surrogateescape"
    )


def _letter_to_ascii(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter in READABLE:
        return READABLE[letter]
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return plain or ("" if unicodedata.combining(letter) else "?")


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return the text for a character that cannot be encoded, and the next index."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter = error.object[error.start]
    if "\udc80" <= letter <= "\udcff":
        # Python represents a byte of a file name that is no text as such a character.
        return letter.encode(errors="surrogateescape"), error.start + 1
    return to_ascii(letter), error.start + 1


codecs.register_error(_ERRORS, _replace)


_COMMAND = re.compile(r"(?:(?:\A|(?<=[\n\r]))[^\S\n\r]*:(?=:))|#(?=#\[)")
"""Start of text in a step's output that GitHub's runners treat as a command."""

_LINE_BREAK = re.compile(r"[\n\r]")


class GuardedStream:
    """A text stream for standard output or error whose faults stop nothing.

    After the first fault it drops what is written. It escapes a line that GitHub would
    treat as a command to its runner, such as `::set-output name=result::holds`.

    Args:
        stream: The stream that the text goes to.

    Attributes:
        fault: The first fault; None if there is none.
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
        """Write a text, or drop it if the stream has failed; return its length."""
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
        """Flush the stream."""
        if self.fault is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(error)

    def __getattr__(self, name: str) -> Any:
        # Typer would write UTF-8 to the buffer of an ASCII stream.
        encoding = self._stream.encoding if name == "buffer" else None
        if encoding and codecs.lookup(encoding).name == "ascii":
            raise AttributeError(name)
        return getattr(self._stream, name)

    def _without_commands(self, text: str) -> str:
        """Return a text in which the first letter of each command is escaped."""
        # Text in the middle of a line starts no line.
        before = "." if self._is_within_line else ""
        safe = _COMMAND.sub(_escape_command, before + text)
        last_line = _LINE_BREAK.split(before + text)[-1]
        self._is_within_line = bool(last_line.strip())
        return safe.removeprefix(before)

    def _fail(self, error: OSError) -> None:
        self.fault = error
        # When Python exits, it tries again to write the rest; now that succeeds.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def _escape_command(match: re.Match[str]) -> str:
    command = match[0]
    return f"{command[:-1]}\\u{ord(command[-1]):04x}"


def guard_streams() -> None:
    """Guard standard output and standard error for the rest of this process."""
    _open_missing()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, GuardedStream):
            setattr(sys, name, GuardedStream(stream))


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard standard output and standard error within the block."""
    streams = (sys.stdout, sys.stderr)
    guard_streams()
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, GuardedStream):
                stream.flush()
        sys.stdout, sys.stderr = streams


def fault_of_output() -> OSError | None:
    """Return why standard output failed.

    Returns None if it did not fail, or only because its reader has closed the pipe.
    """
    fault = sys.stdout.fault if isinstance(sys.stdout, GuardedStream) else None
    return None if isinstance(fault, BrokenPipeError) else fault


def _open_missing() -> None:
    """Open the descriptors of standard streams that are closed.

    Otherwise the next opened file would get such a descriptor, and the output.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor
