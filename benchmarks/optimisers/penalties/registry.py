"""The penalties by name: built-in ones, and those of packages and of users' files.

A study chooses built-in penalties by their own settings (:mod:`.alpha_settings`).
"""

from __future__ import annotations

from archselect.benchmarks.optimisers.penalties.adjusted_proximity import (
    AdjustedProximity,
)
from archselect.benchmarks.optimisers.penalties.admm import Admm
from archselect.benchmarks.optimisers.penalties.base import Penalty
from archselect.benchmarks.optimisers.penalties.beta_decay import BetaDecay
from archselect.benchmarks.optimisers.penalties.dirichlet_anchor import DirichletAnchor
from archselect.benchmarks.optimisers.penalties.expected_cost import ExpectedCost
from archselect.benchmarks.optimisers.penalties.proximity import Proximity
from archselect.benchmarks.optimisers.penalties.zero_one import ZeroOne
from archselect.nasbench_adapters.plugins.user_files import (
    UserClasses,
    require_defaults,
)

PENALTIES: dict[str, type[Penalty]] = {
    penalty.name: penalty
    for penalty in (
        Proximity,
        AdjustedProximity,
        Admm,
        BetaDecay,
        ZeroOne,
        DirichletAnchor,
        ExpectedCost,
    )
}


registry: UserClasses[Penalty] = UserClasses(
    "penalty",
    "archselect.penalties",
    PENALTIES,
    Penalty,  # type: ignore[type-abstract]
    "__call__(self, view)",
    require_defaults,
    plural="penalties",
)
"""The built-in penalties, and those of installed packages and of users' files."""


def get_penalty(name: str) -> type[Penalty]:
    """Return the penalty class of a name, or of FILE.py:CLASS.

    Raises UserError, which says where, if there is none.
    """
    return registry.get(name)
