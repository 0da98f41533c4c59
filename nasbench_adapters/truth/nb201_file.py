"""Imports the official NAS-Bench-201 files: one `.pth`, or a folder of one file each.

The package `nas-bench-201` (module `nas_201_api`) says what the nested dictionaries
mean, but its own loader calls `torch.load` bare, which since torch 2.6 refuses the
numpy scalars in the files, and then copies everything. So the file is loaded by
:func:`.load_plain`, and taken apart here one architecture at a time.
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
"""Memory to load a file, over its size: 28 GB were measured for the 4.7 GB of v1_1."""


def import_file(path: Path, name: str, *, force: bool = False) -> TruthTable:
    """Return the table of a `NAS-Bench-201-v1_*.pth`.

    It takes long, and memory of about six times the file's size.

    Raises UserError if the memory at hand is too little (`force` tries all the same),
    or if the file is damaged, of another form, or asks for code to be run.
    """
    check_memory(path, MEMORY_FACTOR, force)
    return table_of_all(path, load_plain(path), name, _add)


def import_folder(folder: Path, name: str) -> TruthTable:
    """Return the table of a `NAS-Bench-201-v1_1-archive`.

    Its files `000000-FULL.pth`, … are read one by one.

    Raises UserError as :func:`import_file` does, and if the folder holds no such file.
    """
    return table_of_each(folder, "[0-9]*-FULL.pth", load_plain, name, _add)


def _add(builder: TableBuilder, schedules: dict[str, Any]) -> None:
    """Add the results of one architecture under both schedules."""
    from nas_201_api import ArchResults

    for schedule, epochs in SCHEDULES.items():
        add_results(builder, ArchResults, schedules[schedule], epochs)
