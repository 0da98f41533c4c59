"""What determines a run; the hash of it is the record's name."""

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

    `split` says how training images were split in two halves, `augment` how they were
    augmented.
    """

    name: str
    checksum: str
    train_images: int
    valid_images: int
    split: str
    augment: str


class SupernetInputs(Fact):
    """How a supernet is trained, and the settings of its skeleton.

    `recipe` is the name of the optimiser, `settings` are all of its settings. `source`
    says where code that is not archselect's own comes from: the hash of the optimiser's
    file, and package and version of plugins (the optimiser, the space); None if there
    is no such code.
    """

    recipe: str
    settings: Settings
    skeleton: Settings
    source: str | None = None


NO_SUPERNET = "none"
"""What a run without a supernet has in place of the optimiser's name."""


class TrainedInputs(Fact):
    """How networks are trained that answer queries.

    `graph` is the name of the data set whose nodes they classify, and `checksum` that
    of its arrays. `sharing` says which weights a network takes over from those trained
    before it in the same run. `formulation` is that of the networks and of their
    training; all else are settings.
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
    """What answers the queries of a run, and how many it has.

    `source` is "table", a column of a ground truth, "supernet", the accuracy on the
    validation images with one operation per edge, or "training", the accuracy on the
    validation nodes of a network that each query trains. `landscape` is the id of the
    column's :class:`.Landscape`; None elsewhere. `trial` says how the trials of a
    column make one number: their "mean", or the "first" alone. `norm` is the batch-norm
    mode of a supernet; None elsewhere. `training` says how each query is trained; None
    elsewhere.

    `counting` says what costs a query: each class of architectures of equal function,
    or each text. `queries` is the budget. `is_reported` says that the study reports
    the reward's own column, too: what is selected was then chosen by what judges it.
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
    """A selector by name, label (unique within a study) and settings.

    `source` says where code that is not archselect's own comes from: the hash of the
    selector's file or of its predictor's, and package and version of plugins (the
    selector, its space, proxies and predictors that it names); None if there is no such
    code.
    """

    name: str
    label: str
    settings: Settings
    source: str | None = None


class Formulations(Fact):
    """Formulation numbers of archselect's own components in a run.

    See :mod:`.formulations`. `supernet` has those of the optimiser, the space, the
    networks and the images, `selector` those of the selector and of the proxies that it
    may ask for.
    """

    supernet: FormulationNumbers
    selector: FormulationNumbers


class Inputs(Fact):
    """All that determines a run on one kind of device; its hash is the record's name.

    The version of archselect is not part of it: formulation numbers say what changed,
    and a release that changes no number keeps all results.

    A run without a supernet has :data:`NO_SUPERNET` as the supernet's recipe; its
    `supernet_seed` is a seed of the selection, like the other. `reward` is None where
    the selector queries nothing.
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

        What a run does without is no part of it: its id stays when new things can be
        asked of others.
        """
        inputs = self.model_dump(mode="json")
        if self.reward is None:
            del inputs["reward"]
        elif self.reward.training is None:
            del inputs["reward"]["training"]
        return content_id(inputs)

    @property
    def supernet_id(self) -> str:
        """Name of the supernet that the selector reads."""
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
