"""PC-DARTS: warm-up, steps of the betas, the genotype, and what studies refuse."""

import numpy as np
import pytest
import torch

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.pc_darts import PcDarts
from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.parameters import count_parameters
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.darts_pt import DartsPT
from archselect.selectors.magnitude import Magnitude
from archselect.selectors.zero_cost_pt import ZeroCostPT

CPU = torch.device("cpu")
PUBLISHED = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 0), "
    "('dil_conv_3x3', 1), ('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 0), "
    "('dil_conv_3x3', 1)], normal_concat=range(2, 6), reduce=[('sep_conv_5x5', 1), "
    "('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 2), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 3), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2)], "
    "reduce_concat=range(2, 6))"
)
"""PC_DARTS_cifar of yuhuixu1993/PC-DARTS at b74702f, genotypes.py."""


def test_the_published_genotype_has_the_published_number_of_parameters():
    """3.6 M (paper, table 1; README of the released code)."""
    space = get_space("darts-none")
    architecture = space.parse(PUBLISHED)
    skeleton = space.skeleton(channels=36, layers=20)
    (parameters,) = count_parameters(space, [architecture], skeleton, 3, 10)
    assert round(parameters / 1e6, 1) == 3.6


def test_the_alphas_wait_for_the_end_of_the_warm_up(new_trainer):
    optimiser = PcDarts(channel_divisor=2, batch_size=8, epochs=3, warmup_epochs=2)
    trainer = new_trainer(optimiser)
    start = trainer.alphas[0].detach().clone()
    assert start.shape == (6, 6)
    for epoch in range(3):
        assert torch.equal(trainer.alphas[0], start)
        trainer.epoch(trainer.space.undecided(), progress=epoch / 3)
    moved = trainer.alphas[0].detach() != start
    assert moved[:, -1].all() and moved[:, :-1].any()


def test_penalties_see_operations_and_the_genotype_of_both(new_trainer):
    optimiser = PcDarts(batch_size=8, warmup_epochs=0, decay=1.0, proximity="prox")
    trainer = new_trainer(optimiser, "darts-none", scale=1.0)
    view = trainer._view()
    kept = slow_genotype(trainer.space, trainer.alphas)
    for alpha, table, one_hot, of_cell in zip(
        view.alphas, view.tables, view.discrete, kept, strict=True
    ):
        assert alpha.shape == table.shape == one_hot.shape == (14, 8)
        assert {tuple(place) for place in one_hot.nonzero().tolist()} == set(
            of_cell.items()
        )
    trainer.epoch(trainer.space.undecided(), progress=0.0)
    assert all(alpha.isfinite().all() for alpha in trainer.alphas)


@pytest.mark.parametrize("order", [1, 2])
def test_without_both_it_is_darts_bit_by_bit(new_trainer, order):
    settings = {"batch_size": 8, "epochs": 1, "order": order}
    of_darts = Darts(**settings)
    changed = {
        name: getattr(of_darts, name)
        for name in ("learning_rate", "learning_rate_min", "alpha_learning_rate")
    }
    plain = PcDarts(
        **settings,
        **changed,
        warmup_epochs=0,
        channel_divisor=1,
        edge_normalised=False,
    )
    trainers = [new_trainer(of_darts), new_trainer(plain)]
    for trainer in trainers:
        trainer.epoch(trainer.space.undecided(), progress=0.0)
    darts, pc_darts = trainers
    assert torch.equal(darts.alphas[0], pc_darts.alphas[0])
    weights = pc_darts.supernet.state_dict()
    for name, value in darts.supernet.state_dict().items():
        assert torch.equal(value, weights[name]), name


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def slow_genotype(space, alphas):
    """By cell type, the edges kept and their operations, by the released code's rule."""
    kept = []
    for cell, table in zip(space.cells, alphas, strict=True):
        rows = table.detach().double().numpy()
        none = cell.operations[0].index("none")
        of_cell = {}
        for node in range(cell.inputs, cell.nodes):
            into = [e for e, (_, target) in enumerate(cell.edges) if target == node]
            shares = softmax(rows[into, -1])
            best = {}
            for edge, share in zip(into, shares, strict=True):
                weights = softmax(rows[edge, :-1]) * share
                weights[none] = -1
                best[edge] = (weights.max(), int(weights.argmax()))
            for edge in sorted(into, key=lambda edge: -best[edge][0])[:2]:
                of_cell[edge] = best[edge][1]
        kept.append(of_cell)
    return kept


