"""A folder of a study whose supernets weigh a made-up latency more and more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.runs.fronts import RANDOM_CELLS
from archselect.benchmarks.store.facts import content_id, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Accuracy,
    ArchitectureCost,
    CellGraph,
    CostFit,
    FrontPoint,
    Inputs,
    Landscape,
    Record,
    StudyInfo,
    SupernetMixtureCost,
    TrueFront,
    front_id,
)
from archselect.nasbench_adapters.fronts import (
    find_front,
    hypervolume,
    random_hypervolumes,
)
from archselect.nasbench_adapters.space import Architecture
from support.study_folder import (
    EDGES,
    OPERATIONS,
    SPACE,
    TRUTHS,
    make_inputs,
    make_record,
)

TRUTH = "nb201-digits"
WORLD = TRUTHS[TRUTH][0]
WEIGHTS = (0.0, 0.1, 0.3, 1.0)
OPERATION_COSTS = np.array([0.0, 0.4, 2.1, 3.8, 2.7])
"""Milliseconds that each operation adds."""
BASE_COST = 13.0
COSTS = BASE_COST + OPERATION_COSTS[WORLD.choices].sum(axis=1)
"""Of every cell, in the order of the truth's."""
PART = TruthPart(table=TRUTH, dataset="digits", split="test", epochs=10)


def cost_of(value: float | None, **changes: object) -> ArchitectureCost:
    """The latency of one cell."""
    entry = ArchitectureCost(
        name="latency",
        of="table:made-up/board",
        unit="ms",
        origin="looked up in a made-up table of a board",
        value=value,
        scored=[],
        fit=None,
    )
    return entry.model_copy(update=changes)


FITTED = {
    "of": "additive:made-up/board@100",
    "origin": "fitted on 100 cells of a made-up table",
    "fit": CostFit(cells=100, held_out=900, mape=3.25, rank_correlation=0.912),
}


def measured_mixture(
    record: Record, mixture: float, drawn: float, drawn_sd: float, **changes: object
) -> Record:
    """The record with the fitted latency of its supernet's weights."""
    entry = SupernetMixtureCost(
        of=FITTED["of"],
        unit="ms",
        mixture=mixture,
        drawn=drawn,
        drawn_sd=drawn_sd,
        draws=100,
        low=1.0,
        high=50.0,
    )
    entry = entry.model_copy(update=changes)
    return record.model_copy(update={"mixture_cost": entry})


def true_front(**changes: object) -> TrueFront:
    """The true front of the first truth and the latency."""
    landscape = content_id(TRUTH)
    entry = cost_of(None, **changes)
    reference = float(COSTS.max())
    whole = hypervolume(WORLD.means, COSTS, reference)
    random = random_hypervolumes(WORLD.means, COSTS, reference, RANDOM_CELLS)
    return TrueFront(
        id=front_id(landscape, entry.of, entry.unit, entry.origin),
        landscape=landscape,
        cost=entry.of,
        unit=entry.unit,
        origin=entry.origin,
        cells=len(COSTS),
        without_cost=0,
        reference_cost=reference,
        hypervolume=whole,
        points=[
            FrontPoint(
                architecture=SPACE.format(
                    Architecture((tuple(WORLD.choices[place].tolist()),))
                ),
                accuracy=WORLD.means[place],
                cost=COSTS[place],
            )
            for place in find_front(WORLD.means, COSTS)
        ],
        random_cells=list(RANDOM_CELLS),
        random_shares=(random.means / whole).tolist(),
        random_errors=(random.errors / whole).tolist(),
        repetitions=0,
    )


def weighted_inputs(weight: float, seed: int, name: str = "magnitude") -> Inputs:
    """The inputs of a run on a supernet with one weight of its cost."""
    inputs = make_inputs("magnitude", seed)
    settings = {**inputs.supernet.settings, "cost_weight": weight}
    supernet = inputs.supernet.model_copy(update={"settings": settings})
    selector = inputs.selector.model_copy(
        update={"name": name, "label": f"{name} ({weight:g})"}
    )
    return inputs.model_copy(update={"supernet": supernet, "selector": selector})


def selects(
    inputs: Inputs, choices: Sequence[int], costs: Sequence[ArchitectureCost]
) -> Record:
    """The record of a run that selects a cell of the first truth."""
    record = make_record(inputs)
    architecture = Architecture((tuple(int(choice) for choice in choices),))
    place = WORLD.index(architecture.choices[0])
    selected = record.selected.model_copy(
        update={
            "architecture": SPACE.format(architecture),
            "canonical": SPACE.format(SPACE.canonical(architecture)),
            "graph": [
                CellGraph.model_validate(cell) for cell in SPACE.graph(architecture)
            ],
        }
    )
    accuracy = Accuracy(
        landscape=content_id(TRUTH),
        trials=WORLD.trials[place].tolist(),
        trial_seeds=["777", "888", "999"],
        mean=float(WORLD.means[place]),
        rank=None,
        scored=[],
    )
    return record.model_copy(
        update={"selected": selected, "accuracies": [accuracy], "costs": list(costs)}
    )


def choose(weight: float, seed: int, noise: float = 0.25) -> np.ndarray:
    """The choices of a search that weighs latency, with the noise of its seed."""
    rng = np.random.default_rng(seed)
    seen = WORLD.effects + rng.normal(0, noise, (EDGES, OPERATIONS))
    return (seen - weight * OPERATION_COSTS).argmax(axis=1)


def latency_of(choices: Sequence[int]) -> float:
    """The latency of a cell."""
    return float(BASE_COST + OPERATION_COSTS[list(choices)].sum())


def weighted_run(weight: float, seed: int, name: str = "magnitude") -> Record:
    """A run on a supernet with one weight of its latency."""
    choices = choose(weight, seed)
    costs = [cost_of(latency_of(choices))]
    return selects(weighted_inputs(weight, seed, name), choices, costs)


def weighted_records(seeds: int = 4) -> list[Record]:
    """The records of all weights."""
    return [weighted_run(weight, seed) for weight in WEIGHTS for seed in range(seeds)]


def write_study(
    root: Path,
    records: Sequence[Record],
    fronts: Sequence[TrueFront] = (),
    **changes: object,
) -> Path:
    """Write the folder of a study with these records; `changes` go into its own file."""
    folder = Folder(root)
    for record in records:
        write_fact(folder.path(Record, record.id), record)
    landscape = WORLD.landscape(TRUTH, *TRUTHS[TRUTH][1:])
    landscape = landscape.model_copy(update=changes.pop("landscape", {}))
    write_fact(folder.path(Landscape, landscape.id), landscape)
    for front in fronts:
        write_fact(folder.path(TrueFront, front.id), front)
    labels = [record.inputs.selector.label for record in records]
    info = StudyInfo(
        name="latency",
        title="Latency-aware search",
        description="",
        labels=list(dict.fromkeys(labels)),
        tables=["pareto"],
        runs=[record.id for record in records],
        command="archselect run latency.toml --out results/latency",
        source="",
    )
    write_fact(folder.study_path, info.model_copy(update=changes))
    return root
