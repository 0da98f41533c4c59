"""What one run measured: the schema of a folder of records, and how it is written and read. No torch here.

A folder holds `study.json` (the resolved study), `records/ID.json` (one per finished run), `failures/ID.json` (one per
run that raised), `landscapes/ID.json` (what a truth says of a whole space) and `trainings/ID.json` (architectures
trained to the end). Records are facts, written atomically and never edited; every table and figure is a pure function
of the folder.

Floats that are not finite are written as the strings "Infinity", "-Infinity" and "NaN".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from archselect.benchmarks.columns import Columns as Columns
from archselect.benchmarks.ranges import (
    COEFFICIENT,
    FINITE,
    LARGEST,
    MOST_COUNTED,
    PER_CENT,
    QUANTILES,
    ROUNDING,
    Cells,
    Limits,
    are_between,
    are_within,
    check_choices,
    check_graph,
    check_number,
    check_numbers,
    check_oracle,
    check_rows,
    check_same_length,
)
from archselect.benchmarks.ranges import Impossible as Impossible
from archselect.benchmarks.ranges import check_like as check_like

# `reports` may import this module and no adapter, so what it needs of them is passed on from here.
from archselect.nasbench_adapters.errors import Faults as Faults
from archselect.nasbench_adapters.errors import UserError as UserError
from archselect.nasbench_adapters.errors import unknown as unknown
from archselect.nasbench_adapters.files import read_bytes, unreadable
from archselect.nasbench_adapters.files import read_text as read_text
from archselect.nasbench_adapters.files import refuse_links as refuse_links
from archselect.nasbench_adapters.files import write_atomically as write_atomically
from archselect.nasbench_adapters.foreign_text import LONGEST_MESSAGE as LONGEST_MESSAGE
from archselect.nasbench_adapters.foreign_text import one_line as one_line
from archselect.nasbench_adapters.foreign_text import shortened as shortened
from archselect.nasbench_adapters.foreign_text import spreadsheet_cell as spreadsheet_cell
from archselect.nasbench_adapters.foreign_text import visible as visible

Settings = dict[str, str | int | FiniteFloat | bool | None]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""16 hexadecimal digits. It is the name of a file, and so must not be the way to one elsewhere."""


class Fact(BaseModel):
    """Base of all that is stored: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    def check(self) -> None:
        """Raise Impossible for a value of the right type that nothing can have measured."""


class DataInputs(Fact):
    """The images a run saw: data set, checksum of its arrays, and how training images were split in two halves."""

    name: str
    checksum: str
    train_images: int
    valid_images: int
    split: str
    augment: str


class SupernetInputs(Fact):
    """The supernet's recipe and the settings of the skeleton it has.

    `source` says where what is not archselect's own comes from: the hash of the optimiser's file, and package and
    version of plugins (the optimiser, the space); None, and then not written, if there is no such thing.
    """

    recipe: str
    settings: Settings
    skeleton: Settings
    source: str | None = None

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What was named by its hash before there was a source keeps its name.
        return {key: value for key, value in handler(self).items() if key != "source" or value is not None}


class SelectorInputs(Fact):
    """A selector by name, label (unique within a study) and settings.

    `source` says where what is not archselect's own comes from: the hash of the selector's file, and package and
    version of plugins (the selector, its space, proxies that it names); None if there is no such thing.
    """

    name: str
    label: str
    settings: Settings
    source: str | None = None


Numbers = dict[str, Annotated[int, Field(ge=1)]]
"""Formulation numbers by component. A component's number is raised when its results change on purpose."""


class Formulations(Fact):
    """The formulation numbers of all that archselect itself contributes to a run; see :mod:`.formulations`.

    `supernet` has those of the optimiser, the space, the networks and the images. `selector` has those of the selector
    and of the proxies that it may ask for.
    """

    supernet: Numbers
    selector: Numbers


class Inputs(Fact):
    """All that determines a run on one device type; its hash is the record's name.

    The version of archselect is not part of it: formulation numbers say what changed, and a release that changes no
    number keeps all results.
    """

    space: str
    data: DataInputs
    supernet: SupernetInputs
    selector: SelectorInputs
    supernet_seed: Seed
    selection_seed: Seed
    formulations: Formulations

    @property
    def id(self) -> str:
        """16 hexadecimal digits."""
        return content_id(self.model_dump(mode="json"))

    @property
    def supernet_id(self) -> str:
        """The name of the supernet that was read."""
        return supernet_id(self.space, self.supernet, self.data, self.supernet_seed, self.formulations.supernet)


