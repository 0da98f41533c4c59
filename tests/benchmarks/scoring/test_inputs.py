"""What a scoring refuses before anything is scored."""

import pytest

from archselect.benchmarks.scoring.inputs import scoring_inputs
from archselect.benchmarks.scoring.populations import populate
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space

NB201 = get_space("nb201")
SMALL = {"channels": 4, "cells": 1, "reduction": "pool"}


def inputs_of(population, proxies, **settings):
    settings = {"data": "digits", "skeleton": SMALL, "batch_size": 8, **settings}
    return scoring_inputs(population, proxies, **settings)


@pytest.mark.parametrize(
    ("proxies", "change", "message"),
    [
        (("nwto",), {}, "did you mean 'nwot'"),
        (("naswot",), {}, "unknown proxy 'naswot': did you mean 'nwot'"),
        (("nwot", "nwot"), {}, "name each proxy once"),
        (("nwot",), {"batch_size": 5000}, "a batch of 5000 does not fit"),
        (("nwot",), {"skeleton": {"chanels": 3}}, "did you mean 'channels'"),
        (("nwot",), {"data": "digit"}, "did you mean 'digits'"),
    ],
)
def test_a_mistake_shows_before_anything_is_scored(proxies, change, message):
    with pytest.raises(UserError, match=message):
        inputs_of(populate(NB201, "sample:1"), proxies, **change)
