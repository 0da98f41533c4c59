"""A study that a command or a script asks for: plan it, check it, run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from archselect.benchmarks.plan.changed_settings import format_setting
from archselect.benchmarks.plan.costs import check_costs
from archselect.benchmarks.plan.parts import SelectorPart
from archselect.benchmarks.plan.preflight import (
    check_place,
    check_sources,
    check_study_of_folder,
)
from archselect.benchmarks.plan.reading import StudyDraft, draft_study
from archselect.benchmarks.plan.study import Study
from archselect.benchmarks.plan.variants import make_variant
from archselect.benchmarks.runs.execution import Progress
from archselect.benchmarks.runs.harness import StudyOutcome, run_study
from archselect.nasbench_adapters.errors import Faults
from archselect.reports.published.numbers import check_published


@dataclass(frozen=True)
class RunRequest:
    """What to run, and where.

    Attributes:
        study: name of a built-in study, or path of a TOML file.
        out: folder for the records; None for archselect-runs/STUDY.
        data: data set that replaces the study's, if the study has only one.
        seeds: supernet seeds that replace the study's.
        selectors: selectors to add: names, or classes as FILE.py:CLASS.
        settings: settings that replace the study's, by their place as in
            :func:`.change_settings`.
        device: auto, cpu, cuda or cuda:NUMBER.
        workers: number of processes; None for one per core or GPU.
        engine: local, slurm or dask.
        engine_settings: settings of the engine, by name.
        data_dir: folder of the image data sets; None for the user's data folder.
        deterministic: whether a GPU uses algorithms that repeat their numbers exactly.
        rerun_other_code: whether to repeat work that another commit did.
    """

    study: str
    out: Path | None = None
    data: str | None = None
    seeds: Sequence[int] | None = None
    selectors: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    workers: int | None = None
    engine: str = "local"
    engine_settings: Mapping[str, Any] = field(default_factory=dict)
    data_dir: Path | None = None
    deterministic: bool = False
    rerun_other_code: bool = False

    def command(self) -> list[str]:
        """Return the command that makes the same records, without options of speed."""
        words = ["archselect", "run", self.study]
        if self.data:
            words += ["--data", self.data]
        if self.seeds is not None:
            words += ["--seeds", format_seeds(self.seeds)]
        for name in self.selectors:
            words += ["--selector", name]
        for place, value in self.settings.items():
            words += ["--set", format_setting(place, value)]
        if self.deterministic:
            words.append("--deterministic")
        return words


def format_seeds(seeds: Sequence[int]) -> str:
    """Return seeds in the form that --seeds takes: 0-3 for a range, else 0,2,5."""
    first = seeds[0] if seeds else 0
    is_range = len(seeds) > 1 and list(seeds) == list(range(first, first + len(seeds)))
    return f"{first}-{seeds[-1]}" if is_range else ",".join(map(str, seeds))


class PlannedRun(NamedTuple):
    """A study as it will run, with the changes of the request, and its folder."""

    study: Study
    folder: Path
    request: RunRequest


def plan_run(request: RunRequest, faults: Faults | None = None) -> PlannedRun:
    """Return the study as it will run.

    Args:
        request: what to run.
        faults: faults that the caller has already found.

    Raises UserError with all faults.
    """
    faults = faults if faults is not None else Faults()
    draft = _draft(request, faults)
    title = draft.study.name if draft.study else Path(request.study).stem
    folder = request.out or Path("archselect-runs") / title
    settings = dict(request.engine_settings)
    check_place(folder, request.device, request.engine, settings, faults)
    if draft.study is not None:
        with faults.collect():
            check_published(draft.study.reproduces)
        with faults.collect():
            check_study_of_folder(folder, title)
    check_sources(draft.study, draft.spaces, draft.data, request.data_dir, faults)
    if draft.study is not None:
        check_costs(draft.study.costs, draft.study.spaces, faults)
    faults.raise_any()
    assert draft.study is not None
    return PlannedRun(draft.study, folder, request)


def _draft(request: RunRequest, faults: Faults) -> StudyDraft:
    """Return the study with the requested changes, as far as it can be read."""
    faults_of_study = Faults()
    draft = draft_study(request.study, faults_of_study, request.settings)
    faults.add_all(faults_of_study)
    data = request.data
    if data is None and request.seeds is None and not request.selectors:
        return draft
    usable = _usable_selectors(request.selectors, faults)
    if draft.study is not None and not faults_of_study:
        seeds = None if request.seeds is None else list(request.seeds)
        with faults.collect():
            draft.study = make_variant(
                draft.study,
                request.study,
                data=data,
                supernet_seeds=seeds,
                selectors=usable,
            )
    if data is not None:
        draft.data = [part.model_copy(update={"name": data}) for part in draft.data]
    return draft


def _usable_selectors(names: Sequence[str], faults: Faults) -> list[str]:
    """Return the selectors that can be built; add a fault for each other one."""
    usable = []
    for name in names:
        with faults.collect():
            SelectorPart(name=name).build()
            usable.append(name)
    return usable


def run_planned(
    plan: PlannedRun, notify: Callable[[str], None], progress: Progress
) -> StudyOutcome:
    """Run the missing runs of a study.

    Args:
        plan: the study and its folder.
        notify: function that gets each line that a user must know.
        progress: function that gets the stage, and the numbers done and in total.

    Raises UserError as :func:`.harness.run_study` does.
    """
    request = plan.request
    return run_study(
        plan.study,
        plan.folder,
        device=request.device,
        workers=request.workers,
        engine=request.engine,
        deterministic=request.deterministic,
        engine_settings=dict(request.engine_settings),
        data_dir=request.data_dir,
        rerun_other_code=request.rerun_other_code,
        notify=notify,
        progress=progress,
        command=request.command(),
    )
