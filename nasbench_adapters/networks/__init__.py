"""Supernets and stand-alone networks (torch)."""

from __future__ import annotations

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.activation import new_alphas
from archselect.nasbench_adapters.networks.execution import Execution, executed
from archselect.nasbench_adapters.networks.folded import FoldedSupernet
from archselect.nasbench_adapters.networks.fused import FusedSupernet
from archselect.nasbench_adapters.networks.mixture import (
    Mixture,
    hardened,
    mixture_of,
    one_hot,
    sampled,
)
from archselect.nasbench_adapters.networks.nb101 import NasBench101Network
from archselect.nasbench_adapters.networks.network import Network, Supernet, scoring
from archselect.nasbench_adapters.space import Architecture, SearchSpace, Skeleton
from archselect.nasbench_adapters.spaces.nb101 import CellGraphSpace

__all__ = [
    "FORMULATION",
    "Execution",
    "FoldedSupernet",
    "FusedSupernet",
    "Mixture",
    "NasBench101Network",
    "Network",
    "Supernet",
    "build_network",
    "executed",
    "hardened",
    "mixture_of",
    "new_alphas",
    "one_hot",
    "sampled",
    "scoring",
]

FORMULATION = 1
"""Number to raise when you change, on purpose and in all spaces, what supernets and
networks compute or how their weights are drawn.
"""


def build_network(
    space: SearchSpace,
    architecture: Architecture,
    skeleton: Skeleton,
    image_channels: int,
    classes: int,
    seed: int,
    auxiliary: bool = False,
    affine: bool = True,
) -> Network | NasBench101Network:
    """Return the stand-alone network of one architecture.

    Tables of the space hold the accuracies of such networks.

    Args:
        space, architecture: the space, and the architecture to build.
        skeleton: from `space.skeleton(...)`.
        image_channels: number of channels of the images.
        classes: number of classes.
        seed: seed of the initial weights; the global random state does not change.
        auxiliary: whether the network has the skeleton's auxiliary head, if any.
        affine: whether normalisation in the cells has scale and shift, as in
            :class:`.Network`.

    Raises UserError for a network of NAS-Bench-101 without `affine`: even its
    supernets' operations have scale and shift.
    """
    if isinstance(space, CellGraphSpace):
        if not affine:
            raise UserError(
                f"networks of {space.name} always have normalisation with scale and shift, like its supernets"
            )
        return NasBench101Network(
            space, architecture, skeleton, image_channels, classes, seed
        )
    return Network(
        space,
        architecture,
        skeleton,
        image_channels,
        classes,
        [seed],
        auxiliary,
        affine,
    )
