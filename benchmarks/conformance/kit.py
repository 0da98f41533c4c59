"""The conformance kit: run trials of a selector, and judge them by all checks.

On each device, a selector runs once as in a study, on a supernet whose first answers
are measured. It then runs with random answers, with all values of its settings that
follow from types and bounds. A selector that needs no supernet runs only with random
answers, on every space. Settings in a selector's `small` (such as fewer iterations)
keep its trials short.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import torch

from archselect.benchmarks.conformance.checks import CHECKS, Check, name_of, surfaces
from archselect.benchmarks.conformance.trials import (
    QueryTrials,
    SupernetTrials,
    Trial,
)
from archselect.benchmarks.conformance.variants import variants_of
from archselect.benchmarks.runtime.machine import open_device
from archselect.nasbench_adapters.errors import unknown
from archselect.nasbench_adapters.spaces import get_space, registry, unrestricted_name
from archselect.selectors.base import ALPHAS, SUPERNET, Selector

SHOWN = 3
"""The maximal number of faults shown per check and space."""


class Place(NamedTuple):
    """The names of a space and a device on which a selector is checked."""

    space: str
    device: str


@dataclass(frozen=True)
class CheckResult:
    """The result of a check on one space and device.

    Attributes:
        check: name of the check.
        space: name of the search space.
        device: name of the device, such as "cpu".
        passed: whether the check passed; None if the selector failed before any trial
            could be judged.
        advice: what to fix, one line each.
    """

    check: str
    space: str
    device: str
    passed: bool | None
    advice: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """The space and the device."""
        return Place(self.space, self.device)


@dataclass(frozen=True)
class Conformance:
    """The results of all checks of a selector.

    Attributes:
        selector: name of the selector.
        results: results of every check on every space and device.
        seconds: duration of the trials on each space and device.
        skipped: names of spaces without a supernet, if the selector needs one.
    """

    selector: str
    results: tuple[CheckResult, ...]
    seconds: Mapping[Place, float]
    skipped: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(result.passed is not False for result in self.results)


def usable_spaces(kind: type[Selector]) -> list[str]:
    """Return the names of the spaces on which a selector can run."""
    names = []
    for name, space in registry.all().items():
        if space.has_supernet or not needs_supernet(kind):
            names.append(name)
    return names


def needs_supernet(kind: type[Selector]) -> bool:
    """Return whether a selector needs a supernet, or its alphas."""
    return bool(kind.needs & {SUPERNET, ALPHAS})


def devices_present() -> list[str]:
    """Return one device of each kind that this machine has."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def _show_nothing(stage: str, done: int, total: int) -> None:
    """Show nothing."""


def check_selector(
    kind: type[Selector],
    spaces: Sequence[str] = (),
    devices: Sequence[str] = (),
    progress: Callable[[str, int, int], None] = _show_nothing,
) -> Conformance:
    """Check a selector.

    Args:
        kind: class of the selector.
        spaces: names of spaces; if empty, all on which it can run.
        devices: devices as in :func:`.open_device`; if empty, one of each kind present.
            Trials with random answers run on the first one.
        progress: function that gets the space and device, the number of such places
            that are done, and the total.

    Raises:
        UserError: a space or device is unknown, or a setting has no value with which
        the
            selector can be checked.
    """
    _check_spaces(spaces, kind)
    opened = [open_device(name) for name in devices or devices_present()]
    variants = variants_of(kind)
    results: list[CheckResult] = []
    seconds: dict[Place, float] = {}
    names = spaces or usable_spaces(kind)
    runners = SupernetTrials if needs_supernet(kind) else QueryTrials
    pairs = list(itertools.product(names, dict.fromkeys(opened)))
    for done, (name, device) in enumerate(pairs):
        progress(f"{name} on {device}", done, len(pairs))
        start = perf_counter()
        runner = runners(kind, get_space(name), device)
        trials = list(runner.trials(variants, with_drawn=device == opened[0]))
        place = Place(name, str(device))
        results += [_judge(check, trials, place) for check in CHECKS]
        seconds[place] = perf_counter() - start
    skipped = [name for name in registry.all() if not spaces and name not in names]
    return Conformance(kind.name, tuple(results), seconds, tuple(skipped))


def _check_spaces(names: Sequence[str], kind: type[Selector]) -> None:
    """Raise UserError for a space that is unknown or has no supernet."""
    usable = usable_spaces(kind)
    for name in names:
        if name in registry:
            get_space(name).check_needs(kind.name, kind.needs)
        if unrestricted_name(name) not in usable:
            raise unknown(f"space to check {kind.name} on", name, usable)
        get_space(name)


def _judge(check: Check, trials: Sequence[Trial], place: Place) -> CheckResult:
    """Return the result of a check over all trials on a space and device."""
    # Only `surfaces` judges the trial with scores that are not finite.
    judged = [
        trial
        for trial in trials
        if (trial.undefined is not None) == (check is surfaces)
    ]
    advice = _advice(check, judged)
    selected = any(trial.selection is not None for trial in judged)
    passed: bool | None = None
    if advice:
        passed = False
    elif judged and (selected or check is surfaces):
        passed = True
    return CheckResult(name_of(check), place.space, place.device, passed, advice)


def _advice(check: Check, trials: Sequence[Trial]) -> tuple[str, ...]:
    """Return the first faults that a check finds, each with its trial."""
    lines: dict[str, str] = {}
    for trial in trials:
        for fault in check(trial):
            lines.setdefault(fault, f"{fault} ({trial.conditions})")
    shown = list(lines.values())[:SHOWN]
    if len(lines) > SHOWN:
        shown.append(f"and {len(lines) - SHOWN} more of this kind")
    return tuple(shown)
