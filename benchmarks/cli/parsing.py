"""Parsers of option values that several commands share: seeds, settings, truths."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.limits import MOST_SEEDS, MOST_WHOLE_NUMBER
from archselect.nasbench_adapters.toml import parse_toml

if TYPE_CHECKING:
    from archselect.benchmarks.plan.parts import TruthPart

SKELETON = "skeleton."
"""The prefix of settings that define the size of a network."""
_SEEDS = re.compile(r"\s*([0-9]{1,20})(?:\s*-\s*([0-9]{1,20}))?\s*", re.ASCII)
"""A seed, or the first and last seed of a range."""


def parse_seeds(text: str) -> list[int]:
    """Return the seeds in a text such as 0,1,2 or 0-3.

    Raises UserError if the text names no seed, too many, or one that is too large.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = _SEEDS.fullmatch(part)
        if match is None:
            raise _no_seeds(text)
        first = int(match[1])
        last = int(match[2] or match[1])
        if last < first:
            raise _no_seeds(text)
        if last > MOST_WHOLE_NUMBER:
            raise UserError(
                f"--seeds {text!r}: the largest seed is {MOST_WHOLE_NUMBER}"
            )
        # Count before listing: a range may be huge.
        if len(seeds) + last - first + 1 > MOST_SEEDS:
            raise UserError(
                f"--seeds {text!r} names more than {MOST_SEEDS:,} seeds, the limit of one command: use several commands"
            )
        seeds += range(first, last + 1)
    return seeds


def _no_seeds(text: str) -> UserError:
    return UserError(f"--seeds {text!r} is not a list of seeds: write 0,1,2 or 0-3")


def parse_settings(texts: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """Return the settings in texts such as NAME=VALUE.

    Numbers and booleans are written as in TOML. Any other value is a string.

    Args:
        texts: one text per setting.
        option: the command-line option that gave them, for error messages.

    Raises:
        UserError: a text is not NAME=VALUE, or a name occurs twice.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UserError(f"{option} {text!r} is not NAME=VALUE")
        if name in values:
            raise UserError(f"{option} names {name} twice")
        try:
            values[name] = _parse_value(value)
        except ValueError as error:
            raise UserError(f"{option} {name}: {error}") from error
    return values


def _parse_value(text: str) -> Any:
    """Return the value that a text has in TOML, or the text itself if it is not TOML.

    Raises ValueError as :func:`parse_toml` does.
    """
    try:
        parsed = parse_toml(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # A line break in the text would start another key.
    return parsed["value"] if len(parsed) == 1 else text


class NetworkSettings(NamedTuple):
    """Settings by name, split into two kinds.

    Attributes:
        skeleton: settings that define the size of the network, without their prefix.
        others: all other settings.
    """

    skeleton: dict[str, Any]
    others: dict[str, Any]


def split_settings(settings: Mapping[str, Any]) -> NetworkSettings:
    """Split settings into those of the network's size and all others."""
    split = NetworkSettings({}, {})
    for name, value in settings.items():
        if name.startswith(SKELETON):
            split.skeleton[name.removeprefix(SKELETON)] = value
        else:
            split.others[name] = value
    return split


def truth_part(
    table: str | None, dataset: str | None, split: str | None, epochs: int | None
) -> TruthPart | None:
    """Return the column of a ground truth that options name; None without options."""
    from archselect.benchmarks.plan.parts import TruthPart

    if table is None and dataset is None and split is None and epochs is None:
        return None
    if table is None or dataset is None or split is None or epochs is None:
        raise UserError("a ground truth needs --table, --dataset, --split and --epochs")
    return TruthPart(table=table, dataset=dataset, split=split, epochs=epochs)
