"""Trials of a selector: on a small supernet as in a study, and with answers drawn."""

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
"""The smallest networks; a space takes those settings that its skeleton has."""
IMAGES = 16
"""Images in each half of the data."""
CLASSES = 4
SIZE = 8
"""Height and width of an image."""
MEASURED_SCORES = 10
"""How many scores are measured, at most, in a trial as in a study."""
MEASURED_TUNINGS = 2
"""How many tunings are real, at most, in a trial as in a study."""
FEW_LEVELS = 3
"""Different answers of a trial with many ties."""
MANY_LEVELS = 1_000_003
"""Different answers of a trial with hardly a tie."""
SHARE_UNDEFINED = 0.3
"""Share of the answers that are not finite, in the trial of that."""
OUT_OF_REACH = ("archselect.benchmarks", "archselect.reports")
"""The packages that a selector does not import."""


class QueryCounts(NamedTuple):
    """How many queries a trial paid for, and how many its spent budget refused."""

    paid: int
    refused: int


NO_QUERIES = QueryCounts(0, 0)


@dataclass(frozen=True)
class Trial:
    """One run of a selector, and what was seen of it.

    Attributes:
        space: of the supernet.
        conditions: the settings and the seed, in words.
        selection: what `select` returned; None if it raised.
        error: what it raised, in one line.
        notes: of the :class:`.SelectorWatch`, by topic.
        changes: the parts of the state that it changed.
        is_repeated: whether it ran a second time, from the same seed but with other
            global random states.
        second_selection: what the second run selected.
        foreign_imports: what the selector's module imports and should not.
        undefined: how many scores were not finite, in the trial of that; None in
            others.
        queries: how many there were.
        declares_reward: whether the selector says that it needs rewards.
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
"""A task whose answers are drawn."""


class SelectResult(NamedTuple):
    """What a selector selected, or in one line why it did not."""

    selection: Selection | None
    error: str = ""


class TrialRunner(ABC):
    """Runs a selector on one space, with answers that are drawn.

    Args:
        kind: the selector's class.
        space: the search space.
        device: of the task.
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
        """Return a new task with drawn answers; see :class:`.DrawnAnswers`."""

    def trials(
        self, variants: Sequence[Variant], with_drawn: bool = True
    ) -> Iterator[Trial]:
        """Yield the trials of a selector.

        Args:
            variants: the selector, with several settings.
            with_drawn: whether there are trials whose answers are drawn.
        """
        if with_drawn:
            yield from self.drawn_trials(variants)

    def _restore(self) -> None:  # noqa: B027 (most runners share nothing)
        """Undo what a selector has changed of what trials share."""

    def drawn_trials(self, variants: Sequence[Variant]) -> Iterator[Trial]:
        """Yield a trial of every variant, with many or few different answers drawn.

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
        """Return what the selector selects, or why it does not.

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
        return SelectResult(None, f"select gives {kind}: return search.selection()")


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
        """Yield the trial as in a study and, if wanted, those with drawn answers."""
        yield self.measured_trial(variants[0])
        yield from super().trials(variants, with_drawn)

    def measured_trial(self, variant: Variant) -> Trial:
        """Return a trial as in a study, whose first answers are measured.

        Run it once, before the others: it uses up the random streams of the real task.
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
        """See :meth:`TrialRunner.fake_task`."""
        alphas = tuple(
            alpha.detach().clone().requires_grad_() for alpha in self._alphas
        )
        answers = DrawnAnswers(seed, levels, share_undefined)
        supernet = self._task.supernet
        return FakeTask(
            self.space, supernet, alphas, self._images, seed, answers, watch
        )

    def _restore(self) -> None:
        """Give the supernet its weights, mode and gradients of the beginning."""
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
        """See :meth:`TrialRunner.fake_task`."""
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
    """Return a task on a small supernet, with alphas as far apart as after training."""
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
    """Return what a selector's module imports from packages out of its reach."""
    module = sys.modules[kind.__module__]
    names = {_module_name(value) for value in vars(module).values()}
    return sorted(name for name in names if name.startswith(OUT_OF_REACH))


def _module_name(value: object) -> str:
    """Return the name of a module, or of the module that defines a value."""
    if inspect.ismodule(value):
        return value.__name__
    return str(getattr(value, "__module__", ""))
