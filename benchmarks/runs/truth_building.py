"""Build ground-truth tables: train every class of a space with several seeds.

All seeds of one cell train side by side, as replicas of one grouped network; this takes
less time than two separate trainings. The classes are divided into parts. Each finished
part is a file, so that an interrupted build can be resumed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from archselect.benchmarks.runtime.calls import result_of
from archselect.benchmarks.runtime.machine import cores
from archselect.benchmarks.runtime.workers import worker_pool
from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.atomic_files import lock_folder, write_atomically
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
"""Number of classes in a part."""
SPLITS = ("valid", "test")

RightAnswers = dict[str, np.ndarray]
"""Numbers of right answers by split, int64; the last axis has one per seed."""
Advance = Callable[[int, int], None]
"""A function that gets the number of classes done, and the total."""


def _ignore_progress(done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class TableRecipe:
    """The settings with which every network of a table is trained.

    The optimiser is SGD with momentum; the learning rate follows a cosine to zero, per
    step, for cross-entropy averaged over the batch. Networks train on half the training
    images; `valid` is the accuracy on the other half, `test` on the test images. There
    is no augmentation.
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
    """Return the recipe's images on the CPU; the first half is for training."""
    return Images(load_images(recipe.dataset), torch.device("cpu"), split="first")


def train_replicas(
    recipe: TableRecipe,
    space: SearchSpace,
    architecture: Architecture,
    images: Images,
    seeds: Sequence[int],
) -> RightAnswers:
    """Train one architecture once per seed, and measure it.

    Args:
        recipe: how to train.
        space: space of the architecture.
        architecture: architecture to train.
        images: the data.
        seeds: seeds of the replicas.

    Returns:
        For each of SPLITS the number of right answers, one per seed, int64 (seeds,).
    """
    network = _new_replicas(recipe, space, architecture, images, seeds)
    orders = []
    for seed in seeds:
        order = torch.Generator().manual_seed(stream_seed("table order", seed))
        orders.append(order)
    optimizer = torch.optim.SGD(
        network.parameters(),
        recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    steps = len(images.train_index) // recipe.batch
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, recipe.epochs * steps
    )
    for _ in range(recipe.epochs):
        for index in _draw_batches(images, recipe.batch, orders):
            loss = _loss_of_replicas(network, images, index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        return {
            split: _count_right_answers(network, images, split, len(seeds))
            for split in SPLITS
        }


def _new_replicas(
    recipe: TableRecipe,
    space: SearchSpace,
    architecture: Architecture,
    images: Images,
    seeds: Sequence[int],
) -> Network:
    """Return one grouped network with one replica per seed."""
    skeleton = space.skeleton(
        channels=recipe.channels, cells=recipe.cells, reduction=recipe.reduction
    )
    dataset = images.dataset
    return Network(
        space,
        architecture,
        skeleton,
        dataset.channels,
        dataset.classes,
        [stream_seed("table weights", seed) for seed in seeds],
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _draw_batches(
    images: Images,
    size: int,
    orders: Sequence[torch.Generator],
) -> Iterator[torch.Tensor]:
    """Yield the batches of an epoch: image indices (size, replicas)."""
    count = len(images.train_index)
    permutations = [torch.randperm(count, generator=order) for order in orders]
    order_of_replicas = torch.stack(permutations, dim=1)
    for start in range(0, count - size + 1, size):
        yield images.train_index[order_of_replicas[start : start + size]]


def _loss_of_replicas(
    network: Network,
    images: Images,
    index: torch.Tensor,
) -> torch.Tensor:
    """Return the sum of the replicas' losses on images (batch, replicas)."""
    replicas = index.shape[1]
    x, y = images.batch(index.flatten())
    logits = network(_side_by_side(x, replicas))
    logits = logits.reshape(-1, images.dataset.classes)
    # The mean over replicas times their number, so that each replica gets its own
    # loss and gradient.
    return F.cross_entropy(logits, y) * replicas


def _count_right_answers(
    network: Network,
    images: Images,
    split: str,
    replicas: int,
) -> np.ndarray:
    """Return the number of right answers of each replica on a split."""
    hits = torch.zeros(replicas, dtype=torch.long)
    for x, y in images.sequential(split, 1000):
        logits = network(x.expand(-1, replicas, -1, -1))
        logits = logits.reshape(len(y), replicas, -1)
        hits += (logits.argmax(-1) == y[:, None]).sum(0)
    return hits.numpy()


def _side_by_side(x: torch.Tensor, replicas: int) -> torch.Tensor:
    """Return (batch * replicas, c, h, w) images as (batch, replicas * c, h, w)."""
    return x.reshape(-1, replicas * x.shape[1], *x.shape[2:]).contiguous(
        memory_format=torch.channels_last
    )


class _TableWorker(NamedTuple):
    """What a process needs to train parts of a table."""

    recipe: TableRecipe
    space: SearchSpace
    images: Images


_worker: _TableWorker | None = None
"""The worker of this process; None before :func:`_start_worker`."""


def _start_worker(recipe: TableRecipe) -> None:
    global _worker
    space = get_space(recipe.space)
    _worker = _TableWorker(recipe, space, load_recipe_images(recipe))


def _train_part(start: int) -> tuple[int, RightAnswers]:
    """Train the part that begins with class `start`; return its right answers."""
    assert _worker is not None
    recipe, space, images = _worker
    results = [
        train_replicas(recipe, space, architecture, images, range(recipe.seeds))
        for architecture in space.representatives[start : start + PART]
    ]
    right = {}
    for split in SPLITS:
        right[split] = np.stack([result[split] for result in results])
    return start, right


def train_table(
    recipe: TableRecipe,
    folder: Path,
    workers: int | None = None,
    advance: Advance = _ignore_progress,
) -> RightAnswers:
    """Train every class of the recipe's space, except classes of parts in `folder`.

    Args:
        recipe: one of RECIPES, or another recipe.
        folder: folder for the parts of this recipe.
        workers: number of processes with one thread each; None for one per core.
        advance: function that is called at the start and after each part.

    Returns:
        For each of SPLITS the number of right answers, int64 (classes, seeds), in the
        order of `space.representatives`.

    Raises:
        UserError: the folder holds parts of another recipe or a damaged part, or cannot
            be written.
    """
    _claim_folder(folder, recipe)
    classes = len(get_space(recipe.space).representatives)
    starts = range(0, classes, PART)
    missing = [start for start in starts if not _part_path(folder, start).is_file()]
    done = 0
    for start in starts:
        if start not in missing:
            done += min(PART, classes - start)
    advance(done, classes)
    for classes_of_part in _train_parts(recipe, folder, missing, workers):
        done += classes_of_part
        advance(done, classes)
    parts = [_read_part(_part_path(folder, start)) for start in starts]
    right = {}
    for split in SPLITS:
        right[split] = np.concatenate([part[split] for part in parts])
    return right


def _claim_folder(folder: Path, recipe: TableRecipe) -> None:
    """Write into a folder which recipe its parts have.

    Raises UserError if it holds parts of another recipe.
    """
    path = folder / "recipe.json"
    text = json.dumps(asdict(recipe), indent=1) + "\n"
    if path.exists() and read_text(path) != text:
        raise UserError(
            f"{folder} holds parts of another recipe; name another folder or remove it"
        )
    write_atomically(path, text.encode(), folder)


def _train_parts(
    recipe: TableRecipe,
    folder: Path,
    starts: Sequence[int],
    workers: int | None,
) -> Iterator[int]:
    """Train parts and write them; yield the number of classes of each."""
    if not starts:
        return
    count = min(workers or cores(), len(starts))
    with worker_pool(count, _start_worker, recipe) as submit:
        pending = [submit(_train_part, start) for start in starts]
        for future in as_completed(pending):
            start, right = result_of(future)
            buffer = BytesIO()
            np.savez(buffer, **right)
            write_atomically(_part_path(folder, start), buffer.getvalue(), folder)
            yield len(right[SPLITS[0]])


def build_table(
    recipe: TableRecipe,
    folder: Path,
    workers: int | None = None,
    advance: Advance = _ignore_progress,
) -> Path:
    """Train a table with :func:`train_table`; return its path, `folder`/NAME.npz.

    The table stores the representative of every class, whose accuracies hold for the
    class. Raises UserError as :func:`train_table` does, and if another command is
    building in the folder.
    """
    with lock_folder(folder):
        right = train_table(recipe, folder, workers, advance)
    space = get_space(recipe.space)
    images = load_recipe_images(recipe)
    seeds = [str(seed) for seed in range(recipe.seeds)]
    columns = {}
    for split in SPLITS:
        accuracies = 100 * right[split] / len(images.index(split))
        key = ColumnKey(recipe.dataset, split, recipe.epochs)
        columns[key] = ColumnData(seeds, accuracies)
    table = TruthTable.build(
        name=recipe.name,
        space=space.name,
        choices=np.stack(
            [flatten(architecture) for architecture in space.representatives]
        ),
        columns=columns,
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


def _read_part(path: Path) -> RightAnswers:
    try:
        with open_arrays(path) as file:
            return {split: file[split] for split in SPLITS}
    except (OSError, *DAMAGED) as error:
        raise UserError(f"{path} is damaged: remove it and build again") from error
