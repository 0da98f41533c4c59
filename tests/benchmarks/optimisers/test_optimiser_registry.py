"""Optimisers by name and out of files; what users' files are read by is tested with selectors in test_user_files.py."""

import pickle

import pytest

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.registry import (
    OPTIMISERS,
    TAKEN,
    get_optimiser,
    registry,
)
from archselect.benchmarks.optimisers.settings import CommonSettings
from archselect.benchmarks.plan.parts import SupernetPart
from archselect.nasbench_adapters.errors import UserError

GOOD = """from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.trainer import Batch
from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.trainer import Trainer


class Together(Optimiser):
    name: ClassVar[str] = "together"
    summary: ClassVar[str] = "weights and alphas together"

    epochs: int = 7
    warmth: float = Field(1, gt=0)
    mode: Literal["a", "b"] = "a"

    def step(self, trainer: Trainer, batch: Batch) -> None:
        gradients = trainer.step_weights(trainer.loss(batch, trainer.mixture()), also=trainer.alphas)
        trainer.step_alphas(gradients)
"""


@pytest.fixture
def write(tmp_path):
    """`write(text)` is the path of a file."""

    def file(text=GOOD):
        path = tmp_path / "mine.py"
        path.write_text(text, encoding="utf-8")
        return path

    return file


def message(text, **settings):
    with pytest.raises(UserError) as caught:
        SupernetPart.model_validate({"recipe": str(text), **settings})
    return str(caught.value)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_is_found_by_its_own_name_and_says_what_it_is(name):
    optimiser = get_optimiser(name)
    assert optimiser.name == name
    assert optimiser.summary and len(optimiser.summary.splitlines()) == 1
    assert optimiser.__doc__
    assert optimiser().model_dump() == {
        key: field.default for key, field in optimiser.model_fields.items()
    }
    assert set(optimiser().settings()) <= set(optimiser.model_fields)
    assert (
        registry.check_component(optimiser) is optimiser
        and registry.source(name) is None
    )


def test_an_unknown_name_is_met_with_the_nearest():
    with pytest.raises(
        UserError, match="unknown recipe 'sdarts_rs': did you mean 'sdarts-rs'"
    ):
        get_optimiser("sdarts_rs")


def test_a_class_of_a_file(write, monkeypatch):
    path = write()
    monkeypatch.chdir(path.parent)
    part = SupernetPart.model_validate({"recipe": "mine.py:Together", "mode": "b"})
    optimiser = part.build()
    assert isinstance(optimiser, Optimiser) and type(optimiser) is get_optimiser(
        str(path)
    )
    assert (part.label, part.epochs, optimiser.mode) == ("together", 7, "b")
    again = pickle.loads(pickle.dumps(part))  # noqa: S301 (our own)
    assert again == part and again.build() == optimiser
    inputs = part.inputs("nb201", {"channels": 2})
    # Where the file lies is no matter, and what it holds is.
    assert inputs.recipe == "together" and inputs.source == registry.source(str(path))
    assert inputs.settings == optimiser.settings() and inputs.settings["warmth"] == 1.0
    write(GOOD + "# edited\n")
    assert part.source("nb201") != inputs.source and part.source("nb201").startswith(
        "file "
    )


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (("def step", "def stop"), "Together has no method step(self, trainer, batch)"),
        (
            ('    name: ClassVar[str] = "together"\n', ""),
            'Together lacks a name: give it name: ClassVar[str] = "…"',
        ),
        (("    summary:", "    sum:"), "Together lacks a summary"),
        (
            ("Field(1, gt=0)", "Field(gt=0)"),
            "Together has a setting warmth without a default: give it one",
        ),
        (
            ("warmth:", "label:"),
            "Together has a setting 'label', which is already a key of studies: rename the setting",
        ),
        (
            (": Literal[", ": Litteral["),
            "Together: PydanticUndefinedAnnotation: name 'Litteral' is not defined",
        ),
    ],
)
def test_a_class_that_lacks_something(write, change, wanted):
    assert wanted in message(f"{write(GOOD.replace(*change))}:Together")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            ":Togther",
            "unknown optimiser in mine.py 'Togther': did you mean 'Together'?",
        ),
        (
            ":Darts",
            "mine.py: Darts is not among the optimisers of this file: derive it there from archselect.benchmarks.",
        ),
    ],
)
def test_a_class_that_is_none_of_the_files_optimisers(write, monkeypatch, name, wanted):
    monkeypatch.chdir(write().parent)
    assert message(f"mine.py{name}").startswith(wanted)


def test_no_such_file():
    assert message("absent.py").endswith(
        "name a Python file and a class in it, as my_optimiser.py:MyOptimiser"
    )


def test_settings_of_a_class_of_a_file_are_checked(write):
    path = write()
    assert (
        "unknown setting of recipe together 'warmt': did you mean 'warmth'?"
        in message(path, warmt=2)
    )
    with pytest.raises(ValueError, match="greater than 0"):
        SupernetPart.model_validate({"recipe": str(path), "warmth": 0})
    listed = write(
        GOOD.replace(
            "warmth: float = Field(1, gt=0)", "warmth: tuple[int, ...] = (1, 2)"
        )
    )
    assert message(listed).startswith(
        "recipe together: setting warmth is a tuple: records can hold only text, numbers"
    )


def test_a_studys_own_words_are_known():
    assert (
        set(TAKEN)
        == SupernetPart.model_fields.keys() - CommonSettings.model_fields.keys()
    )
