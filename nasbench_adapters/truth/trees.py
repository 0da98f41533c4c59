"""A sum of decision trees as plain arrays. No torch here.

Arrays can be stored without pickles, and a few lines of numpy predict with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

CHUNK = 2_000_000
"""Pairs of row and tree that are worked on at once, so that memory stays bounded."""
LEAF = -1
"""Stands in a leaf for the feature that an inner node asks about."""
_KINDS = {
    "feature": np.int32,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "value": np.float64,
}
"""The types of the arrays that have one entry per node."""


@dataclass(frozen=True, eq=False)
class Trees:
    """All nodes of all trees, one after the other.

    Attributes:
        roots: int32, of each tree the index of its first node.
        feature: int32, the column that a node asks about; LEAF for a leaf.
        threshold: float64; a row goes left where its value is at most this.
        left, right: int32, indices of nodes.
        value: float64, what a leaf adds.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the sum of all trees' leaves: float64, one per row.

        Args:
            features: rows × columns, no NaN.
        """
        total = np.zeros(len(features))
        step = max(1, CHUNK // max(1, len(self.roots)))
        for start in range(0, len(features), step):
            part = slice(start, start + step)
            leaves = self._find_leaves(features[part])
            total[part] = self.value[leaves].sum(axis=1)
        return total

    def _find_leaves(self, features: np.ndarray) -> np.ndarray:
        """Return the leaf that each row reaches in each tree: rows × trees."""
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
        """Raise ValueError unless the arrays are trees for so many columns.

        Every walk must end, and add a finite number.
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
            raise ValueError("a tree asks about a feature that there is not")

    def _check_types(self) -> None:
        """Raise ValueError unless the arrays have the types and shapes of trees."""
        whole = (self.roots, self.feature, self.left, self.right)
        real = (self.threshold, self.value)
        shape = (self.feature.size,)
        same_shape = all(array.shape == shape for array in (*whole[1:], *real))
        if not same_shape or self.roots.ndim != 1:
            raise ValueError("the nodes of its trees differ in number")
        if any(array.dtype.kind != "i" for array in whole):
            raise ValueError("its trees lead to nodes that are no whole numbers")
        if any(array.dtype.kind != "f" for array in real):
            raise ValueError("its trees hold other values than numbers")

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def join(cls, trees: Iterable[Mapping[str, Any]]) -> Trees:
        """Return all trees as one value.

        Args:
            trees: one mapping per tree, from the names of :class:`Trees` to one entry
                per node; nodes are counted from 0 within the tree, and feature LEAF
                marks a leaf.

        Raises:
            ValueError: if an inner node leads to one that is not there, or not behind
                it, or a number is not finite.
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

    Raises ValueError as :meth:`Trees.join` does.
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
    """Raise ValueError unless children are behind parents: walks must end."""
    nodes = np.arange(len(inner))
    nowhere = (children <= nodes) | (children >= len(inner))
    if np.any(inner & nowhere):
        raise ValueError("a tree's node leads nowhere")


def _check_finite(threshold: np.ndarray, value: np.ndarray) -> None:
    """Raise ValueError if a leaf adds no finite number, or a threshold is NaN."""
    if not np.isfinite(value).all() or np.isnan(threshold).any():
        raise ValueError("its trees hold numbers that are not finite")


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """A constant, in per cent, and trees to add to it, by gradient boosting."""

    intercept: float
    trees: Trees


def boosted(model: Any) -> BoostedTrees:
    """Return the trees of a fitted scikit-learn HistGradientBoostingRegressor.

    All features must be numerical. scikit-learn has no public way to its trees: the
    caller compares the outcome with the model's own predictions.
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
