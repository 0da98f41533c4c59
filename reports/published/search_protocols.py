"""How the searches behind published numbers were made (`search_protocols.toml`), and what of a study is otherwise."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from archselect.benchmarks.store.records import Inputs

Setting = str | int | float | bool | None
USUAL: Mapping[str, Setting] = {
    "level": "bi",
    "alpha_mean": 0.0,
    "alpha_grad_clip": 0.0,
}
"""Settings that no protocol names: every published search has these values, and so does
a supernet without such a setting.
"""


@dataclass(frozen=True)
class SupernetProtocol:
    """How a supernet was made; the file's head says what each key means."""

    source: str
    recipe: str
    space: str = ""
    images: str = ""
    whole: bool = False
    skeleton: Mapping[str, Setting] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class SelectorProtocol:
    """Which selector read it, and by which settings."""

    source: str
    name: str
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocols:
    """All of the file, by name; `halves` has the training images in each half of a whole data set."""

    halves: Mapping[str, int]
    supernets: Mapping[str, SupernetProtocol]
    selectors: Mapping[str, SelectorProtocol]


@cache
def protocols() -> Protocols:
    """Return the protocols of the file."""
    text = (Path(__file__).parent / "search_protocols.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    return Protocols(
        halves=content["halves"],
        supernets={
            name: SupernetProtocol(**keys)
            for name, keys in content["supernets"].items()
        },
        selectors={
            name: SelectorProtocol(**keys)
            for name, keys in content["selectors"].items()
        },
    )


def named(name: str) -> tuple[SupernetProtocol | None, SelectorProtocol]:
    """Return the parts of "SUPERNET + SELECTOR", or of "SELECTOR".

    Raises KeyError for a part that does not exist.
    """
    supernet, plus, selector = name.rpartition(" + ")
    return (protocols().supernets[supernet] if plus else None), protocols().selectors[
        selector
    ]


def differences(name: str, dataset: str, inputs: Inputs) -> list[str]:
    """Return, in words, each setting in which a study's runs are not by this protocol.

    Args:
        name: the protocol, "SUPERNET + SELECTOR" or "SELECTOR".
        dataset: of the published number.
        inputs: of the study's runs.
    """
    supernet, selector = named(name)
    different = [] if supernet is None else _of_supernet(supernet, dataset, inputs)
    if inputs.selector.name != selector.name:
        different.append(_instead("selector", inputs.selector.name, selector.name))
        return different
    return different + _changed(inputs.selector.settings, selector.settings)


def other_images(name: str, dataset: str, inputs: Inputs) -> str:
    """Return which images a study had where they are a part of the protocol's data set; empty if it had all of them."""
    supernet, _ = named(name)
    wanted = "" if supernet is None else supernet.images or dataset
    if not wanted or (
        inputs.data.name == wanted
        and inputs.data.train_images == protocols().halves.get(wanted)
    ):
        return ""
    return f"{inputs.data.train_images:,} images of {inputs.data.name} in each half"


def _of_supernet(wanted: SupernetProtocol, dataset: str, inputs: Inputs) -> list[str]:
    different = []
    images = wanted.images or dataset
    if wanted.space and inputs.space != wanted.space:
        different.append(_instead("space", inputs.space, wanted.space))
    if not _is_part_of(inputs.data.name, images):
        different.append(_instead("images", inputs.data.name, images))
    elif wanted.whole and inputs.data.train_images < protocols().halves[images]:
        different.append(
            _instead(
                "images in each half",
                inputs.data.train_images,
                protocols().halves[images],
            )
        )
    if inputs.supernet.recipe != wanted.recipe:
        different.append(_instead("supernet", inputs.supernet.recipe, wanted.recipe))
        return different
    return [
        *different,
        *_sizes(inputs.supernet.skeleton, wanted.skeleton),
        *_changed(inputs.supernet.settings, wanted.settings),
        *_changed({**USUAL, **inputs.supernet.settings}, USUAL),
    ]


def _sizes(ours: Mapping[str, Setting], wanted: Mapping[str, Setting]) -> list[str]:
    """Sizes that differ; one that a study does not set is the space's own."""
    return [
        _instead(key, value, wanted.get(key))
        for key, value in ours.items()
        if value != wanted.get(key)
    ]


def _is_part_of(name: str, dataset: str) -> bool:
    """Whether images of that name are of the data set: its own name, or a file's name that begins with it and "_"."""
    return re.fullmatch(rf"{re.escape(dataset)}(_[^@]*)?", name) is not None


def _changed(ours: Mapping[str, Setting], wanted: Mapping[str, Setting]) -> list[str]:
    return [
        _instead(key, ours.get(key), value)
        for key, value in wanted.items()
        if ours.get(key) != value
    ]


def _instead(what: str, ours: object, wanted: object) -> str:
    return f"{what} {'unset' if ours is None else ours} in place of {wanted}"
