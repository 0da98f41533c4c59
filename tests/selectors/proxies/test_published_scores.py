"""Ranks of the cheap proxies against those published in NASLib's history, on a sample of NAS-Bench-201 cells."""

import pandas as pd
import pytest
import torch

from archselect.nasbench_adapters.networks import Network, scoring
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies import PROXIES

CELLS = 16


@pytest.fixture(scope="module")
def published(shared_file):
    table = pd.read_csv(shared_file("nb201_proxy_scores_cifar10.csv"))
    return table[table.synflow.notna()].sample(CELLS, random_state=1).reset_index()


@pytest.fixture(scope="module")
def networks(published):
    space = get_space("nb201")
    return [
        Network(space, space.parse(text), space.skeleton(), 3, 10, [seed])
        for seed, text in enumerate(published.arch)
    ]


@pytest.mark.parametrize(
    ("name", "least"),
    [("params", 1.0), ("flops", 0.99), ("l2_norm", 0.9), ("synflow", 0.9)],
)
def test_ranks_agree_with_the_published_ones(name, least, published, networks):
    """They need no images.

    `params` is equal; `flops` are counted by another rule; weights are of other seeds.
    """
    x, y = torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.long)
    scores = []
    for network in networks:
        with scoring(network, "batch"):
            scores.append(PROXIES[name].score(network, network, x, y))
    assert published[name].corr(pd.Series(scores), method="spearman") >= least - 1e-9
    if name == "params":
        assert scores == pytest.approx(published[name].tolist(), abs=1e-9)
    elif name != "flops":
        # The logarithm of the sum is published, not the sum; and these are within a
        # tenth of what we have.
        assert scores == pytest.approx(published[name].tolist(), rel=0.1)
