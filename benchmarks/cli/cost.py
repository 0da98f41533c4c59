"""Commands on costs of architectures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archselect.benchmarks.cli.listing import costs
from archselect.benchmarks.cli.options import ArchitectureText
from archselect.benchmarks.cli.terminal import print_table, progress, say
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.limits import (
    MOST_CHANNELS,
    MOST_LAYERS,
)

if TYPE_CHECKING:
    from archselect.nasbench_adapters.costs.base import NetworkShape
    from archselect.nasbench_adapters.costs.table import CostTable

CostName = Annotated[
    str,
    typer.Argument(
        help="params, macs, table:NAME/COLUMN, additive:NAME/COLUMN@N, mlp:NAME/COLUMN@N or FILE.py:CLASS."
    ),
]


def list_costs(
    table: Annotated[
        str | None,
        typer.Argument(help="Show the columns of one table, by name or its .npz."),
    ] = None,
) -> None:
    """List the costs, or the columns of a table of costs."""
    if table is None:
        listing = costs()
        print_table("costs", listing.columns, listing.rows)
    else:
        from archselect.nasbench_adapters.costs.storage import open_cost_table

        _print_columns(open_cost_table(table))


def _print_columns(table: CostTable) -> None:
    """Print the columns of a table, and where it is from."""
    import numpy as np

    rows = []
    for column in table.columns:
        values = table.values(column.name)
        gaps = table.gaps(column.name)
        lowest = f"{np.nanmin(values):.4g}"
        highest = f"{np.nanmax(values):.4g}"
        counts = [f"{gaps.absent:,}", f"{gaps.near_zero:,}"]
        rows.append([column.name, column.unit, column.device, lowest, highest, *counts])
    headings = ["column", "unit", "device", "lowest", "highest", "missing", "near zero"]
    print_table(
        f"{table.name}: {len(table):,} architectures of {table.space.name}",
        headings,
        rows,
        f"{table.origin}. Licence: {table.licence}. Checksum {table.checksum[:16]}. Costs near zero, below a tenth of "
        "the median, count as missing.",
        headings[3:],
    )


@dataclass(frozen=True)
class NetworkOptions:
    """Options that say of which network parameters and multiply-adds are counted."""

    space: Annotated[str, typer.Option(help="The space of the architecture.")] = "nb201"
    channels: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_CHANNELS, help="Of the network. Default: the space's."
        ),
    ] = None
    cells: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_LAYERS,
            help="Per stage, where the space has stages. Default: the space's.",
        ),
    ] = None
    layers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_LAYERS,
            help="Of the network, where the space has no stages. Default: the space's.",
        ),
    ] = None
    image_channels: Annotated[
        int, typer.Option(min=1, max=MOST_CHANNELS, help="Of the images.")
    ] = 3
    image_size: Annotated[
        int, typer.Option(min=1, max=4096, help="Height and width of the images.")
    ] = 32
    classes: Annotated[int, typer.Option(min=1, max=100_000, help="To tell apart.")] = (
        10
    )

    def network(self) -> NetworkShape:
        """Return the network and the images."""
        from archselect.nasbench_adapters.costs.base import NetworkShape

        named = {
            "channels": self.channels,
            "cells": self.cells,
            "layers": self.layers,
        }
        skeleton = {key: value for key, value in named.items() if value is not None}
        side = self.image_size
        return NetworkShape(skeleton, (self.image_channels, side, side), self.classes)


def lookup(
    cost: CostName, architecture: ArchitectureText, options: NetworkOptions
) -> None:
    """Print what an architecture costs, and where the number comes from."""
    from archselect.nasbench_adapters.costs.opening import check_cost, open_cost
    from archselect.nasbench_adapters.spaces import get_space

    space = get_space(options.space)
    network = options.network()
    faults = Faults()
    with faults.collect():
        space.parse(architecture)
    with faults.collect():
        check_cost(cost, space, network, gaps_allowed=True)
    faults.raise_any()
    opened = open_cost(cost, space, network)
    value = opened.of(space.parse(architecture))
    if value is None:
        raise UserError(
            f"cost '{cost}' has no usable number of {architecture} ({opened.origin}): fit one on the others, as "
            "'additive:NAME/COLUMN@100'"
        )
    say(f"{_format(value)} {opened.unit}")
    say(f"{opened.origin}.")
    if opened.fit is not None:
        say(
            f"The fit's mean error on {opened.fit.held_out:,} cells that it has not seen is {opened.fit.mape:.1f} %."
        )


def _format(value: float) -> str:
    """Return a cost in words: whole numbers in full, others with six digits."""
    return f"{value:,.0f}" if value == math.floor(value) else f"{value:.6g}"


@dataclass(frozen=True)
class CostImportOptions:
    """Options of `archselect cost import`."""

    unit: Annotated[str, typer.Option(help="Of the numbers, for example ms.")]
    origin: Annotated[str, typer.Option(help="Who measured them.")]
    licence: Annotated[str, typer.Option(help="Of the data.")]
    space: Annotated[str, typer.Option(help="The space of the architectures.")] = (
        "nb201"
    )
    name: Annotated[
        str | None, typer.Option(help="What to call the table from now on.")
    ] = None
    out: Annotated[
        Path | None, typer.Option(help="The .npz to write, in place of a name.")
    ] = None
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column, or device, to read. Repeatable. Default: all."),
    ] = None
    device: Annotated[
        str | None,
        typer.Option(
            help="On which all columns were measured. Default: each column's name."
        ),
    ] = None
    architecture_column: Annotated[
        str, typer.Option(help="The column, or array, of architectures as text.")
    ] = "arch"
    values: Annotated[
        str | None, typer.Option(help="Of an .npz: the array of costs.")
    ] = None
    order: Annotated[
        str | None,
        typer.Option(
            help="Of a .pt, or an .npz without texts: nb201-index or enumerated, the order of its rows."
        ),
    ] = None
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace a table that is there already."),
    ] = False


def import_table(
    source: Annotated[
        list[Path],
        typer.Argument(
            help="An .npz of an array cells × columns, a CSV or Parquet file with a row per architecture, or files of "
            "torch (.pt) with the numbers of one device each."
        ),
    ],
    options: CostImportOptions,
) -> None:
    """Convert files of costs once into a table that opens in milliseconds."""
    from archselect.nasbench_adapters.costs.importing import CostSource, import_costs

    described = CostSource(
        space=options.space,
        unit=options.unit,
        origin=options.origin,
        licence=options.licence,
        columns=tuple(options.column or ()),
        device=options.device,
        architectures=options.architecture_column,
        values=options.values,
        order=options.order,
    )
    with progress(f"importing {source[0]}"):
        imported = import_costs(
            source,
            described,
            name=options.name,
            out=options.out,
            replace=options.replace,
        )
    _print_columns(imported.table)
    say(f"Rows: {imported.order}.")
    say(f"Kept at {imported.path}")


def fit(
    cost: Annotated[
        list[str],
        typer.Argument(
            help="additive:NAME/COLUMN@N or mlp:NAME/COLUMN@N, one or several."
        ),
    ],
) -> None:
    """Fit costs on cells of a table, and print how well they predict the others.

    Cells of one function are never on both sides. R² and the share within 10 % are
    those of the cells held out.
    """
    from archselect.nasbench_adapters.costs.opening import fits_of_texts

    fits = fits_of_texts(cost)
    rows = []
    for text, fitted in zip(cost, fits, strict=True):
        with progress(f"fitting {text}"):
            closeness = fitted.closeness
        determination = closeness.determination
        correlation = closeness.rank_correlation
        rows.append(
            [
                text,
                f"{len(fitted.draw.fitted):,}",
                f"{len(fitted.draw.held_out):,}",
                f"{closeness.mape:.1f}",
                "–" if determination is None else f"{determination:.3f}",
                "–" if correlation is None else f"{correlation:.3f}",
                f"{closeness.close:.0f}",
            ]
        )
    headings = [
        "cost",
        "cells",
        "held out",
        "MAPE %",
        "R²",
        "Spearman",
        "within 10 %",
    ]
    print_table("fits", headings, rows, "", headings[1:])
    for fitted in fits:
        say(f"{fitted.origin}.")
