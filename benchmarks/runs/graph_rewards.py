"""Rewards that train graph networks, and the trainings for the report."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean

from archselect.benchmarks.plan.graph_rewards import PlannedReport
from archselect.benchmarks.plan.parts import TrainingReward
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.benchmarks.store.records import Accuracy, Landscape
from archselect.nasbench_adapters.networks.graph.network import (
    GraphNetwork,
    GraphNetworkSettings,
)
from archselect.nasbench_adapters.networks.graph.sharing import new_sharing
from archselect.nasbench_adapters.networks.graph.training import (
    GraphOnDevice,
    GraphTrainingSettings,
    count_right_nodes,
    new_graph_network,
    train_graph_network,
)
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.selectors.base import Selection
from archselect.selectors.queries import Queries

SPLIT_TO_CHOOSE = "valid"
SPLIT_TO_REPORT = "test"
_MOST_KEPT = 100_000
"""The maximal number of accuracies that a process caches for later runs."""


class TrainedReward:
    """The validation accuracy of a graph network that each query trains.

    The weights that a network inherits depend on the queries before it. A resumed run
    has the answers of earlier queries, but not their weights. Before its first new
    query, it therefore repeats the earlier trainings in the same order, and gets the
    same weights. A run without sharing needs no repetition.

    Args:
        space: the space `nbgraph`.
        reward: how networks are trained, and what they share.
        graph: the graph whose nodes they classify.
        queries: the account of the run, which has its queries in order.
        seed: seed of initial weights and dropout; the same for all networks of the run.
        clock: clock that times each query as a call of phase "query", and repeated
            trainings as phase "rebuild". It counts the passes of queries.
    """

    def __init__(
        self,
        space: SearchSpace,
        reward: TrainingReward,
        graph: GraphOnDevice,
        queries: Queries,
        seed: int,
        clock: PhaseClock,
    ) -> None:
        self._space = space
        self._reward = reward
        self._graph = graph
        self._queries = queries
        self._seed = seed
        self._clock = clock
        self._sharing = new_sharing(reward.sharing)
        self._trained = 0

    def __call__(self, architecture: Architecture) -> float:
        """Train the network of an architecture; return its accuracy in per cent."""
        if self._sharing.remembers:
            earlier = list(self._queries.answers)
            for missing in earlier[self._trained :]:
                with self._clock.phase("rebuild"):
                    self._train(missing)
        with self._clock.phase("query"):
            network = self._train(architecture)
            right = count_right_nodes(network, self._graph, SPLIT_TO_CHOOSE)
            epochs = self._reward.epochs
            self._clock.count(forwards=epochs + 1, backwards=epochs)
        return 100 * right / len(self._graph.part(SPLIT_TO_CHOOSE))

    def _train(self, architecture: Architecture) -> GraphNetwork:
        """Train a network that inherits weights, and store its weights."""
        reward = self._reward
        network = new_graph_network(
            self._space, architecture, reward.network, self._graph, self._seed
        )
        self._sharing.lend(network)
        settings = reward.training(reward.epochs)
        train_graph_network(network, self._graph, settings, self._seed)
        self._sharing.keep(network)
        self._trained += 1
        return network


def report_accuracy(
    report: PlannedReport,
    space: SearchSpace,
    graph: GraphOnDevice,
    selection: Selection,
) -> Accuracy:
    """Return the test accuracies of all queried architectures, trained from scratch.

    Args:
        report: how they are trained.
        space: space of the architectures.
        graph: the graph whose nodes they classify.
        selection: selection of the run.
    """

    def train(architecture: Architecture) -> list[float]:
        architecture = space.canonical(architecture)
        return [
            _test_accuracy(
                space, architecture, report.network, report.training, graph, seed
            )
            for seed in report.seeds
        ]

    trials = train(selection.architecture)
    scored: list[float | None] = []
    for architecture, _ in selection.architecture_scores:
        scored.append(fmean(train(architecture)))
    return Accuracy(
        landscape=report.id,
        source="trained",
        trials=trials,
        trial_seeds=[str(seed) for seed in report.seeds],
        mean=fmean(trials),
        rank=None,
        scored=scored,
    )


@lru_cache(maxsize=_MOST_KEPT)
def _test_accuracy(
    space: SearchSpace,
    architecture: Architecture,
    settings: GraphNetworkSettings,
    training: GraphTrainingSettings,
    graph: GraphOnDevice,
    seed: int,
) -> float:
    """Return the test accuracy of one training from scratch, in per cent."""
    # Use another seed than the queries, so that the report is independent of the
    # reward.
    seed = stream_seed("reported trainings", seed)
    network = new_graph_network(space, architecture, settings, graph, seed)
    train_graph_network(network, graph, training, seed)
    right = count_right_nodes(network, graph, SPLIT_TO_REPORT)
    return 100 * right / len(graph.part(SPLIT_TO_REPORT))


def reported_landscape(report: PlannedReport) -> Landscape:
    """Return the landscape of a report's trainings, without statistics of the space."""
    return Landscape(
        id=report.id,
        truth=f"trained from scratch on {report.graph}",
        space=report.space,
        dataset=report.data,
        split=SPLIT_TO_REPORT,
        epochs=report.training.epochs,
        origin="graph networks trained by archselect, test accuracy after the last epoch",
        checksum=report.checksum,
        architectures=0,
        trials=len(report.seeds),
        quantiles=[],
        mean=None,
        std=None,
        optimum=None,
        optimum_architecture=None,
        oracle_best=[],
        oracle_mean=[],
        noise_std=None,
        ceiling_single=None,
        ceiling_half=None,
    )


def reports_of(reports: Sequence[PlannedReport | None]) -> list[PlannedReport]:
    """Return the reports without None, one per id, in order."""
    by_id = {report.id: report for report in reports if report is not None}
    return list(by_id.values())
