"""The command that draws an architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archselect.benchmarks.cli.app import say
from archselect.nasbench_adapters.errors import UserError


def draw_architecture(
    architecture: Annotated[
        str, typer.Argument(help="In its space's text form, quoted.")
    ],
    space: Annotated[
        str | None,
        typer.Option(
            help="The architecture's space. Can be left out for a Genotype(…): darts."
        ),
    ] = None,
    out_file: Annotated[
        Path, typer.Option("--out", help="The SVG file to write.")
    ] = Path("cell.svg"),
) -> None:
    """Draw the cells of an architecture as an SVG graph, with a key of its operations."""
    from archselect.benchmarks.store.records import CellGraph
    from archselect.nasbench_adapters.atomic_files import write_atomically
    from archselect.nasbench_adapters.spaces import get_space
    from archselect.reports.drawing.cells import draw, legend_of

    if space is None and "Genotype(" not in architecture:
        raise UserError(
            "name the architecture's space with --space; 'archselect list spaces' has them"
        )
    if out_file.suffix != ".svg":
        raise UserError(
            f"--out {out_file}: drawings are SVG: name a file that ends in .svg"
        )
    drawn = get_space(space or "darts")
    parsed = drawn.parse(architecture)
    key = {
        entry.operation: entry
        for entry in legend_of(edge for cell in drawn.cells for edge in cell.operations)
    }
    graphs = [CellGraph.model_validate(cell) for cell in drawn.graph(parsed)]
    write_atomically(
        out_file, draw(graphs, key, drawn.format(parsed), keyed=True).encode()
    )
    say(f"{out_file}")
