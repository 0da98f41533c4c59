import json
from dataclasses import replace

import numpy as np
import pytest
from support.made_surrogates import AGREEMENT, KEY, made_surrogate

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.choices import canonical_rows
from archselect.nasbench_adapters.truth.features import feature_names, features
from archselect.nasbench_adapters.truth.ground_truth import MEASURED
from archselect.nasbench_adapters.truth.landscape import landscape, rank
from archselect.nasbench_adapters.truth.surrogate import (
    ENCODINGS,
    SCHEMA,
    Encoding,
    LineAndTrees,
    Surrogate,
)
from archselect.nasbench_adapters.truth.trees import LEAF, Trees


@pytest.fixture
def path(tmp_path):
    made_surrogate()[0].save(tmp_path / "s.npz")
    return tmp_path / "s.npz"


@pytest.mark.parametrize("name", ["nb201", "darts", "s2", "nb101"])
def test_a_line_and_trees_add_up(name):
    surrogate, cells, weights, _ = made_surrogate(name)
    for cell, predicted in zip(cells, surrogate.predict(cells), strict=True):
        (row,) = features(surrogate.space, canonical_rows(surrogate.space, [cell]))
        expected = (
            60
            + row @ weights
            + (1.5 if row[3] <= 0.5 else -1.5)
            + (2.0 if row[9] <= 0.5 else 4.0)
        )
        assert predicted == pytest.approx(expected, abs=1e-4)
        assert surrogate.lookup(cell, *KEY).accuracies == (round(predicted, 9),)


def test_predictions_are_accuracies():
    assert made_surrogate(intercept=500.0)[0].predict(made_surrogate()[1]).tolist() == [
        100.0
    ] * len(made_surrogate()[1])
    assert made_surrogate(intercept=-500.0)[0].predict(
        made_surrogate()[1]
    ).tolist() == [0.0] * len(made_surrogate()[1])


def test_what_is_saved_is_opened(path):
    surrogate, cells, _, table = made_surrogate()
    opened = open_truth(str(path))
    assert isinstance(opened, Surrogate) and opened.checksum == surrogate.checksum
    assert np.array_equal(opened.predict(cells), surrogate.predict(cells))
    assert (opened.agreement, opened.details, opened.origin) == (
        AGREEMENT,
        {"x": 1},
        "made by a test",
    )
    assert opened.reference.checksum == table.checksum
    assert str(landscape(opened, *KEY)) == str(
        landscape(table, *KEY)
    )  # as text: some oracles are nan
    opened.save(path.with_name("again.npz"))
    assert path.with_name("again.npz").read_bytes() == path.read_bytes()


def test_ranks_are_among_the_table(path):
    surrogate, _, _, table = made_surrogate()
    rng = np.random.default_rng(1)
    means = table.means(*KEY)
    for _ in range(10):
        cell = surrogate.space.sample(rng)
        own = surrogate.predict([cell])[0]
        assert rank(surrogate, cell, *KEY) == (
            1 + sum(mean > own for mean in means),
            len(means),
        )


def test_every_use_says_what_it_is(path):
    surrogate = open_truth(str(path))
    for part in (
        "predicted by a surrogate",
        "5-fold",
        "40 architectures",
        "0.700 [0.600, 0.800]",
        "RMSE 1.50 [1.00",
    ):
        assert part in surrogate.describe_provenance()
    assert (
        "not measured here" in made_surrogate(agreement=None)[0].describe_provenance()
    )


def test_another_column_is_refused(path):
    cell = made_surrogate()[1][0]
    with pytest.raises(
        UserError, match=r"truth 't' has no d/s at 6 epochs: it has d/s at 5 epochs"
    ):
        open_truth(str(path)).lookup(cell, "d", "s", 6)


