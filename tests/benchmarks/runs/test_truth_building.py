import os
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from archselect.benchmarks.runs import truth_building
from archselect.benchmarks.runs.truth_building import (
    RECIPES,
    TableRecipe,
    build_table,
    load_recipe_images,
    train_replicas,
    train_table,
)
from archselect.nasbench_adapters.atomic_files import lock_folder
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import builtin_path
from archselect.nasbench_adapters.truth.table import TruthTable

TINY = TableRecipe(
    name="tiny",
    space="nb201",
    dataset="digits",
    channels=2,
    cells=1,
    reduction="pool",
    epochs=1,
    batch=32,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=3e-4,
    seeds=2,
)
CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"
CLASSES = 5


@pytest.fixture(scope="module")
def small_images(digits):
    return digits(96)


class FewClasses:
    """nb201 as if it had five classes."""

    def __init__(self):
        self.whole = get_space("nb201")
        step = len(self.whole.representatives) // CLASSES
        self.representatives = self.whole.representatives[::step][:CLASSES]

    def __getattr__(self, name):
        return getattr(self.whole, name)


@pytest.fixture
def few(monkeypatch, small_images):
    """Tables of five classes, in parts of two, trained in this process on few images; gives the starts of the parts."""
    space, trained = FewClasses(), []
    train_part = truth_building._train_part

    @contextmanager
    def pool_within(workers, start, recipe):
        monkeypatch.setattr(
            truth_building,
            "_worker",
            truth_building._TableWorker(recipe, space, small_images),
        )

        def submit(function, start):
            future = Future()
            trained.append(start)
            future.set_result(train_part(start))
            return future

        yield submit

    monkeypatch.setattr(truth_building, "worker_pool", pool_within)
    monkeypatch.setattr(truth_building, "get_space", lambda name: space)
    monkeypatch.setattr(
        truth_building, "load_recipe_images", lambda recipe: small_images
    )
    monkeypatch.setattr(truth_building, "PART", 2)
    return trained


