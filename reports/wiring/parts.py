"""What a report shows of each group of traced supernets."""

from __future__ import annotations

from dataclasses import dataclass

from archselect.reports.figures.canvas import Figure
from archselect.reports.results.results import Results
from archselect.reports.wiring.evolution import Evolution, evolution
from archselect.reports.wiring.figures import wiring_figures
from archselect.reports.wiring.groups import wiring_groups


@dataclass(frozen=True)
class WiringPart:
    """A group's name, the evolution of its cell (None where alphas never move), and its figures."""

    name: str
    evolution: Evolution | None
    figures: tuple[Figure, ...]

    @property
    def drawings(self) -> dict[str, str]:
        """Every drawing that becomes a file, by name."""
        stills = self.evolution.stills if self.evolution else []
        return {frame.name: frame.svg for frame in stills} | {
            figure.name: figure.svg for figure in self.figures
        }


def wiring_parts(results: Results) -> list[WiringPart]:
    """Return one for each group of traced supernets."""
    groups = wiring_groups(results)
    return [
        WiringPart(g.name, evolution(g) if g.learns else None, tuple(wiring_figures(g)))
        for g in groups
    ]
