"""A study whose queries train networks on a ring of thirty nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archselect.nasbench_adapters.graphs import (
    GraphDataset,
    GraphSource,
    make_graph,
)

HEAD = """
name = "trained"
title = "Queries that train"
tables = ["budget", "tau", "accuracy"]

[seeds]
supernet = [0]

[[spaces]]
name = "nbgraph"

[[selectors]]
name = "random-search"
"""
DATA = """
[[data]]
name = "SHARING"
queries = 5

[data.reward]
source = "training"
graph = "ring"
epochs = 3
hidden = 4
sharing = "SHARING"
report = { epochs = 4, seeds = [0, 1] }
"""
NODES = 30


def study_text(*sharings: str) -> str:
    """The study with data for each way of sharing."""
    return HEAD + "".join(DATA.replace("SHARING", name) for name in sharings)


def ring(_: Path) -> GraphDataset:
    """Thirty nodes in a ring; the class is the sign of a feature."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(NODES, 5))
    return make_graph(
        "ring",
        features,
        np.stack([np.arange(NODES), (np.arange(NODES) + 1) % NODES]),
        (features[:, 0] > 0).astype(np.int64),
        np.arange(10),
        np.arange(10, 20),
        np.arange(20, NODES),
        classes=2,
        origin="made up",
    )


def source(read=ring) -> GraphSource:
    """The ring by name, or what another function reads in its place."""
    return GraphSource("ring", "a ring", "made up", lambda _: True, read)
