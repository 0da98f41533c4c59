"""The record of an architecture that was trained to the end."""

from __future__ import annotations

from typing import Any, Literal

from archselect.benchmarks.store.facts import (
    Fact,
    FormulationNumbers,
    Id,
    Settings,
    content_id,
)
from archselect.benchmarks.store.ranges import (
    PER_CENT,
    check_number,
    check_numbers,
)
from archselect.benchmarks.store.records.cost import (
    TrainingCost,
    check_cost,
    dump_counts,
)
from archselect.benchmarks.store.records.selected import (
    CellGraph,
)


class TrainingData(Fact):
    """Images of a final training: data set, checksum of its arrays, and their use.

    `streamed` says whether they are read from their files batch by batch
    (:mod:`.images.streamed`).
    """

    name: str
    checksum: str
    train_images: int
    test_images: int
    augment: str
    streamed: bool = False


class TrainingInputs(Fact):
    """Everything that determines a final training on one kind of device.

    Its hash is the training's name.
    """

    space: str
    architecture: str
    data: TrainingData
    protocol: str
    settings: Settings
    skeleton: Settings
    seed: int
    formulations: FormulationNumbers

    @property
    def id(self) -> str:
        """Hash of the inputs, 16 hexadecimal digits: the name of the training."""
        return content_id(self.model_dump(mode="json"))


class TrainingEpoch(Fact):
    """One epoch of a final training: its settings and measurements.

    Accuracies are in per cent. `train_loss` is the minimised loss, including label
    smoothing and auxiliary head. Both training numbers are for augmented images,
    measured while the weights changed; the test numbers are measured after the epoch.
    """

    learning_rate: float
    drop_path: float
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float

    def check_as(self, name: str) -> None:
        """Raise Impossible, with the name of this epoch, for an impossible number."""
        check_number(f"{name}.drop_path", self.drop_path, 0, 1)
        for key in ("learning_rate", "train_loss", "test_loss"):
            check_number(f"{name}.{key}", getattr(self, key))
        for key in ("train_accuracy", "test_accuracy"):
            check_number(f"{name}.{key}", getattr(self, key), 0, PER_CENT)


class Trained(Fact):
    """A finished final training of an architecture.

    `overrides` are the settings that differ from the protocol. `parameters` excludes
    the auxiliary head. `flops` are those of one image's forward pass, two per
    multiply-add. `last_accuracy` is the test accuracy after the last epoch, in per
    cent. `best_accuracy` is the highest after any epoch, first reached after epoch
    `best_epoch` (from 1); it is therefore chosen on the test images, but papers often
    report it. `code_version` and `commit` are as in :class:`.Record`.
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
        """Raise Impossible for values that no training can have measured."""
        for cell, graph in enumerate(self.graph):
            graph.check_as(f"graph.{cell}")
        for place, epoch in enumerate(self.epochs):
            epoch.check_as(f"epochs.{place}")
        check_number("best_epoch", self.best_epoch, 1, len(self.epochs) or 1)
        for name in ("last_accuracy", "best_accuracy"):
            check_number(name, getattr(self, name), 0, PER_CENT)
        check_cost("", self.cost)
        check_numbers(
            "parameters, flops and sessions",
            (self.parameters, self.flops, self.cost.sessions),
        )

    def facts(self) -> dict[str, Any]:
        """Return what is the same on every repetition on the CPU.

        This is everything except times, memory, machine, version and commit.
        """
        apart = {"cost", "code_version", "commit"}
        dumped: dict[str, Any] = self.model_dump(mode="json", exclude=apart)
        return dumped | {"counts": dump_counts(self.cost)}
