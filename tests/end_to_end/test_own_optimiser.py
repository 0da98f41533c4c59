"""A way of training of one's own: compared with DARTS in a study, edited, and what cannot be used refused."""

import json

import pytest

OWN = """from typing import ClassVar

import torch
from pydantic import Field

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.trainer import Batch
from archselect.benchmarks.optimisers.trainer import Trainer


class OnePath(Optimiser):
    name: ClassVar[str] = "one-path"
    summary: ClassVar[str] = "weights of one path that the alphas draw"
    warmth: float = Field(1.0, gt=0)

    def step(self, trainer: Trainer, batch: Batch) -> None:
        with torch.no_grad():
            mixture = trainer.mixture([alpha / self.warmth for alpha in trainer.alphas])
        trainer.step_weights(trainer.loss(batch, trainer.drawn(mixture)))
"""
RECIPE = 'recipe = "own.py:OnePath"\nwarmth = 2\ntrace = true'


def records(folder):
    return [
        json.loads(path.read_text())
        for path in sorted((folder / "records").glob("*.json"))
    ]


@pytest.mark.slow
def test_one_is_compared_and_edited(world, archselect, refusal):
    path = world.folder / "own.py"
    path.write_text(OWN)
    world.study(
        ("supernet = [0, 1]", "supernet = [0]"),
        ('[[supernets]]\nrecipe = "untrained"', f"[[supernets]]\n{RECIPE}\nepochs = 1"),
        ('name = "random"\non = ["untrained"]\n\n[[selectors]]\n', ""),
        ('name = "darts-pt"\non = ["darts"]', 'name = "darts-pt"\non = ["one-path"]'),
        ('on = ["untrained"]\niterations = 2', 'on = ["one-path"]\niterations = 1'),
    )
    code, _, err = archselect("estimate", "small.toml")
    assert code == 0, err
    # In a worker, which finds the file from the folder that it is started in.
    words = ("run", "small.toml", "--workers", "1", "--out", "out")
    code, _, err = archselect(*words)
    assert code == 0, err
    out = world.folder / "out"
    before = {record["inputs"]["selector"]["label"]: record for record in records(out)}
    supernets = {name: record["inputs"]["supernet"] for name, record in before.items()}
    on = {name: own["recipe"] for name, own in supernets.items()}
    assert on == {"magnitude": "darts"} | dict.fromkeys(
        ("darts-pt", "zero-cost-pt"), "one-path"
    )
    assert supernets["magnitude"]["source"] is None
    assert (
        supernets["darts-pt"]["source"].startswith("file ")
        and supernets["darts-pt"]["settings"]["warmth"] == 2
    )
    settings = {name: own["settings"] for name, own in supernets.items()}
    assert settings["darts-pt"].keys() - settings["magnitude"].keys() == {"warmth"}
    assert settings["darts-pt"]["trace"] and not settings["magnitude"]["trace"]
    assert before["darts-pt"]["cost"]["counts"]["tune"]["forwards"] > 0
    assert "own.py" not in json.dumps(before["darts-pt"])
    (trace,) = (out / "traces").glob("*.npz")
    made = {file.name for file in (out / "supernets").glob("*.pt")}
    assert len(made) == 2

    # Edited, it makes a supernet of its own, which the runs on it are made on again; in
    # the folder of the same study.
    path.write_text(OWN.replace("alpha / self.warmth", "alpha * self.warmth"))
    code, printed, err = archselect(*words)
    assert code == 0, err
    assert "2 runs made, 1 kept." in printed
    assert (
        len({file.name for file in (out / "supernets").glob("*.pt")} - made) == 1
        and trace.is_file()
    )
    sources = {record["inputs"]["supernet"].get("source") for record in records(out)}
    assert len(sources) == 3 and None in sources

    world.study(('recipe = "darts"', RECIPE.replace("warmth", "warmt")))
    assert (
        "unknown setting of recipe one-path 'warmt': did you mean 'warmth'?"
        in refusal("run", "small.toml")
    )
    path.write_text(OWN.replace("Field(1.0, gt=0)", "Feld(1.0, gt=0)"))
    assert "own.py, line 14: NameError: name 'Feld' is not defined" in refusal(
        "run", "small.toml"
    )
