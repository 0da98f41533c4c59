"""scikit-learn's digits: 1,797 grey images of 8x8 pixels, ten classes.

The package contains them.
"""

from __future__ import annotations

import numpy as np

from archselect.nasbench_adapters.images.dataset import ImageDataset, make_dataset

TRAIN = 1200
"""Number of training images; the other 597 are test images."""
_SHUFFLE_SEED = 201
_BRIGHTEST = 16
"""Value of a white pixel in the file."""


def read() -> ImageDataset:
    """Return the data set: 1,200 training and 597 test images.

    A fixed shuffle divides them, because the file lists the digits writer by writer.
    """
    from sklearn.datasets import load_digits  # takes a second to import

    digits = load_digits()
    images = np.rint(digits.images * (255 / _BRIGHTEST)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(_SHUFFLE_SEED).permutation(len(images))
    train = order[:TRAIN]
    test = order[TRAIN:]
    return make_dataset(
        "digits",
        (images[train], labels[train]),
        (images[test], labels[test]),
        origin=(
            "scikit-learn's load_digits (UCI Optical Recognition of Handwritten Digits, "
            "test part)"
        ),
        classes=10,
        flip=False,
        pad=1,
    )
