"""Optimisers by name."""

import pytest

from archselect.benchmarks.optimisers.registry import OPTIMISERS, get_optimiser
from archselect.nasbench_adapters.errors import UserError


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_is_found_by_its_own_name_and_says_what_it_is(name):
    optimiser = get_optimiser(name)
    assert optimiser.name == name
    assert optimiser.summary and len(optimiser.summary.splitlines()) == 1
    assert optimiser.__doc__
    assert optimiser().model_dump() == {key: field.default for key, field in optimiser.model_fields.items()}
    assert set(optimiser().settings()) <= set(optimiser.model_fields)


def test_an_unknown_name_is_met_with_the_nearest():
    with pytest.raises(UserError, match="did you mean 'sdarts-rs'"):
        get_optimiser("sdarts_rs")
