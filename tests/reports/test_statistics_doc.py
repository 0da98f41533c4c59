"""docs/statistics.md: each number of its tables is what a simulation finds here."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from scipy.special import stdtrit

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Landscape
from archselect.reports.results.results import load
from archselect.reports.statistics.intervals import LEVEL

DRAWS = 20_000
SEEDS = (4, 8)
TOLERANCE = 1.5
"""Points of coverage by which two simulations of this size may differ, and the rounding
to whole points.
"""


@pytest.fixture(scope="module")
def landscape(root):
    """What NAS-Bench-201's table says of CIFAR-10, from a shipped study."""
    folder = Folder(root / "docs" / "results" / "zero-cost-pt-nb201")
    (found,) = [one for one in folder.read_all(Landscape) if one.dataset == "cifar10"]
    return found


def rng():
    return np.random.default_rng(31)


def covered(samples, mean):
    """In per cent, how often Student's interval of each row holds the mean; rows of one value have none."""
    seeds = samples.shape[1]
    half = (
        stdtrit(seeds - 1, (1 + LEVEL) / 2)
        * samples.std(axis=1, ddof=1)
        / np.sqrt(seeds)
    )
    holds = np.abs(samples.mean(axis=1) - mean) <= half
    return 100 * holds[np.ptp(samples, axis=1) > 1e-9].mean()


def cells(landscape, share=1.0):
    """Accuracies of the best share of the space's cells."""
    places = (np.arange(20_000) + 0.5) / 20_000
    quantiles = np.interp(
        places, np.linspace(0, 1, len(landscape.quantiles)), landscape.quantiles
    )
    return quantiles[round(len(quantiles) * (1 - share)) :]


def selected(root, study, selector):
    """The accuracies on CIFAR-10 of the cells that a selector of a shipped study chose."""
    results = load(root / "docs" / "results" / study)
    (group,) = [group for group in results.groups if group.name == selector]
    (one,) = [one for one in results.landscapes if one.dataset == "cifar10"]
    return np.array(group.known(one).means)


def best_of_ten(landscape, shape):
    return rng().choice(cells(landscape), (*shape, 10)).max(axis=-1)


def resampled(values, shape):
    """Coverage where the values seen are taken for the whole population."""
    return covered(rng().choice(values, shape), values.mean())


def taus(oracle, noise):
    """Mean tau-b over the edges of many noisy scorers that rank the operations of each edge like the oracle."""
    oracle = np.array(oracle[0])
    ranks = oracle.argsort(axis=1).argsort(axis=1)
    scores = ranks + noise * rng().normal(0, 1, (DRAWS, *oracle.shape))
    signs = 0.0
    for one, other in combinations(range(oracle.shape[1]), 2):
        signs = signs + np.sign(scores[..., one] - scores[..., other]) * np.sign(
            oracle[:, one] - oracle[:, other]
        )
    return np.round(signs.mean(axis=1) / 10, 9)


def simulated(root, landscape, seeds):
    """By the table's row, how often the interval over so many seeds holds."""
    shape = (DRAWS, seeds)
    whole, half = cells(landscape), cells(landscape, 0.5)
    random = rng().choice(whole, (2, *shape))
    good = rng().choice(half, (2, *shape))
    rows = {
        "normal values": covered(rng().normal(0, 1, shape), 0.0),
        "the best of ten random cells": covered(
            best_of_ten(landscape, shape),
            best_of_ten(landscape, (50 * DRAWS // 10,)).mean(),
        ),
        "cells of the better half": covered(good[0], half.mean()),
        "the eight cells of Zero-Cost-PT": resampled(
            selected(root, "zero-cost-pt-nb201", "zero-cost-pt"), shape
        ),
        "the eight cells of DARTS-PT": resampled(
            selected(root, "darts-pt-nb201-cpu", "darts-pt (darts)"), shape
        ),
        "random cells": covered(random[0], whole.mean()),
        "differences, cells of the better half": covered(good[0] - good[1], 0.0),
        "differences, random cells": covered(random[0] - random[1], 0.0),
    }
    for noise, name in ((0.5, "a steady scorer"), (2.0, "a noisy scorer")):
        values = taus(landscape.oracle_best, noise)
        rows[f"τ-b of {name}"] = covered(rng().choice(values, shape), values.mean())
    return rows


@pytest.mark.parametrize("seeds", SEEDS)
def test_coverage(landscape, root, seeds):
    page = (root / "docs" / "statistics.md").read_text(encoding="utf-8")
    column = 1 + SEEDS.index(seeds)
    table = {
        row[0].strip(): float(row[column])
        for row in re.findall(
            r"^\| ([^|]+) \| (\d+) % \| (\d+) % \|$", page, re.MULTILINE
        )
    }
    found = simulated(root, landscape, seeds)
    assert table.keys() == found.keys()
    for name, value in found.items():
        assert table[name] == pytest.approx(value, abs=TOLERANCE), name
