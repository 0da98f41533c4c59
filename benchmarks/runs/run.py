"""One run: a selector on a supernet, timed, its selection looked up in the truths; and one supernet made."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from time import perf_counter

import torch

from archselect.benchmarks.optimisers.supernets import (
    checkpoint_path,
    load_supernet,
    make_supernet,
    save_supernet,
)
from archselect.benchmarks.plan.jobs import (
    RunJob,
    SupernetJob,
    TrainingJob,
    TrainingPlan,
    describe_training,
    images_of,
    training_dataset,
)
from archselect.benchmarks.plan.protocols import TrainingSettings
from archselect.benchmarks.plan.study import DataPart, TruthPart
from archselect.benchmarks.runs.journal import Journal, JournaledTask
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runs.training import Advance, train_network
from archselect.benchmarks.runtime.machine import code_version, commit, machine
from archselect.benchmarks.runtime.meter import Clock, PeakMemory
from archselect.benchmarks.runtime.tensor_files import commit_of
from archselect.benchmarks.runtime.vouching import check_images, check_truth
from archselect.benchmarks.store import records
from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import content_id
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.logs import Answers, logged, note
from archselect.benchmarks.store.records import (
    Accuracy,
    Cost,
    DataInputs,
    Landscape,
    Record,
    Selected,
    Trained,
    TrainingEpoch,
)
from archselect.benchmarks.store.traces import write_trace
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.streamed import StreamedImages, training_images
from archselect.nasbench_adapters.networks.operations import operation_parameters
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.ground_truth import GroundTruth, Trials
from archselect.nasbench_adapters.truth.landscape import landscape, rank
from archselect.selectors.base import Scale, Selection

Landscapes = Mapping[TruthPart, str]
"""The id of the landscape of each truth of a study, as the command read it."""


class Runner:
    """Makes supernets and runs in one process, into one folder, on one device.

    Keeps data and truths open.

    Args:
        folder: of the study; supernets lie in its `supernets/`.
        device: to run on.
        data_dir: where data sets are.
        other_code: whether unfinished work of another commit of archselect is gone on
            with, or begun anew.
        landscapes: those of the truths; one that is not among them is not held against
            anything.
    """

    def __init__(
        self,
        folder: Folder,
        device: torch.device,
        data_dir: Path | None,
        other_code: bool = True,
        landscapes: Landscapes | None = None,
    ) -> None:
        self.folder, self.device, self.data_dir, self.other_code = (
            folder,
            device,
            data_dir,
            other_code,
        )
        self._landscapes = landscapes or {}
        self._images = lru_cache(maxsize=2)(self._load_images)
        self._training_images = lru_cache(maxsize=2)(self._load_training_images)
        # A task copies what it is given, so the runs on one supernet read its file
        # once.
        self._supernet = lru_cache(maxsize=1)(lambda path, changed: load_supernet(path))
        self._truth = lru_cache(maxsize=8)(open_truth)
        self._truth_of = lru_cache(maxsize=8)(
            lambda table, space: self._truth(table).within(get_space(space))
        )
        self._warm = False

    def _load_images(self, key: str) -> Images:
        return images_of(DataPart.model_validate_json(key), self.data_dir, self.device)

    def _load_training_images(
        self, data: str, settings: TrainingSettings
    ) -> Images | StreamedImages:
        return training_images(
            training_dataset(data, settings, self.data_dir), self.device
        )

    def images(self, job: SupernetJob) -> Images:
        """The images of a supernet on the device, read once.

        Raises UserError if the command read others.
        """
        images = self._images(job.data.model_dump_json())
        check_images(
            job.data.name, DataInputs.model_validate(images.describe()), job.data_inputs
        )
        return images

    def training_images(self, job: TrainingJob) -> Images | StreamedImages:
        """The images of a final training, read once.

        Raises UserError if the command read others.
        """
        images = self._training_images(job.data, job.settings)
        check_images(
            job.data, describe_training(images.dataset, job.settings), job.inputs.data
        )
        return images

    def supernet_path(self, job: SupernetJob) -> Path:
        """Where the supernet is kept."""
        return self.folder.supernet(job.id)

    def make_supernet(self, job: SupernetJob) -> None:
        """Make the supernet and keep it."""

        def advance(done: int, total: int) -> None:
            note("epoch", done=done, of=total)

        about = {
            "recipe": job.inputs.recipe,
            "space": job.space.name,
            "seed": job.seed,
            "device": str(self.device),
        }
        with logged(self.folder.log(job.id), supernet=job.id, **about):
            job.check()
            self._warm_up()
            space = get_space(job.space.name)
            path = self.supernet_path(job)
            unfinished = checkpoint_path(path)
            if (
                not self.other_code
                and unfinished.is_file()
                and commit_of(unfinished) != commit()
            ):
                unfinished.unlink(missing_ok=True)
            trained = make_supernet(
                job.supernet,
                space,
                job.inputs,
                self.images(job),
                job.seed,
                advance,
                target=path,
            )
            if trained.trace is not None:
                # Before the supernet: where that is, its trace is, too.
                write_trace(self.folder.trace(job.id), trained.trace)
            save_supernet(path, trained)

    def run(self, job: RunJob) -> Record:
        """Do one run and return its record; but for journal and log, nothing is written."""
        about = {
            "selector": job.label,
            "space": job.inputs.space,
            "supernet": job.supernet.id,
            "supernet_seed": job.supernet.seed,
            "selection_seed": job.selection_seed,
            "device": str(self.device),
        }
        with (
            logged(self.folder.log(job.inputs.id), run=job.inputs.id, **about),
            Answers() as answers,
        ):
            return self._run(job, answers)

    def _run(self, job: RunJob, answers: Answers) -> Record:
        selector = job.build()
        start = perf_counter()
        self._warm_up()
        images = self.images(job.supernet)
        warmup = perf_counter() - start
        space = get_space(job.supernet.space.name)
        self._check_truths(job, space)
        clock = Clock(self.device)
        path = self.supernet_path(job.supernet)
        # A supernet may have been made anew since it was read.
        trained = self._supernet(path, path.stat().st_mtime_ns if path.is_file() else 0)
        memory = PeakMemory(self.device)
        answering = SupernetTask(
            space,
            job.supernet.supernet,
            job.supernet.inputs,
            trained,
            images,
            clock,
            job.supernet.seed,
            job.selection_seed,
        )
        journal = Journal(
            self.folder.journal(job.inputs.id),
            job.inputs.id,
            trained.commit,
            other_code=self.other_code,
        )
        task = JournaledTask(answering, journal, answers)
        # Whatever the task does not time itself is the selector's own work: sampling,
        # sorting, deciding.
        with clock.phase("select"):
            selection = selector.select(task)
        peak = memory.read()
        return Record(
            id=job.inputs.id,
            inputs=job.inputs,
            selected=_selected(space, selection),
            accuracies=[
                self._accuracy(part, space, selection)
                for part in job.supernet.data.truth
                if self._truth(part.table).covers(space)
            ],
            cost=Cost(
                phases=trained.cost.times | clock.times(),
                counts=trained.cost.counts | clock.counts(),
                warmup=warmup,
                peak_memory=max(peak, trained.cost.peak_memory),
                memory_kind=memory.kind,
                machine=machine(self.device),
                supernet_machine=trained.cost.machine,
            ),
            code_version=code_version(),
            commit=journal.commit,
            supernet_commit=trained.commit,
        )

    def train(
        self,
        job: TrainingJob,
        every: int = 1,
        advance: Advance = lambda done, total, epoch: None,
    ) -> Trained:
        """Train an architecture to the end, or go on with it; see :func:`.training.train_network`."""

        def advanced(done: int, total: int, epoch: TrainingEpoch | None) -> None:
            note("epoch", done=done, of=total, **(epoch.model_dump() if epoch else {}))
            advance(done, total, epoch)

        about = {
            "space": job.inputs.space,
            "architecture": job.inputs.architecture,
            "seed": job.inputs.seed,
        }
        with logged(
            self.folder.log(job.id), training=job.id, **about, device=str(self.device)
        ):
            self._warm_up()
            images = self.training_images(job)
            checkpoint = self.folder.checkpoint(job.id)
            anew = self.folder.checkpoint(f"{job.id}.anew")
            if (
                self.other_code
                or not checkpoint.is_file()
                or commit_of(checkpoint) == commit()
            ):
                return train_network(job, images, checkpoint, every, advanced)
            # The weights of the other commit stay until the new ones are trained.
            if anew.is_file() and commit_of(anew) != commit():
                anew.unlink(missing_ok=True)
            trained = train_network(job, images, anew, every, advanced)
            anew.replace(checkpoint)
            return trained

    def _check_truths(self, job: RunJob, space: SearchSpace) -> None:
        """Raise UserError if a truth is not the one that the command read."""
        for part in job.supernet.data.truth:
            if part in self._landscapes and self._truth(part.table).covers(space):
                here = landscape_id(self._truth_of(part.table, space.name), part)
                check_truth(part.table, here, self._landscapes[part])

    def _accuracy(
        self, part: TruthPart, space: SearchSpace, selection: Selection
    ) -> Accuracy:
        """What a truth says of the selection; a table that does not hold it says that, and the selection is kept."""
        truth: GroundTruth = self._truth_of(part.table, space.name)
        column = (part.dataset, part.split, part.epochs)

        def trials(architecture: Architecture) -> Trials | None:
            return (
                None
                if truth.mean(architecture, *column) is None
                else truth.lookup(architecture, *column)
            )

        found, scored = (
            trials(selection.architecture),
            [trials(a) for a, _ in selection.architecture_scores],
        )
        return Accuracy(
            landscape=landscape_id(truth, part),
            source="predicted"
            if truth.predicts
            else "looked up"
            if found
            else "not in the table",
            surrogate_tau=truth.agreement.tau if truth.agreement else None,
            trials=list(found.accuracies) if found else [],
            trial_seeds=list(found.seeds) if found else [],
            mean=found.mean if found else None,
            rank=rank(truth, selection.architecture, *column)[0] if found else None,
            scored=[own.mean if own else None for own in scored],
        )

    def _warm_up(self) -> None:
        """Use the device once in this process, so that no phase pays for its start.

        With its first optimiser torch imports its compiler, which takes seconds.
        """
        if self._warm:
            return
        layer = torch.nn.Conv2d(3, 8, 3, padding=1).to(self.device)
        layer(torch.zeros(2, 3, 8, 8, device=self.device)).sum().backward()
        torch.optim.SGD(layer.parameters()).step()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        # The libraries' hundreds of thousands of objects stay: looking for cycles among
        # them, time and again, takes a tenth of a second each.
        gc.freeze()
        self._warm = True


def _selected(space: SearchSpace, selection: Selection) -> Selected:
    architecture = selection.architecture
    return Selected(
        architecture=space.format(architecture),
        canonical=space.format(space.canonical(architecture)),
        graph=[
            records.CellGraph.model_validate(cell) for cell in space.graph(architecture)
        ],
        operations=[[list(names) for names in cell.operations] for cell in space.cells],
        edges=[list(cell.edges) for cell in space.cells],
        operation_scale=_scale(selection.operation_scale),
        operation_scores=Columns(
            records.OperationScore,
            (
                records.OperationScore(**vars(score))
                for score in selection.operation_scores
            ),
        ),
        edge_scores=Columns(
            records.EdgeScore,
            (records.EdgeScore(**vars(score)) for score in selection.edge_scores),
        ),
        decisions=Columns(
            records.Decision,
            (records.Decision(**vars(own)) for own in selection.decisions),
        ),
        architecture_scale=_scale(selection.architecture_scale),
        architecture_scores=Columns(
            records.ArchitectureScore,
            (
                records.ArchitectureScore(space.format(a), value)
                for a, value in selection.architecture_scores
            ),
        ),
        uniform=selection.uniform,
    )


def _scale(scale: Scale | None) -> records.Scale | None:
    return (
        None if scale is None else records.Scale(name=scale.name, better=scale.better)
    )


def landscape_id(truth: GroundTruth, part: TruthPart) -> str:
    """The name of a landscape: the hash of the truth's content and the column."""
    return content_id(
        [truth.checksum, truth.name, part.dataset, part.split, part.epochs]
    )


