"""scikit-learn's digits: 1,797 grey images of 8x8 pixels, ten classes, within the package itself."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

TRAIN = 1200


def read() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(train images, train labels, test images, test labels); images uint8 (n, 8, 8, 1), 0 to 255.

    1,200 training and 597 test images, by a fixed shuffle (the file's own order groups writers).
    """
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(201).permutation(len(images))
    train, test = order[:TRAIN], order[TRAIN:]
    return images[train], labels[train], images[test], labels[test]
