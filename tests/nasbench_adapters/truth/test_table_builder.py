import math

import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.truth import TableBuilder

WHERE = {"origin": "a test", "licence": "MIT"}


def test_builder_refuses(space):
    builder, cell = TableBuilder(space), Architecture(((0,) * 6,))
    with pytest.raises(UserError, match="holds no trial"):
        builder.table("t", **WHERE)
    builder.add(cell, "d", "s", 1, "0", 5.0)
    with pytest.raises(UserError, match="given twice"):
        builder.add(cell, "d", "s", 1, "0", 5.0)
    with pytest.raises(UserError, match="is outside"):
        builder.add(cell, "d", "s", 2, "0", math.nan)
