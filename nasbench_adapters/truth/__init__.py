"""Ground truths: measured accuracies of architectures, looked up by dataset, split and epochs. No torch here.

Every source is converted once into a :class:`TruthTable`, one compact file that opens in milliseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.truth import hpo_bench, long_csv, nats, nb201_file
from archselect.nasbench_adapters.truth.landscape import LandscapeNumbers, landscape, rank
from archselect.nasbench_adapters.truth.table import Column, TableBuilder, Trials, TruthTable

__all__ = [
    "FORMATS",
    "Column",
    "LandscapeNumbers",
    "TableBuilder",
    "Trials",
    "Truth",
    "TruthTable",
    "builtin_path",
    "import_truth",
    "landscape",
    "list_truths",
    "open_truth",
    "rank",
]

DIGITS = "nb201-digits"
BUILTIN = {
    DIGITS: (
        "trained by archselect: every class of nb201 on scikit-learn's digits, at a miniature scale",
        f"archselect truth build {DIGITS}",
    ),
    hpo_bench.NAME: (
        "NAS-Bench-201: validation accuracy after 200 epochs, all trials, 3 data sets",
        f"pip install {hpo_bench.NAME}",
    ),
}
"""The truths that archselect knows of itself: what they are, and how to get them."""

FORMATS = {
    "long": "CSV (gzip or not) or Parquet with the columns " + ", ".join(long_csv.COLUMNS),
    "nb201-file": "the official NAS-Bench-201-v1_*.pth",
    "nb201-folder": "the folder NAS-Bench-201-v1_1-archive of 000000-FULL.pth, …",
    "nats-file": "the official NATS-tss-v1_0-*.pickle.pbz2",
    "nats-folder": "the folder NATS-tss-v1_0-*-simple of 000000.pickle.pbz2, …",
}
"""What can be imported."""


@dataclass(frozen=True)
class Truth:
    """A truth by name: what it is, whether it is present, and the command that gets it."""

    name: str
    summary: str
    present: bool
    how: str


def open_truth(name: str) -> TruthTable:
    """The truth of that name, built in or imported, or the table at that path (one that ends in `.npz`).

    Raises UserError, with the mend, if it is unknown, not yet present, or damaged.
    """
    if name == hpo_bench.NAME:
        return hpo_bench.hpo_bench_table()
    if name in BUILTIN:
        if not builtin_path(name).is_file():
            raise UserError(f"the truth '{name}' is not there yet: {BUILTIN[name][1]}")
        return TruthTable.open(builtin_path(name))
    if Path(name).suffix == ".npz":
        return TruthTable.open(name)
    if name not in _imported():
        raise unknown("truth", name, [*BUILTIN, *_imported()])
    return TruthTable.open(_imported()[name])


def list_truths() -> list[Truth]:
    """Every truth known by name, present or not."""
    truths = []
    for name, (summary, how) in BUILTIN.items():
        present = hpo_bench.installed() if name == hpo_bench.NAME else builtin_path(name).is_file()
        truths.append(Truth(name, summary, present, how))
    for name, path in _imported().items():
        try:
            summary = f"imported: {TruthTable.open(path).origin}"
        except UserError as error:
            truths.append(Truth(name, str(error), False, f"archselect truth import SOURCE --name {name}"))
        else:
            truths.append(Truth(name, summary, True, f"archselect truth import SOURCE --name {name}"))
    return truths


def import_truth(
    source: Path | str, *, name: str, format: str | None = None, space: str = "nb201", force: bool = False
) -> Path:
    """Convert a source once into the user's data folder, from where `name` opens it. Returns the file's path.

    Args:
        format: one of :data:`FORMATS`; None tells it by the source's name and content.
        space: of the architectures; only the long form holds others than nb201.
        force: read a file for which memory seems too little.

    Raises:
        UserError: if the source is missing, of an unknown form, damaged or asks for code to be run; if the
        name is
            taken by a built-in truth or is no file name.
    """
    source = Path(source)
    if name in BUILTIN:
        raise UserError(f"'{name}' is built in: choose another name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or name.endswith(".npz"):
        raise UserError(f"'{name}' cannot name a truth: use letters, digits, '.', '_' and '-'")
    format = format or detect(source)
    if format not in FORMATS:
        raise unknown("format of a truth", format, FORMATS)
    if format != "long" and space != "nb201":
        raise UserError(f"the format {format} holds nb201 only, not {space}")
    if not source.exists():
        raise UserError(f"there is nothing to import at {source}")
    path = _folder() / f"{name}.npz"
    _convert(source, format, name, space, force).save(path)
    return path


def detect(source: Path) -> str:
    """The format of a source. Raises UserError, listing those known, if it is missing or of none."""
    if source.is_dir():
        for format, pattern in (("nats-folder", f"[0-9]*{nats.SUFFIX}"), ("nb201-folder", "[0-9]*-FULL.pth")):
            if next(source.glob(pattern), None):
                return format
    elif not source.exists():
        raise UserError(f"there is nothing to import at {source}")
    for format, ends in (
        ("long", (".csv", ".csv.gz", ".parquet")),
        ("nb201-file", (".pth",)),
        ("nats-file", (".pbz2",)),
    ):
        if source.is_file() and source.name.endswith(ends):
            return format
    known = "; ".join(f"{format}: {what}" for format, what in FORMATS.items())
    raise UserError(f"cannot tell the format of {source}; those known are {known}")


def builtin_path(name: str) -> Path:
    """Where a table that comes with archselect lies, or is to be built."""
    return Path(__file__).parent / "tables" / f"{name}.npz"


def _convert(source: Path, format: str, name: str, space: str, force: bool) -> TruthTable:
    if format == "long":
        return long_csv.import_long(source, name, space=space)
    if format == "nb201-file":
        return nb201_file.import_file(source, name, force=force)
    if format == "nb201-folder":
        return nb201_file.import_folder(source, name)
    if format == "nats-file":
        return nats.import_file(source, name, force=force)
    return nats.import_folder(source, name)


def _folder() -> Path:
    return user_data_path("archselect") / "truth"


def _imported() -> dict[str, Path]:
    return {path.stem: path for path in sorted(_folder().glob("*.npz"))}
