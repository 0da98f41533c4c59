"""The command that draws an architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archselect.benchmarks.cli.options import ArchitectureText
from archselect.benchmarks.cli.terminal import say
from archselect.nasbench_adapters.errors import UserError

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
) -> None:
    """Draw the cells of an architecture as SVG, with a legend of its operations."""
    from archselect.benchmarks.store.records import CellGraph
    from archselect.nasbench_adapters.atomic_files import write_atomically
    from archselect.nasbench_adapters.spaces import get_space
    from archselect.reports.drawing.cells import draw, legend_of

    if space is None and "Genotype(" not in architecture:
        raise UserError(
            "name the search space with --space ('archselect list spaces' lists them)"
        )
    if out_file.suffix != ".svg":
        raise UserError(
            f"--out {out_file}: the drawing is an SVG: choose a file name that ends in .svg"
        )
    search_space = get_space(space or SPACE_OF_GENOTYPES)
    parsed = search_space.parse(architecture)
    legend = legend_of(search_space.drawn_operations)
    key = {entry.operation: entry for entry in legend}
    graphs = [CellGraph.model_validate(cell) for cell in search_space.graph(parsed)]
    drawing = draw(graphs, key, search_space.format(parsed), keyed=True)
    write_atomically(out_file, drawing.encode())
    say(f"{out_file}")
