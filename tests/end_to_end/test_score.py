"""`archselect score`: the real command, its files, and going on after an interruption."""

import shutil

import numpy as np
import pandas as pd
import pytest

CELLS = (
    "--set",
    "skeleton.channels=4",
    "--set",
    "skeleton.cells=1",
    "--set",
    "skeleton.reduction=pool",
)
TRUTH = (
    "--table",
    "nb201-digits",
    "--dataset",
    "digits",
    "--split",
    "test",
    "--epochs",
    "10",
)
COMMAND = (
    "score",
    "params",
    "nwot",
    "--cells",
    "sample:20",
    "--batch-size",
    "16",
    "--device",
    "cpu",
    "--out",
    "out",
)


def test_a_sample_against_the_truth(world, archselect, request):
    of_both = (*COMMAND, *CELLS, *TRUTH, "--seeds", "0,1")
    code, printed, err = archselect(*of_both, "--workers", "2")
    assert (code, err) == (0, "")
    assert "40 networks scored, 0 kept" in printed and "Noise ceiling" in printed
    scores = pd.read_csv(world.folder / "out" / "scores.csv")
    assert list(scores.columns) == [
        "seed",
        "architecture",
        "accuracy",
        "params",
        "nwot",
    ]
    assert len(scores) == 40 and scores.drop(columns="nwot").notna().all().all()
    table = pd.read_csv(world.folder / "out" / "report" / "correlation.csv").set_index(
        "proxy"
    )
    assert table.loc["params", "spearman_between_seeds"] == 1
    # A cell without a score, such as a disconnected one, is counted and nothing else.
    without = set(scores.architecture[scores.nwot.isna()])
    assert (
        table.loc["nwot", "undefined"] == len(without) < 5
        and np.isfinite(scores.nwot.dropna()).all()
    )

    # Without workers, and after files are lost, the very same numbers.
    before = (world.folder / "out" / "scores.csv").read_bytes()
    lost = sorted((world.folder / "out" / "scores").iterdir())
    lost[0].unlink()
    request.getfixturevalue("inline")
    _, out, _ = archselect(*of_both)
    assert "16 networks scored, 24 kept" in out
    assert (world.folder / "out" / "scores.csv").read_bytes() == before

    # A file with published scores and accuracies: here our own, so that the agreement
    # is perfect.
    scores[scores.seed == 0].drop(columns="seed").to_csv(
        world.folder / "cells.csv", index=False
    )
    shutil.rmtree(world.folder / "out")
    arguments = list(COMMAND)
    arguments[arguments.index("sample:20")] = "cells.csv"
    code, _, err = archselect(*arguments, *CELLS, "--accuracy-column", "accuracy")
    assert (code, err) == (0, "")
    table = pd.read_csv(world.folder / "out" / "report" / "correlation.csv").set_index(
        "proxy"
    )
    assert table.spearman_published.tolist() == [pytest.approx(1), pytest.approx(1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("score", "nwto", "--cells", "all"),
            "unknown proxy 'nwto': did you mean 'nwot'",
        ),
        (
            ("score", "nwot", "--cells", "cells.csv"),
            "cannot read cells.csv: No such file",
        ),
        (
            ("score", "nwot", "--cells", "sample:5", "--norm", "bach"),
            "did you mean 'batch'",
        ),
        (
            ("score", "nwot", "--cells", "sample:5", "--table", "nb201-digits"),
            "a ground truth needs --table, --dataset",
        ),
        (
            ("score", "nwot", "--cells", "sample:5", "--set", "epochs=3"),
            "this command sets only the network's size",
        ),
        (
            ("score", "nwot", "--cells", "sample:5", "--space", "dart"),
            "did you mean 'darts'",
        ),
        (
            ("score", "nwot", "--cells", "sample:5", "--seeds", "x"),
            "is not a list of seeds",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(world, refusal, arguments, message):
    assert message in refusal(*arguments)
    assert not (world.folder / "archselect-scores").exists()
