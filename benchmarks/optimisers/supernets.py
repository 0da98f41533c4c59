"""Make, save and load supernets by recipe: an optimiser, its settings, and a seed.

An interrupted training is resumed. A supernet is trained once per recipe, data and
seed, and its file is named by the hash of everything that determines it, so that all
selectors are compared on the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ConfigDict, model_validator
from torch import Tensor

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.memory import Memory
from archselect.benchmarks.optimisers.recorder import Recorder
from archselect.benchmarks.optimisers.registry import get_optimiser
from archselect.benchmarks.optimisers.registry import registry as optimisers
from archselect.benchmarks.optimisers.settings import CommonSettings
from archselect.benchmarks.optimisers.trainer import Trainer
from archselect.benchmarks.runtime.formulations import supernet_formulations
from archselect.benchmarks.runtime.machine import commit, describe_machine, same_commit
from archselect.benchmarks.runtime.meter import PeakMemory, PhaseClock
from archselect.benchmarks.runtime.same_inputs import check_same_source
from archselect.benchmarks.runtime.tensor_files import (
    check_same_structure,
    load_tensors,
    load_tensors_if_present,
    read_commit,
    restoring_from,
    save_tensors,
)
from archselect.benchmarks.store.facts import Fact, Settings
from archselect.benchmarks.store.records import (
    Counts,
    DataInputs,
    Machine,
    SupernetInputs,
    SupernetMixtureCost,
    Time,
    supernet_id,
)
from archselect.benchmarks.store.traces import Trace, TracedCell, TraceInfo
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.input_files import DAMAGED
from archselect.nasbench_adapters.networks import Supernet
from archselect.nasbench_adapters.networks.activation import SOFTMAX, Activation
from archselect.nasbench_adapters.networks.step_memory import (
    StepMemoryCounter,
    require_memory,
)
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import Cell, SearchSpace, Skeleton
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces import registry as spaces

DRAWN_CELLS = 100
"""Number of cells drawn from the final weights, to compare their costs."""
CHECKPOINT_EPOCHS = 5
"""The maximal number of epochs of training that an interruption can lose."""


class Recipe(CommonSettings):
    """How to make a supernet: the name of an optimiser, and its settings.

    A missing setting has the optimiser's default.

    Settings:
        recipe: name of an optimiser, or FILE.py:CLASS (:meth:`.UserClasses.get`).
    """

    # Extra fields are settings that only this optimiser has.
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    recipe: str

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, values: Any) -> Any:
        """Let the optimiser check its settings and fill in its defaults.

        Raises UserError for an unknown name.
        """
        if not isinstance(values, dict) or not isinstance(values.get("recipe"), str):
            return values
        optimiser_class = get_optimiser(values["recipe"])
        title = optimiser_class.name
        known = optimiser_class.model_fields
        for name in values:
            if name not in known and name not in cls.model_fields:
                raise unknown(f"setting of recipe {title}", name, known)
        given = {name: value for name, value in values.items() if name in known}
        optimiser = optimiser_class.model_validate(given)
        for name, value in optimiser.settings().items():
            if not isinstance(value, str | int | float | None):
                raise UserError(
                    f"recipe {title}: setting {name} is a {type(value).__name__}: records can hold only text, "
                    "numbers and booleans"
                )
        return values | optimiser.model_dump()

    def build(self) -> Optimiser:
        """Return the optimiser with its settings."""
        optimiser = get_optimiser(self.recipe)
        settings = {name: getattr(self, name) for name in optimiser.model_fields}
        return optimiser.model_validate(settings)

    def settings(self) -> Settings:
        """Return the settings that determine a supernet."""
        return self.build().settings()

    def build_as(
        self,
        inputs: SupernetInputs,
        space: str,
    ) -> Optimiser:
        """Return the optimiser.

        Raises UserError if the optimiser or the space comes from another source than
        the inputs say.
        """
        optimiser = self.build()
        check_same_source(self.recipe, self._source(optimiser, space), inputs.source)
        return optimiser

    def source(self, space: str) -> str | None:
        """Return the sources of code that is not built in; None if there is none.

        :class:`.SupernetInputs` explains the text.

        Args:
            space: name of the supernet's space.
        """
        return self._source(self.build(), space)

    def _source(
        self,
        optimiser: Optimiser,
        space: str,
    ) -> str | None:
        """Return the sources of the code and tables of optimiser and space."""
        sources = [optimisers.source_of(type(optimiser), self.recipe)]
        sources += optimiser.sources(get_space(space))
        sources.append(spaces.source(space))
        return "; ".join(source for source in sources if source) or None

    def inputs(
        self,
        space: str,
        skeleton: Settings,
    ) -> SupernetInputs:
        """Return the description of a supernet, for its record.

        Args:
            space: name of the supernet's space.
            skeleton: settings of its skeleton.
        """
        optimiser = self.build()
        return SupernetInputs(
            recipe=optimiser.name,
            settings=optimiser.settings(),
            skeleton=skeleton,
            source=self._source(optimiser, space),
        )


class SupernetCost(Fact):
    """What it cost to make a supernet. It is kept with the weights.

    Attributes:
        times: times by phase.
        counts: counts, such as forward passes, by phase.
        peak_memory: peak memory in bytes.
        machine: machine that made the supernet.
    """

    times: dict[str, Time]
    counts: dict[str, Counts]
    peak_memory: int
    machine: Machine


@dataclass(frozen=True)
class TrainedSupernet:
    """A supernet's weights and alphas, and what they cost.

    Attributes:
        weights: parameters and buffers by name, on the CPU.
        alphas: architecture parameters, (edges, operations) per cell type, on the CPU.
        alpha_optimizer: state of the alphas' optimiser; None if untrained.
        memory: final state of schedule and penalties; None if untrained.
        cost: cost of making it.
        mixture_cost: cost of its mixture, if its recipe names a cost.
        trace: recording of the training, if its recipe asks for one. It is saved in its
            own file.
        commit: commit of archselect that made it; None if another commit resumed its
            interrupted training.
    """

    weights: dict[str, Tensor]
    alphas: tuple[Tensor, ...]
    alpha_optimizer: dict[str, Any] | None
    memory: Memory | None
    cost: SupernetCost
    mixture_cost: SupernetMixtureCost | None = None
    trace: Trace | None = None
    commit: str | None = None


def new_supernet(
    space: SearchSpace,
    inputs: SupernetInputs,
    images: Images,
    seed: int,
    activation: Activation = SOFTMAX,
    side_skips: bool = False,
) -> Supernet:
    """Return the supernet with initial weights, on the images' device.

    Its weights are in channels-last format.

    Args:
        space: space of the supernet.
        inputs: description of the supernet.
        images: images that give channels, classes and device.
        seed: seed of the weights.
        activation: activation of its alphas.
        side_skips: whether it has skips beside its edges (:class:`.networks.Supernet`).
    """
    skeleton = space.skeleton(**inputs.skeleton)
    dataset = images.dataset
    weight_seed = stream_seed("supernet weights", seed)
    supernet = Supernet(
        space,
        skeleton,
        dataset.channels,
        dataset.classes,
        weight_seed,
        activation.normalised_sums,
        side_skips,
        activation.channel_divisor,
    )
    return supernet.to(images.device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def memory_counter(
    space: SearchSpace,
    skeleton: Skeleton,
    images: Images,
    activation: Activation,
    side_skips: bool = False,
) -> StepMemoryCounter:
    """Return a counter of the memory of a supernet's steps on some images."""
    dataset = images.dataset
    return StepMemoryCounter(
        space,
        skeleton,
        dataset.image_shape,
        dataset.classes,
        activation.normalised_sums,
        side_skips,
        activation.channel_divisor,
        activation.weighs_edges,
    )


