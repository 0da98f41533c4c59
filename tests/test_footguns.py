"""The numbers of docs/footguns.md, reckoned again."""

import re
from collections import Counter
from math import comb

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import kendalltau, spearmanr

from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.scoring.inputs import scoring_inputs
from archselect.benchmarks.scoring.operation_files import read_operation_scores
from archselect.benchmarks.scoring.populations import populate
from archselect.benchmarks.scoring.scorer import Scorer
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.costs.counted import MultiplyAdds
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.truth import graph_bench
from archselect.nasbench_adapters.truth.choices import unflatten
from archselect.nasbench_adapters.truth.long_csv import import_long
from archselect.reports.tables.operations import operation_table
from archselect.reports.tables.oracles import oracle_in
from archselect.selectors.predictors.base import count_steps
from archselect.selectors.predictors.self_training import COPIES

TEST, SHORT = ("cifar10", "ori-test", 200), ("cifar10", "ori-test", 12)
VALID = ("cifar10-valid", "x-valid", 200)


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "footguns.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def table(shared_file):
    return import_long(shared_file("nb201.csv.gz"), "nb201")


@pytest.fixture(scope="module")
def reference(shared_file):
    return np.load(shared_file("nb201_reference.npz"), allow_pickle=False)


@pytest.fixture(scope="module")
def accuracies(table, reference, nb201):
    """Test accuracy of each cell in the reference's order."""
    by_text = {
        nb201.format(unflatten(nb201, row)): mean
        for row, mean in zip(table.population[0], table.means(*TEST), strict=True)
    }
    return np.array([by_text[str(text)] for text in reference["arch"]])


def row(page, name):
    (found,) = (line for line in page.splitlines() if line.startswith(f"| {name} |"))
    return found


def says(line, *texts):
    for text in texts:
        assert text in line, (text, line)


def tau(a, b):
    return kendalltau(a, b, variant="b").statistic


