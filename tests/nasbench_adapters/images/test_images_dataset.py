"""The checks of `make_dataset`, the constants it measures, and the checksum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.dataset import (
    ImageDataset,
    average_down,
    make_dataset,
)


def arrays(
    count: int = 6, size: int = 8, channels: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(
        0, 256, (count, size, size, channels), dtype=np.uint8
    ), np.arange(count) % 3


def made(**changes: Any) -> ImageDataset:
    arguments: dict[str, Any] = {
        "train": arrays(),
        "test": arrays(4, seed=1),
        "origin": "made up",
    }
    return make_dataset("toy", **arguments | changes)


@given(st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_constants_are_those_of_the_training_images(channels: int, seed: int) -> None:
    train = arrays(channels=channels, seed=seed)
    dataset = made(train=train, test=arrays(channels=channels))
    pixels = train[0].astype(np.float64).reshape(-1, channels) / 255
    np.testing.assert_allclose(dataset.mean, pixels.mean(axis=0), atol=0.51e-4)
    np.testing.assert_allclose(dataset.std, pixels.std(axis=0), atol=0.51e-4)
    assert all(round(value, 4) == value for value in dataset.mean + dataset.std)


def test_defaults() -> None:
    dataset = made()
    assert (
        dataset.classes,
        dataset.image_size,
        dataset.channels,
        dataset.pad,
        dataset.flip,
    ) == (
        3,
        8,
        3,
        1,
        True,
    )
    assert dataset.train_labels.dtype == np.int64


@pytest.mark.parametrize(
    "changes",
    [
        {"train": (255 - arrays()[0], arrays()[1])},
        {"train": (arrays()[0], arrays()[1][::-1])},
        {"test": arrays(4, seed=2)},
        {"classes": 4},
        {"mean": (0.5, 0.5, 0.5)},
        {"std": (0.5, 0.5, 0.5)},
    ],
    ids=["images", "labels", "test", "classes", "mean", "std"],
)
def test_checksum_tells_data_sets_apart(changes: dict[str, Any]) -> None:
    checksum = made().checksum
    assert len(checksum) == 16 and set(checksum) <= set("0123456789abcdef")
    assert made().checksum == checksum
    assert made(**changes).checksum != checksum


def test_checksum_does_not_depend_on_memory_layout() -> None:
    images, labels = arrays()
    assert made(train=(np.asfortranarray(images), labels)).checksum == made().checksum


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": (arrays()[0].astype(np.float32), arrays()[1])}, "must be uint8"),
        ({"train": (arrays()[0][..., 0], arrays()[1])}, "must be uint8"),
        ({"train": (arrays()[0][:, :4], arrays()[1])}, "square"),
        ({"train": (arrays()[0][:0], arrays()[1][:0])}, "at least one"),
        ({"train": (arrays()[0], arrays()[1][:5])}, "one per image"),
        ({"train": (arrays()[0], arrays()[1] / 2)}, "must be integers"),
        (
            {"train": (arrays()[0], arrays()[1] - 1)},
            r"labels go from -1 to 2; they must lie in 0\.\.2",
        ),
        ({"classes": 2}, r"labels go from 0 to 2; they must lie in 0\.\.1"),
        (
            {
                "classes": 1,
                "train": (arrays()[0], arrays()[1] * 0),
                "test": (arrays()[0], arrays()[1] * 0),
            },
            "at least 2",
        ),
        ({"test": arrays(size=4)}, "the same shape"),
        ({"test": arrays(channels=1)}, "the same shape"),
        ({"pad": -1}, "pad is -1"),
        ({"pad": 8}, "pad is 8"),
        ({"mean": (0.5,)}, "3 numbers"),
        ({"mean": (0.5, 0.5, float("nan"))}, "3 numbers"),
        ({"mean": (125.3, 123.0, 113.9)}, r"0\.\.1"),
        ({"std": (0.2, 0.0, 0.2)}, "above 0"),
        ({"train": (arrays()[0] * 0, arrays()[1])}, "above 0"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        made(**changes)
    assert "'toy'" in str(caught.value) and "\n" not in str(caught.value)


def test_pooling_averages_and_measures_anew():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(6) % 2
    whole = make_dataset(
        "x", (pixels, labels), (pixels[:4], labels[:4]), origin="made up", flip=False
    )
    small = average_down(whole, 4)
    assert (small.name, small.image_size, small.flip, small.pad) == ("x@4", 4, False, 0)
    for image, wanted in zip(small.train_images, pixels, strict=True):
        for i in range(4):
            for j in range(4):
                block = wanted[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].reshape(4, 3)
                assert np.abs(image[i, j] - block.mean(axis=0)).max() <= 0.5
    assert small.mean == pytest.approx(whole.mean, abs=0.01) and max(small.std) < max(
        whole.std
    )
    assert small.checksum != whole.checksum
    with pytest.raises(
        UserError, match="8 pixels cannot be averaged down to 3; take one of 2, 4"
    ):
        average_down(whole, 3)


def test_a_pooled_data_set_has_a_name():
    assert load_images("digits@4").image_size == 4
