"""Ground truths: accuracies of architectures, looked up by dataset, split and epochs.

No torch here.

Every source is converted once into a :class:`TruthTable`, one compact file that opens
in milliseconds. Where no table can hold the space, a :class:`Surrogate` predicts, and
says wherever it is used that it does and how well.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from platformdirs import user_data_path

from archselect.nasbench_adapters.agreement import Agreement
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import Faults, UserError, nearest, unknown
from archselect.nasbench_adapters.foreign_text import spreadsheet_cell
from archselect.nasbench_adapters.input_files import expand
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import (
    hpo_bench,
    long_csv,
    nats,
    nb101_file,
    nb201_file,
    nb301_file,
    plain_csv,
)
from archselect.nasbench_adapters.truth.column_names import missing_column
from archselect.nasbench_adapters.truth.landscape import (
    LandscapeNumbers,
    landscape,
    rank,
)
from archselect.nasbench_adapters.truth.plain_csv import PlainColumns
from archselect.nasbench_adapters.truth.rows import SHOWN, Refused
from archselect.nasbench_adapters.truth.surrogate import (
    GroundTruth,
    Surrogate,
)
from archselect.nasbench_adapters.truth.table import (
    MEASURED,
    PREDICTED,
    Column,
    TableBuilder,
    Trials,
    TruthTable,
    serves,
)

__all__ = [
    "FORMATS",
    "Agreement",
    "Column",
    "GroundTruth",
    "Imported",
    "LandscapeNumbers",
    "PlainColumns",
    "Surrogate",
    "TableBuilder",
    "Trials",
    "Truth",
    "TruthTable",
    "builtin_path",
    "check_column",
    "fit_truth",
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

NB101, NB201, NB301 = "nb101", "nb201", "nb301"
KNOWN = {
    NB201: (
        "NAS-Bench-201: validation and test accuracy of all cells, 3 data sets, after 12 and 200 epochs; needs the "
        "official NAS-Bench-201-v1_*.pth, NATS-tss-v1_0-*.pickle.pbz2, or a CSV of it",
        f"archselect truth import FILE --name {NB201}",
    ),
    NB101: (
        "NAS-Bench-101: validation and test accuracy of all cells on CIFAR-10; needs the official "
        "nasbench_only108.tfrecord or nasbench_full.tfrecord",
        f"archselect truth import FILE --name {NB101} --space {NB101}",
    ),
    NB301: (
        "NAS-Bench-301: validation accuracy on CIFAR-10 of any DARTS cell, predicted; needs "
        + nb301_file.NEEDS,
        f"archselect truth import FOLDER/xgb_v1.0 --name {NB301}",
    ),
}
"""Truths that others have released and that are imported under any name: what they are
and need, and the command.
"""
ALIASES = {
    "nasbench101": NB101,
    "nasbench201": NB201,
    "nats": NB201,
    "nats-bench": NB201,
    "nats-tss": NB201,
    "nats-bench-tss": NB201,
    "nasbench301": NB301,
    "hpo-bench": hpo_bench.NAME,
}
"""Other usual names of truths, for hints; other spellings, such as `NB201`, need no
entry.
"""

FORMATS = {
    "long": "CSV (gzip or not) or Parquet with the columns "
    + ", ".join(long_csv.COLUMNS),
    "nb201-file": "the official NAS-Bench-201-v1_*.pth",
    "nb201-folder": "the folder NAS-Bench-201-v1_1-archive of 000000-FULL.pth, …",
    "nats-file": "the official NATS-tss-v1_0-*.pickle.pbz2",
    "nats-folder": "the folder NATS-tss-v1_0-*-simple of 000000.pickle.pbz2, …",
    "nb101-file": "the official nasbench_only108.tfrecord or nasbench_full.tfrecord",
    "nb101-csv": "CSV (gzip or not) of NAS-Bench-101 cells with the columns adjacency, ops, val1, …, test1, …",
    "plain": "CSV (gzip or not) or Parquet, a row per architecture, its two columns named by the options",
    "nb301": "the unpacked folder xgb_v1.0 of NAS-Bench-301's nasbench301_models_v1.0.zip",
}
"""What can be imported."""
OPEN_FORMATS = ("long", "plain")
"""Those that hold any space, and do not say where their accuracies come from."""


@dataclass(frozen=True)
class Truth:
    """A truth by name: what it is, whether it is present, and the command that gets it."""

    name: str
    summary: str
    present: bool
    how: str


def open_truth(name: str) -> GroundTruth:
    """The truth of that name, built in, imported or fitted, or the one at that path (one that ends in `.npz`).

    Raises UserError, with the mend, if it is unknown, not yet present, or damaged.
    """
    if name == hpo_bench.NAME:
        return hpo_bench.hpo_bench_table()
    if name in BUILTIN:
        if not builtin_path(name).is_file():
            raise UserError(f"the truth '{name}' is not there yet: {BUILTIN[name][1]}")
        return TruthTable.open(builtin_path(name))
    if Path(name).suffix == ".npz":
        return _open(expand(name))
    if name in _imported():
        return _open(_imported()[name])
    raise _not_there(name)


def check_column(
    name: str,
    dataset: str,
    split: str,
    epochs: int,
    spaces: Sequence[SearchSpace] | None = None,
) -> None:
    """Raise UserError unless a truth is there, has that column, and is of one of the spaces.

    Reads no more of a table than its header, and converts nothing.

    Args:
        name: of the truth.
        dataset, split, epochs: of the column.
        spaces: that it may be of; None for any.
    """
    truth: GroundTruth | None = None
    if name == hpo_bench.NAME:
        hpo_bench.check_installed()
        keys = list(hpo_bench.KEYS)
        truth_space = hpo_bench.SPACE
    else:
        truth = open_truth(name)
        keys = [column.key for column in truth.columns]
        truth_space = truth.space.name
    faults = Faults()
    if (dataset, split, epochs) not in keys:
        faults.add(missing_column(name, keys, dataset, split, epochs))
    if spaces and not any(serves(truth_space, space) for space in spaces):
        names = ", ".join(space.name for space in spaces)
        faults.add(
            UserError(f"truth '{name}' is of space {truth_space}, not of {names}")
        )
    faults.raise_any()


def list_truths() -> list[Truth]:
    """Every truth known by name, present or not."""
    truths = []
    for name, (summary, how) in BUILTIN.items():
        present = (
            hpo_bench.installed()
            if name == hpo_bench.NAME
            else builtin_path(name).is_file()
        )
        truths.append(Truth(name, summary, present, how))
    for name, path in _imported().items():
        try:
            truth = _open(path)
        except UserError as error:
            truths.append(
                Truth(
                    name,
                    str(error),
                    False,
                    f"archselect truth import SOURCE --name {name}",
                )
            )
        else:
            fitted = (
                truth.agreement is not None if isinstance(truth, Surrogate) else False
            )
            summary = truth.origin if fitted else f"imported: {truth.origin}"
            if isinstance(truth, Surrogate) or truth.provenance != MEASURED:
                summary += f"; {truth.how()}"
            how = f"archselect truth {'fit TABLE' if fitted else 'import SOURCE'} --name {name}"
            truths.append(Truth(name, summary, True, how))
    missing = {name: told for name, told in KNOWN.items() if name not in _imported()}
    return truths + [
        Truth(name, summary, False, how) for name, (summary, how) in missing.items()
    ]


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes:
        path: of the truth's file.
        truth: as it is in the file.
        replaced: what was under that name before, in words; None if there was nothing.
        left_out: the rows of the source that could not be read.
        list_of_left_out: the file that lists those rows; None if there are few.
    """

    path: Path
    truth: GroundTruth
    replaced: str | None = None
    left_out: tuple[Refused, ...] = ()
    list_of_left_out: Path | None = None


