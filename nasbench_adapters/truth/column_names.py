"""Hints for a column that a ground truth does not have.

The hints treat data set, split and epochs one by one. A hint never changes one part to
fit another: `cifar10`/`x-valid` does not lead to `cifar100`/`x-valid`. This file does
not import torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archselect.nasbench_adapters.errors import UserError, fold_spelling, nearest
from archselect.nasbench_adapters.truth.ground_truth import ColumnKey

DATASET_ALIASES = {"imagenet16": "ImageNet16-120", "c10": "cifar10", "c100": "cifar100"}
"""Common short names of data sets, for hints.

Other spellings, such as `CIFAR-10`, need no entry.
"""
VALIDATION = {"valid", "validation", "val", "xvalid"}
"""Names of splits for selection, without hyphens."""
TEST = {"test", "testing", "xtest", "oritest"}
"""Names of splits for reported accuracies, without hyphens."""
EXACT = {"xvalid", "xtest", "oritest"}
"""Splits of NAS-Bench-201, which name an exact set of images.

The other names only tell the purpose of a split.
"""
CIFAR10 = "cifar10"
HALF_OF_CIFAR10 = "cifar10-valid"
HALVES = (
    f"'{HALF_OF_CIFAR10}' is another training set: its networks are trained on half of {CIFAR10}'s training images, "
    "and x-valid is the other half"
)
PARTS = "ori-test of CIFAR-100 and ImageNet16-120 is x-valid and x-test together"


def missing_column(
    truth: str, keys: Sequence[ColumnKey], dataset: str, split: str, epochs: int
) -> UserError:
    """Return the error for a missing column, with the column that was probably meant.

    Args:
        truth: name of the ground truth.
        keys: keys of all its columns.
        dataset: the wanted data set.
        split: the wanted split.
        epochs: the wanted number of epochs.
    """
    asked = ColumnKey(dataset, split, epochs)
    hint = "; ".join(_hints(keys, asked)).replace("?; ", "? ")
    return UserError(
        f"truth '{truth}' has no {dataset}/{split} at {describe_epochs([epochs])}: {hint}"
    )


def describe_epochs(epochs: Sequence[int]) -> str:
    """Return numbers of epochs for messages: "1 epoch", "12 or 200 epochs"."""
    numbers = sorted(set(epochs))
    if numbers == [1]:
        return "1 epoch"
    *first, last = map(str, numbers)
    if not first:
        return f"{last} epochs"
    return f"{', '.join(first)} or {last} epochs"


def _hints(keys: Sequence[ColumnKey], asked: ColumnKey) -> list[str]:
    """Return hints on the data set; if that is clear, also on split and epochs."""
    datasets = _distinct(key.dataset for key in keys)
    if not datasets:
        return ["it has no columns"]
    meant = nearest(asked.dataset, datasets, DATASET_ALIASES)
    if meant is None:
        hints = [f"it has the data set{_plural(datasets)} {', '.join(datasets)}"]
        if _is_other_half(asked.dataset, datasets):
            hints.append(HALVES)
        return hints
    hints = []
    if meant != asked.dataset:
        hints.append(f"did you mean the data set '{meant}'?")
    keys_of_dataset = [key for key in keys if key.dataset == meant]
    return hints + _split_hints(keys_of_dataset, asked, datasets)


def _split_hints(
    keys: Sequence[ColumnKey], asked: ColumnKey, datasets: Sequence[str]
) -> list[str]:
    """Return hints on the split and the epochs.

    Args:
        keys: keys of the columns of the data set that was meant.
        asked: the wanted column.
        datasets: all data sets of the ground truth.
    """
    dataset = keys[0].dataset
    splits = _distinct(key.split for key in keys)
    meant = _meant_split(asked.split, splits)
    hints = []
    if meant is not None and meant != asked.split:
        hints.append(f"did you mean the split '{meant}'?")
    if meant != asked.split:
        hints.append(f"'{dataset}' has the split{_plural(splits)} {', '.join(splits)}")
    if meant is None:
        hints += _split_explanations(asked.split, dataset, datasets, splits)
    column = dataset if meant is None else f"{dataset}/{meant}"
    epochs = [key.epochs for key in keys if meant in (None, key.split)]
    if asked.epochs not in epochs:
        hints.append(f"it has {column} at {describe_epochs(epochs)}")
    return hints


def _split_explanations(
    split: str, dataset: str, datasets: Sequence[str], splits: Sequence[str]
) -> list[str]:
    """Return the reasons why a data set of NAS-Bench-201 does not have a split."""
    explanations = []
    if fold_spelling(split) in VALIDATION and _is_other_half(dataset, datasets):
        explanations.append(HALVES)
    if fold_spelling(split) == "oritest" and "x-test" in splits:
        explanations.append(PARTS)
    return explanations


def _meant_split(split: str, splits: Sequence[str]) -> str | None:
    """Return the split that was meant by a name; None if that is not clear."""
    spelled = nearest(split, splits)
    if spelled is not None:
        return spelled
    name = fold_spelling(split)
    for purpose in (VALIDATION, TEST):
        if name in purpose:
            same = [other for other in splits if _may_be_same(name, other, purpose)]
            return same[0] if len(same) == 1 else None
    return None


def _may_be_same(name: str, other: str, purpose: set[str]) -> bool:
    """Return whether two splits have the same purpose and may be the same images."""
    if fold_spelling(other) not in purpose:
        return False
    # Two of NAS-Bench-201's splits are never the same images.
    return not {name, fold_spelling(other)} <= EXACT


def _is_other_half(dataset: str, datasets: Sequence[str]) -> bool:
    """Return whether cifar10 or cifar10-valid is wanted and only the other exists."""
    others = {
        fold_spelling(CIFAR10): HALF_OF_CIFAR10,
        fold_spelling(HALF_OF_CIFAR10): CIFAR10,
    }
    return others.get(fold_spelling(dataset)) in datasets


def _distinct(names: Iterable[str]) -> list[str]:
    """Return distinct names, in the order of their first occurrence."""
    return list(dict.fromkeys(names))


def _plural(things: Sequence[object]) -> str:
    """Return "s" for several things, else ""."""
    return "s" if len(things) > 1 else ""
