"""Planetoid's files: read as they are, and refused where they are not what they should be."""

import os
import pickle
from collections import defaultdict

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.graphs import load_graph
from archselect.nasbench_adapters.safe_pickle import read_pickle

TRAIN = 3
OTHERS = 520
"""Nodes that are not tested: those that train, 500 to choose by, and some more."""
TESTED = (520, 523, 521)
"""Numbers of the tested nodes, in the order of the file. Node 522 is in no file."""
FEATURES = 4
CLASSES = 2


class Command:
    """Pickles to a call of `os.system`."""

    def __reduce__(self):
        return os.system, ("true",)


@pytest.fixture
def files(tmp_path):
    """Write the files of a small Cora; return its folder and its true rows."""
    rng = np.random.default_rng(0)
    features = rng.integers(0, 3, (OTHERS + len(TESTED), FEATURES)).astype(np.float32)
    labels = np.eye(CLASSES, dtype=np.int32)[rng.integers(0, CLASSES, len(features))]
    neighbours = defaultdict(list)
    for node in range(OTHERS):
        neighbours[node].append((node + 1) % OTHERS)
    neighbours[0].append(523)
    folder = tmp_path / "planetoid"
    folder.mkdir()
    contents = {
        "x": csr_matrix(features[:TRAIN]),
        "y": labels[:TRAIN],
        "allx": csr_matrix(features[:OTHERS]),
        "ally": labels[:OTHERS],
        "tx": csr_matrix(features[OTHERS:]),
        "ty": labels[OTHERS:],
        "graph": neighbours,
    }
    for part, content in contents.items():
        (folder / f"ind.cora.{part}").write_bytes(pickle.dumps(content, 2))
    lines = "".join(f"{node}\n" for node in TESTED)
    (folder / "ind.cora.test.index").write_text(lines)
    return tmp_path, features, labels


def test_a_data_set_is_read(files):
    folder, features, labels = files
    graph = load_graph("cora", folder)
    assert graph.nodes == 524
    assert graph.train.tolist() == [0, 1, 2]
    assert graph.valid.tolist() == list(range(3, 503))
    assert graph.test.tolist() == list(TESTED)
    np.testing.assert_array_equal(graph.features[:OTHERS], features[:OTHERS])
    for row, node in enumerate(TESTED, start=OTHERS):
        np.testing.assert_array_equal(graph.features[node], features[row])
        assert graph.labels[node] == labels[row].argmax()
    assert not graph.features[522].any()
    edges = {tuple(edge) for edge in graph.edges.T.tolist()}
    assert {(0, 523), (523, 0), (5, 6), (6, 5)} <= edges
    assert graph.edges.shape[1] == 2 * (OTHERS + 1)


def test_files_that_run_code_are_refused(files):
    folder, *_ = files
    for part in ("allx", "ty", "graph"):
        path = folder / "planetoid" / f"ind.cora.{part}"
        kept = path.read_bytes()
        path.write_bytes(pickle.dumps(Command(), 2))
        with pytest.raises(UserError, match="is refused: it asks for"):
            load_graph("cora", folder)
        path.write_bytes(kept)


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [
        ("allx", [1, 2], "is not a sparse matrix"),
        ("ally", np.zeros(3), "has another number of rows than ind.cora.allx"),
        ("graph", [1], "is not a table of neighbours"),
        ("graph", {0: [10**6]}, "edges must be whole numbers"),
        ("tx", csr_matrix((2, FEATURES)), "has another number of rows than"),
    ],
)
def test_other_content_is_refused(files, part, content, message):
    folder, *_ = files
    path = folder / "planetoid" / f"ind.cora.{part}"
    path.write_bytes(pickle.dumps(content, 2))
    with pytest.raises(UserError, match=message):
        load_graph("cora", folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("520\nx\n521\n", "is not a list of numbers"),
        ("520\n521\n", "do not fit together"),
        ("1\n2\n3\n", "do not fit together"),
    ],
)
def test_a_wrong_list_of_tested_nodes_is_refused(files, text, message):
    folder, *_ = files
    (folder / "planetoid" / "ind.cora.test.index").write_text(text)
    with pytest.raises(UserError, match=message):
        load_graph("cora", folder)


def test_a_file_that_is_missing_is_named(files):
    folder, *_ = files
    (folder / "planetoid" / "ind.cora.ty").unlink()
    with pytest.raises(UserError, match="graph 'cora' is not in the data folder"):
        load_graph("cora", folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"_shape": (10**6, 10**6)},
        {"_shape": (2, -3)},
        {"_shape": "ab"},
        {"indptr": np.array([0, 5, 3])},
        {"indptr": np.array([-1, 1, 3])},
        {"indptr": np.array([0, 1])},
        {"indices": np.array([0, 1, 9])},
        {"indices": np.array([0, 1, -1])},
        {"indices": np.array([0, 1])},
    ],
)
def test_a_sparse_matrix_of_parts_that_do_not_fit_is_refused(files, changes):
    folder, *_ = files
    matrix = csr_matrix(np.array([[1.0, 0, 0], [0, 2.0, 3.0]]))
    path = folder / "planetoid" / "ind.cora.allx"
    path.write_bytes(pickle.dumps(matrix, 2))
    np.testing.assert_array_equal(read_pickle(path).dense(), matrix.toarray())
    matrix.__dict__.update(changes)
    path.write_bytes(pickle.dumps(matrix, 2))
    with pytest.raises(UserError):
        load_graph("cora", folder)
