"""The work of one process: single runs, supernets and final trainings."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np
import torch

from archselect.benchmarks.optimisers.supernets import (
    TrainedSupernet,
    checkpoint_path,
    load_supernet,
    make_supernet,
    save_supernet,
)
from archselect.benchmarks.plan.jobs import (
    RunJob,
    SupernetJob,
    TrainingJob,
    describe_training_data,
    load_search_images,
    load_training_dataset,
)
from archselect.benchmarks.plan.parts import (
    DataPart,
    SupernetReward,
    TableReward,
    TrainingReward,
    TruthPart,
)
from archselect.benchmarks.plan.protocols import TrainingSettings
from archselect.benchmarks.plan.rewards import PlannedReward
from archselect.benchmarks.runs.costs import OpenCosts
from archselect.benchmarks.runs.graph_rewards import TrainedReward, report_accuracy
from archselect.benchmarks.runs.journal import Journal, JournaledTask
from archselect.benchmarks.runs.landscapes import landscape_id
from archselect.benchmarks.runs.rewards import (
    new_queries,
    supernet_reward,
    table_reward,
)
from archselect.benchmarks.runs.sub_spaces import describe_memory
from archselect.benchmarks.runs.supernet_free_task import SupernetFreeTask
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runs.training import (
    Advance,
    ignore_progress,
    train_network,
)
from archselect.benchmarks.runtime.machine import code_version, commit, describe_machine
from archselect.benchmarks.runtime.meter import PeakMemory, PhaseClock
from archselect.benchmarks.runtime.same_inputs import (
    check_same_graph,
    check_same_images,
    check_same_truth,
)
from archselect.benchmarks.runtime.tensor_files import read_commit
from archselect.benchmarks.store import records
from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.logs import Answers, log_to, note
from archselect.benchmarks.store.records import (
    Accuracy,
    DataInputs,
    Record,
    SearchCost,
    Selected,
    Trained,
    TrainingEpoch,
)
from archselect.benchmarks.store.traces import write_trace
from archselect.nasbench_adapters.graphs import load_graph
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.streamed import StreamedImages, training_images
from archselect.nasbench_adapters.networks.graph.training import GraphOnDevice
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.ground_truth import GroundTruth, Trials
from archselect.nasbench_adapters.truth.landscape import rank
from archselect.nasbench_adapters.truth.surrogate import Surrogate
from archselect.selectors.base import Selection

Landscapes = Mapping[TruthPart, str]
"""The id of each ground truth's landscape in a study, as the command read it."""


