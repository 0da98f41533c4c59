"""What to say of a column that a truth does not have: hints at its data set, split and epochs, each by itself.

A hint never crosses over from one part to another: `cifar10`/`x-valid` does not lead to
`cifar100`/`x-valid`.
"""

from __future__ import annotations

from collections.abc import Sequence

from archselect.nasbench_adapters.errors import UserError, fold_spelling, nearest

Key = tuple[str, str, int]

DATASET_ALIASES = {"imagenet16": "ImageNet16-120", "c10": "cifar10", "c100": "cifar100"}
"""Usual short names of data sets, for hints; other spellings, such as `CIFAR-10`, need
no entry.
"""
VALIDATION = {"valid", "validation", "val", "xvalid"}
TEST = {"test", "testing", "xtest", "oritest"}
"""Names of splits for one purpose, without hyphens."""
EXACT = {"xvalid", "xtest", "oritest"}
"""Splits of NAS-Bench-201, each of them one set of images; the other names say only
what a split is for.
"""
CIFAR10, HALF_OF_CIFAR10 = "cifar10", "cifar10-valid"
HALVES = (
    f"'{HALF_OF_CIFAR10}' is another training set: its networks are trained on half of {CIFAR10}'s training images, "
    "and x-valid is the other half"
)
PARTS = "ori-test of CIFAR-100 and ImageNet16-120 is x-valid and x-test together"


def missing_column(
    truth: str, keys: Sequence[Key], dataset: str, split: str, epochs: int
) -> UserError:
    """Return the error for a column that is not there, with what is there of the parts that were asked for.

    Args:
        truth: the truth's name.
        keys: (dataset, split, epochs) of all columns that it has.
        dataset, split, epochs: what was asked for.
    """
    clauses = _of_dataset(keys, dataset, split, epochs)
    hint = "; ".join(clauses).replace("?; ", "? ")
    return UserError(
        f"truth '{truth}' has no {dataset}/{split} at {horizons([epochs])}: {hint}"
    )


def horizons(epochs: Sequence[int]) -> str:
    """Return numbers of epochs in words: "1 epoch", "12 or 200 epochs"."""
    ends = sorted(set(epochs))
    if ends == [1]:
        return "1 epoch"
    *first, last = map(str, ends)
    return f"{', '.join(first)} or {last} epochs" if first else f"{last} epochs"


def _of_dataset(
    keys: Sequence[Key], dataset: str, split: str, epochs: int
) -> list[str]:
    datasets = list(dict.fromkeys(key[0] for key in keys))
    if not datasets:
        return ["it has no columns"]
    meant = nearest(dataset, datasets, DATASET_ALIASES)
    if meant is None:
        listed = f"it has the data set{'s' * (len(datasets) > 1)} {', '.join(datasets)}"
        return [listed, HALVES] if _is_other_half(dataset, datasets) else [listed]
    clauses = [] if meant == dataset else [f"did you mean the data set '{meant}'?"]
    return clauses + _of_split(
        [key for key in keys if key[0] == meant], split, epochs, datasets
    )


def _of_split(
    keys: Sequence[Key], split: str, epochs: int, datasets: Sequence[str]
) -> list[str]:
    """Return what to say of the split and epochs; all keys are of the data set that was meant."""
    dataset = keys[0][0]
    splits = list(dict.fromkeys(key[1] for key in keys))
    meant = _meant_split(split, splits)
    clauses = []
    if meant != split:
        if meant is not None:
            clauses.append(f"did you mean the split '{meant}'?")
        clauses.append(
            f"'{dataset}' has the split{'s' * (len(splits) > 1)} {', '.join(splits)}"
        )
    if (
        meant is None
        and fold_spelling(split) in VALIDATION
        and _is_other_half(dataset, datasets)
    ):
        clauses.append(HALVES)
    if meant is None and fold_spelling(split) == "oritest" and "x-test" in splits:
        clauses.append(PARTS)
    ends = [key[2] for key in keys if meant is None or key[1] == meant]
    if epochs not in ends:
        column = dataset if meant is None else f"{dataset}/{meant}"
        clauses.append(f"it has {column} at {horizons(ends)}")
    return clauses


def _meant_split(split: str, splits: Sequence[str]) -> str | None:
    """Return the split that a name stands for, if that is clear."""
    spelled = nearest(split, splits)
    if spelled is not None:
        return spelled
    for purpose in (VALIDATION, TEST):
        if fold_spelling(split) not in purpose:
            continue
        same = [other for other in splits if fold_spelling(other) in purpose]
        # Two of NAS-Bench-201's own splits are never the same images.
        same = [
            other
            for other in same
            if not {fold_spelling(split), fold_spelling(other)} <= EXACT
        ]
        return same[0] if len(same) == 1 else None
    return None


def _is_other_half(dataset: str, datasets: Sequence[str]) -> bool:
    """Return whether one of cifar10 and cifar10-valid was asked for, and the other one is there."""
    others = {
        fold_spelling(CIFAR10): HALF_OF_CIFAR10,
        fold_spelling(HALF_OF_CIFAR10): CIFAR10,
    }
    return others.get(fold_spelling(dataset)) in datasets
