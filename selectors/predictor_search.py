"""Search by a predictor: query those architectures that it predicts to be best."""

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
    """Random architectures first, then batches of those that are predicted to be best.

    After each batch the predictor learns from all that was queried. It ranks the pool
    where the reward knows a part of the space, else the whole space, or a random sample
    of one with more than 200,000 architectures. Where a query costs a class, it ranks
    the classes. Of equal predictions the first in the order of the space comes first.
    The best by reward is selected.

    Settings:
        first: random architectures.
        batch: architectures queried between two fits.
        predictor: "ridge" is a regression on the choices of edges and of pairs of
            edges; "epd" is the network of SemiNAS; or one of the user's own,
            FILE.py:CLASS.
        epochs: of each training; "ridge" is solved for and needs none.
        sampled: architectures drawn to be ranked, where the space is not ranked as a
            whole.
    """

    name: ClassVar[str] = "predictor-search"
    summary: ClassVar[str] = (
        "queries in batches what a predictor ranks highest, after a random start"
    )
    formulation: ClassVar[int] = 1
    small: ClassVar[Mapping[str, object]] = {"first": 5, "batch": 5, "sampled": 50}

    first: Architectures = 20
    batch: Architectures = 10
    epochs: EpochsFromOne = 100
    sampled: Architectures = 10_000

    def select(self, task: Task) -> Selection:
        """See :class:`PredictorSearch`."""
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
        """Return the next batch: the best predicted of what is not queried, in order.

        It is empty where everything is queried.
        """
        fit_rewards(predictor, search.queries.answers, self.epochs)
        return rank_unseen(search, predictor, self.sampled)[: self.batch]
