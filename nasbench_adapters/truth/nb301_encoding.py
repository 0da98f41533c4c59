"""DARTS cells as the features on which NAS-Bench-301's tree ensembles were fitted.

The benchmark (Zela et al., ICLR 2022) describes a training by 56 parameters; 34 of them
are the cells. The package ConfigSpace (0.4.12) puts them into a row: first parameters
without a condition, then the others, each part sorted by name. A choice becomes its
index, a number its relative position in its range, and a dropped parameter -1. This
file does not import torch.
"""

from __future__ import annotations

from itertools import combinations
from math import log

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import DROPPED, Cell, SearchSpace
from archselect.nasbench_adapters.spaces.darts import DartsSpace
from archselect.nasbench_adapters.truth.choices import split_by_cell

_DARTS = "NetworkSelectorDatasetInfo:darts:"
_SGD = "OptimizerSelector:sgd:"
_COSINE = "SimpleLearningrateSchedulerSelector:cosine_annealing:"
ROUNDING = 0.49999
"""Amount by which ConfigSpace extends a range of whole numbers at both ends."""


def _share(value: float, low: float, high: float) -> float:
    """Return the relative position of a value in a range of real numbers."""
    return (value - low) / (high - low)


def _whole_share(value: int, low: int, high: int) -> float:
    """Return the relative position of a value in a range of whole numbers."""
    return _share(value, low - ROUNDING, high + ROUNDING)


def _log_share(value: float, low: float, high: float) -> float:
    """Return the relative position of a value in a logarithmic range."""
    return _share(log(value), log(low), log(high))


def _whole_log_share(value: int, low: int, high: int) -> float:
    """Return the relative position in a logarithmic range of whole numbers."""
    return _log_share(value, low - ROUNDING, high + ROUNDING)


TRAINING = {
    "CreateImageDataLoader:batch_size": _whole_log_share(96, 64, 128),
    "ImageAugmentation:augment": 0.0,
    "ImageAugmentation:autoaugment": 0.0,
    "ImageAugmentation:cutout": 0.0,
    "ImageAugmentation:cutout_holes": _whole_share(1, 1, 3),
    "ImageAugmentation:cutout_length": _whole_share(16, 1, 50),
    "ImageAugmentation:fastautoaugment": 0.0,
    "LossModuleSelectorIndices:loss_module": 0.0,
    f"{_DARTS}auxiliary": 0.0,
    f"{_DARTS}drop_path_prob": 0.0,
    f"{_DARTS}init_channels": _whole_share(32, 1, 10_000),
    f"{_DARTS}layers": _whole_share(8, 1, 10_000),
    "NetworkSelectorDatasetInfo:network": 0.0,
    "OptimizerSelector:optimizer": 0.0,
    f"{_SGD}learning_rate": log(0.025),
    f"{_SGD}momentum": _share(0.9, 0.1, 0.99),
    f"{_SGD}weight_decay": log(0.0003),
    f"{_COSINE}T_max": _whole_share(100, 1, 10_000),
    f"{_COSINE}eta_min": _share(1e-8, 0, 10_000),
    "SimpleLearningrateSchedulerSelector:lr_scheduler": 0.0,
    "SimpleTrainNode:batch_loss_computation_technique": 0.0,
    "SimpleTrainNode:mixup:alpha": _log_share(0.2, 0.01, 0.7),
}
"""The parameters of the training in the form of a row, the same for every cell.

They are the settings of the benchmark's released trainings.
"""


def feature_names(space: SearchSpace) -> list[str]:
    """Return the names of the 56 parameters in their order.

    Raises UserError for any space except darts.
    """
    if space.name != DartsSpace.name:
        raise UserError(
            f"NAS-Bench-301 is for space {DartsSpace.name}, not {space.name}"
        )
    unconditional = list(TRAINING)
    conditional: list[str] = []
    for cell in space.cells:
        for edge, (_, target) in enumerate(cell.edges):
            # The first node keeps both inputs, so its edges have no condition.
            group = unconditional if target == cell.inputs else conditional
            group.append(_edge_name(cell, edge))
        for node in _choosing_nodes(cell):
            unconditional.append(_inputs_name(cell, node))
    return [*sorted(unconditional), *sorted(conditional)]


def features(space: SearchSpace, rows: np.ndarray) -> np.ndarray:
    """Return the parameters of cells, (cells, names of :func:`feature_names`) float32.

    Args:
        space: the space darts.
        rows: architectures in the form of :mod:`.choices`, (architectures, edges of
            both cell types) of int8.
    """
    columns: dict[str, np.ndarray] = {
        name: np.full(len(rows), value) for name, value in TRAINING.items()
    }
    for cell, choices in zip(space.cells, split_by_cell(space, rows), strict=True):
        dropped = choices == DROPPED
        operations = np.where(dropped, -1, choices)
        for edge in range(len(cell.edges)):
            columns[_edge_name(cell, edge)] = operations[:, edge]
        for node in _choosing_nodes(cell):
            columns[_inputs_name(cell, node)] = _kept_pair(cell, node, ~dropped)
    ordered = [columns[name] for name in feature_names(space)]
    return np.stack(ordered, axis=1).astype(np.float32)


def _choosing_nodes(cell: Cell) -> range:
    """Return the nodes that keep two of at least three inputs."""
    return range(cell.inputs + 1, cell.nodes)


def _kept_pair(cell: Cell, node: int, kept: np.ndarray) -> np.ndarray:
    """Return, for each cell, the index of the pair of inputs that a node keeps.

    The pairs of sources are numbered in the order 0_1, 0_2, …, 1_2, …

    Args:
        cell: the cell type.
        node: a node that keeps two inputs.
        kept: whether each edge is kept, (cells, edges).
    """
    pairs = combinations(cell.incoming(node), 2)
    is_kept = [kept[:, first] & kept[:, second] for first, second in pairs]
    return np.argmax(is_kept, axis=0)


def _edge_name(cell: Cell, edge: int) -> str:
    """Return the name of the parameter for an edge's operation."""
    return f"{_DARTS}edge_{cell.name}_{edge}"


def _inputs_name(cell: Cell, node: int) -> str:
    """Return the name of the parameter for a node's pair of inputs."""
    return f"{_DARTS}inputs_node_{cell.name}_{node}"