def trained_accuracy(plan: TrainingPlan, trained: Sequence[Trained]) -> Accuracy:
    """What a plan's trainings of one architecture say of it; one trial per seed, taken after the last epoch."""
    trials = [training.last_accuracy for training in trained]
    return Accuracy(
        landscape=plan.id,
        source="trained",
        trials=trials,
        trial_seeds=[str(training.inputs.seed) for training in trained],
        mean=fmean(trials),
        rank=None,
        scored=[],
    )


def trained_landscape(plan: TrainingPlan) -> Landscape:
    """What is known of a space by a plan's trainings: what they are, and no statistics of the whole."""
    settings = ", ".join(
        f"{key}={value}" for key, value in plan.protocol.overrides.items()
    )
    return Landscape(
        id=plan.id,
        truth=f"trained: {plan.protocol.protocol.name}"
        + (f" ({settings})" if settings else ""),
        space=plan.space,
        dataset=plan.described.name,
        split="test",
        epochs=plan.protocol.settings.epochs,
        origin="final trainings by archselect, test accuracy after the last epoch",
        checksum=plan.described.checksum,
        architectures=0,
        trials=len(plan.seeds),
        quantiles=[],
        mean=None,
        std=None,
        optimum=None,
        optimum_architecture=None,
        oracle_best=[],
        oracle_mean=[],
        noise_std=None,
        ceiling_single=None,
        ceiling_half=None,
    )


