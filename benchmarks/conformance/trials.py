"""Trials of a selector: on a small supernet as in a study, and with random answers."""

from __future__ import annotations

import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from archselect.benchmarks.conformance.fake_query_task import FakeQueryTask
from archselect.benchmarks.conformance.fake_task import (
    DrawnAnswers,
    FakeTask,
    PartlyMeasuredTask,
)
from archselect.benchmarks.conformance.guarded_task import GuardedTask
from archselect.benchmarks.conformance.variants import Variant
from archselect.benchmarks.conformance.watch import SelectorWatch, global_randomness
from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.dataset import ImageDataset, make_dataset
from archselect.nasbench_adapters.plugins.user_files import describe_error, locate_error
from archselect.nasbench_adapters.space import SearchSpace
from archselect.selectors.base import REWARDS, Selection, Selector

SKELETON: dict[str, object] = {
    "channels": 2,
    "cells": 1,
    "layers": 3,
    "reduction": "pool",
}
"""The smallest networks; a space uses the settings that its skeleton has."""
IMAGES = 16
"""Number of images in each half of the data."""
CLASSES = 4
SIZE = 8
"""Height and width of an image."""
MEASURED_SCORES = 10
"""The maximal number of measured scores in a trial as in a study."""
MEASURED_TUNINGS = 2
"""The maximal number of real tunings in a trial as in a study."""
FEW_LEVELS = 3
"""Number of different answers in a trial with many ties."""
MANY_LEVELS = 1_000_003
"""Number of different answers in a trial with hardly any ties."""
SHARE_UNDEFINED = 0.3
"""Share of answers that are not finite, in the trial with such answers."""
OUT_OF_REACH = ("archselect.benchmarks", "archselect.reports")
"""Packages that a selector must not import."""


class QueryCounts(NamedTuple):
    """How many queries a trial paid for, and how many were refused after the budget."""

    paid: int
    refused: int


NO_QUERIES = QueryCounts(0, 0)


@dataclass(frozen=True)
class Trial:
    """One run of a selector, and what was observed.

    Attributes:
        space: space of the supernet.
        conditions: the settings and the seed, as text.
        selection: what `select` returned; None if it raised an error.
        error: the error that it raised, in one line.
        notes: notes of the :class:`.SelectorWatch`, by topic.
        changes: parts of the state that it changed.
        is_repeated: whether it ran a second time, with the same seed but other global
            random states.
        second_selection: selection of the second run.
        foreign_imports: imports of the selector's module that are not allowed.
        undefined: number of scores that were not finite, in the trial with such scores;
            None in other trials.
        queries: number of queries.
        declares_reward: whether the selector declares that it needs rewards.
    """

    space: SearchSpace
    conditions: str
    selection: Selection | None
    error: str = ""
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    changes: Sequence[str] = ()
    is_repeated: bool = False
    second_selection: Selection | None = None
    foreign_imports: Sequence[str] = ()
    undefined: int | None = None
    queries: QueryCounts = NO_QUERIES
    declares_reward: bool = False


AnyFakeTask = FakeTask | FakeQueryTask
"""A task with random answers."""


class SelectResult(NamedTuple):
    """What a selector selected, or why it failed, in one line."""

    selection: Selection | None
    error: str = ""


