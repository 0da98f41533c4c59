"""A graph for node classification, as plain arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from archselect.nasbench_adapters.errors import UserError


@dataclass(frozen=True, eq=False)
class GraphDataset:
    """One graph: features and class of every node, edges, and three parts of nodes.

    :func:`make_graph` checks the values and creates it.

    Attributes:
        name: name as given to `load_graph`.
        features: features of the nodes, float32 (nodes, features).
        edges: edges from the first row to the second, int64 (2, edges). Every edge
            occurs once in each direction; no edge connects a node to itself.
        labels: class of each node, int64 (nodes,), 0 to classes - 1.
        train: numbers of the nodes for training, int64.
        valid: numbers of the nodes for validation, int64.
        test: numbers of the nodes for the test accuracy, int64.
        classes: number of classes.
        origin: description of the source of the graph.
    """

    name: str
    features: np.ndarray
    edges: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    classes: int
    origin: str

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.labels)

    @cached_property
    def checksum(self) -> str:
        """Checksum of all arrays, 16 hexadecimal digits: the start of a SHA-256."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for array in (
            self.features,
            self.edges,
            self.labels,
            self.train,
            self.valid,
            self.test,
        ):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    def part(self, split: str) -> np.ndarray:
        """Return the numbers of the nodes in `train`, `valid` or `test`."""
        return {"train": self.train, "valid": self.valid, "test": self.test}[split]

    def describe(self) -> dict[str, object]:
        """Return a description of the graph for tables and records, as JSON values."""
        return {
            "name": self.name,
            "checksum": self.checksum,
            "nodes": self.nodes,
            "edges": self.edges.shape[1] // 2,
            "train": len(self.train),
            "valid": len(self.valid),
            "test": len(self.test),
        }


def make_graph(
    name: str,
    features: np.ndarray,
    edges: np.ndarray,
    labels: np.ndarray,
    train: np.ndarray,
    valid: np.ndarray,
    test: np.ndarray,
    *,
    classes: int,
    origin: str,
) -> GraphDataset:
    """Return a graph after checking its arrays.

    Args:
        name: name in messages and records.
        features: features of the nodes, (nodes, features).
        edges: whole numbers, (2, any); directions, repetitions and edges from a node to
            itself do not matter.
        labels: class of each node, whole numbers (nodes,).
        train: numbers of the nodes for training.
        valid: numbers of the nodes for validation.
        test: numbers of the nodes for the test accuracy.
        classes: number of classes.
        origin: description of the source of the graph.

    Raises:
        UserError: an array has a wrong shape, a number is out of range or not finite,
            or a node is in two parts.
    """
    nodes = len(labels)
    if features.ndim != 2 or len(features) != nodes or not features.size:
        raise UserError(
            f"graph '{name}': features are {features.shape}; they must be ({nodes}, features)"
        )
    if not np.isfinite(features).all():
        raise UserError(f"graph '{name}': some features are not finite numbers")
    if edges.ndim != 2 or edges.shape[0] != 2:
        raise UserError(f"graph '{name}': edges are {edges.shape}; give (2, edges)")
    _check_range(name, "edges", edges, nodes)
    _check_range(name, "labels", labels, classes)
    parts = np.concatenate([train, valid, test])
    _check_range(name, "nodes of parts", parts, nodes)
    if len(np.unique(parts)) < len(parts):
        raise UserError(f"graph '{name}': a node is in two parts, or twice in one")
    if not (len(train) and len(valid) and len(test)):
        raise UserError(f"graph '{name}': a part has no nodes")
    return GraphDataset(
        name=name,
        features=features.astype(np.float32),
        edges=_both_directions(edges.astype(np.int64)),
        labels=labels.astype(np.int64),
        train=train.astype(np.int64),
        valid=valid.astype(np.int64),
        test=test.astype(np.int64),
        classes=classes,
        origin=origin,
    )


def _check_range(name: str, what: str, numbers: np.ndarray, end: int) -> None:
    """Raise UserError unless all numbers are whole, from 0 to `end` - 1."""
    is_whole = numbers.dtype.kind in "iu"
    if is_whole and (not numbers.size or 0 <= numbers.min() <= numbers.max() < end):
        return
    raise UserError(f"graph '{name}': {what} must be whole numbers from 0 to {end - 1}")


def _both_directions(edges: np.ndarray) -> np.ndarray:
    """Return every edge between two nodes once in each direction, sorted."""
    between = edges[:, edges[0] != edges[1]]
    both = np.concatenate([between, between[::-1]], axis=1)
    return np.unique(both, axis=1)
