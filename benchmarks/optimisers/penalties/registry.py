"""The penalties by name: those of installed packages and of users' files.

archselect's own have settings of their own; see :mod:`.alpha_settings`.
"""

from __future__ import annotations

from archselect.benchmarks.optimisers.penalties.base import Penalty
from archselect.nasbench_adapters.plugins.user_files import UserClasses


def _check(penalty: type[Penalty]) -> None:
    """Raise ValueError, which names the fix, for a setting without a default."""
    for name, field in penalty.model_fields.items():
        if field.is_required():
            raise ValueError(
                f"{penalty.__name__} has a setting {name} without a default: give it one"
            )


registry: UserClasses[Penalty] = UserClasses(
    "penalty",
    "archselect.penalties",
    {},
    Penalty,  # type: ignore[type-abstract]
    "__call__(self, view)",
    _check,
)
"""The penalties of installed packages and of users' files."""


def get_penalty(name: str) -> type[Penalty]:
    """Return the penalty class of a name, or of FILE.py:CLASS.

    Raises UserError, saying where, if there is none.
    """
    return registry.get(name)
