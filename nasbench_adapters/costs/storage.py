"""The files of stored tables of costs: their paths by name, and how to open them.

This file does not import torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from archselect.nasbench_adapters.costs.graph_bench_costs import graph_bench_costs
from archselect.nasbench_adapters.costs.hpo_bench_costs import hpo_bench_costs
from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.input_files import expand
from archselect.nasbench_adapters.truth import graph_bench, hpo_bench

SUFFIX = ".npz"
PACKAGES: dict[str, Callable[[], CostTable]] = {
    hpo_bench.NAME: hpo_bench_costs,
    graph_bench.NAME: graph_bench_costs,
}
"""Tables from installed packages."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class CostTableListing:
    """Entry of a table of costs in a listing.

    Attributes:
        name: name of the table.
        summary: short description.
        present: whether it can be opened.
        command: command that gets it.
    """

    name: str
    summary: str
    present: bool
    command: str


def open_cost_table(name: str) -> CostTable:
    """Return a table, given its name or the path of its file.

    Args:
        name: name of an imported table or of one in :data:`PACKAGES`, or a path that
            ends in `.npz`.

    Raises:
        UserError: if it is unknown or damaged; the message says how to get it.
    """
    if name in PACKAGES:
        return PACKAGES[name]()
    if Path(name).suffix == SUFFIX:
        return CostTable.open(expand(name))
    stored = stored_cost_tables()
    if name not in stored:
        error = unknown("cost table", name, [*PACKAGES, *stored])
        raise UserError(
            f"{error}; import one with 'archselect cost import FILE --name NAME'"
        )
    return CostTable.open(stored[name])


def stored_cost_tables() -> dict[str, Path]:
    """Return the files of imported tables by name."""
    files = sorted(_folder().glob(f"*{SUFFIX}"))
    return {path.stem: path for path in files}


def path_for(name: str) -> Path:
    """Return the path of an imported table with a name.

    Raises UserError for an invalid or built-in name.
    """
    if name in PACKAGES:
        raise UserError(f"'{name}' is built in: choose another name")
    if not _NAME.fullmatch(name) or name.endswith(SUFFIX):
        raise UserError(
            f"'{name}' cannot name a cost table: use up to 100 letters, digits, '.', '_' and '-'"
        )
    return _folder() / f"{name}{SUFFIX}"


def list_cost_tables() -> list[CostTableListing]:
    """Return every table that archselect knows by name, present or not."""
    listings = [
        CostTableListing(
            hpo_bench.NAME,
            "NAS-Bench-201: seconds of a batch's forward and of a training, all cells, 3 data sets",
            hpo_bench.installed(),
            f"pip install {hpo_bench.NAME}",
        ),
        CostTableListing(
            graph_bench.NAME,
            "NAS-Bench-Graph: latency and parameters of all networks, 9 data sets",
            graph_bench.installed(),
            graph_bench.INSTALL,
        ),
    ]
    for name, path in stored_cost_tables().items():
        command = f"archselect cost import FILE --name {name}"
        try:
            table = CostTable.open(path)
        except UserError as error:
            listings.append(CostTableListing(name, str(error), False, command))
            continue
        summary = f"{len(table):,} architectures of {table.space.name}, {len(table.columns)} columns; {table.origin}"
        listings.append(CostTableListing(name, summary, True, command))
    return listings


def _folder() -> Path:
    """Return the user's folder of tables of costs."""
    return user_data_path("archselect") / "costs"
