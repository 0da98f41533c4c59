"""A predictor of one's own: in a study, edited, listed, and what cannot be used refused."""

import json

import pytest
from support import query_study

OWN = """from typing import ClassVar

import numpy as np

from archselect.nasbench_adapters.truth.choices import flatten
from archselect.selectors.predictors.base import Predictor


class Sum(Predictor):
    name: ClassVar[str] = "sum"
    summary: ClassVar[str] = "the sum of the choices"

    def fit(self, architectures, values, steps):
        pass

    def predict(self, architectures):
        return np.array([flatten(one).sum() for one in architectures])
"""
RANDOM = '[[selectors]]\nname = "random-search"'
PREDICTING = f"""{RANDOM}

[[selectors]]
name = "predictor-search"
first = 5
predictor = "own.py:Sum"
"""
SEED = ("supernet = [0, 1, 2]", "supernet = [0]")


@pytest.fixture
def write(world):
    """`write(*changes)` writes the study, with a selector that takes the predictor."""
    (world.folder / "own.py").write_text(OWN)
    table = query_study.write_table(world.folder / "made-up.npz")

    def write(*changes):
        changes = (SEED, (RANDOM, PREDICTING), *changes)
        return query_study.write_study(world.folder, table, *changes)

    return write


def selectors(folder):
    """What records say of the selector with the predictor."""
    told = []
    for path in sorted((folder / "records").glob("*.json")):
        selector = json.loads(path.read_text())["inputs"]["selector"]
        if selector["name"] == "predictor-search":
            told.append(selector)
    return told


def test_one_is_used_and_edited(world, write, archselect):
    study = write()
    # In a worker, which finds the file from the folder that it is started in.
    words = ("run", study, "--workers", "1", "--out", "out")
    code, out, err = archselect(*words)
    assert code == 0, err
    assert "2 runs made, 0 kept" in out
    (before,) = selectors(world.folder / "out")
    assert before["source"].startswith("file ")
    assert before["settings"]["predictor"] == "sum"
    assert "own.py" not in json.dumps(before)

    (world.folder / "own.py").write_text(OWN.replace(".sum()", ".max()"))
    code, out, err = archselect(*words)
    assert code == 0, err
    assert "1 runs made, 1 kept" in out
    sources = {told["source"] for told in selectors(world.folder / "out")}
    assert len(sources) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("own.py:Sum", "absent.py:Sum", "there is no file absent.py"),
        ("own.py:Sum", "own.py:Summ", "unknown predictor in own.py 'Summ'"),
        ("own.py:Sum", "ridg", "unknown predictor 'ridg': did you mean 'ridge'?"),
        (
            'name = "predictor-search"\nfirst = 5',
            'name = "seminas"',
            'set propose = "pool"',
        ),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(
    world, write, refusal, old, new, message
):
    study = write((old, new))
    assert message in refusal("run", study, "--out", "out")
    assert not (world.folder / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("import numpy", "import nunpy", "own.py, line 3: ModuleNotFoundError"),
        ("def predict(", "def foretell(", "Sum has no method fit"),
        ("    summary:", "    title:", "Sum lacks a summary"),
    ],
)
def test_a_class_that_is_no_predictor_is_refused(
    world, write, refusal, old, new, message
):
    study = write()
    assert old in OWN
    (world.folder / "own.py").write_text(OWN.replace(old, new))
    assert message in refusal("run", study, "--out", "out")
    assert not (world.folder / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("in architectures]", "in architectures[1:]]", "return one each"),
        ("flatten(one).sum()", "np.nan", "predicts values that are not finite"),
    ],
)
def test_its_run_fails_by_name_where_it_predicts_none(
    world, write, archselect, old, new, message
):
    study = write()
    assert old in OWN
    (world.folder / "own.py").write_text(OWN.replace(old, new))
    code, _, _ = archselect("run", study, "--out", "out")
    assert code == 1
    (failure,) = (world.folder / "out" / "failures").glob("*.json")
    error = json.loads(failure.read_text())["error"]
    assert "predictor sum" in error
    assert message in error


def test_they_are_listed(archselect):
    code, out, _ = archselect("list", "predictors")
    assert code == 0
    for name in ("ridge", "epd"):
        assert f'predictor = "{name}"' in out
