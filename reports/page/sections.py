"""The sections that a report can have, and those that a study lists.

To add a section, write a file that makes its table and add a line to :data:`SECTIONS`.
"""

from __future__ import annotations

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.reports.alphas.tables import alphas_table
from archselect.reports.figures.budget import budget_figures
from archselect.reports.figures.canvas import Figure, slugs
from archselect.reports.figures.pareto import pareto_figures
from archselect.reports.figures.ranking import ranking_figures
from archselect.reports.figures.study import (
    accuracy_figure,
    differences_figure,
    tau_figure,
    time_figure,
)
from archselect.reports.page.alphas_extras import alphas_extras
from archselect.reports.page.section import Extras, Section, SectionKind
from archselect.reports.page.wiring_extras import wiring_extras
from archselect.reports.published.numbers import check_published
from archselect.reports.results.metrics import correlations
from archselect.reports.results.results import Results
from archselect.reports.tables.accuracy import accuracy_table
from archselect.reports.tables.budget import BUDGET_WORDS, budget_table
from archselect.reports.tables.cells import cells_table
from archselect.reports.tables.differences import differences_table
from archselect.reports.tables.memory import memory_table
from archselect.reports.tables.operations import operations_table
from archselect.reports.tables.pareto import PARETO_WORDS, pareto_table
from archselect.reports.tables.ranking import ranking_table
from archselect.reports.tables.reproduction import reproduction_table
from archselect.reports.tables.table import Table
from archselect.reports.tables.tau import tau_table
from archselect.reports.tables.time import time_table
from archselect.reports.wiring.tables import wiring_table


def accuracy_figures(results: Results) -> list[Figure]:
    """Return a figure per landscape that has architectures and known accuracies."""
    titles = [results.title(landscape) for landscape in results.landscapes]
    names = slugs(f"accuracy-{title}" for title in titles)
    figures = []
    for landscape, name in zip(results.landscapes, names, strict=True):
        is_known = any(group.known(landscape) for group in results.groups)
        if landscape.architectures and is_known:
            figures.append(accuracy_figure(results, landscape, name))
    return figures


def tau_figures(results: Results) -> list[Figure]:
    """Return the figure of rank correlations; an empty list if no selector has one.

    The figure covers landscapes with architectures, not those of final trainings.
    """
    for landscape in results.landscapes:
        if not landscape.architectures:
            continue
        for group in results.groups:
            if not group.judged(landscape):
                continue
            if any(correlations(landscape, group).values()):
                return [tau_figure(results)]
    return []


def _differences_charts(table: Table) -> list[Figure]:
    figure = differences_figure(table)
    return [figure] if figure else []


def _time_figures(results: Results) -> list[Figure]:
    return [time_figure(results)]


def _pareto_extras(_results: Results) -> Extras:
    return Extras(glossary=PARETO_WORDS)


def _budget_extras(_results: Results) -> Extras:
    return Extras(glossary=BUDGET_WORDS)


SECTIONS: dict[str, SectionKind] = {
    "tau": SectionKind(tau_table, tau_figures, needs_truth=True),
    "accuracy": SectionKind(accuracy_table, accuracy_figures, needs_truth=True),
    "differences": SectionKind(differences_table, charts=_differences_charts),
    "ranking": SectionKind(ranking_table, charts=ranking_figures, needs_truth=True),
    "time": SectionKind(time_table, _time_figures),
    "cells": SectionKind(cells_table),
    "pareto": SectionKind(
        pareto_table, pareto_figures, extras=_pareto_extras, needs_truth=True
    ),
    "budget": SectionKind(
        budget_table, budget_figures, extras=_budget_extras, needs_truth=True
    ),
    "memory": SectionKind(memory_table),
    "operations": SectionKind(operations_table, needs_truth=True),
    "reproduction": SectionKind(reproduction_table),
    "wiring": SectionKind(wiring_table, extras=wiring_extras),
    "alphas": SectionKind(alphas_table, extras=alphas_extras),
}
"""The kinds of sections, by the name that a study lists."""


def sections(results: Results) -> list[Section]:
    """Return the sections that a study lists, in its order.

    Leave out sections that need a truth if the study has none.

    Raises UserError as :func:`tables` does.
    """
    return [SECTIONS[name].make(results) for name in _names(results)]


def tables(results: Results) -> list[Table]:
    """Return the tables of the sections that a study lists, in its order.

    Raises UserError for an unknown table or an unknown published number. The message
    names the study's file.
    """
    return [SECTIONS[name].table(results) for name in _names(results)]


def other_figures(results: Results) -> list[Figure]:
    """Return the figures of the sections that the study does not list."""
    figures: list[Figure] = []
    for name, kind in SECTIONS.items():
        if name not in results.info.tables:
            figures += kind.figures(results)
    return figures


def _names(results: Results) -> list[str]:
    """Return the names of the sections that a study lists and that are not empty."""
    names = results.info.tables
    study = results.source.study_path
    for name in names:
        if name not in SECTIONS:
            raise UserError(f"{study}: {unknown('table', name, SECTIONS)}")
    if "reproduction" in names:
        try:
            check_published(results.info.reproduces)
        except UserError as error:
            raise UserError(f"{study}: {error}") from error
    has_truth = bool(results.landscapes)
    return [name for name in names if has_truth or not SECTIONS[name].needs_truth]
