"""SemiNAS (Luo et al., NeurIPS 2020, algorithm 1): learn without rewards, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.setting_types import Architectures, Batches, Epochs
from archselect.nasbench_adapters.space import Architecture
from archselect.selectors.base import Search, Selection, Task
from archselect.selectors.predicting import PredictingSelector
from archselect.selectors.predictors.base import Predictor
from archselect.selectors.predictors.candidates import (
    draw_unseen,
    improve_best,
    rank_unseen,
    take_unseen,
)
from archselect.selectors.predictors.self_training import (
    count_examples,
    fit_rewards,
    fit_with_pseudo_labels,
)


class SemiNas(PredictingSelector):
    """Train a predictor on rewards and on its own predictions, query proposals, repeat.

    It makes labels + iterations x new queries (released code: 1,100 + 3 x 300) and
    leaves the rest of the budget unused. Rewards are standardised by the mean and
    deviation of the training examples. If only a part of the space has rewards, that
    part is ranked, whatever `propose` says.

    Settings:
        labels: number of random architectures queried first.
        iterations, new: number of rounds, and number of queries per round.
        pseudo: number of architectures without a reward that the predictor labels and
            then learns from (pseudo-labels).
        pretrain_epochs: epochs of each round's training on rewards only.
        epochs: epochs of a round's second training; 0 skips it ("pretrained only").
        semi: whether that uses pseudo-labels; false is the supervised control.
        matched_steps: whether the control takes as many optimiser steps as training
            with pseudo-labels; if false, as many epochs, which are far fewer steps.
        filter: smallest reward of a first architecture to learn from; None for all. The
            released code knows the rewards before it draws (90 % on NAS-Bench-101);
            here an architecture below the limit costs a query.
        dedupe: what is queried once: a "class" of equals, or a "text" (as released).
        propose: "decode" moves the 100 best up the gradient of the predicted value and
            decodes them; "pool" ranks candidates as `predictor-search` does.
        predictor: "epd" (the paper's), "ridge" (can only rank), or FILE.py:CLASS.
    """

    name: ClassVar[str] = "seminas"
    summary: ClassVar[str] = (
        "queries architectures that a semi-supervised predictor proposes"
    )
    paper: ClassVar[str] = "Luo et al., SemiNAS, NeurIPS 2020, arXiv 2002.10389"
    formulation: ClassVar[int] = 1
    small: ClassVar[Mapping[str, object]] = {
        "labels": 5,
        "iterations": 1,
        "new": 3,
        "pseudo": 20,
        "pretrain_epochs": 2,
        "epochs": 2,
    }

    labels: Architectures = 100
    iterations: Batches = 2
    new: Architectures = 100
    pseudo: Architectures = 10_000
    pretrain_epochs: Epochs = 1_000
    epochs: Epochs = 500
    semi: bool = True
    matched_steps: bool = True
    filter: float | None = None
    dedupe: Literal["class", "text"] = "class"
    propose: Literal["decode", "pool"] = "decode"
    predictor: str = "epd"

    def model_post_init(self, context: object) -> None:
        """Raise UserError for settings that contradict each other."""
        super().model_post_init(context)
        if self.propose == "decode" and not self.predictor_class.proposes:
            raise UserError(f'"{self.predictor}" can only rank: set propose = "pool"')
        if self.semi and not self.matched_steps:
            raise UserError("matched_steps needs the supervised control: semi = false")

    def select(self, task: Task) -> Selection:
        """Return the architecture with the best reward of all queries."""
        search = task.search()
        predictor = self.new_predictor(task)
        with search.spending():
            labelled = self._query_first(search)
            for _ in range(self.iterations):
                if not search.queries.left:
                    break
                others = draw_unseen(search, self.pseudo, task.rng)
                self._train(predictor, labelled, others)
                for proposal in self._propose(search, predictor, labelled, others):
                    asked = search.queries.asked_as(proposal)
                    labelled[asked] = search.query(asked)
        return search.selection(search.best_architecture())

    def _query_first(self, search: Search) -> dict[Architecture, float]:
        """Return the rewards of the first architectures that reach `filter`."""
        labelled: dict[Architecture, float] = {}
        while len(labelled) < self.labels:
            asked = search.queries.asked_as(search.draw())
            reward = search.query(asked)
            if self.filter is None or reward >= self.filter:
                labelled[asked] = reward
        return labelled

    def _train(
        self,
        predictor: Predictor,
        labelled: Mapping[Architecture, float],
        others: list[Architecture],
    ) -> None:
        """Train on rewards, then with pseudo-labels or as the supervised control."""
        fit_rewards(predictor, labelled, self.pretrain_epochs)
        if not self.epochs:
            return
        if self.semi:
            fit_with_pseudo_labels(predictor, labelled, others, self.epochs)
        elif self.matched_steps:
            examples = count_examples(labelled, others)
            fit_rewards(predictor, labelled, self.epochs, examples)
        else:
            fit_rewards(predictor, labelled, self.epochs)

    def _propose(
        self,
        search: Search,
        predictor: Predictor,
        labelled: Mapping[Architecture, float],
        others: list[Architecture],
    ) -> list[Architecture]:
        """Return the architectures to query next, none of them queried before."""
        if self.propose == "pool" or search.pool is not None:
            proposals = iter(rank_unseen(search, predictor, self.pseudo))
        else:
            proposals = improve_best(predictor, labelled, others)
        is_class = self.dedupe == "class"
        key = search.space.canonical if is_class else search.space.format
        return take_unseen(proposals, self.new, search.queries.answers, key)
