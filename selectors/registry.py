"""All selectors by name.

They come from archselect, from installed packages and from users' files.
"""

from __future__ import annotations

from archselect.nasbench_adapters.plugins.user_files import UserClasses
from archselect.selectors.base import Selector
from archselect.selectors.conservative import Conservative
from archselect.selectors.darts_pt import DartsPT
from archselect.selectors.evolution import RegularisedEvolution
from archselect.selectors.is_darts import IsDarts
from archselect.selectors.local_search import LocalSearch
from archselect.selectors.magnitude import Magnitude
from archselect.selectors.operation_scores import OperationScores
from archselect.selectors.predictor_search import PredictorSearch
from archselect.selectors.radars import RadarsStyle
from archselect.selectors.random_architecture import Random
from archselect.selectors.random_pruning import RandomPruning
from archselect.selectors.random_search import RandomSearch
from archselect.selectors.seminas import SemiNas
from archselect.selectors.sgas import Sgas
from archselect.selectors.threshold import Threshold
from archselect.selectors.zero_cost_pt import ZeroCostPT
from archselect.selectors.zero_cost_pt_macro import ZeroCostPTMacro

SELECTORS: dict[str, type[Selector]] = {
    selector.name: selector
    for selector in (
        Random,
        Magnitude,
        Threshold,
        DartsPT,
        ZeroCostPT,
        Sgas,
        IsDarts,
        OperationScores,
        RandomSearch,
        RegularisedEvolution,
        LocalSearch,
        Conservative,
        PredictorSearch,
        SemiNas,
        RandomPruning,
        RadarsStyle,
        ZeroCostPTMacro,
    )
}


registry: UserClasses[Selector] = UserClasses(
    "selector",
    "archselect.selectors",
    SELECTORS,
    Selector,  # type: ignore[type-abstract]
    "select(self, task)",
)
"""Registry of all selectors: built-in, of installed packages and of users' files."""


def get_selector(name: str) -> type[Selector]:
    """Return the selector class for a name, or for FILE.py:CLASS.

    Raises UserError if there is no such selector; the message names the cause.
    """
    return registry.get(name)
