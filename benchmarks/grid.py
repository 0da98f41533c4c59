"""The runs a study spans, and what each needs; plain values that travel to worker processes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import torch

from archselect.benchmarks.machine import code_version
from archselect.benchmarks.records import DataInputs, Inputs, SelectorInputs, SupernetInputs
from archselect.benchmarks.study import DataPart, SelectorPart, SpacePart, Study, SupernetPart
from archselect.benchmarks.supernets import supernet_id
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images


@dataclass(frozen=True)
class SupernetJob:
    """One supernet to make: a space, data, recipe and seed."""

    space: SpacePart
    data: DataPart
    data_inputs: DataInputs
    supernet: SupernetPart
    seed: int

    @property
    def inputs(self) -> SupernetInputs:
        """What a record says of the supernet."""
        return SupernetInputs(
            recipe=self.supernet.recipe, settings=self.supernet.settings(), skeleton=self.space.skeleton
        )

    @cached_property
    def id(self) -> str:
        """The hash of all that determines the supernet."""
        return supernet_id(self.space.name, self.inputs, self.data_inputs, self.seed, code_version())


@dataclass(frozen=True)
class RunJob:
    """One run: a selector on a supernet with a selection seed."""

    supernet: SupernetJob
    selector: SelectorPart
    label: str
    selection_seed: int

    @cached_property
    def inputs(self) -> Inputs:
        """All that determines the run."""
        return Inputs(
            space=self.supernet.space.name,
            data=self.supernet.data_inputs,
            supernet=self.supernet.inputs,
            selector=SelectorInputs(
                name=self.selector.name,
                label=self.label,
                settings=self.selector.build().model_dump(mode="json"),
            ),
            supernet_seed=self.supernet.seed,
            selection_seed=self.selection_seed,
            code_version=code_version(),
        )


def images_of(data: DataPart, data_dir: Path | None, device: torch.device) -> Images:
    """The data of a study's part, on a device."""
    return Images(
        load_images(data.name, data_dir),
        device,
        split=data.split,
        split_seed=data.split_seed,
        train_fraction=data.train_fraction,
        limit=data.limit,
    )


def span(study: Study, data_dir: Path | None) -> list[RunJob]:
    """Every run of a study, supernet by supernet, in the study's order. Reads the data for their checksums."""
    jobs = []
    for data in study.data:
        described = images_of(data, data_dir, torch.device("cpu")).describe()
        data_inputs = DataInputs.model_validate(described)
        for space, seed in product(study.spaces, study.seeds.supernet):
            for selector, supernet, label in study.pairs():
                job = SupernetJob(space, data, data_inputs, supernet, seed)
                jobs += [RunJob(job, selector, label, s) for s in study.seeds.selection]
    return jobs
