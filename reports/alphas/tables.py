"""The tables of operation weights: by group, by seed, and the verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from archselect.benchmarks.store.records import Landscape
from archselect.reports.alphas.claims import ALPHA_CLAIMS
from archselect.reports.alphas.groups import (
    AlphaGroup,
    SeedAlphas,
    alpha_groups,
    selectors_of,
    unmoved_groups,
)
from archselect.reports.alphas.verdicts import (
    RULE,
    AlphaVerdict,
    format_amount,
    judge_claims,
    rule_of,
    unasked,
)
from archselect.reports.results.results import Results
from archselect.reports.tables.table import (
    LANDSCAPE_COLUMNS,
    NONE,
    Row,
    Table,
    TableColumn,
    deviation,
    frame_columns,
    join_words,
    landscape_fields,
    make_table,
)

_SETTINGS = ("activation", "schedule", "schedule_steps", "proximity", "rho")
"""Settings with a column each in files."""
_NUMBERS = (
    "distance_first",
    "distance",
    "entropy",
    "live_first",
    "live",
    "alpha_steps",
)
"""Numbers that describe a supernet, used in two tables."""
_CAPTION = (
    "Final operation weights. a: the weights that the activation computes from the alphas. D: the one-hot weights of "
    "the "
    "architecture read from them: the largest operation of every edge, and the strongest inputs of a node if the "
    "space "
    "limits their number. ‖a − D‖: distance before training → after training, summed over cell types. Entropy: "
    "entropy "
    "of an edge's weights divided by their sum, in nats, mean over edges. Live: number of weights above zero before "
    "training → after training, in all cell types. Alpha steps: number of updates of the alphas. Last columns: "
    "accuracy "
    "of the architectures that each selector chose from these supernets, in per cent. All numbers are means over "
    "seeds; "
    "accuracies ± sample standard deviation."
)


class _RowKey(NamedTuple):
    """A group and the landscape of its accuracies; None if it has no accuracies."""

    landscape: Landscape | None
    group: AlphaGroup


def alphas_table(results: Results) -> Table:
    """Return the table of each group's final weights and accuracies.

    Supernets of a group differ only by seed.
    """
    groups = alpha_groups(results)
    verdicts = judge_claims(results, groups)
    selectors = selectors_of(groups)
    keys = _row_keys(results, groups)
    has_landscape = any(key.landscape for key in keys)
    columns = _group_columns(selectors, has_landscape)
    asked = {verdict.claim.key for verdict in verdicts}
    rules = [rule_of(claim) for claim in ALPHA_CLAIMS if claim.key in asked]
    return make_table(
        "alphas",
        "Operation weights",
        [_row(results, key, selectors, groups) for key in keys],
        answer=_answer(groups, verdicts),
        columns=columns,
        caption=_CAPTION,
        notes=[
            *_shared_place(groups),
            *rules,
            *([RULE] if rules else []),
            *unasked(verdicts),
            *_unmoved(results),
            *results.status(),
        ],
    )


def _group_columns(
    selectors: Sequence[str], has_landscape: bool
) -> tuple[TableColumn, ...]:
    names = [_accuracy_column(selector) for selector in selectors]
    accuracies = [
        TableColumn(header=selector, brief=True, optional=True)
        for selector in selectors
    ]
    return (
        *(LANDSCAPE_COLUMNS if has_landscape else ()),
        TableColumn("optimiser", "Supernet", text=True, brief=True),
        TableColumn("space"),
        TableColumn("data"),
        *frame_columns(*_SETTINGS, "seeds", *_NUMBERS, *names),
        TableColumn(header="Seeds", brief=True),
        TableColumn(header="‖a − D‖", brief=True),
        TableColumn(header="Entropy"),
        TableColumn(header="Live", brief=True),
        TableColumn(header="Alpha steps"),
        *accuracies,
    )


def _accuracy_column(selector: str) -> str:
    return f"accuracy {selector}"


def _row_keys(results: Results, groups: Sequence[AlphaGroup]) -> list[_RowKey]:
    """Return a row per landscape and group; a group without accuracies has one row."""
    keys = []
    judged = set()
    for landscape in results.landscapes:
        for group in groups:
            if any(group.accuracies(name, landscape) for name in group.readings):
                keys.append(_RowKey(landscape, group))
                judged.add(group.name)
    keys += [_RowKey(None, group) for group in groups if group.name not in judged]
    return keys


def _row(
    results: Results,
    key: _RowKey,
    selectors: Sequence[str],
    groups: Sequence[AlphaGroup],
) -> Row:
    group = key.group
    every = [describe_seed(seed) for seed in group.seeds]
    numbers: dict[str, float] = {}
    for name in _NUMBERS:
        numbers[name] = float(np.mean([of_seed[name] for of_seed in every]))
    full: dict[str, object] = {**_describe_group(group), **numbers}
    full["seeds"] = len(group.seeds)
    one_place = len({other.place for other in groups}) == 1
    shown = {
        "Supernet": group.optimiser if one_place else group.name,
        "Seeds": f"{len(group.seeds)}",
        "‖a − D‖": f"{numbers['distance_first']:.3f} → {numbers['distance']:.3f}",
        "Entropy": f"{numbers['entropy']:.3f}",
        "Live": f"{numbers['live_first']:.1f} → {numbers['live']:.1f}",
        "Alpha steps": f"{numbers['alpha_steps']:,.0f}",
    }
    if key.landscape is not None:
        full |= landscape_fields(key.landscape)
        shown["Landscape"] = results.title(key.landscape)
        for selector in selectors:
            values = list(group.accuracies(selector, key.landscape).values())
            full[_accuracy_column(selector)] = _mean(values)
            shown[selector] = _format_accuracies(values)
    return Row(full, shown)


def _describe_group(group: AlphaGroup) -> dict[str, object]:
    """Return the optimiser, space, images and settings of a group, by column."""
    described: dict[str, object] = {
        "optimiser": group.optimiser,
        "space": group.inputs.space,
        "data": group.inputs.data.name,
    }
    for name in _SETTINGS:
        described[name] = group.setting(name)
    return described


def describe_seed(seed: SeedAlphas) -> dict[str, float]:
    """Return the numbers that describe a supernet's weights, by column."""
    alphas = seed.alphas
    return {
        "distance_first": float(alphas.distance[0]),
        "distance": float(alphas.distance[-1]),
        "entropy": float(alphas.entropy[-1]),
        "live_first": float(alphas.live[0]),
        "live": float(alphas.live[-1]),
        "alpha_steps": float(alphas.alpha_steps),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _format_accuracies(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = deviation(np.array(values))
    mean = f"{np.mean(values):.2f}"
    return mean if spread is None else f"{mean} ± {spread:.2f}"


def _answer(groups: Sequence[AlphaGroup], verdicts: Sequence[AlphaVerdict]) -> str:
    """Return sentences with the verdict on every claim, by selector and place."""
    if not groups:
        return "No traced supernet learned alphas."
    sentences = []
    for says, of_claim in _by_claim(verdicts).items():
        parts = []
        for words, who in _by_words(of_claim).items():
            parts.append(f"{words} ({join_words(who, most=3)})")
        sentence = f"{says}: {', '.join(parts)}."
        sentences.append(sentence[0].upper() + sentence[1:])
    return " ".join(sentences) or (
        "No two groups of supernets differ only in a setting that a claim is about."
    )


def _by_claim(verdicts: Sequence[AlphaVerdict]) -> dict[str, list[AlphaVerdict]]:
    by_claim: dict[str, list[AlphaVerdict]] = {}
    for verdict in verdicts:
        by_claim.setdefault(verdict.says, []).append(verdict)
    return by_claim


def _by_words(verdicts: Sequence[AlphaVerdict]) -> dict[str, list[str]]:
    """Return the selectors and places for each verdict on a claim."""
    several = len({verdict.place for verdict in verdicts}) > 1
    by_words: dict[str, list[str]] = {}
    for verdict in verdicts:
        who = verdict.selector
        if several:
            who = f"{who} on {verdict.place}"
        by_words.setdefault(verdict.words, []).append(who)
    return by_words


def _shared_place(groups: Sequence[AlphaGroup]) -> list[str]:
    """Return a sentence with the space and images if all groups share them."""
    places = {group.place for group in groups}
    return [f"Space and images: {places.pop()}."] if len(places) == 1 else []


def _unmoved(results: Results) -> list[str]:
    names = unmoved_groups(results)
    if not names:
        return []
    return [
        f"Traced, but without a row because the alphas never changed: {'; '.join(names)}."
    ]


_VERDICT_COLUMNS = (
    TableColumn("claim", "Claim", text=True, brief=True),
    TableColumn("treated"),
    TableColumn("place", "Where", text=True),
    TableColumn("selector", "Selector", text=True, brief=True),
    TableColumn("verdict", "Verdict", text=True, brief=True),
    TableColumn("pairs", "Seeds", brief=True),
    TableColumn("settings", "Settings"),
    TableColumn("unit"),
    TableColumn("ours", "With"),
    TableColumn("theirs", "Without"),
    TableColumn("difference", "Difference"),
    *frame_columns("low", "high"),
    TableColumn(header="95 % interval"),
    *frame_columns("p_t", "p_permutation", "p_wilcoxon", "improvement", "detectable"),
    TableColumn("could_show", "Detectable", text=True),
)


def claims_table(results: Results) -> Table:
    """Return the table of verdicts on the claims about alphas, with their numbers."""
    verdicts = judge_claims(results, alpha_groups(results))
    return make_table(
        "alphas-claims",
        "Claims on activation, penalty and schedule",
        [_verdict_row(verdict) for verdict in verdicts],
        answer=_count_verdicts(verdicts),
        columns=_VERDICT_COLUMNS,
        caption=(
            "Verdicts by the rules above. Seeds: number of seeds that both sides have. Settings: number of pairs of "
            "groups, equal in all other settings, that are averaged per seed. With: mean over seeds with the setting "
            "that "
            "the claim is about, or of the selector named first. Without: mean of the other side. Detectable: the "
            "effect "
            "that this number of seeds shows with probability 80 %, given their spread."
        ),
        notes=(),
    )


def _count_verdicts(verdicts: Sequence[AlphaVerdict]) -> str:
    """Return a sentence with the number of comparisons for each verdict."""
    counts = Counter(verdict.words for verdict in verdicts)
    parts = [f"{count} {words}" for words, count in counts.items()]
    total = len(verdicts)
    comparisons = "comparison" if total == 1 else "comparisons"
    return f"Of {total} {comparisons}: {join_words(parts)}."


def _verdict_row(verdict: AlphaVerdict) -> Row:
    difference = verdict.difference
    unit = verdict.claim.unit
    full: dict[str, object] = {
        "claim": verdict.claim.key,
        "treated": verdict.treated,
        "place": verdict.place,
        "selector": verdict.selector,
        "verdict": verdict.words,
        "settings": verdict.settings,
        "unit": unit,
        "ours": verdict.ours,
        "theirs": verdict.theirs,
        "difference": difference.mean,
        **difference.numbers(),
        "detectable": difference.detectable,
        "could_show": verdict.could_show,
    }
    shown = {
        "Claim": verdict.says,
        "Where": verdict.place,
        "Selector": verdict.selector,
        "Verdict": verdict.words,
        "Seeds": f"{difference.pairs}",
        "Settings": f"{verdict.settings}",
        "With": _format(verdict.ours, unit),
        "Without": _format(verdict.theirs, unit),
        "Difference": _format(difference.mean, unit, "+"),
        "95 % interval": _format_interval(verdict),
        "Detectable": verdict.could_show,
    }
    return Row(full, shown)


def _format(value: float | None, unit: str, sign: str = "") -> str:
    return NONE if value is None else format_amount(value, unit, sign)


def _format_interval(verdict: AlphaVerdict) -> str:
    low = verdict.difference.low
    high = verdict.difference.high
    if low is None or high is None:
        return NONE
    unit = verdict.claim.unit
    return f"{format_amount(low, unit, '+')} to {format_amount(high, unit, '+')}"


def alpha_seeds_table(results: Results) -> Table:
    """Return the table of one row per traced supernet: its weights and selections."""
    groups = alpha_groups(results)
    selectors = selectors_of(groups)
    rows = []
    for group in groups:
        rows += _seed_rows(results, group)
    names = ["seed", "supernet", *_NUMBERS]
    for selector in selectors:
        names.append(f"parameters {selector}")
        for landscape in results.landscapes:
            names.append(_seed_column(results, selector, landscape))
    return make_table(
        "alphas-seeds",
        "Operation weights by seed",
        [Row(row, {}) for row in rows],
        answer="",
        columns=frame_columns("optimiser", "space", "data", *_SETTINGS, *names),
        caption="",
        notes=(),
    )


def _seed_column(results: Results, selector: str, landscape: Landscape) -> str:
    return f"{_accuracy_column(selector)}, {results.title(landscape)}"


def _seed_rows(results: Results, group: AlphaGroup) -> list[dict[str, object]]:
    by_column: dict[str, Mapping[int, float]] = {}
    for selector in group.readings:
        by_column[f"parameters {selector}"] = group.parameters(selector)
        for landscape in results.landscapes:
            column = _seed_column(results, selector, landscape)
            by_column[column] = group.accuracies(selector, landscape)
    rows = []
    for seed in group.seeds:
        row = _describe_group(group) | {"seed": seed.seed, "supernet": seed.id}
        row |= describe_seed(seed)
        for column, values in by_column.items():
            row[column] = values.get(seed.seed)
        rows.append(row)
    return rows