def test_two_commands_do_not_build_in_one_folder(tmp_path):
    """Each would take the other's parts for its own, of whatever recipe they are."""
    with (
        lock_folder(tmp_path),
        pytest.raises(UserError, match="another command is writing into"),
    ):
        build_table(RECIPES["nb201-digits"], tmp_path, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_replicas_side_by_side_are_trainings_alone(nb201, small_images):
    """Equal but for the order of float32 sums in grouped convolutions, which may tip an image or two."""
    cell = nb201.parse(CELL)
    recipe = replace(TINY, epochs=2)
    together = train_replicas(recipe, nb201, cell, small_images, [0, 1])
    for place, seed in enumerate((0, 1)):
        alone = train_replicas(recipe, nb201, cell, small_images, [seed])
        for split, right in alone.items():
            assert right.shape == (1,) and right.dtype == np.int64
            assert abs(int(right[0]) - int(together[split][place])) <= 2
    assert together["test"][0] != together["test"][1]


def test_a_training_is_repeatable_and_leaves_no_trace(nb201, small_images):
    cell = nb201.parse(CELL)
    first = train_replicas(TINY, nb201, cell, small_images, [0, 1])
    torch.manual_seed(7)
    second = train_replicas(TINY, nb201, cell, small_images, [0, 1])
    assert all(np.array_equal(first[split], second[split]) for split in first)


def test_a_table_is_built_and_opens(few, tmp_path, nb201, small_images):
    told = []
    path = build_table(
        TINY, tmp_path / "t", advance=lambda done, total: told.append((done, total))
    )
    assert path == tmp_path / "t" / "tiny.npz"
    assert few == [0, 2, 4]
    # Parts of 2, 2 and 1 classes, in whatever order they are done.
    done = [count for count, _ in told]
    assert (done[0], done[-1]) == (0, 5) and sorted(
        b - a for a, b in pairwise(done)
    ) == [1, 2, 2]
    assert {total for _, total in told} == {5}
    table = TruthTable.open(path)
    assert len(table) == CLASSES and table.canonical_only and table.name == "tiny"
    assert {column.key for column in table.columns} == {
        ("digits", "valid", 1),
        ("digits", "test", 1),
    }
    assert all(column.seeds == ("0", "1") for column in table.columns)
    assert table.details["recipe"]["learning_rate"] == 0.1
    cell = FewClasses().representatives[3]
    right = train_replicas(TINY, nb201, cell, small_images, range(2))
    for split, images in (("valid", 96), ("test", 597)):
        expected = 100 * right[split] / images
        assert table.lookup(cell, "digits", split, 1).accuracies == pytest.approx(
            expected.tolist()
        )


def test_a_build_goes_on_from_its_parts(few, tmp_path):
    whole = train_table(TINY, tmp_path)
    parts = sorted(tmp_path.glob("part-*.npz"))
    assert [part.name for part in parts] == [
        "part-00000.npz",
        "part-00002.npz",
        "part-00004.npz",
    ]
    for part in parts:
        os.utime(part, ns=(10**18, 10**18))
    parts[1].unlink()
    few.clear()
    told = []
    again = train_table(
        TINY, tmp_path, advance=lambda done, total: told.append((done, total))
    )
    assert few == [2] and told == [(3, 5), (5, 5)]
    assert [part.stat().st_mtime_ns == 10**18 for part in parts] == [True, False, True]
    assert all(np.array_equal(whole[split], again[split]) for split in whole)
    few.clear()
    train_table(TINY, tmp_path)
    assert few == []


def test_a_folder_of_another_recipe_is_refused(few, tmp_path):
    train_table(TINY, tmp_path)
    with pytest.raises(
        UserError,
        match="holds parts of another recipe; name another folder or remove it",
    ):
        train_table(replace(TINY, epochs=2), tmp_path)


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_a_damaged_part_is_refused(few, tmp_path, content):
    train_table(TINY, tmp_path)
    path = tmp_path / "part-00002.npz"
    path.write_bytes(path.read_bytes()[:150] if content is None else content)
    with pytest.raises(
        UserError, match=r"part-00002.npz is damaged: remove it and build again"
    ):
        train_table(TINY, tmp_path)


def test_a_part_without_a_split_is_refused(few, tmp_path):
    train_table(TINY, tmp_path)
    np.savez(tmp_path / "part-00002.npz", valid=np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(UserError, match=r"part-00002.npz is damaged"):
        train_table(TINY, tmp_path)


def test_a_folder_that_cannot_be_written(few, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write"):
        train_table(TINY, tmp_path / "file" / "x")


SIGMAS = 5
"""How many standard deviations a mean may differ by: chance exceeds them once in a
million times.
"""
NEIGHBOURS = 200
"""Classes of about equal accuracy from which the deviation between seeds is taken: four
seeds of one class are few.
"""


def deviation(recorded, place):
    """Return the standard deviation between seeds of classes about as accurate as that at `place`, in points.

    Args:
        recorded: accuracies in percent, shaped (classes, seeds).
        place: a row of it.
    """
    means = recorded.mean(axis=1)
    nearest = np.argsort(np.abs(means - means[place]))[:NEIGHBOURS]
    variances = recorded[nearest].var(axis=1, ddof=1)
    return float(np.sqrt(variances.mean()))


@pytest.mark.slow
@pytest.mark.parametrize("split", ["valid", "test"])
def test_cells_of_the_built_in_table_are_trained_to_its_accuracies(retrained, split):
    """Another processor sums floats in another order, and ten epochs make of that what another seed would.

    So means of all seeds are compared, in units of the deviation between seeds that the
    table itself shows.
    """
    recorded, found = retrained[split]
    seeds = recorded.shape[1]
    differences, errors = [], []
    for place, accuracies in found.items():
        differences.append(accuracies.mean() - recorded[place].mean())
        errors.append(deviation(recorded, place) * np.sqrt(2 / seeds))
    assert np.all(np.abs(differences) <= SIGMAS * np.array(errors)), (
        differences,
        errors,
    )
    error_of_mean = np.sqrt(np.square(errors).sum()) / len(errors)
    assert abs(np.mean(differences)) <= SIGMAS * error_of_mean, (differences, errors)
    assert (
        SIGMAS * error_of_mean < recorded.mean(axis=1).std() / 2
    )  # cells differ by more than is allowed


@pytest.fixture(scope="module")
def retrained():
    """By split: the recorded accuracies, (classes, seeds), and by row of them those of a training made now."""
    path = builtin_path("nb201-digits")
    if not path.is_file():
        pytest.skip(
            "the table nb201-digits has not been built yet: archselect truth build nb201-digits"
        )
    recipe, table = RECIPES["nb201-digits"], TruthTable.open(path)
    images = load_recipe_images(recipe)
    space = get_space(recipe.space)
    splits = ("valid", "test")
    recorded = {}
    for split in splits:
        trials = (
            table.lookup(cell, recipe.dataset, split, recipe.epochs)
            for cell in space.representatives
        )
        recorded[split] = np.array([trial.accuracies for trial in trials])
    order = np.argsort(recorded["test"].mean(axis=1))
    found = {split: {} for split in splits}
    for share in (0.6, 0.8, 0.95):  # better cells deviate less between seeds
        place = int(order[int(share * len(order))])
        right = train_replicas(
            recipe, space, space.representatives[place], images, range(recipe.seeds)
        )
        for split in splits:
            found[split][place] = 100 * right[split] / len(images.index(split))
    return {split: (recorded[split], found[split]) for split in splits}
