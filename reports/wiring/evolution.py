"""The cell as it evolves: the argmax genotype of a group's first seed, drawn at chosen epochs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archselect.benchmarks.store.records import CellGraph
from archselect.reports.drawing.cells import LegendEntry, draw, legend_of
from archselect.reports.drawing.layout import label_width
from archselect.reports.results.wiring_quantities import CellWiring, SupernetWiring
from archselect.reports.wiring.figures import figure_name
from archselect.reports.wiring.groups import WiringGroup
from archselect.reports.wiring.verdicts import fewest

MOST_FRAMES = 20


@dataclass(frozen=True)
class Frame:
    """The cell after an epoch (0: before training); `still` marks those that are printed and written as files."""

    name: str
    epoch: int
    words: str
    svg: str
    still: bool


@dataclass(frozen=True)
class Evolution:
    """The frames of one seed, in order of epochs."""

    seed: int
    frames: tuple[Frame, ...]

    @property
    def stills(self) -> list[Frame]:
        """The cell before training, with the fewest edges, and after training."""
        return [frame for frame in self.frames if frame.still]


def evolution(group: WiringGroup) -> Evolution:
    """That of the group's first seed."""
    seen = group.seeds[0]
    wiring = seen.wiring
    names = list(
        dict.fromkeys(
            name for cell in group.info.cells for own in cell.operations for name in own
        )
    )
    looks = {entry.operation: entry for entry in legend_of([names])}
    widest = max(names, key=len)
    room = max(label_width(_graph(cell, 0, widest)[0]) for cell in wiring.cells)
    stills = _stills(wiring)
    frames = []
    for epoch in chosen(wiring):
        drawn = [_graph(cell, epoch) for cell in wiring.cells]
        colours: dict[str, LegendEntry] = {
            label: looks[name] for _, labels in drawn for label, name in labels.items()
        }
        words = f"{when(epoch)}: {wiring.edges[epoch]} of {sum(len(cell.edges) for cell in group.info.cells)} edges"
        title = f"{group.name}, seed {seen.seed}, {words}"
        frames.append(
            Frame(
                name=figure_name(group, "cell", f"epoch-{epoch:03d}"),
                epoch=epoch,
                words=words,
                svg=draw([graph for graph, _ in drawn], colours, title, room=room),
                still=epoch in stills,
            )
        )
    return Evolution(seen.seed, tuple(frames))


def when(epoch: int) -> str:
    """In words."""
    return f"after epoch {epoch}" if epoch else "before training"


def chosen(wiring: SupernetWiring, most: int = MOST_FRAMES) -> list[int]:
    """The points to draw: the stills, and those at which the argmax genotype changes, thinned evenly to so many."""
    stills = _stills(wiring)
    changed: set[int] = set()
    for cell in wiring.cells:
        changed |= set(
            (
                np.flatnonzero((np.diff(cell.genotype, axis=0) != 0).any(axis=1)) + 1
            ).tolist()
        )
    others = sorted(changed - stills)
    room = most - len(stills)
    if len(others) > room:
        others = [
            others[place]
            for place in np.linspace(0, len(others) - 1, room).round().astype(int)
        ]
    return sorted(stills | set(others))


def _stills(wiring: SupernetWiring) -> set[int]:
    return {0, fewest(wiring), wiring.trace.epochs}


def _graph(
    cell: CellWiring, epoch: int, instead: str = ""
) -> tuple[CellGraph, dict[str, str]]:
    """The cell with every edge's likeliest operation and q as its label; and the operation of each label.

    Args:
        cell: the cell type.
        epoch: the point.
        instead: an operation to write on every edge.
    """
    labels: dict[str, str] = {}
    edges = []
    for e, (source, target) in enumerate(cell.cell.edges):
        name = instead or cell.cell.operations[e][cell.genotype[epoch, e]]
        label = f"{name} {cell.q[epoch, e]:.2f}"
        labels[label] = name
        edges.append((source, target, label))
    own = cell.cell
    return CellGraph(
        name=own.name,
        inputs=own.inputs,
        nodes=own.nodes,
        output=own.output,
        edges=edges,
    ), labels
