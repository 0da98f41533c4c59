"""Costs by the text that names them. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
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
"""What the text of a cost from a table begins with."""


class CostText(NamedTuple):
    """The parts of the text of a cost from a table.

    Attributes:
        form: one of :data:`FORMS`.
        table: by name or path.
        column: of the table.
        cells: that it is fitted on; None for one that is looked up.
    """

    form: str
    table: str
    column: str
    cells: int | None


def open_cost(of: str, space: SearchSpace, network: NetworkShape) -> Cost:
    """Return the cost that a text names.

    Args:
        of: `params`, `macs`, `table:NAME/COLUMN`, `additive:NAME/COLUMN@N`,
            `mlp:NAME/COLUMN@N`, FILE.py:CLASS, or a name that an installed package
            declares. NAME is that of a table, or the path of its `.npz`.
        space: of the architectures.
        network: the network and images for which parameters and multiply-adds are
            counted.

    Raises:
        UserError: the text names no cost, or one that does not fit the space.
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

    Nothing is counted or fitted.

    Args:
        of, space, network: as of :func:`open_cost`.
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
            f"cost '{of}': {gaps.describe()}: fit one on the others, as 'additive:{text.table}/{text.column}@100', or "
            'write gaps = "allowed", which leaves their costs out'
        )


def fits_of_texts(texts: Sequence[str]) -> list[FittedCost]:
    """Return the fitted costs of some texts; they are fitted when first needed.

    Raises UserError, with all faults, if one names no fit, or one that cannot be made.
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
    """Return the name of the space that a cost is of; None for one of any space.

    Raises UserError if the text names no cost, or a table that is not there.
    """
    if of in COUNTED:
        return None
    text = parse_cost(of)
    if text is None:
        registry.get(of)
        return None
    return open_cost_table(text.table).space.name


def parse_cost(of: str) -> CostText | None:
    """Return the parts of a cost's text; None for a class by name or file.

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
        raise UserError(f"cost '{of}' is not of the form {usage}")
    if form == TABLE:
        return CostText(form, table, column, None)
    if not (count.isascii() and count.isdigit()) or len(count) > 9:
        raise UserError(
            f"cost '{of}': the number of cells to fit on is {count!r}; give a whole number, as {form}:NAME/COLUMN@100"
        )
    return CostText(form, table, column, int(count))


def _check_form(form: str, colon: str, rest: str) -> None:
    """Raise UserError for a text whose form is missing, or misspelt before a colon."""
    if not colon and "/" in form and not form.endswith(".py"):
        raise UserError(f"cost '{form}' has no form: write {TABLE}:{form}")
    is_file = form.endswith(".py") or rest.rpartition(":")[0].endswith(".py")
    if colon and not is_file and not rest.endswith(".py"):
        raise unknown("form of a cost", form, FORMS)


def _open_table_of(text: CostText, space: SearchSpace) -> CostTable:
    """Return the table of a cost.

    Raises UserError if it is of another space, or lacks the column.
    """
    table = open_cost_table(text.table)
    if table.space.name != space.name:
        raise UserError(
            f"cost table '{text.table}' is of space {table.space.name}, not of {space.name}"
        )
    table.column(text.column)
    return table
