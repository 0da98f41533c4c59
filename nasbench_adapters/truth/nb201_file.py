"""Import of the official NAS-Bench-201 files: one `.pth`, or one per architecture.

The package `nas-bench-201` (module `nas_201_api`) defines the nested dictionaries. But
its loader calls `torch.load` without options, which since torch 2.6 refuses the numpy
scalars in the files, and then copies everything. So :func:`.load_plain` loads the file,
and this module reads one architecture at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archselect.nasbench_adapters.torch_files import load_plain
from archselect.nasbench_adapters.truth.benchmark_results import (
    add_results,
    check_memory,
    table_of_all,
    table_of_each,
)
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder

SCHEDULES = {"less": 12, "full": 200}
"""Epochs of the two training schedules in the files."""
MEMORY_FACTOR = 6.0
"""Memory to load a file, as a multiple of its size (28 GB for the 4.7 GB of v1_1)."""


def import_file(path: Path, name: str, *, force: bool = False) -> TruthTable:
    """Return the table of a `NAS-Bench-201-v1_*.pth`.

    It takes long, and needs about six times the file's size as memory.

    Raises UserError if the free memory is too small (`force` skips that check), or if
    the file is damaged, has another form, or asks for code to be run.
    """
    check_memory(path, MEMORY_FACTOR, force)
    return table_of_all(path, load_plain(path), name, _add)


def import_folder(folder: Path, name: str) -> TruthTable:
    """Return the table of a `NAS-Bench-201-v1_1-archive`.

    Its files `000000-FULL.pth`, … are read one by one.

    Raises UserError like :func:`import_file`, and if the folder has no such file.
    """
    return table_of_each(folder, "[0-9]*-FULL.pth", load_plain, name, _add)


def _add(builder: TableBuilder, schedules: dict[str, Any]) -> None:
    """Add the results of one architecture under both schedules."""
    from nas_201_api import ArchResults

    for schedule, epochs in SCHEDULES.items():
        add_results(builder, ArchResults, schedules[schedule], epochs)
