"""The parts of the report's section on wiring, one per group of supernets."""

from __future__ import annotations

from dataclasses import dataclass

from archselect.reports.figures.canvas import Figure
from archselect.reports.results.results import Results
from archselect.reports.wiring.evolution import Evolution, draw_evolution
from archselect.reports.wiring.figures import wiring_figures
from archselect.reports.wiring.groups import WiringGroup, wiring_groups


@dataclass(frozen=True)
class WiringPart:
    """The part on one group.

    Attributes:
        name: name of the group.
        evolution: drawings of the evolving cell; None if the alphas never change.
        figures: figures of the group.
    """

    name: str
    evolution: Evolution | None
    figures: tuple[Figure, ...]

    @property
    def drawings(self) -> dict[str, str]:
        """The drawings to write to files, by name."""
        stills = self.evolution.stills if self.evolution else []
        drawings = {frame.name: frame.svg for frame in stills}
        drawings |= {figure.name: figure.svg for figure in self.figures}
        return drawings


def wiring_parts(results: Results) -> list[WiringPart]:
    """Return one part per group of traced supernets."""
    return [_part(group) for group in wiring_groups(results)]


def _part(group: WiringGroup) -> WiringPart:
    return WiringPart(
        name=group.name,
        evolution=draw_evolution(group) if group.learns else None,
        figures=tuple(wiring_figures(group)),
    )
