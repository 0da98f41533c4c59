"""The runs a study spans, and what each needs; plain values that travel to worker processes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product
from pathlib import Path

import torch

from archselect.benchmarks.plan.protocols import Resolved, TrainingSettings
from archselect.benchmarks.plan.study import (
    DataPart,
    SelectorPart,
    SpacePart,
    Study,
    SupernetPart,
)
from archselect.benchmarks.runtime import formulations
from archselect.benchmarks.runtime.same_inputs import check_same_source
from archselect.benchmarks.store.facts import Settings, content_id
from archselect.benchmarks.store.records import (
    DataInputs,
    Inputs,
    SelectorInputs,
    SupernetInputs,
    TrainingData,
    TrainingInputs,
    supernet_id,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import ImageDataset, load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.streamed import is_streamed
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces import registry as spaces
from archselect.selectors.base import Selector
from archselect.selectors.proxies import registry as proxies
from archselect.selectors.registry import registry as selectors


@dataclass(frozen=True)
class SupernetJob:
    """One supernet to make: a space, data, recipe and seed."""

    space: SpacePart
    data: DataPart
    data_inputs: DataInputs
    supernet: SupernetPart
    seed: int

    @cached_property
    def inputs(self) -> SupernetInputs:
        """What a record says of the supernet."""
        return self.supernet.inputs(self.space.name, self.space.skeleton)

    @cached_property
    def id(self) -> str:
        """The hash of all that determines the supernet."""
        numbers = formulations.supernet_formulations(
            self.supernet.build(), get_space(self.space.name)
        )
        return supernet_id(
            self.space.name, self.inputs, self.data_inputs, self.seed, numbers
        )

    def check(self) -> None:
        """Raise UserError if what is not archselect's own is not what the command read."""
        check_same_source(
            self.supernet.recipe,
            self.supernet.source(self.space.name),
            self.inputs.source,
        )


@dataclass(frozen=True)
class TrainingJob:
    """One architecture to train to the end; `data` is the name or path of the data set."""

    inputs: TrainingInputs
    data: str
    overrides: Settings

    @cached_property
    def id(self) -> str:
        """The hash of all that determines the training."""
        return self.inputs.id

    @property
    def settings(self) -> TrainingSettings:
        """The settings as an object."""
        return TrainingSettings.model_validate(self.inputs.settings)


@dataclass(frozen=True)
class TrainingPlan:
    """How architectures of a space are trained to the end: a protocol, a data set by name or path, seeds."""

    space: str
    protocol: Resolved
    data: str
    described: TrainingData
    seeds: tuple[int, ...]

    @cached_property
    def id(self) -> str:
        """The hash of all that determines its trainings but architecture and seed."""
        (job,) = replace(self, seeds=(0,))._jobs("")
        return content_id(
            {
                "trained": job.inputs.model_dump(
                    mode="json", exclude={"architecture", "seed"}
                )
            }
        )

    def jobs(self, architecture: str) -> list[TrainingJob]:
        """The trainings of an architecture, one per seed.

        Raises UserError if the text names none of the space.
        """
        space = get_space(self.space)
        return self._jobs(space.format(space.parse(architecture)))

    def _jobs(self, architecture: str) -> list[TrainingJob]:
        return [
            TrainingJob(
                TrainingInputs(
                    space=self.space,
                    architecture=architecture,
                    data=self.described,
                    protocol=self.protocol.protocol.name,
                    settings=self.protocol.settings.model_dump(),
                    skeleton=self.protocol.skeleton,
                    seed=seed,
                    formulations=formulations.training_formulations(
                        get_space(self.space), self.described
                    ),
                ),
                self.data,
                self.protocol.overrides,
            )
            for seed in self.seeds
        ]


