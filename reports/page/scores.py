"""The report on how well proxies rank a population of architectures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from archselect.benchmarks.store.folder import REPORT_FILES, Folder
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.reports.page.write import write_table
from archselect.reports.results.aggregates import with_aggregates
from archselect.reports.results.scores import Scores, load_scores
from archselect.reports.tables.proxies import correlation_table
from archselect.reports.tables.render import csv_text
from archselect.reports.tables.table import Table


def write_scores(root: Path, directions: dict[str, str]) -> Table:
    """Write the report on a folder of scores, and return its table.

    The files are `scores.csv` and `report/correlation` (.md, .csv, .tex, .typ).

    Args:
        root: folder of the scores.
        directions: by proxy, which direction is better ("higher" or "lower").
    """
    Folder(root).refuse_links(REPORT_FILES)
    scores = with_aggregates(load_scores(root, directions))
    table = correlation_table(scores)
    text = csv_text(scores_frame(scores))
    write_atomically(root / "scores.csv", text.encode(), root)
    write_table(table, root / "report")
    return table


def scores_frame(scores: Scores) -> pd.DataFrame:
    """Return one row per seed and architecture, with a column per proxy.

    If the scores have a truth, add a column with the accuracy.
    """
    frames = []
    for place, seed in enumerate(scores.seeds):
        columns: dict[str, object] = {
            "seed": seed,
            "architecture": scores.population.architectures,
        }
        if scores.accuracies is not None:
            columns["accuracy"] = scores.accuracies
        for name, values in scores.values.items():
            columns[name] = values[place]
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
