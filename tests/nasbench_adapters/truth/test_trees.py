import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor

from archselect.nasbench_adapters.truth import trees as trees_module
from archselect.nasbench_adapters.truth.trees import LEAF, Trees, boosted


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(20, 120),
    leaves=st.integers(2, 12),
    rounds=st.integers(1, 12),
    whole=st.booleans(),
)
def test_predicts_what_scikit_learn_predicts(seed, rows, leaves, rounds, whole):
    rng = np.random.default_rng(seed)
    x = (
        rng.integers(-3, 4, (rows, 6)).astype(np.float32)
        if whole
        else rng.normal(size=(rows, 6)).astype(np.float32)
    )
    y = x @ rng.normal(size=6) + rng.normal(size=rows)
    model = HistGradientBoostingRegressor(
        max_iter=rounds, max_leaf_nodes=leaves, min_samples_leaf=2
    ).fit(x, y)
    fitted = boosted(model)
    base = fitted.intercept
    trees = fitted.trees
    new = np.concatenate([x, rng.integers(-5, 6, (50, 6)).astype(np.float32)])
    assert np.allclose(base + trees.predict(new), model.predict(new), rtol=0, atol=1e-9)


def test_large_inputs_are_worked_on_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    model = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5).fit(
        x, x[:, 0]
    )
    trees = boosted(model).trees
    whole = trees.predict(x)
    for chunk in (1, 7, 1500):
        monkeypatch.setattr(trees_module, "CHUNK", chunk)
        assert np.array_equal(trees.predict(x), whole)


def test_no_trees_add_nothing():
    assert np.array_equal(Trees.join([]).predict(np.ones((3, 2))), np.zeros(3))


@pytest.mark.parametrize(("left", "right"), [(0, 2), (1, 0), (1, 3), (1, -1)])
def test_a_tree_that_leads_nowhere_is_refused(left, right):
    """Such a tree could send a row round in circles."""
    tree = {
        "feature": [0, LEAF, LEAF],
        "threshold": [0.5, 0, 0],
        "left": [left, 0, 0],
        "right": [right, 0, 0],
        "value": [0, 1, 2],
    }
    with pytest.raises(ValueError, match="leads nowhere"):
        Trees.join([tree])
    good = Trees.join([tree | {"left": [1, 0, 0], "right": [2, 0, 0]}])
    assert good.predict(np.array([[0.5], [0.6]])).tolist() == [1, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"left": [0, 0, 0]},
        {"right": [3, 0, 0]},
        {"feature": [7, LEAF, LEAF]},
        {"feature": [-2, LEAF, LEAF]},
        {"value": [0.0, 1.0]},
        {"threshold": ["a", "b", "c"]},
        {"left": [1.0, 0.0, 0.0]},
        {"roots": [3]},
    ],
    ids=str,
)
def test_trees_of_a_file_that_lead_nowhere(change):
    """A node that leads back to itself would be walked for ever."""
    arrays = {"roots": [0], "feature": [0, LEAF, LEAF], "threshold": [0.5, 0.0, 0.0]}
    arrays |= {"left": [1, 0, 0], "right": [2, 0, 0], "value": [0.0, 1.0, 2.0]}
    Trees(**{name: np.array(own) for name, own in arrays.items()}).check(7)
    with pytest.raises(ValueError, match="tree"):
        Trees(**{name: np.array(own) for name, own in (arrays | change).items()}).check(
            7
        )


@pytest.mark.parametrize(
    ("name", "value"), [("value", np.nan), ("value", np.inf), ("threshold", np.nan)]
)
def test_numbers_that_are_not_finite_make_no_tree(name, value):
    tree = {
        "feature": [LEAF],
        "threshold": [0.0],
        "left": [0],
        "right": [0],
        "value": [1.0],
    }
    with pytest.raises(ValueError, match="numbers that are not finite"):
        Trees.join([tree | {name: [value]}])