class OperationScore(NamedTuple):
    """One score of one operation on one edge.

    `round` counts repetitions of the whole selection (iterations of Zero-Cost-PT), `step` the scorings within it.
    """

    round: int
    step: int
    cell: int
    edge: int
    choice: int
    value: float


class EdgeScore(NamedTuple):
    """One score of an edge into `node` as a whole, of the supernet without it."""

    round: int
    step: int
    cell: int
    node: int
    edge: int
    value: float


class Decision(NamedTuple):
    """In `round`, at `step`, the edge was decided for the operation `choice`, or dropped (-2)."""

    round: int
    step: int
    cell: int
    edge: int
    choice: int


class ArchitectureScore(NamedTuple):
    """One score of one whole architecture."""

    architecture: str
    value: float


class Scale(Fact):
    """What a selector's scores are and which way is better."""

    name: str
    better: Literal["higher", "lower"]


class CellGraph(Fact):
    """A cell as a drawable graph: nodes 0 .. nodes - 1, the inputs first, and edges (source, target, operation)."""

    name: str
    inputs: int
    nodes: int
    output: list[int]
    edges: list[tuple[int, int, str]]

    def check_as(self, name: str) -> None:
        """Raise Impossible, with the name of this graph, for what cannot be drawn."""
        check_graph(name, self.inputs, self.nodes, self.output, self.edges)


class Selected(Fact):
    """The architecture, in text, as a drawable graph and as its class's representative, and all scores looked at.

    A scale is None where the selector gives no such scores. `operations[c][e]` names the operations of edge e.
    `uniform`: the architecture was drawn as the space draws one, so that a truth of the whole space knows what to
    expect of it.
    """

    architecture: str
    canonical: str
    graph: list[CellGraph]
    operations: list[list[list[str]]]
    edges: list[list[tuple[int, int]]]
    operation_scale: Scale | None
    operation_scores: Columns[OperationScore]
    edge_scores: Columns[EdgeScore]
    decisions: Columns[Decision]
    architecture_scale: Scale | None
    architecture_scores: Columns[ArchitectureScore]
    uniform: bool = False


class Accuracy(Fact):
    """What a truth says of the selected architecture, in per cent, and of each architecture scored.

    `source` says where the numbers are from: a table of measurements, a model that predicts them, or our own final
    trainings of the architecture (one trial per seed, its test accuracy after the last epoch). A table that holds a
    part of its space may not have what was selected: then that is said, `trials` is empty and `mean` is None.
    `surrogate_tau` is, for a prediction, the model's cross-validated Kendall's tau-b, None where it is not known.
    `rank` is 1 + the number of architectures of the landscape with a strictly higher mean of trials, None where there
    is none to be among; `mean` is that mean. `scored` has, for each entry of the record's architecture_scores, the
    mean accuracy in the same truth, None where it has none; it is empty where only the selected architecture was
    judged.
    """

    landscape: Id
    source: Literal["looked up", "predicted", "trained", "not in the table"] = "looked up"
    surrogate_tau: float | None = None
    trials: list[float]
    trial_seeds: list[str]
    mean: float | None
    rank: int | None
    scored: list[float | None]

    def per_cents(self) -> list[float]:
        """Return every accuracy that is known."""
        return [value for value in (self.mean, *self.trials, *self.scored) if value is not None]

    def check_as(self, who: str, architectures: int) -> None:
        """Raise Impossible for a number that is none of an accuracy.

        Args:
            who: of what it is, in words.
            architectures: how many the run has scored.
        """
        check_numbers(f"accuracy{who}", self.per_cents(), 0, PER_CENT)
        check_number(f"rank{who}", self.rank, 1, MOST_COUNTED)
        check_number(f"surrogate_tau{who}", self.surrogate_tau, -COEFFICIENT, COEFFICIENT)
        check_same_length("trials", self.trials, "trial_seeds", self.trial_seeds)
        if self.scored:
            check_same_length("scored", self.scored, "architecture_scores", range(architectures))


class Counts(Fact):
    """Hardware-free cost of a phase. Images count once per forward; a backward counts twice its forward's FLOPs."""

    forwards: int = 0
    backwards: int = 0
    images: int = 0
    flops: int = 0


