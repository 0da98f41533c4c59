"""Traces as training might leave them, and folders of them, with made-up numbers of a plausible shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import content_id, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    CellGraph,
    DataInputs,
    Decision,
    Formulations,
    Inputs,
    OperationScore,
    Record,
    SelectorInputs,
    StudyInfo,
    SupernetInputs,
)
from archselect.benchmarks.store.traces import (
    CellTrace,
    Trace,
    TracedCell,
    TraceInfo,
    write_trace,
)

OPERATIONS = [
    *("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect"),
    *("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"),
]
EDGES = [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
FULL = [(source, target) for target in range(2, 6) for source in range(target)]
DATA = DataInputs(
    name="cifar10@8",
    checksum="bb" * 8,
    train_images=200,
    valid_images=200,
    split="halves, seed 0",
    augment="none",
)


def traced_cell(
    edges: Sequence[tuple[int, int]] = EDGES, name: str = "normal", inputs: int = 2
) -> TracedCell:
    nodes = 1 + max(target for _, target in edges)
    return TracedCell(
        name=name,
        inputs=inputs,
        nodes=nodes,
        output=list(range(inputs, nodes)),
        edges=list(edges),
        operations=[OPERATIONS] * len(edges),
        layers=2,
    )


def make_inputs(recipe: str, seed: int, **settings: str | int | float | bool) -> Inputs:
    return Inputs(
        space="minimal",
        data=DATA,
        supernet=SupernetInputs(
            recipe=recipe,
            settings={"trace": True, "epochs": 40, **settings},
            skeleton={"channels": 8, "cells": 4},
        ),
        selector=SelectorInputs(name="magnitude", label="argmax", settings={}),
        supernet_seed=seed,
        selection_seed=seed,
        formulations=Formulations(
            supernet={"optimiser": 1, "space": 1, "network": 1, "images": 1},
            selector={"selector": 1},
        ),
    )


def made_up_seed(inputs: Inputs) -> int:
    """The seed of a trace's made-up numbers: of all that makes a supernet but the formulation numbers."""
    dumped = inputs.model_dump(mode="json", include={"space", "data", "supernet"})
    return int(
        content_id({**dumped, "seed": inputs.supernet_seed, "code_version": "0.1.0"}),
        16,
    )


def distribution(q: np.ndarray, best: np.ndarray, sharp: np.ndarray) -> np.ndarray:
    """(T + 1, E, 8) probabilities: 1 - q of none, the rest among the others, `sharp` of it on the best one."""
    others = len(OPERATIONS) - 1
    rest = np.repeat(((1 - sharp) / others)[..., None], others, axis=-1) * q[..., None]
    np.put_along_axis(
        rest,
        best[None, :, None].repeat(len(q), 0) - 1,
        ((sharp + (1 - sharp) / others) * q)[..., None],
        2,
    )
    return np.concatenate([1 - q[..., None], rest], axis=-1)


def losses_of(gaps: np.ndarray, right: float = 0.3) -> np.ndarray:
    """(T, parts, 2, 3) sums of 100 images whose mean L - H is gaps (T, parts); those that are right have L < H."""
    found = np.empty((*gaps.shape, 2, 3))
    counts = np.array([100 * (1 - right), 100 * right])
    entropy = np.array([1.8, 1.2])
    below = np.array([0.0, -0.5])
    below[0] = -below[1] * right / (1 - right)
    found[..., 0] = counts
    found[..., 2] = counts * entropy
    found[..., 1] = counts * (entropy + below + gaps[..., None])
    return found


