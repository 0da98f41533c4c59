import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from archselect.nasbench_adapters.truth import validation
from archselect.nasbench_adapters.truth.choices import flatten
from archselect.nasbench_adapters.truth.forms import FORMS
from archselect.nasbench_adapters.truth.surrogate import LineAndTrees
from archselect.nasbench_adapters.truth.trees import Trees
from archselect.nasbench_adapters.truth.validation import (
    agreement,
    cross_validated,
    parameters_alone,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(validation, "RESAMPLES", 100)


def test_every_architecture_is_predicted_without_itself(nb201, monkeypatch):
    """A form that remembers what it was given, and predicts 0 for anything else."""
    rows = np.array([flatten(cell) for cell in nb201.representatives[:60]])
    values = np.linspace(10, 90, 60)
    seen = []

    def remember(space, encoded, accuracies):
        seen.append(set(accuracies.tolist()))
        return LineAndTrees(0.0, np.zeros(encoded.shape[1]), Trees.join([]))

    monkeypatch.setitem(FORMS, "memory", remember)
    assert cross_validated(nb201, rows, values, "memory", 6).tolist() == [0.0] * 60
    assert all(len(given) == 50 for given in seen)
    assert all(
        sum(value not in given for given in seen) == 1 for value in values.tolist()
    )


def test_agreement_is_what_scipy_says():
    rng = np.random.default_rng(4)
    truth = rng.uniform(50, 90, 200).round(1)
    predicted = truth + rng.normal(0, 5, 200)
    found = agreement(predicted, truth, 7)
    assert (found.architectures, found.folds) == (200, 7)
    assert found.tau == pytest.approx(kendalltau(predicted, truth).statistic, abs=1e-12)
    assert found.spearman == pytest.approx(
        spearmanr(predicted, truth).statistic, abs=1e-12
    )
    assert found.rmse == pytest.approx(np.sqrt(((predicted - truth) ** 2).mean()))
    tenth = np.argsort(-truth, kind="stable")[:20]
    assert found.best == pytest.approx(
        kendalltau(predicted[tenth], truth[tenth]).statistic, abs=1e-12
    )
    assert agreement(predicted[:199], truth[:199], 7).best is None
    for name in ("tau", "spearman", "rmse", "best"):
        low, value, high = (
            getattr(found, f"{name}{end}") for end in ("_low", "", "_high")
        )
        assert low < value < high
    assert found == agreement(predicted, truth, 7)


def test_the_interval_is_as_wide_as_the_spread_of_repeated_draws():
    """95 % of the taus of fresh draws of 100 lie, on average, in an interval of such a width."""
    rng = np.random.default_rng(5)

    def draw():
        truth = rng.normal(60, 5, 100)
        return truth + rng.normal(0, 4, 100), truth

    taus = [kendalltau(*draw()).statistic for _ in range(300)]
    found = agreement(*draw(), 10)
    assert found.tau_high - found.tau_low == pytest.approx(
        np.diff(np.quantile(taus, [0.025, 0.975]))[0], rel=0.35
    )


def test_parameters_alone_are_judged_on_the_same_folds():
    """Without a fit the pooled order is that of the parameters; fewer may be better."""
    rng = np.random.default_rng(6)
    accuracies = rng.uniform(50, 90, 200)
    parameters = (1_000 * accuracies + rng.normal(0, 8_000, 200)).round()
    more = parameters_alone(parameters, accuracies, 10)
    assert more["tau"] == pytest.approx(kendalltau(parameters, accuracies).statistic)
    assert more["tau_low"] < more["tau"] < more["tau_high"]
    assert parameters_alone(-parameters, accuracies, 10) == pytest.approx(more)
    noise = parameters_alone(rng.permutation(200), accuracies, 10)
    assert noise["tau"] < 0.1