def import_truth(
    source: Path | str,
    *,
    name: str,
    format: str | None = None,
    space: str = "nb201",
    force: bool = False,
    plain: PlainColumns | None = None,
    predicted: bool = False,
    origin: str | None = None,
    replace: bool = False,
    skip_invalid: bool = False,
) -> Imported:
    """Convert a source once into the user's data folder, from where `name` opens it.

    Args:
        source: the file or folder.
        name: what to call the truth.
        format: one of :data:`FORMATS`; None to tell it by the source's name and
            content.
        space: of the architectures; only the long and the plain form hold any.
        force: read a file for which memory seems too little.
        plain: the columns of a plain table; given for no other format.
        predicted: the accuracies are a surrogate's, not measured; for the long and the
            plain form.
        origin: who measured or predicted them; for the long and the plain form, which
            do not say.
        replace: replace a truth that has this name.
        skip_invalid: leave out the rows that cannot be read; for the long and the plain
            form.

    Raises:
        UserError: if the source is missing, of an unknown form, damaged or asks for
            code to be run; if the name is a built-in truth's, is no file name, or is
            taken and not to be replaced; if what is given does not go with the format.
    """
    source = expand(source)
    faults = Faults()
    replaced = None
    with faults.collect():
        path = _path_of(name)
        replaced = _described(path) if path.is_file() else None
    with faults.collect():
        get_space(space)
    if not source.exists():
        faults.add(UserError(f"there is nothing to import at {source}"))
    if format is not None and format not in FORMATS:
        faults.add(unknown("format of a truth", format, FORMATS))
    if replaced and not replace:
        faults.add(
            UserError(
                f"there is a truth '{name}' already ({replaced}): add --replace, or choose another --name"
            )
        )
    faults.raise_any()
    format = format or ("plain" if plain else detect(source))
    _check_options(format, space, plain, predicted, origin, skip_invalid)
    provenance = PREDICTED if predicted else MEASURED
    left_out: list[Refused] | None = [] if skip_invalid else None
    truth: GroundTruth
    if plain is not None:
        truth = plain_csv.import_plain(
            source,
            name,
            plain,
            space=space,
            provenance=provenance,
            origin=origin,
            left_out=left_out,
        )
    elif format == "long":
        truth = long_csv.import_long(
            source,
            name,
            space=space,
            provenance=provenance,
            origin=origin,
            left_out=left_out,
        )
    else:
        truth = _convert(source, format, name, force)
    if (
        path.is_file() and not replace
    ):  # a conversion takes minutes, in which another one may have taken the name
        raise UserError(
            f"there is a truth '{name}' by now: add --replace, or choose another --name"
        )
    truth.save(path)
    return Imported(
        path,
        truth,
        replaced,
        tuple(left_out or ()),
        _list_left_out(path, left_out or []),
    )


