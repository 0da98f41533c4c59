"""A sum of decision trees as plain arrays.

Arrays can be stored without pickles, and a few lines of numpy can predict with them.
This file does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

CHUNK = 2_000_000
"""Number of pairs of row and tree to process at once, to limit memory."""
LEAF = -1
"""Value of `feature` in a leaf."""
_KINDS = {
    "feature": np.int32,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "value": np.float64,
}
"""Types of the arrays with one entry per node."""


@dataclass(frozen=True, eq=False)
class Trees:
    """All nodes of all trees, one after the other.

    Attributes:
        roots: index of each tree's first node, int32.
        feature: column that a node compares, int32; LEAF for a leaf.
        threshold: threshold of a node, float64; a row goes left if its value is at most
            the threshold.
        left, right: indices of a node's children, int32.
        value: value of a leaf, float64.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return, for each row, the sum of its leaves' values over all trees, float64.

        Args:
            features: features without NaN, (rows, columns).
        """
        total = np.zeros(len(features))
        step = max(1, CHUNK // max(1, len(self.roots)))
        for start in range(0, len(features), step):
            part = slice(start, start + step)
            leaves = self._find_leaves(features[part])
            total[part] = self.value[leaves].sum(axis=1)
        return total

    def _find_leaves(self, features: np.ndarray) -> np.ndarray:
        """Return the leaf that each row reaches in each tree, (rows, trees)."""
        nodes = np.repeat(self.roots[None], len(features), axis=0)
        rows = np.arange(len(features))[:, None]
        inner = self.feature[nodes] != LEAF
        while inner.any():
            values = features[rows, self.feature[nodes]]
            goes_left = values <= self.threshold[nodes]
            children = np.where(goes_left, self.left[nodes], self.right[nodes])
            nodes = np.where(inner, children, nodes)
            inner = self.feature[nodes] != LEAF
        return nodes

    def check(self, columns: int) -> None:
        """Raise ValueError unless the arrays are valid trees for some columns.

        Every path must end in a leaf with a finite value.
        """
        self._check_types()
        _check_finite(self.threshold, self.value)
        inner = self.feature != LEAF
        size = self.feature.size
        for children in (self.left, self.right):
            _check_children(inner, children)
        if np.any((self.roots < 0) | (self.roots >= size)):
            raise ValueError("a tree's node leads nowhere")
        if np.any((self.feature < LEAF) | (self.feature >= columns)):
            raise ValueError("a tree uses a feature that does not exist")

    def _check_types(self) -> None:
        """Raise ValueError unless the arrays have the types and shapes of trees."""
        whole = (self.roots, self.feature, self.left, self.right)
        real = (self.threshold, self.value)
        shape = (self.feature.size,)
        same_shape = all(array.shape == shape for array in (*whole[1:], *real))
        if not same_shape or self.roots.ndim != 1:
            raise ValueError("the nodes of its trees differ in number")
        if any(array.dtype.kind != "i" for array in whole):
            raise ValueError("the nodes of its trees are not whole numbers")
        if any(array.dtype.kind != "f" for array in real):
            raise ValueError("its trees hold other values than numbers")

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def join(cls, trees: Iterable[Mapping[str, Any]]) -> Trees:
        """Return all trees as one object.

        Args:
            trees: one mapping per tree, from the names of :class:`Trees` to one entry
                per node. Nodes of a tree are counted from 0, and feature LEAF marks a
                leaf.

        Raises:
            ValueError: if a child of a node does not exist or does not come after the
                node, or if a number is not finite.
        """
        parts: dict[str, list[np.ndarray]] = {
            name: [np.zeros(0, kind)] for name, kind in _KINDS.items()
        }
        roots = []
        first = 0
        for tree in trees:
            nodes = _place_nodes(tree, first)
            for name, array in nodes.items():
                parts[name].append(array)
            roots.append(first)
            first += len(nodes["feature"])
        joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
        return cls(np.array(roots, np.int32), **joined)


def _place_nodes(tree: Mapping[str, Any], first: int) -> dict[str, np.ndarray]:
    """Return the nodes of a tree, counted from `first`.

    Raises ValueError like :meth:`Trees.join`.
    """
    nodes = {name: np.asarray(tree[name]).astype(kind) for name, kind in _KINDS.items()}
    inner = nodes["feature"] != LEAF
    if not len(inner):
        raise ValueError("a tree's node leads nowhere")
    for child in ("left", "right"):
        _check_children(inner, nodes[child])
        placed = np.where(inner, nodes[child] + first, 0)
        nodes[child] = placed.astype(np.int32)
    _check_finite(nodes["threshold"], nodes["value"])
    return nodes


def _check_children(inner: np.ndarray, children: np.ndarray) -> None:
    """Raise ValueError unless children come after parents, so that every path ends."""
    nodes = np.arange(len(inner))
    nowhere = (children <= nodes) | (children >= len(inner))
    if np.any(inner & nowhere):
        raise ValueError("a tree's node leads nowhere")


def _check_finite(threshold: np.ndarray, value: np.ndarray) -> None:
    """Raise ValueError if a leaf's value is not finite, or a threshold is NaN."""
    if not np.isfinite(value).all() or np.isnan(threshold).any():
        raise ValueError("its trees hold numbers that are not finite")


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """Result of gradient boosting: a constant in per cent, and trees to add."""

    intercept: float
    trees: Trees


def boosted(model: Any) -> BoostedTrees:
    """Return the trees of a fitted scikit-learn HistGradientBoostingRegressor.

    All features must be numerical. scikit-learn has no public access to its trees, so
    the caller must compare the result with the model's predictions.
    """
    trees = []
    for (predictor,) in model._predictors:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        tree = {
            "feature": np.where(leaf, LEAF, nodes["feature_idx"].astype(np.int64)),
            "threshold": nodes["num_threshold"],
            "left": nodes["left"],
            "right": nodes["right"],
            "value": np.where(leaf, nodes["value"], 0.0),
        }
        trees.append(tree)
    intercept = float(np.ravel(model._baseline_prediction)[0])
    return BoostedTrees(intercept, Trees.join(trees))
