"""The base of selectors that learn to predict rewards."""

from __future__ import annotations

from typing import Any, ClassVar

from archselect.selectors.base import REWARDS, Selector, Task
from archselect.selectors.predictors import get_predictor, registry
from archselect.selectors.predictors.base import Predictor


class PredictingSelector(Selector):
    """Base of selectors that learn a predictor of rewards, and query what it ranks.

    Settings:
        predictor: the name of a built-in predictor or of one from an installed package,
            or FILE.py:CLASS for a class in your file.
    """

    needs: ClassVar[frozenset[str]] = frozenset({REWARDS})
    queries_pool: ClassVar[bool] = True

    predictor: str = "ridge"

    def model_post_init(self, _context: object) -> None:
        """Raise UserError if no predictor has the given name."""
        get_predictor(self.predictor)

    @property
    def predictor_class(self) -> type[Predictor]:
        """The class that the setting names."""
        return get_predictor(self.predictor)

    def new_predictor(self, task: Task) -> Predictor:
        """Return a predictor that has learned nothing yet."""
        return self.predictor_class(task.space, task.rng)

    def settings(self) -> dict[str, Any]:
        """Return the settings in the form that records hold.

        For a predictor from a user's file they hold the predictor's name.
        """
        return {**super().settings(), "predictor": self.predictor_class.name}

    def sources(self) -> list[str]:
        """Return the origin of the predictor, if archselect does not hold it."""
        source = registry.source_of(self.predictor_class, self.predictor)
        return [] if source is None else [source]
