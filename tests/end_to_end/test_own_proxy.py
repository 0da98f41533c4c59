"""A proxy of one's own: in a study, in `score`, edited, and what cannot be used refused."""

import json

import pandas as pd
import pytest

OWN = """from archselect.selectors.proxies.base import Proxy


def score(model, forward, images, labels):
    return float(forward(images).std())


SPREAD = Proxy(
    name="spread",
    summary="spread of the logits",
    paper="none",
    better="higher",
    score=score,
)
"""
STUDY = """name = "own-proxy"
title = "A proxy of one's own"
tables = []

[seeds]
supernet = [0]

[[spaces]]
name = "nb201"
skeleton = { channels = 4, cells = 1, reduction = "pool" }

[[data]]
name = "digits"

[[supernets]]
recipe = "untrained"

[[selectors]]
name = "operation-scores"
measure = "own.py:SPREAD"
batch_size = 8

[[selectors]]
name = "zero-cost-pt"
proxy = "own.py:SPREAD"
iterations = 2
batch_size = 8
validation_batches = 1
"""
SCORE = (
    *("score", "own.py:SPREAD", "params", "--cells", "sample:3", "--device", "cpu"),
    *("--batch-size", "8", "--set", "skeleton.channels=4", "--out", "scores"),
    *("--set", "skeleton.cells=1", "--set", "skeleton.reduction=pool"),
)


@pytest.fixture
def own(world):
    """The file of the proxy, beside a study that names it."""
    (world.folder / "own-proxy.toml").write_text(STUDY)
    path = world.folder / "own.py"
    path.write_text(OWN)
    return path


def selectors(folder):
    """What records say of the selectors."""
    told = []
    for path in sorted((folder / "records").glob("*.json")):
        told.append(json.loads(path.read_text())["inputs"]["selector"])
    return told


def test_one_is_used_and_edited(world, own, archselect):
    words = ("run", "own-proxy.toml", "--out", "out", "--device", "cpu")
    # In a worker, which finds the file from the folder that it is started in.
    code, out, err = archselect(*words, "--workers", "1")
    assert code == 0, err
    assert "2 runs made, 0 kept" in out
    before = selectors(world.folder / "out")
    assert all(told["source"].startswith("file ") for told in before)
    assert "own.py" not in json.dumps(before)
    named = {told["name"]: told["settings"] for told in before}
    assert named["operation-scores"]["measure"] == "spread"
    assert named["zero-cost-pt"]["proxy"] == "spread"

    own.write_text(OWN.replace(".std()", ".var()"))
    code, out, err = archselect(*words)
    assert code == 0, err
    assert "2 runs made, 0 kept" in out
    sources = {told["source"] for told in selectors(world.folder / "out")}
    assert len(sources) == 2


def test_it_scores_networks(world, own, archselect):
    code, _, err = archselect(*SCORE, "--workers", "1")
    assert (code, err) == (0, "")
    scores = pd.read_csv(world.folder / "scores" / "scores.csv")
    assert list(scores.columns) == ["seed", "architecture", "spread", "params"]
    assert scores["spread"].notna().all()
    own.write_text(OWN.replace(".std()", ".var()"))
    code, _, err = archselect(*SCORE)
    assert code == 2
    assert "holds scores of other settings or cells" in err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("own.py:SPREAD", "absent.py:SPREAD", "there is no file absent.py"),
        ("own.py:SPREAD", "own.py:SPRED", "unknown proxy in own.py 'SPRED'"),
        (
            "own.py:SPREAD",
            "own.py:score",
            "score is not among the proxies of this file: make it",
        ),
    ],
)
def test_a_wrong_name_is_refused_before_anything_runs(
    world, own, refusal, old, new, message
):
    (world.folder / "own-proxy.toml").write_text(STUDY.replace(old, new))
    assert message in refusal("run", "own-proxy.toml", "--out", "out")
    words = [word.replace(old, new) for word in SCORE]
    assert message in refusal(*words)
    assert not (world.folder / "out").exists()
    assert not (world.folder / "scores").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name="spread"', 'name="nwot"', "archselect has a proxy 'nwot'"),
        ('name="spread"', 'name="sp\\nread"', "the name of the proxy"),
        ('    better="higher",\n', "", "own.py, line 8: TypeError"),
        ("Proxy(", "dict(", "SPREAD is not among the proxies"),
    ],
)
def test_an_object_that_is_no_proxy_is_refused(world, own, refusal, old, new, message):
    own.write_text(OWN.replace(old, new))
    assert message in refusal("run", "own-proxy.toml", "--out", "out")
    assert not (world.folder / "out").exists()


def test_its_run_fails_by_name_where_a_score_is_none(world, own, archselect):
    own.write_text(OWN.replace("forward(images).std()", '"nan"'))
    code, _, _ = archselect("run", "own-proxy.toml", "--out", "out")
    assert code == 1
    errors = []
    for path in (world.folder / "out" / "failures").glob("*.json"):
        errors.append(json.loads(path.read_text())["error"])
    assert errors
    assert all("proxy spread has no score" in error for error in errors)
