"""The runs that a study plans, as plain values that are sent to worker processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch

from archselect.benchmarks.plan.costs import PlannedCost, plan_costs
from archselect.benchmarks.plan.graph_rewards import (
    PlannedReport,
    plan_report,
    read_checksum,
)
from archselect.benchmarks.plan.parts import (
    DataPart,
    SelectorPart,
    SpacePart,
    SupernetPart,
    TrainPart,
    TruthPart,
)
from archselect.benchmarks.plan.protocols import ResolvedProtocol, TrainingSettings
from archselect.benchmarks.plan.rewards import (
    PlannedReward,
    check_training_costs,
    plan_reward,
    training_costs,
)
from archselect.benchmarks.plan.study import Pair, Study
from archselect.benchmarks.runtime import formulations
from archselect.benchmarks.runtime.same_inputs import check_same_source
from archselect.benchmarks.store.facts import Settings, content_id
from archselect.benchmarks.store.records import (
    NO_SUPERNET,
    DataInputs,
    Inputs,
    Landscape,
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
    """One supernet to make: its space, data, recipe and seed."""

    space: SpacePart
    data: DataPart
    data_inputs: DataInputs
    supernet: SupernetPart
    seed: int

    @cached_property
    def inputs(self) -> SupernetInputs:
        """The description of the supernet in a record."""
        return self.supernet.inputs(self.space.name, self.space.skeleton)

    @cached_property
    def id(self) -> str:
        """The hash of everything that determines the supernet."""
        space = get_space(self.space.name)
        numbers = formulations.supernet_formulations(self.supernet.build(), space)
        return supernet_id(
            self.space.name,
            self.inputs,
            self.data_inputs,
            self.seed,
            numbers,
        )

    def check(self) -> None:
        """Raise UserError if a user's file changed since the command read it."""
        source = self.supernet.source(self.space.name)
        check_same_source(self.supernet.recipe, source, self.inputs.source)


@dataclass(frozen=True)
class TrainingJob:
    """One final training: an architecture and a data set (name or path)."""

    inputs: TrainingInputs
    data: str
    overrides: Settings

    @cached_property
    def id(self) -> str:
        """The hash of everything that determines the training."""
        return self.inputs.id

    @property
    def settings(self) -> TrainingSettings:
        """The settings as an object."""
        return TrainingSettings.model_validate(self.inputs.settings)


@dataclass(frozen=True)
class TrainingPlan:
    """How architectures of a space are trained to the end.

    Attributes:
        space: name of the space.
        protocol: the protocol, with all settings.
        data: name or path of the data set.
        described: the description of the data set in a record.
        seeds: one training per seed.
    """

    space: str
    protocol: ResolvedProtocol
    data: str
    described: TrainingData
    seeds: tuple[int, ...]

    @cached_property
    def id(self) -> str:
        """The hash of what determines the trainings, except architecture and seed."""
        inputs = self._job("", seed=0).inputs
        shared = inputs.model_dump(mode="json", exclude={"architecture", "seed"})
        return content_id({"trained": shared})

    def jobs(self, architecture: str) -> list[TrainingJob]:
        """Return the trainings of an architecture, one per seed.

        Raises UserError if the text is no architecture of the space.
        """
        space = get_space(self.space)
        name = space.format(space.parse(architecture))
        return [self._job(name, seed) for seed in self.seeds]

    def _job(self, architecture: str, seed: int) -> TrainingJob:
        numbers = formulations.training_formulations(
            get_space(self.space), self.described
        )
        inputs = TrainingInputs(
            space=self.space,
            architecture=architecture,
            data=self.described,
            protocol=self.protocol.protocol.name,
            settings=self.protocol.settings.model_dump(),
            skeleton=self.protocol.skeleton,
            seed=seed,
            formulations=numbers,
        )
        return TrainingJob(inputs, self.data, self.protocol.overrides)


_WITHOUT_SUPERNET = SupernetInputs(recipe=NO_SUPERNET, settings={}, skeleton={})