class Time(Fact):
    """Seconds of one phase, with a device synchronise at each boundary; `calls` is how often it was entered."""

    seconds: float
    calls: int


class Machine(Fact):
    """Where a run was made."""

    device: str
    device_name: str
    threads: int
    platform: str
    python: str
    torch: str
    deterministic: bool


class Cost(Fact):
    """What a run cost.

    Phases: data (drawing minibatches), supernet (training, shared by all selectors of the seed), score, tune,
    validate, select (the selector's own work). `warmup` is first use of the device and reading of the images, apart
    from the phases; `peak_memory` is in bytes, of `memory_kind`.
    """

    phases: dict[str, Time]
    counts: dict[str, Counts]
    warmup: float
    peak_memory: Annotated[int, Field(ge=0, lt=2**63)]
    memory_kind: str
    machine: Machine
    supernet_machine: Machine

    def amounts(self) -> Iterator[float]:
        """Yield every number."""
        yield from (self.warmup, self.peak_memory)
        for time in self.phases.values():
            yield from (time.seconds, time.calls)
        for counts in self.counts.values():
            yield from (counts.forwards, counts.backwards, counts.images, counts.flops)


class Record(Fact):
    """One finished run.

    `code_version` is the version of the archselect that made it, `commit` the commit, and `supernet_commit` that of
    the archselect that made the supernet; None where it is not known, or several commits had a part in it. See
    :func:`.machine.commit`.
    """

    schema_version: Literal[3] = 3
    id: Id
    inputs: Inputs
    selected: Selected
    accuracies: list[Accuracy]
    cost: Cost
    code_version: str
    commit: str | None = None
    supernet_commit: str | None = None

    def check(self) -> None:
        """See :meth:`Fact.check`."""
        _check_record(self)
        selected = self.selected
        limits = Limits.of(selected.operations)
        every = (selected.operation_scores, selected.edge_scores, selected.decisions)
        if not all(are_within(rows, limits) for rows in every):
            check_records([self])

    def facts(self) -> dict[str, Any]:
        """Return all but times, memory, machine, version and commits: the same on every repetition on the CPU."""
        apart = {"cost", "code_version", "commit", "supernet_commit"}
        dumped: dict[str, Any] = self.model_dump(mode="json", exclude=apart)
        return dumped | {"counts": {k: v.model_dump() for k, v in self.cost.counts.items()}}


def check_records(records: Sequence[Record]) -> None:
    """Raise Impossible for what no run can have measured, of the first record that says such a thing.

    What is common is looked at together, for records come by the thousand; each by itself only where that is not right.
    """
    if not _are_plainly_possible(records):
        for record in records:
            _check_record(record)
    selected = [record.selected for record in records]
    cells = Cells.of_all([own.operations for own in selected])
    check_rows("operation_scores", OperationScore, [own.operation_scores for own in selected], cells)
    check_rows("edge_scores", EdgeScore, [own.edge_scores for own in selected], cells)
    check_rows("decisions", Decision, [own.decisions for own in selected], cells)


def _are_plainly_possible(records: Sequence[Record]) -> bool:
    """Return whether :func:`_check_record` refuses none of some records; False where only it can tell."""
    drawn = set()
    for record in records:
        selected = record.selected
        # Records that are read from one file share their cells.
        cell = (id(selected.operations), id(selected.edges), id(selected.graph))
        if cell not in drawn:
            drawn.add(cell)
            try:
                _check_cells(selected)
            except Impossible:
                return False
        if not all(_fits(accuracy, selected) for accuracy in record.accuracies):
            return False
        if len(record.accuracies) > 1 and len({own.landscape for own in record.accuracies}) < len(record.accuracies):
            return False
    accuracies = [accuracy for record in records for accuracy in record.accuracies]
    scores = [record.selected.architecture_scores for record in records]
    return (
        are_between([value for own in accuracies for value in own.per_cents()], 0, PER_CENT)
        and are_between([own.rank for own in accuracies if own.rank is not None], 1, MOST_COUNTED)
        and are_between(
            [own.surrogate_tau for own in accuracies if own.surrogate_tau is not None], -COEFFICIENT, COEFFICIENT
        )
        and are_between(
            [value for own in scores if len(own) for value in own.column("value").tolist()], -FINITE, FINITE
        )
        and are_between([value for record in records for value in record.cost.amounts()], 0, LARGEST)
    )


