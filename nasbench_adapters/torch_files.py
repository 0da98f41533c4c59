"""A safe reader of other people's torch files: plain data and tensors, no code.

It first checks how much memory a file asks for. Then torch's restricted unpickler reads
the file, with an explicit list of allowed names.
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
        reason = f"it asks for {asked[1]}" if asked else "it holds more than plain data"
        raise UserError(
            f"{path} is refused: {reason}; get the file from its authors again"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except DAMAGED as error:
        raise UserError(
            f"{path} is damaged, or not a torch file: get it from its authors again"
        ) from error


def _check_old_file(file: IO[bytes], size: int) -> None:
    """Raise UnpicklingError if an old file asks for memory of a given size.

    Before torch 1.6, a file was a sequence of pickles.
    """
    if size:
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            check_torch_pickle(content)
