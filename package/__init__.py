"""Which method reads the best architecture out of a supernet, and at what cost?

The Python functions behind the command line, for scripts and notebooks:

* :func:`.api.run`: run a study, or what is missing of it;
* :func:`.api.load`: read a folder of results as pandas frames;
* :func:`.api.compare`: compare two folders, paired by seed, with gates;
* :func:`.api.space`, :func:`.api.truth`: open a search space, or a table of accuracies;
* :func:`.api.network`: build the stand-alone network of an architecture.

Nothing heavy is imported before you call a function.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archselect.api import compare, load, network, run, space, truth
    from archselect.nasbench_adapters.errors import UserError
    from archselect.study_results import StudyResults

    __version__: str

__all__ = [
    "StudyResults",
    "UserError",
    "__version__",
    "compare",
    "load",
    "network",
    "run",
    "space",
    "truth",
]

_HOMES = {
    "StudyResults": "archselect.study_results",
    "UserError": "archselect.nasbench_adapters.errors",
}
"""Modules of the names that are not in `archselect.api`."""

# In an editable installation, only this entry of the path finds `selectors/`, which has
# no `__init__.py`.
__path__ += [part for part in sys.path if part.startswith("__editable__.archselect-")]


def __getattr__(name: str) -> Any:
    """Import the module of a public name, and return what the name stands for."""
    if name == "__version__":
        home = import_module("archselect.nasbench_adapters.distribution")
        return home.installed_version()
    if name not in __all__:
        raise AttributeError(f"module 'archselect' has no attribute '{name}'")
    module = import_module(_HOMES.get(name, "archselect.api"))
    return getattr(module, name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
