"""SVHN files as the authors write theirs, of made-up images."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from archselect.nasbench_adapters.images.fetch import Sums
from archselect.nasbench_adapters.images.svhn import SvhnFile

COUNTS = {"train_32x32.mat": 12, "test_32x32.mat": 7}


def content(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(images (n, 32, 32, 3), digits (n,)) of a made-up file."""
    rng = np.random.default_rng(list(name.encode()))
    images = rng.integers(0, 256, (COUNTS[name], 32, 32, 3), dtype=np.uint8)
    return images, (np.arange(COUNTS[name]) % 10).astype(np.uint8)


def write_svhn(folder: Path, name: str, **changes: Any) -> SvhnFile:
    """A made-up file as the authors write theirs: images last, the digit 0 as label 10."""
    images, digits = content(name)
    arrays = {
        "X": images.transpose(1, 2, 3, 0),
        "y": np.where(digits == 0, 10, digits)[:, None],
    }
    folder.mkdir(parents=True, exist_ok=True)
    savemat(folder / name, arrays | changes, do_compression=True)
    return known_file(folder, name)


def known_file(folder: Path, name: str) -> SvhnFile:
    """The file with the checksums that it has."""
    content = (folder / name).read_bytes()
    sums = Sums(
        hashlib.md5(content, usedforsecurity=False).hexdigest(),
        hashlib.sha256(content).hexdigest(),
    )
    return SvhnFile(name, sums, COUNTS[name])
