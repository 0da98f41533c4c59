"""The table of the accuracy of what was selected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archselect.benchmarks.records import Landscape
from archselect.reports.metrics import accuracy_by_seed, searched
from archselect.reports.results import Group, Results, seed_name
from archselect.reports.tables.standing import others_in_words, standings
from archselect.reports.tables.table import BEST, NONE, WHERE, Row, Table, deviation, listed, make_table, where
from archselect.reports.words import extent, reference, source

_ACCURACY = (
    *WHERE,
    *("selector", "source", "surrogate_tau", "seeds", "mean", "std", "best", "worst", "mean_rank", "architectures"),
    *("gap", "every_seed"),
)
_ACCURACY_SHOWN = (
    *("Landscape", "Selector", "Source", "Seeds", "Mean ± std ↑", "Best ↑", "Worst ↑", "Mean rank ↓", "Gap ↓"),
    "Every seed",
)


def accuracy_table(results: Results) -> Table:
    """Accuracy of the selected cells, per landscape and selector."""
    rows: list[Row] = []
    best: list[_Best] = []
    for landscape in results.landscapes:
        judged = [group for group in results.groups if group.known(landscape)]
        standing: dict[str, str] = {}
        for search in dict.fromkeys(map(searched, judged)):
            values = {g.name: accuracy_by_seed(landscape, g) for g in judged if searched(g) == search}
            best.append(_best(results, landscape, values, own := standings(values)))
            standing |= own
        rows += [_accuracy_row(results, landscape, group, standing.get(group.name, "")) for group in judged]
    used = [s for s in results.landscapes if any(g.judged(s) for g in results.groups)]
    caption = (
        "Accuracy in per cent of the selected cell. Source: looked up in a table, predicted by a surrogate (with "
        "its cross-validated Kendall's τ-b), or trained here to the end. One seed's number is the trial "
        "mean of its cell; mean ± std, best, worst and rank are over the seeds of a selector (std: sample "
        "standard deviation; rank: mean of the seeds' ranks, 1 is the best of the space). Gap: optimum of "
        "the space minus the mean of the seeds. Where a note says that a truth holds a part of the space only, rank "
        "and gap are within that part. Seeds are supernet seed/selection seed."
    )
    return make_table(
        "accuracy",
        "Accuracy of the selected cell",
        rows,
        answer=_answer(best),
        columns=(_ACCURACY, _ACCURACY_SHOWN),
        text=("Landscape", "Selector", "Source", "Every seed"),
        brief=("Landscape", "Selector", "Source", "Seeds", "Mean ± std ↑", "Best ↑", "Mean rank ↓", "Gap ↓"),
        caption=caption,
        notes=[*(reference(results, s) for s in used), *_without_accuracy(results), *results.status()],
    )


def _accuracy_row(results: Results, landscape: Landscape, group: Group, standing: str) -> Row:
    found = group.known(landscape)
    names = [seed_name(record.inputs) for record in found.records]
    means = np.array(found.means)
    mean, spread = float(means.mean()), deviation(means)
    ranks = [own.rank for own in found.accuracies if own.rank is not None]
    rank = float(np.mean(ranks)) if ranks else None
    gap = None if landscape.optimum is None else landscape.optimum - mean
    said, tau = source(landscape, found.accuracies[0]), found.accuracies[0].surrogate_tau
    full: dict[str, object] = {
        **where(landscape),
        "selector": group.name,
        "source": said,
        "surrogate_tau": tau,
        "seeds": len(means),
        "mean": mean,
        "std": spread,
        "best": float(means.max()),
        "worst": float(means.min()),
        "mean_rank": rank,
        "architectures": landscape.architectures,
        "gap": gap,
        "every_seed": ";".join(f"{name}={float(value)!r}" for name, value in zip(names, means, strict=True)),
    }
    shown = {
        "Landscape": results.title(landscape),
        "Selector": group.name,
        "Source": said if tau is None else f"{said}, τ-b {tau:.2f}",
        "Seeds": f"{len(means)}",
        "Mean ± std ↑": f"{mean:.2f} (one seed)" if spread is None else f"{mean:.2f} ± {spread:.2f}",
        "Best ↑": f"{means.max():.2f}",
        "Worst ↑": f"{means.min():.2f}",
        "Mean rank ↓": NONE if rank is None else f"{rank:,.1f} of {landscape.architectures:,}",
        "Gap ↓": NONE if gap is None else f"{gap:.2f}",
        "Every seed": ", ".join(f"{name}: {value:.2f}" for name, value in zip(names, means, strict=True)),
    }
    return Row(full, shown, {"Mean ± std ↑": standing} if standing else {})


@dataclass(frozen=True)
class _Best:
    """Which selectors do best on a landscape, and that in one sentence."""

    title: str
    names: list[str]
    sentence: str


def _best(
    results: Results, landscape: Landscape, values: dict[str, dict[int, float]], standing: dict[str, str]
) -> _Best:
    means = {name: sum(own.values()) / len(own) for name, own in values.items()}
    names = [name for name in means if standing.get(name) == BEST] or list(means)
    title, mean, gap = results.title(landscape), means[names[0]], ""
    if landscape.optimum is not None:
        below = landscape.optimum - mean
        of = "the space" if landscape.space_size is None else "those that the truth holds"
        gap = f", {abs(below):.2f} points {'below' if below >= 0 else 'above'} the best of {of}"
    do = f"select{'s' * (len(names) == 1)} the best cells:" if len(means) > 1 else "selects cells of"
    rest = f"; {others_in_words(means, standing)}" if len(means) > len(names) else ""
    return _Best(title, names, f"On {title} {listed(names)} {do} {mean:.2f} %{gap}{rest}")


def _answer(found: list[_Best]) -> str:
    """The first truth in full, and who is the best on the others."""
    if not found:
        return "Of nothing that was selected is the accuracy known."
    first, *others = found
    same = [own.title for own in others if own.names == first.names]
    told = [f"also on {listed(same)}"] if same else []
    told += [f"on {own.title} {listed(own.names)}" for own in others if own.names != first.names]
    return f"{first.sentence}." + (f" Best {'; '.join(told)}." if told else "")


def _without_accuracy(results: Results) -> list[str]:
    """One sentence for each group of which a landscape does not know, or was not asked about, some runs."""
    sentences = []
    for landscape in results.landscapes:
        for group in results.groups:
            asked, known = group.judged(landscape), group.known(landscape)
            runs = f"of {len(group.records)} runs of {group.name}"
            if 0 < len(asked) < len(group.records):
                sentences.append(
                    f"{results.title(landscape)} says nothing of {len(group.records) - len(asked)} {runs}."
                )
            if len(known) < len(asked):
                sentences.append(
                    f"{results.title(landscape)} ({landscape.truth}): what {len(asked) - len(known)} {runs} selected "
                    f"is not in the table, which has {extent(landscape)}; these runs are in no mean of it."
                )
    return sentences
