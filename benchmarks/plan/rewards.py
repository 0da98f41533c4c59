"""The rewards of a study, which answer queries, and their checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from archselect.benchmarks.plan.costs import PlannedCost
from archselect.benchmarks.plan.graph_rewards import (
    check_training_reward,
    describe_trained,
)
from archselect.benchmarks.plan.parts import (
    CostPart,
    DataPart,
    Reward,
    SpacePart,
    SupernetReward,
    TableReward,
    TrainingReward,
    TruthPart,
)
from archselect.benchmarks.plan.study import Pair, Study
from archselect.benchmarks.store.records import Landscape, RewardInputs
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.base import ALPHAS, SUPERNET


class PlannedReward(NamedTuple):
    """What answers the queries of a run.

    Attributes:
        reward: the reward as the study writes it.
        inputs: the description of the reward in a record.
    """

    reward: Reward
    inputs: RewardInputs

    @property
    def part(self) -> TruthPart | None:
        """The column of a ground truth; None for a reward that is measured."""
        return part_of(self.reward)

    @property
    def queries(self) -> int:
        """The query budget of a run."""
        return self.inputs.queries


def part_of(reward: Reward | None) -> TruthPart | None:
    """Return the column of a ground truth that a reward looks up; None for others."""
    return reward.part if isinstance(reward, TableReward) else None


def reward_parts(study: Study) -> list[TruthPart]:
    """Return the columns of ground truths that serve as rewards of a study."""
    parts = [part_of(data.reward) for data in study.data]
    return [part for part in parts if part is not None]


TRAINING = "training"
"""Name of the cost of training the queried architectures."""
SECONDS = "s"
"""Unit of that cost."""


def training_costs(data: DataPart) -> list[CostPart]:
    """Return the cost of training a queried architecture, if the study names one."""
    reward = data.reward
    if not isinstance(reward, TableReward) or reward.seconds is None:
        return []
    return [CostPart(name=TRAINING, of=reward.seconds)]


def check_training_costs(
    planned: Sequence[PlannedCost], data: DataPart, costs: Sequence[CostPart]
) -> None:
    """Raise UserError unless the cost of training is in seconds, with an unused name.

    Args:
        planned: costs of the runs on the data.
        data: the data of the study.
        costs: costs that the study lists.
    """
    if not training_costs(data):
        return
    if any(cost.name == TRAINING for cost in costs):
        raise UserError(
            f"costs: the name '{TRAINING}' is taken by the reward's 'seconds': choose another name"
        )
    for cost in planned:
        if cost.name == TRAINING and cost.unit != SECONDS:
            raise UserError(
                f"reward of data '{data.name}': 'seconds' opens a cost in {cost.unit}; it must be in {SECONDS}"
            )


def plan_reward(
    data: DataPart,
    space: SpacePart,
    landscapes: Mapping[TruthPart, Landscape],
    checksum: str = "",
) -> PlannedReward | None:
    """Return the reward of runs on a data set and space; None if there is none.

    Args:
        data: the data of the study.
        space: the space of the study. Ground truths of other spaces are no rewards of
            it.
        landscapes: the landscapes of the ground truths.
        checksum: checksum of the graph on which a reward trains networks.
    """
    reward = data.reward
    if reward is None or data.queries is None:
        return None
    part = part_of(reward)
    landscape = None
    if part is not None:
        if landscapes[part].space != space.name:
            return None
        landscape = landscapes[part].id
    training = None
    if isinstance(reward, TrainingReward):
        training = describe_trained(reward, checksum)
    inputs = RewardInputs(
        source="table" if isinstance(reward, TableReward) else reward.source,
        landscape=landscape,
        trial=reward.trial if isinstance(reward, TableReward) else None,
        norm=reward.norm if isinstance(reward, SupernetReward) else None,
        counting=data.counting,
        queries=data.queries,
        is_reported=data.reward_is_reported,
        training=training,
    )
    return PlannedReward(reward, inputs)


# --- checks before anything runs


def check_rewards(study: Study) -> None:
    """Raise UserError for a reward that is missing, incomplete or unused.

    Reads only the study; :func:`check_reward_columns` checks the ground truths.
    """
    faults = Faults()
    for place, data in enumerate(study.data):
        where = f"data.{place}"
        with faults.collect():
            _check_keys(where, data)
        pairs = [pair for pair in study.pairs() if pair.selector.queries]
        on_it = [pair for pair in pairs if _is_on_data(pair, study, data)]
        if data.reward is not None and not on_it:
            faults.add(
                UserError(
                    f"{where}: no selector of the study uses its 'reward': add one, such as random-search"
                )
            )
        for pair in on_it:
            with faults.collect():
                _check_pair(where, data, pair)
        if isinstance(data.reward, TrainingReward):
            for space in study.spaces:
                with faults.collect():
                    check_training_reward(where, data.reward, space.name)
    faults.raise_any()


def _check_keys(where: str, data: DataPart) -> None:
    """Raise UserError if a key needs a reward and there is none, or the reverse."""
    if data.reward is None:
        given = {
            "queries": data.queries is not None,
            "counting": data.counting != "classes",
            "reward_is_reported": data.reward_is_reported,
        }
        for key, is_given in given.items():
            if is_given:
                raise UserError(
                    f"{where}: '{key}' needs a 'reward', which answers the queries"
                )
        return
    if data.queries is None:
        raise UserError(
            f"{where}: 'reward' needs 'queries', the query budget of each selector"
        )
    part = part_of(data.reward)
    if part in data.truth and not data.reward_is_reported:
        raise _reported(where)


def _is_on_data(pair: Pair, study: Study, data: DataPart) -> bool:
    """Return whether a pair has runs on a data set."""
    return any(pair.is_of(space, data) for space in study.spaces)


def _check_pair(where: str, data: DataPart, pair: Pair) -> None:
    """Raise UserError unless a selector with queries has a usable reward."""
    if data.reward is None:
        raise UserError(
            f"selector {pair.label} needs rewards: give {where} a 'reward' and 'queries'"
        )
    if isinstance(data.reward, SupernetReward) and pair.supernet is None:
        raise UserError(
            f"selector {pair.label} needs a supernet: the 'reward' of {where} is \"supernet\": name one in its 'on'"
        )


def check_reward_columns(
    study: Study, landscapes: Mapping[TruthPart, Landscape]
) -> None:
    """Raise UserError for a reward that is also reported, or does not fit a selector.

    Args:
        study: the study to run.
        landscapes: the landscapes of the ground truths, including those of rewards.
    """
    faults = Faults()
    for place, data in enumerate(study.data):
        part = part_of(data.reward)
        if part is None:
            continue
        reward = landscapes[part]
        is_reported = reward.id in [landscapes[truth].id for truth in data.truth]
        if is_reported and not data.reward_is_reported:
            faults.add(_reported(f"data.{place}"))
        if data.reward_is_reported and not is_reported:
            faults.add(
                UserError(
                    f"data.{place}: remove 'reward_is_reported': no 'truth' is the column of the reward"
                )
            )
        for space in study.spaces:
            for pair in study.pairs_on(space, data):
                with faults.collect():
                    _check_landscape(pair, space, reward)
    faults.raise_any()


def _check_landscape(pair: Pair, space: SpacePart, reward: Landscape) -> None:
    """Raise UserError unless a reward can answer all queries of a selector."""
    if not pair.selector.queries:
        return
    if reward.space != space.name:
        raise UserError(
            f"selector {pair.label} on space {space.name}: reward '{reward.truth}' is of space {reward.space}"
        )
    if reward.space_size is None or reward.surrogate:
        return
    if not pair.selector.build().queries_pool:
        raise UserError(
            f"selector {pair.label} may query any architecture of {space.name}, but reward '{reward.truth}' has "
            f"{reward.architectures:,} of {reward.space_size:,}: use a selector that queries only search.pool, such as "
            "random-search"
        )


def _reported(where: str) -> UserError:
    return UserError(
        f"{where}: 'reward' and 'truth' are the same column, so selectors would be judged by the accuracies that they "
        "query: use another column, or set reward_is_reported = true, which every table then states"
    )


def check_supernets_of_selectors(study: Study) -> None:
    """Raise UserError for a selector that needs a supernet and has none."""
    faults = Faults()
    for pair in study.pairs():
        needs = pair.selector.build().needs
        if pair.supernet is None and needs & {SUPERNET, ALPHAS}:
            faults.add(
                UserError(
                    f"selector {pair.label} needs a supernet: name one in its 'on', or add [[supernets]]"
                )
            )
    faults.raise_any()


def check_spaces_of_supernets(study: Study) -> None:
    """Raise UserError for a supernet on a space without supernets."""
    faults = Faults()
    for space in _without_supernet(study.spaces):
        for data in study.data:
            for pair in study.pairs_on(space, data):
                with faults.collect():
                    _check_space_of_pair(space, pair)
    faults.raise_any()


def _check_space_of_pair(space: SpacePart, pair: Pair) -> None:
    """Raise UserError if a pair has a supernet but its space has none."""
    if pair.supernet is None:
        return
    known = get_space(space.name)
    known.check_needs(pair.label, pair.selector.build().needs)
    raise UserError(
        f"space {space.name} has no supernet: for selector {pair.label}, set on = [], or remove the space from "
        f"the 'spaces' of supernet {pair.supernet.label}"
    )


def _without_supernet(spaces: Sequence[SpacePart]) -> list[SpacePart]:
    """Return the spaces that have no supernet."""
    return [space for space in spaces if not get_space(space.name).has_supernet]
