"""The tables of the wiring's evolution: the claims' verdicts by group of seeds, and the conditions seed by seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from archselect.reports.results.results import Results
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
from archselect.reports.wiring.groups import TracedSupernet, WiringGroup, wiring_groups
from archselect.reports.wiring.verdicts import (
    CLAIMS,
    NO_EDGES,
    NOT_SHOWN,
    SEEDS,
    SHARE,
    SHOWN,
    Verdict,
    epoch_of_fewest_edges,
    gap_at_end,
    gap_before_fewest_edges,
    last_q,
)

_NUMBERS = (
    *(
        "edges_first",
        "edges_fewest",
        "fewest_epoch",
        "edges_last",
        "q_between",
        "q_inputs",
    ),
    *("entropy_last", "gap_before_fewest", "gap_at_end", "gap_at_end_train"),
)
"""Telling numbers of a supernet, in both tables."""
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
    f"A claim is SHOWN if at least {100 * SHARE:.0f} % of at least {SEEDS} seeds meet all its conditions. The claims "
    "are those of Xie et al. (AISTATS 2021), the conditions and their thresholds ours."
)


def wiring_table(results: Results) -> Table:
    """Each claim's verdict for each group of traced supernets that differ by seed only."""
    groups = wiring_groups(results)
    judged = [(group, verdict) for group in groups for verdict in group.verdicts]
    shared = _shared(groups)
    used = [
        claim
        for claim in CLAIMS
        if any(verdict.claim is claim for _, verdict in judged)
    ]
    caption = (
        "How the wiring of the supernets' cells evolved. Seeds: how many of those that could be judged meet all "
        "conditions. Edges: of the argmax genotype (every edge's likeliest operation, none included; all cell types "
        "together) before training → fewest → after it. q: probability that an edge is there, 1 − p(none), after "
        "training, mean over the edges between nodes and over those from inputs that may be none. L − H: cross-entropy "
        "minus entropy of the prediction in nats, mean over images; up to the fewest edges → in the last tenth of the "
        f"epochs, on the images on which alphas learn (of {NO_EDGES.name}: search | training images, in the last "
        "tenth). All are medians over seeds. Conditions: how many seeds meet each."
    )
    return make_table(
        "wiring",
        "Evolution of the wiring",
        [_row(group, verdict, shared) for group, verdict in judged],
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
    """One row per traced supernet: telling numbers, and every condition's number and whether it is met."""
    rows = [
        _seed_row(group, place)
        for group in wiring_groups(results)
        for place in range(len(group.supernets))
    ]
    conditions = [
        f"{_slug(claim.name)}_{c.key}" for claim in CLAIMS for c in claim.conditions
    ]
    columns = (
        *("optimiser", "space", "data", "seed", "supernet", *_NUMBERS, "changes"),
        *(f"{name}{end}" for name in conditions for end in ("", "_met")),
        *(f"{_slug(claim.name)}_met" for claim in CLAIMS),
        *(f"{_slug(claim.name)}_control" for claim in CLAIMS if claim.control),
    )
    return make_table(
        "wiring-seeds",
        "Evolution of the wiring, seed by seed",
        [Row(row, {}) for row in rows],
        answer="",
        columns=frame_columns(*columns),
        caption="",
        notes=(),
    )


def _shared(groups: Sequence[WiringGroup]) -> dict[str, str]:
    """Space and images by their headers, where all groups have the same: a note says it, not every row."""
    of = {
        "Space": {g.inputs.space for g in groups},
        "Images": {g.inputs.data.name for g in groups},
    }
    return {header: values.pop() for header, values in of.items() if len(values) == 1}


def _answer(
    judged: Sequence[tuple[WiringGroup, Verdict]], shared: dict[str, str]
) -> str:
    """Claim by claim by whom it is shown; of the others, where they are several, how many they are."""

    def named(group: WiringGroup) -> str:
        return group.optimiser if len(shared) == 2 else group.name

    told = []
    for claim in CLAIMS:
        found: dict[str, list[str]] = {
            "shown by": [],
            "not shown by": [],
            "no verdict on": [],
        }
        for group, verdict in judged:
            if verdict.claim is claim:
                decided = {SHOWN: "shown by", NOT_SHOWN: "not shown by"}
                counts = (
                    f"{verdict.meeting} of {verdict.judged} seeds"
                    if verdict.words in decided
                    else verdict.words
                )
                found[decided.get(verdict.words, "no verdict on")].append(
                    f"{named(group)} ({counts})"
                )
        parts = [
            f"{lead} {join_words(who) if lead == 'shown by' or len(who) == 1 else f'{len(who)} groups'}"
            for lead, who in found.items()
            if who
        ]
        told += [f"{claim.name}: {'; '.join(parts)}."] if parts else []
    return " ".join(told) or "No traced supernet is under a rule."


def _unjudged(groups: Sequence[WiringGroup]) -> Iterator[str]:
    """One sentence on the groups without a row, and one for each whose seeds lack controls."""
    without = [group.name for group in groups if not group.claims]
    if without:
        yield f"Traced, and under no rule: {'; '.join(without)}."
    for group in groups:
        for verdict in group.verdicts:
            missing = len(verdict.seeds) - verdict.judged
            if missing:
                yield (
                    f"{group.name}, {verdict.claim.name}: {missing} of {len(verdict.seeds)} seeds have no control "
                    "and are not judged."
                )


def _row(group: WiringGroup, verdict: Verdict, shared: dict[str, str]) -> Row:
    every = [_numbers(seen.wiring) for seen in group.supernets]
    numbers = {key: _median([own[key] for own in every]) for key in _NUMBERS}
    counts = verdict.counts()
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
        "conditions": ";".join(f"{c.key}={met}/{known}" for c, met, known in counts),
    }
    shown = {
        "Optimiser": group.optimiser,
        "Space": group.inputs.space,
        "Images": group.inputs.data.name,
        "Claim": verdict.claim.name,
        "Verdict": verdict.words,
        "Seeds": f"{verdict.meeting} of {verdict.judged}" if verdict.judged else NONE,
        "Edges": " → ".join(
            f"{numbers[key]:g}" for key in ("edges_first", "edges_fewest", "edges_last")
        ),
        "q between": _number(numbers["q_between"]),
        "q inputs": _number(numbers["q_inputs"]),
        "L − H": _gaps(numbers, verdict),
        "Conditions": ", ".join(
            f"{c.label} {met}" if known else f"{c.label} {NONE}"
            for c, met, known in counts
        ),
    }
    return Row(
        full, {header: text for header, text in shown.items() if header not in shared}
    )


