"""Cheap checks of everything a command needs, before it downloads, trains or writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archselect.benchmarks.engines.registry import check_engine
from archselect.benchmarks.plan.costs import check_costs, check_mixture_costs
from archselect.benchmarks.plan.graph_rewards import check_graph_of
from archselect.benchmarks.plan.parts import DataPart, SpacePart, TruthPart
from archselect.benchmarks.plan.rewards import part_of, training_costs
from archselect.benchmarks.plan.study import Study
from archselect.benchmarks.plan.study_checks import check_study_parts
from archselect.benchmarks.plan.writable import check_writable
from archselect.benchmarks.runtime.machine import find_device
from archselect.benchmarks.store.facts import read_fact_if_there
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import StudyInfo
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.images import (
    DATASETS,
    check_images,
    data_folder,
    download_size,
    split_side,
)
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import check_column


def check_place(
    root: Path,
    device: str,
    engine: str,
    engine_settings: dict[str, Any],
    faults: Faults,
) -> None:
    """Add faults of where a command runs and writes.

    Args:
        root: folder that the command writes.
        device: device as in :func:`.machine.find_device`; it must be on this machine if
            the engine is `local`.
        engine, engine_settings: the engine that runs the work.
        faults: the collection to add to.
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
    """Raise UserError, with all faults, if a study cannot be run.

    Checks where the study runs and writes, its parts, its ground truths and its data.

    Args:
        study: the study to run.
        root: folder that the study writes.
        device: device as in :func:`.machine.find_device`.
        engine, engine_settings: the engine that runs the study.
        data_dir: folder of the data sets; None for the user's data folder.
    """
    faults = Faults()
    check_place(root, device, engine, engine_settings, faults)
    with faults.collect():
        check_study_parts(study)
    check_sources(study, study.spaces, study.data, data_dir, faults)
    costs = list(study.costs)
    for data in study.data:
        costs += training_costs(data)
    check_costs(costs, study.spaces, faults)
    check_mixture_costs(study.supernets, study.spaces, faults)
    with faults.collect():
        check_study_of_folder(root, study.name)
    faults.raise_any()


def check_sources(
    study: Study | None,
    spaces: Sequence[SpacePart],
    data: Sequence[DataPart],
    data_dir: Path | None,
    faults: Faults,
) -> None:
    """Add a fault for each missing ground truth, column and data set.

    Args:
        study: the study whose images are read; None if it cannot be read as a whole.
        spaces, data: parts of the study.
        data_dir: folder of the data sets; None for the user's data folder.
        faults: the collection to add to.
    """
    known: list[SearchSpace] | None
    try:
        known = [get_space(space.name) for space in spaces]
    except UserError:
        # The check of the study reports this fault. Without the spaces, the spaces of
        # ground truths cannot be checked.
        known = None
    for part in data:
        reward = part_of(part.reward)
        for truth in [*part.truth, *([reward] if reward else [])]:
            with faults.collect():
                check_truth(truth, known)
        with faults.collect():
            check_graph_of(part, data_dir)
    check_data(names_of_images(study, data), data_dir, faults)


def names_of_images(study: Study | None, data: Sequence[DataPart]) -> list[str]:
    """Return the names of the data sets whose images a study reads.

    Args:
        study: the study to run; None if it cannot be read as a whole.
        data: data parts of the study.
    """
    searched = []
    trained = []
    for part in data:
        reads_images = study.reads_images(part) if study else part.reward is None
        if reads_images:
            searched.append(part.name)
        trained += [train.data for train in part.train if train.data is not None]
    return searched + trained


def check_truth(part: TruthPart, spaces: Sequence[SearchSpace] | None) -> None:
    """Raise UserError unless a ground truth exists and has the column.

    It must also be a truth of one of the spaces, unless `spaces` is None.
    """
    check_column(part.table, part.dataset, part.split, part.epochs, spaces)


def check_data(names: Sequence[str], data_dir: Path | None, faults: Faults) -> None:
    """Add a fault for each unknown or missing data set, and for a full disk."""
    needed = 0
    for name in dict.fromkeys(names):
        with faults.collect():
            check_images(name, data_dir)
            needed += download_size(name, data_dir)
    if needed:
        folder = data_folder(data_dir)
        with faults.collect():
            check_writable(folder, needed)


def describe_downloads(names: Sequence[str], data_dir: Path | None) -> list[str]:
    """Return a sentence on the data sets that will be fetched; none if all are there.

    It has their sizes, and where they come from.

    Args:
        names: of data sets that are known.
        data_dir: where data sets are; None for the user's data folder.
    """
    parts = []
    for name in dict.fromkeys(split_side(name)[0] for name in names):
        size = download_size(name, data_dir)
        if size:
            address = DATASETS[name].address
            parts.append(f"{name} ({size / 2**20:,.0f} MiB from {address})")
    if not parts:
        return []
    return [f"fetching into {data_folder(data_dir)}: {', '.join(parts)}"]


def check_study_of_folder(root: Path, name: str) -> None:
    """Raise UserError if a folder holds another study, or a damaged `study.json`."""
    info = read_fact_if_there(Folder(root).study_path, StudyInfo)
    if info is not None and info.name != name:
        raise refuse_other_study(root, info)


def refuse_other_study(root: Path, info: StudyInfo) -> UserError:
    """Return the error for a folder that holds another study."""
    return UserError(
        f"{root} holds study '{info.name}' with other settings; name another folder with --out"
    )