Advance = Callable[[int, int, float | None], None]
"""A function that gets, after each epoch, epochs done, the total, and the last loss.

The loss is None if the optimiser does not compute one with the trainer.
"""


def ignore_progress(_done: int, _total: int, _loss: float | None) -> None:
    """Do nothing at the end of an epoch."""


def make_supernet(
    recipe: Recipe,
    space: SearchSpace,
    inputs: SupernetInputs,
    images: Images,
    seed: int,
    advance: Advance = ignore_progress,
    target: Path | None = None,
) -> TrainedSupernet:
    """Initialise a supernet and train it, if the recipe says so.

    Args:
        recipe: how to make it.
        space: space of the supernet.
        inputs: description of the supernet.
        images: the two halves, on the device to use.
        seed: seed of weights, alphas and batches.
        advance: function that gets the progress (:data:`Advance`).
        target: path of the finished supernet. An interrupted training leaves a
            checkpoint beside it. The next call resumes it, with identical results;
            :func:`save_supernet` removes the checkpoint. None keeps no checkpoint.

    Raises:
        UserError: the checkpoint is damaged, of another training, or cannot be written;
            a batch does not fit the images; or the optimiser or the space comes from
            another source than the inputs say.
        MemoryExceeded: a step takes more than the recipe's budget.
    """
    clock = PhaseClock(images.device)
    memory = PeakMemory(images.device)
    optimiser = recipe.build_as(inputs, space.name)
    activation = optimiser.build_activation()
    has_skips = optimiser.side_skips
    supernet = new_supernet(space, inputs, images, seed, activation, has_skips)
    clock.count_passes(supernet, images.dataset.image_shape)
    alphas = _new_alphas(optimiser, space, images, seed)
    result = TrainingResult(commit())
    if optimiser.trains:
        _check_memory(optimiser, supernet, images)
        batch_seed = stream_seed("supernet batches", seed)
        trainer = Trainer(
            optimiser, space, supernet, alphas, images, batch_seed, inputs.skeleton
        )
        training = SupernetTraining(
            trainer, optimiser, inputs, seed, clock, memory, target
        )
        result = training.run(advance)
    cost = _total_cost(clock, max(result.peak, memory.read()), images.device)
    state = supernet.state_dict()
    mixture_cost = _measure_mixture_cost(optimiser, space, inputs, images, alphas)
    return TrainedSupernet(
        weights={name: value.cpu() for name, value in state.items()},
        alphas=tuple(alpha.detach().cpu() for alpha in alphas),
        alpha_optimizer=result.alpha_optimizer,
        memory=result.memory,
        cost=cost,
        mixture_cost=mixture_cost,
        trace=result.trace,
        commit=result.made_by,
    )


