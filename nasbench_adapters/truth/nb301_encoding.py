"""DARTS cells as NAS-Bench-301's tree ensembles were given them (Zela et al., ICLR 2022). No torch here.

The benchmark describes a training by 56 parameters, of which the cells are 34, and puts
them into a row by the package ConfigSpace (0.4.12): parameters without a condition
first, then the others, each part in the order of their names as text; a choice as its
index, a number as its share of the way through its range, anything dropped as -1.
"""

from __future__ import annotations

from math import log

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import DROPPED, Cell, SearchSpace
from archselect.nasbench_adapters.spaces.darts import DartsSpace

_DARTS = "NetworkSelectorDatasetInfo:darts:"
_SGD = "OptimizerSelector:sgd:"
_COSINE = "SimpleLearningrateSchedulerSelector:cosine_annealing:"
ROUNDING = 0.49999
"""How far a range of whole numbers reaches beyond its ends."""


def _share(
    value: float,
    low: float,
    high: float,
    *,
    whole: bool = False,
    logarithmic: bool = False,
) -> float:
    """How far through a range a value is."""
    ends = (low - ROUNDING, high + ROUNDING) if whole else (low, high)
    value, low, high = (
        (log(x) for x in (value, *ends)) if logarithmic else (value, *ends)
    )
    return (value - low) / (high - low)


TRAINING = {
    "CreateImageDataLoader:batch_size": _share(
        96, 64, 128, whole=True, logarithmic=True
    ),
    "ImageAugmentation:augment": 0.0,
    "ImageAugmentation:autoaugment": 0.0,
    "ImageAugmentation:cutout": 0.0,
    "ImageAugmentation:cutout_holes": _share(1, 1, 3, whole=True),
    "ImageAugmentation:cutout_length": _share(16, 1, 50, whole=True),
    "ImageAugmentation:fastautoaugment": 0.0,
    "LossModuleSelectorIndices:loss_module": 0.0,
    f"{_DARTS}auxiliary": 0.0,
    f"{_DARTS}drop_path_prob": 0.0,
    f"{_DARTS}init_channels": _share(32, 1, 10_000, whole=True),
    f"{_DARTS}layers": _share(8, 1, 10_000, whole=True),
    "NetworkSelectorDatasetInfo:network": 0.0,
    "OptimizerSelector:optimizer": 0.0,
    f"{_SGD}learning_rate": log(0.025),
    f"{_SGD}momentum": _share(0.9, 0.1, 0.99),
    f"{_SGD}weight_decay": log(0.0003),
    f"{_COSINE}T_max": _share(100, 1, 10_000, whole=True),
    f"{_COSINE}eta_min": _share(1e-8, 0, 10_000),
    "SimpleLearningrateSchedulerSelector:lr_scheduler": 0.0,
    "SimpleTrainNode:batch_loss_computation_technique": 0.0,
    "SimpleTrainNode:mixup:alpha": _share(0.2, 0.01, 0.7, logarithmic=True),
}
"""The training's parameters, the same for every cell: its released settings, as the row
has them.
"""


def feature_names(space: SearchSpace) -> list[str]:
    """The 56 parameters in their order.

    Raises UserError for another space than darts.
    """
    if space.name != DartsSpace.name:
        raise UserError(
            f"NAS-Bench-301 is of space {DartsSpace.name}, not {space.name}"
        )
    always, dropped = list(TRAINING), list[str]()
    for cell in space.cells:
        for edge, (_, target) in enumerate(cell.edges):
            (always if target == cell.inputs else dropped).append(_edge(cell, edge))
        always += [_inputs(cell, node) for node in range(cell.inputs + 1, cell.nodes)]
    return [*sorted(always), *sorted(dropped)]


def features(space: SearchSpace, rows: np.ndarray) -> np.ndarray:
    """The parameters of cells given as rows of a table's `choices`: float32, cells × :func:`feature_names`."""
    columns: dict[str, np.ndarray] = {
        name: np.full(len(rows), value) for name, value in TRAINING.items()
    }
    start = 0
    for cell in space.cells:
        own = rows[:, start : start + len(cell.edges)]
        start += len(cell.edges)
        for edge in range(len(cell.edges)):
            columns[_edge(cell, edge)] = np.where(
                own[:, edge] == DROPPED, -1, own[:, edge]
            )
        for node in range(cell.inputs + 1, cell.nodes):
            # The pairs of sources are counted 0_1, 0_2, …, 1_2, …
            edges = cell.incoming(node)
            pairs = [(a, b) for a in edges for b in edges if a < b]
            kept = [(own[:, a] != DROPPED) & (own[:, b] != DROPPED) for a, b in pairs]
            columns[_inputs(cell, node)] = np.argmax(kept, axis=0)
    return np.stack([columns[name] for name in feature_names(space)], axis=1).astype(
        np.float32
    )


def _edge(cell: Cell, edge: int) -> str:
    return f"{_DARTS}edge_{cell.name}_{edge}"


def _inputs(cell: Cell, node: int) -> str:
    return f"{_DARTS}inputs_node_{cell.name}_{node}"
