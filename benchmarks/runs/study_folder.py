"""The folder of a study: claim it at the start, and clean it up at the end."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress

from archselect.benchmarks.plan.jobs import RunJob
from archselect.benchmarks.plan.preflight import refuse_other_study
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.skeletons import list_other_skeletons
from archselect.benchmarks.plan.study import Study
from archselect.benchmarks.plan.variants import list_differences
from archselect.benchmarks.store.facts import (
    content_id,
    read_fact_if_there,
    write_fact,
)
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Inputs, Record, StudyInfo
from archselect.nasbench_adapters.foreign_text import escape_invisible


def claim_folder(
    folder: Folder,
    study: Study,
    jobs: Sequence[RunJob],
    command: Sequence[str],
) -> None:
    """Write into a folder which study it holds.

    Args:
        folder: the folder.
        study: the study whose records it will hold.
        jobs: runs of the study.
        command: command that reproduces the study, to note in the folder.

    Raises:
        UserError: the folder holds another study.
    """
    info = _describe_study(study, jobs, command)
    present = read_fact_if_there(folder.study_path, StudyInfo)
    if present is not None and not _may_replace(folder, present, info, jobs):
        raise refuse_other_study(folder.root, present)
    write_fact(folder.study_path, info, folder.root)


def _describe_study(
    study: Study,
    jobs: Sequence[RunJob],
    command: Sequence[str],
) -> StudyInfo:
    differences = []
    if study.variant_of is not None:
        differences = list_differences(study, read_study(study.variant_of))
    return StudyInfo(
        name=study.name,
        title=study.title,
        description=" ".join(study.description.split()),
        labels=study.labels,
        tables=list(study.tables),
        runs=[job.inputs.id for job in jobs],
        command=escape_invisible(shlex.join(command)),
        source=study.source,
        reproduces=study.reproduces,
        variant_of=study.variant_of,
        references=study.references,
        differences=differences,
        notes=list_other_skeletons(study),
    )


def _may_replace(
    folder: Folder,
    present: StudyInfo,
    info: StudyInfo,
    jobs: Sequence[RunJob],
) -> bool:
    """Return whether a study may replace another: same name, and no run is lost."""
    if present.name != info.name:
        return False
    known = {_hash_without_formulations(job.inputs) for job in jobs}
    dropped = set(present.runs) - set(info.runs)
    return all(_may_drop(folder, run, known) for run in dropped)


def _may_drop(folder: Folder, run: str, known: set[str]) -> bool:
    """Return whether a folder may hold a run that its study no longer has.

    It may if the run never finished, if it uses a user's file that has changed since,
    or if the study has the same run with other formulation numbers.

    Args:
        folder: folder of the study.
        run: id of the run.
        known: hashes of the study's runs, by :func:`_hash_without_formulations`.
    """
    path = folder.path(Record, run)
    record = read_fact_if_there(path, Record)
    if record is None:
        return True
    inputs = record.inputs
    if inputs.selector.source is not None:
        return True
    if inputs.supernet.source is not None:
        return True
    return _hash_without_formulations(inputs) in known


def _hash_without_formulations(inputs: Inputs) -> str:
    """Return the hash of everything that determines a run, without formulations."""
    content = inputs.model_dump(mode="json", exclude={"formulations"})
    return content_id(content)


def remove_leftovers(folder: Folder) -> None:
    """Remove parts of files that killed workers have left, and empty folders.

    The folders are those of journals and of selections. Call this when no worker writes
    any more.
    """
    journals = folder.journal("any").parent
    large = [folder.supernet("any"), folder.checkpoint("any"), folder.trace("any")]
    for written in [journals, *(path.parent for path in large)]:
        for part in written.glob(".*.part"):
            part.unlink(missing_ok=True)
    selections = folder.selection("any").parent
    for path in (journals, selections):
        with suppress(OSError):
            path.rmdir()