def _fits(accuracy: Accuracy, selected: Selected) -> bool:
    """Return whether the lists of an accuracy have the lengths that they should have."""
    if len(accuracy.trials) != len(accuracy.trial_seeds):
        return False
    return not accuracy.scored or len(accuracy.scored) == len(selected.architecture_scores)


def _check_record(record: Record) -> None:
    """Raise Impossible for a fault of a record, its rows apart."""
    inputs, selected = record.inputs, record.selected
    _check_cells(selected)
    check_numbers("architecture_scores", selected.architecture_scores.column("value").tolist(), -FINITE, FINITE)
    who = f" of {inputs.selector.label}, seed {inputs.supernet_seed}/{inputs.selection_seed},"
    for accuracy in record.accuracies:
        accuracy.check_as(who, len(selected.architecture_scores))
    landscapes = [accuracy.landscape for accuracy in record.accuracies]
    if len(set(landscapes)) != len(landscapes):
        raise Impossible("accuracies has two of one landscape")
    check_cost(who, record.cost)


def _check_cells(selected: Selected) -> None:
    """Raise Impossible for cells without operations, or that cannot be drawn."""
    check_choices(selected.operations, selected.edges)
    check_same_length("graph", selected.graph, "operations", selected.operations)
    for cell, graph in enumerate(selected.graph):
        graph.check_as(f"graph.{cell}")


def check_cost(who: str, cost: Cost | TrainingCost) -> None:
    """Raise Impossible for seconds or counts that are not finite or below zero; `who` says of what, in words."""
    check_number(f"warmup{who}", cost.warmup)
    check_number(f"peak_memory{who}", cost.peak_memory)
    for phase, time in cost.phases.items():
        check_number(f"{phase}_seconds{who}", time.seconds)
        check_number(f"{phase}_calls{who}", time.calls)
    for phase, counts in cost.counts.items():
        check_numbers(f"counts.{phase}{who}", (counts.forwards, counts.backwards, counts.images, counts.flops))


class Failure(Fact):
    """One run that raised: never averaged away, made anew when the study runs again. `commit`: see :class:`Record`."""

    schema_version: Literal[1] = 1
    id: Id
    inputs: Inputs
    error: str
    traceback: str
    commit: str | None = None


class TrainingData(Fact):
    """The images of a final training: data set, checksum of its arrays, how many there are, how they are augmented.

    `streamed`: whether they are read from their files batch by batch (:mod:`.images.streamed`).
    """

    name: str
    checksum: str
    train_images: int
    test_images: int
    augment: str
    streamed: bool = False


class TrainingInputs(Fact):
    """All that determines a final training on one device type; its hash is the training's name."""

    space: str
    architecture: str
    data: TrainingData
    protocol: str
    settings: Settings
    skeleton: Settings
    seed: int
    formulations: Numbers

    @property
    def id(self) -> str:
        """16 hexadecimal digits."""
        return content_id(self.model_dump(mode="json"))


class TrainingEpoch(Fact):
    """One epoch of a final training: what was set, and what was measured, accuracies in per cent.

    `train_loss` is what was minimised, label smoothing and auxiliary head included, and both training numbers are of
    augmented images and of the weights as they moved; the test numbers are taken after the epoch.
    """

    learning_rate: float
    drop_path: float
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float

    def check_as(self, name: str) -> None:
        """Raise Impossible, with the name of this epoch, for a number that is not finite or not possible."""
        check_number(f"{name}.drop_path", self.drop_path, 0, 1)
        for key in ("learning_rate", "train_loss", "test_loss"):
            check_number(f"{name}.{key}", getattr(self, key))
        for key in ("train_accuracy", "test_accuracy"):
            check_number(f"{name}.{key}", getattr(self, key), 0, PER_CENT)


class TrainingCost(Fact):
    """What a final training cost; see :class:`Cost`.

    Phases: train, test, and compile where code was made; `warmup` is making the network and reading the checkpoint.
    The auxiliary head is in the times and in no count. `sessions` is how often it was started: after an
    interruption it goes on from its last checkpoint, and what came after that checkpoint is not counted.
    """

    phases: dict[str, Time]
    counts: dict[str, Counts]
    warmup: float
    peak_memory: int
    memory_kind: str
    machine: Machine
    sessions: int


