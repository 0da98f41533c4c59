"""The information measure against loops over images, positions and channels."""

import math

import numpy as np
import pytest
import torch

from archselect.nasbench_adapters.networks import Supernet, mixture_of, scoring
from archselect.nasbench_adapters.networks.activation import new_alphas
from archselect.nasbench_adapters.networks.output_information import (
    OutputInformation,
    information_of,
)
from archselect.nasbench_adapters.spaces import get_space

CPU = torch.device("cpu")
SKELETONS = {
    "nb201": {"channels": 4, "cells": 1, "reduction": "pool"},
    "s1": {"channels": 4, "layers": 3},
    "nb1shot1-1": {"channels": 4, "cells": 1},
}


def world(name):
    """A supernet, a mixture of everything, and two batches of images."""
    space = get_space(name)
    generator = torch.Generator().manual_seed(0)
    supernet = Supernet(space, space.skeleton(**SKELETONS[name]), 1, 10, seed=0)
    mixture = mixture_of(space, new_alphas(space, generator, CPU, 1.0))
    batches = [torch.randn(2, 1, 8, 8, generator=generator) for _ in range(2)]
    return supernet, mixture, batches


def outputs_of(supernet, mixture, batches):
    """By layer, edge and choice: the outputs of all images."""
    heard = {}
    for layer, (_, module) in enumerate(supernet.cells()):

        def listener(operation, out, layer=layer):
            place = (layer, operation.edge, operation.choice)
            heard.setdefault(place, []).append(out.double().numpy())

        module.listener = listener
    with scoring(supernet, "batch"):
        for images in batches:
            supernet(images, mixture)
    for _, module in supernet.cells():
        module.listener = None
    return {place: np.concatenate(outs) for place, outs in heard.items()}


def slow_information(outputs, skips_flat):
    """Of one operation in one layer."""
    images = []
    for image in outputs:
        values = []
        for row in range(image.shape[1]):
            for column in range(image.shape[2]):
                x = image[:, row, column]
                deviation = np.std(x, ddof=1)
                if deviation > 0:
                    values.append(np.mean(3 * (x - x.mean()) ** 2 / deviation**6))
                elif not skips_flat:
                    values.append(math.inf)
        if values:
            images.append(np.mean(values))
    return np.mean(images) if images else math.inf


@pytest.mark.parametrize("name", SKELETONS)
@pytest.mark.parametrize("skips_flat", [False, True])
def test_it_is_the_formula_averaged_over_images_and_layers(name, skips_flat):
    supernet, mixture, batches = world(name)
    measure = OutputInformation(supernet, skips_flat)
    with scoring(supernet, "batch"):
        found = measure.measure(batches, mixture)
    heard = outputs_of(supernet, mixture, batches)
    types = [cell for cell, _ in supernet.cells()]
    for edges in supernet.space.edges:
        for edge in edges:
            for choice in edge.choices:
                by_layer = [
                    slow_information(outputs, skips_flat)
                    for (layer, index, k), outputs in heard.items()
                    if (types[layer], index, k) == (edge.cell, edge.index, choice)
                ]
                expected = np.mean(by_layer) if by_layer else math.inf
                value = found[edge.cell][edge.index][choice]
                assert value == pytest.approx(expected, rel=1e-6)


def test_none_is_infinite_and_the_supernet_is_left_as_it_was():
    supernet, mixture, batches = world("nb201")
    before = supernet(batches[0], mixture)
    names = supernet.space.cells[0].operations[0]
    with scoring(supernet, "running"):
        (found,) = OutputInformation(supernet).measure(batches, mixture)
    assert all(row[names.index("none")] == math.inf for row in found)
    assert all(math.isfinite(row[names.index("nor_conv_3x3")]) for row in found)
    assert all(module.listener is None for _, module in supernet.cells())
    assert torch.equal(supernet(batches[0], mixture), before)


def test_an_identity_is_heard_before_it_is_weighed():
    supernet, mixture, batches = world("nb201")
    choice = supernet.space.cells[0].operations[0].index("skip_connect")
    heard = outputs_of(supernet, mixture, batches[:1])
    with scoring(supernet, "batch"):
        stem = supernet.stem(batches[0])
    np.testing.assert_allclose(heard[0, 0, choice], stem.numpy(), rtol=1e-6)


def test_it_falls_with_the_fourth_power_of_the_scale():
    out = torch.randn(2, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    once, twice = information_of(out), information_of(2 * out + 7)
    torch.testing.assert_close(twice, once / 16, rtol=1e-6, atol=0)
