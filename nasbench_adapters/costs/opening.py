"""Costs by text, such as `params` or `table:NAME/COLUMN`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from archselect.nasbench_adapters.costs.base import Cost, NetworkShape
from archselect.nasbench_adapters.costs.classes import COUNTED, ForeignCost, registry
from archselect.nasbench_adapters.costs.fitting import FITS, FittedCost, check_cells
from archselect.nasbench_adapters.costs.storage import open_cost_table
from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.costs.table_cost import TableCost
from archselect.nasbench_adapters.errors import Faults, UserError, unknown
from archselect.nasbench_adapters.space import SearchSpace

TABLE = "table"
FORMS = (TABLE, *FITS)
"""Possible starts of the text of a cost from a table."""


class CostText(NamedTuple):
    """The parts of the text of a cost from a table.

    Attributes:
        form: one of :data:`FORMS`.
        table: name or path of the table.
        column: name of the column.
        cells: number of cells for the fit; None for a cost that is looked up.
    """

    form: str
    table: str
    column: str
    cells: int | None


def open_cost(of: str, space: SearchSpace, network: NetworkShape) -> Cost:
    """Return the cost for a text.

    Args:
        of: `params`, `macs`, `table:NAME/COLUMN`, `additive:NAME/COLUMN@N`,
            `mlp:NAME/COLUMN@N`, FILE.py:CLASS, or a name from an installed package.
            NAME is the name of a table, or the path of its `.npz`.
        space: the search space.
        network: the network and images for which parameters and multiply-adds are
            counted.

    Raises:
        UserError: the text is not a cost, or the cost does not fit the space.
    """
    if of in COUNTED:
        return COUNTED[of](space, network)
    text = parse_cost(of)
    if text is None:
        return ForeignCost(of, space, network)
    table = _open_table_of(text, space)
    if text.cells is None:
        return TableCost(table, text.column)
    return FITS[text.form](table, text.column, text.cells)


def check_cost(
    of: str, space: SearchSpace, network: NetworkShape, gaps_allowed: bool = False
) -> None:
    """Raise UserError unless :func:`open_cost` would return a cost without gaps.

    It counts and fits nothing.

    Args:
        of, space, network: as for :func:`open_cost`.
        gaps_allowed: whether a table may lack architectures of the space.
    """
    if of in COUNTED:
        return
    text = parse_cost(of)
    if text is None:
        ForeignCost(of, space, network)
        return
    table = _open_table_of(text, space)
    if text.cells is not None:
        check_cells(text.form, table, text.column, text.cells)
        return
    gaps = table.gaps(text.column)
    if gaps.total and not gaps_allowed:
        raise UserError(
            f"cost '{of}': {gaps.describe()}: fit a cost on the others, such as "
            f"'additive:{text.table}/{text.column}@100', or set gaps = \"allowed\" to leave their costs out"
        )


def fits_of_texts(texts: Sequence[str]) -> list[FittedCost]:
    """Return the fitted costs for some texts; each is fitted when first needed.

    Raises UserError, with all faults, if a text is not a fit, or a fit is not possible.
    """
    faults = Faults()
    fits = []
    for of in texts:
        with faults.collect():
            text = parse_cost(of)
            if text is None or text.cells is None:
                raise UserError(
                    f"cost '{of}' is not fitted: name additive:NAME/COLUMN@N or mlp:NAME/COLUMN@N"
                )
            table = open_cost_table(text.table)
            fits.append(FITS[text.form](table, text.column, text.cells))
    faults.raise_any()
    return fits


def space_of_cost(of: str) -> str | None:
    """Return the name of a cost's space; None for a cost of any space.

    Raises UserError if the text is not a cost, or its table is missing.
    """
    if of in COUNTED:
        return None
    text = parse_cost(of)
    if text is None:
        registry.get(of)
        return None
    return open_cost_table(text.table).space.name


def parse_cost(of: str) -> CostText | None:
    """Return the parts of a cost's text; None for the name or file of a class.

    Raises UserError if a part is missing.
    """
    form, colon, rest = of.partition(":")
    if not colon or form not in FORMS:
        _check_form(form, colon, rest)
        return None
    table, _, last = rest.rpartition("/")
    column, at, count = last.partition("@")
    usage = f"{form}:NAME/COLUMN" if form == TABLE else f"{form}:NAME/COLUMN@N"
    is_whole = bool(table and column) and bool(at) == (form != TABLE)
    if not is_whole:
        raise UserError(f"cost '{of}' does not have the form {usage}")
    if form == TABLE:
        return CostText(form, table, column, None)
    if not (count.isascii() and count.isdigit()) or len(count) > 9:
        raise UserError(
            f"cost '{of}': the number of cells to fit on is {count!r}; give a whole number, such as "
            f"{form}:NAME/COLUMN@100"
        )
    return CostText(form, table, column, int(count))


def portable_text(of: str) -> str:
    """Return the text of a cost without the folder of its file.

    So a file has the same text in every folder.
    """
    text = parse_cost(of)
    if text is None:
        return Path(of).name
    name = f"{text.form}:{Path(text.table).name}/{text.column}"
    return name if text.cells is None else f"{name}@{text.cells}"


def _check_form(form: str, colon: str, rest: str) -> None:
    """Raise UserError for a text whose form is missing or misspelt."""
    if not colon and "/" in form and not form.endswith(".py"):
        raise UserError(f"cost '{form}' has no form: write {TABLE}:{form}")
    is_file = form.endswith(".py") or rest.rpartition(":")[0].endswith(".py")
    if colon and not is_file and not rest.endswith(".py"):
        raise unknown("form of a cost", form, FORMS)


def _open_table_of(text: CostText, space: SearchSpace) -> CostTable:
    """Return the table of a cost.

    Raises UserError if it is for another space, or lacks the column.
    """
    table = open_cost_table(text.table)
    if table.space.name != space.name:
        raise UserError(
            f"cost table '{text.table}' is of space {table.space.name}, not of {space.name}"
        )
    table.column(text.column)
    return table
