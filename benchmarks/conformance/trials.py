"""Trials of a selector on small supernets: as in a study, and rehearsed under all its settings. See `conformance`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import torch
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from archselect.benchmarks.conformance.fake_task import (
    Offered,
    Premiere,
    Rehearsal,
    Watch,
    global_randomness,
)
from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.plan.validation_errors import explain_validation_error
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.dataset import ImageDataset, make_dataset
from archselect.nasbench_adapters.plugins.user_files import describe_error, locate_error
from archselect.nasbench_adapters.space import SearchSpace
from archselect.selectors.base import Selection, Selector

SKELETON: dict[str, object] = {
    "channels": 2,
    "cells": 1,
    "layers": 3,
    "reduction": "pool",
}
"""The smallest networks; a space takes what its skeleton has of these settings."""
IMAGES, CLASSES, SIZE = 16, 4, 8
SCORES, TUNINGS = 10, 2
"""How many answers are measured, at most, in a trial as in a study."""
FEW, MANY = 3, 1_000_003
"""Different answers of a rehearsal, with ties and hardly any."""
MOST_TRIED = 1_000
"""The largest whole number that a setting is tried with."""
UNDEFINED = 0.3
"""Share of the answers that are not finite in the trial of that."""


@dataclass(frozen=True)
class Trial:
    """One run of a selector, and what was seen of it.

    Attributes:
        space: of the supernet.
        how: the settings and seed, as words.
        selection: None if `select` raised.
        error: what it raised, in one line.
        notes: of the :class:`.Watch`, by topic.
        touched: what is not as it was.
        twice: whether it was done a second time, in a world of other global random
            states, and
        again: the second selection.
        foreign: what the selector's module imports and should not.
        undefined: how many scores were not finite, in the trial of that; None in
            others.
    """

    space: SearchSpace
    how: str
    selection: Selection | None
    error: str = ""
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    touched: Sequence[str] = ()
    twice: bool = False
    again: Selection | None = None
    foreign: Sequence[str] = ()
    undefined: int | None = None


@dataclass(frozen=True)
class Variant:
    """A selector with settings, and how they differ from its defaults and `small`."""

    selector: Selector
    words: str


def variants_of(kind: type[Selector]) -> list[Variant]:
    """The selector as it is, small, and then with every other value of its settings at least once.

    Settings are changed together where the selector allows it, so that there are no
    more variants than one setting has values. Raises UserError if it cannot be made at
    all.
    """
    small = dict(kind.small)
    try:
        made = [Variant(kind(**small), "as it is")]
    except ValidationError as error:
        reason = explain_validation_error(error, kind)
        raise UserError(
            f"selector {kind.name} cannot be made for a check: {reason}; give its settings defaults, or "
            "values in `small`"
        ) from error
    values = {
        name: _values(info)
        for name, info in kind.model_fields.items()
        if name not in small
    }
    values = {name: found for name, found in values.items() if found}
    for place in range(max(map(len, values.values()), default=0)):
        together = {name: found[place % len(found)] for name, found in values.items()}
        for settings in (
            together,
            *({name: value} for name, value in together.items()),
        ):
            try:
                selector = kind(**{**small, **settings})
            except (ValidationError, UserError):
                continue  # what a selector refuses is no setting of it
            if all(selector != variant.selector for variant in made):
                made.append(
                    Variant(
                        selector,
                        ", ".join(
                            f"{key}={value!r}" for key, value in settings.items()
                        ),
                    )
                )
            if settings is together:
                break
    return made


def _values(info: FieldInfo) -> list[Any]:
    """Return values of a setting: all of a choice, a few small ones and the bounds of a whole number, else the bounds.

    A whole number's upper bound that is larger than :data:`MOST_TRIED` keeps slips out,
    and takes too long to try.
    """
    if get_origin(info.annotation) is Literal:
        return list(get_args(info.annotation))
    if info.annotation is bool:
        return [False, True]
    low = [bound.ge for bound in info.metadata if hasattr(bound, "ge")]
    high = [bound.le for bound in info.metadata if hasattr(bound, "le")]
    if info.annotation is int and low:
        high = [bound for bound in high if bound <= MOST_TRIED]
        return [
            value
            for value in (*(low[0] + more for more in (0, 1, 2, 4)), *high)
            if not high or value <= high[0]
        ]
    return [*low, *high] if info.annotation is float else []


class Stage:
    """A small supernet of a space on a device, for a selector's trials."""

    def __init__(
        self, kind: type[Selector], space: SearchSpace, device: torch.device
    ) -> None:
        self.space, self.device = space, device
        self._file, self._foreign = Path(inspect.getfile(kind)), _foreign(kind)
        self._images = Images(_noise(), device)
        # Alphas far apart, as after a training, without the training.
        self._recipe = Recipe.model_validate(
            {
                "recipe": "darts",
                "epochs": 0,
                "batch_size": IMAGES // 2,
                "alpha_scale": 1.0,
            }
        )
        inputs = self._recipe.inputs(space.name, _skeleton(space))
        trained = make_supernet(self._recipe, space, inputs, self._images, seed=0)
        self._task = SupernetTask(
            space, self._recipe, inputs, trained, self._images, PhaseClock(device), 0, 0
        )
        self._weights = {
            name: value.clone()
            for name, value in self._task.supernet.state_dict().items()
        }
        self._alphas = [alpha.detach().clone() for alpha in self._task.alphas]

    def premiere(self, variant: Variant) -> Trial:
        """A trial as in a study.

        Call it once, before rehearsals: it uses up the real task's random streams.
        """
        watch = Watch(self.device)
        task = Premiere(self._task, 0, MANY, watch, SCORES, TUNINGS)
        selection, error = self._select(variant.selector, task, watch)
        self._reset()
        return self._trial(variant.words, selection, error, watch.notes, task)

    def rehearsals(self, variants: Sequence[Variant]) -> Iterator[Trial]:
        """Yield trials of every variant with many or few answers; of the first with both, and with some not finite."""
        yield self._rehearsal(variants[0], 0, FEW)
        for seed, variant in enumerate(variants):
            yield self._rehearsal(variant, seed, FEW if seed % 2 else MANY)
        watch = Watch(self.device)
        task = self._task_of(0, MANY, watch, UNDEFINED)
        selection, error = self._select(variants[0].selector, task, watch)
        yield replace(
            self._trial("some scores not finite", selection, error, {}, task),
            undefined=task.undefined,
        )

    def _rehearsal(self, variant: Variant, seed: int, levels: int) -> Trial:
        """One variant, done twice from the same seed."""
        watch = Watch(self.device)
        tasks = [self._task_of(seed, levels, watch) for _ in range(2)]
        (selection, error), (again, _) = (
            self._select(variant.selector, task, watch, world)
            for world, task in enumerate(tasks)
        )
        how = f"{variant.words}, scores drawn from seed {seed}"
        return replace(
            self._trial(how, selection, error, watch.notes, tasks[0]),
            twice=True,
            again=again,
        )

    def _task_of(
        self, seed: int, levels: int, watch: Watch, share_undefined: float = 0.0
    ) -> Rehearsal:
        supernet, alphas = self._task.supernet, self._alphas
        return Rehearsal(
            self.space,
            supernet,
            alphas,
            self._images,
            seed,
            levels,
            watch,
            share_undefined,
        )

    def _trial(
        self,
        how: str,
        selection: Selection | None,
        error: str,
        notes: Mapping[str, Sequence[str]],
        task: Rehearsal,
    ) -> Trial:
        touched = tuple(dict.fromkeys(task.touched))
        return Trial(
            self.space,
            how,
            selection,
            error,
            dict(notes),
            touched,
            foreign=self._foreign,
        )

    def _select(
        self, selector: Selector, task: Rehearsal, watch: Watch, world: int = 0
    ) -> tuple[Selection | None, str]:
        """What the selector selects, or in one line why it does not."""
        given: Any = Offered(task, watch)
        with global_randomness(world), torch.enable_grad():
            task.begin()
            try:
                with watch.watching():
                    selection = selector.select(given)
            except (Exception, SystemExit) as error:
                return (
                    None,
                    f"{locate_error(error, self._file)}: {describe_error(error)}",
                )
            finally:
                task.end()
                if task.touched:
                    self._reset()
        if not isinstance(selection, Selection):
            return (
                None,
                f"select gives {type(selection).__name__}: return search.selection()",
            )
        return selection, ""

    def _reset(self) -> None:
        """Make the supernet good again, for the trials to come."""
        supernet = self._task.supernet
        supernet.load_state_dict(self._weights)
        supernet.eval().requires_grad_().zero_grad(set_to_none=True)


def _noise() -> ImageDataset:
    """A few small images of random pixels."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2 * IMAGES, SIZE, SIZE, 1), dtype=np.uint8)
    labels = np.arange(2 * IMAGES) % CLASSES
    halves = (pixels[:IMAGES], labels[:IMAGES]), (pixels[IMAGES:], labels[IMAGES:])
    return make_dataset("noise", *halves, origin="drawn at random")


def _skeleton(space: SearchSpace) -> dict[str, Any]:
    """The settings of SKELETON that the space's skeleton has."""
    settings: dict[str, object] = {}
    for name, value in SKELETON.items():
        try:
            space.skeleton(**{**settings, name: value})
        except UserError:
            continue  # it has another setting in its place, or none
        settings[name] = value
    return settings


def _foreign(kind: type[Selector]) -> list[str]:
    """What a selector's module has of rooms that a selector is not to enter."""
    module = sys.modules[kind.__module__]
    names = [
        value.__name__
        if inspect.ismodule(value)
        else str(getattr(value, "__module__", ""))
        for value in vars(module).values()
    ]
    return sorted(
        {
            name
            for name in names
            if name.startswith(("archselect.benchmarks", "archselect.reports"))
        }
    )
