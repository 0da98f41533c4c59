"""A small world: a truth over all of nb201 with made-up accuracies, and a study that runs on it in a second."""

from __future__ import annotations

import numpy as np

from archselect.nasbench_adapters.truth.table import TruthTable

EFFECTS = np.array([0.0, 3.0, 4.0, 9.0, 1.5])
"""What each operation is worth on any edge, in points."""

STUDY = """
name = "small"
title = "A small study"
tables = ["tau", "accuracy", "time"]

[seeds]
supernet = [0, 1]

[[spaces]]
name = "nb201"
skeleton = { channels = 2, cells = 1, reduction = "pool" }

[[data]]
name = "digits"
split = "first"
limit = 32
truth = [{ table = "TABLE", dataset = "made-up", split = "test", epochs = 1 }]

[[supernets]]
recipe = "darts"
epochs = 1
batch_size = 16

[[supernets]]
recipe = "untrained"
batch_size = 16

[[selectors]]
name = "random"
on = ["untrained"]

[[selectors]]
name = "magnitude"
on = ["darts"]

[[selectors]]
name = "darts-pt"
on = ["darts"]
tune_epochs = 1

[[selectors]]
name = "zero-cost-pt"
on = ["untrained"]
iterations = 2
batch_size = 16
validation_batches = 1
"""

QUICK = (
    ('"untrained"]\niterations = 2', '"untrained"]\niterations = 1'),
    ('[[selectors]]\nname = "darts-pt"\non = ["darts"]\ntune_epochs = 1\n', ""),
)
"""Makes the small study quicker yet: without darts-pt, one iteration of zero-cost-pt."""

LABELS = ["random", "magnitude", "darts-pt", "zero-cost-pt"]


def truth_table():
    """Every cell of nb201 with two trials; the operations' worths add up, later edges count more."""
    choices = np.indices((5,) * 6).reshape(6, -1).T
    worth = EFFECTS[choices] @ np.array([0.6, 0.8, 1.0, 1.1, 1.2, 1.3])
    noise = np.random.default_rng(0).normal(0, 0.5, (len(choices), 2))
    return TruthTable.build(
        name="made-up",
        space="nb201",
        choices=choices,
        columns={
            ("made-up", "test", 1): (
                ["a", "b"],
                np.round(20 + worth[:, None] + noise, 3),
            )
        },
        origin="made up by the tests",
        licence="MIT",
    )


def study_text(table, *replacements):
    """The study's TOML with its truth at a path; each replacement is (old text, new text), and must apply."""
    text = STUDY.replace("TABLE", str(table))
    for old, new in replacements:
        if old not in text:
            raise ValueError(f"the study does not say {old!r}")
        text = text.replace(old, new)
    return text
