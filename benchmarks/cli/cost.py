"""Commands that list, look up, import and fit costs of architectures."""

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
        typer.Argument(
            help="Show the columns of this table (its name, or the path of an .npz)."
        ),
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
    """Print the columns of a table, and its origin."""
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
        f"{table.origin}. Licence: {table.licence}. Checksum {table.checksum[:16]}. A cost below a tenth of "
        "the median is 'near zero' and counts as missing.",
        headings[3:],
    )


@dataclass(frozen=True)
class NetworkOptions:
    """Options that define the network whose parameters and multiply-adds count."""

    space: Annotated[str, typer.Option(help="Search space of the architecture.")] = (
        "nb201"
    )
    channels: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_CHANNELS,
            help="Channels of the network. Default: that of the search space.",
        ),
    ] = None
    cells: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_LAYERS,
            help="Cells per stage, for a search space with stages. Default: that of the search space.",
        ),
    ] = None
    layers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_LAYERS,
            help="Layers of the network, for a search space without stages. Default: that of the search space.",
        ),
    ] = None
    image_channels: Annotated[
        int, typer.Option(min=1, max=MOST_CHANNELS, help="Channels of the images.")
    ] = 3
    image_size: Annotated[
        int, typer.Option(min=1, max=4096, help="Height and width of the images.")
    ] = 32
    classes: Annotated[
        int, typer.Option(min=1, max=100_000, help="Number of classes.")
    ] = 10

    def network(self) -> NetworkShape:
        """Return the shape of the network and of its images."""
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
    """Print the cost of an architecture, and the origin of the number."""
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
            f"cost '{cost}' has no usable value for {architecture} ({opened.origin}): fit one on the others, as "
            "'additive:NAME/COLUMN@100'"
        )
    say(f"{_format(value)} {opened.unit}")
    say(f"{opened.origin}.")
    if opened.fit is not None:
        say(
            f"Mean error of the fit on {opened.fit.held_out:,} held-out cells: {opened.fit.mape:.1f} %."
        )


def _format(value: float) -> str:
    """Return a cost as text: an integer in full, any other number with six digits."""
    return f"{value:,.0f}" if value == math.floor(value) else f"{value:.6g}"


@dataclass(frozen=True)
class CostImportOptions:
    """Options of `archselect cost import`."""

    unit: Annotated[str, typer.Option(help="Unit of the numbers, for example ms.")]
    origin: Annotated[str, typer.Option(help="Who measured the costs.")]
    licence: Annotated[str, typer.Option(help="Licence of the data.")]
    space: Annotated[str, typer.Option(help="Search space of the architectures.")] = (
        "nb201"
    )
    name: Annotated[str | None, typer.Option(help="Name of the new table.")] = None
    out: Annotated[
        Path | None, typer.Option(help="The .npz file to write, instead of --name.")
    ] = None
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column (a device) to read. Repeatable. Default: all."),
    ] = None
    device: Annotated[
        str | None,
        typer.Option(
            help="Device on which all columns were measured. Default: the name of each column."
        ),
    ] = None
    architecture_column: Annotated[
        str,
        typer.Option(
            help="The column (or array) that holds the architectures as text."
        ),
    ] = "arch"
    values: Annotated[
        str | None, typer.Option(help="For an .npz: the array that holds the costs.")
    ] = None
    order: Annotated[
        str | None,
        typer.Option(
            help="Order of the rows of a .pt, or of an .npz without architectures: nb201-index or enumerated."
        ),
    ] = None
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace an existing table."),
    ] = False


def import_table(
    source: Annotated[
        list[Path],
        typer.Argument(
            help="An .npz with an array (cells, columns), a CSV or Parquet file with one row per architecture, or"
            " torch files (.pt), one per device."
        ),
    ],
    options: CostImportOptions,
) -> None:
    """Convert files of costs into a table that opens in milliseconds."""
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
            help="additive:NAME/COLUMN@N or mlp:NAME/COLUMN@N. One or several."
        ),
    ],
) -> None:
    """Fit costs on N cells of a table, and print how well they predict held-out cells.

    Cells that compute the same function are never split between fitting and held out.
    R² and the share within 10 % are computed on the held-out cells.
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
