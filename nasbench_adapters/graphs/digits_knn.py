"""scikit-learn's digits as a graph: each image has edges to the most similar ones.

Nodes are the 1,797 images of 8x8 pixels, their features the 64 pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archselect.nasbench_adapters.graphs.dataset import GraphDataset, make_graph

NAME = "digits-knn"
NEIGHBOURS = 5
"""Number of nearest images to which each image has an edge."""
TRAIN_PER_CLASS = 20
VALID = 500
"""Numbers of nodes in these parts, as in Planetoid's splits; others are test nodes."""
SPLIT_SEED = 202
_BRIGHTEST = 16
"""Value of a white pixel in the file."""


def read(_: Path) -> GraphDataset:
    """Return the graph; a fixed seed draws its parts."""
    from sklearn.datasets import load_digits  # takes a second to import

    digits = load_digits()
    pixels = np.rint(digits.data).astype(np.int64)
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    train = _first_of_each_class(order, labels)
    others = order[~np.isin(order, train)]
    return make_graph(
        NAME,
        pixels / _BRIGHTEST,
        nearest_edges(pixels, NEIGHBOURS),
        labels,
        train,
        others[:VALID],
        others[VALID:],
        classes=10,
        origin=(
            "scikit-learn's load_digits (UCI Optical Recognition of Handwritten Digits, "
            f"test part), each image joined to its {NEIGHBOURS} nearest in pixels"
        ),
    )


def nearest_edges(points: np.ndarray, neighbours: int) -> np.ndarray:
    """Return the edges from every point to its nearest neighbours.

    Ties go to the lower numbers. Distances are Euclidean, and exact for whole numbers.

    Args:
        points: whole numbers, (points, dimensions).
        neighbours: number of neighbours of each point.

    Returns:
        edges, int64 (2, points * neighbours).
    """
    squares = (points**2).sum(axis=1)
    distances = squares[:, None] + squares[None] - 2 * (points @ points.T)
    np.fill_diagonal(distances, distances.max() + 1)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :neighbours]
    sources = np.repeat(np.arange(len(points)), neighbours)
    return np.stack([sources, nearest.ravel()])


def _first_of_each_class(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the first nodes of each class, in the given order."""
    train = []
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        train.append(of_class[:TRAIN_PER_CLASS])
    return np.concatenate(train)
