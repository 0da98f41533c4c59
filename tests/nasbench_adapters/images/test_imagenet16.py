"""ImageNet16-120 out of small made-up files in NAS-Bench-201's format."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import DATASETS, load_images
from archselect.nasbench_adapters.images.imagenet16 import TEST, TRAIN

NAME = "ImageNet16-120"


class Command:
    """Pickles to a call of `os.system`."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def content(name: str) -> dict[str, Any]:
    rng = np.random.default_rng(list(name.encode()))
    labels = [1, 120, 121, 1000, *rng.integers(1, 200, 8).tolist()]
    data = rng.integers(0, 256, (len(labels), 768), dtype=np.uint8)
    return {"data": data, "labels": labels, "mean": data.mean(axis=0)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """ImageNet16/ in a data folder, with all its files."""
    made = tmp_path / "ImageNet16"
    made.mkdir()
    for number, name in enumerate(TRAIN + TEST):
        (made / name).write_bytes(pickle.dumps(content(name), 2 + number % 4))
    return made


def test_first_120_classes_pixel_by_pixel(folder: Path) -> None:
    assert DATASETS[NAME].present(folder.parent)
    dataset = load_images(NAME, folder.parent)
    for names, images, labels in (
        (TRAIN, dataset.train_images, dataset.train_labels),
        (TEST, dataset.test_images, dataset.test_labels),
    ):
        at = 0
        for name in names:
            made = content(name)
            for row, label in zip(made["data"], made["labels"], strict=True):
                if label > 120:
                    continue
                assert labels[at] == label - 1
                for channel in range(3):
                    plane = row[channel * 256 : (channel + 1) * 256].reshape(16, 16)
                    np.testing.assert_array_equal(images[at, :, :, channel], plane)
                at += 1
        assert at == len(images) == len(labels)
    assert (dataset.classes, dataset.flip, dataset.pad, dataset.image_shape) == (
        120,
        True,
        2,
        (3, 16, 16),
    )
    np.testing.assert_allclose(np.array(dataset.mean) * 255, [122.68, 116.66, 104.01])
    np.testing.assert_allclose(np.array(dataset.std) * 255, [63.22, 61.26, 65.09])


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "train_data_batch_7").unlink()
    (folder / "val_data").unlink()
    assert not DATASETS[NAME].present(folder.parent)
    with pytest.raises(UserError, match="lacks train_data_batch_7, val_data; put"):
        load_images(NAME, folder.parent)


def test_nothing_runs(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (folder / "val_data").write_bytes(
        pickle.dumps(content("val_data") | {"x": Command(f"touch {trace}")})
    )
    with pytest.raises(UserError, match=r"val_data is refused: it asks for .*system"):
        load_images(NAME, folder.parent)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ([1, 2], "not a dict with 'data' and 'labels'"),
        ({"data": content("x")["data"]}, "not a dict with 'data' and 'labels'"),
        (content("x") | {"data": content("x")["data"][:, :767]}, "'data' is not uint8"),
        (
            content("x") | {"data": content("x")["data"].astype(np.float32)},
            "'data' is not uint8",
        ),
        (content("x") | {"data": [1, 2]}, "'data' is not uint8"),
        (content("x") | {"labels": [1, 2]}, "'labels' is not 12 whole numbers"),
        (content("x") | {"labels": [[1], [1, 2]]}, "'labels' is not 12 whole numbers"),
        (content("x") | {"labels": ["cat"] * 12}, "'labels' is not 12 whole numbers"),
        (content("x") | {"labels": [0] * 12}, "labels go from 0 to 0"),
        (content("x") | {"labels": [1001] * 12}, "labels go from 1001 to 1001"),
    ],
)
def test_other_content_is_refused(folder: Path, changed: object, message: str) -> None:
    (folder / "train_data_batch_3").write_bytes(pickle.dumps(changed))
    with pytest.raises(UserError, match=f"train_data_batch_3.*{message}") as caught:
        load_images(NAME, folder.parent)
    assert "\n" not in str(caught.value)


def test_a_truncated_file(folder: Path) -> None:
    path = folder / "train_data_batch_10"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match="train_data_batch_10 is"):
        load_images(NAME, folder.parent)