class Runner:
    """Makes supernets and runs in one process, into one folder, on one device.

    Keeps data sets and ground truths open.

    Args:
        folder: folder of the study; its `supernets/` holds the supernets.
        device: device to run on.
        data_dir: folder of the data sets; None for the user's data folder.
        other_code: whether to resume unfinished work of another commit of archselect.
            Otherwise that work starts again.
        landscapes: the landscapes of the ground truths, to compare with what this
            process reads. A truth without one is not compared.
    """

    def __init__(
        self,
        folder: Folder,
        device: torch.device,
        data_dir: Path | None,
        other_code: bool = True,
        landscapes: Landscapes | None = None,
    ) -> None:
        self.folder = folder
        self.device = device
        self.data_dir = data_dir
        self.other_code = other_code
        self._landscapes = landscapes or {}
        self._images = lru_cache(maxsize=2)(self._load_images)
        self._training_images = lru_cache(maxsize=2)(self._load_training_images)
        # A task copies the supernet, so all runs on one supernet can share what was
        # read from its file.
        self._supernet = lru_cache(maxsize=1)(_load_supernet)
        self._truth = lru_cache(maxsize=8)(open_truth)
        self._truth_of_space = lru_cache(maxsize=8)(self._open_truth_of_space)
        self._graph = lru_cache(maxsize=2)(self._read_graph)
        self._costs = OpenCosts()
        self._is_warm = False

    def _load_images(self, part: str) -> Images:
        data = DataPart.model_validate_json(part)
        return load_search_images(data, self.data_dir, self.device)

    def _load_training_images(
        self,
        data: str,
        settings: TrainingSettings,
    ) -> Images | StreamedImages:
        dataset = load_training_dataset(data, settings, self.data_dir)
        return training_images(dataset, self.device)

    def _open_truth_of_space(self, table: str, space: str) -> GroundTruth:
        return self._truth(table).within(get_space(space))

    def _read_graph(self, name: str, checksum: str) -> GraphOnDevice:
        """Return a graph on the device; raise UserError if its content differs."""
        dataset = load_graph(name, self.data_dir)
        check_same_graph(name, dataset.checksum, checksum)
        return GraphOnDevice(dataset, self.device)

    def images(self, job: SupernetJob) -> Images:
        """Return the images of a supernet on the device; read them once.

        Raises UserError if they differ from the images that the command read.
        """
        images = self._images(job.data.model_dump_json())
        described = DataInputs.model_validate(images.describe())
        check_same_images(job.data.name, described, job.data_inputs)
        return images

    def training_images(self, job: TrainingJob) -> Images | StreamedImages:
        """Return the images of a final training; read them once.

        Raises UserError if they differ from the images that the command read.
        """
        images = self._training_images(job.data, job.settings)
        described = describe_training_data(images.dataset, job.settings)
        check_same_images(job.data, described, job.inputs.data)
        return images

    def supernet_path(self, job: SupernetJob) -> Path:
        """Return the path of a supernet."""
        return self.folder.supernet(job.id)

    def make_supernet(self, job: SupernetJob) -> None:
        """Make the supernet and write it into the folder."""
        about = {
            "recipe": job.inputs.recipe,
            "space": job.space.name,
            "seed": job.seed,
            "device": str(self.device),
        }
        log = self.folder.log(job.id)
        with log_to(log, supernet=job.id, **about):
            job.check()
            self._warm_up()
            path = self.supernet_path(job)
            if not self.other_code:
                _remove_if_of_other_code(checkpoint_path(path))
            trained = make_supernet(
                job.supernet,
                get_space(job.space.name),
                job.inputs,
                self.images(job),
                job.seed,
                _log_epoch,
                target=path,
            )
            if trained.trace is not None:
                # Write the trace first: a supernet in the folder always has its trace.
                write_trace(self.folder.trace(job.id), trained.trace)
            save_supernet(path, trained)

    def run(self, job: RunJob) -> Record:
        """Do one run and return its record.

        Writes only a journal and a log.
        """
        about = {
            "selector": job.label,
            "space": job.inputs.space,
            "supernet": job.supernet.id if job.supernet else None,
            "supernet_seed": job.supernet_seed,
            "selection_seed": job.selection_seed,
            "device": str(self.device),
        }
        id = job.inputs.id
        log = self.folder.log(id)
        with log_to(log, run=id, **about), Answers() as answers:
            return self._run(job, answers)

    def _run(self, job: RunJob, answers: Answers) -> Record:
        selector = job.build()
        start = perf_counter()
        self._warm_up()
        images = self.images(job.supernet) if job.supernet else None
        warmup = perf_counter() - start
        space = get_space(job.space.name)
        self._check_truths(job, space)
        self._costs.check(job.costs, space)
        clock = PhaseClock(self.device)
        trained = self._read_supernet(job.supernet) if job.supernet else None
        memory = PeakMemory(self.device)
        task: SupernetTask | SupernetFreeTask
        if job.supernet is not None and trained is not None and images is not None:
            task = self._supernet_task(job, job.supernet, trained, images, clock)
        else:
            task = self._supernet_free_task(job, space, clock)
        if job.reward is not None:
            self._answer_queries(task, job.reward, job)
        supernet_commit = trained.commit if trained else None
        journal = self._open_journal(job, supernet_commit)
        # Phase "select" has all time that no other phase takes: the selector's own
        # work, such as sampling, sorting and deciding.
        with clock.phase("select"):
            selection = selector.select(JournaledTask(task, journal, answers))
        cost = _total_cost(trained, clock, memory, warmup)
        step_memory = None
        if isinstance(task, SupernetTask) and job.supernet is not None:
            recipe = job.supernet.supernet
            step_memory = describe_memory(
                task,
                selection,
                recipe.batch_size,
                recipe.memory_budget,
                self._truths_of_space(job, space),
            )
        return Record(
            id=job.inputs.id,
            inputs=job.inputs,
            selected=_describe_selection(space, selection),
            accuracies=[
                *self._look_up(job, space, selection),
                *self._train_reported(job, space, selection),
            ],
            costs=self._costs.describe(job.costs, space, selection),
            mixture_cost=trained.mixture_cost if trained else None,
            memory=step_memory,
            cost=cost,
            code_version=code_version(),
            commit=journal.commit,
            supernet_commit=supernet_commit,
        )

    def _supernet_task(
        self,
        job: RunJob,
        supernet: SupernetJob,
        trained: TrainedSupernet,
        images: Images,
        clock: PhaseClock,
    ) -> SupernetTask:
        """Return the task of a run on a supernet."""
        return SupernetTask(
            get_space(job.space.name),
            supernet.supernet,
            supernet.inputs,
            trained,
            images,
            clock,
            job.supernet_seed,
            job.selection_seed,
        )

    def _supernet_free_task(
        self, job: RunJob, space: SearchSpace, clock: PhaseClock
    ) -> SupernetFreeTask:
        """Return the task of a run without a supernet."""
        seed = stream_seed("selection choices", job.supernet_seed, job.selection_seed)
        rng = np.random.default_rng(seed)
        return SupernetFreeTask(space, rng, clock)

    def _answer_queries(
        self,
        task: SupernetTask | SupernetFreeTask,
        planned: PlannedReward,
        job: RunJob,
    ) -> None:
        """Let a task answer queries: from a truth, its supernet, or trainings."""
        reward = planned.reward
        if isinstance(reward, TableReward):
            truth = self._truth_of_space(reward.table, task.space.name)
            queries = new_queries(task.space, planned, truth)
            task.answer_queries(queries, table_reward(truth, reward, task.clock))
            return
        queries = new_queries(task.space, planned, None)
        if isinstance(reward, SupernetReward) and isinstance(task, SupernetTask):
            task.answer_queries(queries, supernet_reward(task, reward))
        elif isinstance(reward, TrainingReward) and planned.inputs.training:
            graph = self._graph(reward.graph, planned.inputs.training.checksum)
            seed = stream_seed("queries", job.supernet_seed, job.selection_seed)
            trained = TrainedReward(
                task.space, reward, graph, queries, seed, task.clock
            )
            task.answer_queries(queries, trained)

    def _train_reported(
        self, job: RunJob, space: SearchSpace, selection: Selection
    ) -> list[Accuracy]:
        """Return the accuracy for the report, if the run has one."""
        report = job.report
        if report is None:
            return []
        graph = self._graph(report.graph, report.checksum)
        return [report_accuracy(report, space, graph, selection)]

    def _read_supernet(self, job: SupernetJob) -> TrainedSupernet:
        """Return a supernet; read its file again only if the file changed."""
        path = self.supernet_path(job)
        changed = path.stat().st_mtime_ns if path.is_file() else 0
        return self._supernet(path, changed)

    def _open_journal(self, job: RunJob, supernet_commit: str | None) -> Journal:
        return Journal(
            self.folder.journal(job.inputs.id),
            job.inputs.id,
            supernet_commit,
            other_code=self.other_code,
        )

    def train(
        self,
        job: TrainingJob,
        every: int = 1,
        advance: Advance = ignore_progress,
    ) -> Trained:
        """Train an architecture to the end, or resume, with :func:`.train_network`."""

        def log_and_advance(done: int, total: int, epoch: TrainingEpoch | None) -> None:
            measured = epoch.model_dump() if epoch else {}
            note("epoch", done=done, of=total, **measured)
            advance(done, total, epoch)

        about = {
            "space": job.inputs.space,
            "architecture": job.inputs.architecture,
            "seed": job.inputs.seed,
            "device": str(self.device),
        }
        log = self.folder.log(job.id)
        with log_to(log, training=job.id, **about):
            self._warm_up()
            images = self.training_images(job)
            checkpoint = self.folder.checkpoint(job.id)
            is_of_this_code = (
                not checkpoint.is_file() or read_commit(checkpoint) == commit()
            )
            if self.other_code or is_of_this_code:
                return train_network(job, images, checkpoint, every, log_and_advance)
            # The weights of the other commit stay until the new training is finished.
            replacement = self.folder.checkpoint(f"{job.id}.anew")
            _remove_if_of_other_code(replacement)
            trained = train_network(job, images, replacement, every, log_and_advance)
            replacement.replace(checkpoint)
            return trained

    def _check_truths(self, job: RunJob, space: SearchSpace) -> None:
        """Raise UserError if a ground truth changed since the command read it."""
        parts = self._parts_of_space(job, space)
        if job.reward is not None and job.reward.part is not None:
            parts.append(job.reward.part)
        for part in parts:
            if part in self._landscapes:
                truth = self._truth_of_space(part.table, space.name)
                here = landscape_id(truth, part)
                check_same_truth(part.table, here, self._landscapes[part])

    def _look_up(
        self,
        job: RunJob,
        space: SearchSpace,
        selection: Selection,
    ) -> list[Accuracy]:
        """Return the accuracy of a selection in each ground truth of the space."""
        accuracies = []
        for truth, part in self._truths_of_space(job, space):
            accuracies.append(_look_up_in(truth, part, selection))
        return accuracies

    def _truths_of_space(
        self, job: RunJob, space: SearchSpace
    ) -> list[tuple[GroundTruth, TruthPart]]:
        """Return the ground truths of a run for its space, and their columns."""
        truths = []
        for part in self._parts_of_space(job, space):
            truth = self._truth_of_space(part.table, space.name)
            truths.append((truth, part))
        return truths

    def _parts_of_space(self, job: RunJob, space: SearchSpace) -> list[TruthPart]:
        """Return the columns of ground truths of a run for its space."""
        parts = []
        for part in job.data.truth:
            truth = self._truth(part.table)
            if truth.covers(space):
                parts.append(part)
        return parts

    def _warm_up(self) -> None:
        """Use the device once in this process, so that no phase includes its start-up.

        With its first optimiser, torch imports its compiler, which takes seconds.
        """
        if self._is_warm:
            return
        layer = torch.nn.Conv2d(3, 8, 3, padding=1).to(self.device)
        images = torch.zeros(2, 3, 8, 8, device=self.device)
        layer(images).sum().backward()
        optimizer = torch.optim.SGD(layer.parameters())
        optimizer.step()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        # The libraries' many thousand objects stay alive. Searching them for cycles
        # takes a tenth of a second each time, so exclude them.
        gc.freeze()
        self._is_warm = True


