"""NAS-Bench-301's form. The boosters in `nb301/` were fitted and pickled by the XGBoost
their folder names, on cells that ConfigSpace 0.4.12 encoded as the package nasbench301
does; `predicted.txt` has what that XGBoost itself predicted.
"""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import Surrogate, list_truths, open_truth
from archselect.nasbench_adapters.truth.choices import flatten
from archselect.nasbench_adapters.truth.ground_truth import PREDICTED
from archselect.nasbench_adapters.truth.importing import import_truth
from archselect.nasbench_adapters.truth.landscape import rank
from archselect.nasbench_adapters.truth.nb301_encoding import feature_names, features
from archselect.nasbench_adapters.truth.nb301_file import COLUMN, import_folder
from archselect.nasbench_adapters.truth.plain_csv import PlainColumns, import_plain
from archselect.nasbench_adapters.truth.trees import Trees
from archselect.nasbench_adapters.truth.xgboost_file import read_booster

FOLDER = Path(__file__).parent / "nb301"
VERSIONS = sorted(path.name for path in FOLDER.glob("xgboost-*"))


@pytest.fixture(scope="module")
def darts():
    return get_space("darts")


@pytest.fixture(scope="module")
def cells(darts):
    return [
        darts.parse(line) for line in (FOLDER / "cells.txt").read_text().splitlines()
    ]


@pytest.fixture
def released(tmp_path):
    """A folder that looks like the released one, to be spoiled."""
    return Path(shutil.copytree(FOLDER / "xgboost-1.2.1", tmp_path / "xgb_v1.0"))


def test_boosters_of_the_time_are_at_hand():
    """Binary without header, binary with it, JSON."""
    assert VERSIONS == ["xgboost-0.90", "xgboost-1.2.1", "xgboost-1.4.2"]


@pytest.mark.parametrize("version", VERSIONS)
def test_predicts_what_xgboost_itself_predicts(cells, version):
    surrogate = import_folder(FOLDER / version, "nb301")
    members = np.loadtxt(FOLDER / version / "predicted.txt")
    assert (
        np.abs(surrogate.predict(cells) - members.mean(axis=1)).max() < 3e-5
    )  # XGBoost adds in single precision
    assert np.ptp(members.mean(axis=1)) > 1


def test_single_members(darts, cells):
    encoded = features(darts, np.stack([flatten(cell) for cell in cells]))
    for version in VERSIONS:
        members = np.loadtxt(FOLDER / version / "predicted.txt").T
        for place, expected in enumerate(members):
            path = (
                FOLDER / version / f"ensemble_member_{place}" / "surrogate_model.model"
            )
            base, columns, trees = read_booster(path, "x")
            assert columns == encoded.shape[1] == len(feature_names(darts)) == 56
            assert len(trees) == 6
            assert (
                np.abs(base + Trees.join(trees).predict(encoded) - expected).max()
                < 3e-5
            )


def test_what_the_surrogate_says_of_itself(cells):
    surrogate = import_folder(FOLDER / "xgboost-1.2.1", "nb301")
    assert surrogate.space.name == "darts" and surrogate.agreement is None
    assert (
        "not measured here" in surrogate.describe_provenance()
        and "2 members" in surrogate.origin
    )
    (column,) = surrogate.columns
    assert column.key == COLUMN == ("cifar10", "valid", 100)
    assert surrogate.reference.provenance == PREDICTED
    place, of = rank(surrogate, cells[0], *COLUMN)
    predicted = surrogate.predict(cells[:1])[0]
    assert of == len(surrogate.reference) >= 990
    assert place == 1 + int(
        (surrogate.reference.means(*COLUMN) > round(predicted, 9)).sum()
    )


