"""One run: a selector on a supernet, timed, its selection looked up in the truths; and one supernet made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from time import perf_counter

import torch

from archselect.benchmarks import records
from archselect.benchmarks.clock import Clock, PeakMemory
from archselect.benchmarks.grid import RunJob, SupernetJob, images_of
from archselect.benchmarks.journal import Journal, JournaledTask
from archselect.benchmarks.machine import machine
from archselect.benchmarks.records import Accuracy, Cost, Folder, Landscape, Record, Selected, content_id
from archselect.benchmarks.study import DataPart, TruthPart
from archselect.benchmarks.supernets import load_supernet, make_supernet, save_supernet
from archselect.benchmarks.task import SupernetTask
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.landscape import landscape, rank
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.selectors.base import Scale, Selection


class Runner:
    """Makes supernets and runs in one process, into one folder, on one device. Keeps data and truths open.

    Args:
        folder: of the study; supernets lie in its `supernets/`.
        device: to run on.
        data_dir: where data sets are.
    """

    def __init__(self, folder: Folder, device: torch.device, data_dir: Path | None) -> None:
        self.folder, self.device, self.data_dir = folder, device, data_dir
        self._images = lru_cache(maxsize=2)(self._load_images)
        self._truth = lru_cache(maxsize=8)(open_truth)
        self._warm = False

    def _load_images(self, key: str) -> Images:
        return images_of(DataPart.model_validate_json(key), self.data_dir, self.device)

    def images(self, data: DataPart) -> Images:
        """The data of a study's part on the device, read once."""
        return self._images(data.model_dump_json())

    def supernet_path(self, job: SupernetJob) -> Path:
        """Where the supernet is kept."""
        return self.folder.root / "supernets" / f"{job.id}.pt"

    def make_supernet(self, job: SupernetJob) -> None:
        """Make the supernet and keep it."""
        self._warm_up()
        space = get_space(job.space.name)
        trained = make_supernet(job.supernet, space, job.inputs, self.images(job.data), job.seed)
        save_supernet(self.supernet_path(job), trained)

    def run(self, job: RunJob) -> Record:
        """Do one run and return its record; nothing is written."""
        start = perf_counter()
        self._warm_up()
        images = self.images(job.supernet.data)
        warmup = perf_counter() - start
        space = get_space(job.supernet.space.name)
        clock = Clock(self.device)
        trained = load_supernet(self.supernet_path(job.supernet))
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
        task = JournaledTask(answering, Journal(self.folder.journal(job.inputs.id), job.inputs.id), clock)
        selector = job.selector.build()
        # Whatever the task does not time itself is the selector's own work: sampling, sorting, deciding.
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
                if self._truth(part.table).space.name == space.name
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
        )

    def _accuracy(self, part: TruthPart, space: SearchSpace, selection: Selection) -> Accuracy:
        table = self._truth(part.table)
        column = (part.dataset, part.split, part.epochs)
        trials = table.lookup(selection.architecture, *column)
        return Accuracy(
            landscape=landscape_id(table, part),
            trials=list(trials.accuracies),
            trial_seeds=list(trials.seeds),
            mean=trials.mean,
            rank=rank(table, selection.architecture, *column)[0],
            scored=[table.lookup(a, *column).mean for a, _ in selection.architecture_scores],
        )

    def _warm_up(self) -> None:
        """Use the device once in this process, so that no phase pays for its start."""
        if self._warm:
            return
        layer = torch.nn.Conv2d(3, 8, 3, padding=1).to(self.device)
        layer(torch.zeros(2, 3, 8, 8, device=self.device)).sum().backward()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self._warm = True


def _selected(space: SearchSpace, selection: Selection) -> Selected:
    architecture = selection.architecture
    return Selected(
        architecture=space.format(architecture),
        canonical=space.format(space.canonical(architecture)),
        graph=[records.CellGraph.model_validate(cell) for cell in space.graph(architecture)],
        operations=[[list(names) for names in cell.operations] for cell in space.cells],
        edges=[list(cell.edges) for cell in space.cells],
        operation_scale=_scale(selection.operation_scale),
        operation_scores=[records.OperationScore(**vars(score)) for score in selection.operation_scores],
        edge_scores=[records.EdgeScore(**vars(score)) for score in selection.edge_scores],
        decisions=[records.Decision(**vars(decision)) for decision in selection.decisions],
        architecture_scale=_scale(selection.architecture_scale),
        architecture_scores=[
            records.ArchitectureScore(architecture=space.format(a), value=value)
            for a, value in selection.architecture_scores
        ],
    )


def _scale(scale: Scale | None) -> records.Scale | None:
    return None if scale is None else records.Scale(name=scale.name, better=scale.better)


def landscape_id(table: TruthTable, part: TruthPart) -> str:
    """The name of a landscape: the hash of the truth's content and the column."""
    return content_id([table.checksum, table.name, part.dataset, part.split, part.epochs])


def survey(parts: Sequence[TruthPart], spaces: Sequence[str]) -> list[Landscape]:
    """The landscapes of a study's truths. Raises UserError if a truth or column is not there, or of another space."""
    found = []
    for part in parts:
        table = open_truth(part.table)
        if table.space.name not in spaces:
            raise UserError(f"truth '{part.table}' is of space {table.space.name}, not of {', '.join(spaces)}")
        numbers = landscape(table, part.dataset, part.split, part.epochs)
        found.append(
            Landscape(
                id=landscape_id(table, part),
                truth=table.name,
                space=table.space.name,
                dataset=part.dataset,
                split=part.split,
                epochs=part.epochs,
                origin=table.origin,
                checksum=table.checksum,
                **vars(numbers),
            )
        )
    return found
