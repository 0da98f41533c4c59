"""Images that stay in their files: what is read, crops and colours against slow references, and bad files."""

from __future__ import annotations

import colorsys
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import DATASETS, ImageDataset, load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.colour import (
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    jitter_colours,
    rotate_hue,
)
from archselect.nasbench_adapters.images.streamed import (
    StreamedImages,
    random_boxes,
    resized_crops,
    training_images,
)

CPU = torch.device("cpu")
SIDE, SHOWN, COUNT, TESTS = 32, 28, 22, 7


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def arrays(**changes: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (COUNT + TESTS, SIDE, SIDE, 3), dtype=np.uint8)
    labels = np.arange(COUNT + TESTS) % 4
    return {
        "train_images": images[:COUNT],
        "train_labels": labels[:COUNT],
        "val_images": images[COUNT:],
        "val_labels": labels[COUNT:],
    } | changes


def write(data_dir: Path, **changes: Any) -> Path:
    """The folder that a user would write."""
    (data_dir / "imagenet").mkdir(parents=True, exist_ok=True)
    for name, array in arrays(**changes).items():
        np.save(data_dir / "imagenet" / f"{name}.npy", array)
    return data_dir


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ImageDataset:
    return load_images("ImageNet", write(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="module")
def images(dataset: ImageDataset) -> StreamedImages:
    made = training_images(dataset, CPU)
    assert isinstance(made, StreamedImages)
    return made


def test_the_files_are_not_read_whole(dataset: ImageDataset) -> None:
    assert isinstance(dataset.train_images, np.memmap) and isinstance(
        dataset.test_images, np.memmap
    )
    assert (len(dataset.train_images), len(dataset.test_images), dataset.classes) == (
        COUNT,
        TESTS,
        4,
    )
    assert dataset.mean == (0.485, 0.456, 0.406)
    assert dataset.augmentation == "random resized crop, flip, colour jitter"
    assert DATASETS["ImageNet"].summary and "pydoc" in DATASETS["ImageNet"].how


def test_only_small_data_sets_are_kept_on_the_device(dataset: ImageDataset) -> None:
    assert isinstance(training_images(load_images("digits"), CPU), Images)
    with pytest.raises(
        UserError,
        match="'ImageNet' is too large for the device's memory: use it for training",
    ):
        Images(dataset, CPU)


def normalised(dataset: ImageDataset, pixels: np.ndarray) -> np.ndarray:
    """float64 (c, h, w) of one image, the slow way."""
    planes = pixels.transpose(2, 0, 1).astype(np.float64) / 255
    return np.stack(
        [(p - m) / s for p, m, s in zip(planes, dataset.mean, dataset.std, strict=True)]
    )


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_test_images_are_their_centres_in_order(
    dataset: ImageDataset, images: StreamedImages, size: int
) -> None:
    batches = list(images.sequential("test", size))
    assert images.image_shape == (3, SHOWN, SHOWN)
    x, y = torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])
    assert torch.equal(y, torch.from_numpy(dataset.test_labels))
    for image, pixels in zip(x, dataset.test_images, strict=True):
        np.testing.assert_allclose(
            image, normalised(dataset, pixels[2:30, 2:30]), atol=1e-5
        )
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x, _ in batches)


@pytest.mark.parametrize("drop_last", [False, True])
def test_an_epoch_has_every_image_once(
    dataset: ImageDataset, images: StreamedImages, drop_last: bool
) -> None:
    batches = list(images.epoch("all", 4, stream(), drop_last=drop_last))
    assert [len(y) for _, y in batches] == [4] * (COUNT // 4) + (
        [] if drop_last else [COUNT % 4]
    )
    plain, labels = images.batch(images.index("all"))
    found = [
        int((plain - image).abs().flatten(1).sum(1).argmin())
        for x, _ in batches
        for image in x
    ]
    assert len(set(found)) == len(found) >= COUNT // 4 * 4
    assert torch.equal(labels[found], torch.cat([y for _, y in batches]))


def test_the_seed_makes_the_batches(images: StreamedImages) -> None:
    def take(seed: int, **options: Any) -> torch.Tensor:
        return torch.cat(
            [x for x, _ in images.epoch("all", 5, stream(seed), True, **options)]
        )

    state = torch.get_rng_state()
    assert torch.equal(take(1), take(1)) and not torch.equal(take(1), take(2))
    assert torch.equal(torch.get_rng_state(), state)
    cut = take(1, cutout=8)
    assert not torch.equal(cut, take(1)) and bool((cut == 0).any())


