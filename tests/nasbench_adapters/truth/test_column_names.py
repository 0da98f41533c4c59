"""A column that a truth does not have: data set, split and epochs are hinted at each by itself."""

import pytest

from archselect.nasbench_adapters.truth.column_names import missing_column
from archselect.nasbench_adapters.truth.ground_truth import ColumnKey

NB201 = [
    ("cifar10-valid", "x-valid", 200),
    ("cifar10-valid", "ori-test", 200),
    ("cifar10", "ori-test", 12),
    ("cifar10", "ori-test", 200),
    ("cifar100", "x-valid", 200),
    ("cifar100", "x-test", 200),
    ("ImageNet16-120", "x-valid", 200),
    ("ImageNet16-120", "x-test", 200),
]


def hint(dataset, split, epochs, keys=NB201):
    text = str(
        missing_column("t", [ColumnKey(*key) for key in keys], dataset, split, epochs)
    )
    start = f"truth 't' has no {dataset}/{split} at "
    assert text.startswith(start)
    return text[len(start) :].partition(": ")[2]


def test_the_training_set_of_half_the_images_is_told_apart():
    text = hint("cifar10", "x-valid", 200)
    assert "'cifar10' has the split ori-test" in text
    assert (
        "'cifar10-valid' is another training set" in text
        and "half of cifar10's training images" in text
    )
    assert "cifar100" not in text and "did you mean" not in text


@pytest.mark.parametrize("asked", ["cifar10", "cifar10-valid"])
def test_one_of_the_two_training_sets_is_never_taken_for_the_other(asked):
    other = {"cifar10": "cifar10-valid", "cifar10-valid": "cifar10"}[asked]
    text = hint(
        asked, "x-valid", 200, [(other, "x-valid", 200), ("cifar100", "x-valid", 200)]
    )
    assert (
        f"it has the data sets {other}, cifar100" in text
        and "another training set" in text
    )
    assert "did you mean" not in text


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("CIFAR-10", "cifar10"),
        ("cifar 10", "cifar10"),
        ("Cifar10", "cifar10"),
        ("CIFAR100", "cifar100"),
        ("ImageNet16", "ImageNet16-120"),
        ("imagenet-16-120", "ImageNet16-120"),
        ("cifar10_valid", "cifar10-valid"),
        ("cifra10", "cifar10"),
    ],
)
def test_data_sets_by_their_other_spellings(asked, meant):
    text = hint(asked, "ori-test" if meant.startswith("cifar10") else "x-test", 200)
    assert text.startswith(f"did you mean the data set '{meant}'?")
    others = {key[0] for key in NB201} - {meant}
    assert not any(f"'{other}'?" in text for other in others)


@pytest.mark.parametrize(
    "asked", ["cifar1", "cifar1000", "mnist", "imagenet", "cifar", "ImageNet32-120", ""]
)
def test_another_data_set_is_met_with_the_list(asked):
    assert (
        hint(asked, "x-test", 200)
        == "it has the data sets cifar10-valid, cifar10, cifar100, ImageNet16-120"
    )


@pytest.mark.parametrize(
    ("dataset", "asked", "meant"),
    [
        ("cifar100", "valid", "x-valid"),
        ("cifar100", "validation", "x-valid"),
        ("cifar100", "x_valid", "x-valid"),
        ("cifar100", "XValid", "x-valid"),
        ("cifar100", "test", "x-test"),
        ("cifar10", "test", "ori-test"),
        ("cifar10-valid", "test", "ori-test"),
        ("cifar10-valid", "x-vaild", "x-valid"),
        ("cifar100", "ori-test", None),
        ("cifar10", "x-test", None),
        ("cifar10", "valid", None),
        ("cifar100", "train", None),
    ],
)
def test_splits_of_the_data_set(dataset, asked, meant):
    text = hint(dataset, asked, 200)
    splits = ", ".join(dict.fromkeys(key[1] for key in NB201 if key[0] == dataset))
    assert ("did you mean" in text) == (meant is not None)
    if meant is not None:
        assert text.startswith(f"did you mean the split '{meant}'?")
    assert f"'{dataset}' has the split" in text and splits in text
    assert "at 200 epochs" not in text


def test_what_the_whole_test_set_is_made_of():
    assert (
        "ori-test of CIFAR-100 and ImageNet16-120 is x-valid and x-test together"
        in hint("cifar100", "ori-test", 200)
    )


def test_general_and_exact_names_of_splits():
    keys = [("cifar10", "valid", 108), ("cifar10", "test", 108)]
    assert hint("cifar10", "x-valid", 108, keys).startswith(
        "did you mean the split 'valid'?"
    )
    assert hint("cifar10", "ori-test", 108, keys).startswith(
        "did you mean the split 'test'?"
    )
    both = [("d", "x-test", 1), ("d", "ori-test", 1)]
    assert hint("d", "test", 1, both) == "'d' has the splits x-test, ori-test"


def test_horizons_of_the_column():
    assert (
        hint("cifar10", "ori-test", 100)
        == "it has cifar10/ori-test at 12 or 200 epochs"
    )
    assert hint("cifar100", "x-test", 12) == "it has cifar100/x-test at 200 epochs"
    assert hint("d", "s", 2, [("d", "s", 1)]) == "it has d/s at 1 epoch"
    assert (
        hint("d", "s", 2, [("d", "s", 1), ("d", "s", 3), ("d", "s", 30)])
        == "it has d/s at 1, 3 or 30 epochs"
    )


def test_every_part_that_is_wrong_is_named():
    text = hint("CIFAR-10", "test", 100)
    assert text.startswith(
        "did you mean the data set 'cifar10'? did you mean the split 'ori-test'?"
    )
    assert text.endswith("it has cifar10/ori-test at 12 or 200 epochs")


def test_a_truth_without_columns():
    assert hint("cifar10", "x", 1, []) == "it has no columns"
