"""Protocols of published searches, and a study's differences from them.

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
"""Values of settings that a record may omit; every protocol has these values."""


@dataclass(frozen=True)
class SupernetProtocol:
    """The protocol of a supernet's training.

    Attributes:
        source: where the protocol is described.
        recipe: name of the optimiser.
        space: search space; empty if it is that of the published number.
        images: data set; empty if it is that of the published number.
        whole: whether the training used a whole half of the data set.
        skeleton: sizes that differ from the space's default skeleton.
        settings: settings of the training.
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
    """The protocol of a selection: the selector and its settings."""

    source: str
    name: str
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchProtocols:
    """The content of `search_protocols.toml`.

    Attributes:
        halves: number of training images in each half of a data set, by its name.
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
    """Return the parts of the protocol "SUPERNET + SELECTOR" or "SELECTOR".

    Raises KeyError for an unknown part.
    """
    protocols = search_protocols()
    supernet, plus, selector = name.rpartition(" + ")
    if not plus:
        return None, protocols.selectors[selector]
    return protocols.supernets[supernet], protocols.selectors[selector]


def protocol_differences(name: str, dataset: str, inputs: Inputs) -> list[str]:
    """Return descriptions of the settings in which runs differ from a protocol.

    Args:
        name: the protocol, "SUPERNET + SELECTOR" or "SELECTOR".
        dataset: data set of the published number.
        inputs: inputs of the study's runs.
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
    """Return the part of the protocol's data set that a study used, as text.

    It is empty if the study used all images. The arguments are those of
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
    """Return descriptions of the sizes that differ."""
    return [
        _instead(key, value, wanted.get(key))
        for key, value in ours.items()
        if value != wanted.get(key)
    ]


def _is_part_of(name: str, dataset: str) -> bool:
    """Return whether a name of images belongs to a data set.

    It does if it is the name of the data set, or a file name that begins with it and
    "_".
    """
    return re.fullmatch(rf"{re.escape(dataset)}(_[^@]*)?", name) is not None


def _changed(ours: Mapping[str, Setting], wanted: Mapping[str, Setting]) -> list[str]:
    """Return descriptions of the settings that differ from the wanted ones."""
    return [
        _instead(key, ours.get(key), value)
        for key, value in wanted.items()
        if ours.get(key) != value
    ]


def _instead(what: str, ours: object, wanted: object) -> str:
    return f"{what} {'unset' if ours is None else ours} instead of {wanted}"