def describe_truths(
    parts: Sequence[TruthPart], spaces: Sequence[str]
) -> list[Landscape]:
    """The landscapes of a study's truths.

    Raises UserError if a truth or column is not there, of another space, or of several
    of the study's, or if a table of a space of which there are whole ones lacks
    architectures: what is selected could be one of those.
    """
    found = []
    for part in parts:
        opened = open_truth(part.table)
        fitting = [
            space
            for space in map(get_space, dict.fromkeys(spaces))
            if opened.covers(space)
        ]
        if not fitting:
            raise UserError(
                f"truth '{part.table}' is of space {opened.space.name}, not of {', '.join(spaces)}"
            )
        if len(fitting) > 1:
            names = ", ".join(space.name for space in fitting)
            raise UserError(
                f"truth '{part.table}' speaks for {names}: write a study for each of these spaces"
            )
        truth = opened.within(fitting[0])
        numbers = landscape(truth, part.dataset, part.split, part.epochs)
        size = truth.space.size
        if (
            truth.space.whole_tables
            and not truth.predicts
            and numbers.architectures < size
        ):
            raise UserError(
                f"truth '{part.table}' has {numbers.architectures:,} of {size:,} architectures of {truth.space.name} "
                f"on {part.dataset}/{part.split} at {part.epochs} epochs: use a whole table, or fit a surrogate on it "
                "('archselect truth fit')"
            )
        agreement = truth.agreement
        found.append(
            Landscape(
                id=landscape_id(truth, part),
                truth=truth.name,
                space=truth.space.name,
                dataset=part.dataset,
                split=part.split,
                epochs=part.epochs,
                origin=truth.origin,
                checksum=truth.checksum,
                surrogate=truth.predicts,
                agreement=records.Agreement(**vars(agreement)) if agreement else None,
                provenance=truth.reference.provenance,
                space_size=None if numbers.architectures == size else size,
                operation_parameters=operation_parameters(truth.space),
                **vars(numbers),
            )
        )
    return found
