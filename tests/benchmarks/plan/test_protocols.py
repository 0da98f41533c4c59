"""The protocols against what the papers' released code sets, and how settings are replaced."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archselect.benchmarks.plan.protocols import (
    DARTS_SPACES,
    PROTOCOLS,
    SINGLE_CELLS,
    TrainingSettings,
    resolve_protocol,
)
from archselect.benchmarks.runs.training import drop_path, learning_rate
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import DATASETS
from archselect.nasbench_adapters.spaces import SPACES, get_space

# Read off the argument parsers and scripts of the released code (DARTS-PT:
# sota/cnn/train.py, train_imagenet.py and exp_scripts/eval*.sh; NAS-Bench-201:
# configs/nas-benchmark/hyper-opts/200E.config), in their names.
RELEASED = {
    "darts-cifar10": "epochs 600 batch_size 96 learning_rate 0.025 momentum 0.9 weight_decay 3e-4 grad_clip 5 "
    "cutout 16 auxiliary_weight 0.4 drop_path 0.2 channels 36 layers 20",
    "darts-cifar100": "epochs 600 batch_size 96 learning_rate 0.025 momentum 0.9 weight_decay 3e-4 grad_clip 5 "
    "cutout 16 auxiliary_weight 0.4 drop_path 0.2 channels 16 layers 8",
    "darts-svhn": "epochs 600 batch_size 96 learning_rate 0.025 momentum 0.9 weight_decay 3e-4 grad_clip 5 "
    "cutout 16 auxiliary_weight 0.4 drop_path 0.2 channels 16 layers 8",
    "darts-imagenet": "epochs 250 batch_size 128 learning_rate 0.1 gamma 0.97 momentum 0.9 weight_decay 3e-5 "
    "grad_clip 5 label_smoothing 0.1 auxiliary_weight 0.4 drop_path 0 cutout 0 channels 48 layers 14",
    "nb201": "epochs 200 batch_size 256 learning_rate 0.1 momentum 0.9 weight_decay 5e-4 nesterov 1 "
    "grad_clip 0 cutout 0 drop_path 0 auxiliary_weight 0 channels 16 cells 5",
}


@pytest.mark.parametrize("name", RELEASED)
def test_a_protocol_is_that_of_the_released_code(name):
    words = RELEASED[name].split()
    protocol = PROTOCOLS[name]
    (skeleton,) = {tuple(settings.items()) for settings in protocol.skeletons.values()}
    found = protocol.settings.model_dump() | dict(skeleton)
    for key, value in zip(words[::2], words[1::2], strict=True):
        assert found[key] == float(value), key


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_is_sound(name):
    protocol = PROTOCOLS[name]
    assert protocol.name == name and protocol.summary and protocol.source
    assert protocol.data in DATASETS
    for space in protocol.skeletons:
        resolved = resolve_protocol(name, space, {})
        assert resolved.settings == protocol.settings and resolved.overrides == {}
        get_space(space).skeleton(**resolved.skeleton)
    assert (
        protocol.settings.precision,
        protocol.settings.compile,
        protocol.settings.limit,
    ) == ("float32", False, None)


def test_every_darts_space_is_one_of_ours():
    assert set(DARTS_SPACES) <= set(SPACES)
    assert {len(get_space(space).cells) for space in DARTS_SPACES} == {2}


ALL = st.sampled_from(sorted(PROTOCOLS)).map(lambda name: PROTOCOLS[name].settings)


@given(ALL, st.integers(1, 40), st.sampled_from([0.0, 0.001]))
def test_learning_rates_are_those_of_torchs_schedulers(settings, epochs, low):
    """They are reckoned in closed form, so that a training can go on at any epoch."""
    settings = settings.model_copy(update={"epochs": epochs, "learning_rate_min": low})
    optimizer = torch.optim.SGD(
        [torch.zeros(1, requires_grad=True)], settings.learning_rate
    )
    if settings.schedule == "cosine":
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, low)
    else:
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, settings.gamma)
    for epoch in range(epochs):
        assert math.isclose(
            learning_rate(settings, epoch),
            scheduler.get_last_lr()[0],
            rel_tol=1e-9,
            abs_tol=1e-12,
        )
        optimizer.step()
        scheduler.step()


@given(st.integers(1, 300), st.floats(1e-3, 1), st.floats(0, 1e-3))
def test_a_linear_schedule_falls_by_equal_steps(epochs, first, last):
    settings = PROTOCOLS["nb201"].settings.model_copy(
        update={
            "epochs": epochs,
            "learning_rate": first,
            "learning_rate_min": last,
            "schedule": "linear",
        }
    )
    rates = [learning_rate(settings, epoch) for epoch in range(epochs)]
    assert rates[0] == first
    for epoch, rate in enumerate(rates):
        assert math.isclose(
            rate, first - epoch * (first - last) / epochs, rel_tol=1e-9, abs_tol=1e-12
        )


def test_drop_path_grows_from_nothing():
    settings = PROTOCOLS["darts-cifar10"].settings
    assert [drop_path(settings, epoch) for epoch in (0, 300, 599)] == pytest.approx(
        [0, 0.1, 0.2 * 599 / 600]
    )


def test_what_is_replaced_is_told():
    resolved = resolve_protocol(
        "tiny",
        "darts",
        {"epochs": 3, "learning_rate": 0.1},
        {"layers": 3, "channels": 4},
    )
    assert resolved.settings.epochs == 3
    assert resolved.skeleton["layers"] == 3
    own = PROTOCOLS["tiny"]
    assert own.settings.learning_rate == 0.1 and own.skeletons["darts"]["channels"] == 4
    assert resolved.overrides == {"epochs": 3, "skeleton.layers": 3}
    assert resolve_protocol("tiny", "s2", {}, {"stem": "cifar"}).overrides == {
        "skeleton.stem": "cifar"
    }
    assert (
        resolve_protocol("tiny", "minimal:2-3=none", {}).skeleton
        == own.skeletons["minimal"]
    )


MISTAKES = {
    "protocol": (
        ("tinny", "darts", {}, {}),
        "unknown protocol 'tinny': did you mean 'tiny'",
    ),
    "space": (("tiny", "dart", {}, {}), "unknown space 'dart': did you mean 'darts'"),
    "another space": (
        ("nb201", "darts", {}, {}),
        "protocol nb201 is not for space darts; protocols for it: darts-cifar10, darts-cifar100, darts-svhn",
    ),
    "a restricted space": (
        ("darts-cifar10", "minimal:2-3=none", {}, {}),
        "protocol darts-cifar10 is not for space minimal:2-3=none; protocols for it: tiny$",
    ),
    "a restriction": (
        ("tiny", "minimal:2-3=nne", {}, {}),
        "on edge 2-3 'nne': did you mean 'none'",
    ),
    "setting": (
        ("tiny", "darts", {"learning_rat": 1}, {}),
        "unknown setting of protocol tiny .*'learning_rate'",
    ),
    "value": (
        ("tiny", "darts", {"epochs": 0}, {}),
        "protocol tiny: epochs: Input should be greater than or equal",
    ),
    "type": (
        ("tiny", "darts", {"epochs": "many"}, {}),
        "protocol tiny: epochs: Input should be a valid integer",
    ),
    "choice": (
        ("tiny", "darts", {"precision": "fp8"}, {}),
        "protocol tiny: precision: Input should be 'float32', 'bf",
    ),
    "skeleton": (
        ("tiny", "darts", {}, {"layer": 3}),
        "unknown skeleton setting .*did you mean 'layers'",
    ),
    "skeleton value": (
        ("tiny", "darts", {}, {"layers": 2}),
        "needs at least 3 layers, not 2",
    ),
    "no head": (
        ("nb201", "nb201", {"auxiliary_weight": 0.4}, {}),
        "nb201 has no auxiliary head: leave auxiliary_wei",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_mend(mistake):
    arguments, message = MISTAKES[mistake]
    with pytest.raises(UserError, match=message) as caught:
        resolve_protocol(*arguments)
    assert "\n" not in str(caught.value)


WRONG = {
    **{
        "batch_size": 1,
        "learning_rate": 0.0,
        "momentum": 1.0,
        "drop_path": 1.0,
        "label_smoothing": 1.0,
        "cutout": -1,
    },
    **{"limit": 1, "gamma": 0.0, "weight_decay": math.inf, "unknown": 1},
}


@pytest.mark.parametrize("setting", WRONG)
def test_settings_are_checked(setting):
    with pytest.raises(ValidationError, match=setting):
        TrainingSettings.model_validate(
            PROTOCOLS["tiny"].settings.model_dump() | {setting: WRONG[setting]}
        )


def test_confopts_protocol_is_one_of_its_nine_settings():
    """Of its benchsuite.py (settings 2) and discrete_trainer.py; the single cell has a width of its own."""
    protocol = PROTOCOLS["confopt"]
    settings = protocol.settings
    assert (settings.epochs, settings.batch_size) == (300, 512)
    assert (settings.learning_rate, settings.weight_decay) == (0.025, 3e-4)
    assert (settings.grad_clip, settings.cutout, settings.drop_path) == (5, 16, 0.3)
    assert settings.auxiliary_weight == 0
    assert protocol.skeleton("darts-none") == {"channels": 18, "layers": 4}
    assert protocol.skeleton("single-cell") == {"channels": 26}
    assert set(SINGLE_CELLS) <= set(SPACES)