@dataclass(frozen=True)
class RunJob:
    """One run: a selector on a supernet, and the work on the selected architecture.

    That work is final trainings and costs to look up.

    Attributes:
        space, data: space and data set of the run.
        data_inputs: the description of the images in a record.
        supernet: the supernet that the selector reads; None if it reads none.
        supernet_seed: seed of the supernet; also a seed of the selection.
        selector: the selector.
        label: name of the selector in tables.
        selection_seed: seed of the selection.
        trainings: final trainings of the selected architecture.
        costs: costs to look up for the selected architecture.
        reward: what answers queries; None if the selector makes no queries.
        report: trainings from scratch of queried architectures; None for none.
    """

    space: SpacePart
    data: DataPart
    data_inputs: DataInputs
    supernet: SupernetJob | None
    supernet_seed: int
    selector: SelectorPart
    label: str
    selection_seed: int
    trainings: tuple[TrainingPlan, ...] = ()
    costs: tuple[PlannedCost, ...] = ()
    reward: PlannedReward | None = None
    report: PlannedReport | None = None

    @cached_property
    def inputs(self) -> Inputs:
        """Everything that determines the run."""
        selector = self.selector.build()
        space = get_space(self.space.name)
        optimiser = None
        supernet = _WITHOUT_SUPERNET
        if self.supernet is not None:
            optimiser = self.supernet.supernet.build()
            supernet = self.supernet.inputs
        return Inputs(
            space=self.space.name,
            data=self.data_inputs,
            supernet=supernet,
            selector=SelectorInputs(
                name=selector.name,
                label=self.label,
                settings=selector.settings(),
                source=self._find_source(selector),
            ),
            supernet_seed=self.supernet_seed,
            selection_seed=self.selection_seed,
            formulations=formulations.run_formulations(selector, optimiser, space),
            reward=self.reward.inputs if self.reward else None,
        )

    def _find_source(self, selector: Selector) -> str | None:
        """Return the files and packages from elsewhere that the run uses, or None.

        They can hold the selector, its space, or what its settings name.
        """
        values = selector.model_dump().values()
        texts = [value for value in values if isinstance(value, str)]
        sources = [
            selectors.source_of(type(selector), self.selector.name),
            spaces.source(self.space.name),
            *map(proxies.source, texts),
            *selector.sources(),
        ]
        return "; ".join(dict.fromkeys(filter(None, sources))) or None

    def build(self) -> Selector:
        """Return the selector.

        Raises UserError if a user's file changed since the command read it.
        """
        if self.supernet is not None:
            self.supernet.check()
        selector = self.selector.build()
        source = self._find_source(selector)
        check_same_source(self.selector.name, source, self.inputs.selector.source)
        return selector


def plan_training(
    architecture: str,
    space: str,
    protocol: ResolvedProtocol,
    data: str,
    seed: int,
    data_dir: Path | None,
) -> TrainingJob:
    """Return the final training of one architecture. Reads the data set.

    Args:
        architecture: text of the architecture, in the notation of its space.
        space: name of the space.
        protocol: the protocol, with all settings.
        data: name or path of the data set.
        seed: seed of the training.
        data_dir: folder of the data sets; None for the user's data folder.

    Raises:
        UserError: the text is no architecture of the space, or the data cannot be read
            or do not fit the protocol.
    """
    dataset = load_training_dataset(data, protocol.settings, data_dir)
    described = describe_training_data(dataset, protocol.settings)
    plan = TrainingPlan(space, protocol, data, described, (seed,))
    (job,) = plan.jobs(architecture)
    return job


def load_training_dataset(
    name: str,
    settings: TrainingSettings,
    data_dir: Path | None,
) -> ImageDataset:
    """Return a data set as a training needs it: with or without flips, whole or cut."""
    dataset = load_images(name, data_dir)
    limit = settings.limit
    return replace(
        dataset,
        train_images=dataset.train_images[:limit],
        train_labels=dataset.train_labels[:limit],
        test_images=dataset.test_images[:limit],
        test_labels=dataset.test_labels[:limit],
        flip=dataset.flip and settings.flip,
    )


def describe_training_data(
    dataset: ImageDataset,
    settings: TrainingSettings,
) -> TrainingData:
    """Return the description of the images of a final training, for a record.

    Raises UserError if the batch size does not fit the number of images.
    """
    _check_batch_size(settings.batch_size, dataset)
    return TrainingData(
        name=dataset.name,
        checksum=dataset.checksum,
        train_images=len(dataset.train_images),
        test_images=len(dataset.test_images),
        augment=dataset.augmentation if settings.augment else "none",
        streamed=is_streamed(dataset),
    )


def _check_batch_size(size: int, dataset: ImageDataset) -> None:
    """Raise UserError if a batch needs more images than there are, or is one image."""
    count = len(dataset.train_images)
    if size > count:
        fault = "exceeds the number of training images"
    elif count % size == 1:
        fault = "leaves a last batch of one image, too few for batch normalisation"
    else:
        return
    raise UserError(
        f"batch_size {size} {fault} ({count} in '{dataset.name}'): choose another size"
    )


