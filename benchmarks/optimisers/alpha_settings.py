"""The settings of every optimiser that learns alphas, and what they build."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import PositiveInt, model_validator

from archselect.benchmarks.optimisers.mixture_cost import (
    MixtureCost,
    open_mixture_cost,
)
from archselect.benchmarks.optimisers.penalties.adjusted_proximity import (
    AdjustedProximity,
)
from archselect.benchmarks.optimisers.penalties.admm import Admm
from archselect.benchmarks.optimisers.penalties.base import Penalty
from archselect.benchmarks.optimisers.penalties.beta_decay import BetaDecay
from archselect.benchmarks.optimisers.penalties.expected_cost import ExpectedCost
from archselect.benchmarks.optimisers.penalties.proximity import Proximity
from archselect.benchmarks.optimisers.penalties.registry import PENALTIES, get_penalty
from archselect.benchmarks.optimisers.penalties.registry import registry as penalties
from archselect.benchmarks.optimisers.penalties.zero_one import ZeroOne
from archselect.benchmarks.optimisers.schedules import Schedule, get_schedule
from archselect.benchmarks.optimisers.settings import CommonSettings
from archselect.benchmarks.store.facts import Settings
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.costs.classes import COUNTED
from archselect.nasbench_adapters.costs.opening import (
    open_cost,
    parse_cost,
    portable_text,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.activation import Activation, get_activation
from archselect.nasbench_adapters.setting_types import Epochs, NonNegative
from archselect.nasbench_adapters.space import SearchSpace

RELEASED_PERIOD = 9
"""Alpha steps between two updates of ADMM in DARTS-PRIME's released code."""


class WeighedPenalty(NamedTuple):
    """A penalty and its weight."""

    penalty: Penalty
    weight: float


