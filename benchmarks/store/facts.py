"""Facts: data that is written once, as JSON, and never edited.

Floats that are not finite are written as the strings "Infinity", "-Infinity" and "NaN".
This module does not import torch.
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

from archselect.benchmarks.store.ranges import Impossible
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import read_bytes, unreadable

Settings = dict[str, str | int | FiniteFloat | bool | None]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""An id of 16 hexadecimal digits.

An id names a file, so it must not be a path to another folder.
"""
FormulationNumbers = dict[str, Annotated[int, Field(ge=1)]]
"""Formulation numbers by component.

A component's number is raised when its results change on purpose.
"""


class Fact(BaseModel):
    """Base class of everything that is stored: frozen, and refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    def check(self) -> None:
        """Raise Impossible for a value that no run can have measured."""


FactType = TypeVar("FactType", bound=Fact)

# --- names


def content_id(content: object) -> str:
    """Return the hash of a content's canonical JSON, as 16 hexadecimal digits.

    They are the first digits of the SHA-256.
    """
    text = json.dumps(
        content,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    return digest[:16]


def short_commit(commit: str | None) -> str:
    """Return a commit as text, with ten of its digits (:func:`.machine.commit`)."""
    if commit is None:
        return "commit not known"
    name, _, changed = commit.partition("-")
    if name == "unknown":
        return f"unknown commit, source {changed}"
    suffix = " with changes" if changed else ""
    return f"{name[:10]}{suffix}"


def flatten(
    settings: object,
    prefix: str = "",
) -> dict[str, object]:
    """Return nested settings as one level, with keys joined by dots.

    Tables in a list have their indices as keys.
    """
    if isinstance(settings, list) and settings and isinstance(settings[0], dict):
        settings = {f"{place}": item for place, item in enumerate(settings)}
    if not isinstance(settings, dict):
        return {prefix: settings}
    joined: dict[str, object] = {}
    for key, value in settings.items():
        path = f"{prefix}.{key}" if prefix else key
        joined |= flatten(value, path)
    return joined


# --- writing

_NUMBERS = re.compile(rb"\[\n[^\[\]{}\"]+\]")
"""A list of numbers, one per line. A text in JSON contains no line break."""


def encode_fact(fact: Fact) -> bytes:
    """Return a fact as indented JSON, with each list of numbers on one line."""
    indented = fact.model_dump_json(indent=1).encode()
    return _NUMBERS.sub(_on_one_line, indented) + b"\n"


def _on_one_line(match: re.Match[bytes]) -> bytes:
    return b" ".join(match[0].split())


def write_fact(
    path: Path,
    fact: Fact,
    within: Path | None = None,
) -> None:
    """Write a fact, encoded by :func:`encode_fact`, atomically.

    `within` is that of :func:`.atomic_files.write_atomically`.
    """
    write_atomically(path, encode_fact(fact), within)


# --- reading

_REMEDY = "remove it and run again"


def read_fact(
    path: Path,
    kind: type[FactType],
    remedy: str = _REMEDY,
) -> FactType:
    """Return the fact in a file.

    Args:
        path: path of the file.
        kind: type of the fact.
        remedy: what to do about a file of another form, for the message.

    Raises:
        UserError: the file cannot be read or has another form; the message names file
            and field.
    """
    try:
        content = read_bytes(path)
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_fact(path, content, kind, remedy)


def read_fact_if_there(
    path: Path, kind: type[FactType], remedy: str = _REMEDY
) -> FactType | None:
    """Return the fact in a file as :func:`read_fact`, or None if there is no such file.

    A file that another process removes in the meantime counts as missing.
    """
    try:
        content = read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_fact(path, content, kind, remedy)


def parse_fact(
    path: Path,
    content: bytes | str,
    kind: type[FactType],
    remedy: str = _REMEDY,
) -> FactType:
    """Return the fact in a file's content.

    Raises UserError as :func:`read_fact` does.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        name = kind.__name__.lower()
        raise UserError(
            f"{path} is not a valid {name}: {where}: {first['msg']}; {remedy}"
        ) from error


def check_fact(path: Path, fact: Fact) -> None:
    """Raise UserError, naming the file, for a fact with impossible values."""
    try:
        fact.check()
    except Impossible as error:
        raise UserError(
            f"{path}: {error}: remove the file and rerun the study's command"
        ) from error


def read_checked(path: Path, kind: type[FactType]) -> FactType:
    """Return the fact in a file.

    Raises UserError as :func:`read_fact` and :func:`check_fact` do.
    """
    fact = read_fact(path, kind)
    check_fact(path, fact)
    return fact