class Trained(Fact):
    """One architecture trained to the end.

    `overrides` are the settings that are not the protocol's own. `parameters` are without the auxiliary head; `flops`
    are of one image's forward, two per multiply-add. `last_accuracy` is the test accuracy after the last epoch,
    `best_accuracy` the highest after any, first reached after epoch `best_epoch` (from 1) and so chosen on the test
    images; papers often report it. `code_version`, `commit`: see :class:`Record`.
    """

    schema_version: Literal[2] = 2
    id: Id
    inputs: TrainingInputs
    overrides: Settings
    graph: list[CellGraph]
    parameters: int
    flops: int
    epochs: list[TrainingEpoch]
    last_accuracy: float
    best_accuracy: float
    best_epoch: int
    cost: TrainingCost
    code_version: str
    commit: str | None = None

    def check(self) -> None:
        """See :meth:`Fact.check`."""
        for cell, graph in enumerate(self.graph):
            graph.check_as(f"graph.{cell}")
        for place, epoch in enumerate(self.epochs):
            epoch.check_as(f"epochs.{place}")
        check_number("best_epoch", self.best_epoch, 1, len(self.epochs) or 1)
        for name in ("last_accuracy", "best_accuracy"):
            check_number(name, getattr(self, name), 0, PER_CENT)
        check_cost("", self.cost)
        check_numbers("parameters, flops and sessions", (self.parameters, self.flops, self.cost.sessions))

    def facts(self) -> dict[str, Any]:
        """Return all but times, memory, machine, version and commit: the same on every repetition on the CPU."""
        dumped: dict[str, Any] = self.model_dump(mode="json", exclude={"cost", "code_version", "commit"})
        return dumped | {"counts": {k: v.model_dump() for k, v in self.cost.counts.items()}}


class Agreement(Fact):
    """How a surrogate's predictions agree with accuracies left out of its fit, each with its 95 % interval.

    Of so many architectures, in so many folds: Kendall's tau-b, Spearman's rho, and the root of the mean squared
    difference in points; `best` is tau-b among the tenth with the highest accuracies, None where that is too small.
    """

    architectures: int
    folds: int
    tau: float
    tau_low: float
    tau_high: float
    spearman: float
    spearman_low: float
    spearman_high: float
    rmse: float
    rmse_low: float
    rmse_high: float
    best: float | None = None
    best_low: float | None = None
    best_high: float | None = None

    def check_as(self, name: str) -> None:
        """Raise Impossible, with the name of this agreement, for a number that is not finite or not possible."""
        for key in ("tau", "spearman", "best"):
            for end in ("", "_low", "_high"):
                check_number(f"{name}.{key}{end}", getattr(self, f"{key}{end}"), -COEFFICIENT, COEFFICIENT)
        for key in ("rmse", "rmse_low", "rmse_high"):
            check_number(f"{name}.{key}", getattr(self, key))


