"""Scores of stand-alone networks: what they are, and where there are none."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from archselect.benchmarks.scoring import scorer
from archselect.benchmarks.scoring.inputs import scoring_inputs
from archselect.benchmarks.scoring.populations import populate
from archselect.benchmarks.scoring.scorer import Scorer
from archselect.benchmarks.store.records import Population
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import build_network, scoring
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies import get_proxy

NB201 = get_space("nb201")
SMALL = {"channels": 4, "cells": 1, "reduction": "pool"}
DISCONNECTED = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
PROXIES = ("nwot", "synflow", "snip", "params", "jacob_cov")


def inputs_of(population, proxies=PROXIES, **settings):
    settings = {"data": "digits", "skeleton": SMALL, "batch_size": 8, **settings}
    return scoring_inputs(population, proxies, **settings)


@pytest.fixture
def images():
    return Images(load_images("digits"), torch.device("cpu"), split="first")


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("norm", ["own", "batch", "running"])
def test_a_score_is_the_proxys_of_a_fresh_network(images, norm, batches):
    """By hand: weights by seed and cell, minibatches by seed, the proxy's own batch-norm mode unless one is named."""
    population = populate(NB201, "sample:1")
    (text,) = population.architectures
    found = Scorer(inputs_of(population, norm=norm, batches=batches), images).score(
        text, seed=3
    )
    network = build_network(
        NB201,
        NB201.parse(text),
        NB201.skeleton(**SMALL),
        1,
        10,
        stream_seed("scoring weights", 3, text),
    ).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(stream_seed("scoring minibatches", 3))
    drawn = [images.minibatch("train", 8, generator, True) for _ in range(batches)]
    for name in PROXIES:
        proxy = get_proxy(name)
        with scoring(network, (proxy.norm or "running") if norm == "own" else norm):
            wanted = sum(proxy.measure(network, network, *batch) for batch in drawn)
        assert (found[name].value, found[name].reason) == (wanted, "")


def test_fresh_batches_are_the_architectures_own(images):
    population = populate(NB201, "sample:2")
    shared, fresh = (
        Scorer(inputs_of(population, fresh_batches=fresh), images)
        for fresh in (False, True)
    )
    for text in population.architectures:
        assert (
            shared.score(text, 0)["synflow"].value
            == fresh.score(text, 0)["synflow"].value
        )  # sees no images
        assert shared.score(text, 0)["snip"].value != fresh.score(text, 0)["snip"].value


def test_the_supernets_operations(images):
    """Without scale and shift, and with poolings that are normalised: fewer parameters, and other scores."""
    space, skeleton = get_space("darts"), {"channels": 4, "layers": 3}
    population = populate(space, "sample:1")
    (text,) = population.architectures
    own, supernets = (
        Scorer(
            inputs_of(
                population,
                ("params", "snip"),
                skeleton=skeleton,
                supernet_operations=chosen,
            ),
            images,
        ).score(text, 0)
        for chosen in (False, True)
    )
    network = build_network(
        space, space.parse(text), space.skeleton(**skeleton), 1, 10, 0
    )
    cells = [
        m
        for layer in network.layers
        for m in layer.modules()
        if isinstance(m, torch.nn.BatchNorm2d)
    ]
    fewer = sum(2 * m.num_features for m in cells)
    assert own["params"].value - supernets["params"].value == pytest.approx(fewer / 1e6)
    assert own["snip"].value != supernets["snip"].value
    with pytest.raises(UserError, match="like its supernets"):
        build_network(
            get_space("nb101"),
            get_space("nb101").sample(np.random.default_rng(0)),
            None,
            1,
            10,
            0,
            affine=False,
        )


def test_what_is_not_defined_has_a_reason(images):
    population = Population(space="nb201", source="", architectures=[DISCONNECTED])
    found = Scorer(inputs_of(population, (*PROXIES, "zen")), images).score(
        DISCONNECTED, 0
    )
    assert {
        name: score.reason for name, score in found.items() if score.value is None
    } == {
        "nwot": "no ReLU tells two of the images apart",
        "synflow": "no path leads from the images to the logits",
        "jacob_cov": "the gradient of the logits by some image is constant: the logits do not depend on the image",
        "zen": "the features do not depend on the images",
    }
    assert found["params"].value > 0 and found["snip"].value == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_no_score(images, monkeypatch, value):
    proxy = replace(get_proxy("nwot"), score=lambda *_: value)
    monkeypatch.setattr(scorer, "get_proxy", lambda name: proxy)
    population = populate(NB201, "sample:1")
    found = Scorer(inputs_of(population), images).score(population.architectures[0], 0)[
        "nwot"
    ]
    assert (found.value, found.reason) == (None, f"not finite: {value}")


def test_only_undefined_is_a_reason(images, monkeypatch):
    """Any other error is a fault of the proxy, and surfaces."""

    def broken(*_):
        raise ValueError("broken")

    proxy = replace(get_proxy("nwot"), score=broken)
    monkeypatch.setattr(scorer, "get_proxy", lambda name: proxy)
    population = populate(NB201, "sample:1")
    with pytest.raises(ValueError, match="broken"):
        Scorer(inputs_of(population), images).score(population.architectures[0], 0)


def test_a_fault_of_a_proxy_is_not_swallowed(images, monkeypatch):
    def broken(*_):
        raise RuntimeError("broken")

    proxy = get_proxy("nwot")
    monkeypatch.setattr(
        scorer,
        "get_proxy",
        lambda name: type(proxy)(**{**vars(proxy), "score": broken}),
    )
    population = populate(NB201, "sample:1")
    with pytest.raises(RuntimeError, match="broken"):
        Scorer(inputs_of(population), images).score(population.architectures[0], 0)


@pytest.mark.slow
@pytest.mark.parametrize("space", ["darts", "s4", "nb101", "nb1shot1-1"])
def test_every_space_has_scores(images, space):
    population = populate(get_space(space), "sample:1")
    skeleton = (
        {"channels": 4, "layers": 3}
        if space in ("darts", "s4")
        else {"channels": 4, "cells": 1}
    )
    (text,) = population.architectures
    found = Scorer(inputs_of(population, skeleton=skeleton), images).score(text, 0)
    assert all(score.value is not None or score.reason for score in found.values())
    assert found["params"].value > 0 and found["nwot"].value is not None
