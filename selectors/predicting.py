"""What selectors share that learn a predictor of rewards."""

from __future__ import annotations

from typing import Any, ClassVar

from archselect.selectors.base import REWARDS, Selector, Task
from archselect.selectors.predictors import get_predictor, registry
from archselect.selectors.predictors.base import Predictor


class PredictingSelector(Selector):
    """Base of selectors that learn a predictor of rewards, and query what it ranks.

    Settings:
        predictor: the name of one of archselect or of an installed package; or one of
            the user's own, FILE.py:CLASS.
    """

    needs: ClassVar[frozenset[str]] = frozenset({REWARDS})
    queries_pool: ClassVar[bool] = True

    predictor: str = "ridge"

    def model_post_init(self, _context: object) -> None:
        """Raise UserError if there is no such predictor."""
        get_predictor(self.predictor)

    @property
    def predictor_class(self) -> type[Predictor]:
        """The class that the setting names."""
        return get_predictor(self.predictor)

    def new_predictor(self, task: Task) -> Predictor:
        """Return a predictor that has learned nothing yet."""
        return self.predictor_class(task.space, task.rng)

    def settings(self) -> dict[str, Any]:
        """See :meth:`.Selector.settings`.

        A predictor of the user's own stands there by its name.
        """
        return {**super().settings(), "predictor": self.predictor_class.name}

    def sources(self) -> list[str]:
        """See :meth:`.Selector.sources`."""
        source = registry.source_of(self.predictor_class, self.predictor)
        return [] if source is None else [source]
