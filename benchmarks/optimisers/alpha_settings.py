"""The settings of every optimiser that learns alphas, and what they build."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import PositiveInt, model_validator

from archselect.benchmarks.optimisers.penalties.adjusted_proximity import (
    AdjustedProximity,
)
from archselect.benchmarks.optimisers.penalties.admm import Admm
from archselect.benchmarks.optimisers.penalties.base import Penalty
from archselect.benchmarks.optimisers.penalties.beta_decay import BetaDecay
from archselect.benchmarks.optimisers.penalties.proximity import Proximity
from archselect.benchmarks.optimisers.penalties.registry import PENALTIES, get_penalty
from archselect.benchmarks.optimisers.schedules import Schedule, get_schedule
from archselect.benchmarks.optimisers.settings import CommonSettings
from archselect.benchmarks.store.facts import Settings
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.activation import Activation, get_activation
from archselect.nasbench_adapters.setting_types import NonNegative

RELEASED_PERIOD = 9
"""Steps of the alphas between two renewals of ADMM in DARTS-PRIME's released code."""


class WeighedPenalty(NamedTuple):
    """A penalty and by how much it is multiplied."""

    penalty: Penalty
    weight: float


class AlphaSettings(CommonSettings):
    """Settings of how alphas are read, when they are stepped, and what penalises them.

    Each choice goes with every other one, and with every space.

    Settings:
        activation: from alphas to weights: "softmax", or "crb" (clamp to [0, 1], where
            operations do not compete and may die; DARTS-PRIME).
        schedule: when the alphas are stepped: "every" `schedule_steps`-th batch, or
            "informed" by the weights' gradients (DARTS-PRIME), which takes about one in
            1 + `schedule_steps`.
        schedule_steps: s of the schedule.
        proximity: penalty on the distance to the discrete architecture: "none", "prox",
            "proxadj" or "admm" (DARTS-PRIME).
        rho: weight of that penalty.
        decay: weight of beta-DARTS' penalty after the last epoch; 0 for none.
        penalty: a penalty of the user's own, FILE.py:CLASS, or of an installed package;
            empty for none.
        penalty_weight: what it is multiplied by; 0 leaves it out.
        as_released: whether the faults of released code are kept: in the informed
            schedule the second batch's gradient replaces the first in the average, and
            ADMM renews after 9 steps in place of 10.
    """

    activation: Literal["softmax", "crb"] = "softmax"
    schedule: Literal["every", "informed"] = "every"
    schedule_steps: PositiveInt = 1
    proximity: Literal["none", "prox", "proxadj", "admm"] = "none"
    rho: NonNegative = 0.1
    decay: NonNegative = 0.0
    penalty: str = ""
    penalty_weight: NonNegative = 1.0
    as_released: bool = False

    @model_validator(mode="after")
    def _check_alphas(self) -> AlphaSettings:
        """Return the settings.

        Raises UserError for an unknown penalty, one that has settings here, and initial
        alphas that the activation does not have.
        """
        if self.penalty in PENALTIES:
            raise UserError(
                f"penalty {self.penalty!r} is archselect's own: "
                f"set {PENALTIES[self.penalty].setting} in place of penalty"
            )
        if self.penalty:
            get_penalty(self.penalty)
        if self.alpha_mean and not self.build_activation().sums_to_one:
            raise UserError(
                f"activation {self.activation!r} has initial alphas of 1/K: "
                "set alpha_mean = 0"
            )
        return self

    def settings(self) -> Settings:
        """Return the settings that a supernet made this way depends on.

        A penalty of the user's own stands there by its name: the supernet's source has
        the hash of its file.
        """
        settings = super().settings()
        if self.penalty:
            settings["penalty"] = get_penalty(self.penalty).name
        return settings

    def build_activation(self) -> Activation:
        """Return the activation."""
        return get_activation(self.activation)

    def build_schedule(self) -> Schedule:
        """Return the schedule."""
        schedule = get_schedule(self.schedule)
        return schedule(self.schedule_steps, self.as_released)

    def build_penalties(self) -> list[WeighedPenalty]:
        """Return the penalties, of which there may be none."""
        penalties = self._proximity_penalties()
        if self.decay:
            penalties.append(WeighedPenalty(BetaDecay(decay=self.decay), 1.0))
        if self.penalty and self.penalty_weight:
            penalty = get_penalty(self.penalty)()
            penalties.append(WeighedPenalty(penalty, self.penalty_weight))
        return penalties

    def _proximity_penalties(self) -> list[WeighedPenalty]:
        """Return the penalty that `proximity` names, if any."""
        match self.proximity:
            case "none":
                return []
            case "prox":
                penalty: Penalty = Proximity(rho=self.rho)
            case "proxadj":
                penalty = AdjustedProximity(rho=self.rho)
            case "admm":
                period = RELEASED_PERIOD if self.as_released else Admm().period
                penalty = Admm(rho=self.rho, period=period)
        return [WeighedPenalty(penalty, 1.0)]
