"""DARTS cells as the features that NAS-Bench-301's tree ensembles were fitted on.

No torch here. The benchmark (Zela et al., ICLR 2022) describes a training by 56
parameters, of which the cells are 34, and puts them into a row by the package
ConfigSpace (0.4.12): parameters without a condition first, then the others, each part
sorted by name; a choice as its index, a number as its share of the way through its
range, anything dropped as -1.
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
"""How far a range of whole numbers reaches beyond its ends."""


def _share(value: float, low: float, high: float) -> float:
    """Return how far through a range of real numbers a value is."""
    return (value - low) / (high - low)


def _whole_share(value: int, low: int, high: int) -> float:
    """Return how far through a range of whole numbers a value is."""
    return _share(value, low - ROUNDING, high + ROUNDING)


def _log_share(value: float, low: float, high: float) -> float:
    """Return how far through a logarithmic range a value is."""
    return _share(log(value), log(low), log(high))


def _whole_log_share(value: int, low: int, high: int) -> float:
    """Return how far through a logarithmic range of whole numbers a value is."""
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
"""The training's parameters, the same for every cell, as a row has them.

They are the settings of the benchmark's released trainings.
"""


def feature_names(space: SearchSpace) -> list[str]:
    """Return the 56 parameters in their order.

    Raises UserError for another space than darts.
    """
    if space.name != DartsSpace.name:
        raise UserError(
            f"NAS-Bench-301 is of space {DartsSpace.name}, not {space.name}"
        )
    unconditional = list(TRAINING)
    conditional: list[str] = []
    for cell in space.cells:
        for edge, (_, target) in enumerate(cell.edges):
            # The first node keeps both of its inputs: its edges are always there.
            group = unconditional if target == cell.inputs else conditional
            group.append(_edge_name(cell, edge))
        for node in _choosing_nodes(cell):
            unconditional.append(_inputs_name(cell, node))
    return [*sorted(unconditional), *sorted(conditional)]


def features(space: SearchSpace, rows: np.ndarray) -> np.ndarray:
    """Return the parameters of cells: float32, cells × :func:`feature_names`.

    Args:
        space: darts.
        rows: int8, architectures × edges of both cell types; see :mod:`.choices`.
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
    """Return the nodes that keep two of three or more inputs."""
    return range(cell.inputs + 1, cell.nodes)


def _kept_pair(cell: Cell, node: int, kept: np.ndarray) -> np.ndarray:
    """Return the index of the pair of inputs that a node keeps, one per cell.

    The pairs of sources are counted 0_1, 0_2, …, 1_2, …

    Args:
        cell: the cell type.
        node: that keeps two inputs.
        kept: whether each edge is kept, cells × edges.
    """
    pairs = combinations(cell.incoming(node), 2)
    is_kept = [kept[:, first] & kept[:, second] for first, second in pairs]
    return np.argmax(is_kept, axis=0)


def _edge_name(cell: Cell, edge: int) -> str:
    """Return the name of the parameter of an edge's operation."""
    return f"{_DARTS}edge_{cell.name}_{edge}"


def _inputs_name(cell: Cell, node: int) -> str:
    """Return the name of the parameter of a node's pair of inputs."""
    return f"{_DARTS}inputs_node_{cell.name}_{node}"
