"""The optimisers by name.

They are the built-in ones, those of installed packages, and those of users' files.
"""

from __future__ import annotations

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.blank import Blank
from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.darts_minus import DartsMinus
from archselect.benchmarks.optimisers.drnas import Drnas
from archselect.benchmarks.optimisers.dsnas import Dsnas
from archselect.benchmarks.optimisers.equal import Equal
from archselect.benchmarks.optimisers.gdas import Gdas
from archselect.benchmarks.optimisers.lambda_darts import LambdaDarts
from archselect.benchmarks.optimisers.oles import Oles
from archselect.benchmarks.optimisers.pc_darts import PcDarts
from archselect.benchmarks.optimisers.sdarts_rs import SdartsRS
from archselect.benchmarks.optimisers.snas import Snas
from archselect.benchmarks.optimisers.spos import Spos
from archselect.benchmarks.optimisers.untrained import Untrained
from archselect.nasbench_adapters.plugins.user_files import (
    UserClasses,
    require_defaults,
)

OPTIMISERS: dict[str, type[Optimiser]] = {
    optimiser.name: optimiser
    for optimiser in (
        Untrained,
        Blank,
        Equal,
        Spos,
        Darts,
        SdartsRS,
        Oles,
        LambdaDarts,
        DartsMinus,
        PcDarts,
        Snas,
        Dsnas,
        Gdas,
        Drnas,
    )
}

TAKEN = ("recipe", "label", "spaces", "data")
"""Keys of a study's supernet that are not settings of its optimiser."""


def _check(optimiser: type[Optimiser]) -> None:
    """Raise ValueError, which names the fix, for a setting that a study cannot set.

    Such a setting has no default, or its name is a key of studies.
    """
    for name in optimiser.model_fields:
        if name in TAKEN:
            raise ValueError(
                f"{optimiser.__name__} has a setting '{name}', which is already a key of studies: rename the setting"
            )
    require_defaults(optimiser)


registry: UserClasses[Optimiser] = UserClasses(
    "optimiser",
    "archselect.optimisers",
    OPTIMISERS,
    Optimiser,  # type: ignore[type-abstract]
    "step(self, trainer, batch)",
    _check,
    key="recipe",
)
"""The built-in optimisers, and those of installed packages and of users' files."""


def get_optimiser(name: str) -> type[Optimiser]:
    """Return the optimiser class of a name, or of FILE.py:CLASS.

    Raises UserError, which says where, if there is none.
    """
    return registry.get(name)
