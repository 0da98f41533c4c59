"""A study whose selectors query rewards, on a made-up table of all of nb201."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder

from . import small

STUDY = """
name = "queries"
title = "A study of queries"
tables = ["accuracy", "time"]

[seeds]
supernet = [0, 1, 2]

[[spaces]]
name = "nb201"

[[data]]
name = "nothing"
reward = { table = "TABLE", dataset = "made-up", split = "valid", epochs = 1 }
queries = 30
truth = [{ table = "TABLE", dataset = "made-up", split = "test", epochs = 1 }]

[[selectors]]
name = "random-search"
"""
WITH_SUPERNET = """
[[supernets]]
recipe = "untrained"
batch_size = 16

[[selectors]]
name = "magnitude"
"""
TEST = ("made-up", "test", 1)
VALID = ("made-up", "valid", 1)


def write_table(path: Path) -> Path:
    """Write a table of all cells: a noisy split to choose by, and one to report."""
    test = small.truth_table()
    choices = np.indices((5,) * 6).reshape(6, -1).T
    accuracies = test.matrix(*TEST)
    noise = np.random.default_rng(1).normal(0, 1, accuracies.shape)
    TruthTable.build(
        name="two-splits",
        space="nb201",
        choices=choices,
        columns={
            TEST: (["a", "b"], accuracies),
            VALID: (["a", "b"], np.round(accuracies + noise, 3)),
        },
        origin="made up by the tests",
        licence="MIT",
    ).save(path)
    return path


def write_part(path: Path, cells: int) -> Path:
    """Write a table of some cells of s2, which is far too large for a whole one."""
    space = get_space("s2")
    rng = np.random.default_rng(2)
    builder = TableBuilder(space)
    for _ in range(cells):
        cell = space.sample(rng)
        for column in (TEST, VALID):
            for seed in "ab":
                accuracy = round(float(rng.uniform(40, 90)), 3)
                builder.add(cell, *column, seed, accuracy)
    builder.table("part", origin="a part", licence="MIT").save(path)
    return path


def write_study(
    folder: Path, table: Path, *changes: tuple[str, str], more: str = ""
) -> Path:
    """Write the study's file; each change replaces a text that must be there."""
    text = STUDY.replace("TABLE", str(table)) + more
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "queries.toml"
    path.write_text(text)
    return path
