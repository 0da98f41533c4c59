"""The functions that `import archselect` offers: those of the command line."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archselect.nasbench_adapters.errors import Notice

if TYPE_CHECKING:
    from torch import nn

    from archselect.nasbench_adapters.space import Architecture, SearchSpace
    from archselect.nasbench_adapters.truth import GroundTruth
    from archselect.study_results import StudyComparison, StudyResults

FilePath = str | os.PathLike[str]


def run(
    study: FilePath,
    out: FilePath | None = None,
    *,
    data: str | None = None,
    seeds: Sequence[int] | None = None,
    selectors: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    device: str = "auto",
    workers: int | None = None,
    engine: str = "local",
    engine_settings: Mapping[str, Any] | None = None,
    data_dir: FilePath | None = None,
    deterministic: bool = False,
    rerun_other_code: bool = False,
) -> StudyResults:
    """Run the missing runs of a study, write its report, and return its results.

    Finished runs are kept: call the function again to resume an interrupted study. It
    works in notebooks, and in scripts without `if __name__ == "__main__":`.

    Args:
        study: name of a built-in study (`archselect list studies`), or path of a TOML
            file.
        out: folder for records and report; archselect-runs/STUDY if None.
        data: data set that replaces the study's, if the study has only one.
        seeds: supernet seeds that replace the study's.
        selectors: selectors to add: names, or your own classes as "FILE.py:CLASS".
        settings: settings that replace the study's, such as
            `{"selectors.darts-pt.tune_epochs": 1, "seeds.selection": [0, 1]}`.
        device: auto, cpu, cuda or cuda:NUMBER.
        workers: number of processes; one per core or GPU if None.
        engine: local, slurm or dask.
        engine_settings: settings of the engine by name, such as `{"partition": "gpu"}`.
        data_dir: folder of the image data sets; the user's data folder if None.
        deterministic: whether a GPU uses algorithms that repeat their numbers exactly.
        rerun_other_code: whether to repeat work that another commit of archselect did.

    Raises:
        UserError: the input is wrong (found before any run starts), or no run finished.

    Warns:
        Notice: something you must know, for example that runs failed.
            :attr:`.StudyResults.failures` lists those.
    """
    from archselect.benchmarks.cli.live import study_progress
    from archselect.running import RunRequest, plan_run, run_planned

    request = RunRequest(
        study=os.fspath(study),
        out=None if out is None else Path(out),
        data=data,
        seeds=seeds,
        selectors=tuple(selectors),
        settings=settings or {},
        device=device,
        workers=workers,
        engine=engine,
        engine_settings=engine_settings or {},
        data_dir=None if data_dir is None else Path(data_dir),
        deterministic=deterministic,
        rerun_other_code=rerun_other_code,
    )
    plan = plan_run(request)
    with study_progress(plan.folder) as show:
        outcome = run_planned(plan, _warn, show)
    if outcome.failed:
        _warn(f"{len(outcome.failed)} runs failed: see {plan.folder / 'failures'}")
    results = load(plan.folder)
    results.write_report()
    return results


def _warn(line: str) -> None:
    warnings.warn(line, Notice, stacklevel=3)


def load(folder: FilePath) -> StudyResults:
    """Return the results in a folder that :func:`run` or `archselect run` wrote.

    Raises UserError if the folder holds no results, has a broken file, or has no
    finished run.
    """
    from archselect.study_results import StudyResults

    return StudyResults(Path(folder))


def compare(
    base: FilePath,
    new: FilePath,
    fail_if: Sequence[str] = (),
    *,
    strict: bool = False,
) -> StudyComparison:
    """Compare two folders of results or baseline files, paired by seed.

    Args:
        base: the folder or baseline file to compare with.
        new: the folder or baseline file to judge.
        fail_if: gates, such as "accuracy_drop>0.5pt" or "tau_drop>0.05".
        strict: whether a change also fails a gate if it exceeds the gate but is not
            statistically significant over the seeds.

    Raises UserError if a gate or a folder cannot be read.
    """
    from archselect.study_results import StudyComparison

    return StudyComparison(Path(base), Path(new), fail_if, strict)


def space(name: str) -> SearchSpace:
    """Return a search space: nb201, darts, s1 to s4, … (`archselect list spaces`).

    Raises UserError if there is no such space; the message suggests the nearest name.
    """
    from archselect.nasbench_adapters.spaces import get_space

    return get_space(name)


def truth(name: str) -> GroundTruth:
    """Return a ground truth (table or surrogate) by its name or the path of its file.

    :meth:`.GroundTruth.lookup` returns the trials of an architecture. `columns` lists
    the data sets, splits and epochs (as does `archselect truth list`).

    Raises UserError if there is no such ground truth.
    """
    from archselect.nasbench_adapters.truth import open_truth

    return open_truth(name)


def network(
    architecture: str | Architecture,
    space: str | SearchSpace = "nb201",
    *,
    classes: int = 10,
    image_channels: int = 3,
    seed: int = 0,
    **skeleton: object,
) -> nn.Module:
    """Return the stand-alone network of an architecture, with new random weights.

    The network maps images (batch, image_channels, height, width) to logits
    (batch, classes), and can be exported with `torch.export`.

    Args:
        architecture: an architecture of the space, or its text.
        space: the search space, or its name.
        classes: number of classes.
        image_channels: number of channels of an image.
        seed: seed of the weights; torch's global random state is not changed.
        skeleton: settings of the network's size, such as `channels` and `cells` on
            nb201; defaults are those of the benchmark.

    Raises UserError if the text, the space or a setting is unknown.
    """
    from archselect.nasbench_adapters.networks import build_network
    from archselect.nasbench_adapters.spaces import get_space

    whole = get_space(space) if isinstance(space, str) else space
    if isinstance(architecture, str):
        architecture = whole.parse(architecture)
    return build_network(
        whole,
        architecture,
        whole.skeleton(**skeleton),
        image_channels,
        classes,
        seed,
    )
