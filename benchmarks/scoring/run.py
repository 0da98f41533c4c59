"""Score a population with an engine, in parts; a rerun scores missing parts."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from archselect.benchmarks.engines.base import Start
from archselect.benchmarks.engines.registry import get_engine
from archselect.benchmarks.runs.other_code import format_count, format_kept_notice
from archselect.benchmarks.runtime.calls import result_of
from archselect.benchmarks.runtime.machine import (
    Code,
    commit,
    find_device,
    running_code,
)
from archselect.benchmarks.scoring.worker import score_part, start_worker
from archselect.benchmarks.store.facts import (
    FormulationNumbers,
    read_fact_if_there,
    write_fact,
)
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Population,
    Scored,
    Scoring,
    ScoringInputs,
)
from archselect.nasbench_adapters.atomic_files import lock_folder
from archselect.nasbench_adapters.errors import UserError

PART = 16
"""Number of architectures in a file, which an interruption can lose per worker."""


class PopulationPart(NamedTuple):
    """Consecutive architectures of the population, scored in one call.

    Attributes:
        seed: seed of weights and minibatches.
        start: index of the first architecture in the population.
    """

    seed: int
    start: int


class ScoredCounts(NamedTuple):
    """How many pairs of architecture and seed have scores.

    Attributes:
        made: pairs scored now.
        kept: pairs scored before.
    """

    made: int
    kept: int


@dataclass(frozen=True)
class ScoringTask:
    """What to score.

    Attributes:
        inputs: what to score, and how.
        population: the architectures.
        seeds: seeds; each scores the whole population.
        proxies: proxies of the inputs, by name or as FILE.py:OBJECT; None if no proxy
            is of a user's file.
    """

    inputs: ScoringInputs
    population: Population
    seeds: Sequence[int]
    proxies: Sequence[str] | None = None

    @property
    def size(self) -> int:
        """The number of architectures."""
        return len(self.population.architectures)

    def parts(self) -> list[PopulationPart]:
        """Return all parts, seed by seed."""
        starts = range(0, self.size, PART)
        return [PopulationPart(*pair) for pair in itertools.product(self.seeds, starts)]

    def texts(self, part: PopulationPart) -> list[str]:
        """Return the architectures of a part."""
        return self.population.architectures[part.start : part.start + PART]


@dataclass(frozen=True)
class ScoringExecution:
    """Where scores are computed, and from which data.

    Attributes:
        data: name or path of the data set in the inputs.
        data_dir: folder of the data sets; None for the user's data folder.
        device: device, as in :func:`.machine.find_device`.
        workers: number of workers; None for one per core or GPU of this machine, or for
            all workers of a cluster.
        engine: name of the engine, in :data:`.engines.registry.ENGINES`.
        engine_settings: settings of the engine.
    """

    data: str
    data_dir: Path | None = None
    device: str = "auto"
    workers: int | None = None
    engine: str = "local"
    engine_settings: dict[str, Any] = field(default_factory=dict)


def _ignore_notice(line: str) -> None:
    """Show nothing."""


def _ignore_progress(done: int, total: int) -> None:
    """Show nothing."""


def run_scoring(
    task: ScoringTask,
    root: Path,
    execution: ScoringExecution,
    *,
    rerun_other_code: bool = False,
    notify: Callable[[str], None] = _ignore_notice,
    progress: Callable[[int, int], None] = _ignore_progress,
    command: Sequence[str] = (),
) -> ScoredCounts:
    """Score what is missing; return how much was scored now and before.

    Args:
        task: what to score.
        root: the folder.
        execution: where to score.
        rerun_other_code: whether to repeat scores of another commit of archselect; old
            scores stay until the new ones are written.
        notify: function that gets a line about work of other commits that is kept,
            before any work starts.
        progress: function that gets the number of pairs of architecture and seed that
            are done, and the total.
        command: command that is noted in the folder.

    Raises:
        UserError: the folder holds other scores or cannot be written, or the device or
            the engine is missing.
    """
    code_of_command = running_code()
    get_engine(execution.engine)
    if execution.engine == "local":
        execution = replace(execution, device=str(find_device(execution.device)))
    folder = Folder(root)
    with lock_folder(root):
        folder.refuse_links()
        claim_folder(folder, task, command)
        foreign = _scored_by_other_code(folder, task.parts())
        if foreign and not rerun_other_code:
            notify(_kept_notice(foreign.values()))
        again = foreign.keys() if rerun_other_code else set()
        missing = [
            part
            for part in task.parts()
            if part in again or not folder.scored(part.seed, part.start).is_file()
        ]
        total = task.size * len(task.seeds)
        kept = total - sum(len(task.texts(part)) for part in missing)
        done = kept
        progress(done, total)

        def save(scored: Scored) -> None:
            nonlocal done
            write_fact(folder.scored(scored.seed, scored.start), scored, root)
            done += len(scored.scores)
            progress(done, total)

        if missing:
            _score(task, missing, execution, code_of_command, save)
        return ScoredCounts(made=done - kept, kept=kept)


def _score(
    task: ScoringTask,
    parts: Sequence[PopulationPart],
    execution: ScoringExecution,
    code_of_command: Code,
    save: Callable[[Scored], None],
) -> None:
    """Score parts with an engine, and save each as soon as a worker has finished it."""
    open_engine = get_engine(execution.engine)
    data_dir = execution.data_dir and execution.data_dir.absolute()
    device = execution.device
    arguments = (
        task.inputs,
        task.proxies,
        execution.data,
        data_dir,
        device,
        code_of_command,
    )
    start: Start = (start_worker, arguments)
    settings = execution.engine_settings
    with open_engine(execution.workers, device, start, settings) as submit:
        # Only `as_completed` holds the futures, or all scores would stay in memory
        # until the end.
        for future in as_completed(
            [
                submit(score_part, part.seed, part.start, task.texts(part))
                for part in parts
            ]
        ):
            save(result_of(future))


def _scored_by_other_code(
    folder: Folder, parts: Sequence[PopulationPart]
) -> dict[PopulationPart, Scored]:
    """Return the scores that other commits computed, by part."""
    foreign = {}
    for part in parts:
        scored = read_fact_if_there(folder.scored(part.seed, part.start), Scored)
        if scored is not None and scored.commit != commit():
            foreign[part] = scored
    return foreign


def _kept_notice(foreign: Iterable[Scored]) -> str:
    """Return the line about work of other commits that is kept."""
    networks = 0
    commits = set()
    for scored in foreign:
        networks += len(scored.scores)
        commits.add(scored.commit)
    return format_kept_notice(
        [f"scores of {format_count(networks, 'network')}"], commits
    )


def claim_folder(folder: Folder, task: ScoringTask, command: Sequence[str]) -> None:
    """Write which scores a folder holds; new seeds of the same scoring are added.

    Raises UserError if it holds other scores.
    """
    seeds = set(task.seeds)
    present = read_fact_if_there(folder.scoring_path, Scoring)
    if present is not None:
        _refuse_others(folder, present.inputs, task.inputs)
        seeds |= set(present.seeds)
    scoring = Scoring(
        inputs=task.inputs,
        seeds=sorted(seeds),
        size=task.size,
        command=shlex.join(command),
    )
    write_fact(folder.population_path, task.population, folder.root)
    write_fact(folder.scoring_path, scoring, folder.root)


def _refuse_others(
    folder: Folder, present: ScoringInputs, wanted: ScoringInputs
) -> None:
    """Raise UserError if a folder has scores of other inputs than those wanted."""
    if present == wanted:
        return
    update = {"formulations": present.formulations}
    if present == wanted.model_copy(update=update):
        changed = _changed_numbers(present.formulations, wanted.formulations)
        raise UserError(
            f"{folder.root} holds scores of another formulation ({changed}); name another folder with --out"
        )
    raise UserError(
        f"{folder.root} holds scores of other settings or cells; name another folder with --out"
    )


def _changed_numbers(before: FormulationNumbers, now: FormulationNumbers) -> str:
    """Return text that says which formulation numbers changed."""
    return ", ".join(
        f"{name}: {before.get(name)}, now {number}"
        for name, number in now.items()
        if before.get(name) != number
    )
