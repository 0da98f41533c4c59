"""Formats of architectures in other projects, one file for each space.

The text form of a space (:meth:`.SearchSpace.parse`) is not among them.
"""

from __future__ import annotations

from typing import Any

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.formats.base import Format
from archselect.nasbench_adapters.formats.darts import Compact, Nb301Configuration
from archselect.nasbench_adapters.formats.nb101 import MatrixAndOperations, NaslibTuple
from archselect.nasbench_adapters.formats.nb201 import (
    BenchmarkIndex,
    NatsText,
    OperationIndices,
)
from archselect.nasbench_adapters.space import SearchSpace

FORMATS: tuple[Format[Any], ...] = (
    OperationIndices(),
    BenchmarkIndex(),
    NatsText(),
    Compact(),
    Nb301Configuration(),
    MatrixAndOperations(),
    NaslibTuple(),
)

TEXT = "text"
"""Name of a space's text form in commands."""


def formats_of(space: SearchSpace) -> dict[str, Format[Any]]:
    """Return the formats for the architectures of a space, by name."""
    return {one.name: one for one in FORMATS if isinstance(space, one.space_class)}


def get_format(name: str, space: SearchSpace) -> Format[Any]:
    """Return a format of a space.

    Raises UserError, which lists the space's formats, if it has no such format.
    """
    formats = formats_of(space)
    if not formats:
        raise UserError(
            f"space {space.name} has its own text form only, and no format '{name}'"
        )
    if name not in formats:
        raise unknown(f"format of space {space.name}", name, formats)
    return formats[name]
