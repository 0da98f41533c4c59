"""`load_images`: the registry, digits, the data folder, and `.npz` files."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import DATASETS, data_folder, load_images

ROOT = Path(__file__).resolve().parents[3]


def shared(name: str) -> Path:
    path = (
        ROOT / os.environ.get("ARCHSELECT_SHARED", "../shared") / "data" / name
    ).resolve()
    if not path.is_file():
        pytest.skip(
            f"no shared data: set ARCHSELECT_SHARED to the folder that holds data/{name}"
        )
    return path


def contents(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 16, 16, 3), dtype=np.uint8)
    arrays = {
        "train_images": images[:6],
        "train_labels": np.arange(6) % 3,
        "test_images": images[6:],
        "test_labels": np.arange(4) % 3,
    }
    return {
        key: value for key, value in (arrays | changes).items() if value is not None
    }


def saved(path: Path, **changes: Any) -> str:
    np.savez(path, **contents(**changes))
    return str(path)


def test_digits_are_scikit_learns() -> None:
    dataset = load_images("digits")
    assert (len(dataset.train_images), len(dataset.test_images)) == (1200, 597)
    assert (dataset.classes, dataset.image_size, dataset.channels) == (10, 8, 1)
    assert (dataset.flip, dataset.pad) == (False, 1)
    images = np.concatenate([dataset.train_images, dataset.test_images])[..., 0]
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    source = load_digits()
    found = {
        (tuple(np.rint(i / 255 * 16).astype(int).ravel()), int(y))
        for i, y in zip(images, labels, strict=True)
    }
    assert found == {
        (tuple(i.astype(int).ravel()), int(y))
        for i, y in zip(source.images, source.target, strict=True)
    }


def test_the_shuffle_of_digits_stays_what_it_is() -> None:
    # The table `nb201-digits` was trained on this very division.
    labels = load_images("digits").train_labels
    assert hashlib.sha256(labels.tobytes()).hexdigest()[:16] == "f531262afc0c3e47"
    assert load_images("digits").checksum == "3445324bae0d609d"


def test_unknown_names_get_the_nearest_one() -> None:
    with pytest.raises(UserError, match="did you mean 'cifar10'"):
        load_images("cifar-10")
    with pytest.raises(UserError, match="did you mean 'ImageNet16-120'"):
        load_images("imagenet16")


def test_the_registry_says_what_is_here(tmp_path: Path) -> None:
    assert set(DATASETS) == {
        "digits",
        "cifar10",
        "cifar100",
        "svhn",
        "ImageNet16-120",
        "ImageNet",
    }
    assert [name for name, source in DATASETS.items() if source.present(tmp_path)] == [
        "digits"
    ]
    for name, source in DATASETS.items():
        assert source.name == name
        assert all((source.summary, source.size, source.licence, source.how))
    (tmp_path / "cifar-100-binary.tar.gz").touch()
    (tmp_path / "cifar-10-batches-bin").mkdir()
    found = {name for name, source in DATASETS.items() if source.present(tmp_path)}
    assert found == {"digits", "cifar10", "cifar100"}


def test_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ARCHSELECT_DATA", raising=False)
    assert "archselect" in str(data_folder())
    monkeypatch.setenv("ARCHSELECT_DATA", str(tmp_path / "data"))
    assert data_folder() == tmp_path / "data"
    assert data_folder(tmp_path / "other") == tmp_path / "other"


def test_data_sets_are_listed_without_torch() -> None:
    code = (
        "import sys, archselect.nasbench_adapters.images as i; i.load_images('digits'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_npz_with_the_required_keys(tmp_path: Path) -> None:
    dataset = load_images(saved(tmp_path / "toy.npz"))
    assert (dataset.name, dataset.classes, dataset.flip, dataset.pad) == (
        "toy",
        3,
        True,
        2,
    )
    np.testing.assert_array_equal(dataset.train_images, contents()["train_images"])
    np.testing.assert_array_equal(dataset.test_labels, contents()["test_labels"])


def test_npz_with_every_key(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "toy.npz",
        classes=np.array(list("abcd")),
        mean=[0.1, 0.2, 0.3],
        std=[0.4, 0.5, 0.6],
        flip=False,
        pad=0,
    )
    dataset = load_images(path)
    assert (dataset.classes, dataset.mean, dataset.std) == (
        4,
        (0.1, 0.2, 0.3),
        (0.4, 0.5, 0.6),
    )
    assert (dataset.flip, dataset.pad) == (False, 0)
    assert load_images(saved(tmp_path / "number.npz", classes=7)).classes == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_labels": None}, "lacks the keys test_labels"),
        ({"means": [0.1, 0.2, 0.3]}, "did you mean 'mean'"),
        ({"mean": ["a", "b", "c"]}, "one number per channel"),
        ({"pad": 1.5}, "'pad' is float64"),
        ({"classes": 2}, "labels go from 0 to 2"),
        ({"train_images": np.zeros((6, 16, 16, 3))}, "must be uint8"),
        ({"train_labels": np.array([{}] * 6)}, "not a readable .npz"),
    ],
)
def test_npz_with_something_wrong(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_images(saved(tmp_path / "toy.npz", **changes))
    assert "\n" not in str(caught.value)


def test_npz_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file .*absent\.npz"):
        load_images(str(tmp_path / "absent.npz"))
    whole = Path(saved(tmp_path / "toy.npz")).read_bytes()
    path = tmp_path / "damaged.npz"
    flipped = bytearray(whole)
    flipped[1000] ^= 1
    with (tmp_path / "lone.npy").open("wb") as file:
        np.save(file, np.arange(3))
    lone = (tmp_path / "lone.npy").read_bytes()
    for content in (b"", b"not a zip", whole[: len(whole) // 2], bytes(flipped), lone):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged\.npz") as caught:
            load_images(str(path))
        assert "\n" not in str(caught.value)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(UserError, match="cannot read"):
        load_images(str(tmp_path / "folder.npz"))


@pytest.mark.parametrize(
    ("name", "classes", "count", "mean", "std"),
    [
        (
            "cifar10_subset",
            10,
            10000,
            (0.4914, 0.4822, 0.4465),
            (0.2470, 0.2435, 0.2616),
        ),
        (
            "cifar100_subset",
            100,
            5000,
            (0.5071, 0.4865, 0.4409),
            (0.2673, 0.2564, 0.2762),
        ),
    ],
)
def test_the_shared_subsets(
    name: str, classes: int, count: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    dataset = load_images(str(shared(f"{name}.npz")))
    assert (dataset.name, dataset.classes, len(dataset.train_images), dataset.pad) == (
        name,
        classes,
        count,
        4,
    )
    # Subsets have nearly the constants of the whole.
    np.testing.assert_allclose(dataset.mean, mean, atol=0.004)
    np.testing.assert_allclose(dataset.std, std, atol=0.004)
