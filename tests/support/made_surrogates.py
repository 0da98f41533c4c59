"""Surrogates that nobody fitted."""

import numpy as np

from archselect.nasbench_adapters.agreement import Agreement
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.choices import flatten
from archselect.nasbench_adapters.truth.features import feature_names
from archselect.nasbench_adapters.truth.ground_truth import MEASURED
from archselect.nasbench_adapters.truth.surrogate import (
    LineAndTrees,
    Surrogate,
)
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.trees import LEAF, Trees

KEY = ("d", "s", 5)
AGREEMENT = Agreement(40, 5, 0.7, 0.6, 0.8, 0.9, 0.85, 0.95, 1.5, 1.0, 2.0)


def made_surrogate(name="darts", agreement=AGREEMENT, intercept=60.0, count=40):
    """A surrogate of a line and two trees that nobody fitted, and the cells of its table."""
    space, rng = get_space(name), np.random.default_rng(0)
    cells = list(
        dict.fromkeys(space.canonical(space.sample(rng)) for _ in range(count))
    )
    names = feature_names(space)
    weights = rng.normal(0, 0.2, len(names))
    split = {
        "feature": [3, LEAF, LEAF],
        "threshold": [0.5, 0, 0],
        "left": [1, 0, 0],
        "right": [2, 0, 0],
    }
    trees = Trees.join(
        [
            split | {"value": [0, 1.5, -1.5]},
            split | {"feature": [9, LEAF, LEAF], "value": [0, 2.0, 4.0]},
        ]
    )
    table = TruthTable.build(
        name="t",
        space=name,
        choices=np.stack([flatten(cell) for cell in cells]),
        columns={KEY: (["0", "1"], np.round(rng.uniform(50, 70, (len(cells), 2)), 2))},
        origin="a test",
        licence="MIT",
    )
    surrogate = Surrogate.build(
        name="mine",
        encoding="archselect",
        model=LineAndTrees(intercept, weights, trees),
        table=table,
        origin="made by a test",
        licence="MIT",
        agreement=agreement,
        details={"x": 1},
        provenance=MEASURED,
    )
    return surrogate, cells, weights, table
