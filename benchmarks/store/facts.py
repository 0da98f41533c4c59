"""Facts: what is written once and never edited, as JSON; how a fact is named, read and checked. No torch here.

Floats that are not finite are written as the strings "Infinity", "-Infinity" and "NaN".
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
)

from archselect.benchmarks.store.ranges import (
    Impossible,
)
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import read_bytes, unreadable

Settings = dict[str, str | int | FiniteFloat | bool | None]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""16 hexadecimal digits. It is the name of a file, and so must not be the way to one
elsewhere.
"""


class Fact(BaseModel):
    """Base of all that is stored: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    def check(self) -> None:
        """Raise Impossible for a value of the right type that nothing can have measured."""


Numbers = dict[str, Annotated[int, Field(ge=1)]]
"""Formulation numbers by component. A component's number is raised when its results
change on purpose.
"""


def content_id(content: object) -> str:
    """16 hexadecimal digits of the SHA-256 of the content's canonical JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def short_commit(commit: str | None) -> str:
    """Return a commit in words, with ten of its digits; see :func:`.machine.commit`."""
    if commit is None:
        return "commit not known"
    name, _, changed = commit.partition("-")
    if name == "unknown":
        return f"unknown commit, source {changed}"
    return f"{name[:10]}{' with changes' if changed else ''}"


def flatten(settings: object, prefix: str = "") -> dict[str, object]:
    """Nested settings as one level, keys joined by dots; tables in a list by their places."""
    if isinstance(settings, list) and settings and isinstance(settings[0], dict):
        settings = {f"{place}": item for place, item in enumerate(settings)}
    if not isinstance(settings, dict):
        return {prefix: settings}
    joined: dict[str, object] = {}
    for key, value in settings.items():
        joined |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return joined


_NUMBERS = re.compile(rb"\[\n[^\[\]{}\"]+\]")
"""A list of numbers, each on a line; no text has a line break in JSON."""


def as_text(fact: Fact) -> bytes:
    """A fact as indented JSON, each list of numbers on one line."""
    indented = fact.model_dump_json(indent=1).encode()
    return _NUMBERS.sub(lambda found: b" ".join(found[0].split()), indented) + b"\n"


def write_fact(path: Path, fact: Fact, within: Path | None = None) -> None:
    """Write a fact :func:`as_text`, atomically; see :func:`.atomic_files.write_atomically`."""
    write_atomically(path, as_text(fact), within)


FactType = TypeVar("FactType", bound=Fact)


def read_fact(
    path: Path, kind: type[FactType], mend: str = "remove it and run again"
) -> FactType:
    """Return the fact of a file.

    Args:
        mend: what to do about a file of another shape, for the message.

    Raises UserError, naming file and field, if the file is unreadable or of another
    shape.
    """
    try:
        content = read_bytes(path)
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_fact(path, content, kind, mend)


def read_fact_if_there(
    path: Path, kind: type[FactType], mend: str = "remove it and run again"
) -> FactType | None:
    """Return the fact of a file, None if there is no such file (any more); see :func:`read_fact`."""
    try:
        content = read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_fact(path, content, kind, mend)


def parse_fact(
    path: Path,
    content: bytes | str,
    kind: type[FactType],
    mend: str = "remove it and run again",
) -> FactType:
    """Return the fact that a file's content is.

    Raises UserError as :func:`read_fact`, if it is none.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(
            f"{path} is not a valid {kind.__name__.lower()}: {where}: {first['msg']}; {mend}"
        ) from error


def check_fact(path: Path, fact: Fact) -> None:
    """Raise UserError, naming the file, for a fact that says what nothing can have measured."""
    try:
        fact.check()
    except Impossible as error:
        raise UserError(
            f"{path}: {error}: remove the file and run the study's command again"
        ) from error


def read_checked(path: Path, kind: type[FactType]) -> FactType:
    """Return the fact of a file.

    Raises UserError as :func:`read_fact` and :func:`check_fact`.
    """
    fact = read_fact(path, kind)
    check_fact(path, fact)
    return fact
