"""Data sets for node classification, by name: each is one graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.graphs import digits_knn, planetoid
from archselect.nasbench_adapters.graphs.dataset import GraphDataset, make_graph
from archselect.nasbench_adapters.images import data_folder

__all__ = ["GRAPHS", "GraphDataset", "GraphSource", "load_graph", "make_graph"]


@dataclass(frozen=True)
class GraphSource:
    """Facts about a graph that are known before it is read.

    Attributes:
        name: name for :func:`load_graph`.
        summary: description of its nodes in one line.
        how: instructions to get it.
        present: `present(folder)` returns whether it can be read.
        read: `read(folder)` returns the graph, or raises UserError.
        address: where it is published; empty if it comes with a package.
    """

    name: str
    summary: str
    how: str
    present: Callable[[Path], bool]
    read: Callable[[Path], GraphDataset]
    address: str = ""


def _is_always_present(_: Path) -> bool:
    return True


def _planetoid(name: str, summary: str) -> GraphSource:
    """Return the source of one of Planetoid's graphs."""
    return GraphSource(
        name=name,
        summary=summary,
        how=f"put Planetoid's files ind.{name}.* into {planetoid.FOLDER}/ of the data folder",
        present=partial(planetoid.present, name),
        read=planetoid.READERS[name],
        address=planetoid.ADDRESS,
    )


GRAPHS = {
    source.name: source
    for source in (
        GraphSource(
            name=digits_knn.NAME,
            summary="1,797 handwritten digits joined to their 5 nearest, 10 classes; 200 to train",
            how="comes with scikit-learn",
            present=_is_always_present,
            read=digits_knn.read,
        ),
        _planetoid("cora", "2,708 papers and their citations, 7 classes; 140 to train"),
        _planetoid(
            "citeseer", "3,327 papers and their citations, 6 classes; 120 to train"
        ),
        _planetoid(
            "pubmed", "19,717 papers and their citations, 3 classes; 60 to train"
        ),
    )
}


def check_graph(name: str, data_dir: Path | None = None) -> None:
    """Raise UserError if a graph is unknown or missing, without reading it.

    Args:
        name: as for :func:`load_graph`.
        data_dir: folder of data sets; None for the user's data folder.
    """
    if name not in GRAPHS:
        raise unknown("graph", name, GRAPHS)
    source = GRAPHS[name]
    if not source.present(data_folder(data_dir)):
        raise UserError(
            f"graph '{name}' is not in the data folder: {source.how} (from {source.address})"
        )


def load_graph(name: str, data_dir: Path | None = None) -> GraphDataset:
    """Return the graph with a name.

    Args:
        name: one of :data:`GRAPHS`.
        data_dir: folder of data sets; None for the user's data folder.

    Raises:
        UserError: the name is unknown, or the graph is missing or damaged.
    """
    check_graph(name, data_dir)
    return GRAPHS[name].read(data_folder(data_dir))
