"""A selector of one's own: written, checked, compared, edited; and plugins of a real installed package."""

import json
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from support import query_study
from support.commands import run_commands
from support.small import QUICK


def records(folder):
    return [
        json.loads(path.read_text())
        for path in sorted((folder / "records").glob("*.json"))
    ]


@pytest.mark.slow
def test_one_is_written_checked_and_compared(world, archselect):
    code, _, err = archselect("new-selector", "my_selector.py")
    assert code == 0, err
    text = (world.folder / "my_selector.py").read_text()
    assert "class MySelector(Selector)" in text and len(text.splitlines()) <= 45
    assert (
        archselect("new-selector", "my_selector.py")[0] == 2
    )  # nothing is written over
    code, out, _ = archselect(
        "check", "my_selector.py:MySelector", "--space", "nb201", "--space", "darts"
    )
    assert code == 0, out

    own = "my_selector.py:MySelector"
    text = text.replace(
        "batch_size: int = 64", "batch_size: int = 16"
    )  # the small study has few images
    (world.folder / "my_selector.py").write_text(text)
    # In a worker, which finds the file from the folder that it is started in.
    words = ("--seeds", "0", "--workers", "1")
    code, printed, err = archselect(
        "run", "small.toml", "--selector", own, *words, "--out", "out"
    )
    assert code == 0, err
    assert "Differences between selectors" in printed
    out = world.folder / "out"
    before = {r["id"]: r for r in records(out)}
    mine = [
        r for r in before.values() if r["inputs"]["selector"]["name"] == "my-selector"
    ]
    assert len(mine) == 2 and len(before) == 6  # one supernet seed, two recipes
    assert all(r["inputs"]["selector"]["source"].startswith("file ") for r in mine)
    table = pd.read_csv(out / "report" / "differences.csv")
    assert set(table.selector) == {"my-selector (darts)", "my-selector (untrained)"}
    assert {"random", "magnitude", "darts-pt", "zero-cost-pt"} < set(table["minus"])
    # On the very same supernets as the others.
    assert len(list((out / "supernets").glob("*.pt"))) == 2

    # Edited, only its own runs are made again, and the folder is still the same
    # study's.
    (world.folder / "my_selector.py").write_text(
        text.replace("batch_size: int = 16", "batch_size: int = 8")
    )
    code, printed, err = archselect(
        "run", "small.toml", "--selector", own, *words, "--out", "out"
    )
    assert code == 0, err
    assert "2 runs made, 4 kept." in printed
    assert "2 of the folder's records belong to no run of this study" in " ".join(
        printed.split()
    )
    # In a study's file it is named alike; the label is another.
    study = world.study(
        ('name = "random"', f'name = "{own}"\nlabel = "mine"'), name="named.toml"
    )
    code, _, err = archselect("run", study, *words, "--out", "named")
    assert code == 0, err
    assert {
        r["inputs"]["selector"]["label"] for r in records(world.folder / "named")
    } >= {"mine", "magnitude"}


@pytest.mark.slow
def test_an_edited_sibling_makes_the_runs_anew(world, archselect):
    assert archselect("new-selector", "lib.py")[0] == 0
    text = (
        (world.folder / "lib.py")
        .read_text()
        .replace("batch_size: int = 64", "batch_size: int = SIZE")
    )
    text = text.replace("from archselect", "from sizes import SIZE\nfrom archselect", 1)
    (world.folder / "lib.py").write_text(text)
    (world.folder / "sizes.py").write_text("SIZE = 16\n")
    world.study(*QUICK)
    options = ("small.toml", "--selector", "lib.py:Lib", "--seeds", "0", "--out", "out")
    options = (*options, "--workers", "2")
    code, out, err = archselect("run", *options)
    assert code == 0 and "5 runs made, 0 kept" in out, err
    assert "0 runs made, 5 kept" in archselect("run", *options)[1]
    (world.folder / "sizes.py").write_text("SIZE = 8\n")
    code, out, err = archselect("run", *options)
    assert code == 0 and "2 runs made, 3 kept" in out, err
    mine = [r["inputs"]["selector"] for r in records(world.folder / "out")]
    mine = [selector for selector in mine if selector["name"] == "lib"]
    assert {selector["settings"]["batch_size"] for selector in mine} == {8, 16}
    assert len({selector["source"] for selector in mine}) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["new-selector", "my-selector.py"],
            "my-selector.py is not a valid name of a Python module: choose a name such as my_selector.py",
        ),
        (["run", "small.toml", "--selector", "no.py:No"], "there is no file no.py"),
        (
            ["run", "small.toml", "--selector", "magnitud"],
            "unknown selector 'magnitud': did you mean 'magnitude'?",
        ),
    ],
)
def test_bad_input(refusal, arguments, said):
    assert said in refusal(*arguments)


