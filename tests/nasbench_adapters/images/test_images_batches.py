"""Batches against a naive loop over images; halves; seeds; and that nothing else is touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.dataset import ImageDataset, make_dataset

CPU = torch.device("cpu")


def toy(
    count: int = 11,
    tests: int = 5,
    size: int = 8,
    channels: int = 3,
    flip: bool = True,
    pad: int = 2,
    seed: int = 0,
) -> ImageDataset:
    """Random images, told apart by their content."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count + tests, size, size, channels), dtype=np.uint8)
    labels = rng.integers(0, 4, count + tests)
    return make_dataset(
        "toy",
        (images[:count], labels[:count]),
        (images[count:], labels[count:]),
        origin="made up",
        classes=4,
        flip=flip,
        pad=pad,
    )


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normalised(dataset: ImageDataset, image: np.ndarray) -> np.ndarray:
    """float64 (c, h, w) of one image, the slow way."""
    planes = image.transpose(2, 0, 1).astype(np.float64) / 255
    return np.stack(
        [(p - m) / s for p, m, s in zip(planes, dataset.mean, dataset.std, strict=True)]
    )


def variants(dataset: ImageDataset, image: np.ndarray) -> list[np.ndarray]:
    """Every image augmentation may make of one."""
    size, pad = dataset.image_size, dataset.pad
    bordered = np.zeros((size + 2 * pad, size + 2 * pad, dataset.channels), np.uint8)
    bordered[pad : pad + size, pad : pad + size] = image
    crops = [
        bordered[top : top + size, left : left + size]
        for top in range(2 * pad + 1)
        for left in range(2 * pad + 1)
    ]
    return crops + [crop[:, ::-1] for crop in crops] if dataset.flip else crops


DATASETS = st.builds(
    toy,
    count=st.integers(2, 12),
    tests=st.integers(1, 4),
    size=st.integers(4, 7),
    channels=st.sampled_from([1, 3]),
    flip=st.booleans(),
    pad=st.integers(0, 3),
    seed=st.integers(0, 1000),
)


@given(DATASETS, st.integers(0, 1000))
def test_augmentation_is_a_crop_and_a_flip_of_each_image(
    dataset: ImageDataset, seed: int
) -> None:
    images = Images(dataset, CPU, split="first")
    index = images.index("all")
    x, y = images.batch(index, stream(seed), augment=True)
    np.testing.assert_array_equal(y, dataset.train_labels)
    # The numbers are drawn in this order: all tops, all lefts, all flips.
    replay, count, pad, size = stream(seed), len(index), dataset.pad, dataset.image_size
    tops, lefts = torch.randint(2 * pad + 1, (2, count), generator=replay).tolist()
    (flips,) = torch.randint(1 + dataset.flip, (1, count), generator=replay).tolist()
    for number, image in enumerate(dataset.train_images):
        expected = np.zeros_like(image)
        for row in range(size):
            for column in range(size):
                from_row, from_column = (
                    row + tops[number] - pad,
                    column + lefts[number] - pad,
                )
                if 0 <= from_row < size and 0 <= from_column < size:
                    expected[row, size - 1 - column if flips[number] else column] = (
                        image[from_row, from_column]
                    )
        np.testing.assert_allclose(x[number], normalised(dataset, expected), atol=1e-5)
    assert dataset.flip or not any(flips)


@pytest.mark.parametrize(
    ("flip", "pad"), [(True, 1), (False, 1), (True, 0), (False, 0)]
)
def test_augmentation_makes_every_variant_and_evenly(flip: bool, pad: int) -> None:
    dataset = toy(count=2, size=5, flip=flip, pad=pad)
    images = Images(dataset, CPU, split="first")
    draws = 4000
    x, _ = images.batch(torch.zeros(draws, dtype=torch.long), stream(3), augment=True)
    expected = [
        normalised(dataset, v) for v in variants(dataset, dataset.train_images[0])
    ]
    assert len(expected) == (1 + flip) * (2 * pad + 1) ** 2
    found = [
        int(np.isclose(x.numpy(), e, atol=1e-5).all(axis=(1, 2, 3)).sum())
        for e in expected
    ]
    assert sum(found) == draws
    mean = draws / len(expected)
    assert all(abs(n - mean) <= 5 * mean**0.5 for n in found)


@given(DATASETS)
def test_normalisation_and_layout(dataset: ImageDataset) -> None:
    images = Images(dataset, CPU)
    index = torch.cat([images.index("all"), images.test_index])
    x, y = images.batch(index)
    every = np.concatenate([dataset.train_images, dataset.test_images])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    assert x.dtype == torch.float32 and y.dtype == torch.int64
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x.shape == (
        len(index),
        dataset.channels,
        dataset.image_size,
        dataset.image_size,
    )
    for image, label, number in zip(x, y, index.tolist(), strict=True):
        np.testing.assert_allclose(image, normalised(dataset, every[number]), atol=1e-5)
        assert int(label) == labels[number]


