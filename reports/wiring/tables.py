"""The tables of the wiring's evolution.

One table has the verdicts on the claims by group; the other has the conditions by seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from archselect.reports.results.results import Results
from archselect.reports.results.traced_supernets import TracedSupernet
from archselect.reports.results.wiring_quantities import SupernetWiring
from archselect.reports.tables.table import (
    NONE,
    Row,
    Table,
    TableColumn,
    frame_columns,
    join_words,
    make_table,
)
from archselect.reports.wiring.groups import WiringGroup, wiring_groups
from archselect.reports.wiring.verdicts import (
    CLAIMS,
    NO_EDGES,
    NOT_SHOWN,
    SEEDS,
    SHARE,
    SHOWN,
    Claim,
    Condition,
    Verdict,
    epoch_of_fewest_edges,
    gap_at_end,
    gap_before_fewest_edges,
    last_q,
)

_NUMBERS = (
    "edges_first",
    "edges_fewest",
    "fewest_epoch",
    "edges_last",
    "q_between",
    "q_inputs",
    "entropy_last",
    "gap_before_fewest",
    "gap_at_end",
    "gap_at_end_train",
)
"""Numbers that describe a supernet, used in both tables."""
_COLUMNS = (
    TableColumn("optimiser", "Optimiser", text=True, brief=True),
    TableColumn("space", "Space", text=True, brief=True),
    TableColumn("data", "Images", text=True, brief=True),
    TableColumn("claim", "Claim", text=True, brief=True),
    TableColumn("verdict", "Verdict", text=True, brief=True),
    TableColumn("seeds", "Seeds", brief=True),
    *frame_columns("judged", "meeting", *_NUMBERS),
    TableColumn(header="Edges", brief=True),
    TableColumn(header="q between"),
    TableColumn(header="q inputs"),
    TableColumn(header="L − H"),
    TableColumn("conditions", "Conditions", text=True),
)
RULE = (
    f"A claim is SHOWN if there are at least {SEEDS} seeds and at least {100 * SHARE:.0f} % of them meet all its "
    "conditions. The claims are those of Xie et al. (AISTATS 2021); the conditions and thresholds are ours."
)


class _JudgedGroup(NamedTuple):
    """A group and its verdict on one claim."""

    group: WiringGroup
    verdict: Verdict


def wiring_table(results: Results) -> Table:
    """Return the table of each claim's verdict for each group of traced supernets."""
    groups = wiring_groups(results)
    judged: list[_JudgedGroup] = []
    for group in groups:
        judged += [_JudgedGroup(group, verdict) for verdict in group.verdicts]
    shared = _shared_values(groups)
    judged_claims = [one.verdict.claim for one in judged]
    used = [claim for claim in CLAIMS if claim in judged_claims]
    caption = (
        "Evolution of the wiring of the supernets' cells. Seeds: number of judged seeds that meet all conditions, of "
        "all "
        "judged seeds. Edges: number of edges in the argmax genotype (the most likely operation of every edge; all "
        "cell "
        "types together) before training → at the minimum → after training. q: probability that an edge exists, "
        "1 − p(none), after training; mean over edges between nodes, and over edges from inputs, that can be none. "
        "L − H: cross-entropy minus entropy of the prediction, in nats, averaged over the images that train the "
        "alphas: "
        f"until the minimum of edges → in the last tenth of the epochs (for {NO_EDGES.name}: search images | training "
        "images, both in the last tenth). All numbers are medians over seeds. Conditions: number of seeds that meet "
        "each."
    )
    return make_table(
        "wiring",
        "Evolution of the wiring",
        [_row(one.group, one.verdict, shared) for one in judged],
        answer=_answer(judged, shared),
        columns=[
            replace(column, header="") if column.header in shared else column
            for column in _COLUMNS
        ],
        caption=caption,
        notes=[
            *(f"{header}: {value} in every row." for header, value in shared.items()),
            *([RULE] if used else []),
            *(claim.rule for claim in used),
            *_unjudged(groups),
            *results.status(),
        ],
    )