def _load_supernet(path: Path, changed: int) -> TrainedSupernet:
    """Return the supernet of a file; `changed` (its time stamp) is a cache key."""
    del changed
    return load_supernet(path)


def _remove_if_of_other_code(file: Path) -> None:
    """Remove a file of unfinished work if another commit wrote it."""
    if file.is_file() and read_commit(file) != commit():
        file.unlink(missing_ok=True)


def _log_epoch(done: int, total: int, loss: float | None) -> None:
    """Note the end of an epoch of a supernet, with the loss of its last batch."""
    measured = {} if loss is None else {"loss": round(loss, 4)}
    note("epoch", done=done, of=total, **measured)


def _total_cost(
    trained: TrainedSupernet | None,
    clock: PhaseClock,
    memory: PeakMemory,
    warmup: float,
) -> SearchCost:
    """Return what a run has cost, including its supernet, if it has one."""
    machine = describe_machine(clock.device)
    if trained is None:
        return SearchCost(
            phases=clock.times(),
            counts=clock.counts(),
            warmup=warmup,
            peak_memory=memory.read(),
            memory_kind=memory.kind,
            machine=machine,
            supernet_machine=machine,
        )
    of_supernet = trained.cost
    return SearchCost(
        phases=of_supernet.times | clock.times(),
        counts=of_supernet.counts | clock.counts(),
        warmup=warmup,
        peak_memory=max(memory.read(), of_supernet.peak_memory),
        memory_kind=memory.kind,
        machine=machine,
        supernet_machine=of_supernet.machine,
    )