def _gaps(numbers: dict[str, float | None], verdict: Verdict) -> str:
    first, second, sign = ("gap_before_fewest", "gap_at_end", "→")
    if verdict.claim is NO_EDGES:
        first, second, sign = "gap_at_end", "gap_at_end_train", "|"
    return f"{_number(numbers[first], '+')} {sign} {_number(numbers[second], '+')}"


def _number(value: float | None, sign: str = "") -> str:
    return NONE if value is None else f"{value:{sign}.2f}".replace("-", "−")


def _numbers(wiring: SupernetWiring) -> dict[str, float]:
    """The telling numbers of a supernet; NaN where one is not defined."""
    edges, parts = wiring.edges, wiring.trace.info.parts
    return {
        "edges_first": float(edges[0]),
        "edges_fewest": float(edges.min()),
        "fewest_epoch": float(epoch_of_fewest_edges(wiring)),
        "edges_last": float(edges[-1]),
        "q_between": last_q(wiring, between=True),
        "q_inputs": last_q(wiring, between=False),
        "entropy_last": float(
            np.mean(np.concatenate([cell.entropy[-1] for cell in wiring.cells]))
        ),
        "gap_before_fewest": gap_before_fewest_edges(wiring),
        "gap_at_end": gap_at_end(wiring, parts[0]),
        "gap_at_end_train": gap_at_end(wiring, parts[1])
        if len(parts) > 1
        else float("nan"),
    }


def _median(values: Sequence[float]) -> float | None:
    """Of the values that are defined."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else None


def _seed_row(group: WiringGroup, place: int) -> dict[str, object]:
    seen = group.supernets[place]
    row: dict[str, object] = {
        "optimiser": group.optimiser,
        "space": group.inputs.space,
        "data": group.inputs.data.name,
        "seed": seen.seed,
        "supernet": seen.id,
        **{
            key: None if np.isnan(value) else value
            for key, value in _numbers(seen.wiring).items()
        },
        "changes": _changes(seen),
    }
    for verdict in group.verdicts:
        claim, judged = _slug(verdict.claim.name), verdict.seeds[place]
        for condition, own in zip(
            verdict.claim.conditions, judged.measured, strict=True
        ):
            known = own.number is not None and not np.isnan(own.number)
            row |= {
                f"{claim}_{condition.key}": own.number if known else None,
                f"{claim}_{condition.key}_met": own.met,
            }
        control = group.control(verdict.claim, seen)
        row |= {f"{claim}_met": judged.met, f"{claim}_control": control and control.id}
    return row


def _changes(seen: TracedSupernet) -> str:
    """Every edge that was dropped or grown, and after which epoch."""
    return ";".join(
        f"{'grown' if change.grown else 'dropped'} {cell.cell.name}:{cell.names[change.edge]}@{change.epoch}"
        for cell in seen.wiring.cells
        for change in cell.changes
    )


def _slug(name: str) -> str:
    return name.lower().replace(" ", "_")