def tenth(values):
    return values >= np.sort(values)[-(len(values) // 10)]


def test_horizon_trial_and_split(page, table, reference, nb201):
    cell = nb201.parse(str(reference["arch"][0]))
    short, long, valid = (
        table.lookup(cell, *column) for column in (SHORT, TEST, VALID)
    )
    assert (len(short.seeds), len(long.seeds)) == (1, 3)
    says(
        row(page, "horizon and trial"),
        f"one trial: {short.mean:.2f} %",
        f"3 trials: {long.mean:.2f} %",
    )
    says(row(page, "split"), f"{valid.mean:.2f} %", f"{long.mean:.2f} %")


@pytest.mark.slow
def test_rankings(page, table):
    test, valid, short = (table.means(*column) for column in (TEST, VALID, SHORT))
    best = tenth(test)
    for name, other in (
        ("which ranking is the truth", valid),
        ("a short horizon as the truth", short),
    ):
        says(
            row(page, name),
            f"all cells: {tau(test, other):.3f}",
            f"tenth: {tau(test[best], other[best]):.3f}",
        )


def test_reductions(page, table):
    test = np.sort(table.means(*TEST))
    best_trial = np.nanmax(table.matrix(*TEST))
    says(
        row(page, "best trial or mean of trials"),
        f"{best_trial:.2f} %",
        f"{test[-1]:.2f} %",
    )
    ways = np.array([comb(place, 3) / comb(len(test), 4) for place in range(len(test))])
    says(
        row(page, "best of 4 or mean of 4"),
        f"expected: {test @ ways:.2f} %",
        f"mean: {test.mean():.2f} %",
    )


@pytest.mark.slow
def test_choosing_by_test(page):
    if not graph_bench.installed():
        pytest.skip(f"the package is not installed: {graph_bench.INSTALL}")
    measured = graph_bench.read_dataset(graph_bench.package_data(), "citeseer")
    values = np.array(list(measured.values()))
    validation, test = values[:, 0], values[:, 1]
    # Cells that tie by validation are one as likely as the other.
    _, ties = np.unique(validation, return_inverse=True)
    means = np.bincount(ties, test) / np.bincount(ties)
    by_validation = means[np.sort(ties)]
    ways = comb(len(test), 300)
    chances = np.array([comb(place, 299) / ways for place in range(len(test))])
    says(
        row(page, "choosing by test"),
        f"expected test accuracy: {np.sort(test) @ chances:.2f} %",
        f"by validation accuracy: {by_validation @ chances:.2f} %",
    )


def best_of(number, by_validation, test):
    """Mean and standard deviation of the test accuracy of the best by validation of so many random cells."""
    order = np.argsort(by_validation, kind="stable")
    _, ties = np.unique(by_validation[order], return_inverse=True)
    ordered = test[order]
    count = np.bincount(ties)
    means = (np.bincount(ties, ordered) / count)[ties]
    squares = (np.bincount(ties, ordered**2) / count)[ties]
    ways = comb(len(test), number)
    chances = np.array([comb(place, number - 1) / ways for place in range(len(test))])
    mean = means @ chances
    return mean, np.sqrt(squares @ chances - mean**2)


def test_texts_classes_and_samples_of_random_search(page, table, nb201):
    validation, test = table.means(*VALID), table.means(*TEST)
    cells = [unflatten(nb201, row) for row in table.population[0]]
    is_class = np.array([nb201.classes[cell] == cell for cell in cells])
    of_texts, _ = best_of(10, validation, test)
    of_classes, deviation = best_of(10, validation[is_class], test[is_class])
    says(
        row(page, "texts or classes"),
        f"accuracy: {of_texts:.2f} %",
        f"function: {of_classes:.2f} %",
    )
    says(
        row(page, "random search, sampled"),
        f"expected {of_classes:.2f} %",
        f"deviation of {deviation:.2f} points",
        f"error of {deviation / 2:.2f} points",
    )


def test_steps_of_a_predictor(page):
    labels, pseudo = 1_100, 10_000
    together = COPIES * labels + pseudo
    says(
        row(page, "steps of a predictor"),
        f"labels: {count_steps(1, labels)} steps",
        f"pseudo-labels: {count_steps(1, together)} steps",
    )


def test_oracles_and_sign(page, table, nb201, shared_file):
    scorers = read_operation_scores(shared_file("nb201_operation_scores.csv"), nb201)
    released = oracle_in(scorers, "best_acc")
    full = {}
    for place in released:
        has = table.population[0][:, place[1]] == place[2]
        full[place] = np.nanmax(table.matrix(*TEST)[table.population[1][has]])
    lower = sum(full[place] > value + 1e-6 for place, value in released.items())
    assert lower == 3 and all(
        full[place] >= value - 1e-6 for place, value in released.items()
    )
    frame = operation_table(
        scorers, {"released": released, "full": full}
    ).frame.set_index("scorer")
    found = frame.loc["zc_pt_nwot"]
    says(
        row(page, "which oracle"),
        f"tau {found.tau_vs_released:.3f}",
        f"tau {found.tau_vs_full:.3f}",
        "three of the",
    )
    says(
        row(page, "sign"),
        f"tau {-found.tau_vs_released:.3f}",
        f"tau {found.tau_vs_released:.3f}",
    )


def test_ties(page, reference, accuracies):
    sizes = np.round(reference["params_m_cifar10"], 6)
    pairs = comb(len(sizes), 2)
    tied = [
        sum(comb(n, 2) for n in Counter(side.tolist()).values())
        for side in (sizes, accuracies)
    ]
    tau_b = tau(sizes, accuracies)
    tau_a = tau_b * np.sqrt((pairs - tied[0]) * float(pairs - tied[1])) / pairs
    says(
        row(page, "ties"),
        f"{len(set(sizes.tolist()))} levels",
        f"tau-a {tau_a:.3f}",
        f"tau-b {tau_b:.3f}",
    )


def test_populations(page, reference, accuracies):
    scores = reference["naswot_score_cifar10"]
    known = np.isfinite(scores)
    best = known & tenth(accuracies)
    says(
        row(page, "population"),
        f"{known.sum():,} connected cells: Spearman {spearmanr(scores[known], accuracies[known]).statistic:.3f}",
        f"tenth: {spearmanr(scores[best], accuracies[best]).statistic:.3f}",
    )
    connected = accuracies > 11
    says(
        row(page, "failed cells"),
        f"{accuracies.mean():.2f} %",
        f"the {(~connected).sum()} disconnected ones: {accuracies[connected].mean():.2f} %",
    )


def test_equal_cells(page, reference):
    """How likely a cell of the left-out fifth has one of its class among the rest, exactly."""
    sizes = Counter(reference["canonical_id"].tolist())
    cells = sum(sizes.values())
    kept = round(0.8 * cells)
    alone = 0.0
    for size in sizes.values():
        chance = 1.0
        for other in range(size - 1):
            chance *= (cells - 1 - kept - other) / (cells - 1 - other)
        alone += size * chance
    says(
        row(page, "equal cells on both sides"),
        f"{cells:,} cells",
        f"{len(sizes):,} classes",
        f"{100 * (1 - alone / cells):.0f} % of the cells left out",
    )


def test_flops(page, reference, nb201):
    cell = nb201.parse(str(reference["arch"][1]))
    multiply_adds = MultiplyAdds(nb201, NetworkShape()).of(cell) / 1e6
    assert multiply_adds == pytest.approx(float(reference["flops_m_cifar10"][1]))
    says(
        row(page, "FLOPs"),
        f"{multiply_adds:.2f} million",
        f"{2 * multiply_adds:.2f} million",
    )


def test_latencies_near_zero(page, shared_file):
    with np.load(shared_file("nb201_latency_27_devices.npz")) as file:
        devices = file["devices"].tolist()
        latencies = file["latency_ms"].T
    counts = []
    for device in ("pixel3", "raspi4"):
        values = latencies[devices.index(device)]
        median = np.median(values)
        near_zero = values[values < median / 10]
        counts.append(f"{device}: {len(near_zero)} cells")
        line = row(page, "latencies near zero")
        says(line, f"{near_zero.min():.3f}", f"{median:.1f}")
    says(line, *counts)


@pytest.mark.slow
def test_batch_norm_mode(page, nb201):
    population = populate(
        nb201,
        "sample:100",
        truth=TruthPart(
            table="nb201-digits", dataset="digits", split="test", epochs=10
        ),
    )
    truth = [round(np.mean(trials), 9) for trials in population.trials]
    images = Images(load_images("digits"), torch.device("cpu"), split="first")
    found = []
    for norm in ("own", "running"):
        inputs = scoring_inputs(
            population,
            ("snip",),
            data="digits",
            skeleton={"channels": 4, "cells": 2, "reduction": "pool"},
            norm=norm,
        )
        scorer = Scorer(inputs, images)
        scores = pd.Series(
            [scorer.score(text, 0)["snip"].value for text in population.architectures]
        )
        found.append(scores.corr(pd.Series(truth), method="spearman"))
    stated = re.search(
        r"Spearman (-?\d\.\d\d) .*evaluation mode: (-?\d\.\d\d) ",
        row(page, "batch-norm mode"),
    )
    assert stated
    # Scores in float32: on another processor some that nearly tie change places.
    assert found == pytest.approx(
        [float(number) for number in stated.groups()], abs=0.02
    )