def _look_up_in(truth: GroundTruth, part: TruthPart, selection: Selection) -> Accuracy:
    """Return the accuracy of a selection in a ground truth.

    If the truth lacks the architecture, the accuracy says so; the selection is kept.
    """
    column = (part.dataset, part.split, part.epochs)

    def look_up(architecture: Architecture) -> Trials | None:
        if truth.mean(architecture, *column) is None:
            return None
        return truth.lookup(architecture, *column)

    selected = selection.architecture
    trials = look_up(selected)
    scored = []
    for architecture, _ in selection.architecture_scores:
        trials_of_scored = look_up(architecture)
        mean = trials_of_scored.mean if trials_of_scored else None
        scored.append(mean)
    agreement = truth.agreement if isinstance(truth, Surrogate) else None
    return Accuracy(
        landscape=landscape_id(truth, part),
        source=_source_of(truth, trials),
        surrogate_tau=agreement.tau if agreement else None,
        trials=list(trials.accuracies) if trials else [],
        trial_seeds=list(trials.seeds) if trials else [],
        mean=trials.mean if trials else None,
        rank=rank(truth, selected, *column)[0] if trials else None,
        scored=scored,
    )


def _source_of(
    truth: GroundTruth,
    trials: Trials | None,
) -> Literal["predicted", "looked up", "not in the table"]:
    if isinstance(truth, Surrogate):
        return "predicted"
    return "looked up" if trials else "not in the table"


def _describe_selection(space: SearchSpace, selection: Selection) -> Selected:
    """Return the description of a selection for a record."""
    architecture = selection.architecture
    architecture_scores = (
        records.ArchitectureScore(space.format(scored), value)
        for scored, value in selection.architecture_scores
    )
    operations = []
    edges = []
    for cell in space.cells:
        edges.append(list(cell.edges))
        operations.append([list(names) for names in cell.operations])
    graph = space.graph(architecture)
    return Selected(
        architecture=space.format(architecture),
        canonical=space.format(space.canonical(architecture)),
        graph=[records.CellGraph.model_validate(cell) for cell in graph],
        operations=operations,
        edges=edges,
        operation_scale=selection.operation_scale,
        operation_scores=Columns(records.OperationScore, selection.operation_scores),
        edge_scores=Columns(records.EdgeScore, selection.edge_scores),
        decisions=Columns(records.Decision, selection.decisions),
        architecture_scale=selection.architecture_scale,
        architecture_scores=Columns(records.ArchitectureScore, architecture_scores),
        uniform=selection.uniform,
    )
