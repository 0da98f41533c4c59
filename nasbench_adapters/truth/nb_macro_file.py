"""Import of NAS-Bench-Macro: its authors' JSON, or a CSV with the same trials.

The benchmark has no validation images. Each number is the best *test* accuracy over the
50 epochs of a training (released code, `train/train.py`). The name of the split says
so wherever the ground truth is shown. This file does not import torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import read_text
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.benchmark_results import known_form
from archselect.nasbench_adapters.truth.frames import (
    read_frame,
    read_header,
    refuse_long_rows,
)
from archselect.nasbench_adapters.truth.rows import Rows
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder

SPACE = "nb-macro"
DATASET = "cifar10"
EPOCHS = 50
BEST = "test-best-epoch"
SPLITS = {BEST: (0, 1, 2), f"{BEST}-1": (0,), f"{BEST}-2-3": (1, 2)}
"""The trials of each split: all trials, only the first, and the two others.

With the last two splits a study can select by one trial and report the others.
"""
TRIALS = 3
CSV_COLUMNS = ("arch", "test1", "test2", "test3")
DECIMALS = 2
"""Number of decimals of an accuracy in per cent, which is a share of 10,000 images."""
ORIGIN = "measured by Su et al. (NAS-Bench-Macro, CVPR 2021)"
NOTE = "test accuracy, the best over the epochs of each training; there is no validation split"
LICENCE = "Apache-2.0"


class _Network(NamedTuple):
    """Text of a network, and the accuracies of its trials in per cent."""

    text: str
    accuracies: Sequence[float]


def import_json(path: Path, name: str) -> TruthTable:
    """Return the table of the official `nas-bench-macro_cifar10.json`.

    Raises UserError if the file is missing, damaged or has another form.
    """
    text = read_text(path)
    with known_form(path):
        networks = list(_networks_of_json(json.loads(text)))
        return _table(path, name, networks)


def _networks_of_json(content: object) -> Iterator[_Network]:
    """Yield the networks of the JSON.

    Raises TypeError if it has another form.
    """
    if not isinstance(content, dict):
        raise TypeError(f"networks of type {type(content).__name__}")
    for text, measured in content.items():
        yield _Network(text, [float(value) for value in measured["test_acc"]])


def import_csv(path: Path, name: str) -> TruthTable:
    """Return the table of a CSV with the columns :data:`CSV_COLUMNS`.

    Accuracies are in per cent; other columns are ignored.

    Raises UserError, which names the row (1 is the first row after the header), for a
    value that is missing, malformed, or occurs twice.
    """
    frame = read_frame(path, CSV_COLUMNS)
    missing = [column for column in CSV_COLUMNS if column not in frame]
    if missing:
        raise UserError(
            f"{path} lacks {', '.join(missing)}: it needs {', '.join(CSV_COLUMNS)}"
        )
    rows = Rows(path, frame)
    refuse_long_rows(rows)
    trials = [rows.accuracies(column) for column in CSV_COLUMNS[1:]]
    rows.raise_any()
    networks = []
    for text, *accuracies in zip(frame["arch"], *trials, strict=True):
        networks.append(_Network(text, accuracies))
    with known_form(path):
        return _table(path, name, networks)


def is_csv_of_networks(path: Path) -> bool:
    """Return whether a CSV has the columns of :func:`import_csv`.

    Raises UserError if it cannot be read.
    """
    return set(CSV_COLUMNS) <= set(read_header(path))


def _table(path: Path, name: str, networks: Iterable[_Network]) -> TruthTable:
    """Return the table of the networks' trials.

    Raises:
        UserError: a text is not a network, or occurs twice.
        ValueError: a network has a wrong number of trials.
    """
    space = get_space(SPACE)
    builder = TableBuilder(space)
    for network in networks:
        if len(network.accuracies) != TRIALS:
            raise ValueError(f"{network.text} has {len(network.accuracies)} trials")
        architecture = space.parse(network.text)
        for split, places in SPLITS.items():
            for place in places:
                accuracy = round(network.accuracies[place], DECIMALS)
                seed = str(place + 1)
                builder.add(architecture, DATASET, split, EPOCHS, seed, accuracy)
    return builder.table(
        name, origin=f"{ORIGIN}, from {path.name}: {NOTE}", licence=LICENCE
    )
