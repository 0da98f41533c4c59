"""A folder of traced nb201 supernets that learn alphas, read by two selectors, with made-up numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Landscape, Record, Scale, StudyInfo
from archselect.benchmarks.store.records.architecture_cost import ArchitectureCost
from archselect.benchmarks.store.traces import TracedCell, write_trace
from archselect.nasbench_adapters.spaces import get_space
from support.made_traces import make_trace
from support.study_folder import TRUTHS, content_id, make_inputs, make_record

SELECTORS = ("magnitude", "darts-pt")
DIGITS = "nb201-digits"
Setting = Mapping[str, object]
Made = Callable[[Setting, str, int], float]
GRID = [
    {"activation": activation, "schedule": schedule, "proximity": proximity}
    for activation in ("softmax", "crb")
    for schedule in ("every", "informed")
    for proximity in ("none", "prox")
]


def traced_nb201() -> TracedCell:
    cell = get_space("nb201").cells[0]
    return TracedCell(
        name=cell.name,
        inputs=cell.inputs,
        nodes=cell.nodes,
        output=list(cell.output),
        edges=list(cell.edges),
        operations=[list(names) for names in cell.operations],
        layers=1,
    )


def alpha_inputs(settings: Setting, selector: str, seed: int):
    inputs = make_inputs(selector, seed, 0)
    every = {"trace": True, "epochs": 4, "rho": 1.0, **settings}
    supernet = inputs.supernet.model_copy(update={"settings": every})
    return inputs.model_copy(update={"supernet": supernet})


def alpha_trace(inputs):
    """Weights that move from uniform towards one operation on every edge."""
    rng = np.random.default_rng(inputs.supernet_seed)
    best = np.eye(5)[rng.integers(1, 5, 6)]
    uniform = np.full((6, 5), 0.2)
    tables = [(1 - at) * uniform + at * best for at in (0, 0.1, 0.2, 0.4, 0.5)]
    gaps = np.zeros((4, 2))
    return make_trace(inputs, [np.array(tables)], gaps, [traced_nb201()])


def alpha_record(
    settings: Setting, selector: str, seed: int, accuracy: Made, parameters: Made | None
) -> Record:
    inputs = alpha_inputs(settings, selector, seed)
    record = make_record(inputs)
    mean = accuracy(settings, selector, seed)
    judged = record.accuracies[0].model_copy(
        update={"mean": mean, "trials": [mean] * 3, "rank": None}
    )
    costs = []
    if parameters is not None:
        costs = [
            ArchitectureCost(
                name="parameters",
                of="params",
                unit="parameters",
                origin="made up",
                value=parameters(settings, selector, seed),
                scored=[],
                fit=None,
            )
        ]
    selected = record.selected
    if selector == "magnitude":
        activation = settings.get("activation", "softmax")
        weights = Scale(name=f"{activation}(alpha)", better="higher")
        selected = selected.model_copy(update={"operation_scale": weights})
    changes = {"accuracies": [judged], "costs": costs, "selected": selected}
    return record.model_copy(update=changes)


def make_alpha_study(
    root: Path,
    accuracy: Made,
    parameters: Made | None = None,
    seeds: int = 4,
    grid: list[dict[str, object]] = GRID,
) -> Path:
    folder = Folder(root)
    runs = []
    for settings in grid:
        for seed in range(seeds):
            for selector in SELECTORS:
                record = alpha_record(settings, selector, seed, accuracy, parameters)
                write_fact(folder.path(Record, record.id), record)
                runs.append(record.id)
            inputs = alpha_inputs(settings, SELECTORS[0], seed)
            write_trace(folder.trace(inputs.supernet_id), alpha_trace(inputs))
    world, *where = TRUTHS[DIGITS]
    landscape = world.landscape(DIGITS, *where)
    write_fact(folder.path(Landscape, content_id(DIGITS)), landscape)
    info = StudyInfo(
        name="alphas",
        title="Three choices about alphas",
        description="",
        labels=list(SELECTORS),
        tables=["alphas"],
        runs=runs,
        command="archselect run alphas",
        source="",
    )
    write_fact(folder.study_path, info)
    return root