def _check_memory(optimiser: Optimiser, supernet: Supernet, images: Images) -> None:
    """Raise MemoryExceeded if a step of training takes more than the budget."""
    if optimiser.memory_budget and optimiser.epochs:
        space = supernet.space
        activation = optimiser.build_activation()
        counter = memory_counter(
            space, supernet.skeleton, images, activation, optimiser.side_skips
        )
        needed = counter.count(space.undecided()).total(optimiser.batch_size)
        require_memory(needed, optimiser.memory_budget)


def _total_cost(
    clock: PhaseClock,
    peak_memory: int,
    device: torch.device,
) -> SupernetCost:
    """Return what it has cost to make a supernet on a device; memory is in bytes."""
    return SupernetCost(
        times=clock.times(),
        counts=clock.counts(),
        peak_memory=peak_memory,
        machine=describe_machine(device),
    )


def _measure_mixture_cost(
    optimiser: Optimiser,
    space: SearchSpace,
    inputs: SupernetInputs,
    images: Images,
    alphas: Sequence[Tensor],
) -> SupernetMixtureCost | None:
    """Return the cost of the final weights; None if the optimiser names no cost."""
    dataset = images.dataset
    network = NetworkShape(inputs.skeleton, dataset.image_shape, dataset.classes)
    cost = optimiser.open_mixture_cost(space, network)
    if cost is None:
        return None
    activation = optimiser.build_activation()
    with torch.no_grad():
        of_operations = activation.operation_alphas(alphas)
        tables = [table.cpu() for table in activation.tables(space, of_operations)]
        drawn = cost.of_drawn_cells([table.numpy() for table in tables], DRAWN_CELLS, 0)
        return SupernetMixtureCost(
            of=cost.of,
            unit=cost.unit,
            mixture=float(cost(tables)),
            drawn=float(drawn.mean()),
            drawn_sd=float(drawn.std(ddof=1)),
            draws=DRAWN_CELLS,
            low=cost.limits.low,
            high=cost.limits.high,
        )