def test_a_sub_space_is_asked_in_its_own_words():
    surrogate, _, _, _ = made_surrogate("nb101", count=4000)
    sub, rng = get_space("nb1shot1-1"), np.random.default_rng(2)
    part = surrogate.within(sub)
    assert part.space.name == "nb1shot1-1" and part.checksum != surrogate.checksum
    assert part.reference.space.name == "nb1shot1-1"
    cells = [sub.sample(rng) for _ in range(5)]
    assert np.array_equal(
        part.predict(cells), surrogate.predict([sub.in_truth(cell) for cell in cells])
    )
    assert surrogate.within(surrogate.space) is surrogate
    assert surrogate.covers(sub) and not surrogate.covers(get_space("darts"))
    with pytest.raises(UserError, match="does not cover darts"):
        surrogate.within(get_space("darts"))


def contents(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def test_no_flipped_bit_goes_unnoticed(path):
    whole, cells = path.read_bytes(), made_surrogate()[1][:3]
    expected = Surrogate.open(path).predict(cells)
    refused = 0
    for position in range(0, len(whole), 29):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            assert np.array_equal(Surrogate.open(path).predict(cells), expected)
        except UserError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > len(whole) / 29 / 2


def test_truncated_foreign_and_newer_files(path, tmp_path, canary):
    whole = path.read_bytes()
    for size in range(0, len(whole), 400):
        path.write_bytes(whole[:size])
        for opened in (Surrogate.open, open_truth):
            with pytest.raises(UserError, match=r"s\.npz is no"):
                opened(str(path))
    path.write_bytes(whole)
    np.savez(
        tmp_path / "h.npz",
        surrogate=np.array([canary], dtype=object),
        allow_pickle=True,
    )
    with pytest.raises(UserError, match="not a surrogate, or damaged"):
        open_truth(str(tmp_path / "h.npz"))
    assert not canary.path.exists()
    with pytest.raises(UserError, match="no surrogate at"):
        Surrogate.open(tmp_path / "missing.npz")
    content = contents(path)
    header = json.loads(content["surrogate"].tobytes())
    for change, message in (
        ({"schema": SCHEMA + 1}, "has schema"),
        ({"name": "other", "intercept": 1.0}, "damaged"),
    ):
        text = json.dumps(header | change).encode()
        np.savez(path, **(content | {"surrogate": np.frombuffer(text, dtype=np.uint8)}))
        with pytest.raises(UserError, match=message):
            Surrogate.open(path)


def test_an_exchanged_array_is_noticed(path):
    content = contents(path)
    for name in ("weights", "trees_value", "table_choices", "table_column0"):
        changed = content[name].copy()
        changed.flat[0] += 1
        np.savez(path, **(content | {name: changed}))
        with pytest.raises(UserError, match="not a surrogate, or damaged"):
            Surrogate.open(path)


def test_features_of_another_version_are_refused(path, monkeypatch):
    """Weights are meaningless for other features."""
    encoding = Encoding(lambda space: [*feature_names(space)[1:], "new"], features)
    monkeypatch.setitem(ENCODINGS, "archselect", encoding)
    with pytest.raises(
        UserError, match="other features than this version has: fit the surrogate again"
    ):
        Surrogate.open(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["intercept", "weights", "agreement", "leaf"])
def test_a_number_that_is_not_finite_is_refused(tmp_path, where, value):
    """Though the checksum fits, which anyone can make: the surrogate would predict no accuracy."""
    path = tmp_path / "s.npz"
    _, _, weights, table = made_surrogate()
    trees = Trees.join(
        [
            {
                "feature": [LEAF],
                "threshold": [0],
                "left": [0],
                "right": [0],
                "value": [1.0],
            }
        ]
    )
    if where == "leaf":
        trees.value[0] = value
    if where == "weights":
        weights[1] = value
    Surrogate.build(
        name="mine",
        encoding="archselect",
        model=LineAndTrees(value if where == "intercept" else 60.0, weights, trees),
        table=table,
        origin="made by a test",
        licence="MIT",
        agreement=replace(AGREEMENT, tau=value) if where == "agreement" else AGREEMENT,
        details={},
        provenance=MEASURED,
    ).save(path)
    with pytest.raises(UserError, match=f"{path} is not a surrogate, or damaged"):
        Surrogate.open(path)
