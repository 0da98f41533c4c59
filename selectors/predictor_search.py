"""Search with a predictor: query the architectures that it predicts to be best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from archselect.nasbench_adapters.setting_types import Architectures, EpochsFromOne
from archselect.nasbench_adapters.space import Architecture
from archselect.selectors.base import Selection, Task
from archselect.selectors.predicting import PredictingSelector
from archselect.selectors.predictors.base import Predictor
from archselect.selectors.predictors.candidates import rank_unseen
from archselect.selectors.predictors.self_training import fit_rewards
from archselect.selectors.search import Search


class PredictorSearch(PredictingSelector):
    """Query random architectures, then batches of those with the best predictions.

    After each batch the predictor learns from all queries so far. It ranks the pool if
    only a part of the space has rewards. Otherwise it ranks the whole space, or a
    random sample of a space with more than 200,000 architectures. Where classes are
    counted, it ranks one architecture per class. Ties keep the order of the space. The
    architecture with the best reward is selected.

    Settings:
        first: number of random architectures at the start.
        batch: number of architectures queried between two fits.
        predictor: "ridge" is a regression on the choices of edges and of pairs of
            edges; "epd" is the network of SemiNAS; FILE.py:CLASS is a class in your
            file.
        epochs: epochs of each training; "ridge" has a closed form and ignores them.
        sampled: number of architectures drawn and ranked, if the space is too large to
            rank as a whole.
    """

    name: ClassVar[str] = "predictor-search"
    summary: ClassVar[str] = (
        "starts at random, then queries batches of the architectures that a predictor ranks highest"
    )
    formulation: ClassVar[int] = 1
    small: ClassVar[Mapping[str, object]] = {"first": 5, "batch": 5, "sampled": 50}

    first: Architectures = 20
    batch: Architectures = 10
    epochs: EpochsFromOne = 100
    sampled: Architectures = 10_000

    def select(self, task: Task) -> Selection:
        """Return the architecture with the best reward of all queries."""
        search = task.search()
        queries = search.queries
        predictor = self.new_predictor(task)
        with search.spending():
            while len(queries.answers) < self.first:
                search.query(search.draw())
            while queries.left:
                batch = self._best_unseen(search, predictor)
                if not batch:
                    break
                for architecture in batch:
                    search.query(architecture)
        return search.selection(search.best_architecture())

    def _best_unseen(self, search: Search, predictor: Predictor) -> list[Architecture]:
        """Return the next batch: the best predictions among unqueried architectures.

        It is in order, best first, and empty if everything has been queried.
        """
        fit_rewards(predictor, search.queries.answers, self.epochs)
        return rank_unseen(search, predictor, self.sampled)[: self.batch]
