"""Predictors of the values of architectures, one file each.

They come from archselect, from installed packages and from users' files.
"""

from __future__ import annotations

from archselect.nasbench_adapters.plugins.user_files import UserClasses
from archselect.selectors.predictors.base import Predictor
from archselect.selectors.predictors.epd import EncoderPredictorDecoder
from archselect.selectors.predictors.ridge import Ridge

PREDICTORS: dict[str, type[Predictor]] = {
    predictor.name: predictor for predictor in (Ridge, EncoderPredictorDecoder)
}


registry: UserClasses[Predictor] = UserClasses(
    "predictor",
    "archselect.predictors",
    PREDICTORS,
    Predictor,  # type: ignore[type-abstract]
    "fit(self, architectures, values, steps), or predict(self, architectures)",
)
"""Registry of all predictors: built-in, of installed packages and of users' files."""


def get_predictor(name: str) -> type[Predictor]:
    """Return the predictor class for a name, or for FILE.py:CLASS.

    Raises UserError if there is no such predictor; the message names the cause.
    """
    return registry.get(name)
