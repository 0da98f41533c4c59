"""The small world, and studies run in this process."""

import shutil
from pathlib import Path

import pytest
import torch
from support import small
from support.session import make_once

from archselect.benchmarks.engines import local
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs import harness
from archselect.benchmarks.store.records import Inputs
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images


@pytest.fixture
def write_study(small_truth, tmp_path):
    """`write_study((old, new), …)` writes the small study with these replacements and returns its path."""

    def write(*replacements, name="small.toml"):
        path = tmp_path / name
        path.write_text(small.study_text(small_truth, *replacements), encoding="utf-8")
        return path

    return write


@pytest.fixture
def small_study(write_study):
    """The small study as read."""
    return read_study(str(write_study()))


@pytest.fixture(scope="session")
def digits():
    """`digits(limit)` are the digits, the first `limit` images of each half."""
    dataset = load_images("digits")

    def images(limit=None):
        return Images(dataset, torch.device("cpu"), split="first", limit=limit)

    return images


@pytest.fixture
def write_quick(write_study):
    """As `write_study`, of the quicker study."""
    return lambda *replacements: write_study(*small.QUICK, *replacements)


@pytest.fixture
def quick(write_quick):
    """The quicker study as read."""
    return read_study(str(write_quick()))


@pytest.fixture(scope="session")
def finished_once(small_truth, pool_within, tmp_path_factory):
    """A folder of the quicker study, finished; not to be touched."""

    def make(root):
        path = root / "small.toml"
        path.write_text(small.study_text(small_truth, *small.QUICK), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(local, "worker_pool", pool_within)
            harness.run_study(read_study(str(path)), root / "out", device="cpu")

    return make_once(tmp_path_factory, "finished-quick", make) / "out"


@pytest.fixture
def finished(finished_once, tmp_path):
    """A copy of a finished folder of the quicker study."""
    return Path(shutil.copytree(finished_once, tmp_path / "out"))


@pytest.fixture
def inputs():
    """Inputs of a run, as plain values."""
    return Inputs.model_validate(
        {
            "space": "nb201",
            "data": {
                "name": "digits",
                "checksum": "0123456789abcdef",
                "train_images": 48,
                "valid_images": 48,
                "split": "first, fraction 0.5",
                "augment": "crop 1",
            },
            "supernet": {
                "recipe": "darts",
                "settings": {"epochs": 1},
                "skeleton": {"channels": 2},
            },
            "selector": {"name": "random", "label": "random", "settings": {"x": None}},
            "supernet_seed": 0,
            "selection_seed": 0,
            "formulations": {
                "supernet": {"optimiser": 1, "space": 1, "network": 1, "images": 1},
                "selector": {"selector": 1, "proxy nwot": 1},
            },
        }
    )
