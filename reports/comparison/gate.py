"""Gates: conditions on the changes between two snapshots that fail a build.

An example is 'accuracy_drop>0.5pt'. :mod:`.outcomes` judges gates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.reports.results.metrics import COUNTS

FORM = (
    "write METRIC_drop>NUMBER or METRIC_increase>NUMBER, such as 'accuracy_drop>0.5pt' (points), "
    "'forwards_increase>10%' (of base) or 'tau_drop>0.05'"
)
_GATE = re.compile(r"\s*(\w+)_(drop|increase)\s*>\s*(\S*?)\s*(%|pt)?\s*", re.ASCII)
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True)
class Gate:
    """A condition on the change of a metric.

    Attributes:
        text: text of the gate, as the user wrote it. metric: name of the metric; "tau"
            means all rank correlations. direction: direction of change that can fail.
            threshold: largest change that does not fail. relative: whether the
            threshold is in per cent of base's mean. Otherwise it is in percentage
            points of accuracy, or in the unit of the metric.
    """

    text: str
    metric: str
    direction: Literal["drop", "increase"]
    threshold: float
    relative: bool

    @property
    def sign(self) -> int:
        """Factor that turns new minus base into a change in the gate's direction."""
        return -1 if self.direction == "drop" else 1

    def is_on(self, metric: str) -> bool:
        """Return whether the gate applies to a metric."""
        if self.metric == "tau":
            return is_tau(metric)
        return metric == self.metric


def parse_gate(text: str) -> Gate:
    """Parse a gate.

    Raises UserError, with the correct form, if the text is not a gate, if the unit does
    not fit the metric, or if the gate can never fail.
    """
    match = _GATE.fullmatch(text)
    if match is None:
        raise gate_error(text, f"is not a gate: {FORM}")
    metric, direction, number, unit = match.groups()
    gate = Gate(
        text=text.strip(),
        metric=metric,
        direction="drop" if direction == "drop" else "increase",
        threshold=_threshold(text, number),
        relative=unit == "%",
    )
    _check_unit(gate, number, unit)
    _check_reachable(gate)
    return gate


def parse_gates(texts: Sequence[str]) -> list[Gate]:
    """Parse gates.

    Raises UserError, with all faults, in the cases of :func:`parse_gate` and for a
    duplicate gate.
    """
    faults = Faults()
    gates: list[Gate] = []
    conditions = set()
    for text in texts:
        with faults.collect():
            gate = parse_gate(text)
            condition = (gate.metric, gate.direction, gate.threshold, gate.relative)
            if condition in conditions:
                raise gate_error(text, "is given twice: remove one of them")
            conditions.add(condition)
            gates.append(gate)
    faults.raise_any()
    return gates


def gate_error(text: str, why: str) -> UserError:
    """Return the error for a gate, with the reason."""
    return UserError(f"--fail-if {text!r} {why}")


def _threshold(text: str, number: str) -> float:
    """Parse the threshold of a gate.

    Raises UserError if it is negative, not finite or not a number.
    """
    if number.startswith("-"):
        raise gate_error(
            text,
            "has a negative threshold: write 'increase' instead of 'drop', or 'drop' instead of 'increase'",
        )
    if _NOT_FINITE.fullmatch(number):
        raise gate_error(text, "has a threshold that is not finite: write a number")
    if not _NUMBER.fullmatch(number):
        raise gate_error(text, f"is not a gate: {FORM}")
    threshold = float(number)
    if not isfinite(threshold):
        raise gate_error(
            text, "has a threshold that is too large: write a smaller number"
        )
    return threshold


def _check_unit(gate: Gate, number: str, unit: str | None) -> None:
    """Raise UserError if the unit is missing or does not fit the metric."""
    condition = f"{gate.metric}_{gate.direction}>{number}"
    if gate.metric == "accuracy" and unit is None:
        raise gate_error(
            gate.text,
            f"has no unit: write '{condition}pt' for percentage points, or '{condition}%' for per cent of base",
        )
    if is_tau(gate.metric) and unit is not None:
        raise gate_error(
            gate.text,
            "has a unit, but τ has none: write, for example, 'tau_drop>0.05'",
        )
    if _is_cost(gate.metric) and unit == "pt":
        raise gate_error(
            gate.text,
            f"is in points, which only accuracy has: write '{condition}' for a number, or '{condition}%' for per "
            f"cent of base",
        )


def _check_reachable(gate: Gate) -> None:
    """Raise UserError for a threshold that no change can exceed."""
    if gate.relative and gate.direction == "drop":
        most = 100.0
        reason = "no value can drop by more than 100 % of base"
    elif gate.metric == "accuracy" and not gate.relative:
        most = 100.0
        reason = "accuracies are between 0 and 100 points"
    elif is_tau(gate.metric):
        most = 2.0
        reason = "τ is between -1 and 1"
    else:
        return
    if gate.threshold >= most:
        raise gate_error(
            gate.text, f"can never fail, because {reason}: lower the threshold"
        )


def is_tau(metric: str) -> bool:
    """Return whether a metric is a rank correlation."""
    return metric == "tau" or metric.startswith("tau_")


def _is_cost(metric: str) -> bool:
    """Return whether a metric is a count or a time, in total or of one phase."""
    names = (*COUNTS, "seconds")
    return metric in names or metric.endswith(tuple(f"_{name}" for name in names))
