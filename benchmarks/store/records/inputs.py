"""The inputs that determine a run; their hash is the record's name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from archselect.benchmarks.store.facts import (
    Fact,
    FormulationNumbers,
    Id,
    Seed,
    Settings,
    content_id,
)


class DataInputs(Fact):
    """Images of a run: the data set, a checksum of its arrays, and their use.

    `split` says how training images were divided into two halves, `augment` how they
    were augmented.
    """

    name: str
    checksum: str
    train_images: int
    valid_images: int
    split: str
    augment: str


class SupernetInputs(Fact):
    """How a supernet is trained, and the settings of its skeleton.

    `recipe` is the name of the optimiser, `settings` are all its settings. `source`
    names the origin of code that is not built in: the hash of the optimiser's file, and
    package and version of plugins (the optimiser, the space). It is None if all code is
    built in.
    """

    recipe: str
    settings: Settings
    skeleton: Settings
    source: str | None = None


NO_SUPERNET = "none"
"""The recipe of a run without a supernet."""


class TrainedInputs(Fact):
    """How queries train networks.

    `graph` is the name of the data set whose nodes they classify, and `checksum` that
    of its arrays. `sharing` says which weights a network inherits from networks that
    the same run trained before. `formulation` is the number of the networks and their
    training; all other fields are settings.
    """

    graph: str
    checksum: str
    sharing: Literal["none", "free", "homogeneous"]
    epochs: int
    learning_rate: float
    weight_decay: float
    hidden: int
    layers_before: int
    layers_after: int
    heads: int
    dropout: float
    formulation: int


class RewardInputs(Fact):
    """What answers the queries of a run, and how many queries it has.

    `source` is "table" (a column of a ground truth), "supernet" (the accuracy on the
    validation images with one operation per edge) or "training" (the accuracy on the
    validation nodes of a network that each query trains). `landscape` is the id of the
    column's :class:`.Landscape`. `trial` says how the trials of a column become one
    number: their "mean", or only the "first". `norm` is the batch-norm mode of a
    supernet. `training` says how each query is trained. Fields of other sources are
    None.

    `counting` says what counts as a query: each class of architectures that compute the
    same function, or each text. `queries` is the budget. `is_reported` says that the
    study also reports the reward's own column: then selections are judged by what they
    were chosen by.
    """

    source: Literal["table", "supernet", "training"]
    landscape: Id | None = None
    trial: Literal["mean", "first"] | None = None
    norm: Literal["running", "batch"] | None = None
    counting: Literal["classes", "texts"] = "classes"
    queries: int = Field(ge=1)
    is_reported: bool = False
    training: TrainedInputs | None = None


class SelectorInputs(Fact):
    """A selector: its name, label (unique within a study) and settings.

    `source` names the origin of code that is not built in: the hash of the selector's
    file or its predictor's, and package and version of plugins (the selector, its
    space, and the proxies and predictors that it names). It is None if all code is
    built in.
    """

    name: str
    label: str
    settings: Settings
    source: str | None = None


class Formulations(Fact):
    """Formulation numbers of the built-in components in a run (:mod:`.formulations`).

    `supernet` has the numbers of the optimiser, the space, the networks and the images.
    `selector` has the numbers of the selector and of the proxies that it can use.
    """

    supernet: FormulationNumbers
    selector: FormulationNumbers


class Inputs(Fact):
    """Everything that determines a run on a kind of device; its hash names the record.

    The version of archselect is not part of it: formulation numbers say what changed,
    and a release that changes no number keeps all results.

    A run without a supernet has :data:`NO_SUPERNET` as its recipe; its `supernet_seed`
    is another seed of the selection. `reward` is None if the selector makes no queries.
    """

    space: str
    data: DataInputs
    supernet: SupernetInputs
    selector: SelectorInputs
    supernet_seed: Seed
    selection_seed: Seed
    formulations: Formulations
    reward: RewardInputs | None = None

    @property
    def id(self) -> str:
        """Hash of the inputs, 16 hexadecimal digits: the name of the run.

        Inputs that a run does not use are left out, so that its id does not change when
        new inputs are added for other runs.
        """
        inputs = self.model_dump(mode="json")
        if self.reward is None:
            del inputs["reward"]
        elif self.reward.training is None:
            del inputs["reward"]["training"]
        return content_id(inputs)

    @property
    def supernet_id(self) -> str:
        """Id of the supernet that the selector reads."""
        return supernet_id(
            self.space,
            self.supernet,
            self.data,
            self.supernet_seed,
            self.formulations.supernet,
        )


def supernet_id(
    space: str,
    inputs: SupernetInputs,
    data: DataInputs,
    seed: int,
    formulations: FormulationNumbers,
) -> str:
    """Return the id of a supernet: the hash of everything that determines it."""
    return content_id(
        {
            "space": space,
            "supernet": inputs.model_dump(mode="json"),
            "data": data.model_dump(mode="json"),
            "seed": seed,
            "formulations": formulations,
        }
    )
