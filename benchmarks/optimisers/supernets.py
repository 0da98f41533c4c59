"""Supernets by recipe: an optimiser and its settings, trained from a seed, kept, and gone on with when cut off.

A supernet is trained once per (recipe, data, seed) and kept under the hash of all that
determines it, so that every selector is compared on the very same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, model_validator
from torch import Tensor

from archselect.benchmarks.optimisers.base import Optimiser
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
    Time,
    supernet_id,
)
from archselect.benchmarks.store.traces import Trace, TracedCell, TraceInfo
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.input_files import DAMAGED
from archselect.nasbench_adapters.networks import Supernet
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces import registry as spaces

CHECKPOINT_EPOCHS = 5
"""How many epochs of training an interruption may cost."""


class Recipe(CommonSettings):
    """How a supernet is made: an optimiser by name and its settings; what is left out has the optimiser's default.

    Settings:
        recipe: the name of an optimiser, or FILE.py:CLASS; see
            :meth:`.UserClasses.get`.
    """

    # What is extra are settings that only the optimiser has.
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    recipe: str

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, values: Any) -> Any:
        """Have the optimiser check its settings and fill in its defaults.

        Raises UserError for an unknown name.
        """
        if not isinstance(values, dict) or not isinstance(values.get("recipe"), str):
            return values
        optimiser = get_optimiser(values["recipe"])
        known = optimiser.model_fields
        for name in values:
            if name not in known and name not in cls.model_fields:
                raise unknown(f"setting of recipe {optimiser.name}", name, known)
        own = optimiser.model_validate(
            {name: value for name, value in values.items() if name in known}
        )
        for name, value in own.settings().items():
            if not isinstance(value, str | int | float | None):
                raise UserError(
                    f"recipe {optimiser.name}: setting {name} is {type(value).__name__}: make it of text, numbers or "
                    "truth values, which records can hold"
                )
        return values | own.model_dump()

    def build(self) -> Optimiser:
        """The optimiser."""
        optimiser = get_optimiser(self.recipe)
        return optimiser.model_validate(
            {name: getattr(self, name) for name in optimiser.model_fields}
        )

    def settings(self) -> Settings:
        """The settings that matter: see :meth:`.Optimiser.settings`."""
        return self.build().settings()

    def build_as(self, inputs: SupernetInputs, space: str) -> Optimiser:
        """Return the optimiser.

        Raises UserError if it, or the space, is not from where the inputs say.
        """
        optimiser = self.build()
        check_same_source(self.recipe, self._source(optimiser, space), inputs.source)
        return optimiser

    def source(self, space: str) -> str | None:
        """Where what is not archselect's own of a supernet of that space comes from; see :class:`.SupernetInputs`."""
        return self._source(self.build(), space)

    def _source(self, optimiser: Optimiser, space: str) -> str | None:
        found = [
            optimisers.source_of(type(optimiser), self.recipe),
            spaces.source(space),
        ]
        return "; ".join(filter(None, found)) or None

    def inputs(self, space: str, skeleton: Settings) -> SupernetInputs:
        """What a record says of a supernet of that space that is made so."""
        optimiser = self.build()
        return SupernetInputs(
            recipe=optimiser.name,
            settings=optimiser.settings(),
            skeleton=skeleton,
            source=self._source(optimiser, space),
        )


class SupernetCost(Fact):
    """What making a supernet cost, kept beside its weights."""

    times: dict[str, Time]
    counts: dict[str, Counts]
    peak_memory: int
    machine: Machine


@dataclass(frozen=True)
class TrainedSupernet:
    """A supernet's weights, alphas and state of the alphas' optimiser (None if untrained), and what they cost.

    `trace` is what was recorded of the training, where its recipe asks for that; it is
    kept in a file of its own. `commit` is of the archselect that made it; None if its
    training was interrupted and another commit went on with it.
    """

    weights: dict[str, Tensor]
    alphas: tuple[Tensor, ...]
    alpha_optimizer: dict[str, Any] | None
    cost: SupernetCost
    trace: Trace | None = None
    commit: str | None = None