class AlphaSettings(CommonSettings):
    """Settings for the activation, the schedule and the penalties of the alphas.

    The choices can be combined freely, in every space.

    Settings:
        activation: function from alphas to weights. "softmax"; "crb" (clamp to [0, 1]:
            operations do not compete, and can die; DARTS-PRIME); "sigmoid" (operations
            do not compete; FairDARTS); or "dirichlet" (elu(alpha) + 1, normalised to
            sum 1; DrNAS).
        schedule: when alphas are stepped. "every": every `schedule_steps`-th batch.
            "informed": depends on the gradients of the weights (DARTS-PRIME); about one
            in 1 + `schedule_steps` batches.
        schedule_steps: number s of the schedule.
        warmup_epochs: epochs before the first step of the alphas.
        proximity: penalty on the distance to the discrete architecture: "none", "prox",
            "proxadj" or "admm" (DARTS-PRIME).
        rho: weight of that penalty.
        decay: weight of beta-DARTS' penalty after the last epoch; 0 for none.
        zero_one: weight of FairDARTS' zero-one loss; 0 for none. The released code has
            10.
        zero_one_norm: norm of that loss, "l2" or "l1".
        cost: cost to penalise, such as "params", "macs" or
            "additive:TABLE/COLUMN@100" (:func:`.open_cost`); empty for none.
        cost_weight: weight of that penalty; 0 records the cost without a penalty.
        penalty: another penalty, from a file (FILE.py:CLASS) or an installed package;
            empty for none.
        penalty_weight: weight of that penalty; 0 for none.
        as_released: whether to reproduce two faults of DARTS-PRIME's released code: in
            the informed schedule, the second batch's gradient replaces the first in the
            average; and ADMM updates after 9 steps, not 10.
    """

    activation: Literal["softmax", "crb", "sigmoid", "dirichlet"] = "softmax"
    schedule: Literal["every", "informed"] = "every"
    schedule_steps: PositiveInt = 1
    warmup_epochs: Epochs = 0
    proximity: Literal["none", "prox", "proxadj", "admm"] = "none"
    rho: NonNegative = 0.1
    decay: NonNegative = 0.0
    zero_one: NonNegative = 0.0
    zero_one_norm: Literal["l2", "l1"] = "l2"
    cost: str = ""
    cost_weight: NonNegative = 0.0
    penalty: str = ""
    penalty_weight: NonNegative = 1.0
    as_released: bool = False

    @model_validator(mode="after")
    def _check_alphas(self) -> AlphaSettings:
        """Return the settings.

        Raises UserError for an unknown penalty, a penalty that has its own settings
        here, initial alphas that the activation does not allow, or a text that is no
        cost.
        """
        if self.penalty in PENALTIES:
            raise UserError(
                f"penalty {self.penalty!r} is built in: "
                f"set {PENALTIES[self.penalty].setting} instead of penalty"
            )
        if self.penalty:
            get_penalty(self.penalty)
        if self.alpha_mean and self.build_activation().starts_by_itself:
            raise UserError(
                f"activation {self.activation!r} starts with alphas of 1/K: "
                "set alpha_mean = 0"
            )
        if self.cost:
            parse_cost(self.cost)
        elif self.cost_weight:
            raise UserError(
                'cost_weight needs a cost: set cost, for example cost = "params"'
            )
        return self

    def settings(self) -> Settings:
        """Return the settings that determine a supernet.

        A penalty from a file is given by its name, and a cost without the folder of its
        file: the hash of the file's content is in the supernet's `source`. Without a
        warm-up or a zero-one loss, their settings are left out, so that ids of older
        supernets do not change.
        """
        settings = super().settings()
        if not self.warmup_epochs:
            del settings["warmup_epochs"]
        if not self.zero_one:
            del settings["zero_one"]
            del settings["zero_one_norm"]
        if self.cost:
            settings["cost"] = portable_text(self.cost)
        if self.penalty:
            settings["penalty"] = get_penalty(self.penalty).name
        return settings

    def build_activation(self) -> Activation:
        """Return the activation."""
        return get_activation(self.activation)

    def trains_alphas(self, progress: float) -> bool:
        """Return whether alphas may be stepped: not during the warm-up."""
        done = round(progress * self.epochs)
        return done >= min(self.warmup_epochs, self.epochs)

    def build_schedule(self) -> Schedule:
        """Return the schedule."""
        schedule = get_schedule(self.schedule)
        return schedule(self.schedule_steps, self.as_released)

    def sources(self, space: SearchSpace) -> list[str]:
        """Return the origins of a user's penalty, and of a cost from a table."""
        sources = []
        if self.penalty:
            source = penalties.source_of(get_penalty(self.penalty), self.penalty)
            if source is not None:
                sources.append(source)
        if self.cost and self.cost not in COUNTED:
            sources.append(open_cost(self.cost, space, NetworkShape()).origin)
        return sources

    def open_mixture_cost(
        self,
        space: SearchSpace,
        network: NetworkShape,
    ) -> MixtureCost | None:
        """Return the cost of mixtures; None without the setting."""
        return open_mixture_cost(self.cost, space, network) if self.cost else None

    def build_penalties(
        self,
        space: SearchSpace,
        network: NetworkShape,
    ) -> list[WeighedPenalty]:
        """Return the penalties of the alphas that the settings choose."""
        terms = self._proximity_penalties()
        cost = self.open_mixture_cost(space, network)
        if cost is not None and self.cost_weight:
            expected = ExpectedCost(cost=cost, cost_weight=self.cost_weight)
            terms.append(WeighedPenalty(expected, 1.0))
        if self.decay:
            terms.append(WeighedPenalty(BetaDecay(decay=self.decay), 1.0))
        if self.zero_one:
            loss = ZeroOne(zero_one=self.zero_one, norm=self.zero_one_norm)
            terms.append(WeighedPenalty(loss, 1.0))
        if self.penalty and self.penalty_weight:
            penalty = get_penalty(self.penalty)()
            terms.append(WeighedPenalty(penalty, self.penalty_weight))
        return terms

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