class TrialRunner(ABC):
    """Runs a selector on one space, with random answers.

    Args:
        kind: class of the selector.
        space: the search space.
        device: device of the task.
    """

    def __init__(
        self, kind: type[Selector], space: SearchSpace, device: torch.device
    ) -> None:
        self.space = space
        self.device = device
        self._file = Path(inspect.getfile(kind))
        self._foreign_imports = _foreign_imports(kind)
        self._declares_reward = REWARDS in kind.needs

    @abstractmethod
    def fake_task(
        self,
        seed: int,
        levels: int,
        watch: SelectorWatch,
        share_undefined: float = 0.0,
    ) -> AnyFakeTask:
        """Return a new task with random answers (:class:`.DrawnAnswers`)."""

    def trials(
        self, variants: Sequence[Variant], with_drawn: bool = True
    ) -> Iterator[Trial]:
        """Yield the trials of a selector.

        Args:
            variants: the selector, with several settings.
            with_drawn: whether to include trials with random answers.
        """
        if with_drawn:
            yield from self.drawn_trials(variants)

    def _restore(self) -> None:  # noqa: B027 (most runners share nothing)
        """Undo what a selector has changed in objects that trials share."""

    def drawn_trials(self, variants: Sequence[Variant]) -> Iterator[Trial]:
        """Yield a trial of every variant, with many or few different random answers.

        The first variant has both, and a trial in which some answers are not finite.
        """
        yield self._repeated_trial(variants[0], seed=0, levels=FEW_LEVELS)
        for seed, variant in enumerate(variants):
            levels = FEW_LEVELS if seed % 2 else MANY_LEVELS
            yield self._repeated_trial(variant, seed, levels)
        yield self._undefined_trial(variants[0])

    def _repeated_trial(self, variant: Variant, seed: int, levels: int) -> Trial:
        """Return a trial that runs twice from the same seed."""
        watch = SelectorWatch(self.device)
        tasks = [self.fake_task(seed, levels, watch) for _ in range(2)]
        first, second = (
            self._select(variant.selector, task, watch, global_seed)
            for global_seed, task in enumerate(tasks)
        )
        conditions = f"{variant.description}, scores drawn from seed {seed}"
        return replace(
            self._trial(conditions, first, tasks[0], watch.notes),
            is_repeated=True,
            second_selection=second.selection,
        )

    def _undefined_trial(self, variant: Variant) -> Trial:
        """Return a trial in which some scores are not finite."""
        watch = SelectorWatch(self.device)
        task = self.fake_task(0, MANY_LEVELS, watch, SHARE_UNDEFINED)
        outcome = self._select(variant.selector, task, watch)
        return replace(
            self._trial("some scores not finite", outcome, task, notes={}),
            undefined=task.answers.undefined,
        )

    def _trial(
        self,
        conditions: str,
        outcome: SelectResult,
        task: AnyFakeTask,
        notes: Mapping[str, Sequence[str]],
    ) -> Trial:
        return Trial(
            self.space,
            conditions,
            outcome.selection,
            outcome.error,
            dict(notes),
            changes=tuple(dict.fromkeys(task.state.changes)),
            foreign_imports=self._foreign_imports,
            queries=_count_queries(task),
            declares_reward=self._declares_reward,
        )

    def _select(
        self,
        selector: Selector,
        task: AnyFakeTask,
        watch: SelectorWatch,
        global_seed: int = 0,
    ) -> SelectResult:
        """Return what the selector selects, or why it fails.

        Leaves the supernet as it was, whatever the selector does to it.
        """
        guarded: Any = GuardedTask(task, watch)
        with global_randomness(global_seed), torch.enable_grad():
            task.state.expect_present()
            try:
                with watch.watching():
                    selection = selector.select(guarded)
            except (Exception, SystemExit) as error:
                return SelectResult(
                    None, f"{locate_error(error, self._file)}: {describe_error(error)}"
                )
            finally:
                task.state.compare()
                if task.state.changes:
                    self._restore()
        if isinstance(selection, Selection):
            return SelectResult(selection)
        kind = type(selection).__name__
        return SelectResult(None, f"select returns {kind}: return search.selection()")


