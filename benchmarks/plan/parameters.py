"""The number of parameters of the networks that a space's protocol trains, for many architectures at once."""

from __future__ import annotations

import numpy as np

from archselect.benchmarks.plan.protocols import PROTOCOLS
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.parameters import count_parameters
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.choices import unflatten

TOY = "tiny"
"""A protocol whose networks stand for no one's."""


def skeleton_of(space: str) -> dict[str, object]:
    """Return the settings of the network that the first full-size protocol of a space trains; none for its defaults."""
    for protocol in PROTOCOLS.values():
        settings = protocol.skeleton(space)
        if settings is not None and protocol.name != TOY:
            return dict(settings)
    return {}


def network_of(space: str) -> str:
    """Return in words which network of a space is counted."""
    settings = ", ".join(f"{key} {value}" for key, value in skeleton_of(space).items())
    return (
        f"networks of {settings}"
        if settings
        else "networks of the space's default size"
    )


def count_rows(space: SearchSpace, rows: np.ndarray) -> np.ndarray:
    """Return the number of parameters of architectures given as rows of a table's `choices`.

    Args:
        space: of the architectures.
        rows: int8, architectures × edges of all cell types.

    Returns:
        int64, one number per row, for CIFAR-10's images and classes.

    Raises:
        UserError: networks of the space cannot be built, as those of a package's own
            operations.
    """
    skeleton = get_space(space.name).skeleton(**skeleton_of(space.name))
    architectures = [unflatten(space, row) for row in rows]
    try:
        return count_parameters(space, architectures, skeleton)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"networks of space {space.name} cannot be built ({error})"
        ) from error
