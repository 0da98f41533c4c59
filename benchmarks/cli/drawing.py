"""The command that draws an architecture, or writes it in another format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archselect.benchmarks.cli.options import ArchitectureText
from archselect.benchmarks.cli.terminal import say
from archselect.nasbench_adapters.errors import UserError

if TYPE_CHECKING:
    from archselect.benchmarks.store.records import CellGraph
    from archselect.nasbench_adapters.space import Architecture, SearchSpace

SPACE_OF_GENOTYPES = "darts"


def draw_architecture(
    architecture: ArchitectureText,
    space: Annotated[
        str | None,
        typer.Option(
            help="Search space of the architecture. Default for a Genotype(…): darts."
        ),
    ] = None,
    out_file: Annotated[
        Path, typer.Option("--out", help="The SVG file to write.")
    ] = Path("cell.svg"),
    read_as: Annotated[
        str | None,
        typer.Option(
            "--from", help="The format of ARCHITECTURE, if not the space's text form."
        ),
    ] = None,
    write_as: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="Print the architecture in this format and draw nothing: text, or one of "
            "op-indices, index, nats (nb201), compact, nb301 (darts), json, op-indices (nb101).",
        ),
    ] = None,
    as_dot: Annotated[
        bool,
        typer.Option("--dot", help="Print the cells for Graphviz and draw nothing."),
    ] = False,
) -> None:
    """Draw the cells of an architecture as SVG, or print them in another format."""
    from archselect.nasbench_adapters.spaces import get_space

    if space is None and "Genotype(" not in architecture:
        raise UserError(
            "name the search space with --space ('archselect list spaces' lists them)"
        )
    if as_dot and write_as is not None:
        raise UserError("--dot and --as are two forms: give one of them")
    if out_file.suffix != ".svg":
        raise UserError(
            f"--out {out_file}: the drawing is an SVG: choose a file name that ends in .svg"
        )
    search_space = get_space(space or SPACE_OF_GENOTYPES)
    parsed = _parse(search_space, architecture, read_as)
    if write_as is not None:
        sys.stdout.write(_write(search_space, parsed, write_as) + "\n")
    elif as_dot:
        _print_dot(search_space, parsed)
    else:
        _draw(search_space, parsed, out_file)


def _parse(space: SearchSpace, text: str, format_name: str | None) -> Architecture:
    """Return the architecture that a text names in a format; None for the space's."""
    from archselect.nasbench_adapters.formats import get_format

    if format_name is None:
        return space.parse(text)
    return get_format(format_name, space).parse(space, text)


def _write(space: SearchSpace, architecture: Architecture, format_name: str) -> str:
    """Return an architecture in a format."""
    from archselect.nasbench_adapters.formats import TEXT, get_format

    if format_name == TEXT:
        return space.format(architecture)
    return get_format(format_name, space).write(space, architecture)


def _print_dot(space: SearchSpace, architecture: Architecture) -> None:
    """Print the cells of an architecture for Graphviz."""
    from archselect.reports.drawing.dot import write_dot

    text = write_dot(_graphs(space, architecture), space.format(architecture))
    sys.stdout.write(text)


def _draw(space: SearchSpace, architecture: Architecture, out_file: Path) -> None:
    """Write the drawing of an architecture, with a legend of its operations."""
    from archselect.nasbench_adapters.atomic_files import write_atomically
    from archselect.reports.drawing.cells import draw, legend_of

    legend = legend_of(space.drawn_operations)
    key = {entry.operation: entry for entry in legend}
    graphs = _graphs(space, architecture)
    drawing = draw(graphs, key, space.format(architecture), keyed=True)
    write_atomically(out_file, drawing.encode())
    say(f"{out_file}")


def _graphs(space: SearchSpace, architecture: Architecture) -> list[CellGraph]:
    """Return the cells of an architecture as graphs."""
    from archselect.benchmarks.store.records import CellGraph

    return [CellGraph.model_validate(cell) for cell in space.graph(architecture)]