def _check_options(
    format: str,
    space: str,
    plain: PlainColumns | None,
    predicted: bool,
    origin: str | None,
    skip_invalid: bool,
) -> None:
    """Raise UserError if what is given does not go with the format."""
    faults = Faults()
    held = {"nb101": nb101_file.SPACE, "nb301": nb301_file.SPACE}.get(
        format.partition("-")[0], "nb201"
    )
    if format not in OPEN_FORMATS and space not in ("nb201", held):
        faults.add(UserError(f"the format {format} holds {held} only, not {space}"))
    if format not in OPEN_FORMATS and (predicted or origin):
        faults.add(
            UserError(
                f"the format {format} says where its accuracies come from: leave out predicted and origin"
            )
        )
    if format not in OPEN_FORMATS and skip_invalid:
        faults.add(
            UserError(
                f"the format {format} is read whole or not at all: leave out --skip-invalid"
            )
        )
    if (format == "plain") != (plain is not None):
        faults.add(
            UserError(
                "the columns, dataset, split and epochs go with the format plain, and only with it"
            )
        )
    faults.raise_any()


def _list_left_out(path: Path, left_out: Sequence[Refused]) -> Path | None:
    """Write the list of rows that were left out beside a table, if they are many; remove one of an older import."""
    listed = path.with_suffix(".left-out.csv")
    if len(left_out) <= SHOWN:
        listed.unlink(missing_ok=True)
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "reason"])
    writer.writerows(
        [refused.row, spreadsheet_cell(refused.reason)] for refused in left_out
    )
    write_atomically(listed, text.getvalue().encode())
    return listed


def _described(path: Path) -> str:
    """Return what a truth's file holds, in words."""
    try:
        truth = _open(path)
    except UserError:
        return "whose file is damaged"
    held = (
        "a surrogate"
        if isinstance(truth, Surrogate)
        else f"{len(truth):,} architectures"
    )
    return f"{held} of {truth.space.name}, {truth.origin}"


def fit_truth(
    table: str,
    *,
    name: str,
    dataset: str | None = None,
    split: str | None = None,
    epochs: int | None = None,
    replace: bool = False,
    parameters: Callable[[SearchSpace, np.ndarray], np.ndarray] | None = None,
) -> Path:
    """Fit a surrogate on a column of a truth, and keep it under a name.

    Returns the file's path.

    Args:
        table: the truth.
        name: what to call the surrogate.
        dataset, split, epochs: of the column; what is not given need not be where the
            truth has but one that fits.
        replace: replace a surrogate that has this name.
        parameters: counts parameters, with which the surrogate is compared; see
            :data:`.fitting.Parameters`.

    Raises:
        UserError: if no column or several fit, if the truth is a surrogate itself, if
            the name is a table's or is taken and not to be replaced, and as
            :func:`.fitting.fit_surrogate` does.
    """
    from archselect.nasbench_adapters.truth.fitting import fit_surrogate

    faults = Faults()
    with faults.collect():
        path = _path_of(name)
        if path.is_file() and not Surrogate.is_one(path):
            raise UserError(
                f"'{name}' is a table, which the surrogate would replace: choose another name"
            )
        if path.is_file() and not replace:
            raise UserError(
                f"there is a surrogate '{name}' already: add --replace, or choose another --name"
            )
    with faults.collect():
        column = _only_column(open_truth(table), table, dataset, split, epochs)
    faults.raise_any()
    truth = open_truth(table)
    assert isinstance(truth, TruthTable)
    fitted = fit_surrogate(truth, *column, name, parameters=parameters)
    if path.is_file() and not replace:
        raise UserError(
            f"there is a truth '{name}' by now: add --replace, or choose another --name"
        )
    fitted.save(path)
    return path


