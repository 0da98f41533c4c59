"""The table of the methods' mean ranks over all landscapes of a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

import numpy as np

from archselect.reports.results.blocks import MethodBlock, find_blocks, methods_of
from archselect.reports.results.results import Results
from archselect.reports.statistics.paired import ALPHA
from archselect.reports.statistics.ranking import Ranking, rank_methods
from archselect.reports.tables.table import (
    NONE,
    Row,
    Table,
    TableColumn,
    frame_columns,
    join_words,
    make_table,
)

_COLUMNS = (
    TableColumn("method", "Method", text=True, brief=True),
    TableColumn("landscapes", "Landscapes", brief=True),
    TableColumn("rank", "Mean rank", brief=True),
    TableColumn("best_on", "Best on"),
    TableColumn("improvement", "Over random, %", brief=True),
    TableColumn("verdict", "Versus the first", text=True, brief=True),
    *frame_columns("critical_difference", "p_friedman"),
)
LEVEL_WITH_BEST = "not shown to be worse"
WORSE_THAN_BEST = "worse"


def ranking_table(results: Results) -> Table:
    """Return the table of every method's mean rank over the landscapes of a study.

    A method has a rank if it has an accuracy on every landscape.
    """
    return ranking_of_blocks(find_blocks(results), results.status())


def ranking_of_blocks(blocks: Sequence[MethodBlock], notes: Sequence[str]) -> Table:
    """Return the mean rank of every method over blocks of any studies.

    Args:
        blocks: of one study or of several.
        notes: further sentences that stand under the table.
    """
    ranked = [
        method
        for method in methods_of(blocks)
        if all(method in block.accuracies for block in blocks)
    ]
    ranking = _rank(blocks, ranked)
    rows = _rows(blocks, ranked, ranking)
    return make_table(
        "ranking",
        "Ranking over landscapes",
        rows,
        answer=_answer(rows, ranking),
        columns=_COLUMNS,
        caption=_CAPTION,
        notes=[*_notes(blocks, ranking), *notes],
    )


_CAPTION = (
    "A method is a selector with its supernet. On each landscape, methods are ranked by their mean "
    "accuracy over seeds: 1 is the best, and equal accuracies share a rank. Best on: number of landscapes on which no "
    "method is better. Over random: 100 × (accuracy − accuracy of a random cell) / accuracy of a random cell, mean "
    "over "
    "the landscapes where the latter is known (Yang et al., ICLR 2020). Versus the first: verdict by Nemenyi's "
    "critical "
    f"difference of mean ranks, if Friedman's test shows a difference ({100 * ALPHA:.0f} %; Demšar, JMLR 2006). "
    "Landscapes of one space are not independent; so both tests report too many differences."
)


def _rank(blocks: Sequence[MethodBlock], methods: Sequence[str]) -> Ranking | None:
    """Return the ranking of the methods; None without blocks or methods."""
    if not blocks or not methods:
        return None
    values = [[block.accuracies[method] for method in methods] for block in blocks]
    return rank_methods(np.array(values))


def _rows(
    blocks: Sequence[MethodBlock], ranked: Sequence[str], ranking: Ranking | None
) -> list[Row]:
    """Return the rows of the ranked methods, best first, then of the others."""
    rows = []
    if ranking is not None:
        first = min(ranking.ranks)
        by_rank = sorted(
            zip(ranking.ranks, ranked, strict=True), key=lambda pair: pair[0]
        )
        for rank, method in by_rank:
            rows.append(_ranked_row(blocks, method, rank, first, ranking))
    for method in methods_of(blocks):
        if method not in ranked:
            rows.append(_row(blocks, method, None, "not ranked"))
    return rows


def _ranked_row(
    blocks: Sequence[MethodBlock],
    method: str,
    rank: float,
    first: float,
    ranking: Ranking,
) -> Row:
    """Return the row of a method with a mean rank.

    Args:
        blocks: accuracies on each landscape.
            method: name of the method.
            rank: mean rank of the method.
            first: best mean rank.
            ranking: ranking of all ranked methods.
    """
    width = ranking.critical_difference
    if width is None:
        verdict = "not tested"
    elif rank == first:
        verdict = "first"
    elif ranking.shows_a_difference and rank - first > width:
        verdict = WORSE_THAN_BEST
    else:
        verdict = LEVEL_WITH_BEST
    row = _row(blocks, method, rank, verdict)
    row.full["critical_difference"] = width
    row.full["p_friedman"] = ranking.p
    return row


def _row(
    blocks: Sequence[MethodBlock], method: str, rank: float | None, verdict: str
) -> Row:
    """Return the row of a method, without the numbers of a test."""
    present = [block for block in blocks if method in block.accuracies]
    best_on = [block for block in present if _is_best(block, method)]
    improvement = _mean_improvement(present, method)
    return Row(
        full={
            "method": method,
            "landscapes": len(present),
            "rank": rank,
            "best_on": len(best_on),
            "improvement": improvement,
            "verdict": verdict,
            "critical_difference": None,
            "p_friedman": None,
        },
        shown={
            "Method": method,
            "Landscapes": f"{len(present)} of {len(blocks)}",
            "Mean rank": NONE if rank is None else f"{rank:.2f}",
            "Best on": str(len(best_on)),
            "Over random, %": NONE if improvement is None else f"{improvement:+.2f}",
            "Versus the first": verdict,
        },
    )


def _is_best(block: MethodBlock, method: str) -> bool:
    """Return whether no other method is better on a landscape."""
    return block.accuracies[method] == max(block.accuracies.values())


def _mean_improvement(blocks: Sequence[MethodBlock], method: str) -> float | None:
    """Return the mean relative improvement over a random cell, in per cent.

    Return None if the accuracy of a random cell is not known on any landscape.
    """
    improvements = []
    for block in blocks:
        if block.random:
            difference = block.accuracies[method] - block.random
            improvements.append(100 * difference / block.random)
    return fmean(improvements) if improvements else None


def _answer(rows: Sequence[Row], ranking: Ranking | None) -> str:
    """Return the first method, and how many are worse or not shown to be worse."""
    if not rows:
        return "No method has an accuracy."
    if ranking is None:
        return "No method has an accuracy on every landscape, so there is no ranking."
    first = min(ranking.ranks)
    leaders = [str(row.full["method"]) for row in rows if row.full["rank"] == first]
    who = (
        f"{join_words(leaders)}: mean rank {first:.2f} of {len(ranking.ranks)} methods"
    )
    if ranking.critical_difference is None:
        return f"{who} over {_count(ranking)}; no test: {ranking.reason}."
    if not ranking.shows_a_difference:
        return f"{who} over {_count(ranking)}; no evidence that methods differ (Friedman's p {ranking.p:.2g})."
    level = sum(row.full["verdict"] == LEVEL_WITH_BEST for row in rows)
    worse = sum(row.full["verdict"] == WORSE_THAN_BEST for row in rows)
    return f"{who} over {_count(ranking)}; worse: {worse}, {LEVEL_WITH_BEST}: {level}."


def _count(ranking: Ranking) -> str:
    """Return the number of landscapes as text."""
    if ranking.landscapes == 1:
        return "1 landscape"
    return f"{ranking.landscapes} landscapes"


def _notes(blocks: Sequence[MethodBlock], ranking: Ranking | None) -> Iterator[str]:
    """Yield notes on the landscapes, the test, and methods without accuracies."""
    if blocks:
        titles = join_words([block.title for block in blocks], most=12)
        yield f"Landscapes: {titles}."
    if ranking is not None and ranking.critical_difference is not None:
        yield (
            f"Friedman's test (Iman and Davenport's F): p = {ranking.p:.2g}. Critical difference of mean ranks: "
            f"{ranking.critical_difference:.2f}."
        )
    for method in methods_of(blocks):
        missing = [block.title for block in blocks if method not in block.accuracies]
        if missing:
            yield f"{method} is not ranked: no accuracy on {join_words(missing)}."
    unknown = [block.title for block in blocks if not block.random]
    if unknown:
        yield f"The accuracy of a random cell is not known on {join_words(unknown)}."
