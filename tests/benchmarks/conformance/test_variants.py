"""The settings that the conformance kit tries a selector with."""

from typing import ClassVar, Literal

import pytest
from pydantic import Field, model_validator

from archselect.benchmarks.conformance.variants import variants_of
from archselect.nasbench_adapters.errors import UserError
from archselect.selectors.base import Selector
from archselect.selectors.operation_scores import OperationScores
from archselect.selectors.zero_cost_pt import ZeroCostPT


def test_settings_are_varied_to_all_values_they_can_have():
    for kind, few, settings in (
        (
            ZeroCostPT,
            8,
            {
                "order": set(ZeroCostPT.model_fields["order"].annotation.__args__),
                "norm": {"batch", "running"},
                "fresh_alphas": {False, True},
                "edges_restored": {False, True},
                "batch_size": {256, 2, 3, 4, 6},
                "iterations": {2},
            },
        ),
        (
            OperationScores,
            5,
            {
                "change": {"mask", "fix"},
                "rescore": {False, True},
                "norm": {"batch", "running"},
                "augment": {False, True},
                "edges_restored": {False, True},
                "batch_size": {256, 2, 3, 4, 6},
                "tune_epochs": {0, 1, 2, 4},
                "candidate_epochs": {0},
            },
        ),
    ):
        variants = [variant.selector for variant in variants_of(kind)]
        for name, values in settings.items():
            assert {getattr(selector, name) for selector in variants} == values
        assert variants[0] == kind(**kind.small)
        assert len(variants) <= few


class Picky(Selector):
    """Refuses settings that do not go together."""

    name: ClassVar[str] = "picky"
    summary: ClassVar[str] = "for tests"
    first: int = Field(1, ge=1, le=3)
    last: int = Field(7, ge=1)
    mode: Literal["a", "b"] = "a"
    share: float = Field(0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _order(self):
        if self.last <= self.first:
            raise ValueError("last comes after first")
        return self

    def select(self, task):
        raise NotImplementedError


def test_settings_that_do_not_go_together_are_varied_alone():
    made = [variant.selector for variant in variants_of(Picky)]
    assert {selector.first for selector in made} == {1, 2, 3}
    assert {selector.mode for selector in made} == {"a", "b"}
    assert {selector.share for selector in made} == {0, 0.5, 1}
    assert all(selector.last > selector.first for selector in made)


def test_a_setting_without_a_default_needs_one_for_checks():
    class Demanding(Picky):
        depth: int

    with pytest.raises(UserError, match=r"depth: Field required.*`small`"):
        variants_of(Demanding)

    class Content(Demanding):
        small: ClassVar[dict] = {"depth": 3}

    assert {variant.selector.depth for variant in variants_of(Content)} == {3}