def _new_alphas(
    optimiser: Optimiser,
    space: SearchSpace,
    images: Images,
    seed: int,
) -> tuple[Tensor, ...]:
    """Return initial alphas as leaves that require gradients, on the images' device."""
    generator = torch.Generator().manual_seed(stream_seed("supernet alphas", seed))
    alphas = optimiser.new_alphas(space, generator, images.device)
    return tuple(alpha.requires_grad_() for alpha in alphas)


class TrainingResult(NamedTuple):
    """The result of a training, besides the supernet and its alphas.

    Attributes:
        made_by: commit of archselect; None if several commits took part.
        peak: peak memory before an interruption, in bytes.
        alpha_optimizer: state of the alphas' optimiser; None if untrained.
        memory: final state of optimiser, schedule and penalties; None if untrained.
        trace: the recording, if the optimiser asks for one.
    """

    made_by: str | None
    peak: int = 0
    alpha_optimizer: dict[str, Any] | None = None
    memory: Memory | None = None
    trace: Trace | None = None


class SupernetTraining:
    """The training of one supernet, which can be resumed after an interruption.

    Args:
        trainer: trainer with the supernet and its alphas.
        optimiser: optimiser of the trainer.
        inputs: description of the supernet.
        seed: seed of the supernet.
        clock: clock for the times of the phases.
        memory: meter of the peak memory.
        target: path of the finished supernet; None keeps no checkpoint.

    Attributes:
        id: id of the supernet.
        done: number of epochs so far.
        peak: peak memory before an interruption, in bytes.
        made_by: commit of archselect; None if several commits took part.
    """

    def __init__(
        self,
        trainer: Trainer,
        optimiser: Optimiser,
        inputs: SupernetInputs,
        seed: int,
        clock: PhaseClock,
        memory: PeakMemory,
        target: Path | None,
    ) -> None:
        self.trainer = trainer
        self.optimiser = optimiser
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            trainer.weight_optimizer,
            max(optimiser.epochs, 1),
            optimiser.learning_rate_min,
        )
        self.data = DataInputs.model_validate(trainer.images.describe())
        space = trainer.space
        self.formulations = supernet_formulations(optimiser, space)
        self.id = supernet_id(space.name, inputs, self.data, seed, self.formulations)
        self.recorder = Recorder(trainer) if optimiser.trace else None
        trainer.recorder = self.recorder
        self.done = 0
        self.peak = 0
        self.made_by: str | None = commit()
        self._inputs = inputs
        self._seed = seed
        self._clock = clock
        self._memory = memory
        self._target = target

    def run(self, advance: Advance) -> TrainingResult:
        """Train for all epochs, from the checkpoint if there is one.

        Args:
            advance: function that gets the progress (:data:`Advance`).
        """
        epochs = self.optimiser.epochs
        with self._clock.phase("supernet"):
            self._resume()
            if self.recorder is not None and not self.done:
                with self._clock.phase("trace"):
                    self.recorder.keep_probabilities(self.trainer.alphas)
                    self._probe(self.recorder)
            while self.done < epochs:
                self._train_epoch()
                is_due = self.done % CHECKPOINT_EPOCHS == 0 and self.done < epochs
                if self._target is not None and is_due:
                    self._save_checkpoint(self._target)
                advance(self.done, epochs, self.trainer.read_loss())
        trace: Trace | None = None
        if self.recorder is not None:
            with self._clock.phase("trace"):
                self._probe(self.recorder)
            trace = self.recorder.trace(self._trace_info(self.recorder))
        alpha_optimizer = self.trainer.alpha_optimizer.state_dict()
        memory = dict(self.trainer.memory)
        return TrainingResult(self.made_by, self.peak, alpha_optimizer, memory, trace)

    def _train_epoch(self) -> None:
        """Train for one epoch."""
        progress = self.done / self.optimiser.epochs
        self.trainer.epoch(self.trainer.space.undecided(), progress=progress)
        self.schedule.step()
        self.done += 1

    def _probe(self, recorder: Recorder) -> None:
        """Record the costs of uniformly drawn paths."""
        recorder.probe(self.trainer, stream_seed("supernet probe", self._seed))

    def _save_checkpoint(self, target: Path) -> None:
        """Save everything that the next epoch needs; its time does not count."""
        reached = max(self.peak, self._memory.read())
        now = self._clock.state()
        content = {
            "training": self.id,
            "done": self.done,
            "trainer": self.trainer.state(),
            "recorder": self.recorder and self.recorder.state(),
            "schedule": self.schedule.state_dict(),
            "clock": now,
            "peak_memory": reached,
        }
        save_tensors(checkpoint_path(target), content, self.made_by)
        self._clock.restore(now)

    def _resume(self) -> None:
        """Restore the checkpoint, if there is one.

        Raises UserError if it is damaged or of another training.
        """
        if self._target is None:
            return
        path = checkpoint_path(self._target)
        saved = load_tensors_if_present(path)
        if saved is None:
            return
        if saved.get("training") != self.id:
            raise UserError(f"{path} is of another training: remove it and run again")
        with restoring_from(path):
            self.trainer.load_state(saved["trainer"])
            if self.recorder is not None:
                self.recorder.load_state(saved["recorder"], int(saved["done"]))
            check_same_structure(saved["schedule"], self.schedule.state_dict())
            self.schedule.load_state_dict(saved["schedule"])
            self._clock.restore(saved["clock"])
            self.done = int(saved["done"])
            self.peak = int(saved["peak_memory"])
        if self.done:
            self.made_by = same_commit(read_commit(path), commit())

    def _trace_info(self, recorder: Recorder) -> TraceInfo:
        """Return the description of the training for its trace."""
        space = self.trainer.space
        cells = []
        for cell, layers in zip(space.cells, self.trainer.layers, strict=True):
            cells.append(_traced_cell(cell, layers))
        return TraceInfo(
            id=self.id,
            space=space.name,
            data=self.data,
            supernet=self._inputs,
            seed=self._seed,
            formulations=self.formulations,
            parts=recorder.parts,
            cells=cells,
            commit=self.made_by,
        )


