"""The one error a user can mend, and the did-you-mean used in its messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 2_000
"""Letters of the longest message; of a longer one, which quotes what was given, the middle is left out."""


class UserError(Exception):
    """Bad input. The message is one line and names the mend; the command line prints it and exits with 2.

    Whatever of a file is quoted in it: line breaks become spaces, and what no terminal should be sent is written out.
    """

    def __init__(self, message: str) -> None:
        line = "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape").decode()
            for letter in " ".join(message.split())
        )
        if len(line) > LONGEST:
            line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
        super().__init__(line)


def unknown(kind: str, name: object, known: Iterable[str]) -> UserError:
    """A :class:`UserError` for a name that is not in `known`, with the nearest known name if there is one."""
    names = sorted(known)
    near = nearest(str(name), names)
    hint = f"did you mean '{near}'? " if near else ""
    return UserError(f"unknown {kind} {str(name)!r}: {hint}known: {', '.join(names) or 'none'}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, if any looks like it at all."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return near[0] if near else None
