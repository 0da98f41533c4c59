"""The conformance kit: runs trials of a selector and judges them by all checks.

A selector is run once on each device as in a study, on a supernet whose first answers
are measured; and then with answers that are drawn, with all values of its settings that
types and bounds show. One that needs no supernet has the latter alone, on every space.
What a selector's `small` says (fewer iterations, say) keeps its
trials short.
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
"""Faults named per check and space."""


class Place(NamedTuple):
    """A space and a device that a selector is checked on, by name."""

    space: str
    device: str


@dataclass(frozen=True)
class CheckResult:
    """What a check found on one space and device.

    Attributes:
        check: its name.
        space: the search space.
        device: such as "cpu".
        passed: None if no trial got far enough to be judged, because the selector
            failed before.
        advice: what to fix, in one line each.
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
        selector: its name.
        results: of every check on every space and device.
        seconds: how long the trials on each space and device took.
        skipped: names of the spaces without a supernet, which it needs.
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
    """Return the names of the spaces that a selector can be run on."""
    names = []
    for name, space in registry.all().items():
        if space.has_supernet or not needs_supernet(kind):
            names.append(name)
    return names


def needs_supernet(kind: type[Selector]) -> bool:
    """Return whether a selector reads from a supernet, or from its alphas."""
    return bool(kind.needs & {SUPERNET, ALPHAS})


def devices_present() -> list[str]:
    """Return one device of each kind that this machine has."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def _show_nothing(stage: str, done: int, total: int) -> None:
    """Ignore the progress."""


def check_selector(
    kind: type[Selector],
    spaces: Sequence[str] = (),
    devices: Sequence[str] = (),
    progress: Callable[[str, int, int], None] = _show_nothing,
) -> Conformance:
    """Check a selector.

    Args:
        kind: its class.
        spaces: by name; all that it can be run on if empty.
        devices: as :func:`.open_device` takes them; one of each kind present if empty.
            Trials with drawn answers run on the first.
        progress: called with the space and device, how many such places are done, and
            of how many.

    Raises:
        UserError: a space or device is unknown, or a setting has no value to check the
            selector with.
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
    """Return what a check finds in all the trials on a space and device."""
    # Only `surfaces` judges the trial with scores that are not finite, and no other.
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
    """Return the first faults that a check finds, each with the trial that shows it."""
    lines: dict[str, str] = {}
    for trial in trials:
        for fault in check(trial):
            lines.setdefault(fault, f"{fault} ({trial.conditions})")
    shown = list(lines.values())[:SHOWN]
    if len(lines) > SHOWN:
        shown.append(f"and {len(lines) - SHOWN} more of the kind")
    return tuple(shown)
