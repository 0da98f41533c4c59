"""Cora, CiteSeer and PubMed, from the files of Planetoid (Yang et al., ICML 2016).

A data set is eight files in `planetoid/` of the data folder: `ind.NAME.x`, `y`, `tx`,
`ty`, `allx`, `ally` and `graph`, which are pickles, and `ind.NAME.test.index`. The safe
reader reads them; they are never downloaded.

The split is the usual one: the nodes of `x` are for training, the next 500 for
validation, and those of `test.index` for the test accuracy. Features are unchanged.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.graphs.dataset import GraphDataset, make_graph
from archselect.nasbench_adapters.input_files import DAMAGED, read_text
from archselect.nasbench_adapters.safe_pickle import SparseRows, read_pickle

FOLDER = "planetoid"
ADDRESS = "https://github.com/kimiyoung/planetoid"
NAMES = ("cora", "citeseer", "pubmed")
VALID = 500
"""Number of nodes after the training nodes that form the part `valid`."""
_PARTS = ("x", "y", "tx", "ty", "allx", "ally", "graph", "test.index")


def paths(name: str, folder: Path) -> dict[str, Path]:
    """Return the files of a data set by part.

    Args:
        name: one of NAMES.
        folder: folder of data sets.
    """
    return {part: folder / FOLDER / f"ind.{name}.{part}" for part in _PARTS}


def present(name: str, folder: Path) -> bool:
    """Return whether all files of a data set are in the folder of data sets."""
    return all(path.is_file() for path in paths(name, folder).values())


class _Rows(NamedTuple):
    """Features (nodes, features), and one-hot classes (nodes, classes)."""

    features: np.ndarray
    classes: np.ndarray


def read(name: str, folder: Path) -> GraphDataset:
    """Return the graph of a data set.

    Raises UserError if a file is missing, damaged, or asks for code to be run.
    """
    files = paths(name, folder)
    for path in files.values():
        if not path.is_file():
            raise UserError(f"{path} is missing: put all files of Planetoid there")
    first = _read_rows(files["allx"], files["ally"])
    tested = _read_rows(files["tx"], files["ty"])
    train = len(_read_rows(files["x"], files["y"]).classes)
    test = _read_numbers(files["test.index"])
    edges = _read_edges(files["graph"])
    try:
        rows = _join(first, tested, test)
    except DAMAGED as error:
        raise UserError(
            f"the files of {name} in {folder / FOLDER} do not fit together ({error}): get them again"
        ) from error
    return make_graph(
        name,
        rows.features,
        edges,
        rows.classes.argmax(axis=1),
        np.arange(train),
        np.arange(train, train + VALID),
        test,
        classes=rows.classes.shape[1],
        origin="Planetoid's files (Yang et al., ICML 2016), its split",
    )


def _join(first: _Rows, tested: _Rows, test: np.ndarray) -> _Rows:
    """Return the rows of all nodes; a node that is in no file has no features.

    Args:
        first: rows of the nodes outside the test part.
        tested: rows of the test nodes.
        test: numbers of the test nodes, in the order of their rows.
    """
    if len(test) != len(tested.classes) or test.min() < len(first.classes):
        raise ValueError("test.index has other nodes than tx")
    nodes = int(test.max()) + 1
    joined = []
    for known, added in zip(first, tested, strict=True):
        rows = np.zeros((nodes, known.shape[1]), np.float32)
        rows[: len(known)] = known
        rows[test] = added
        joined.append(rows)
    return _Rows(*joined)


def _read_rows(features: Path, classes: Path) -> _Rows:
    """Return features and classes; raise UserError for other content."""
    sparse = read_pickle(features)
    rows = read_pickle(classes)
    if not isinstance(sparse, SparseRows):
        raise UserError(f"{features} is not a sparse matrix: get it again")
    try:
        dense = sparse.dense()
    except DAMAGED as error:
        raise UserError(f"{features} is damaged ({error}): get it again") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or len(rows) != len(dense):
        raise UserError(
            f"{classes} has another number of rows than {features.name}: get both again"
        )
    return _Rows(dense, np.asarray(rows))


def _read_numbers(path: Path) -> np.ndarray:
    """Return the numbers of a file with one number per line."""
    try:
        return np.array([int(line) for line in read_text(path).split()], np.int64)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path} is not a list of numbers: get it again") from error


def _read_edges(path: Path) -> np.ndarray:
    """Return the edges of a table of neighbours, int64 (2, edges)."""
    neighbours: Any = read_pickle(path)
    pairs = []
    try:
        for node, others in neighbours.items():
            pairs += [(int(node), int(other)) for other in others]
        return np.array(pairs, np.int64).reshape(-1, 2).T
    except DAMAGED as error:
        raise UserError(f"{path} is not a table of neighbours: get it again") from error


READERS = {name: partial(read, name) for name in NAMES}
"""Functions that read each data set from the folder of data sets."""
