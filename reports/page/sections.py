"""Which tables a report can have, and those that a study asks for."""

from __future__ import annotations

from collections.abc import Callable

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.reports.published.numbers import check_published
from archselect.reports.results.results import Results
from archselect.reports.tables.accuracy import accuracy_table
from archselect.reports.tables.cells import cells_table
from archselect.reports.tables.differences import differences_table
from archselect.reports.tables.operations import operations_table
from archselect.reports.tables.reproduction import reproduction_table
from archselect.reports.tables.table import Table
from archselect.reports.tables.tau import tau_table
from archselect.reports.tables.time import time_table
from archselect.reports.wiring.tables import wiring_table

TABLES: dict[str, Callable[[Results], Table]] = {
    "tau": tau_table,
    "accuracy": accuracy_table,
    "differences": differences_table,
    "time": time_table,
    "cells": cells_table,
    "operations": operations_table,
    "reproduction": reproduction_table,
    "wiring": wiring_table,
}
OF_TRUTHS = {"tau", "accuracy", "operations"}
"""Those that are of accuracies alone, and empty where there is no truth at all."""


def tables(results: Results) -> list[Table]:
    """The study's tables, in the study's order, without those that nothing can be said in.

    Raises UserError, naming the study's file, for a table that does not exist, or a
    published number that is unknown.
    """
    study = results.source.study_path
    for name in results.info.tables:
        if name not in TABLES:
            raise UserError(f"{study}: {unknown('table', name, TABLES)}")
    if "reproduction" in results.info.tables:
        try:
            check_published(results.info.reproduces)
        except UserError as error:
            raise UserError(f"{study}: {error}") from error
    names = [
        name
        for name in results.info.tables
        if results.landscapes or name not in OF_TRUTHS
    ]
    return [TABLES[name](results) for name in names]
