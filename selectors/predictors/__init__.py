"""Predictors of the values of architectures, one file each.

They are archselect's own, those that installed packages declare, and those of users'
files.
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
"""The predictors here, and those of installed packages and of users' files."""


def get_predictor(name: str) -> type[Predictor]:
    """Return the predictor class of a name, or of FILE.py:CLASS.

    Raises UserError, saying where, if there is none.
    """
    return registry.get(name)