def make_trace(
    inputs: Inputs,
    probabilities: Sequence[np.ndarray],
    gaps: np.ndarray,
    cells: Sequence[TracedCell] = (),
    dearer: float = 0.02,
) -> Trace:
    """A trace with these (T + 1, E, K) probabilities per cell and (T, parts) mean L - H.

    Args:
        dearer: by how much operations on edges between nodes cost more than on edges
            from inputs.
    """
    rng = np.random.default_rng(made_up_seed(inputs))
    cells = cells or [traced_cell()]
    parts = ["all"] if gaps.shape[1] == 1 else ["valid", "train"]
    seen = []
    for cell, own in zip(cells, probabilities, strict=True):
        points, edges, operations = own.shape
        between = np.array([source >= cell.inputs for source, _ in cell.edges])
        is_none = np.array(
            [[name == "none" for name in names] for names in cell.operations]
        )
        drift = np.where(
            is_none,
            0.0,
            gaps[:, 0, None, None] / 5
            + rng.normal(0, 0.003, (points - 1, edges, operations)),
        )
        drift += dearer * (between[:, None] & ~is_none)
        drift[..., 3] -= np.linspace(0, 0.04, points - 1)[:, None]
        probe = np.where(
            is_none,
            0.0,
            0.03
            + dearer * between[:, None]
            + rng.normal(0, 0.004, (2, edges, operations)),
        )
        counts = np.full((points - 1, edges, operations), 12, dtype=np.int32)
        seen.append(
            CellTrace(
                probabilities=own.astype(np.float32),
                cost_counts=counts,
                cost_means=drift.astype(np.float32),
                cost_variances=np.full(drift.shape, 0.0004, dtype=np.float32),
                edge_costs=np.repeat(
                    np.sum(own[1:] * drift, -1)[:, None] / cell.layers, cell.layers, 1
                ).astype("f4"),
                probe_counts=np.full((2, edges, operations), 30, dtype=np.int32),
                probe_means=probe.astype(np.float32),
                probe_variances=np.where(
                    is_none, 0, rng.uniform(0.0002, 0.0008, probe.shape)
                ).astype(np.float32),
                probe_layers=np.repeat(
                    probe[:, None] / cell.layers, cell.layers, 1
                ).astype(np.float32),
            )
        )
    info = TraceInfo(
        id=inputs.supernet_id,
        space=inputs.space,
        data=inputs.data,
        supernet=inputs.supernet,
        seed=inputs.supernet_seed,
        formulations=inputs.formulations.supernet,
        parts=parts,
        cells=list(cells),
    )
    losses = losses_of(gaps).astype(np.float32)
    alpha_steps = np.ones(len(losses), dtype=np.int32)
    return Trace(info, losses, alpha_steps, tuple(seen))


def story(inputs: Inputs, cells: Sequence[TracedCell] = (), epochs: int = 40) -> Trace:
    """A training that bears its optimiser's claim out: dsnas grows wide, bi-level darts drops all, others keep all."""
    rng = np.random.default_rng(made_up_seed(inputs))
    cells = cells or [traced_cell()]
    at = np.linspace(0, 1, epochs + 1)[:, None]
    recipe, bi = inputs.supernet.recipe, inputs.supernet.settings.get("level") == "bi"
    every = []
    for cell in cells:
        between = np.array([source >= cell.inputs for source, _ in cell.edges])
        edges = len(cell.edges)
        noise = rng.normal(0, 0.04, edges)
        if recipe in ("spos", "blank"):
            q = np.full((epochs + 1, edges), 0.875)
            sharp = np.zeros_like(q)
        else:
            if recipe == "dsnas":
                fall = np.exp(-(((at - 0.2 - noise / 3) / 0.11) ** 2))
                q = np.where(
                    between,
                    0.875 - 0.82 * np.minimum(1, at * 4),
                    0.875 - (0.8 + noise) * fall,
                )
            elif bi:
                q = 0.875 - np.minimum(0.8, (1.2 + 4 * noise) * at)
            else:
                q = 0.875 + 0.1 * at * (1 + 3 * noise)
            q = np.clip(q + np.cumsum(rng.normal(0, 0.004, q.shape), 0), 0.02, 0.99)
            sharp = np.repeat(0.12 + 0.75 * np.minimum(1, at * 1.2), edges, axis=1)
        best = rng.permutation(edges) % 4 + 3
        every.append(distribution(q, best, sharp))
    falling = 0.5 * (1 - 2.4 * at[1:]) + rng.normal(0, 0.02, (epochs, 1))
    gaps = np.concatenate([0.3 + at[1:], falling], axis=1) if bi else falling
    return make_trace(inputs, every, gaps, cells)


