"""Ground-truth tables that the product trains itself: every class of a space, several seeds each.

All seeds of one cell train side by side as replicas of one grouped network, which takes
less time than two of them. The classes are cut into parts; each finished part is a
file, so that an interrupted build goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from archselect.benchmarks.runtime.calls import result_of
from archselect.benchmarks.runtime.machine import cores
from archselect.benchmarks.runtime.workers import worker_pool
from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.atomic_files import held, write_atomically
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.input_files import DAMAGED, read_text
from archselect.nasbench_adapters.networks import Network
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.choices import flatten
from archselect.nasbench_adapters.truth.ground_truth import ColumnKey
from archselect.nasbench_adapters.truth.table import ColumnData, TruthTable

PART = 16
SPLITS = ("valid", "test")


@dataclass(frozen=True)
class TableRecipe:
    """How every network of a table is trained: SGD with momentum, cosine to zero per step, on half the training images.

    `valid` accuracy is measured on the other half, `test` on the test images. Learning
    rate is for cross-entropy averaged over the batch; no augmentation.
    """

    name: str
    space: str
    dataset: str
    channels: int
    cells: int
    reduction: str
    epochs: int
    batch: int
    learning_rate: float
    momentum: float
    weight_decay: float
    seeds: int


RECIPES = {
    recipe.name: recipe
    for recipe in (
        TableRecipe(
            name="nb201-digits",
            space="nb201",
            dataset="digits",
            channels=4,
            cells=2,
            reduction="pool",
            epochs=10,
            batch=64,
            learning_rate=0.1,
            momentum=0.9,
            weight_decay=3e-4,
            seeds=4,
        ),
    )
}


def load_recipe_images(recipe: TableRecipe) -> Images:
    """The recipe's images on the CPU, first half for training."""
    return Images(load_images(recipe.dataset), torch.device("cpu"), split="first")


