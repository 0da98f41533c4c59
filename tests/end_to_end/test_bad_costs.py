"""Costs, penalties, activations and schedules that cannot be: exit code 2, one line, and nothing is started."""

import numpy as np
import pytest
from support.made_costs import ADDED, BASE, made_up, whole_choices

from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.costs.table_header import CostColumn
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.choices import flatten

DARTS = 'recipe = "darts"'
EXACT = BASE + ADDED[whole_choices()].sum(axis=1)
GAPS = np.where(np.arange(len(EXACT)) < 7, np.nan, EXACT)
NEAR_ZERO = np.where(np.arange(len(EXACT)) < 5, 0.01, EXACT)
DEVICES = {"pixel2": EXACT, "pixel3": NEAR_ZERO, "raspi4": GAPS}


def of_darts():
    """A table of some cells of another space."""
    space = get_space("darts")
    generator = np.random.default_rng(0)
    rows = [flatten(space.sample(generator)) for _ in range(40)]
    choices = np.unique(np.stack(rows), axis=0)
    return CostTable.build(
        name="others",
        space="darts",
        choices=choices,
        columns={CostColumn("pixel2", "ms", "d"): np.arange(1.0, len(choices) + 1)},
        origin="made up by the tests",
        licence="MIT",
    )


@pytest.fixture
def devices(world):
    """The small world with two tables: costs of three devices, and one of another space."""
    table = made_up(DEVICES.values(), names=tuple(DEVICES))
    table.save(world.folder / "devices.npz")
    of_darts().save(world.folder / "others.npz")
    return world


def listed(of):
    """The replacement that lists a cost in the study."""
    return (
        "[[supernets]]\n" + DARTS,
        f'[[costs]]\nname = "latency"\nof = "{of}"\n\n[[supernets]]\n{DARTS}',
    )


def penalised(settings):
    """The replacement that adds settings to the supernets of darts."""
    return DARTS, f"{DARTS}\n{settings}"


SGAS = 'name = "magnitude"', 'name = "sgas"'
MISTAKES = {
    "listed cost of another space": (
        [listed("table:others.npz/pixel2")],
        ["others.npz", "darts"],
    ),
    "penalised cost of another space": (
        [penalised('cost = "additive:others.npz/pixel2@20"\ncost_weight = 0.1')],
        ["cost table 'others.npz' is of space darts, not of nb201"],
    ),
    "listed device that is missing": (
        [listed("table:devices.npz/pixel1")],
        ["'pixel1': known: pixel2, pixel3, raspi4"],
    ),
    "penalised device that is missing": (
        [penalised('cost = "additive:devices.npz/pixle2@100"\ncost_weight = 0.1')],
        ["'pixle2'", "did you mean 'pixel2'?"],
    ),
    "table that is missing": (
        [penalised('cost = "additive:device.npz/pixel2@100"')],
        ["device.npz"],
    ),
    "gaps": (
        [listed("table:devices.npz/raspi4")],
        ["7 of 15,625 architectures are missing", "additive:devices.npz/raspi4@100"],
    ),
    "near zero": (
        [listed("table:devices.npz/pixel3")],
        ["5 near zero (below a tenth of the median) count as missing"],
    ),
    "negative cost_weight": (
        [penalised('cost = "params"\ncost_weight = -0.1')],
        ["supernets.0.cost_weight: Input should be greater than or equal to 0"],
    ),
    "negative rho": (
        [penalised('proximity = "prox"\nrho = -1')],
        ["supernets.0.rho: Input should be greater than or equal to 0"],
    ),
    "negative decay": (
        [penalised("decay = -0.5")],
        ["supernets.0.decay: Input should be greater than or equal to 0"],
    ),
    "cost_weight without a cost": (
        [penalised("cost_weight = 0.1")],
        ["cost_weight needs a cost"],
    ),
    "cost that is only looked up": (
        [penalised('cost = "table:devices.npz/pixel2"\ncost_weight = 0.1')],
        ["can only be looked up", "additive:NAME/COLUMN@100"],
    ),
    "too few cells": (
        [penalised('cost = "additive:devices.npz/pixel2@3"')],
        ["at least 10 cells, not 3"],
    ),
    "activation that a selector cannot read": (
        [penalised('activation = "crb"'), SGAS],
        ["sgas", "crb"],
    ),
    "activation that is none": (
        [penalised('activation = "relu"')],
        [
            "supernets.0.activation: Input should be 'softmax', 'crb', 'sigmoid' or 'dirichlet'"
        ],
    ),
    "schedule that is none": (
        [penalised('schedule = "never"')],
        ["supernets.0.schedule: Input should be 'every' or 'informed'"],
    ),
    "penalty of a file that is missing": (
        [penalised('penalty = "absent.py:Mine"')],
        ["absent.py"],
    ),
    "penalty by an unknown name": (
        [penalised('penalty = "entropie"')],
        ["entropie"],
    ),
    "penalty that has a setting": (
        [penalised('penalty = "prox"')],
        ["penalty 'prox' is built in"],
    ),
    "proximity where no alphas are learnt": (
        [
            (DARTS, 'recipe = "spos"\nproximity = "prox"'),
            ('on = ["darts"]', 'on = ["spos"]'),
        ],
        ["proximity"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_before_anything_runs(refusal, devices, mistake):
    replacements, wanted = MISTAKES[mistake]
    study = devices.study(*replacements)
    line = refusal("run", study, "--out", "out", "--device", "cpu")
    assert line.count("\n") == 1
    for words in wanted:
        assert words in line
    assert not (devices.folder / "out").exists()
