"""Graphs: what is checked of their arrays, and how the digits are joined."""

import numpy as np
import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.graphs import GRAPHS, load_graph, make_graph
from archselect.nasbench_adapters.graphs.digits_knn import nearest_edges

GOOD = {
    "features": np.eye(6),
    "edges": np.array([[0, 1, 1, 2, 2], [1, 0, 2, 1, 2]]),
    "labels": np.array([0, 1, 0, 1, 0, 1]),
    "train": np.array([0, 1]),
    "valid": np.array([2, 3]),
    "test": np.array([4, 5]),
}


def made(**changes):
    return make_graph("made", **(GOOD | changes), classes=2, origin="made up")


def test_edges_stand_in_both_directions_once_and_never_lead_back():
    edges = {tuple(edge) for edge in made().edges.T.tolist()}
    assert edges == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert made().edges.shape == (2, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": np.eye(5)}, r"features are \(5, 5\)"),
        ({"features": np.full((6, 2), np.nan)}, "not finite numbers"),
        ({"edges": np.zeros((3, 2), int)}, r"give \(2, edges\)"),
        ({"edges": np.array([[0], [6]])}, "edges must be whole numbers from 0 to 5"),
        ({"labels": np.array([0, 1, 2, 0, 0, 0])}, "labels must be whole numbers"),
        ({"labels": np.linspace(0, 1, 6)}, "labels must be whole numbers"),
        ({"valid": np.array([1, 3])}, "a node is in two parts"),
        ({"test": np.array([], int)}, "a part has no nodes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        made(**changes)


def test_every_array_counts_in_the_checksum():
    checksums = {made().checksum}
    changes = (
        {"features": 7 * np.eye(6)},
        {"edges": np.array([[0, 1], [1, 3]])},
        {"labels": np.array([0, 1, 0, 1, 0, 0])},
        {"train": np.array([0])},
        {"valid": np.array([2])},
        {"test": np.array([4])},
    )
    for change in changes:
        checksums.add(made(**change).checksum)
    assert len(checksums) == 1 + len(changes)


def test_the_nearest_points_are_those_of_a_slow_search():
    points = np.random.default_rng(0).integers(0, 4, (30, 3))
    found = nearest_edges(points, 4).T.tolist()
    wanted = []
    for place, point in enumerate(points):
        others = [other for other in range(30) if other != place]
        others.sort(key=lambda other: (((points[other] - point) ** 2).sum(), other))
        wanted += [[place, other] for other in others[:4]]
    assert found == wanted


def test_the_digits_are_parted_by_class_and_cover_all_nodes():
    graph = load_graph("digits-knn")
    assert np.bincount(graph.labels[graph.train]).tolist() == [20] * 10
    parts = np.concatenate([graph.train, graph.valid, graph.test])
    assert sorted(parts.tolist()) == list(range(graph.nodes))
    degrees = np.bincount(graph.edges[0], minlength=graph.nodes)
    assert degrees.min() >= 5
    assert graph.checksum == load_graph("digits-knn").checksum
    assert graph.features.min() == 0 and graph.features.max() == 1


def test_neighbours_are_mostly_of_one_class():
    """Else there would be nothing for a graph network to gain."""
    graph = load_graph("digits-knn")
    source, target = graph.labels[graph.edges]
    assert (source == target).mean() > 0.9


def test_an_unknown_graph_and_one_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(UserError, match="did you mean 'cora'"):
        load_graph("coral", tmp_path)
    with pytest.raises(UserError, match=r"put Planetoid's files ind.cora.\* into"):
        load_graph("cora", tmp_path)
    assert all(source.name == name for name, source in GRAPHS.items())