class Landscape(Fact):
    """What one truth says of a whole space, in per cent, mean of trials per architecture.

    A truth that holds a part of its space only says it of that part: `architectures` of the `space_size` (None for all
    of it). Of a surrogate, all but its name is of the table it was fitted on, `agreement` is its cross-validation,
    None where it is not known. `provenance` is of the accuracies: a table may hold predictions, too.

    `mean`, `std` and `mean_rank` are of a cell drawn as the random selector draws it: the exact expectation of its
    accuracy, the standard deviation of its accuracy, the exact expectation of its rank. They are None where that is not
    known: of a surrogate, of a part of a space, and of a space that does not tell how likely each draw is.

    `optimum` is the highest mean of trials, which noise makes too high; `optimum_corrected` estimates the accuracy of
    the truly best cell, `optimum_left_out` is that of the cell that all trials but one name as the best, on the one
    left out. Both are None where no architecture has two trials.

    `operations[c][e]` are the names of the operations on edge e, `operation_parameters[c][e]` their numbers of
    parameters. `quantiles` are at 0, 0.5, …, 100 %. `oracle_best[c][e][k]` is the best accuracy (maximum over cells and
    trials) with operation k on edge e, `oracle_mean` the mean over those cells. `noise_std` is the mean over
    architectures of the standard deviation between trials; `ceiling_single` is Kendall's tau-b between single trials,
    `ceiling_half` between means of two halves of the trials: no predictor of one trial (or half) can be expected to do
    better.

    Where only what was selected is judged, by final trainings, `architectures` is 0 and all statistics are missing.
    """

    schema_version: Literal[1] = 1
    id: Id
    truth: str
    space: str
    dataset: str
    split: str
    epochs: int
    origin: str
    checksum: str
    surrogate: bool = False
    agreement: Agreement | None = None
    provenance: Literal["measured", "predicted"] = "measured"
    space_size: int | None = None
    architectures: int
    trials: int
    quantiles: list[float]
    mean: float | None
    std: float | None
    optimum: float | None
    optimum_architecture: str | None
    mean_rank: float | None = None
    optimum_corrected: float | None = None
    optimum_left_out: float | None = None
    operations: list[list[list[str]]] = []
    operation_parameters: list[list[list[int]]] = []
    oracle_best: list[list[list[float]]]
    oracle_mean: list[list[list[float]]]
    noise_std: float | None
    ceiling_single: float | None
    ceiling_half: float | None

    def check(self) -> None:
        """See :meth:`Fact.check`."""
        accuracies = ("mean", "optimum", "optimum_corrected", "optimum_left_out")
        for key in (*accuracies, "std", "noise_std"):
            check_number(key, getattr(self, key), 0, PER_CENT)
        check_number("mean_rank", self.mean_rank, 1)
        for key in ("epochs", "architectures", "trials", "space_size"):
            check_number(key, getattr(self, key))
        if self.mean is not None and self.std is None:
            raise Impossible("mean is there, and std is not")
        for key in ("ceiling_single", "ceiling_half"):
            check_number(key, getattr(self, key), -COEFFICIENT, COEFFICIENT)
        check_numbers("quantiles", self.quantiles, 0, PER_CENT)
        if self.agreement is not None:
            self.agreement.check_as("agreement")
        self._check_whole()

    def _check_whole(self) -> None:
        """Raise Impossible if statistics of the whole are there in part."""
        if not self.architectures:
            return
        if len(self.quantiles) != QUANTILES or any(
            after < before - ROUNDING for before, after in pairwise(self.quantiles)
        ):
            raise Impossible(f"quantiles are not {QUANTILES} accuracies in order")
        if self.optimum is None:
            raise Impossible("optimum is missing")
        check_oracle("oracle_best", self.oracle_best)
        check_oracle("oracle_mean", self.oracle_mean)
        check_like("oracle_mean", self.oracle_mean, "oracle_best", self.oracle_best)
        parameters = [number for cell in self.operation_parameters for edge in cell for number in edge]
        check_numbers("operation_parameters", parameters)
        for key in ("operations", "operation_parameters"):
            if choices := getattr(self, key):
                check_like(key, choices, "oracle_best", self.oracle_best)


class Reproduced(Fact):
    """Which published numbers a selector's are to be held against: all of a paper's table for a method.

    `space` is the study's, where it is named otherwise than in the published rows.
    """

    paper: str
    table: str
    method: str
    selector: str
    space: str | None = None


class StudyInfo(Fact):
    """What the folder's study is: its name and words, its selectors' labels in order, its tables and all its runs.

    `command` is what was typed, `source` the TOML text of the study. `differences` are the settings, in words, in which
    it is not the study `variant_of`. `references` are labels of selectors that the others are compared with; without
    any, that is the best.
    """

    schema_version: Literal[1] = 1
    name: str
    title: str
    description: str
    labels: list[str]
    tables: list[str]
    runs: list[Id]
    command: str
    source: str
    reproduces: list[Reproduced] = []
    variant_of: str | None = None
    differences: list[str] = []
    references: list[str] = []


class ScorerFacts(Fact):
    """What one scorer thinks of the operations on the edges of a space, read from a file."""

    name: str
    scale: Scale
    scores: list[OperationScore]


class Population(Fact):
    """The architectures that proxies score, and what is known of them.

    `source` says in words which they are; `trials[i]` are the accuracies of architecture i in per cent by the truth
    that `truth` describes (None: no truth, and no trials; it names a prediction as one). `published` has, by proxy,
    the scores that the file of the architectures gives.
    """

    space: str
    source: str
    architectures: list[str]
    truth: str | None = None
    trials: list[list[float]] = []
    published: dict[str, list[float | None]] = {}

    def check(self) -> None:
        """See :meth:`Fact.check`."""
        if not all(self.trials):
            raise Impossible("trials has an architecture without a trial")
        check_numbers("trials", [value for own in self.trials for value in own], 0, PER_CENT)


