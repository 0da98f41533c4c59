"""A penalty of one's own: in a study, edited, listed, and what cannot be used refused."""

import json

import pytest
from support.small import QUICK

OWN = """from typing import ClassVar

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty


class Entropy(Penalty):
    name: ClassVar[str] = "entropy"
    summary: ClassVar[str] = "entropy of every edge's weights"

    def __call__(self, view: AlphaView) -> Tensor:
        total = view.zero()
        for table in view.tables:
            total = total - torch.xlogy(table, table).sum()
        return total
"""
DARTS = 'recipe = "darts"'
PENALISED = f'{DARTS}\npenalty = "own.py:Entropy"\npenalty_weight = 0.5'


def supernets(folder):
    """What records say of the supernets of magnitude, which reads the penalised one."""
    told = []
    for path in sorted((folder / "records").glob("*.json")):
        inputs = json.loads(path.read_text())["inputs"]
        if inputs["selector"]["label"] == "magnitude":
            told.append(inputs["supernet"])
    return told


def test_one_is_used_and_edited(world, archselect, refusal):
    path = world.folder / "own.py"
    path.write_text(OWN)
    world.study(("supernet = [0, 1]", "supernet = [0]"), *QUICK, (DARTS, PENALISED))
    # In a worker, which finds the file from the folder that it is started in.
    words = ("run", "small.toml", "--workers", "1", "--out", "out")
    code, _, err = archselect(*words)
    assert code == 0, err
    out = world.folder / "out"
    (before,) = supernets(out)
    assert before["source"].startswith("file ")
    assert before["settings"]["penalty"] == "entropy"
    assert before["settings"]["penalty_weight"] == 0.5
    assert "own.py" not in json.dumps(before)
    made = {file.name for file in (out / "supernets").glob("*.pt")}

    # Edited, it makes a supernet of its own, in the folder of the same study.
    path.write_text(OWN.replace("total - torch", "total + torch"))
    code, _, err = archselect(*words)
    assert code == 0, err
    now = {file.name for file in (out / "supernets").glob("*.pt")}
    assert len(now - made) == 1
    # The records of before are kept beside the new ones.
    sources = {told["source"] for told in supernets(out)}
    assert len(sources) == 2
    assert before["source"] in sources


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("own.py:Entropy", "absent.py:Entropy", "there is no file absent.py"),
        ("own.py:Entropy", "own.py:Entropie", "unknown penalty in own.py 'Entropie'"),
        ("own.py:Entropy", "entropie", "unknown penalty 'entropie'"),
        ("own.py:Entropy", "admm", 'set proximity = "admm" instead of penalty'),
        ("= 0.5", "= -0.5", "penalty_weight"),
        ('penalty = "own.py:Entropy"', "rho = -1", "rho"),
        ('penalty = "own.py:Entropy"', "decay = -1", "decay"),
        ('penalty = "own.py:Entropy"', 'activation = "sigmoids"', "activation"),
        ('penalty = "own.py:Entropy"', 'schedule = "informd"', "schedule"),
        ('penalty = "own.py:Entropy"', "schedule_steps = 0", "schedule_steps"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(
    world, refusal, old, new, message
):
    (world.folder / "own.py").write_text(OWN)
    world.study((DARTS, PENALISED.replace(old, new)))
    assert message in refusal("run", "small.toml", "--out", "out")
    assert not (world.folder / "out").exists()


def test_a_penalty_that_fails_when_it_is_read(world, refusal):
    (world.folder / "own.py").write_text(OWN.replace("import torch\n", "import toch\n"))
    world.study((DARTS, PENALISED))
    assert "own.py, line 3: ModuleNotFoundError" in refusal("run", "small.toml")


@pytest.mark.parametrize("recipe", ["untrained", "blank", "spos"])
def test_a_recipe_without_alphas_has_no_penalty(world, refusal, recipe):
    world.study((DARTS, f'recipe = "{recipe}"\nlabel = "darts"\nproximity = "prox"'))
    assert f"unknown setting of recipe {recipe} 'proximity'" in refusal(
        "run", "small.toml"
    )


def test_sgas_is_refused_on_weights_that_are_no_probabilities(world, refusal):
    world.study(
        (DARTS, f'{DARTS}\nactivation = "crb"'),
        ('name = "magnitude"', 'name = "sgas"'),
    )
    message = refusal("run", "small.toml", "--out", "out")
    assert "sgas needs probabilities" in message
    assert 'set activation = "softmax"' in message
    assert not (world.folder / "out").exists()


def test_they_are_listed(archselect):
    code, out, _ = archselect("list", "penalties")
    assert code == 0
    for name in ("prox", "proxadj", "admm", "beta-decay", "zero-one"):
        assert name in out