def _only_column(
    truth: GroundTruth,
    name: str,
    dataset: str | None,
    split: str | None,
    epochs: int | None,
) -> tuple[str, str, int]:
    """Return the key of the one column of a table that fits what is given.

    Raises UserError if none or several do.
    """
    if isinstance(truth, Surrogate):
        raise UserError(
            f"'{name}' is a surrogate: name the table that it was fitted on, '{truth.reference.name}'"
        )
    given = (dataset, split, epochs)
    keys = [
        c.key
        for c in truth.columns
        if all(a in (None, b) for a, b in zip(given, c.key, strict=True))
    ]
    if len(keys) == 1:
        return keys[0]
    if not keys and dataset is not None and split is not None and epochs is not None:
        truth.column(dataset, split, epochs)
    raise UserError(
        f"name one column of truth '{name}' by dataset, split and epochs: {len(keys)} fit; it has {truth.holdings()}"
    )


def detect(source: Path) -> str:
    """The format of a source.

    Raises UserError, listing those known, if it is missing or of none.
    """
    if source.is_dir():
        for format, pattern in (
            ("nats-folder", f"[0-9]*{nats.SUFFIX}"),
            ("nb201-folder", "[0-9]*-FULL.pth"),
            ("nb301", f"**/{nb301_file.MODEL}"),
        ):
            if next(source.glob(pattern), None):
                return format
    elif not source.exists():
        raise UserError(f"there is nothing to import at {source}")
    for format, ends in (
        ("long", (".csv", ".csv.gz", ".parquet")),
        ("nb201-file", (".pth",)),
        ("nats-file", (".pbz2",)),
        ("nb101-file", (".tfrecord",)),
    ):
        if source.is_file() and source.name.endswith(ends):
            cells = (
                format == "long"
                and source.suffix != ".parquet"
                and nb101_file.is_csv_of_cells(source)
            )
            return "nb101-csv" if cells else format
    known = "; ".join(f"{format}: {what}" for format, what in FORMATS.items())
    raise UserError(f"cannot tell the format of {source}; those known are {known}")


def builtin_path(name: str) -> Path:
    """Where a table that comes with archselect lies, or is to be built."""
    return Path(__file__).parent / "tables" / f"{name}.npz"


def _path_of(name: str) -> Path:
    """Return where a truth of a name is kept.

    Raises UserError for a name that none can have.
    """
    if name in BUILTIN:
        raise UserError(f"'{name}' is built in: choose another name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) or name.endswith(
        ".npz"
    ):
        raise UserError(
            f"'{name}' cannot name a truth: use up to 100 letters, digits, '.', '_' and '-'"
        )
    return _folder() / f"{name}.npz"


def _not_there(name: str) -> UserError:
    """Return the error for a truth that is not there, with the command that gets it if it is a known one."""
    if name in KNOWN:
        summary, how = KNOWN[name]
        return UserError(f"the truth '{name}' is not there yet: {how} ({summary})")
    known = [*BUILTIN, *KNOWN, *_imported()]
    error = unknown("truth", name, known, ALIASES)
    meant = nearest(name, known, ALIASES)
    if meant in KNOWN and meant not in _imported():
        return UserError(f"{error}; '{meant}' is not there yet: {KNOWN[meant][1]}")
    return error


def _open(path: Path) -> GroundTruth:
    return Surrogate.open(path) if Surrogate.is_one(path) else TruthTable.open(path)


def _convert(source: Path, format: str, name: str, force: bool) -> GroundTruth:
    if format == "nb201-file":
        return nb201_file.import_file(source, name, force=force)
    if format == "nb201-folder":
        return nb201_file.import_folder(source, name)
    if format == "nats-file":
        return nats.import_file(source, name, force=force)
    if format == "nb101-file":
        return nb101_file.import_file(source, name)
    if format == "nb101-csv":
        return nb101_file.import_csv(source, name)
    if format == "nb301":
        return nb301_file.import_folder(source, name)
    return nats.import_folder(source, name)


def _folder() -> Path:
    return user_data_path("archselect") / "truth"


def _imported() -> dict[str, Path]:
    return {path.stem: path for path in sorted(_folder().glob("*.npz"))}