def test_an_epoch_that_is_left_early_ends_its_readers(images: StreamedImages) -> None:
    batches = images.epoch("all", 2, stream())
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert len(list(images.epoch("all", 2, stream()))) == COUNT // 2


def test_bad_requests(images: StreamedImages) -> None:
    with pytest.raises(
        UserError,
        match="a batch of 64 does not fit part 'all' of 'ImageNet', which has 22 images",
    ):
        images.epoch("all", 64, stream())
    with pytest.raises(
        UserError, match="unknown part of images that stay in their files 'valid'"
    ):
        images.index("valid")


def box_one_by_one(
    size: int, areas: list[float], ratios: list[float]
) -> tuple[int, int]:
    """(height, width) of the first try that fits."""
    for area, ratio in zip(areas, ratios, strict=True):
        width, height = (
            round(math.sqrt(value))
            for value in (size**2 * area * ratio, size**2 * area / ratio)
        )
        if 0 < width <= size and 0 < height <= size:
            return height, width
    return size, size


@given(st.integers(8, 300), st.integers(0, 1000))
def test_boxes_are_those_of_the_recipe(size: int, seed: int) -> None:
    count = 20
    boxes = random_boxes(count, size, stream(seed))
    replay = stream(seed)
    areas = torch.empty(10, count).uniform_(0.08, 1.0, generator=replay)
    ratios = (
        torch.empty(10, count)
        .uniform_(math.log(3 / 4), math.log(4 / 3), generator=replay)
        .exp()
    )
    for number, (top, left, height, width) in enumerate(boxes.tolist()):
        expected = box_one_by_one(
            size, areas[:, number].tolist(), ratios[:, number].tolist()
        )
        # Half a pixel may be rounded either way in float32.
        assert abs(height - expected[0]) <= 1 and abs(width - expected[1]) <= 1
        assert 0 <= top <= size - height and 0 <= left <= size - width


def bilinear(image: np.ndarray, box: list[int], flip: int, size: int) -> np.ndarray:
    """One image (c, s, s), pixel by pixel: the crop alone, resized with its edges repeated."""
    top, left, height, width = box
    crop = image[:, top : top + height, left : left + width]
    out = np.empty((len(image), size, size))
    for i in range(size):
        for j in range(size):
            y, x = (i + 0.5) * height / size - 0.5, (j + 0.5) * width / size - 0.5
            y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            upper = crop[:, y0, x0] * (1 - (x - x0)) + crop[:, y0, x1] * (x - x0)
            lower = crop[:, y1, x0] * (1 - (x - x0)) + crop[:, y1, x1] * (x - x0)
            out[:, i, size - 1 - j if flip else j] = upper * (1 - (y - y0)) + lower * (
                y - y0
            )
    return out


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_crops_are_resized_bilinearly_and_mirrored(seed: int) -> None:
    generator = stream(seed)
    images = torch.rand(4, 3, 12, 12, generator=generator, dtype=torch.float64)
    boxes, flips = random_boxes(4, 12, generator), torch.tensor([0, 1, 1, 0])
    found = resized_crops(images.float(), boxes, flips, 9)
    for number in range(4):
        expected = bilinear(
            images[number].numpy(), boxes[number].tolist(), int(flips[number]), 9
        )
        np.testing.assert_allclose(found[number], expected, atol=1e-4)


def test_the_whole_image_at_its_own_size_is_itself() -> None:
    images = torch.rand(2, 3, 8, 8, generator=stream())
    box = torch.tensor([[0, 0, 8, 8]] * 2)
    assert torch.allclose(
        resized_crops(images, box, torch.tensor([0, 0]), 8), images, atol=1e-6
    )


@given(st.integers(0, 1000), st.floats(-1.5, 1.5))
def test_hue_is_turned_as_the_standard_library_does(seed: int, turn: float) -> None:
    image = torch.rand(1, 3, 3, 3, generator=stream(seed), dtype=torch.float64)
    image[0, :, 0, 0] = 0.5  # grey has no hue
    image[0, :, 0, 1] = torch.tensor([1.0, 1.0, 0.0])  # two channels are largest
    found = rotate_hue(image, torch.tensor(turn).view(1, 1, 1, 1))
    for row in range(3):
        for column in range(3):
            hue, saturation, value = colorsys.rgb_to_hsv(
                *image[0, :, row, column].tolist()
            )
            expected = colorsys.hsv_to_rgb(
                (hue + float(torch.tensor(turn))) % 1, saturation, value
            )
            np.testing.assert_allclose(found[0, :, row, column], expected, atol=1e-5)


