"""The report as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from archselect.reports.drawing.cells import MOST_NAMES, SelectedCells, legend
from archselect.reports.drawing.palette import style_sheet
from archselect.reports.page.citing import bibliography, citations, others
from archselect.reports.page.first_screen import first_screen
from archselect.reports.page.glossary import glossary
from archselect.reports.page.html import render
from archselect.reports.page.section import Section
from archselect.reports.page.settings import (
    data_blocks,
    landscape_facts,
    machine_blocks,
    selector_blocks,
    supernet_blocks,
)
from archselect.reports.results.results import Results, seed_name
from archselect.reports.tables.runs import runs_table
from archselect.reports.tables.words import source_in_words

MOST_RUNS = 400
"""Most runs that the page lists."""


def page(
    results: Results,
    sections: Sequence[Section],
    cells: SelectedCells,
    runs: pd.DataFrame,
    home: str = "",
) -> str:
    """Return the whole page as HTML.

    Args:
        results: results of the study.
        sections: sections in the order of the study.
        cells: selected cells and their drawings.
        runs: one row per run, from :func:`.runs.runs_frame`.
        home: address of the site that has the page; empty if there is none.
    """
    names = {(cell.space, cell.architecture): cell.name for cell in cells.drawn}
    listed = runs_table(runs, MOST_RUNS, names)
    listed_ids = set(listed.row_ids)
    seeds = set(zip(runs.supernet_seed, runs.selection_seed, strict=True))
    scripts = [section.extras.script for section in sections if section.extras.script]
    return render(
        "report.html.j2",
        results=results,
        info=results.info,
        home=home,
        sections=sections,
        first=first_screen(results),
        cells=cells.drawn,
        cells_left_out=cells.left_out,
        legend=legend(results),
        landscapes=[
            (landscape, landscape_facts(landscape)) for landscape in results.landscapes
        ],
        runs=listed,
        listed_ids=listed_ids,
        most_names=MOST_NAMES,
        runs_left_out=len(runs) - len(listed.shown),
        citations=citations(results),
        others=others(results),
        bibliography=bibliography(results),
        selectors=selector_blocks(results),
        supernets=supernet_blocks(results),
        data=data_blocks(results),
        machines=machine_blocks(results),
        versions=results.versions,
        seeds=len(seeds),
        glossary=glossary(results, sections),
        scripts=scripts,
        seed_name=seed_name,
        source=source_in_words,
        light=style_sheet(dark=False),
        dark=style_sheet(dark=True),
    )
