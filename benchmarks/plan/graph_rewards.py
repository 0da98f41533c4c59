"""Rewards that train graph networks: their plans and their checks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from archselect.benchmarks.plan.parts import DataPart, TrainingReward
from archselect.benchmarks.store.facts import content_id
from archselect.benchmarks.store.records import Counts, TrainedInputs
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.graphs import check_graph, load_graph
from archselect.nasbench_adapters.networks.graph.library import check_installed
from archselect.nasbench_adapters.networks.graph.network import (
    FORMULATION,
    GraphNetworkSettings,
    check_graph_space,
)
from archselect.nasbench_adapters.networks.graph.training import GraphTrainingSettings
from archselect.nasbench_adapters.spaces import get_space


def describe_trained(reward: TrainingReward, checksum: str) -> TrainedInputs:
    """Return the description, for a record, of how queries train networks.

    Args:
        reward: the reward of the study.
        checksum: checksum of the graph.
    """
    settings = reward.model_dump(exclude={"source", "report"})
    return TrainedInputs(**settings, checksum=checksum, formulation=FORMULATION)


@dataclass(frozen=True)
class PlannedReport:
    """The trainings from scratch whose test accuracy a study reports.

    Attributes:
        id: hash of the data and of everything that determines the trainings, except
            architecture and seed.
        data: name of the study's data. Tables compare runs on the same data.
        space: name of the space.
        graph: name of the graph.
        checksum: checksum of the graph.
        network: settings of the networks.
        training: settings of each training.
        seeds: one training per seed.
    """

    id: str
    data: str
    space: str
    graph: str
    checksum: str
    network: GraphNetworkSettings
    training: GraphTrainingSettings
    seeds: tuple[int, ...]


def plan_report(data: DataPart, space: str, checksum: str) -> PlannedReport | None:
    """Return how queried architectures are trained for the report; None for no report.

    Args:
        data: the data of the study.
        space: name of the space.
        checksum: checksum of the graph.
    """
    reward = data.reward
    if not isinstance(reward, TrainingReward) or reward.report is None:
        return None
    epochs = reward.report.epochs
    described = describe_trained(reward, checksum)
    alone = described.model_copy(update={"sharing": "none", "epochs": epochs})
    return PlannedReport(
        id=content_id([alone.model_dump(), space, data.name]),
        data=data.name,
        space=space,
        graph=reward.graph,
        checksum=checksum,
        network=reward.network,
        training=reward.training(epochs),
        seeds=tuple(reward.report.seeds),
    )


def count_queries(data: DataPart) -> Counts:
    """Return the passes that the queries of one run make, without FLOPs and images.

    Queries that are looked up make no passes.
    """
    reward = data.reward
    if not isinstance(reward, TrainingReward) or data.queries is None:
        return Counts()
    return Counts(
        forwards=data.queries * (reward.epochs + 1),
        backwards=data.queries * reward.epochs,
    )


def read_checksum(data: DataPart, data_dir: Path | None) -> str:
    """Return the checksum of the graph that a reward trains on; empty if there is none.

    Raises UserError if the graph is missing or damaged.
    """
    if not isinstance(data.reward, TrainingReward):
        return ""
    return load_graph(data.reward.graph, data_dir).checksum


def check_training_reward(where: str, reward: TrainingReward, space: str) -> None:
    """Raise UserError unless a space has networks that a reward can train.

    Args:
        where: place of the data in the study.
        reward: the reward that trains networks.
        space: name of the space.
    """
    known = get_space(space)
    try:
        check_graph_space(known)
    except UserError as error:
        raise UserError(
            f"{where}: its 'reward' trains graph networks: {error}"
        ) from error
    if reward.hidden % reward.heads:
        raise UserError(
            f"{where}: 'hidden' ({reward.hidden}) must be a multiple of 'heads' ({reward.heads})"
        )


def check_graph_of(data: DataPart, data_dir: Path | None) -> None:
    """Raise UserError if a reward needs a graph or a library that is missing."""
    if isinstance(data.reward, TrainingReward):
        check_installed()
        check_graph(data.reward.graph, data_dir)