def test_normalised_training_images_have_mean_0_and_std_1() -> None:
    images = Images(toy(count=200), CPU)
    x, _ = images.batch(images.index("all"))
    assert torch.allclose(x.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-3)
    assert torch.allclose(x.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-3)


@given(
    st.integers(2, 60),
    st.sampled_from(["shuffled", "first"]),
    st.integers(0, 99),
    st.floats(0.01, 0.99),
)
def test_halves_are_disjoint_and_cover(
    count: int, split: str, seed: int, fraction: float
) -> None:
    dataset = toy(count=count, size=4)
    expected = int(count * fraction)
    if expected == 0:
        with pytest.raises(UserError, match="leaves a half empty"):
            Images(dataset, CPU, split, seed, fraction)
        return
    images = Images(dataset, CPU, split, seed, fraction)
    train, valid = images.train_index.tolist(), images.valid_index.tolist()
    assert len(train) == expected
    assert (
        sorted(train + valid)
        == list(range(count))
        == sorted(images.index("all").tolist())
    )
    assert images.test_index.tolist() == list(range(count, count + 5))
    if split == "first":
        assert train == list(range(expected))


def test_the_seed_makes_the_split() -> None:
    def half(seed: int) -> list[int]:
        return Images(toy(count=40), CPU, split_seed=seed).train_index.tolist()

    assert half(1) == half(1)
    assert half(1) != half(2)


@given(st.integers(1, 5))
def test_limit_takes_the_front_of_each_half(limit: int) -> None:
    whole, part = Images(toy(), CPU), Images(toy(), CPU, limit=limit)
    assert torch.equal(part.train_index, whole.train_index[:limit])
    assert torch.equal(part.valid_index, whole.valid_index[:limit])
    assert len(part.index("all")) == 2 * limit
    assert len(part.index("test")) == 5


@settings(deadline=None)
@given(
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["train", "valid", "test", "all"]),
)
def test_an_epoch_has_every_image_once(
    size: int, drop_last: bool, augment: bool, part: str
) -> None:
    dataset = toy(pad=0, flip=False)  # so that augmented images can be told
    images = Images(dataset, CPU)
    batches = list(images.epoch(part, size, stream(), augment, drop_last))
    count = len(images.index(part))
    assert all(len(x) == len(y) == size for x, y in batches[:-1])
    assert sum(len(x) for x, _ in batches) == (
        count // size * size if drop_last else count
    )
    plain, _ = images.batch(images.index(part))
    found = sorted(
        (plain - image).flatten(1).abs().sum(1).argmin().item()
        for x, _ in batches
        for image in x
    )
    assert len(set(found)) == len(found)


@given(st.sampled_from(["train", "valid", "test", "all"]), st.integers(1, 20))
def test_sequential_keeps_the_order(part: str, size: int) -> None:
    images = Images(toy(), CPU)
    parts = list(images.sequential(part, size))
    x, y = images.batch(images.index(part))
    assert torch.equal(torch.cat([x for x, _ in parts]), x)
    assert torch.equal(torch.cat([y for _, y in parts]), y)
    assert all(len(labels) == size for _, labels in parts[:-1])