def test_through_the_front_door(released, cells):
    (listed,) = [t for t in list_truths() if t.name == "nb301"]
    assert (
        not listed.present
        and "xgb_v1.0" in listed.summary
        and "truth import" in listed.command
    )
    with pytest.raises(
        UserError, match=r"not there yet: archselect truth import .*xgb_v1\.0"
    ):
        open_truth("nb301")
    import_truth(released, name="nb301")
    opened = open_truth("nb301")
    assert isinstance(opened, Surrogate)
    assert np.array_equal(
        opened.predict(cells), import_folder(released, "x").predict(cells)
    )
    (listed,) = [t for t in list_truths() if t.name == "nb301"]
    assert listed.present and "predicted by a surrogate" in listed.summary
    with pytest.raises(UserError, match="the format nb301 holds darts only, not s1"):
        import_truth(released, name="x", space="s1")


def model(folder):
    return folder / "ensemble_member_1" / "surrogate_model.model"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("lgb_time", "predicts run time, not accuracy"),
        ("gnn_gin", "reads only the ensemble xgb"),
    ],
)
def test_other_models_are_refused(released, kind, message):
    (model(released).parent / "model_config.json").write_text(
        json.dumps({"model": kind})
    )
    with pytest.raises(UserError, match=message):
        import_folder(released, "x")


def test_a_folder_without_models_says_what_is_needed(tmp_path):
    with pytest.raises(
        UserError,
        match=r"holds no surrogate_model\.model: name the unpacked folder xgb_v1\.0",
    ):
        import_folder(tmp_path, "x")


def test_damaged_models_are_refused(released):
    path = model(released)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"surrogate_model\.model"):
            import_folder(released, "x")


def test_a_flipped_byte_never_runs_wild(released):
    """Pickles have no checksum: a flip may pass, but then as other numbers, and what is refused is said."""
    path = model(released)
    whole = path.read_bytes()
    rng, refused = np.random.default_rng(0), 0
    rows = rng.integers(-1, 10, (5, 56)).astype(np.float32)
    for place in rng.choice(len(whole), 200, replace=False):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            _, columns, trees = read_booster(path, "x")
            assert columns != 56 or Trees.join(trees).predict(rows).shape == (5,)
        except UserError as error:
            assert str(path) in str(error) or "does not belong to NAS-Bench-301" in str(
                error
            )
            refused += 1
    assert 0 < refused < 200


@pytest.mark.parametrize("where", ["instead", "within"])
def test_hostile_pickles_are_refused(released, canary, where):
    state = canary if where == "instead" else {"handle": canary}
    model(released).write_bytes(pickle.dumps(state))
    with pytest.raises(UserError, match=r"is refused: it asks for (posix|nt)\.system"):
        import_folder(released, "x")
    assert not canary.path.exists()


def test_pickles_of_other_things_are_refused(released):
    for content in ({"handle": b"x"}, [1, 2], "text"):
        model(released).write_bytes(pickle.dumps(content))
        with pytest.raises(UserError, match="is not a pickle of an XGBoost booster"):
            import_folder(released, "x")


def test_newer_boosters_are_said_to_be(released):
    """From 1.6 on the bytes are UBJSON, which begins with a brace and a length."""
    content = model(released).read_bytes()
    at = content.index(b"CONFIG-offset:")
    model(released).write_bytes(content[:at] + b"{L" + content[at + 2 :])
    with pytest.raises(UserError, match=r"form of XGBoost 1\.6 or later"):
        import_folder(released, "x")


def test_only_darts_is_encoded():
    with pytest.raises(UserError, match="for space darts, not s2"):
        feature_names(get_space("s2"))


def test_the_released_weights(shared_file):
    """Where the real weights are at hand: the accuracies that another project published of them."""
    if "ARCHSELECT_NB301" not in os.environ:
        pytest.skip("no weights: set ARCHSELECT_NB301 to the folder xgb_v1.0")
    columns = PlainColumns("genotype", "surrogate_val_accuracy", *COLUMN)
    table = import_plain(
        shared_file("darts_surrogate_cells.csv"), "cells", columns, space="darts"
    )
    surrogate = import_folder(Path(os.environ["ARCHSELECT_NB301"]), "nb301")
    ours = surrogate.predict_rows(table.architectures)
    assert np.abs(ours - table.means(*COLUMN)).max() < 0.01
