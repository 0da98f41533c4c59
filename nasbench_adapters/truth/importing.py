"""Imports of ground truths: convert a source once, then open it by name."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import Faults, UserError, unknown
from archselect.nasbench_adapters.foreign_text import spreadsheet_cell
from archselect.nasbench_adapters.input_files import expand
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import (
    long_csv,
    nats,
    nb101_file,
    nb201_file,
    nb301_file,
    nb_macro_file,
    plain_csv,
)
from archselect.nasbench_adapters.truth.benchmark_results import SPACE as NB201_SPACE
from archselect.nasbench_adapters.truth.ground_truth import (
    MEASURED,
    PREDICTED,
    GroundTruth,
)
from archselect.nasbench_adapters.truth.plain_csv import PlainColumns
from archselect.nasbench_adapters.truth.rows import SHOWN, Refused
from archselect.nasbench_adapters.truth.storage import (
    check_still_free,
    describe_file,
    path_for,
)
from archselect.nasbench_adapters.truth.table import TruthTable

LONG = "long"
PLAIN = "plain"
CSV_OF_CELLS = "nb101-csv"
CSV_OF_CHAINS = "nb-macro-csv"

FORMATS = {
    LONG: "CSV (gzip or not) or Parquet with the columns "
    + ", ".join(long_csv.COLUMNS),
    "nb201-file": "the official NAS-Bench-201-v1_*.pth",
    "nb201-folder": "the folder NAS-Bench-201-v1_1-archive of 000000-FULL.pth, …",
    "nats-file": "the official NATS-tss-v1_0-*.pickle.pbz2",
    "nats-folder": "the folder NATS-tss-v1_0-*-simple of 000000.pickle.pbz2, …",
    "nb101-file": "the official nasbench_only108.tfrecord or nasbench_full.tfrecord",
    CSV_OF_CELLS: "CSV (gzip or not) of NAS-Bench-101 cells with the columns adjacency, ops, val1, …, test1, …",
    "nb-macro-json": "the official nas-bench-macro_cifar10.json",
    CSV_OF_CHAINS: "CSV (gzip or not) of NAS-Bench-Macro networks with the columns "
    + ", ".join(nb_macro_file.CSV_COLUMNS),
    PLAIN: "CSV (gzip or not) or Parquet, a row per architecture, its two columns named by the options",
    "nb301": "the unpacked folder xgb_v1.0 of NAS-Bench-301's nasbench301_models_v1.0.zip",
}
"""The formats that can be imported, with descriptions."""
OPEN_FORMATS = (LONG, PLAIN)
"""The formats that can hold any space, and do not tell the origin of accuracies."""


class _BenchmarkFormat(NamedTuple):
    """A format of one benchmark.

    Attributes:
        space: name of the space of its architectures.
        convert: `convert(source, name, force)` returns the ground truth of a source;
            `force` skips the check of memory.
    """

    space: str
    convert: Callable[[Path, str, bool], GroundTruth]


def _convert_nb201_file(source: Path, name: str, force: bool) -> GroundTruth:
    return nb201_file.import_file(source, name, force=force)


def _convert_nats_file(source: Path, name: str, force: bool) -> GroundTruth:
    return nats.import_file(source, name, force=force)


def _without_force(
    convert: Callable[[Path, str], GroundTruth],
) -> Callable[[Path, str, bool], GroundTruth]:
    """Return the conversion of a format that needs little memory."""

    def convert_source(source: Path, name: str, _force: bool) -> GroundTruth:
        return convert(source, name)

    return convert_source


_BENCHMARK_FORMATS = {
    "nb201-file": _BenchmarkFormat(NB201_SPACE, _convert_nb201_file),
    "nb201-folder": _BenchmarkFormat(
        NB201_SPACE, _without_force(nb201_file.import_folder)
    ),
    "nats-file": _BenchmarkFormat(NB201_SPACE, _convert_nats_file),
    "nats-folder": _BenchmarkFormat(NB201_SPACE, _without_force(nats.import_folder)),
    "nb101-file": _BenchmarkFormat(
        nb101_file.SPACE, _without_force(nb101_file.import_file)
    ),
    CSV_OF_CELLS: _BenchmarkFormat(
        nb101_file.SPACE, _without_force(nb101_file.import_csv)
    ),
    "nb-macro-json": _BenchmarkFormat(
        nb_macro_file.SPACE, _without_force(nb_macro_file.import_json)
    ),
    CSV_OF_CHAINS: _BenchmarkFormat(
        nb_macro_file.SPACE, _without_force(nb_macro_file.import_csv)
    ),
    "nb301": _BenchmarkFormat(
        nb301_file.SPACE, _without_force(nb301_file.import_folder)
    ),
}
_FOLDER_PATTERNS = {
    "nats-folder": f"[0-9]*{nats.SUFFIX}",
    "nb201-folder": "[0-9]*-FULL.pth",
    "nb301": f"**/{nb301_file.MODEL}",
}
"""Pattern of the names of a folder's files, by format."""
_FILE_ENDINGS = {
    LONG: (".csv", ".csv.gz", ".parquet"),
    "nb201-file": (".pth",),
    "nats-file": (".pbz2",),
    "nb101-file": (".tfrecord",),
    "nb-macro-json": (".json",),
}
"""Ends of the names of files, by format."""


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        path: path of the ground truth's file.
        truth: the ground truth in that file.
        replaced: description of the ground truth that had the name before; None if
            there was none.
        left_out: rows of the source that could not be read.
        list_of_left_out: path of the file that lists those rows; None if there are few.
    """

    path: Path
    truth: GroundTruth
    replaced: str | None = None
    left_out: tuple[Refused, ...] = ()
    list_of_left_out: Path | None = None


@dataclass(frozen=True)
class _OpenOptions:
    """Options of :func:`import_truth` for a source in an open format."""

    space: str
    plain: PlainColumns | None
    predicted: bool
    origin: str | None
    skip_invalid: bool


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
    """Convert a source into the user's data folder, where it can be opened by `name`.

    Args:
        source: path of the file or folder.
        name: name of the ground truth.
        format: one of :data:`FORMATS`; None to detect it from the source's name and
            content.
        space: name of the space; the formats of a benchmark allow its space only.
        force: whether to read a file even if memory seems too small.
        plain: columns of a table in the plain format; None for other formats.
        predicted: whether a surrogate predicted the accuracies; for the long and the
            plain format.
        origin: who measured or predicted the accuracies; for the long and the plain
            format.
        replace: whether to replace an existing ground truth of this name.
        skip_invalid: whether to leave out rows that cannot be read; for the long and
            the plain format.

    Raises:
        UserError: if the source is missing, damaged, in an unknown format, or asks for
            code to be run; if the name is built in, not a file name, or taken and not
            to be replaced; if an option does not fit the format.
    """
    source = expand(source)
    path, replaced = _check_request(source, name, format, space, replace)
    format = format or (PLAIN if plain else detect(source))
    options = _OpenOptions(space, plain, predicted, origin, skip_invalid)
    _check_options(format, options)
    left_out: list[Refused] = []
    truth: GroundTruth
    if plain is not None or format == LONG:
        truth = _import_open_format(source, name, options, left_out)
    else:
        truth = _BENCHMARK_FORMATS[format].convert(source, name, force)
    check_still_free(path, name, replace)
    truth.save(path)
    return Imported(
        path=path,
        truth=truth,
        replaced=replaced,
        left_out=tuple(left_out),
        list_of_left_out=_list_left_out(path, left_out),
    )


class _Target(NamedTuple):
    """Path for a ground truth, and a description of the one there (None if free)."""

    path: Path
    replaced: str | None


def _check_request(
    source: Path, name: str, format: str | None, space: str, replace: bool
) -> _Target:
    """Return the path for the ground truth.

    Raises UserError, with all faults, if name, space, source or format are invalid.
    """
    faults = Faults()
    replaced = None
    with faults.collect():
        path = path_for(name)
        replaced = describe_file(path) if path.is_file() else None
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
    return _Target(path, replaced)


def _check_options(format: str, options: _OpenOptions) -> None:
    """Raise UserError, with all faults, if options do not fit the format."""
    faults = Faults()
    if format not in OPEN_FORMATS:
        space = _BENCHMARK_FORMATS[format].space
        if options.space not in (NB201_SPACE, space):
            faults.add(
                UserError(
                    f"the format {format} holds {space} only, not {options.space}"
                )
            )
        if options.predicted or options.origin:
            faults.add(
                UserError(
                    f"the format {format} has a known origin: leave out predicted and origin"
                )
            )
        if options.skip_invalid:
            faults.add(
                UserError(
                    f"the format {format} must be complete: leave out --skip-invalid"
                )
            )
    if (format == PLAIN) != (options.plain is not None):
        faults.add(
            UserError(
                "the columns, dataset, split and epochs belong to the format plain: give them all with it, else none"
            )
        )
    faults.raise_any()


def _import_open_format(
    source: Path, name: str, options: _OpenOptions, left_out: list[Refused]
) -> TruthTable:
    """Return the table of a source in the long or the plain form.

    If the options allow it, rows that cannot be read are added to `left_out`.
    """
    noted = left_out if options.skip_invalid else None
    if options.plain is not None:
        return plain_csv.import_plain(
            source,
            name,
            options.plain,
            space=options.space,
            provenance=PREDICTED if options.predicted else MEASURED,
            origin=options.origin,
            left_out=noted,
        )
    return long_csv.import_long(
        source,
        name,
        space=options.space,
        provenance=PREDICTED if options.predicted else MEASURED,
        origin=options.origin,
        left_out=noted,
    )


def _list_left_out(path: Path, left_out: Sequence[Refused]) -> Path | None:
    """Write the list of many left-out rows beside the table, and return its path.

    Return None if they are few. The list of an older import is removed.
    """
    list_path = path.with_suffix(".left-out.csv")
    if len(left_out) <= SHOWN:
        list_path.unlink(missing_ok=True)
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "reason"])
    for refused in left_out:
        writer.writerow([refused.row, spreadsheet_cell(refused.reason)])
    write_atomically(list_path, text.getvalue().encode())
    return list_path


def detect(source: Path) -> str:
    """Return the format of a source, from its name and content.

    Raises UserError if the source is missing or in no known format; the message lists
    the known formats.
    """
    if not source.exists():
        raise UserError(f"there is nothing to import at {source}")
    if source.is_dir():
        for format, pattern in _FOLDER_PATTERNS.items():
            if next(source.glob(pattern), None):
                return format
    elif source.is_file():
        for format, endings in _FILE_ENDINGS.items():
            if source.name.endswith(endings):
                return _format_of_csv(source) if _is_csv(source, format) else format
    known = "; ".join(f"{format}: {what}" for format, what in FORMATS.items())
    raise UserError(f"unknown format of {source}; the known formats are {known}")


def _is_csv(source: Path, format: str) -> bool:
    """Return whether a source that seems to be in the long format is a CSV."""
    return format == LONG and source.suffix != ".parquet"


def _format_of_csv(source: Path) -> str:
    """Return the format of a CSV, by its columns: a benchmark's format, or long.

    Raises UserError if it cannot be read.
    """
    if nb101_file.is_csv_of_cells(source):
        return CSV_OF_CELLS
    if nb_macro_file.is_csv_of_networks(source):
        return CSV_OF_CHAINS
    return LONG