@given(DATASETS, st.integers(0, 9), st.integers(0, 1000), st.booleans())
def test_cutout_is_a_square_of_the_mean_colour(
    dataset: ImageDataset, length: int, seed: int, augment: bool
) -> None:
    """Pixel by pixel, from the same numbers: all rows, then all columns, after those of crop and flip."""
    images = Images(dataset, CPU, split="first")
    index, size = images.index("all"), dataset.image_size
    x, _ = images.batch(index, stream(seed), augment, cutout=length)
    replay = stream(seed)
    plain, _ = images.batch(index, replay, augment)
    if not length:
        assert torch.equal(x, plain)
        return
    rows = torch.randint(size, (len(index),), generator=replay).tolist()
    columns = torch.randint(size, (len(index),), generator=replay).tolist()
    for number in range(len(index)):
        for row in range(size):
            for column in range(size):
                away = row - rows[number], column - columns[number]
                hole = all(
                    -(length // 2) <= distance < length // 2 for distance in away
                )
                expected = (
                    torch.zeros(dataset.channels)
                    if hole
                    else plain[number, :, row, column]
                )
                assert torch.equal(x[number, :, row, column], expected)
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_cutout_has_its_centre_everywhere_and_evenly() -> None:
    images = Images(toy(count=2, size=5, pad=0), CPU, split="first")
    index = torch.zeros(5000, dtype=torch.long)
    x, _ = images.batch(index, stream(), cutout=2)
    plain, _ = images.batch(index)
    # A hole of 2x2 around a centre covers the pixel left above it: by its last pixel
    # the centre is known.
    cut = ((x == 0) & (plain != 0)).any(1).double().mean(0)
    seen = [
        2,
        2,
        2,
        2,
        1,
    ]  # centres by which a row, or column, is covered: itself and the next
    expected = torch.tensor(
        [[a * b / 25 for b in seen] for a in seen], dtype=torch.float64
    )
    assert torch.all(
        (cut - expected).abs() < 5 * (expected * (1 - expected) / 5000).sqrt()
    )


def take(images: Images, how: str, seed: int) -> torch.Tensor:
    generator = stream(seed)
    if how == "cutout":
        return torch.cat(
            [x for x, _ in images.epoch("train", 16, generator, augment=True, cutout=4)]
        )
    if how == "minibatch":
        return images.minibatch("train", 16, generator, augment=True)[0]
    if how == "epoch":
        return torch.cat(
            [x for x, _ in images.epoch("train", 16, generator, augment=True)]
        )
    endless = images.endless("train", 16, generator, augment=True)
    return torch.cat([next(endless)[0] for _ in range(5)])


@pytest.mark.parametrize("how", ["minibatch", "epoch", "endless", "cutout"])
def test_the_seed_makes_the_batches(how: str) -> None:
    images = Images(toy(count=80), CPU)
    state = torch.get_rng_state()
    assert torch.equal(take(images, how, 1), take(images, how, 1))
    assert not torch.equal(take(images, how, 1), take(images, how, 2))
    assert torch.equal(torch.get_rng_state(), state)


def test_epochs_differ_from_one_another() -> None:
    images, generator = Images(toy(count=80), CPU), stream()
    first, second = (
        torch.cat([y for _, y in images.epoch("train", 8, generator)]) for _ in range(2)
    )
    assert not torch.equal(first, second)


def test_endless_has_full_batches_only() -> None:
    images = Images(
        toy(count=22), CPU
    )  # 11 in the half, so one image is left out of each pass
    endless = images.endless("valid", 5, stream())
    assert {len(next(endless)[0]) for _ in range(9)} == {5}


@given(st.integers(1, 5), st.integers(0, 50))
def test_a_minibatch_has_different_images_of_its_part(size: int, seed: int) -> None:
    images = Images(toy(), CPU)
    x, y = images.minibatch("valid", size, stream(seed))
    valid, labels = images.batch(images.valid_index)
    found = [
        [i for i, other in enumerate(valid) if torch.equal(other, image)] for image in x
    ]
    assert all(len(f) == 1 for f in found) and len({f[0] for f in found}) == size
    assert [int(labels[f[0]]) for f in found] == y.tolist()


def test_describe() -> None:
    dataset = toy()
    described = Images(dataset, CPU, split_seed=3, limit=2).describe()
    assert described == {
        "name": "toy",
        "checksum": dataset.checksum,
        "train_images": 2,
        "valid_images": 2,
        "split": "shuffled by seed 3, fraction 0.5",
        "augment": "crop 2, flip",
    }
    assert Images(toy(flip=False), CPU, "first", 3, 0.3).describe() | {
        "checksum": ""
    } == {
        "name": "toy",
        "checksum": "",
        "train_images": 3,
        "valid_images": 8,
        "split": "first, fraction 0.3",
        "augment": "crop 2",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "shuffle"}, "did you mean 'shuffled'"),
        ({"train_fraction": 0.0}, "leaves a half empty"),
        ({"train_fraction": 1.0}, "leaves a half empty"),
        ({"limit": 6}, "limit 6 does not fit 'toy', whose smaller half has 5 images"),
        ({"limit": 0}, "limit 0 does not fit"),
    ],
)
def test_bad_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Images(toy(), CPU, **changes)


def test_bad_requests() -> None:
    images = Images(toy(), CPU)
    with pytest.raises(UserError, match="did you mean 'valid'"):
        images.epoch("validation", 2, stream())
    with pytest.raises(UserError, match="unknown part"):
        images.sequential("x", 2)
    for ask in (images.epoch, images.minibatch, images.endless):
        with pytest.raises(
            UserError,
            match=r"a batch of 64 does not fit part 'train' of 'toy', which has 5 images",
        ):
            ask("train", 64, stream())
        with pytest.raises(UserError, match="give 1 to 5"):
            ask("train", 0, stream())
    with pytest.raises(ValueError, match="generator"):
        images.batch(images.train_index, augment=True)
    with pytest.raises(ValueError, match="generator"):
        images.batch(images.train_index, cutout=2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_has_the_same_batches_and_is_never_waited_for() -> None:
    cuda = torch.device("cuda")
    dataset = toy(count=500, size=16)
    here, there = Images(dataset, CPU), Images(dataset, cuda)
    torch.testing.assert_close(take(there, "epoch", 1).cpu(), take(here, "epoch", 1))
    generator = stream()
    torch.cuda.set_sync_debug_mode("error")
    try:
        there.minibatch("train", 64, generator, augment=True)
        next(there.epoch("train", 64, generator, augment=True, cutout=8))
        next(there.endless("valid", 64, generator, augment=True))
    finally:
        torch.cuda.set_sync_debug_mode("default")