class ScoringInputs(Fact):
    """All that determines the scores of a population on one device type.

    `norm` is the batch-norm mode: "own" is that of each proxy's definition. `fresh_batches`: whether every architecture
    is scored on minibatches of its own, or all of a seed's on the same. `supernet_operations`: whether networks have
    the supernet's operations (normalisation without scale and shift, poolings normalised). `population` is the hash of
    its architectures.
    """

    space: str
    skeleton: Settings
    data: DataInputs
    proxies: list[str]
    norm: str
    batch_size: int
    batches: int
    fresh_batches: bool
    supernet_operations: bool
    population: str
    formulations: Numbers


class Scoring(Fact):
    """What a folder of scores is: its inputs, seeds and size, and the command that goes on with it."""

    schema_version: Literal[1] = 1
    inputs: ScoringInputs
    seeds: list[int]
    size: int
    command: str


class Score(Fact):
    """One proxy's score of one architecture; None where it is not defined, with the reason in words."""

    value: float | None
    reason: str = ""
    seconds: float


class Scored(Fact):
    """The scores of one seed of some architectures, by architecture (in the population's order) and proxy.

    `code_version`, `commit`: see :class:`Record`.
    """

    schema_version: Literal[2] = 2
    seed: int
    start: int
    scores: list[dict[str, Score]]
    machine: Machine
    code_version: str
    commit: str | None = None

    def check(self) -> None:
        """See :meth:`Fact.check`; a score that is not finite is none, and has the reason why."""
        check_numbers("seconds", [score.seconds for own in self.scores for score in own.values()])


def content_id(content: object) -> str:
    """16 hexadecimal digits of the SHA-256 of the content's canonical JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def supernet_id(space: str, inputs: SupernetInputs, data: DataInputs, seed: int, formulations: Numbers) -> str:
    """Return the name of a supernet: the hash of all that determines it."""
    return content_id(
        {
            "space": space,
            "supernet": inputs.model_dump(mode="json"),
            "data": data.model_dump(mode="json"),
            "seed": seed,
            "formulations": formulations,
        }
    )


def short_commit(commit: str | None) -> str:
    """Return a commit in words, with ten of its digits; see :func:`.machine.commit`."""
    if commit is None:
        return "commit not known"
    name, _, changed = commit.partition("-")
    if name == "unknown":
        return f"unknown commit, source {changed}"
    return f"{name[:10]}{' with changes' if changed else ''}"


def flatten(settings: object, prefix: str = "") -> dict[str, object]:
    """Nested settings as one level, keys joined by dots; tables in a list by their places."""
    if isinstance(settings, list) and settings and isinstance(settings[0], dict):
        settings = {f"{place}": item for place, item in enumerate(settings)}
    if not isinstance(settings, dict):
        return {prefix: settings}
    joined: dict[str, object] = {}
    for key, value in settings.items():
        joined |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return joined


_NUMBERS = re.compile(rb"\[\n[^\[\]{}\"]+\]")
"""A list of numbers, each on a line; no text has a line break in JSON."""


def as_text(fact: Fact) -> bytes:
    """A fact as indented JSON, each list of numbers on one line."""
    indented = fact.model_dump_json(indent=1).encode()
    return _NUMBERS.sub(lambda found: b" ".join(found[0].split()), indented) + b"\n"


def write_fact(path: Path, fact: Fact, within: Path | None = None) -> None:
    """Write a fact :func:`as_text`, atomically; see :func:`.files.write_atomically`."""
    write_atomically(path, as_text(fact), within)


FactType = TypeVar("FactType", bound=Fact)


def read_fact(path: Path, kind: type[FactType], mend: str = "remove it and run again") -> FactType:
    """Return the fact of a file.

    Args:
        mend: what to do about a file of another shape, for the message.

    Raises UserError, naming file and field, if the file is unreadable or of another shape.
    """
    try:
        content = read_bytes(path)
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_fact(path, content, kind, mend)


def read_fact_if_there(path: Path, kind: type[FactType], mend: str = "remove it and run again") -> FactType | None:
    """Return the fact of a file, None if there is no such file (any more); see :func:`read_fact`."""
    try:
        content = read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_fact(path, content, kind, mend)


def parse_fact(
    path: Path, content: bytes | str, kind: type[FactType], mend: str = "remove it and run again"
) -> FactType:
    """Return the fact that a file's content is. Raises UserError as :func:`read_fact`, if it is none."""
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path} is not a valid {kind.__name__.lower()}: {where}: {first['msg']}; {mend}") from error


