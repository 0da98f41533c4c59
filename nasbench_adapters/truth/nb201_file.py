"""Imports the official NAS-Bench-201 files: one `.pth`, or a folder of one file each.

The package `nas-bench-201` (module `nas_201_api`) says what the nested dictionaries
mean, but its own loader calls `torch.load` bare, which since torch 2.6 refuses the
numpy scalars in the files, and then copies everything. So the file is loaded here, by
torch's restricted unpickler with an explicit list of names, and taken apart one
architecture at a time.
"""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED, open_plain
from archselect.nasbench_adapters.safe_pickle import (
    STAND_INS,
    check_torch_file,
    check_torch_pickle,
    limit_calls,
)
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


def load_plain(path: Path) -> Any:
    """Return the content of a `.pth`: plain data and tensors.

    Tensors stay on disk where the format allows it.

    Raises UserError if it asks for anything else, is damaged, or cannot be read.
    """
    import torch

    names: Any = [(stand_in, name) for name, stand_in in STAND_INS.items()]
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            zipped = zipfile.is_zipfile(file)
            if zipped:
                check_torch_file(file, size)
            else:
                _check_old_file(file, size)
        with torch.serialization.safe_globals(names), limit_calls(size):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        asked = re.search(r"(?:GLOBAL|it asks for) (\S+)", str(error))
        reason = f"it asks for {asked[1]}" if asked else "it is no file of plain data"
        raise UserError(
            f"{path} is refused: {reason}; get the file from its authors again"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except DAMAGED as error:
        raise UserError(
            f"{path} is damaged, or no file of torch's: get it from its authors again"
        ) from error


def _check_old_file(file: IO[bytes], size: int) -> None:
    """Raise UnpicklingError if an old file asks for memory by a number.

    Before torch 1.6 files were several pickles, one after the other.
    """
    if size:
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            check_torch_pickle(content)


def _add(builder: TableBuilder, schedules: dict[str, Any]) -> None:
    """Add the results of one architecture under both schedules."""
    from nas_201_api import ArchResults

    for schedule, epochs in SCHEDULES.items():
        add_results(builder, ArchResults, schedules[schedule], epochs)