def seeds_table(results: Results) -> Table:
    """Return the table of one row per traced supernet.

    A row has the numbers that describe the supernet and, for every condition, its
    number and whether it is met.
    """
    rows = []
    for group in wiring_groups(results):
        rows += [_seed_row(group, place) for place in range(len(group.supernets))]
    return make_table(
        "wiring-seeds",
        "Evolution of the wiring by seed",
        [Row(row, {}) for row in rows],
        answer="",
        columns=frame_columns(*_seed_columns()),
        caption="",
        notes=(),
    )


def _seed_columns() -> tuple[str, ...]:
    columns = ["optimiser", "space", "data", "seed", "supernet", *_NUMBERS, "changes"]
    for claim in CLAIMS:
        for condition in claim.conditions:
            name = _condition_column(claim, condition)
            columns += [name, f"{name}_met"]
    columns += [f"{_slug(claim.name)}_met" for claim in CLAIMS]
    columns += [f"{_slug(claim.name)}_control" for claim in CLAIMS if claim.control]
    return tuple(columns)


def _condition_column(claim: Claim, condition: Condition) -> str:
    return f"{_slug(claim.name)}_{condition.key}"


def _shared_values(groups: Sequence[WiringGroup]) -> dict[str, str]:
    """Return space and images by header, if all groups share them.

    A note then states them once.
    """
    values_by_header = {
        "Space": {group.inputs.space for group in groups},
        "Images": {group.inputs.data.name for group in groups},
    }
    return {
        header: values.pop()
        for header, values in values_by_header.items()
        if len(values) == 1
    }


def _answer(judged: Sequence[_JudgedGroup], shared: dict[str, str]) -> str:
    """Return sentences on the groups that show each claim, and count the others."""
    sentences = []
    for claim in CLAIMS:
        of_claim = [one for one in judged if one.verdict.claim is claim]
        parts = _answer_parts(of_claim, names_alone=len(shared) == 2)
        if parts:
            sentences.append(f"{claim.name}: {'; '.join(parts)}.")
    return " ".join(sentences) or "No rule applies to a traced supernet."


def _answer_parts(judged: Sequence[_JudgedGroup], names_alone: bool) -> list[str]:
    """Return texts on the groups that show a claim, do not, or have no verdict.

    Args:
        judged: groups with their verdicts on the claim.
        names_alone: whether the names of the optimisers distinguish the groups.
    """
    leads = {SHOWN: "shown by", NOT_SHOWN: "not shown by"}
    groups_by_lead: dict[str, list[str]] = {
        "shown by": [],
        "not shown by": [],
        "no verdict on": [],
    }
    for group, verdict in judged:
        name = group.optimiser if names_alone else group.name
        reason = verdict.words
        if verdict.words in leads:
            reason = f"{verdict.meeting} of {verdict.judged} seeds"
        lead = leads.get(verdict.words, "no verdict on")
        groups_by_lead[lead].append(f"{name} ({reason})")
    parts = []
    for lead, groups in groups_by_lead.items():
        if groups:
            one_by_one = lead == "shown by" or len(groups) == 1
            who = join_words(groups) if one_by_one else f"{len(groups)} groups"
            parts.append(f"{lead} {who}")
    return parts


def _unjudged(groups: Sequence[WiringGroup]) -> Iterator[str]:
    """Yield sentences on groups without a rule and on seeds without a control."""
    without = [group.name for group in groups if not group.claims]
    if without:
        yield f"Traced, but no rule applies: {'; '.join(without)}."
    for group in groups:
        for verdict in group.verdicts:
            missing = len(verdict.seeds) - verdict.judged
            if missing:
                yield (
                    f"{group.name}, {verdict.claim.name}: {missing} of {len(verdict.seeds)} seeds have no control "
                    "and are not judged."
                )


