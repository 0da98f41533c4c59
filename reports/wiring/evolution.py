"""Drawings of the evolving cell of a group's first seed, at chosen epochs.

They show the argmax genotype: the most likely operation of every edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from archselect.benchmarks.store.records import CellGraph
from archselect.reports.drawing.cells import LegendEntry, draw, legend_of
from archselect.reports.drawing.layout import label_width
from archselect.reports.results.traced_supernets import TracedSupernet
from archselect.reports.results.wiring_quantities import CellWiring, SupernetWiring
from archselect.reports.wiring.figures import figure_name
from archselect.reports.wiring.groups import WiringGroup
from archselect.reports.wiring.verdicts import epoch_of_fewest_edges

MOST_FRAMES = 20
"""Most epochs that are drawn."""
MOST_OTHER_SEEDS = 9
"""Most seeds that are drawn beside the first."""


@dataclass(frozen=True)
class Frame:
    """A drawing of the cell after an epoch.

    Attributes:
        name: name of the file, without ending.
        seed: seed of the supernet.
        epoch: epoch; 0 is before training.
        words: description with the epoch and the number of edges.
        svg: drawing.
        still: whether the report prints it and writes it to a file.
    """

    name: str
    seed: int
    epoch: int
    words: str
    svg: str
    still: bool


@dataclass(frozen=True)
class Evolution:
    """The cells of a group of seeds as they evolve.

    Attributes:
        seed: the first seed.
        frames: of the first seed, in order of epochs.
        other_seeds: three frames of each other seed: before training, with the fewest
            edges, and after training.
    """

    seed: int
    frames: tuple[Frame, ...]
    other_seeds: tuple[Frame, ...]

    @property
    def stills(self) -> list[Frame]:
        """The frames before training, with the fewest edges, and after training."""
        return [frame for frame in self.frames if frame.still]


class _LabelledCell(NamedTuple):
    """A cell to draw, and the operation of each label."""

    graph: CellGraph
    operations: dict[str, str]


def draw_evolution(group: WiringGroup) -> Evolution:
    """Return the frames of the group's first seed, and fewer ones of the others."""
    first, *others = group.supernets
    painter = _painter(group)
    stills = _still_epochs(first.wiring)
    frames = [
        painter.draw(first, epoch, is_still=epoch in stills)
        for epoch in choose_epochs(first.wiring)
    ]
    more: list[Frame] = []
    for supernet in others[:MOST_OTHER_SEEDS]:
        for epoch in sorted(_still_epochs(supernet.wiring)):
            more.append(painter.draw(supernet, epoch, is_still=False))
    return Evolution(first.seed, tuple(frames), tuple(more))


@dataclass(frozen=True)
class _Painter:
    """What the drawings of all seeds of a group share.

    Attributes:
        group: of supernets.
        looks: colour and line of each operation.
        room: least width for labels, so that nodes stay at their places.
    """

    group: WiringGroup
    looks: Mapping[str, LegendEntry]
    room: float

    def draw(self, supernet: TracedSupernet, epoch: int, is_still: bool) -> Frame:
        """Return the frame of a seed after an epoch."""
        wiring = supernet.wiring
        cells = [_label_cell(cell, epoch) for cell in wiring.cells]
        colours: dict[str, LegendEntry] = {}
        for cell in cells:
            names = cell.operations.items()
            colours |= {label: self.looks[name] for label, name in names}
        edges = sum(len(cell.edges) for cell in self.group.info.cells)
        words = f"{describe_epoch(epoch)}: {wiring.edges[epoch]} of {edges} edges"
        title = f"{self.group.name}, seed {supernet.seed}, {words}"
        graphs = [cell.graph for cell in cells]
        return Frame(
            name=figure_name(self.group, "cell", f"epoch-{epoch:03d}"),
            seed=supernet.seed,
            epoch=epoch,
            words=words,
            svg=draw(graphs, colours, title, room=self.room),
            still=is_still,
        )


def _painter(group: WiringGroup) -> _Painter:
    names = _operations(group)
    looks = {entry.operation: entry for entry in legend_of([names])}
    longest = max(names, key=len)
    wiring = group.supernets[0].wiring
    all_longest = [_label_cell(cell, 0, operation=longest) for cell in wiring.cells]
    room = max(label_width(cell.graph) for cell in all_longest)
    return _Painter(group, looks, room)


def _operations(group: WiringGroup) -> list[str]:
    """Return every operation once, in order."""
    names: dict[str, None] = {}
    for cell in group.info.cells:
        for operations in cell.operations:
            names |= dict.fromkeys(operations)
    return list(names)


def describe_epoch(epoch: int) -> str:
    """Return a description of an epoch, such as "after epoch 3"."""
    return f"after epoch {epoch}" if epoch else "before training"


def choose_epochs(wiring: SupernetWiring, most: int = MOST_FRAMES) -> list[int]:
    """Return the epochs to draw: the stills, and those at which the genotype changes.

    Thin the latter evenly, to at most `most` epochs in all.
    """
    stills = _still_epochs(wiring)
    changed: set[int] = set()
    for cell in wiring.cells:
        differs = np.diff(cell.genotype, axis=0) != 0
        points = np.flatnonzero(differs.any(axis=1)) + 1
        changed |= set(points.tolist())
    others = sorted(changed - stills)
    room = most - len(stills)
    if len(others) > room:
        places = np.linspace(0, len(others) - 1, room).round().astype(int)
        others = [others[place] for place in places]
    return sorted(stills | set(others))


def _still_epochs(wiring: SupernetWiring) -> set[int]:
    return {0, epoch_of_fewest_edges(wiring), wiring.trace.epochs}


def _label_cell(
    wiring: CellWiring, epoch: int, operation: str | None = None
) -> _LabelledCell:
    """Return the cell, with the most likely operation and q as label of every edge.

    Args:
        wiring: wiring of the cell type.
        epoch: epoch to draw.
        operation: operation to write on every edge instead of the most likely one.
    """
    cell = wiring.cell
    operations: dict[str, str] = {}
    edges = []
    for place, (source, target) in enumerate(cell.edges):
        likeliest = cell.operations[place][wiring.genotype[epoch, place]]
        name = operation or likeliest
        label = f"{name} {wiring.q[epoch, place]:.2f}"
        operations[label] = name
        edges.append((source, target, label))
    graph = CellGraph(
        name=cell.name,
        inputs=cell.inputs,
        nodes=cell.nodes,
        output=cell.output,
        edges=edges,
    )
    return _LabelledCell(graph, operations)
