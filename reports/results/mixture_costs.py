"""Costs of supernets' final mixtures, and of cells drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from archselect.benchmarks.store.records import Record, SupernetMixtureCost
from archselect.nasbench_adapters.costs.opening import parse_cost
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.results.results import Group
from archselect.reports.results.trade_offs import CostKind, Plane


@dataclass(frozen=True)
class MixtureGap:
    """The costs of supernets of one recipe, and of cells drawn from them.

    Attributes:
        names: names of the selectors that read these supernets.
        by_seed: measured costs, by supernet seed.
    """

    names: tuple[str, ...]
    by_seed: dict[int, SupernetMixtureCost]

    @property
    def of(self) -> str:
        """The value of `of` that identifies the cost."""
        return self._measured[0].of

    @property
    def draws(self) -> int:
        """Number of cells drawn from each supernet."""
        return self._measured[0].draws

    @property
    def mixture(self) -> float:
        """Cost of the mixture, mean over supernets."""
        return fmean(entry.mixture for entry in self._measured)

    @property
    def drawn(self) -> float:
        """Mean cost of the drawn cells, mean over supernets."""
        return fmean(entry.drawn for entry in self._measured)

    @property
    def drawn_sd(self) -> float:
        """Standard deviation of the drawn cells' costs, mean over supernets."""
        return fmean(entry.drawn_sd for entry in self._measured)

    @property
    def _measured(self) -> list[SupernetMixtureCost]:
        return list(self.by_seed.values())


def find_gaps(plane: Plane) -> list[MixtureGap]:
    """Return the gaps of a plane's supernets, for the cost of the plane.

    Selectors that read the same supernets share a gap.
    """
    gaps: list[MixtureGap] = []
    for trade_off in plane.trade_offs:
        by_seed = _measured_by_seed(trade_off.group, plane.cost)
        if by_seed:
            _add(gaps, trade_off.name, by_seed)
    return gaps


def _add(
    gaps: list[MixtureGap], name: str, by_seed: dict[int, SupernetMixtureCost]
) -> None:
    """Add a selector to the gap of its supernets, or a new gap."""
    for place, gap in enumerate(gaps):
        if gap.by_seed == by_seed:
            gaps[place] = MixtureGap((*gap.names, name), by_seed)
            return
    gaps.append(MixtureGap((name,), by_seed))


def _measured_by_seed(group: Group, kind: CostKind) -> dict[int, SupernetMixtureCost]:
    """Return the measured values of one cost, by supernet seed."""
    by_seed = {}
    for record in group.records:
        entry = record.mixture_cost
        if entry is not None and _is_of(entry, kind):
            by_seed[record.inputs.supernet_seed] = entry
    return by_seed


def _is_of(entry: SupernetMixtureCost, kind: CostKind) -> bool:
    """Return whether two costs measure the same quantity, looked up or fitted."""
    same_unit = entry.unit == kind.unit
    return same_unit and _quantity(entry.of) == _quantity(kind.of)


def _quantity(of: str) -> str:
    """Return the table and column of a cost's `of`, or else its name."""
    try:
        text = parse_cost(of)
    except UserError:
        return of
    if text is None:
        return Path(of).name
    return f"{Path(text.table).name}/{text.column}"


def mixture_columns(records: Sequence[Record]) -> dict[str, object]:
    """Return a column per number of mixtures; no columns if no record has them."""
    entries = [record.mixture_cost for record in records]
    if not any(entries):
        return {}
    return {
        "mixture_cost_of": [entry and entry.of for entry in entries],
        "mixture_cost": [entry and entry.mixture for entry in entries],
        "drawn_cost": [entry and entry.drawn for entry in entries],
        "drawn_cost_sd": [entry and entry.drawn_sd for entry in entries],
    }
