"""Registry of costs: counted ones, and those of packages and users' files.

This file does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np

from archselect.nasbench_adapters.costs.base import (
    AdditiveRows,
    Cost,
    FitQuality,
    NetworkShape,
    Regressor,
)
from archselect.nasbench_adapters.costs.counted import (
    CountedCost,
    MultiplyAdds,
    Parameters,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.foreign_text import check_label
from archselect.nasbench_adapters.plugins.user_files import (
    UserClasses,
    describe_error,
    locate_error,
)
from archselect.nasbench_adapters.space import Architecture, SearchSpace

COUNTED: dict[str, type[CountedCost]] = {
    kind.name: kind for kind in (Parameters, MultiplyAdds)
}

registry: UserClasses[Cost] = UserClasses(
    "cost",
    "archselect.costs",
    cast(dict[str, type[Cost]], COUNTED),
    Cost,  # type: ignore[type-abstract]
    "of(self, architecture)",
    texts=("name",),
)
"""Registry of costs: counted ones, and classes of packages and users' files."""


class ForeignCost(Cost):
    """A cost from a user's file or an installed package, whose numbers are checked.

    Args:
        of: the text that names the cost.
        space: the search space.
        network: the network and images of the study.

    Raises:
        UserError: if the class cannot be found, called or used.
    """

    def __init__(self, of: str, space: SearchSpace, network: NetworkShape) -> None:
        kind = registry.get(of)
        self.name = of
        self._path = Path(of.rpartition(":")[0] or of)
        with self._running():
            self._cost = kind(space, network)  # type: ignore[call-arg]
        source = registry.source_of(kind, of)
        self.unit = self._text("unit")
        origin = self._text("origin")
        self.origin = f"{origin}; {source}" if source else origin

    @property
    def fit(self) -> FitQuality | None:
        """Quality of a fitted cost, from the class."""
        with self._running():
            return self._cost.fit

    def of(self, architecture: Architecture) -> float | None:
        """Return the cost of an architecture.

        Raises UserError if the class raises an error, or returns an invalid cost.
        """
        value = float(self.of_many([architecture])[0])
        return None if np.isnan(value) else value

    def of_many(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the costs of architectures as float64, NaN if unknown.

        Raises UserError if the class raises an error, or returns an invalid cost.
        """
        with self._running():
            values = np.asarray(self._cost.of_many(architectures), dtype=np.float64)
        if values.shape != (len(architectures),):
            raise UserError(
                f"{self.name} returns {values.shape} numbers for {len(architectures)} architectures: return one each"
            )
        if np.isinf(values).any() or (values < 0).any():
            raise UserError(
                f"{self.name} returns a cost that is negative or not finite: return None for an unknown cost"
            )
        return values

    def rows(self) -> AdditiveRows | None:
        """Return the cost as a sum over edges, from the class."""
        with self._running():
            return self._cost.rows()

    def regressor(self) -> Regressor | None:
        """Return the perceptron that computes the cost, from the class."""
        with self._running():
            return self._cost.regressor()

    def _text(self, attribute: str) -> str:
        """Return a text attribute of the class.

        Raises UserError if it is missing, or cannot be shown.
        """
        text = getattr(self._cost, attribute, None)
        if not isinstance(text, str):
            raise UserError(
                f"{self.name} lacks its {attribute}: give it {attribute}: str"
            )
        try:
            return check_label(text) if attribute == "unit" else text
        except ValueError as error:
            raise UserError(f"the {attribute} of {self.name}: {error}") from error

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Raise UserError, which names the line, if the class raises in the block."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            place = locate_error(error, self._path)
            raise UserError(f"{place}: {describe_error(error)}") from error
