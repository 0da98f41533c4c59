"""The conformance kit: what every selector has to keep to, checked on small supernets of every space.

A selector is run as in a study once on each device, on a supernet whose first answers
are measured; and rehearsed, with answers that are drawn, under all values of its
settings that can be told from their types and bounds. Each check looks at all these
trials. What a selector's `small` says (fewer iterations, say) keeps its trials short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

from archselect.benchmarks.conformance.trials import Stage, Trial, variants_of
from archselect.benchmarks.runtime.machine import open_device
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.plugins.user_files import said
from archselect.nasbench_adapters.space import DROPPED, Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space, registry, unrestricted_name
from archselect.selectors.base import Selection, Selector

SHOWN = 3
"""Faults named per check and space."""

Faults = Iterator[str]


def finishes(trial: Trial) -> Faults:
    """`select` gives a Selection, whatever the settings."""
    if trial.error and not trial.notes:
        yield trial.error


def complete(trial: Trial) -> Faults:
    """Every edge is decided: the architecture is one of the space, formats, parses back and keeps its topology rule."""
    if trial.selection is not None:
        scored = [
            architecture for architecture, _ in trial.selection.architecture_scores
        ]
        for architecture in dict.fromkeys([trial.selection.architecture, *scored]):
            yield from _misfits(trial.space, architecture)


def undecided_only(trial: Trial) -> Faults:
    """Scores and decisions are of edges that are still undecided, and of operations that the edge allows."""
    yield from trial.notes.get("decisions", ())
    if trial.selection is None:
        return
    cells, decided, dropped = (
        trial.space.cells,
        dict[tuple[int, ...], int](),
        dict[tuple[int, ...], int](),
    )
    for d in trial.selection.decisions:
        key = d.round, d.cell, d.edge
        if not _there(trial, d.cell, d.edge):
            yield f"it decides edge {d.edge} of cell type {d.cell}, which there is not"
        elif d.choice != DROPPED and not 0 <= d.choice < len(
            cells[d.cell].operations[d.edge]
        ):
            yield f"it decides {_edge(trial, d.cell, d.edge)} for operation {d.choice}, which the edge does not allow"
        elif key in dropped or (key in decided and d.choice != DROPPED):
            yield f"it decides {_edge(trial, d.cell, d.edge)} again: decide those of `search.open_edges()`"
        (dropped if d.choice == DROPPED else decided)[key] = d.step
    for s in trial.selection.operation_scores:
        key = s.round, s.cell, s.edge
        if not _there(trial, s.cell, s.edge):
            yield f"it scores edge {s.edge} of cell type {s.cell}, which there is not"
        elif not 0 <= s.choice < len(cells[s.cell].operations[s.edge]):
            yield f"it scores operation {s.choice} of {_edge(trial, s.cell, s.edge)}, which the edge does not allow"
        elif s.step > min(decided.get(key, s.step), dropped.get(key, s.step)):
            yield f"it scores {_edge(trial, s.cell, s.edge)} after deciding it: score those of `search.open_edges()`"
    for e in trial.selection.edge_scores:
        if (
            not _there(trial, e.cell, e.edge)
            or cells[e.cell].edges[e.edge][1] != e.node
        ):
            yield f"it scores edge {e.edge} of cell type {e.cell} as one into node {e.node}, which it is not"
        elif e.step > dropped.get((e.round, e.cell, e.edge), e.step):
            yield f"it scores {_edge(trial, e.cell, e.edge)} after dropping it: score those of `search.inputs(node)`"


def untouched(trial: Trial) -> Faults:
    """Supernet, alphas and global random states are left as they were, but for what `task.tune` does."""
    if trial.touched:
        more = f" and {len(trial.touched) - 1} more" if len(trial.touched) > 1 else ""
        yield f"it changes {trial.touched[0]}{more}: score through the task, draw from task.rng, work on copies"


def seeded(trial: Trial) -> Faults:
    """The same seed gives the same answer: all randomness comes from the task."""
    if trial.selection is not None and trial.twice and trial.again != trial.selection:
        same = (
            trial.again is not None
            and trial.again.architecture == trial.selection.architecture
        )
        what = "other scores or decisions" if same else "another architecture, or none"
        yield f"the same seed gives {what}: draw from task.rng, task.minibatch and task.new_alphas alone"


def honest(trial: Trial) -> Faults:
    """What is decided for, dropped or selected is the best, or the worst, of its scores on the scale declared."""
    if trial.selection is not None:
        yield from _operations(trial, trial.selection)
        yield from _dropped(trial, trial.selection)
        yield from _architectures(trial.selection)


def surfaces(trial: Trial) -> Faults:
    """A score that is not a number is an error, and does not just lose."""
    if trial.undefined and trial.selection is not None:
        yield "some scores were not finite and it selected all the same: `search.decide` refuses them"


def offered(trial: Trial) -> Faults:
    """Of the task it uses what `Task` offers, and sets nothing."""
    yield from trial.notes.get("offered", ())


def self_contained(trial: Trial) -> Faults:
    """It names no device and uses no files, and nothing of the harness or the reports (as far as can be seen)."""
    yield from (
        f"{what}: use that of a tensor of the task"
        for what in trial.notes.get("devices", ())
    )
    yield from (
        f"{what}: give back a Selection, which is recorded"
        for what in trial.notes.get("files", ())
    )
    for name in trial.foreign:
        yield f"its module imports {name}: a selector needs archselect.selectors and archselect.nasbench_adapters"


CHECKS: tuple[Callable[[Trial], Faults], ...] = (
    finishes,
    complete,
    undecided_only,
    untouched,
    seeded,
    honest,
    surfaces,
    offered,
    self_contained,
)
"""Each yields what to mend; its docstring says what is checked."""


@dataclass(frozen=True)
class Finding:
    """What a check found on one space and device, and what to mend.

    `passed` is None where no trial came so far as to be judged: the selector failed
    before.
    """

    check: str
    space: str
    device: str
    passed: bool | None
    mends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conformance:
    """All findings on a selector; `seconds` is how long each (space, device) took."""

    selector: str
    findings: tuple[Finding, ...]
    seconds: Mapping[tuple[str, str], float]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(finding.passed is not False for finding in self.findings)


def name_of(check: Callable[[Trial], Faults]) -> str:
    """A check's name as printed."""
    return check.__name__.replace("_", " ")