def load_search_images(
    data: DataPart,
    data_dir: Path | None,
    device: torch.device,
) -> Images:
    """Return the images of a study's data set on a device, split for the search."""
    return Images(
        load_images(data.name, data_dir),
        device,
        split=data.split,
        split_seed=data.split_seed,
        train_fraction=data.train_fraction,
        limit=data.limit,
    )


def plan_runs(
    study: Study,
    data_dir: Path | None,
    landscapes: Mapping[TruthPart, Landscape] | None = None,
) -> list[RunJob]:
    """Return all runs of a study, supernet by supernet, in the study's order.

    Reads data sets for their checksums, if a network is trained on them.

    Args:
        study: the study to run.
        data_dir: folder of the data sets; None for the user's data folder.
        landscapes: the landscapes of ground truths that serve as rewards.
    """
    planner = _Planner(study, data_dir, landscapes or {})
    jobs = []
    for data in study.data:
        searched = planner.read(data)
        for space in study.spaces:
            jobs += planner.runs_on(space, searched)
    return jobs


class _SearchedData(NamedTuple):
    """A data set of a study, as the searches use it.

    Attributes:
        part: the data part of the study.
        inputs: the description of the images in a record.
        dataset: the images; None if they are not read.
        graph: checksum of the graph on which a reward trains; empty if there is none.
    """

    part: DataPart
    inputs: DataInputs
    dataset: ImageDataset | None
    graph: str


class _Planner:
    """Plans the runs of a study, for :func:`plan_runs`."""

    def __init__(
        self,
        study: Study,
        data_dir: Path | None,
        landscapes: Mapping[TruthPart, Landscape],
    ) -> None:
        self._study = study
        self._data_dir = data_dir
        self._landscapes = landscapes
        self._describe_once = cache(self._describe)

    def read(self, part: DataPart) -> _SearchedData:
        """Return a data set. Read its images if a network is trained on them."""
        graph = read_checksum(part, self._data_dir)
        if not self._study.reads_images(part):
            return _SearchedData(part, _without_images(part), None, graph)
        images = load_search_images(part, self._data_dir, torch.device("cpu"))
        inputs = DataInputs.model_validate(images.describe())
        return _SearchedData(part, inputs, images.dataset, graph)

    def runs_on(self, space: SpacePart, data: _SearchedData) -> list[RunJob]:
        """Return the runs on a space and data set."""
        study = self._study
        part = data.part
        trainings = tuple(
            self._plan_training(train, space, part) for train in part.train
        )
        cost_parts = [*study.costs, *training_costs(part)]
        costs = plan_costs(cost_parts, space, data.dataset)
        check_training_costs(costs, part, study.costs)
        reward = plan_reward(part, space, self._landscapes, data.graph)
        report = plan_report(part, space.name, data.graph)
        jobs = []
        for seed, pair in product(study.seeds.supernet, study.pairs_on(space, part)):
            supernet = _plan_supernet(pair, space, data, seed)
            for selection in study.seeds.selection:
                job = RunJob(
                    space=space,
                    data=part,
                    data_inputs=data.inputs,
                    supernet=supernet,
                    supernet_seed=seed,
                    selector=pair.selector,
                    label=pair.label,
                    selection_seed=selection,
                    trainings=trainings,
                    costs=costs,
                    reward=reward if pair.selector.queries else None,
                    report=report if pair.selector.queries else None,
                )
                jobs.append(job)
        return jobs

    def _plan_training(
        self, train: TrainPart, space: SpacePart, data: DataPart
    ) -> TrainingPlan:
        """Return how architectures selected on a space and data set are trained."""
        protocol = train.resolve(space.name)
        name = train.data or data.name
        described = self._describe_once(name, protocol.settings)
        return TrainingPlan(
            space.name,
            protocol,
            name,
            described,
            seeds=tuple(train.seeds),
        )

    def _describe(self, name: str, settings: TrainingSettings) -> TrainingData:
        dataset = load_training_dataset(name, settings, self._data_dir)
        return describe_training_data(dataset, settings)


def _without_images(data: DataPart) -> DataInputs:
    """Return the description, for a record, of data whose images are not read."""
    return DataInputs(
        name=data.name,
        checksum="",
        train_images=0,
        valid_images=0,
        split="none",
        augment="none",
    )


def _plan_supernet(
    pair: Pair, space: SpacePart, data: _SearchedData, seed: int
) -> SupernetJob | None:
    """Return the supernet of a pair; None if its selector reads none."""
    if pair.supernet is None:
        return None
    return SupernetJob(space, data.part, data.inputs, pair.supernet, seed)
