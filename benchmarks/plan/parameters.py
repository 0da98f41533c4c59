"""Count the parameters of the networks that a space's protocol trains."""

from __future__ import annotations

import numpy as np

from archselect.benchmarks.plan.protocols import PROTOCOLS
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.parameters import count_parameters
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.choices import unflatten

TOY_PROTOCOL = "tiny"
"""A protocol with toy networks, which come from no paper."""


def full_size_skeleton(space: str) -> dict[str, object]:
    """Return the skeleton of the first full-size protocol for a space.

    It is empty, which means the defaults of the space, if no protocol is for the space.
    """
    for protocol in PROTOCOLS.values():
        settings = protocol.skeleton(space)
        if settings is not None and protocol.name != TOY_PROTOCOL:
            return dict(settings)
    return {}


def describe_counted_network(space: str) -> str:
    """Return text that says which networks of a space are counted."""
    skeleton = full_size_skeleton(space)
    if not skeleton:
        return "networks of the space's default size"
    settings = ", ".join(f"{key} {value}" for key, value in skeleton.items())
    return f"networks of {settings}"


def count_rows(space: SearchSpace, rows: np.ndarray) -> np.ndarray:
    """Return the number of parameters for each row of a table's `choices`.

    Args:
        space: space of the architectures.
        rows: int8, shape (architectures, edges of all cell types).

    Returns:
        int64, one number per row, for networks with CIFAR-10's images and classes.

    Raises:
        UserError: networks of the space cannot be built, for example because a package
            adds operations without networks.
    """
    skeleton = get_space(space.name).skeleton(**full_size_skeleton(space.name))
    architectures = [unflatten(space, row) for row in rows]
    try:
        return count_parameters(space, architectures, skeleton)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"networks of space {space.name} cannot be built ({error})"
        ) from error
