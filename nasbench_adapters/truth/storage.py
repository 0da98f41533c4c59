"""The files of stored ground truths: their paths by name, and how to open them.

This file does not import torch.
"""

from __future__ import annotations

import re
from pathlib import Path

from platformdirs import user_data_path

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth.catalogue import BUILTIN
from archselect.nasbench_adapters.truth.ground_truth import GroundTruth
from archselect.nasbench_adapters.truth.surrogate import Surrogate
from archselect.nasbench_adapters.truth.table import TruthTable

SUFFIX = ".npz"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def stored_truths() -> dict[str, Path]:
    """Return the files of imported and fitted ground truths by name."""
    files = sorted(_folder().glob(f"*{SUFFIX}"))
    return {path.stem: path for path in files}


def builtin_path(name: str) -> Path:
    """Return the path of a table that archselect has or can build."""
    return Path(__file__).parent / "tables" / f"{name}{SUFFIX}"


def path_for(name: str) -> Path:
    """Return the path of an imported or fitted ground truth with a name.

    Raises UserError for an invalid or built-in name.
    """
    if name in BUILTIN:
        raise UserError(f"'{name}' is built in: choose another name")
    if not _NAME.fullmatch(name) or name.endswith(SUFFIX):
        raise UserError(
            f"'{name}' cannot name a truth: use up to 100 letters, digits, '.', '_' and '-'"
        )
    return _folder() / f"{name}{SUFFIX}"


def open_file(path: Path) -> GroundTruth:
    """Return the table or surrogate in a file.

    Raises UserError if the file is missing, damaged or foreign.
    """
    if Surrogate.is_surrogate_file(path):
        return Surrogate.open(path)
    return TruthTable.open(path)


def describe_file(path: Path) -> str:
    """Return a description of a ground truth's file, for messages."""
    try:
        truth = open_file(path)
    except UserError:
        return "whose file is damaged"
    content = "a surrogate" if truth.predicts else truth.describe_coverage()
    return f"{content} of {truth.space.name}, {truth.origin}"


def check_still_free(path: Path, name: str, replace: bool) -> None:
    """Raise UserError if a name was taken during an import or a fit.

    Both take minutes, and another command may take the name meanwhile.
    """
    if path.is_file() and not replace:
        raise UserError(
            f"another command has stored a truth '{name}' meanwhile: add --replace, or choose another --name"
        )


def _folder() -> Path:
    """Return the user's folder of ground truths."""
    return user_data_path("archselect") / "truth"