def make_record(fake, inputs: Inputs, trace: Trace | None) -> Record:
    """A run that selected the last argmax of the trace; no truth knows what it is worth."""
    record = fake.record(fake.inputs("magnitude", inputs.supernet_seed))
    graph, operations = [], []
    for cell, own in zip(trace.info.cells, trace.cells, strict=True) if trace else ():
        chosen = own.probabilities[-1].argmax(-1)
        edges = [
            (*edge, names[k])
            for edge, names, k in zip(cell.edges, cell.operations, chosen, strict=True)
        ]
        graph.append(
            CellGraph(
                name=cell.name,
                inputs=cell.inputs,
                nodes=cell.nodes,
                output=cell.output,
                edges=edges,
            )
        )
        operations.append(cell.operations)
    selected = record.selected.model_copy(
        update={
            "architecture": "|".join(name for own in graph for *_, name in own.edges),
            "canonical": "",
            "graph": graph,
            "operations": operations,
            "edges": [cell.edges for cell in trace.info.cells] if trace else [],
            "operation_scores": Columns(OperationScore),
            "operation_scale": None,
            "decisions": Columns(Decision),
        }
    )
    return record.model_copy(
        update={
            "id": inputs.id,
            "inputs": inputs,
            "selected": selected,
            "accuracies": [],
        }
    )


KINDS = (
    ("dsnas", {}),
    ("spos", {}),
    ("darts", {"level": "bi"}),
    ("darts", {"level": "single"}),
)


def make_study(
    fake,
    root: Path,
    seeds: int = 5,
    kinds=KINDS,
    cells: Sequence[TracedCell] = (),
    made=None,
    **changes,
) -> Path:
    """A study of traced supernets, without any truth; `made` has traces of seeds, in place of a :func:`story`."""
    folder = Folder(root)
    runs = []
    for recipe, settings in kinds:
        for seed in range(seeds):
            inputs = make_inputs(recipe, seed, **settings)
            trace = (made or {}).get(seed) or story(inputs, cells)
            write_trace(folder.trace(inputs.supernet_id), trace)
            record = make_record(fake, inputs, trace)
            write_fact(folder.path(Record, record.id), record)
            runs.append(record.id)
    info = StudyInfo(
        name="wiring",
        title="How the wiring of a minimal cell evolves",
        description="Supernets of minimal cells, traced in training.",
        labels=["argmax"],
        tables=["wiring", "cells", "time"],
        runs=runs,
        command="archselect run wiring --out results/wiring",
        source="",
    )
    write_fact(folder.study_path, info.model_copy(update=changes))
    return root


def wired(
    edges: Sequence[int],
    gaps: Sequence[float],
    inputs: Inputs | None = None,
    q: Sequence[float] | None = None,
    dearer: float = 0.02,
) -> Trace:
    """A trace of minimal cells whose argmax genotype has so many edges, point by point.

    Args:
        edges: (T + 1) numbers; the last edges go first.
        gaps: (T) mean L - H, or pairs of them.
        inputs: of the supernet.
        q: of the edges, after the last epoch; else 0.9 of those that are there and 0.05
            of those that are none.
        dearer: see :func:`make_trace`.
    """
    every = np.array(
        [
            [0.9 if place < count else 0.05 for place in range(len(EDGES))]
            for count in edges
        ]
    )
    if q is not None:
        every[-1] = q
    probabilities = distribution(
        every, np.full(len(EDGES), 4), np.full(every.shape, 0.8)
    )
    table = np.array(gaps, dtype=np.float64).reshape(len(gaps), -1)
    return make_trace(
        inputs or make_inputs("dsnas", 0), [probabilities], table, dearer=dearer
    )


@pytest.fixture(scope="session")
def traces(fake) -> type:
    """The builders above."""

    class Traces:
        inputs = staticmethod(make_inputs)
        cell = staticmethod(traced_cell)
        make = staticmethod(make_trace)
        story = staticmethod(story)
        wired = staticmethod(wired)
        full = FULL
        operations = OPERATIONS

        @staticmethod
        def study(root: Path, **changes) -> Path:
            return make_study(fake, root, **changes)

    return Traces
