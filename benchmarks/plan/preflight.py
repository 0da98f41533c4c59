"""Cheap checks of all that a command needs, made before anything is downloaded, trained, hashed or written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archselect.benchmarks.engines.registry import check_engine
from archselect.benchmarks.plan.study import DataPart, SpacePart, Study, TruthPart
from archselect.benchmarks.runtime.machine import find_device
from archselect.benchmarks.store.facts import read_fact_if_there
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import StudyInfo
from archselect.nasbench_adapters.atomic_files import unwritable
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.images import check_images, data_folder, download_size
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import check_column

LEAST_FREE = 50 * 2**20
"""Bytes that must be free where a command writes: records, reports and small supernets.
"""


def check_place(
    root: Path,
    device: str,
    engine: str,
    engine_settings: dict[str, Any],
    faults: Faults,
) -> None:
    """Note what is wrong with where a command runs and writes.

    Args:
        root: the folder that it writes.
        device: see :func:`.machine.find_device`; looked for on this machine if the
            engine is `local`.
        engine, engine_settings: where it is done.
        faults: to add to.
    """
    with faults.collect():
        check_engine(engine, engine_settings)
    if engine == "local":
        with faults.collect():
            find_device(device)
    with faults.collect():
        check_writable(root)
        Folder(root).refuse_links()


def check_study(
    study: Study,
    root: Path,
    device: str,
    engine: str,
    engine_settings: dict[str, Any],
    data_dir: Path | None,
) -> None:
    """Raise UserError, with all faults, if a study cannot be run: where it writes and runs, truths, columns, data."""
    faults = Faults()
    check_place(root, device, engine, engine_settings, faults)
    with faults.collect():
        study.check()
    check_parts_of_study(study.spaces, study.data, data_dir, faults)
    with faults.collect():
        check_target(root, study.name)
    faults.raise_any()


def check_parts_of_study(
    spaces: Sequence[SpacePart],
    data: Sequence[DataPart],
    data_dir: Path | None,
    faults: Faults,
) -> None:
    """Note the truths and columns that are not there, and the data sets that cannot be had."""
    known: list[SearchSpace] | None
    try:
        known = [get_space(space.name) for space in spaces]
    except UserError:
        # The check of the study names the fault; of which spaces truths should be is
        # not known.
        known = None
    for part in data:
        for truth in part.truth:
            with faults.collect():
                check_truth(truth, known)
    trained = [
        train.data for part in data for train in part.train if train.data is not None
    ]
    check_data([part.name for part in data] + trained, data_dir, faults)


def check_truth(part: TruthPart, spaces: Sequence[SearchSpace] | None) -> None:
    """Raise UserError unless a truth is there, has the column, and is of one of the spaces, if these are known."""
    check_column(part.table, part.dataset, part.split, part.epochs, spaces)


def check_data(names: Sequence[str], data_dir: Path | None, faults: Faults) -> None:
    """Note the data sets that are unknown or missing, and a lack of room for those to be downloaded."""
    needed = 0
    for name in dict.fromkeys(names):
        with faults.collect():
            check_images(name, data_dir)
            needed += download_size(name, data_dir)
    if needed:
        folder = data_folder(data_dir)
        with faults.collect():
            check_writable(folder, needed)


def check_target(root: Path, name: str) -> None:
    """Raise UserError if a folder holds another study, by name, or if its `study.json` is damaged."""
    there = read_fact_if_there(Folder(root).study_path, StudyInfo)
    if there is not None and there.name != name:
        raise UserError(
            f"{root} holds study '{there.name}' with other settings; name another folder with --out"
        )


def check_writable(path: Path, needed: int | None = None) -> None:
    """Raise UserError unless a folder can be written, or made, and has room; nothing is made.

    Args:
        path: of the folder.
        needed: bytes that must be free there; :data:`LEAST_FREE` if left out.
    """
    needed = LEAST_FREE if needed is None else needed
    existing = path.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        raise unwritable(path, _os_error(errno.ENOTDIR))
    if not os.access(existing, os.W_OK | os.X_OK):
        raise unwritable(
            path, _os_error(errno.EROFS if _is_read_only(existing) else errno.EACCES)
        )
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:  # as where another process has removed it since
        raise unwritable(path, error) from error
    if free < needed:
        raise UserError(
            f"cannot write {path}: {free / 2**20:,.0f} MiB are free there and {needed / 2**20:,.0f} MiB are needed; "
            "free space or name another folder"
        )


def _is_read_only(folder: Path) -> bool:
    """Return whether a folder is on a file system that takes no files at all."""
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def check_file_writable(path: Path) -> None:
    """Raise UserError unless a file can be written; nothing is made."""
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise UserError(
            f"cannot write {path}: {os.strerror(errno.EACCES)}; name another file"
        )
    check_writable(path.parent, 0)


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