def spaces_with_supernet() -> list[str]:
    """The spaces that a selector can be run on."""
    names = []
    for name in registry.all():
        try:
            get_space(name).undecided()
        except UserError:
            continue  # its message says so
        names.append(name)
    return names


def devices_present() -> list[str]:
    """One device of each kind that is here."""
    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def check_selector(
    kind: type[Selector],
    spaces: Sequence[str] = (),
    devices: Sequence[str] = (),
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Conformance:
    """Check a selector.

    Args:
        kind: its class.
        spaces: by name; all that have a supernet if empty.
        devices: as :func:`.open_device` takes them; one of each kind present if empty.
            Rehearsals are on the first.
        progress: is told (space and device, how many are done, of how many).

    Raises UserError for an unknown space or device, and for a class whose settings have
    no defaults to check it with.
    """
    usable = spaces_with_supernet()
    for name in spaces:
        if unrestricted_name(name) not in usable:
            raise unknown("space with a supernet", name, usable)
        get_space(name)  # raises for restrictions that it cannot have
    targets = [open_device(name) for name in devices or devices_present()]
    places = [
        (space, device)
        for space in spaces or usable
        for device in dict.fromkeys(targets)
    ]
    variants = variants_of(kind)
    findings: list[Finding] = []
    seconds: dict[tuple[str, str], float] = {}
    for done, (name, device) in enumerate(places):
        progress(f"{name} on {device}", done, len(places))
        start = perf_counter()
        stage = Stage(kind, get_space(name), device)
        trials = [stage.premiere(variants[0])]
        if device == targets[0]:
            trials += stage.rehearsals(variants)
        findings += [_judge(check, trials, name, str(device)) for check in CHECKS]
        seconds[name, str(device)] = perf_counter() - start
    return Conformance(kind.name, tuple(findings), seconds)


def _judge(
    check: Callable[[Trial], Faults], trials: Sequence[Trial], space: str, device: str
) -> Finding:
    """What a check says of all the trials on a space and device."""
    judged = [
        trial
        for trial in trials
        if (trial.undefined is not None) == (check is surfaces)
    ]
    faults: dict[str, str] = {}
    for trial in judged:
        for fault in check(trial):
            faults.setdefault(fault, f"{fault} ({trial.how})")
    mends = list(faults.values())
    if len(mends) > SHOWN:
        mends = [*mends[:SHOWN], f"and {len(mends) - SHOWN} more of the kind"]
    reached = check is surfaces or any(trial.selection is not None for trial in judged)
    passed = False if mends else True if judged and reached else None
    return Finding(name_of(check), space, device, passed, tuple(mends))


def _there(trial: Trial, cell: int, edge: int) -> bool:
    """Whether there is such an edge."""
    return 0 <= cell < len(trial.space.cells) and 0 <= edge < len(
        trial.space.cells[cell].edges
    )


def _edge(trial: Trial, cell: int, edge: int) -> str:
    source, target = trial.space.cells[cell].edges[edge]
    return f"edge {source}→{target} of '{trial.space.cells[cell].name}'"


def _misfits(space: SearchSpace, architecture: Architecture) -> Faults:
    """Why an architecture is none of the space."""
    if [len(row) for row in architecture.choices] != [
        len(cell.edges) for cell in space.cells
    ]:
        yield f"{architecture} has another number of cell types or edges than the space: return search.selection()"
        return
    for cell, row in zip(space.cells, architecture.choices, strict=True):
        for node in range(cell.inputs, cell.nodes):
            edges, keeps = cell.incoming(node), cell.kept_inputs(node)
            live = [edge for edge in edges if row[edge] is not None]
            wanted = len(edges) if keeps is None else min(keeps, len(edges))
            if len(live) != wanted:
                yield (
                    f"node {node} of '{cell.name}' has {len(live)} inputs where the space keeps {wanted}: decide every "
                    "edge, then return search.selection(), which keeps as many"
                )
            for edge in live:
                if row[edge] not in cell.candidates(edge):
                    yield (
                        f"edge {cell.edges[edge]} of '{cell.name}' has operation {row[edge]}, which no architecture "
                        "may have there: choose among edge.candidates"
                    )
    try:
        text = space.format(architecture)
        if space.parse(text) != architecture:
            yield f"{text} reads back as another architecture"
    except (ValueError, IndexError, TypeError, UserError) as error:
        yield f"the architecture is none of the space: {said(error)}"


def _operations(trial: Trial, selection: Selection) -> Faults:
    """Decisions for an operation that is not the best of its edge's latest scores.

    Best of all of them, or of those an architecture may have.
    """
    scale = selection.operation_scale
    if scale is None:
        if selection.operation_scores or selection.edge_scores:
            yield "it reports scores without a scale: task.search(name, better=...)"
        return
    best = max if scale.better == "higher" else min
    scores: dict[tuple[int, int, int], dict[int, dict[int, float]]] = {}
    for s in selection.operation_scores:
        scores.setdefault((s.round, s.cell, s.edge), {}).setdefault(s.step, {})[
            s.choice
        ] = s.value
    for d in selection.decisions:
        steps = scores.get((d.round, d.cell, d.edge), {})
        latest = max((step for step in steps if step <= d.step), default=None)
        if d.choice == DROPPED or latest is None or not _there(trial, d.cell, d.edge):
            continue
        values = steps[latest]
        winner = best(values, key=values.__getitem__)
        among = [
            values[k]
            for k in trial.space.cells[d.cell].candidates(d.edge)
            if k in values
        ]
        if values.get(d.choice) not in [
            values[winner],
            *([best(among)] if among else []),
        ]:
            yield (
                f"round {d.round}, step {d.step}: it decides {_edge(trial, d.cell, d.edge)} for operation {d.choice} "
                f"with {scale.name!r} {_short(values.get(d.choice))}, though {scale.better} is declared better and "
                f"{winner} has {_short(values[winner])}: declare the right direction"
            )


def _dropped(trial: Trial, selection: Selection) -> Faults:
    """Edges dropped though their score is not the worst of their node's."""
    scale = selection.operation_scale
    if scale is None:
        return
    worst = min if scale.better == "higher" else max
    passes: dict[tuple[int, ...], list[dict[int, float]]] = {}
    for s in selection.edge_scores:
        found = passes.setdefault((s.round, s.step, s.cell, s.node), [{}])
        if s.edge in found[-1]:
            found.append({})  # the node is gone through again, with one edge fewer
        found[-1][s.edge] = s.value
    for d in selection.decisions:
        if d.choice != DROPPED or not _there(trial, d.cell, d.edge):
            continue
        node = trial.space.cells[d.cell].edges[d.edge][1]
        if left := passes.get((d.round, d.step, d.cell, node)):
            values = left.pop(0)
            if values.get(d.edge) != worst(values.values()):
                yield (
                    f"round {d.round}, step {d.step}: it drops {_edge(trial, d.cell, d.edge)} with {scale.name!r} "
                    f"{_short(values.get(d.edge))}, though {scale.better} is declared better and "
                    f"{_short(worst(values.values()))} is worst: drop it by `search.drop(node, scores)`"
                )


def _architectures(selection: Selection) -> Faults:
    """A selected architecture that is not the best of those scored."""
    scale = selection.architecture_scale
    if not selection.architecture_scores:
        return
    if scale is None:
        yield "it reports scores of architectures without a scale: task.search(architectures=ScoreScale(name, better))"
        return
    best = max if scale.better == "higher" else min
    own = [
        value
        for architecture, value in selection.architecture_scores
        if architecture == selection.architecture
    ]
    top = best(value for _, value in selection.architecture_scores)
    if not own or best(own) != top:
        yield (
            f"it selects an architecture of {scale.name!r} {_short(best(own) if own else None)}, though {scale.better} "
            f"is declared better and another one has {_short(top)}: select `log.best_architecture()`"
        )


def _short(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.5g}"
