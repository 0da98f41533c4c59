"""Read a study by name or from a file, and report all its faults in one message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archselect.benchmarks.plan.parts import DataPart, SelectorPart, SpacePart
from archselect.benchmarks.plan.study import Study
from archselect.benchmarks.plan.study_checks import (
    check_study_parts,
    note_faults_of_parts,
)
from archselect.benchmarks.plan.study_files import parse_study, readable_parts
from archselect.nasbench_adapters.errors import Faults, UserError


@dataclass
class StudyDraft:
    """A study, as far as it can be read.

    Attributes:
        study: the whole study; None if a part of it cannot be read.
        spaces, data, selectors: the parts that can be read.
    """

    study: Study | None = None
    spaces: list[SpacePart] = field(default_factory=list)
    data: list[DataPart] = field(default_factory=list)
    selectors: list[SelectorPart] = field(default_factory=list)


def draft_study(
    name: str, faults: Faults, changes: Mapping[str, Any] | None = None
) -> StudyDraft:
    """Return what can be read of a study (by name or file); add all its faults.

    `changes` are settings that replace the file's, as in :func:`.change_settings`.
    """
    faults_of_study = Faults(f"study {name}")
    try:
        study = parse_study(name, changes)
    except UserError as error:
        faults.add(error)
        parts = readable_parts(name)
        draft = StudyDraft(None, *parts)
        note_faults_of_parts(*parts, faults_of_study)
    else:
        draft = StudyDraft(study, study.spaces, study.data, study.selectors)
        with faults_of_study.collect():
            check_study_parts(study)
    faults.add_all(faults_of_study)
    return draft


def read_study(name: str) -> Study:
    """Return a built-in study by its name, or the study in a file.

    Raises UserError that says where each fault is and how to correct it.
    """
    faults = Faults()
    study = draft_study(name, faults).study
    faults.raise_any()
    assert study is not None
    return study
