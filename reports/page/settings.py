"""The settings and machines of a study, as blocks of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from archselect.benchmarks.store.facts import flatten
from archselect.benchmarks.store.records import Inputs, Landscape, Machine
from archselect.reports.results.results import Results
from archselect.reports.tables.words import (
    extent,
    machine_in_words,
    median,
    optimum_in_words,
    quality,
)


@dataclass(frozen=True)
class Block:
    """One set of settings, and the selectors that use it.

    Attributes:
        title: name of the selector, supernet recipe, data set or machine.
            settings: values by name, as text.
            used_by: selectors with these settings; empty if the title names them.
    """

    title: str
    settings: dict[str, str]
    used_by: str = ""


def selector_blocks(results: Results) -> list[Block]:
    """Return the settings of every selector."""
    return _distinct_blocks(results, _selector_block)


def supernet_blocks(results: Results) -> list[Block]:
    """Return the settings of every supernet training."""
    return _distinct_blocks(results, _supernet_block)


def data_blocks(results: Results) -> list[Block]:
    """Return the settings of every data set."""
    return _distinct_blocks(results, _data_block)


def machine_blocks(results: Results) -> list[Block]:
    """Return each machine, with the number of its runs and of runs on its supernets."""
    runs = Counter[Machine]()
    supernets = Counter[Machine]()
    for group in results.groups:
        runs += group.machines
        supernets += group.supernet_machines
    machines = sorted({*runs, *supernets}, key=Machine.model_dump_json)
    return [
        Block(
            machine_in_words(machine),
            _spaced(machine.model_dump()),
            f"{runs[machine]} runs; supernets of {supernets[machine]} runs",
        )
        for machine in machines
    ]


def _distinct_blocks(
    results: Results, block_of: Callable[[Inputs], Block]
) -> list[Block]:
    """Return each distinct block once, with the groups that use it."""
    blocks: dict[str, Block] = {}
    names: dict[str, list[str]] = {}
    for group in results.groups:
        block = block_of(group.inputs)
        key = repr(block)
        blocks[key] = block
        names.setdefault(key, []).append(group.name)
    return [
        Block(block.title, block.settings, _used_by(block.title, names[key]))
        for key, block in blocks.items()
    ]


def _used_by(title: str, names: list[str]) -> str:
    return "" if names == [title] else ", ".join(names)


def _selector_block(inputs: Inputs) -> Block:
    selector = inputs.selector
    settings: dict[str, object] = {}
    if selector.name != selector.label:
        settings["selector"] = selector.name
    settings |= flatten(dict(selector.settings))
    settings |= _source(selector.source)
    return Block(selector.label, _as_text(settings))


def _supernet_block(inputs: Inputs) -> Block:
    supernet = inputs.supernet
    settings: dict[str, object] = {"space": inputs.space, **supernet.settings}
    for name, value in supernet.skeleton.items():
        settings[f"skeleton {name}"] = value
    settings |= _source(supernet.source)
    return Block(supernet.recipe, _as_text(settings))


def _data_block(inputs: Inputs) -> Block:
    data = inputs.data.model_dump(mode="json")
    name = str(data.pop("name"))
    return Block(name, _spaced(data))


def _source(source: str | None) -> dict[str, object]:
    """Return the source of a user's class; an empty dict for a built-in class."""
    return {} if source is None else {"source of the user's file": source}


def _as_text(settings: dict[str, object]) -> dict[str, str]:
    return {name: f"{value}" for name, value in settings.items()}


def _spaced(settings: dict[str, object]) -> dict[str, str]:
    """Return settings as text, with spaces for the underscores of their names."""
    return {name.replace("_", " "): f"{value}" for name, value in settings.items()}


def landscape_facts(landscape: Landscape) -> dict[str, str]:
    """Return the properties of a truth as text, by label."""
    facts = {
        "truth": landscape.truth,
        "source": quality(landscape),
        "origin": landscape.origin,
    }
    if not landscape.architectures:
        facts["trainings of each cell"] = f"{landscape.trials}"
        facts["checksum of the data"] = landscape.checksum
        return facts
    is_whole = landscape.space_size is None
    best = "optimum" if is_whole else "best"
    which = "space" if is_whole else "architectures"
    random_cell = _or_not_known(landscape.mean)
    if landscape.std is not None:
        random_cell += f", std of single cells {landscape.std:.3f}"
    facts |= {
        "space": f"{landscape.space}, {extent(landscape)}",
        "trials per architecture": f"{landscape.trials}",
        best: optimum_in_words(landscape),
        "cell with the highest mean": f"{landscape.optimum_architecture}",
        f"median of the {which}": f"{median(landscape):.2f}",
        "random cell (exact mean)": random_cell,
        "noise (std between trials)": _or_not_known(landscape.noise_std),
        "ceiling, single trials (τ-b)": _or_not_known(landscape.ceiling_single),
        "ceiling, halves of the trials (τ-b)": _or_not_known(landscape.ceiling_half),
        "checksum": landscape.checksum,
    }
    return facts


def _or_not_known(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"