@given(st.integers(0, 1000), st.floats(0, 2))
def test_brightness_contrast_and_saturation(seed: int, factor: float) -> None:
    image = torch.rand(1, 3, 4, 4, generator=stream(seed), dtype=torch.float64)
    pixels, by = (
        image[0].numpy(),
        torch.tensor(factor, dtype=torch.float64).view(1, 1, 1, 1),
    )
    grey = 0.299 * pixels[0] + 0.587 * pixels[1] + 0.114 * pixels[2]
    np.testing.assert_allclose(
        adjust_brightness(image, by)[0], np.clip(factor * pixels, 0, 1)
    )
    expected = np.clip(factor * pixels + (1 - factor) * grey.mean(), 0, 1)
    np.testing.assert_allclose(adjust_contrast(image, by)[0], expected, atol=1e-12)
    np.testing.assert_allclose(
        adjust_saturation(image, by)[0],
        np.clip(factor * pixels + (1 - factor) * grey, 0, 1),
        atol=1e-12,
    )


def test_jitter_is_one_of_the_orders_with_factors_of_its_own_for_each_image() -> None:
    images = torch.rand(3, 3, 4, 4, generator=stream(5))
    changes = [adjust_brightness, adjust_contrast, adjust_saturation, rotate_hue]
    orders = set()
    for seed in range(30):
        replay = stream(seed)
        order = torch.randperm(4, generator=replay).tolist()
        uniform = torch.rand(4, 3, generator=replay)
        factors = [
            1 - s + 2 * s * u for s, u in zip((0.4, 0.4, 0.4), uniform, strict=False)
        ] + [0.4 * uniform[3] - 0.2]
        expected = images
        for place in order:
            expected = changes[place](expected, factors[place].view(-1, 1, 1, 1))
        found = jitter_colours(images, stream(seed), 0.4, 0.4, 0.4, 0.2)
        assert torch.allclose(found, expected, atol=1e-5)
        orders.add(tuple(order))
    assert len(orders) > 10
    assert torch.allclose(
        jitter_colours(images, stream(), 0, 0, 0, 0), images, atol=1e-6
    )


def test_files_that_are_missing_or_wrong(tmp_path: Path) -> None:
    with pytest.raises(
        UserError,
        match=r"lacks train_images\.npy, train_labels\.npy, .*: ImageNet cannot be downloaded",
    ):
        load_images("ImageNet", tmp_path)
    assert not DATASETS["ImageNet"].present(tmp_path)
    assert DATASETS["ImageNet"].present(write(tmp_path))
    for changes, message in (
        ({"train_images": np.zeros((3, 8, 8, 3))}, "must be uint8"),
        ({"train_labels": np.zeros(3, int)}, "one per image"),
        ({"val_images": np.zeros((TESTS, 8, 8, 3), np.uint8)}, "the same shape"),
        (
            {"val_labels": np.array([{}] * TESTS)},
            r"val_labels\.npy is not a readable \.npy of a plain array",
        ),
    ):
        with pytest.raises(UserError, match=message) as caught:
            load_images("ImageNet", write(tmp_path, **changes))
        assert "\n" not in str(caught.value)
    write(tmp_path)
    path = tmp_path / "imagenet" / "train_images.npy"
    for content in (b"", b"nothing", path.read_bytes()[:1000]):
        path.write_bytes(content)
        with pytest.raises(
            UserError, match=r"train_images\.npy is not a readable \.npy"
        ):
            load_images("ImageNet", tmp_path)
    grey = write(
        tmp_path, **{k: arrays()[k][..., :1] for k in ("train_images", "val_images")}
    )
    with pytest.raises(UserError, match=r"give 1 numbers in 0\.\.1, one per channel"):
        load_images("ImageNet", grey)


def test_the_checksum_is_of_the_content(tmp_path: Path, dataset: ImageDataset) -> None:
    assert load_images("ImageNet", write(tmp_path)).checksum == dataset.checksum
    other = arrays()["train_images"].copy()
    other[3, 0, 0, 0] ^= 1
    assert (
        load_images("ImageNet", write(tmp_path, train_images=other)).checksum
        != dataset.checksum
    )