def new_supernet(
    space: SearchSpace, inputs: SupernetInputs, images: Images, seed: int
) -> Supernet:
    """The supernet with the initial weights of that seed, on the images' device, channels last."""
    skeleton = space.skeleton(**inputs.skeleton)
    dataset = images.dataset
    supernet = Supernet(
        space,
        skeleton,
        dataset.channels,
        dataset.classes,
        stream_seed("supernet weights", seed),
    )
    return supernet.to(images.device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def make_supernet(
    recipe: Recipe,
    space: SearchSpace,
    inputs: SupernetInputs,
    images: Images,
    seed: int,
    advance: Callable[[int, int], None] = lambda done, total: None,
    target: Path | None = None,
) -> TrainedSupernet:
    """Initialise and, if the recipe says so, train a supernet.

    Args:
        recipe: how.
        space: of the supernet.
        inputs: what its record says of it.
        images: the two halves, on the device to use.
        seed: of weights, alphas and batches.
        advance: told (epochs done, epochs in all).
        target: where the supernet will be kept. A training that is cut off leaves a
            checkpoint beside it, and the next call goes on from there, bit by bit;
            :func:`save_supernet` removes it. None keeps no checkpoint.

    Raises:
        UserError: the checkpoint is damaged or of another training, or cannot be
            written; a batch does not fit the images; the optimiser or the space is not
            from where the inputs say.
    """
    clock, memory = PhaseClock(images.device), PeakMemory(images.device)
    optimiser = recipe.build_as(inputs, space.name)
    supernet = new_supernet(space, inputs, images, seed)
    clock.count_passes(supernet, images.dataset.image_shape)
    generator = torch.Generator().manual_seed(stream_seed("supernet alphas", seed))
    alphas = tuple(
        alpha.requires_grad_()
        for alpha in optimiser.new_alphas(space, generator, images.device)
    )
    alpha_optimizer, peak, trace = None, 0, None
    made_by: str | None = commit()
    if optimiser.trains:
        trainer = Trainer(
            optimiser,
            space,
            supernet,
            alphas,
            images,
            stream_seed("supernet batches", seed),
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            trainer.weight_optimizer,
            max(optimiser.epochs, 1),
            optimiser.learning_rate_min,
        )
        data = DataInputs.model_validate(images.describe())
        training = supernet_id(
            space.name, inputs, data, seed, supernet_formulations(optimiser, space)
        )
        recorder = trainer.recorder = Recorder(trainer) if optimiser.trace else None
        with clock.phase("supernet"):
            done, peak = _resume(target, training, trainer, recorder, schedule, clock)
            if target is not None and done:
                made_by = same_commit(read_commit(checkpoint_path(target)), commit())
            if recorder and not done:
                with clock.phase("trace"):
                    recorder.keep_probabilities(alphas)
                    recorder.probe(trainer, stream_seed("supernet probe", seed))
            while done < optimiser.epochs:
                trainer.epoch(space.undecided(), progress=done / optimiser.epochs)
                schedule.step()
                done += 1
                if (
                    target is not None
                    and done % CHECKPOINT_EPOCHS == 0
                    and done < optimiser.epochs
                ):
                    reached = max(peak, memory.read())
                    _interrupt(
                        target,
                        training,
                        trainer,
                        recorder,
                        schedule,
                        clock,
                        done,
                        reached,
                        made_by,
                    )
                advance(done, optimiser.epochs)
        if recorder:
            with clock.phase("trace"):
                recorder.probe(trainer, stream_seed("supernet probe", seed))
            trace = recorder.trace(
                _trace_info(trainer, recorder.parts, inputs, seed, made_by)
            )
        alpha_optimizer = trainer.alpha_optimizer.state_dict()
    cost = SupernetCost(
        times=clock.times(),
        counts=clock.counts(),
        peak_memory=max(peak, memory.read()),
        machine=describe_machine(images.device),
    )
    return TrainedSupernet(
        {name: value.cpu() for name, value in supernet.state_dict().items()},
        tuple(alpha.detach().cpu() for alpha in alphas),
        alpha_optimizer,
        cost,
        trace,
        made_by,
    )


def _trace_info(
    trainer: Trainer,
    parts: list[str],
    inputs: SupernetInputs,
    seed: int,
    made_by: str | None,
) -> TraceInfo:
    data = DataInputs.model_validate(trainer.images.describe())
    space = trainer.space
    numbers = supernet_formulations(trainer.optimiser, space)
    return TraceInfo(
        id=supernet_id(space.name, inputs, data, seed, numbers),
        space=space.name,
        data=data,
        supernet=inputs,
        seed=seed,
        formulations=numbers,
        parts=parts,
        cells=[
            TracedCell(
                name=cell.name,
                inputs=cell.inputs,
                nodes=cell.nodes,
                output=list(cell.output),
                edges=list(cell.edges),
                operations=[list(names) for names in cell.operations],
                layers=layers,
            )
            for cell, layers in zip(space.cells, trainer.layers, strict=True)
        ],
        commit=made_by,
    )


def checkpoint_path(target: Path) -> Path:
    """Where the checkpoint of a supernet that is being trained lies."""
    return target.with_suffix(".checkpoint")


Schedule = torch.optim.lr_scheduler.CosineAnnealingLR


def _interrupt(
    target: Path,
    training: str,
    trainer: Trainer,
    recorder: Recorder | None,
    schedule: Schedule,
    clock: PhaseClock,
    done: int,
    peak: int,
    made_by: str | None,
) -> None:
    """Keep all that the training's next epoch depends on; the time this takes is not the training's."""
    now = clock.state()
    save_tensors(
        checkpoint_path(target),
        {
            "training": training,
            "done": done,
            "trainer": trainer.state(),
            "recorder": recorder and recorder.state(),
            "schedule": schedule.state_dict(),
            "clock": now,
            "peak_memory": peak,
        },
        made_by,
    )
    clock.restore(now)


def _resume(
    target: Path | None,
    training: str,
    trainer: Trainer,
    recorder: Recorder | None,
    schedule: Schedule,
    clock: PhaseClock,
) -> tuple[int, int]:
    """Take over the checkpoint if there is one.

    Returns the epochs done and the peak memory until then, or zeros.
    """
    path = None if target is None else checkpoint_path(target)
    saved = None if path is None else load_tensors_if_present(path)
    if path is None or saved is None:
        return 0, 0
    if saved.get("training") != training:
        raise UserError(f"{path} is of another training: remove it and run again")
    with restoring_from(path):
        trainer.load_state(saved["trainer"])
        if recorder:
            recorder.load_state(saved["recorder"], int(saved["done"]))
        check_same_structure(saved["schedule"], schedule.state_dict())
        schedule.load_state_dict(saved["schedule"])
        clock.restore(saved["clock"])
        return int(saved["done"]), int(saved["peak_memory"])


def save_supernet(path: Path, trained: TrainedSupernet) -> None:
    """Write a supernet atomically; the checkpoint of its training goes.

    Raises UserError if the folder is no good.

    The file's name, without suffix, names the supernet, and stands in the file, too.
    """
    save_tensors(
        path,
        {
            "supernet": path.stem,
            "weights": trained.weights,
            "alphas": list(trained.alphas),
            "alpha_optimizer": trained.alpha_optimizer,
            "cost": trained.cost.model_dump_json(),
        },
        trained.commit,
    )
    checkpoint_path(path).unlink(missing_ok=True)


def load_supernet(path: Path) -> TrainedSupernet:
    """Read a supernet back; nothing in the file is executed.

    Raises UserError if it is damaged, or another one.
    """
    try:
        content = load_tensors(path)
        if content["supernet"] != path.stem:
            raise ValueError("it is another supernet")
        return TrainedSupernet(
            content["weights"],
            tuple(content["alphas"]),
            content["alpha_optimizer"],
            SupernetCost.model_validate_json(content["cost"]),
            commit=read_commit(path),
        )
    except (UserError, *DAMAGED) as error:
        raise UserError(
            f"{path} is not a supernet of ours or is damaged: remove it and run again"
        ) from error