def make_task(halves, space="darts-none", **settings):
    """A task on a supernet whose alphas and betas are far apart."""
    space = get_space(space)
    recipe = Recipe(
        recipe="pc-darts", epochs=0, batch_size=16, alpha_scale=1.0, **settings
    )
    skeleton = {"channels": 4, "layers": 3}
    if space.name == "nb201":
        skeleton = {"channels": 4, "cells": 1}
    inputs = recipe.inputs(space.name, skeleton)
    made = make_supernet(recipe, space, inputs, halves, 0)
    return SupernetTask(space, recipe, inputs, made, halves, PhaseClock(CPU), 0, 0)


def test_magnitude_reads_the_genotype_of_the_released_code(halves):
    task = make_task(halves)
    by_alphas = 0
    for seed in range(20):
        torch.manual_seed(seed)
        for alpha in task.alphas:
            alpha.data = torch.randn_like(alpha)
        selected = Magnitude().select(task).architecture
        kept = slow_genotype(task.space, task.alphas)
        for row, of_cell in zip(selected.choices, kept, strict=True):
            found = {e: choice for e, choice in enumerate(row) if choice is not None}
            assert found == of_cell
        for alpha in task.alphas:
            alpha.data[:, -1] = 0
        by_alphas += Magnitude().select(task).architecture == selected
    # Betas matter: without them most genotypes are others.
    assert by_alphas < 10


@pytest.mark.parametrize(
    "selector",
    [
        DartsPT(tune_epochs=1, score="loss"),
        ZeroCostPT(iterations=1, batch_size=8, validation_batches=1),
    ],
    ids=["darts-pt", "zero-cost-pt"],
)
def test_selectors_that_perturb_read_its_supernet(halves, selector):
    task = make_task(halves, "nb201")
    selection = selector.select(task)
    assert len(selection.decisions) == 6
    assert task.space.format(selection.architecture)


STUDY = """
name = "x"
title = "x"
tables = ["time"]
seeds = {{ supernet = [0] }}
spaces = [{{ name = "{space}", skeleton = {{ channels = {channels} }} }}]
data = [{{ name = "digits" }}]
supernets = [{{ recipe = "pc-darts" }}]
selectors = [{{ name = "magnitude" }}]
"""


def study_of(folder, space, channels):
    path = folder / "x.toml"
    path.write_text(STUDY.format(space=space, channels=channels))
    return read_study(str(path))


@pytest.mark.parametrize(
    ("space", "channels", "fix"),
    [
        ("darts", 6, "set other channels"),
        ("nb-macro", 16, "set channel_divisor = 1"),
        ("nb1shot1-1", 8, "set channel_divisor = 1|set edge_normalised = false"),
    ],
)
def test_a_study_is_refused_where_channels_cannot_be_divided(
    tmp_path, space, channels, fix
):
    with pytest.raises(UserError, match=fix):
        study_of(tmp_path, space, channels)


def test_a_selector_of_probabilities_is_told_to_leave_the_weights_of_edges_out(
    tmp_path,
):
    path = tmp_path / "x.toml"
    text = STUDY.format(space="darts-none", channels=16)
    path.write_text(text.replace("magnitude", "sgas"))
    with pytest.raises(UserError, match="set edge_normalised = false"):
        read_study(str(path))
    part = 'recipe = "pc-darts"'
    text = path.read_text().replace(part, f"{part}, edge_normalised = false")
    path.write_text(text)
    assert read_study(str(path)).selectors[0].name == "sgas"


def test_a_study_of_it_is_read(tmp_path):
    study = study_of(tmp_path, "darts-none", 16)
    assert study.supernets[0].build() == PcDarts()
