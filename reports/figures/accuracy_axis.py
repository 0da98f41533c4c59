"""The axis of accuracies, which gives good cells more space than bad ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archselect.nasbench_adapters.rank_correlations import Floats


@dataclass(frozen=True)
class AccuracyAxis:
    """An axis that is logarithmic in the distance to the highest accuracy.

    Small differences between good cells stay visible next to a long tail of bad cells.

    Attributes:
        top: highest accuracy, in per cent.
        unit: smallest distance to stretch, such as the noise between trials.
    """

    top: float
    unit: float

    def place(self, accuracy: npt.ArrayLike) -> Floats:
        """Return the positions of accuracies, in per cent, on the axis."""
        distance = np.maximum(self.top - np.asarray(accuracy, dtype=np.float64), 0)
        return -np.log10(distance + self.unit)

    def ticks(self, low: float, apart: float) -> list[float]:
        """Return round accuracies from `low` to the top, as ticks.

        They are at least `apart` from each other on the axis.
        """
        high = self.top
        ticks: list[float] = []
        for step in (50, 20, 10, 5, 2, 1, 0.5, 0.2):
            first = int(np.ceil(low / step))
            last = int(np.floor(high / step))
            for count in range(first, last + 1):
                tick = round(count * step, 1)
                if high - tick > 5 * step:  # no 61.5 among multiples of ten
                    continue
                distances = [abs(self.place(tick) - self.place(t)) for t in ticks]
                if all(distance >= apart for distance in distances):
                    ticks.append(tick)
        return sorted(ticks)
