import numpy as np
import pytest
from scipy.stats import kendalltau
from support.truths import KEY, additive, sampled, table_of

from archselect.benchmarks.plan.parameters import count_rows
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth import (
    forms,
    validation,
)
from archselect.nasbench_adapters.truth.choices import flatten
from archselect.nasbench_adapters.truth.features import features
from archselect.nasbench_adapters.truth.fitting import ALONE, distinct, fit_surrogate
from archselect.nasbench_adapters.truth.forms import FORMS
from archselect.nasbench_adapters.truth.ground_truth import PREDICTED
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.trees import BoostedTrees, Trees
from archselect.nasbench_adapters.truth.validation import (
    parameters_alone,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(forms, "ROUNDS", 40)
    monkeypatch.setattr(validation, "RESAMPLES", 100)


@pytest.mark.parametrize("name", ["nb201", "darts", "s1", "s4", "nb101"])
def test_an_additive_truth_is_found_in_every_space(name):
    space, cells = sampled(name, 120)
    truth = additive(space, [space.canonical(cell) for cell in cells])
    surrogate = fit_surrogate(table_of(space, truth), *KEY, "s", folds=3)
    _, new = sampled(name, 60, seed=1)
    worth = additive(space, [space.canonical(cell) for cell in new])
    expected = [worth[space.canonical(cell)] for cell in new]
    assert kendalltau(surrogate.predict(new), expected).statistic > 0.8
    assert surrogate.agreement.tau > 0.8
    assert surrogate.details["form"] in FORMS


def test_trees_are_kept_where_a_line_does_not_do():
    """One operation on one edge ruins a cell whatever else it has: no sum over operations."""
    space, cells = sampled("nb201", 300)
    truth = {
        cell: 20.0 + v / 10 if cell.choices[0][5] in (0, 4) else v
        for cell, v in additive(space, cells).items()
    }
    surrogate = fit_surrogate(table_of(space, truth), *KEY, "s", folds=3)
    assert surrogate.details["form"] == "trees"
    taus = surrogate.details["tau of each form"]
    assert surrogate.agreement.tau == taus["trees"] > taus["line"]


def test_noise_is_not_predicted():
    """Left-out architectures are left out: what nothing explains has no agreement, however well it is learned."""
    space, cells = sampled("darts", 150)
    rng = np.random.default_rng(3)
    accuracies = dict(zip(cells, rng.uniform(80, 95, len(cells)), strict=True))
    surrogate = fit_surrogate(table_of(space, accuracies), *KEY, "s", folds=3)
    assert surrogate.agreement.tau < 0.15
    rows, values = encoded(space, accuracies)
    learned = FORMS["trees"](space, rows, values).predict(rows)
    assert kendalltau(learned, values).statistic > 0.5


def encoded(space, accuracies):
    rows, values = distinct(table_of(space, accuracies), *KEY)
    return features(space, rows), values


def test_cells_of_one_class_are_one_example(nb201):
    """Three members of each of 40 classes are 40 architectures, each with the mean of its members."""
    members = {}
    for cell, canonical in nb201.classes.items():
        members.setdefault(canonical, []).append(cell)
    classes = [canonical for canonical, own in members.items() if len(own) >= 3][:40]
    accuracies = {
        cell: 50.0 + place + step
        for place, c in enumerate(classes)
        for step, cell in enumerate(members[c][:3])
    }
    rows, values = distinct(table_of(nb201, accuracies), *KEY)
    found = dict(zip((row.tobytes() for row in rows), values, strict=True))
    assert found == {
        flatten(c).tobytes(): pytest.approx(51.0 + place)
        for place, c in enumerate(classes)
    }


def test_trials_are_averaged_and_gaps_left_out(nb201):
    stored = nb201.representatives[:50]
    values = np.full((50, 3), np.nan)
    values[:40] = np.random.default_rng(0).uniform(10, 90, (40, 3)).round(2)
    values[:20, 2] = np.nan
    table = TruthTable.build(
        name="t",
        space="nb201",
        choices=np.array([flatten(a) for a in stored]),
        columns={KEY: (("0", "1", "2"), values)},
        origin="a test",
        licence="MIT",
        canonical_only=True,
    )
    rows, means = distinct(table, *KEY)
    assert np.array_equal(rows, table.architectures[:40])
    assert means == pytest.approx(np.nanmean(values[:40], axis=1), abs=1e-5)


def test_the_same_table_gives_the_same_surrogate():
    space, cells = sampled("s2", 60)
    first, second = (
        fit_surrogate(table_of(space, additive(space, cells)), *KEY, "s", folds=3)
        for _ in range(2)
    )
    assert first.checksum == second.checksum


def test_where_the_numbers_are_from_is_passed_on():
    space, cells = sampled("s2", 60)
    surrogate = fit_surrogate(
        table_of(space, additive(space, cells), PREDICTED), *KEY, "s", folds=3
    )
    assert surrogate.provenance == surrogate.reference.provenance == PREDICTED
    assert (
        "themselves predicted" in surrogate.origin
        and "themselves predicted" in surrogate.describe_provenance()
    )
    assert surrogate.details["table"]["name"] == "t"


def test_what_cannot_be_fitted_is_said():
    space, cells = sampled("s2", 29)
    with pytest.raises(
        UserError,
        match="29 distinct architectures on d/s at 5 epochs: a surrogate needs at least 30",
    ):
        fit_surrogate(table_of(space, additive(space, cells)), *KEY, "s")
    space, cells = sampled("s2", 40)
    with pytest.raises(UserError, match="the same accuracy for all"):
        fit_surrogate(table_of(space, dict.fromkeys(cells, 50.0)), *KEY, "s")
    with pytest.raises(UserError, match="has no d/s at 6 epochs"):
        fit_surrogate(table_of(space, additive(space, cells)), "d", "s", 6, "s")


def test_a_library_that_keeps_its_trees_otherwise_is_noticed(monkeypatch):
    space, cells = sampled("s2", 40)
    table = table_of(space, additive(space, cells))

    def shifted(model):
        return BoostedTrees(1.0, Trees.join([]))

    def gone(model):
        raise AttributeError("_predictors")

    for broken in (shifted, gone):
        monkeypatch.setattr(forms, "boosted", broken)
        with pytest.raises(
            UserError,
            match=r"scikit-learn .* stores its trees in an unknown form",
        ):
            fit_surrogate(table, *KEY, "s", folds=3)


def test_a_surrogate_is_compared_with_parameters_alone():
    space, cells = sampled("nb201", 120)
    truth = additive(space, [space.canonical(cell) for cell in cells])
    counted = []

    def count(of_space, rows):
        counted.append((of_space.name, len(rows)))
        return rows[:, 0].astype(int)

    surrogate = fit_surrogate(
        table_of(space, truth), *KEY, "s", folds=3, parameters=count
    )
    rows, accuracies = distinct(table_of(space, truth), *KEY)
    assert counted == [("nb201", len(rows))]
    assert surrogate.details[ALONE] == parameters_alone(
        rows[:, 0].astype(int), accuracies, 3
    )

    def refuse(of_space, rows):
        raise UserError("no networks")

    undefined = fit_surrogate(
        table_of(space, truth), *KEY, "s", folds=3, parameters=refuse
    )
    assert undefined.details[ALONE] == {"undefined": "no networks"}
    equal = fit_surrogate(
        table_of(space, truth),
        *KEY,
        "s",
        folds=3,
        parameters=lambda s, rows: np.ones(len(rows)),
    )
    assert "same number of parameters" in equal.details[ALONE]["undefined"]
    assert (
        ALONE not in fit_surrogate(table_of(space, truth), *KEY, "s", folds=3).details
    )


def by_parameters(space, cells, noise, seed=0):
    counts = count_rows(space, np.array([flatten(cell) for cell in cells]))
    rng = np.random.default_rng(seed)
    values = 60 + 20 * counts / counts.max() + rng.normal(0, noise, len(cells))
    return dict(zip(cells, values, strict=True))


def test_the_command_says_what_a_surrogate_adds(archselect, tmp_path):
    space, cells = sampled("s2", 60)
    cells = list(dict.fromkeys(space.canonical(cell) for cell in cells))
    table_of(space, by_parameters(space, cells, noise=0.01)).save(tmp_path / "size.npz")
    code, out, _ = archselect("truth", "fit", tmp_path / "size.npz", "--name", "size")
    assert (
        code == 0
        and "Parameters alone (networks of channels 36, layers 20), on the same folds: Kendall's"
        in out
    )
    assert (
        "The surrogate is not better than parameters alone: its interval does not exceed"
        in out
    )
    nb201, more = sampled("nb201", 300)
    table_of(nb201, additive(nb201, [nb201.canonical(cell) for cell in more])).save(
        tmp_path / "sum.npz"
    )
    code, out, _ = archselect("truth", "fit", tmp_path / "sum.npz", "--name", "sum")
    assert code == 0 and "The surrogate's interval lies above it." in out
    code, out, err = archselect("truth", "fit", tmp_path / "sum.npz", "--name", "sum")
    assert (code, out) == (
        2,
        "",
    ) and "there is a surrogate 'sum' already: add --replace" in err
    assert (
        archselect("truth", "fit", tmp_path / "sum.npz", "--name", "sum", "--replace")[
            0
        ]
        == 0
    )