def _traced_cell(cell: Cell, layers: int) -> TracedCell:
    """Return the description of a cell type, with its number of layers."""
    return TracedCell(
        name=cell.name,
        inputs=cell.inputs,
        nodes=cell.nodes,
        output=list(cell.output),
        edges=list(cell.edges),
        operations=[list(names) for names in cell.operations],
        layers=layers,
    )


def checkpoint_path(target: Path) -> Path:
    """Return the path of the checkpoint of a supernet in training."""
    return target.with_suffix(".checkpoint")


def save_supernet(
    path: Path,
    trained: TrainedSupernet,
) -> None:
    """Write a supernet atomically, and remove the checkpoint of its training.

    The file's name without suffix is the supernet's id, which the file also holds.
    Raises UserError if the folder cannot be written.
    """
    content = {
        "supernet": path.stem,
        "weights": trained.weights,
        "alphas": list(trained.alphas),
        "alpha_optimizer": trained.alpha_optimizer,
        "memory": trained.memory,
        "cost": trained.cost.model_dump_json(),
        "mixture_cost": _dump_if_any(trained.mixture_cost),
    }
    save_tensors(path, content, trained.commit)
    checkpoint_path(path).unlink(missing_ok=True)


def _dump_if_any(cost: SupernetMixtureCost | None) -> str | None:
    return None if cost is None else cost.model_dump_json()


def _parse_if_any(text: str | None) -> SupernetMixtureCost | None:
    return None if text is None else SupernetMixtureCost.model_validate_json(text)


def load_supernet(path: Path) -> TrainedSupernet:
    """Return a supernet read from its file; nothing in the file is executed.

    Raises UserError if the file is damaged or holds another supernet.
    """
    try:
        content = load_tensors(path)
        if content["supernet"] != path.stem:
            raise ValueError("the file holds another supernet")
        return TrainedSupernet(
            content["weights"],
            tuple(content["alphas"]),
            content["alpha_optimizer"],
            content["memory"],
            SupernetCost.model_validate_json(content["cost"]),
            _parse_if_any(content["mixture_cost"]),
            commit=read_commit(path),
        )
    except (UserError, *DAMAGED) as error:
        raise UserError(
            f"{path} is damaged, or is not a supernet of archselect: remove it and run again"
        ) from error