@dataclass(frozen=True)
class RunJob:
    """One run: a selector on a supernet with a selection seed, and how what it selects is trained to the end."""

    supernet: SupernetJob
    selector: SelectorPart
    label: str
    selection_seed: int
    trainings: tuple[TrainingPlan, ...] = ()

    @cached_property
    def inputs(self) -> Inputs:
        """All that determines the run."""
        selector = self.selector.build()
        return Inputs(
            space=self.supernet.space.name,
            data=self.supernet.data_inputs,
            supernet=self.supernet.inputs,
            selector=SelectorInputs(
                name=selector.name,
                label=self.label,
                settings=selector.model_dump(mode="json"),
                source=self._source(selector),
            ),
            supernet_seed=self.supernet.seed,
            selection_seed=self.selection_seed,
            formulations=formulations.run_formulations(
                selector,
                self.supernet.supernet.build(),
                get_space(self.supernet.space.name),
            ),
        )

    def _source(self, selector: Selector) -> str | None:
        """Where what is not archselect's own comes from: the selector, its space, proxies that its settings name."""
        words = [
            value for value in selector.model_dump().values() if isinstance(value, str)
        ]
        found = [
            selectors.source_of(type(selector), self.selector.name),
            spaces.source(self.supernet.space.name),
            *map(proxies.source, words),
        ]
        return "; ".join(dict.fromkeys(filter(None, found))) or None

    def build(self) -> Selector:
        """Return the selector.

        Raises UserError if what is not archselect's own is not what the command read.
        """
        self.supernet.check()
        selector = self.selector.build()
        check_same_source(
            self.selector.name, self._source(selector), self.inputs.selector.source
        )
        return selector


def plan_training(
    architecture: str,
    space: str,
    protocol: Resolved,
    data: str,
    seed: int,
    data_dir: Path | None,
) -> TrainingJob:
    """The training of one architecture, for which the data is read.

    Raises UserError if the architecture is none of the space, or the data cannot be had
    or does not fit the protocol.
    """
    described = describe_training(
        training_dataset(data, protocol.settings, data_dir), protocol.settings
    )
    (job,) = TrainingPlan(space, protocol, data, described, (seed,)).jobs(architecture)
    return job


def training_dataset(
    name: str, settings: TrainingSettings, data_dir: Path | None
) -> ImageDataset:
    """The data set as the settings want it: flipped or not, all of it or the first images."""
    dataset, limit = load_images(name, data_dir), settings.limit
    return replace(
        dataset,
        train_images=dataset.train_images[:limit],
        train_labels=dataset.train_labels[:limit],
        test_images=dataset.test_images[:limit],
        test_labels=dataset.test_labels[:limit],
        flip=dataset.flip and settings.flip,
    )


def describe_training(
    dataset: ImageDataset, settings: TrainingSettings
) -> TrainingData:
    """What a record says of the images of a final training.

    Raises UserError if the batch size does not fit them.
    """
    size, count = settings.batch_size, len(dataset.train_images)
    if size > count or count % size == 1:
        fault = (
            "is more than there are"
            if size > count
            else "leaves a last batch of one, too few for normalisation"
        )
        raise UserError(
            f"batch_size {size} {fault} ({count} training images of '{dataset.name}'); choose another"
        )
    return TrainingData(
        name=dataset.name,
        checksum=dataset.checksum,
        train_images=len(dataset.train_images),
        test_images=len(dataset.test_images),
        augment=dataset.augmentation if settings.augment else "none",
        streamed=is_streamed(dataset),
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
    """Every run of a study, supernet by supernet, in the study's order.

    Reads the data for their checksums.
    """

    @cache
    def described_training(name: str, settings: TrainingSettings) -> TrainingData:
        return describe_training(training_dataset(name, settings, data_dir), settings)

    jobs = []
    for data in study.data:
        described = images_of(data, data_dir, torch.device("cpu")).describe()
        data_inputs = DataInputs.model_validate(described)
        for space in study.spaces:
            trainings = []
            for part in data.train:
                protocol, name = part.resolve(space.name), part.data or data.name
                images = described_training(name, protocol.settings)
                trainings.append(
                    TrainingPlan(space.name, protocol, name, images, tuple(part.seeds))
                )
            for seed, (selector, supernet, label) in product(
                study.seeds.supernet, study.pairs_on(space, data)
            ):
                job = SupernetJob(space, data, data_inputs, supernet, seed)
                jobs += [
                    RunJob(job, selector, label, s, tuple(trainings))
                    for s in study.seeds.selection
                ]
    return jobs