def _row(group: WiringGroup, verdict: Verdict, shared: dict[str, str]) -> Row:
    by_seed = [_describe_supernet(supernet.wiring) for supernet in group.supernets]
    numbers: dict[str, float | None] = {}
    for key in _NUMBERS:
        numbers[key] = _median([of_seed[key] for of_seed in by_seed])
    counts = verdict.counts()
    conditions = [
        f"{count.condition.key}={count.meeting}/{count.known}" for count in counts
    ]
    full: dict[str, object] = {
        "optimiser": group.optimiser,
        "space": group.inputs.space,
        "data": group.inputs.data.name,
        "claim": verdict.claim.name,
        "verdict": verdict.words,
        "seeds": len(verdict.seeds),
        "judged": verdict.judged,
        "meeting": verdict.meeting,
        **numbers,
        "conditions": ";".join(conditions),
    }
    edges = [
        f"{numbers[key]:g}" for key in ("edges_first", "edges_fewest", "edges_last")
    ]
    shown_conditions = [
        f"{count.condition.label} {count.meeting if count.known else NONE}"
        for count in counts
    ]
    shown = {
        "Optimiser": group.optimiser,
        "Space": group.inputs.space,
        "Images": group.inputs.data.name,
        "Claim": verdict.claim.name,
        "Verdict": verdict.words,
        "Seeds": f"{verdict.meeting} of {verdict.judged}" if verdict.judged else NONE,
        "Edges": " → ".join(edges),
        "q between": _format(numbers["q_between"]),
        "q inputs": _format(numbers["q_inputs"]),
        "L − H": _format_gaps(numbers, verdict),
        "Conditions": ", ".join(shown_conditions),
    }
    return Row(
        full, {header: text for header, text in shown.items() if header not in shared}
    )


def _format_gaps(numbers: dict[str, float | None], verdict: Verdict) -> str:
    """Return two gaps as text: before the minimum and at the end, or of both parts."""
    if verdict.claim is NO_EDGES:
        search = _format(numbers["gap_at_end"], "+")
        training = _format(numbers["gap_at_end_train"], "+")
        return f"{search} | {training}"
    before = _format(numbers["gap_before_fewest"], "+")
    at_end = _format(numbers["gap_at_end"], "+")
    return f"{before} → {at_end}"


def _format(value: float | None, sign: str = "") -> str:
    return NONE if value is None else f"{value:{sign}.2f}".replace("-", "−")


def _describe_supernet(wiring: SupernetWiring) -> dict[str, float]:
    """Return the numbers that describe a supernet; NaN for undefined ones."""
    edges = wiring.edges
    learning_part, *other_parts = wiring.trace.info.parts
    last_entropies = [cell.entropy[-1] for cell in wiring.cells]
    other_gap = float("nan")
    if other_parts:
        other_gap = gap_at_end(wiring, other_parts[0])
    return {
        "edges_first": float(edges[0]),
        "edges_fewest": float(edges.min()),
        "fewest_epoch": float(epoch_of_fewest_edges(wiring)),
        "edges_last": float(edges[-1]),
        "q_between": last_q(wiring, between=True),
        "q_inputs": last_q(wiring, between=False),
        "entropy_last": float(np.mean(np.concatenate(last_entropies))),
        "gap_before_fewest": gap_before_fewest_edges(wiring),
        "gap_at_end": gap_at_end(wiring, learning_part),
        "gap_at_end_train": other_gap,
    }


def _median(values: Sequence[float]) -> float | None:
    """Return the median of the defined values; None if there are none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else None


def _seed_row(group: WiringGroup, place: int) -> dict[str, object]:
    supernet = group.supernets[place]
    row: dict[str, object] = {
        "optimiser": group.optimiser,
        "space": group.inputs.space,
        "data": group.inputs.data.name,
        "seed": supernet.seed,
        "supernet": supernet.id,
    }
    for key, number in _describe_supernet(supernet.wiring).items():
        row[key] = None if np.isnan(number) else number
    row["changes"] = _describe_changes(supernet)
    for verdict in group.verdicts:
        claim = verdict.claim
        judged = verdict.seeds[place]
        for condition, measured in zip(claim.conditions, judged.measured, strict=True):
            name = _condition_column(claim, condition)
            known = measured.number is not None and not np.isnan(measured.number)
            row[name] = measured.number if known else None
            row[f"{name}_met"] = measured.met
        control = group.control(claim, supernet)
        row[f"{_slug(claim.name)}_met"] = judged.met
        row[f"{_slug(claim.name)}_control"] = control and control.id
    return row


def _describe_changes(supernet: TracedSupernet) -> str:
    """Return a text with every edge dropped or grown, and the epoch."""
    changes = []
    for cell in supernet.wiring.cells:
        for change in cell.changes:
            kind = "grown" if change.grown else "dropped"
            edge = f"{cell.cell.name}:{cell.names[change.edge]}"
            changes.append(f"{kind} {edge}@{change.epoch}")
    return ";".join(changes)


def _slug(name: str) -> str:
    return name.lower().replace(" ", "_")
