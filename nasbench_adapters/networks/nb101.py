"""The stand-alone networks of NAS-Bench-101 and its sub-spaces.

The package `nasbench-pytorch` builds them.
"""

from __future__ import annotations

import math

import torch
from nasbench_pytorch.model import Network as PublishedNetwork
from nasbench_pytorch.model.model import Placeholder
from torch import Tensor, nn

from archselect.nasbench_adapters.networks.network import Logits
from archselect.nasbench_adapters.networks.operations import Rectifier
from archselect.nasbench_adapters.space import Architecture, Skeleton
from archselect.nasbench_adapters.spaces.nb101 import OPERATIONS, STAGES, CellGraphSpace

CUT = 2
"""Limit in standard deviations; TensorFlow draws a normal weight beyond it again."""
_DENSITY = math.exp(-(CUT**2) / 2) / math.sqrt(2 * math.pi)
_WITHIN = math.erf(CUT / math.sqrt(2))
CUT_STD = math.sqrt(1 - 2 * CUT * _DENSITY / _WITHIN)
"""Standard deviation of the standard normal distribution truncated at ±2."""


class NasBench101Network(nn.Module):
    """The benchmark's network of one architecture.

    It has a stem, three stages of its cell and a linear classifier. This class corrects
    the package's module where it differs from the benchmark. The package's placeholders
    have a parameter each, which no forward uses. It passes TensorFlow's momentum of
    0.997 to torch, and only to some normalisations. It draws different initial weights.
    ReLUs become :class:`.Rectifier`, so that activation-pattern proxies find them.

    Args:
        space: nb101 or one of its sub-spaces.
        architecture: an architecture of the space; its loose ends are left out.
        skeleton: from `space.skeleton(...)`; only channels, cells per stage and
            momentum are used.
        image_channels: number of channels of the images.
        classes: number of classes.
        seed: seed of the initial weights.
    """

    replicas = 1
    droppable = 0
    """Number of operations that training may drop at random; the benchmark has none."""
    auxiliary = None

    def __init__(
        self,
        space: CellGraphSpace,
        architecture: Architecture,
        skeleton: Skeleton,
        image_channels: int,
        classes: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.space = space
        self.architecture = architecture
        self.skeleton = skeleton
        cell = space.cell_graph(architecture)
        between = [OPERATIONS[index] for index in cell.operations]
        names = ["input", *between, "output"]
        cells = sum(layer.is_cell for layer in skeleton.layers) // STAGES
        # The package's layers draw weights when they are created; the caller's random
        # state must not change.
        with torch.random.fork_rng(devices=[]):
            self.network = PublishedNetwork(
                (cell.matrix, names),
                num_labels=classes,
                in_channels=image_channels,
                stem_out_channels=skeleton.stem_channels,
                num_stacks=STAGES,
                num_modules_per_stack=cells,
            )
        for module in list(self.network.modules()):
            self._correct_children(module)
        self.initialise(seed)

    def _correct_children(self, module: nn.Module) -> None:
        """Correct the direct children of a module that differ from the benchmark."""
        for name, child in module.named_children():
            if isinstance(child, Placeholder):
                setattr(module, name, nn.Identity())
            elif type(child) is nn.ReLU:
                setattr(module, name, Rectifier())
            elif isinstance(child, nn.BatchNorm2d):
                child.momentum = self.skeleton.norm_momentum

    def initialise(self, seed: int) -> None:
        """Draw all weights by the benchmark's rule: TensorFlow's defaults.

        Convolutions: normal, truncated at two standard deviations, with variance
        1 / fan in. Classifier: uniform in ±sqrt(6 / (fan in + fan out)), bias zero. The
        global random state is neither read nor changed. Call it before the model moves
        to another device.
        """
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
            elif isinstance(module, nn.Conv2d):
                _draw_cut_normal(module.weight, generator)
            elif isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (batch, classes) of images.

        Args:
            images: (batch, channels, height, width).
        """
        logits: Tensor = self.network(images)
        return logits

    def training_logits(
        self,
        images: Tensor,
        paths: Tensor | None = None,
    ) -> Logits:
        """Return the logits, without those of an auxiliary head.

        Args:
            images: (batch, channels, height, width).
            paths: ignored, because no operation is dropped.
        """
        del paths
        return Logits(self(images), None)


def _draw_cut_normal(
    weight: Tensor,
    generator: torch.Generator,
) -> None:
    """Draw a convolution's weights: truncated normal with variance 1 / fan in."""
    fan_in = weight[0].numel()
    scale = 1 / math.sqrt(fan_in) / CUT_STD
    bound = CUT * scale
    nn.init.trunc_normal_(weight, 0, scale, -bound, bound, generator=generator)