def check_fact(path: Path, fact: Fact) -> None:
    """Raise UserError, naming the file, for a fact that says what nothing can have measured."""
    try:
        fact.check()
    except Impossible as error:
        raise UserError(f"{path}: {error}: remove the file and run the study's command again") from error


def read_checked(path: Path, kind: type[FactType]) -> FactType:
    """Return the fact of a file. Raises UserError as :func:`read_fact` and :func:`check_fact`."""
    fact = read_fact(path, kind)
    check_fact(path, fact)
    return fact


OF_REPORTS = ("report/figures/any.svg", "report.html", "records.parquet", "scores.csv")
"""A file of each folder that reports write, and the files that stand alone."""
WRITTEN = (
    *OF_REPORTS,
    "study.json",
    "scoring.json",
    "population.json",
    "records/any.json",
    "failures/any.json",
    "landscapes/any.json",
    "trainings/any.json",
    "scores/any.json",
    "selections/any.json",
    "checkpoints/any.pt",
    "supernets/any.pt",
    "traces/any.npz",
    "progress/any.jsonl",
    "logs/any.jsonl",
)
"""The same of all that commands write into a folder of records or of scores."""


class Folder:
    """A folder of records."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, kind: type[Fact], id: str) -> Path:
        """Where a record, failure, landscape or training of that id is."""
        names: dict[type[Fact], str] = {
            Record: "records",
            Failure: "failures",
            Landscape: "landscapes",
            Trained: "trainings",
            Scored: "scores",
        }
        return self.root / names[kind] / f"{id}.json"

    def selection(self, id: str) -> Path:
        """Where the record of a run is whose selected architecture is still to be trained."""
        return self.root / "selections" / f"{id}.json"

    def checkpoint(self, id: str) -> Path:
        """Where the weights of a final training are, finished or not."""
        return self.root / "checkpoints" / f"{id}.pt"

    def supernet(self, id: str) -> Path:
        """Where a supernet is."""
        return self.root / "supernets" / f"{id}.pt"

    def trace(self, id: str) -> Path:
        """Where the trace of a supernet is; see :mod:`.traces`."""
        return self.root / "traces" / f"{id}.npz"

    def journal(self, id: str) -> Path:
        """Where the journal of an unfinished run is, without suffix."""
        return self.root / "progress" / id

    def log(self, id: str) -> Path:
        """Where the log of a run, supernet or training is; see :mod:`.logs`."""
        return self.root / "logs" / f"{id}.jsonl"

    @property
    def compact_path(self) -> Path:
        """All records in one file; see :mod:`.compaction`."""
        return self.root / "records.parquet"

    @property
    def scoring_path(self) -> Path:
        """The file that says which scores the folder holds."""
        return self.root / "scoring.json"

    @property
    def population_path(self) -> Path:
        """The architectures that are scored there."""
        return self.root / "population.json"

    def scored(self, seed: int, start: int) -> Path:
        """Where the scores of a seed are, from the architecture at `start` on."""
        return self.root / "scores" / f"{seed}-{start:06d}.json"

    def read_all(self, kind: type[FactType]) -> Iterator[FactType]:
        """Every fact of a kind, in order of file name; what is removed meanwhile is left out."""
        folder = self.path(kind, "x").parent
        for path in sorted(folder.glob("*.json")):
            fact = read_fact_if_there(path, kind)
            if fact is not None:
                yield fact

    def refuse_links(self, names: Iterable[str] = WRITTEN) -> None:
        """Raise UserError if a folder or file that a command writes is a link or something else, such as a pipe.

        So a link shows before anything is computed. Whatever writes a file looks at that file, too.
        """
        for name in names:
            refuse_links(self.root / name, self.root)

    def check_all(self, kind: type[FactType]) -> Iterator[FactType]:
        """Yield every fact of a kind as :meth:`read_all`, each checked by :func:`check_fact`."""
        for path in sorted(self.path(kind, "x").parent.glob("*.json")):
            fact = read_fact_if_there(path, kind)
            if fact is not None:
                check_fact(path, fact)
                yield fact

    @property
    def study_path(self) -> Path:
        """The file that says which study the folder is of."""
        return self.root / "study.json"

    def study(self) -> StudyInfo:
        """The study. Raises UserError if the folder is none of ours."""
        if not self.study_path.is_file():
            raise UserError(
                f"{self.root} holds no study.json: name a folder that 'archselect run STUDY --out DIR' has written"
            )
        return read_fact(self.study_path, StudyInfo)
