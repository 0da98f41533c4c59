"""The numbers that docs/surrogates.md states of fits are those that fits give, here and now."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.features import features
from archselect.nasbench_adapters.truth.fitting import FOLDS, distinct
from archselect.nasbench_adapters.truth.forms import FORMS
from archselect.nasbench_adapters.truth.plain_csv import PlainColumns, import_plain
from archselect.nasbench_adapters.truth.validation import agreement, cross_validated

PAGE = (Path(__file__).parents[3] / "docs" / "surrogates.md").read_text(
    encoding="utf-8"
)
KEY = ("cifar10", "valid", 100)
NEAR = 0.01
"""Another version of scikit-learn, or another processor, may grow slightly other trees.
"""


def stated(*words):
    """The numbers of the first table row that begins with these words."""
    begins = "| " + " | ".join(words) + " |"
    row = next(line for line in PAGE.splitlines() if line.startswith(begins))
    return [
        float(number) for number in re.findall(r"\d+\.\d+", row.removeprefix(begins))
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("form", "row"), [("line", "line (kept)"), ("trees", "trees")])
def test_the_500_cells(shared_file, form, row):
    columns = PlainColumns("genotype", "surrogate_val_accuracy", *KEY)
    table = import_plain(
        shared_file("darts_surrogate_cells.csv"), "cells", columns, space="darts"
    )
    rows, accuracies = distinct(table, *KEY)
    found = agreement(
        cross_validated(table.space, rows, accuracies, form), accuracies, FOLDS
    )
    numbers = [
        getattr(found, f"{name}{end}")
        for name in ("tau", "best")
        for end in ("", "_low", "_high")
    ]
    assert [*numbers, found.spearman, found.rmse] == pytest.approx(
        stated(row), abs=NEAR
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_500_classes_of_the_digits(form):
    try:
        table, key = open_truth("nb201-digits"), ("digits", "test", 10)
    except UserError as error:
        pytest.skip(str(error))
    rows, accuracies = distinct(table, *key)
    encoded, taus = features(table.space, rows), []
    for draw in range(5):
        order = np.random.default_rng(draw).permutation(len(rows))
        some, rest = order[:500], order[500:]
        model = FORMS[form](table.space, encoded[some], accuracies[some])
        predicted = model.predict(encoded[rest])
        taus.append(kendalltau(predicted, accuracies[rest]).statistic)
    assert np.mean(taus) == pytest.approx(stated("digits", "500", form)[0], abs=NEAR)
