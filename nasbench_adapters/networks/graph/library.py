"""PyTorch Geometric, the library with the layers of graph networks."""

from __future__ import annotations

from importlib.util import find_spec

from archselect.nasbench_adapters.errors import UserError

MODULE = "torch_geometric"
INSTALL = "pip install 'archselect[graph-train]'"


def installed() -> bool:
    """Return whether the library is installed."""
    return find_spec(MODULE) is not None


def check_installed() -> None:
    """Raise UserError, with the command that installs the library, if it is missing."""
    if not installed():
        raise UserError(f"graph networks need PyTorch Geometric: {INSTALL}")
