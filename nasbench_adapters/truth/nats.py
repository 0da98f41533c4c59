"""Import of NATS-Bench's topology benchmark: one file, or one file per architecture.

The files are pickles, compressed with bz2. The package `nats-bench` defines the nested
dictionaries, but would run code from the files. So this module reads them with the safe
reader. It does not import torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archselect.nasbench_adapters.safe_pickle import read_large_pickle, read_pickle
from archselect.nasbench_adapters.truth.benchmark_results import (
    add_results,
    check_memory,
    table_of_all,
    table_of_each,
)
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder

SUFFIX = ".pickle.pbz2"
MEMORY_FACTOR = 12.0
"""Memory to load the file of all architectures, as a multiple of its compressed size.

The file of 1 GB did not fit into 12 GB.
"""


def import_folder(folder: Path, name: str) -> TruthTable:
    """Return the table of a `NATS-tss-v1_0-*-simple` folder.

    It is read file by file, with little memory.

    Raises UserError if the folder has no such file, or if a file is damaged, has
    another form, or asks for code to be run (as files with trained weights do).
    """
    return table_of_each(folder, f"[0-9]*{SUFFIX}", read_pickle, name, _add)


def import_file(path: Path, name: str, *, force: bool = False) -> TruthTable:
    """Return the table of a `NATS-tss-v1_0-*.pickle.pbz2`.

    It needs more than twelve times the file's size as memory.

    Raises UserError like :func:`import_folder`, and if the free memory is too small
    (`force` skips that check).
    """
    check_memory(path, MEMORY_FACTOR, force)
    return table_of_all(path, read_large_pickle(path), name, _add)


def _add(builder: TableBuilder, schedules: dict[str, Any]) -> None:
    """Add the results of one architecture under all schedules."""
    from nats_bench.api_utils import ArchResults

    for epochs, results in schedules.items():
        add_results(builder, ArchResults, results, int(epochs))
