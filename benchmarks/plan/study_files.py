"""Files of studies: where the built-in ones are, and how a file is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from archselect.benchmarks.plan.changed_settings import change_settings
from archselect.benchmarks.plan.parts import (
    DataPart,
    SelectorPart,
    SpacePart,
    SupernetPart,
)
from archselect.benchmarks.plan.study import Study
from archselect.benchmarks.plan.validation_errors import list_faults
from archselect.nasbench_adapters.errors import Faults, UserError, unknown
from archselect.nasbench_adapters.input_files import expand, read_text
from archselect.nasbench_adapters.limits import MOST_STUDY_BYTES
from archselect.nasbench_adapters.toml import parse_toml

PartKind = TypeVar("PartKind", bound=BaseModel)

_KINDS_OF_PARTS: dict[str, type[BaseModel]] = {
    "spaces": SpacePart,
    "data": DataPart,
    "supernets": SupernetPart,
    "selectors": SelectorPart,
}


class StudyText(NamedTuple):
    """The TOML text of a study, and the values in it."""

    text: str
    values: dict[str, Any]


class ReadableParts(NamedTuple):
    """The parts of a file that can be read, even if the whole study cannot."""

    spaces: list[SpacePart]
    data: list[DataPart]
    selectors: list[SelectorPart]


def built_in_studies() -> dict[str, Path]:
    """Return the files of the built-in studies, by name."""
    folder = Path(__file__).parents[1] / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def parse_study(name: str, changes: Mapping[str, Any] | None = None) -> Study:
    """Return a built-in study or that of a file. It is not yet checked as a whole.

    Args:
        name: name of the study, or path of its file.
        changes: settings that replace the file's, as in :func:`.change_settings`.

    Raises UserError, with all reasons, if the study cannot be read.
    """
    source = _read_toml(name)
    if changes:
        values = change_settings(source.values, changes)
        values.setdefault("variant_of", name)
        source = StudyText(source.text, values)
    faults = Faults(f"study {name}")
    try:
        study = Study.model_validate(source.values)
    except UserError as error:
        faults.add(error)
    except ValidationError as error:
        faults.add_lines(list_faults(error, Study))
    else:
        study._source = source.text
        return study
    _note_hidden_faults(source.values, faults)
    faults.raise_any()
    raise AssertionError("a study that is refused has a fault")


def _note_hidden_faults(values: dict[str, Any], faults: Faults) -> None:
    """Add the faults that remain hidden when a supernet is refused with a UserError."""
    for key, kind in _KINDS_OF_PARTS.items():
        _, lines = _read_parts(values, key, kind)
        faults.add_lines(lines)
    without_supernets = {
        key: value for key, value in values.items() if key != "supernets"
    }
    try:
        Study.model_validate(without_supernets)
    except ValidationError as error:
        lines = list_faults(error, Study)
        faults.add_lines(line for line in lines if not line.startswith("supernets: "))


def readable_parts(name: str) -> ReadableParts:
    """Return the readable parts of a study that cannot be read as a whole."""
    try:
        values = _read_toml(name).values
    except UserError:
        return ReadableParts([], [], [])
    spaces, _ = _read_parts(values, "spaces", SpacePart)
    data, _ = _read_parts(values, "data", DataPart)
    selectors, _ = _read_parts(values, "selectors", SelectorPart)
    return ReadableParts(spaces, data, selectors)


def _read_toml(name: str) -> StudyText:
    """Return the text and the values of a study.

    Raises UserError if there is no such file or it is not TOML.
    """
    path = built_in_studies().get(name) or expand(name)
    if not path.is_file():
        if path.suffix == ".toml" or path.parent != Path():
            raise UserError(
                f"there is no study file {path}; 'archselect list studies' lists the built-in ones"
            )
        raise unknown("study", name, built_in_studies())
    text = read_text(path, MOST_STUDY_BYTES)
    try:
        return StudyText(text, parse_toml(text))
    except ValueError as error:
        raise UserError(f"study {path} is not valid TOML: {error}") from error


def _read_parts(
    values: dict[str, Any],
    key: str,
    kind: type[PartKind],
) -> tuple[list[PartKind], list[str]]:
    """Return the parts of a kind that can be read, and the faults of the others."""
    entries = values.get(key)
    parts: list[PartKind] = []
    faults: list[str] = []
    for place, entry in enumerate(entries if isinstance(entries, list) else []):
        try:
            parts.append(kind.model_validate(entry))
        except UserError as error:
            faults += error.faults
        except ValidationError as error:
            faults += list_faults(error, kind, (key, place))
    return parts, faults