@pytest.fixture
def plugged(world, root):
    """The environment of a world in which tests/plugin is installed."""
    source = shutil.copytree(root / "tests" / "plugin", world.folder / "source")
    target = world.folder / "plugins"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--target",
    ]
    done = subprocess.run(
        [*install, str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return world.environment | {"PYTHONPATH": os.fspath(target)}


@pytest.mark.slow
def test_a_plugin(world, plugged):
    listed = subprocess.run(
        world.command("list", "selectors"),
        cwd=world.folder,
        env=plugged,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert (
        listed.returncode == 0
        and "first-operation" in listed.stdout
        and "not-there" not in listed.stdout
    )
    assert (
        "archselect: selector 'not-there' of package archselect-example-plugin 1.2"
        in listed.stderr
    )
    assert len(listed.stderr.strip().splitlines()) == 1

    world.study(
        ("supernet = [0, 1]", "supernet = [0]"),
        ('name = "random"\non', 'name = "first-operation"\non'),
        ('recipe = "darts"', 'recipe = "single-level"\nlabel = "darts"'),
        ("validation_batches = 1", 'validation_batches = 1\nproxy = "mean-weight"'),
    )
    table = query_study.write_table(world.folder / "made-up.npz")
    predicting = 'name = "predictor-search"\npredictor = "mean"\nfirst = 5'
    queries = query_study.write_study(
        world.folder,
        table,
        ("supernet = [0, 1, 2]", "supernet = [0]"),
        ('name = "random-search"', predicting),
    )
    broken, checked, done, asked, scored = run_commands(
        [
            ["run", "small.toml", "--selector", "not-there"],
            ["check", "first-operation", "--space", "s2-dilated", "--space", "nb201"],
            ["run", "small.toml", "--workers", "1", "--out", "out"],
            ["run", str(queries), "--workers", "1", "--out", "asked"],
            [
                *("score", "mean-weight", "--cells", "sample:3", "--workers", "1"),
                *("--set", "skeleton.channels=2", "--set", "skeleton.cells=1"),
            ],
        ],
        world.folder,
        plugged,
    )
    assert (
        broken.returncode == 2
        and "'not-there' of package archselect-example-plugin 1.2" in broken.stderr
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert done.returncode == 0, done.stderr
    assert asked.returncode == 0, asked.stderr
    assert scored.returncode == 0, scored.stderr
    inputs = [record["inputs"] for record in records(world.folder / "out")]
    sources = {own["selector"]["label"]: own["selector"]["source"] for own in inputs}
    plugin = "archselect-example-plugin 1.2"
    (predicted,) = records(world.folder / "asked")
    assert predicted["inputs"]["selector"]["source"] == plugin
    assert sources == {
        "first-operation": plugin,
        "zero-cost-pt": plugin,
        "magnitude": None,
        "darts-pt": None,
    }
    supernets = {
        own["supernet"]["recipe"]: own["supernet"].get("source") for own in inputs
    }
    assert supernets == {"single-level": plugin, "untrained": None}
