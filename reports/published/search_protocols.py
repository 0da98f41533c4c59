"""How the searches behind published numbers were made, and what of a study differs.

The protocols are in `search_protocols.toml`.
"""

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
"""Settings that a record may leave out; every protocol has these values."""


@dataclass(frozen=True)
class SupernetProtocol:
    """How a supernet was made.

    Attributes:
        source: where that is said.
        recipe: the optimiser.
        space: empty where it is the published number's.
        images: the data set; empty where it is the published number's.
        whole: whether it was trained on a whole half of the data set.
        skeleton: sizes; one that a study does not set is the space's own.
        settings: of the training.
    """

    source: str
    recipe: str
    space: str = ""
    images: str = ""
    whole: bool = False
    skeleton: Mapping[str, Setting] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class SelectorProtocol:
    """Which selector read a supernet, and by which settings."""

    source: str
    name: str
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchProtocols:
    """All of the file.

    Attributes:
        halves: the training images in each half of a whole data set, by its name.
        supernets, selectors: the parts of protocols, by name.
    """

    halves: Mapping[str, int]
    supernets: Mapping[str, SupernetProtocol]
    selectors: Mapping[str, SelectorProtocol]


@cache
def search_protocols() -> SearchProtocols:
    """Return the protocols of the file."""
    path = Path(__file__).parent / "search_protocols.toml"
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    supernets = {
        name: SupernetProtocol(**keys) for name, keys in content["supernets"].items()
    }
    selectors = {
        name: SelectorProtocol(**keys) for name, keys in content["selectors"].items()
    }
    return SearchProtocols(content["halves"], supernets, selectors)


def find_protocol(name: str) -> tuple[SupernetProtocol | None, SelectorProtocol]:
    """Return the parts of "SUPERNET + SELECTOR", or of "SELECTOR".

    Raises KeyError for a part that does not exist.
    """
    protocols = search_protocols()
    supernet, plus, selector = name.rpartition(" + ")
    if not plus:
        return None, protocols.selectors[selector]
    return protocols.supernets[supernet], protocols.selectors[selector]


def protocol_differences(name: str, dataset: str, inputs: Inputs) -> list[str]:
    """Return, in words, each setting in which a study's runs differ from a protocol.

    Args:
        name: the protocol, "SUPERNET + SELECTOR" or "SELECTOR".
        dataset: of the published number.
        inputs: of the study's runs.
    """
    supernet, selector = find_protocol(name)
    different = []
    if supernet is not None:
        different += _supernet_differences(supernet, dataset, inputs)
    if inputs.selector.name != selector.name:
        different.append(_instead("selector", inputs.selector.name, selector.name))
        return different
    return different + _changed(inputs.selector.settings, selector.settings)


def other_images(name: str, dataset: str, inputs: Inputs) -> str:
    """Return which part of the protocol's data set a study had, in words.

    Empty if it had all images. The arguments are those of
    :func:`protocol_differences`.
    """
    supernet, _ = find_protocol(name)
    if supernet is None:
        return ""
    data = inputs.data
    wanted = supernet.images or dataset
    whole_half = search_protocols().halves.get(wanted)
    if not wanted or (data.name == wanted and data.train_images == whole_half):
        return ""
    return f"{data.train_images:,} images of {data.name} in each half"


def _supernet_differences(
    wanted: SupernetProtocol, dataset: str, inputs: Inputs
) -> list[str]:
    supernet = inputs.supernet
    different = []
    if wanted.space and inputs.space != wanted.space:
        different.append(_instead("space", inputs.space, wanted.space))
    different += _image_differences(wanted, dataset, inputs)
    if supernet.recipe != wanted.recipe:
        different.append(_instead("supernet", supernet.recipe, wanted.recipe))
        return different
    different += _other_sizes(supernet.skeleton, wanted.skeleton)
    different += _changed(supernet.settings, wanted.settings)
    different += _changed({**USUAL, **supernet.settings}, USUAL)
    return different


def _image_differences(
    wanted: SupernetProtocol, dataset: str, inputs: Inputs
) -> list[str]:
    data = inputs.data
    images = wanted.images or dataset
    if not _is_part_of(data.name, images):
        return [_instead("images", data.name, images)]
    if not wanted.whole:
        return []
    whole_half = search_protocols().halves[images]
    if data.train_images < whole_half:
        return [_instead("images in each half", data.train_images, whole_half)]
    return []


def _other_sizes(
    ours: Mapping[str, Setting], wanted: Mapping[str, Setting]
) -> list[str]:
    """Return sizes that differ; one that a study does not set is the space's own."""
    return [
        _instead(key, value, wanted.get(key))
        for key, value in ours.items()
        if value != wanted.get(key)
    ]


def _is_part_of(name: str, dataset: str) -> bool:
    """Return whether images of that name are of the data set.

    They are if it is the data set's own name, or a file's name that begins with it and
    "_".
    """
    return re.fullmatch(rf"{re.escape(dataset)}(_[^@]*)?", name) is not None


def _changed(ours: Mapping[str, Setting], wanted: Mapping[str, Setting]) -> list[str]:
    """Return the wanted settings that a study has not."""
    return [
        _instead(key, ours.get(key), value)
        for key, value in wanted.items()
        if ours.get(key) != value
    ]


def _instead(what: str, ours: object, wanted: object) -> str:
    return f"{what} {'unset' if ours is None else ours} in place of {wanted}"
