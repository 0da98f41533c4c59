"""What `import archselect` gives: the functions of the command line."""

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
    """Run a study, or what is missing of it, write its report, and return its results.

    Finished runs are kept: call it again to resume an interrupted study. It works in
    notebooks, and in scripts without `if __name__ == "__main__":`.

    Args:
        study: a built-in study (`archselect list studies`), or the path of a TOML file.
        out: the folder of records and report; archselect-runs/STUDY if it is None.
        data: a data set in place of the study's only one.
        seeds: supernet seeds in place of the study's.
        selectors: names, or classes of your own as "FILE.py:CLASS", beside the study's.
        settings: in place of the study's, such as
            `{"selectors.darts-pt.tune_epochs": 1, "seeds.selection": [0, 1]}`.
        device: auto, cpu, cuda or cuda:NUMBER.
        workers: processes; one per core or GPU if it is None.
        engine: local, slurm or dask.
        engine_settings: of the engine, by name, such as `{"partition": "gpu"}`.
        data_dir: the folder of image data sets; the user's data folder if it is None.
        deterministic: whether a GPU uses algorithms that repeat their numbers.
        rerun_other_code: whether to make again what another commit of archselect made.

    Raises:
        UserError: the input is wrong, found before anything runs; or no run finished.

    Warns:
        Notice: something a user must know, such as that runs failed. They are in
            :attr:`.StudyResults.failures`.
    """
    from archselect.benchmarks.cli.terminal import study_progress
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
    with study_progress() as show:
        outcome = run_planned(plan, _warn, show)
    if outcome.failed:
        _warn(f"{len(outcome.failed)} runs failed: see {plan.folder / 'failures'}")
    results = load(plan.folder)
    results.write_report()
    return results


def _warn(line: str) -> None:
    warnings.warn(line, Notice, stacklevel=3)


def load(folder: FilePath) -> StudyResults:
    """Return the results in a folder that :func:`run` or `archselect run` has written.

    Raises UserError if it is no such folder, has a broken file, or no finished run.
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
    """Compare two folders of results, or baseline files, paired by seed.

    Args:
        base: what to compare with.
        new: what is compared.
        fail_if: gates, such as "accuracy_drop>0.5pt" or "tau_drop>0.05".
        strict: whether a change beyond a gate that the seeds do not prove fails, too.

    Raises UserError if a gate or a folder cannot be read.
    """
    from archselect.study_results import StudyComparison

    return StudyComparison(Path(base), Path(new), fail_if, strict)


def space(name: str) -> SearchSpace:
    """Return a search space: nb201, darts, s1 to s4, … (`archselect list spaces`).

    Raises UserError, naming the nearest one, if there is no such space.
    """
    from archselect.nasbench_adapters.spaces import get_space

    return get_space(name)


def truth(name: str) -> GroundTruth:
    """Return a table or surrogate of accuracies, by its name or the path of its file.

    Look up the trials of an architecture with :meth:`.GroundTruth.lookup`; `columns`
    says what there is (`archselect truth list`).

    Raises UserError if there is no such truth.
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
    """Return the stand-alone network of an architecture, with new weights.

    It maps images (batch, image_channels, height, width) to logits (batch, classes),
    and can be exported with `torch.export`.

    Args:
        architecture: of the space, or its text.
        space: the space, or its name.
        classes: number of logits.
        image_channels: channels of an image.
        seed: of the weights; torch's global random state is left alone.
        skeleton: settings of the network's size, such as `channels` and `cells` on
            nb201; the benchmark's own where they are left out.

    Raises UserError if text, space or setting is unknown.
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
