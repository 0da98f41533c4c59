"""A sum of decision trees as plain arrays: kept without pickles, predicted by a few lines of numpy. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

CHUNK = 2_000_000
"""Pairs of row and tree that are worked on at once."""
LEAF = -1


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
        """The sum of all trees' leaves, float64, one per row of `features` (rows × columns, no NaN)."""
        total = np.zeros(len(features))
        step = max(1, CHUNK // max(1, len(self.roots)))
        for start in range(0, len(features), step):
            part = features[start : start + step]
            nodes = np.repeat(self.roots[None], len(part), axis=0)
            rows = np.arange(len(part))[:, None]
            while (inner := self.feature[nodes] != LEAF).any():
                below = part[rows, self.feature[nodes]] <= self.threshold[nodes]
                nodes = np.where(
                    inner, np.where(below, self.left[nodes], self.right[nodes]), nodes
                )
            total[start : start + step] = self.value[nodes].sum(axis=1)
        return total

    def check(self, columns: int) -> None:
        """Raises ValueError unless every walk ends, at a finite number, and asks about one of so many columns."""
        nodes = self.feature, self.threshold, self.left, self.right, self.value
        size, places = self.feature.size, np.arange(self.feature.size)
        if any(array.shape != (size,) for array in nodes) or self.roots.ndim != 1:
            raise ValueError("the nodes of its trees differ in number")
        if any(
            array.dtype.kind != "i"
            for array in (self.roots, self.feature, self.left, self.right)
        ):
            raise ValueError("its trees lead to nodes that are no whole numbers")
        if any(array.dtype.kind != "f" for array in (self.threshold, self.value)):
            raise ValueError("its trees hold other values than numbers")
        _check_finite(self.threshold, self.value)
        inner = self.feature != LEAF
        leads = [
            np.any(inner & ((child <= places) | (child >= size)))
            for child in (self.left, self.right)
        ]
        if any(leads) or np.any((self.roots < 0) | (self.roots >= size)):
            raise ValueError("a tree's node leads nowhere")
        if np.any((self.feature < LEAF) | (self.feature >= columns)):
            raise ValueError("a tree asks about a feature that there is not")

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, trees: Iterable[Mapping[str, Any]]) -> Trees:
        """From one mapping per tree, with nodes counted from 0 within it; feature LEAF marks a leaf.

        Raises ValueError if an inner node leads to one that is not there, or not behind
        it, or a number is not finite.
        """
        kinds = {
            "feature": np.int32,
            "threshold": np.float64,
            "left": np.int32,
            "right": np.int32,
            "value": np.float64,
        }
        columns: dict[str, list[np.ndarray]] = {
            name: [np.zeros(0, kind)] for name, kind in kinds.items()
        }
        roots, first = [], 0
        for tree in trees:
            own = {
                name: np.asarray(tree[name]).astype(kind)
                for name, kind in kinds.items()
            }
            size, inner, places = (
                len(own["feature"]),
                own["feature"] != LEAF,
                np.arange(len(own["feature"])),
            )
            for child in ("left", "right"):
                # Children behind their parents: so every walk ends.
                if size == 0 or np.any(
                    inner & ((own[child] <= places) | (own[child] >= size))
                ):
                    raise ValueError("a tree's node leads nowhere")
                own[child] = np.where(inner, own[child] + first, 0).astype(np.int32)
            _check_finite(own["threshold"], own["value"])
            for name, array in own.items():
                columns[name].append(array)
            roots.append(first)
            first += size
        return cls(
            np.array(roots, np.int32),
            *(np.concatenate(columns[name]) for name in kinds),
        )


def _check_finite(threshold: np.ndarray, value: np.ndarray) -> None:
    """Raises ValueError for a leaf that adds no finite number, and for a threshold that is none."""
    if not np.isfinite(value).all() or np.isnan(threshold).any():
        raise ValueError("its trees hold numbers that are not finite")


def boosted(model: Any) -> tuple[float, Trees]:
    """What a fitted scikit-learn HistGradientBoostingRegressor of numerical features starts from, and its trees.

    It has no public way to its trees: the caller holds the outcome against the model's
    own predictions.
    """
    trees = []
    for (predictor,) in model._predictors:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        trees.append(
            {
                "feature": np.where(leaf, LEAF, nodes["feature_idx"].astype(np.int64)),
                "threshold": nodes["num_threshold"],
                "left": nodes["left"],
                "right": nodes["right"],
                "value": np.where(leaf, nodes["value"], 0.0),
            }
        )
    return float(np.ravel(model._baseline_prediction)[0]), Trees.of(trees)
