"""The cells of an architecture in DOT, the language of Graphviz."""

from __future__ import annotations

from collections.abc import Sequence

from archselect.benchmarks.store.records import CellGraph
from archselect.reports.escaping import dot


def write_dot(graphs: Sequence[CellGraph], title: str) -> str:
    """Return the cells of one architecture as one graph, a cluster for each.

    Nodes are named by their numbers within the cell; inputs are boxes, and nodes that
    the cell puts out have a double border. Edges have their operations for labels.

    Args:
        graphs: the cells.
        title: name of the graph.
    """
    lines = [f"digraph {dot(title)} {{", "  rankdir=LR;"]
    for place, graph in enumerate(graphs):
        lines += _cluster(place, graph)
    lines.append("}")
    return "\n".join(lines) + "\n"


def _cluster(place: int, graph: CellGraph) -> list[str]:
    """Return the lines of a cell.

    Args:
        place: of the cell among all, which tells its nodes from those of others.
        graph: the cell.
    """
    lines = [f"  subgraph cluster_{place} {{", f"    label={dot(graph.name)};"]
    for node in range(graph.nodes):
        lines.append(f"    {_node(place, node)} [{_look(graph, node)}];")
    for source, target, operation in graph.edges:
        ends = f"{_node(place, source)} -> {_node(place, target)}"
        lines.append(f"    {ends} [label={dot(operation)}];")
    lines.append("  }")
    return lines


def _node(place: int, node: int) -> str:
    """Return the identifier of a node."""
    return f"c{place}n{node}"


def _look(graph: CellGraph, node: int) -> str:
    """Return the attributes of a node."""
    shape = "box" if node < graph.inputs else "circle"
    look = f'label="{node}", shape={shape}'
    if node in graph.output:
        return f"{look}, peripheries=2"
    return look
