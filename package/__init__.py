"""Which method reads the best architecture out of a supernet, and at what cost?

The functions of the command line, for scripts and notebooks:

* :func:`.api.run`: run a study, or what is missing of it;
* :func:`.api.load`: read a folder of results as pandas frames;
* :func:`.api.compare`: compare two folders, paired by seed, with gates;
* :func:`.api.space`, :func:`.api.truth`: a search space, and a table of accuracies;
* :func:`.api.network`: the stand-alone network of an architecture.

Nothing heavy is imported until one of them is called.
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
"""The modules of the names that are not in `archselect.api`."""

# An editable installation finds `selectors/`, which has no `__init__.py`, by this entry
# of the path alone.
__path__ += [part for part in sys.path if part.startswith("__editable__.archselect-")]


def __getattr__(name: str) -> Any:
    """Return a public name, and import its module first."""
    if name == "__version__":
        return import_module("importlib.metadata").version("archselect")
    if name not in __all__:
        raise AttributeError(f"module 'archselect' has no attribute '{name}'")
    module = import_module(_HOMES.get(name, "archselect.api"))
    return getattr(module, name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
