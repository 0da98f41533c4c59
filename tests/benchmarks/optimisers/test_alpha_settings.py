"""What the settings of alphas build, and what they refuse."""

import pytest
from pydantic import ValidationError

from archselect.benchmarks.optimisers.alpha_settings import AlphaSettings
from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.dsnas import Dsnas
from archselect.benchmarks.optimisers.penalties.registry import PENALTIES
from archselect.benchmarks.optimisers.schedules import EveryStep, InformedSchedule
from archselect.benchmarks.optimisers.snas import Snas
from archselect.benchmarks.optimisers.supernets import Recipe
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.activation import SOFTMAX, ClippedAlphas
from archselect.nasbench_adapters.spaces import get_space

OWN = '''from typing import ClassVar

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty


class Entropy(Penalty):
    """Entropy of the weights of every edge."""

    name: ClassVar[str] = "entropy"
    summary: ClassVar[str] = "entropy of every edge's weights"

    def __call__(self, view: AlphaView) -> Tensor:
        total = view.zero()
        for table in view.tables:
            total = total - torch.xlogy(table, table).sum()
        return total
'''


@pytest.fixture
def own(tmp_path):
    """`own(text)` is the path of a file."""

    def write(text=OWN):
        path = tmp_path / "my_penalty.py"
        path.write_text(text)
        return path

    return write


def names(settings):
    return [
        penalty.name
        for penalty, _ in settings.build_penalties(get_space("nb201"), NetworkShape())
    ]


@pytest.mark.parametrize("kind", [Darts, Snas, Dsnas])
def test_the_defaults_are_those_of_darts(kind):
    optimiser = kind()
    assert optimiser.build_activation() is SOFTMAX
    schedule = optimiser.build_schedule()
    assert isinstance(schedule, EveryStep) and schedule.steps == 1
    assert optimiser.build_penalties(get_space("nb201"), NetworkShape()) == []


def test_each_setting_builds_its_value():
    settings = AlphaSettings(activation="crb", schedule="informed", schedule_steps=3)
    assert isinstance(settings.build_activation(), ClippedAlphas)
    schedule = settings.build_schedule()
    assert isinstance(schedule, InformedSchedule) and schedule.steps == 3
    for name in ("prox", "proxadj", "admm"):
        settings = AlphaSettings(proximity=name, rho=0.3)
        ((penalty, weight),) = settings.build_penalties(
            get_space("nb201"), NetworkShape()
        )
        assert (penalty.name, penalty.rho, weight) == (name, 0.3, 1)
    assert names(AlphaSettings(decay=2.0)) == ["beta-decay"]
    assert names(AlphaSettings(zero_one=10.0)) == ["zero-one"]
    assert names(AlphaSettings(decay=2.0, proximity="prox")) == ["prox", "beta-decay"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("activation", "relu"),
        ("zero_one", -1.0),
        ("zero_one_norm", "l3"),
        ("schedule", "sometimes"),
        ("schedule_steps", 0),
        ("proximity", "near"),
        ("rho", -0.1),
        ("decay", -1.0),
        ("rho", float("nan")),
        ("penalty_weight", -1.0),
        ("as_released", "yes please"),
    ],
)
def test_bad_values_are_refused(setting, value):
    with pytest.raises(ValidationError, match=setting):
        AlphaSettings(**{setting: value})


@pytest.mark.parametrize("kind", [Snas, Dsnas])
def test_initial_alphas_that_crb_does_not_have(kind):
    """Above 1 it has no gradient, so that the alphas would never move."""
    with pytest.raises(
        UserError, match="'crb' starts with alphas of 1/K: set alpha_mean = 0"
    ):
        kind(activation="crb")
    assert kind(activation="crb", alpha_mean=0).activation == "crb"
    assert kind(activation="sigmoid").alpha_mean == 1


def test_a_supernet_without_a_zero_one_loss_has_the_settings_that_it_had():
    assert not {"zero_one", "zero_one_norm"} & Darts().settings().keys()
    settings = Darts(zero_one=1.0).settings()
    assert (settings["zero_one"], settings["zero_one_norm"]) == (1.0, "l2")


@pytest.mark.parametrize("name", PENALTIES)
def test_archselects_own_are_chosen_by_their_settings(name):
    with pytest.raises(UserError, match=f"penalty '{name}' is built in: set "):
        AlphaSettings(penalty=name)


def test_an_unknown_penalty():
    with pytest.raises(UserError, match="unknown penalty 'entropi': "):
        AlphaSettings(penalty="entropi")
    with pytest.raises(UserError, match=r"there is no file absent\.py"):
        AlphaSettings(penalty="absent.py:Entropy")


def test_a_penalty_of_a_file(own):
    path = own()
    settings = AlphaSettings(penalty=f"{path}:Entropy", penalty_weight=0.5)
    ((penalty, weight),) = settings.build_penalties(get_space("nb201"), NetworkShape())
    assert (penalty.name, weight) == ("entropy", 0.5)
    # A record has its name, and not where the file was.
    assert settings.settings()["penalty"] == "entropy"
    assert names(settings.model_copy(update={"penalty_weight": 0.0})) == []


def test_an_edited_file_makes_another_supernet(own):
    recipe = Recipe(recipe="darts", penalty=f"{own()}:Entropy")
    before = recipe.source("nb201")
    inputs = recipe.inputs("nb201", {})
    assert before.startswith("file ")
    own(OWN.replace("total - torch", "total + torch"))
    after = Recipe(recipe="darts", penalty=recipe.penalty).source("nb201")
    assert after.startswith("file ") and after != before
    # A worker that finds the edited file refuses it.
    with pytest.raises(UserError):
        recipe.build_as(inputs, "nb201")
    assert Recipe(recipe="darts", proximity="prox", decay=1.0).source("nb201") is None


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("def __call__", "def call"), r"Entropy has no method __call__\(self, view\)"),
        (("name: Cl", "nam: Cl"), "Entropy lacks a name"),
        (
            ("(Penalty)", ""),
            "Entropy is not among the penalties of this file: derive it",
        ),
        (("    def", "    weight: float\n\n    def"), "has a setting weight without a"),
        (("import torch\n", "import torhc\n"), "line 3: ModuleNotFoundError"),
    ],
)
def test_files_that_cannot_be_used(own, edit, message):
    path = own(OWN.replace(*edit))
    with pytest.raises(UserError, match=message):
        AlphaSettings(penalty=f"{path}:Entropy")
