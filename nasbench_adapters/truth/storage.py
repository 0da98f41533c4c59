"""Where truths are stored under their names, and how their files are opened.

No torch here.
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
    """Return the files of the truths that were imported or fitted, by name."""
    files = sorted(_folder().glob(f"*{SUFFIX}"))
    return {path.stem: path for path in files}


def builtin_path(name: str) -> Path:
    """Return where a table that comes with archselect is, or is to be built."""
    return Path(__file__).parent / "tables" / f"{name}{SUFFIX}"


def path_for(name: str) -> Path:
    """Return where an imported or fitted truth of that name is stored.

    Raises UserError for a name that no such truth can have.
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
    """Return in words what a truth's file holds."""
    try:
        truth = open_file(path)
    except UserError:
        return "whose file is damaged"
    content = "a surrogate" if truth.predicts else truth.describe_coverage()
    return f"{content} of {truth.space.name}, {truth.origin}"


def check_still_free(path: Path, name: str, replace: bool) -> None:
    """Raise UserError if a name was taken while its truth was being made.

    An import or a fit takes minutes, in which another one may take the name.
    """
    if path.is_file() and not replace:
        raise UserError(
            f"there is a truth '{name}' by now: add --replace, or choose another --name"
        )


def _folder() -> Path:
    """Return the user's folder of truths."""
    return user_data_path("archselect") / "truth"