class SupernetTrials(TrialRunner):
    """Runs a selector on a small supernet of one space, on one device."""

    def __init__(
        self, kind: type[Selector], space: SearchSpace, device: torch.device
    ) -> None:
        super().__init__(kind, space, device)
        self._images = Images(_random_images(), device)
        self._task = _small_task(space, self._images)
        self._alphas = [alpha.detach().clone() for alpha in self._task.alphas]
        self._weights = {
            name: value.clone()
            for name, value in self._task.supernet.state_dict().items()
        }

    def trials(
        self, variants: Sequence[Variant], with_drawn: bool = True
    ) -> Iterator[Trial]:
        """Yield the trial as in a study and, if wanted, those with random answers."""
        yield self.measured_trial(variants[0])
        yield from super().trials(variants, with_drawn)

    def measured_trial(self, variant: Variant) -> Trial:
        """Return a trial as in a study, whose first answers are measured.

        Run it once, before the others, because it uses the random streams of the real
        task.
        """
        watch = SelectorWatch(self.device)
        task = PartlyMeasuredTask(
            self._task,
            0,
            DrawnAnswers(0, MANY_LEVELS),
            watch,
            MEASURED_SCORES,
            MEASURED_TUNINGS,
        )
        outcome = self._select(variant.selector, task, watch)
        self._restore()
        return self._trial(variant.description, outcome, task, watch.notes)

    def fake_task(
        self,
        seed: int,
        levels: int,
        watch: SelectorWatch,
        share_undefined: float = 0.0,
    ) -> FakeTask:
        """Return a new task with random answers, on the small supernet."""
        alphas = tuple(
            alpha.detach().clone().requires_grad_() for alpha in self._alphas
        )
        answers = DrawnAnswers(seed, levels, share_undefined)
        supernet = self._task.supernet
        return FakeTask(
            self.space, supernet, alphas, self._images, seed, answers, watch
        )

    def _restore(self) -> None:
        """Reset the weights, mode and gradients of the supernet."""
        supernet = self._task.supernet
        supernet.load_state_dict(self._weights)
        supernet.eval().requires_grad_().zero_grad(set_to_none=True)


class QueryTrials(TrialRunner):
    """Runs a selector that needs no supernet, on one space."""

    def fake_task(
        self,
        seed: int,
        levels: int,
        watch: SelectorWatch,
        share_undefined: float = 0.0,
    ) -> FakeQueryTask:
        """Return a new task with random rewards."""
        del watch  # there are no decisions to watch
        answers = DrawnAnswers(seed, levels, share_undefined)
        return FakeQueryTask(self.space, seed, answers)


def _count_queries(task: AnyFakeTask) -> QueryCounts:
    """Return how many queries a task answered, and how many it refused."""
    queries = task.queries
    if queries is None:
        return QueryCounts(0, 0)
    return QueryCounts(len(queries.answers), queries.refused)


def _small_task(space: SearchSpace, images: Images) -> SupernetTask:
    """Return a task on a small supernet, with alphas as different as after training."""
    recipe = Recipe.model_validate(
        {
            "recipe": "darts",
            "epochs": 0,
            "batch_size": IMAGES // 2,
            "alpha_scale": 1.0,
        }
    )
    inputs = recipe.inputs(space.name, _skeleton(space))
    trained = make_supernet(recipe, space, inputs, images, seed=0)
    clock = PhaseClock(images.device)
    return SupernetTask(space, recipe, inputs, trained, images, clock, 0, 0)


def _random_images() -> ImageDataset:
    """Return a few small images of random pixels."""
    rng = np.random.default_rng(0)
    shape = (2 * IMAGES, SIZE, SIZE, 1)
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    labels = np.arange(2 * IMAGES) % CLASSES
    train = (pixels[:IMAGES], labels[:IMAGES])
    test = (pixels[IMAGES:], labels[IMAGES:])
    return make_dataset("noise", train, test, origin="drawn at random")


def _skeleton(space: SearchSpace) -> dict[str, Any]:
    """Return the settings of SKELETON that the space's skeleton has."""
    settings: dict[str, object] = {}
    for name, value in SKELETON.items():
        try:
            space.skeleton(**{**settings, name: value})
        except UserError:
            continue  # the skeleton has no such setting
        settings[name] = value
    return settings


def _foreign_imports(kind: type[Selector]) -> list[str]:
    """Return what a selector's module imports from packages that it must not import."""
    module = sys.modules[kind.__module__]
    names = {_module_name(value) for value in vars(module).values()}
    return sorted(name for name in names if name.startswith(OUT_OF_REACH))


def _module_name(value: object) -> str:
    """Return the name of a module, or of the module that defines a value."""
    if inspect.ismodule(value):
        return value.__name__
    return str(getattr(value, "__module__", ""))