def train_replicas(
    recipe: TableRecipe,
    space: SearchSpace,
    architecture: Architecture,
    images: Images,
    seeds: Sequence[int],
) -> dict[str, np.ndarray]:
    """Train one architecture once per seed and measure it.

    Returns:
        For each of SPLITS the number of right answers, one per seed, int64 (seeds,).
    """
    replicas = len(seeds)
    skeleton = space.skeleton(
        channels=recipe.channels, cells=recipe.cells, reduction=recipe.reduction
    )
    dataset = images.dataset
    network = Network(
        space,
        architecture,
        skeleton,
        dataset.channels,
        dataset.classes,
        [stream_seed("table weights", seed) for seed in seeds],
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    orders = [
        torch.Generator().manual_seed(stream_seed("table order", seed))
        for seed in seeds
    ]
    optimizer = torch.optim.SGD(
        network.parameters(),
        recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    count = len(images.train_index)
    steps = count // recipe.batch
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, recipe.epochs * steps
    )
    for _ in range(recipe.epochs):
        order = torch.stack([torch.randperm(count, generator=g) for g in orders], dim=1)
        for step in range(steps):
            index = images.train_index[
                order[step * recipe.batch : (step + 1) * recipe.batch]
            ]
            x, y = images.batch(index.flatten())
            logits = network(_side_by_side(x, replicas)).reshape(-1, dataset.classes)
            # The mean over replicas, times their number: each replica sees its own loss
            # and gradient.
            loss = F.cross_entropy(logits, y) * replicas
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
    right = {}
    with torch.no_grad():
        for split in SPLITS:
            hits = torch.zeros(replicas, dtype=torch.long)
            for x, y in images.sequential(split, 1000):
                logits = network(x.expand(-1, replicas, -1, -1)).reshape(
                    len(y), replicas, -1
                )
                hits += (logits.argmax(-1) == y[:, None]).sum(0)
            right[split] = hits.numpy()
    return right


def _side_by_side(x: torch.Tensor, replicas: int) -> torch.Tensor:
    """(batch * replicas, c, h, w) to (batch, replicas * c, h, w)."""
    return x.reshape(-1, replicas * x.shape[1], *x.shape[2:]).contiguous(
        memory_format=torch.channels_last
    )


_worker: tuple[TableRecipe, SearchSpace, Images] | None = None


def _start_worker(recipe: TableRecipe) -> None:
    global _worker
    _worker = recipe, get_space(recipe.space), load_recipe_images(recipe)


def _train_part(start: int) -> tuple[int, dict[str, np.ndarray]]:
    assert _worker is not None
    recipe, space, images = _worker
    cells = space.representatives[start : start + PART]
    results = [
        train_replicas(recipe, space, cell, images, range(recipe.seeds))
        for cell in cells
    ]
    return start, {
        split: np.stack([result[split] for result in results]) for split in SPLITS
    }


def train_table(
    recipe: TableRecipe,
    folder: Path,
    workers: int | None = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, np.ndarray]:
    """Train every class of the recipe's space, going on from the parts already in `folder`.

    Args:
        recipe: one of RECIPES, or a user's own.
        folder: for the parts; of this recipe only.
        workers: processes of one thread each; None for one per core.
        advance: told (classes done, classes in all) at the start and after each part.

    Returns:
        For each of SPLITS the number of right answers, int64 (classes, seeds), in the
        order of `space.representatives`.

    Raises:
        UserError: if the folder holds parts of another recipe or a damaged part, or
            cannot be written.
    """
    classes = len(get_space(recipe.space).representatives)
    stamp = folder / "recipe.json"
    text = json.dumps(asdict(recipe), indent=1) + "\n"
    if stamp.exists() and read_text(stamp) != text:
        raise UserError(
            f"{folder} holds parts of another recipe; name another folder or remove it"
        )
    write_atomically(stamp, text.encode(), folder)
    starts = range(0, classes, PART)
    todo = [start for start in starts if not _part_path(folder, start).is_file()]
    done = sum(min(PART, classes - start) for start in starts if start not in set(todo))
    advance(done, classes)
    if todo:
        count = min(workers or cores(), len(todo))
        with worker_pool(count, _start_worker, recipe) as submit:
            for future in as_completed([submit(_train_part, start) for start in todo]):
                start, right = result_of(future)
                buffer = BytesIO()
                np.savez(buffer, **right)
                write_atomically(_part_path(folder, start), buffer.getvalue(), folder)
                done += len(right[SPLITS[0]])
                advance(done, classes)
    parts = [_read_part(_part_path(folder, start)) for start in starts]
    return {split: np.concatenate([part[split] for part in parts]) for split in SPLITS}


def build_table(
    recipe: TableRecipe,
    folder: Path,
    workers: int | None = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Train a table (see :func:`train_table`) and write it as `folder`/NAME.npz, whose path is returned.

    The table stores the representative of every class and speaks for the class. Raises
    UserError as :func:`train_table` does, and if another command is building in the
    folder.
    """
    with held(folder):
        right = train_table(recipe, folder, workers, advance)
    space, images = get_space(recipe.space), load_recipe_images(recipe)
    seeds = [str(seed) for seed in range(recipe.seeds)]
    table = TruthTable.build(
        name=recipe.name,
        space=space.name,
        choices=np.stack(
            [flatten(architecture) for architecture in space.representatives]
        ),
        columns={
            ColumnKey(recipe.dataset, split, recipe.epochs): ColumnData(
                seeds,
                100 * right[split] / len(images.index(split)),
            )
            for split in SPLITS
        },
        origin=f"trained by archselect: every class of {space.name} on {recipe.dataset}, see the recipe",
        licence="MIT",
        canonical_only=True,
        details={"recipe": asdict(recipe), "data": images.describe()},
    )
    path = folder / f"{recipe.name}.npz"
    table.save(path)
    return path


def _part_path(folder: Path, start: int) -> Path:
    return folder / f"part-{start:05d}.npz"


def _read_part(path: Path) -> dict[str, np.ndarray]:
    try:
        with open_arrays(path) as file:
            return {split: file[split] for split in SPLITS}
    except (OSError, *DAMAGED) as error:
        raise UserError(f"{path} is damaged: remove it and build again") from error
