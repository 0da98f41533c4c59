"""The parts of a study, as a TOML file writes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from archselect.benchmarks.optimisers.registry import get_optimiser
from archselect.benchmarks.optimisers.supernets import Recipe
from archselect.benchmarks.plan.protocols import (
    ResolvedProtocol,
    TrainingSettings,
    resolve_protocol,
)
from archselect.benchmarks.plan.validation_errors import explain_validation_error
from archselect.benchmarks.store.facts import Seed, Settings
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.foreign_text import LONGEST_TITLE, check_label
from archselect.nasbench_adapters.limits import (
    MOST_CHANNELS,
    MOST_PARTS,
    MOST_QUERIES,
    MOST_SEEDS,
)
from archselect.nasbench_adapters.networks.graph.network import GraphNetworkSettings
from archselect.nasbench_adapters.networks.graph.sharing import SharingName
from archselect.nasbench_adapters.networks.graph.training import GraphTrainingSettings
from archselect.nasbench_adapters.setting_types import (
    Count,
    EpochsFromOne,
    NonNegative,
    Positive,
    Share,
)
from archselect.selectors.base import REWARDS, Selector
from archselect.selectors.queries import Counting
from archselect.selectors.registry import get_selector

Seeds = Annotated[
    list[Seed], Field(min_length=1, max_length=MOST_SEEDS, fail_fast=True)
]
Names = Annotated[list[str], Field(max_length=MOST_PARTS)]


def _check_label_if_any(label: str) -> str:
    return check_label(label) if label else label


def _check_title(title: str) -> str:
    return check_label(title, LONGEST_TITLE)


Label = Annotated[str, AfterValidator(_check_label_if_any)]
"""A label on one line, for figures, tables and terminals; empty for no label."""
Title = Annotated[str, AfterValidator(_check_title)]
"""A title on one line."""


class Part(BaseModel):
    """Base class of a study's parts: frozen; refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SeedsPart(Part):
    """Seeds of supernets and of selections. Every pair of seeds is one run."""

    supernet: Seeds
    selection: Seeds = [0]


class SpacePart(Part):
    """A search space: its name, the settings of its skeleton, and a label."""

    name: str
    skeleton: Settings = {}
    label: Label = ""

    @property
    def title(self) -> str:
        """The label; the name if there is no label."""
        return self.label or self.name


class CostPart(Part):
    """A cost of architectures: its name, and the text that opens it.

    `of` is `params`, `macs`, `table:NAME/COLUMN`, `additive:NAME/COLUMN@N`,
    `mlp:NAME/COLUMN@N`, FILE.py:CLASS, or a name that an installed package declares. A
    table that lacks architectures of the space is refused, unless `gaps = "allowed"`:
    then records of the missing architectures have no cost.
    """

    name: Annotated[str, AfterValidator(check_label)]
    of: str = Field(min_length=1)
    gaps: Literal["refused", "allowed"] = "refused"


class TruthPart(Part):
    """A column of a ground truth. `table` is the name or path of the ground truth."""

    table: str
    dataset: str
    split: str
    epochs: int


class TableReward(TruthPart):
    """A column of a ground truth that answers queries.

    `trial` selects a value of each architecture: the mean of its trials, or the first
    trial. `seconds` opens a cost, like `of` of a :class:`CostPart`: the seconds of
    training that each query would take without the table.
    """

    trial: Literal["mean", "first"] = "mean"
    seconds: str | None = Field(None, min_length=1)

    @property
    def part(self) -> TruthPart:
        """The column, without the choice of a trial."""
        return TruthPart(
            table=self.table,
            dataset=self.dataset,
            split=self.split,
            epochs=self.epochs,
        )


class SupernetReward(Part):
    """The supernet's accuracy on validation images, with one operation per edge.

    `norm` is the batch-norm mode.
    """

    source: Literal["supernet"] = "supernet"
    norm: Literal["running", "batch"] = "running"


class ReportPart(Part):
    """How every queried architecture is trained from scratch, for the report.

    It is trained alone, once per seed: no weights are shared. All other settings are
    those of the reward.
    """

    epochs: EpochsFromOne
    seeds: Seeds = [0]


class TrainingReward(Part):
    """The validation accuracy of a graph network that each query trains.

    `graph` is a key of :data:`.graphs.GRAPHS`. A network inherits weights from networks
    that the same run trained before, by the rule `sharing`
    (:mod:`.networks.graph.sharing`), and is then trained for `epochs`. `report` says
    how architectures are trained for the reported test accuracy; without it, no test
    accuracy is reported. :class:`.GraphNetworkSettings` and
    :class:`.GraphTrainingSettings` explain the other settings.
    """

    source: Literal["training"] = "training"
    graph: str
    epochs: EpochsFromOne
    sharing: SharingName = "none"
    report: ReportPart | None = None
    learning_rate: Positive = 0.01
    weight_decay: NonNegative = 5e-4
    hidden: int = Field(64, ge=1, le=MOST_CHANNELS)
    layers_before: Literal[0, 1] = 1
    layers_after: Literal[0, 1] = 0
    heads: Count = 2
    dropout: Share = 0.0

    @property
    def network(self) -> GraphNetworkSettings:
        """The settings of the networks."""
        return GraphNetworkSettings(
            hidden=self.hidden,
            layers_before=self.layers_before,
            layers_after=self.layers_after,
            heads=self.heads,
            dropout=self.dropout,
        )

    def training(self, epochs: int) -> GraphTrainingSettings:
        """Return the settings of a training with this number of epochs."""
        return GraphTrainingSettings(
            epochs=epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )


_LOOKED_UP = "table"
"""The source of a reward that names no source."""


def _kind_of_reward(value: Any) -> str:
    """Return the tag for the kind of reward in a study."""
    keys = value if isinstance(value, dict) else vars(value)
    return f"from {keys.get('source', _LOOKED_UP)}"


# What answers queries. All kinds except a column of a ground truth write their
# `source`.
Reward = Annotated[
    Annotated[TableReward, Tag("from table")]
    | Annotated[SupernetReward, Tag("from supernet")]
    | Annotated[TrainingReward, Tag("from training")],
    Discriminator(_kind_of_reward),
]


class TrainPart(Part):
    """How every selected architecture is trained to the end.

    It is trained once per seed, even if several runs select it. `data` is the data set
    to train on; by default that of the search. All other keys are settings of the
    protocol (:class:`.protocols.TrainingSettings`).
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    protocol: str
    seeds: Seeds = [0]
    data: str | None = None
    skeleton: Settings = {}

    def resolve(self, space: str) -> ResolvedProtocol:
        """Return the protocol for a space, with the settings of this part.

        Raises UserError for an unknown protocol or setting.
        """
        settings = self.model_extra or {}
        known = [*TrainPart.model_fields, *TrainingSettings.model_fields]
        for key in settings:
            if key not in known:
                raise unknown("key of a data set's 'train'", key, known)
        return resolve_protocol(self.protocol, space, settings, self.skeleton)


class DataPart(Part):
    """A data set (name or path), and how selected architectures are judged on it.

    `truth` says in which ground truths their accuracies are looked up. `train` says how
    they are trained to the end: the name of a protocol, a table with a protocol and its
    settings, or a list of these. A study needs one of the two, unless its tables need
    no accuracies (:data:`.study.TABLES_WITHOUT_ACCURACY`). `limit` keeps only the first
    images of each half.

    `reward` answers the queries of selectors that need rewards. `queries` is the budget
    of each selector, and `counting` says what counts as a query (:class:`.Queries`).
    The column of the reward may also be in `truth` only with `reward_is_reported =
    true`; every table then says so.

    A reward that trains networks on a graph can have a `report` in place of `truth`.

    If no supernet and no protocol is trained on the data, no images are read. `name`
    can then be any name.
    """

    name: str
    split: Literal["first", "shuffled"] = "first"
    split_seed: int = 0
    train_fraction: float = Field(0.5, gt=0, lt=1)
    limit: int | None = Field(None, ge=2)
    truth: list[TruthPart] = Field([], max_length=MOST_PARTS)
    train: list[TrainPart] = Field([], max_length=MOST_PARTS)
    reward: Reward | None = None
    queries: int | None = Field(None, ge=1, le=MOST_QUERIES)
    counting: Counting = "classes"
    reward_is_reported: bool = False

    @property
    def has_report(self) -> bool:
        """Whether queried architectures are trained from scratch for the report."""
        return isinstance(self.reward, TrainingReward) and bool(self.reward.report)

    @field_validator(
        "reward",
        mode="before",
        json_schema_input_type=Reward | Literal["supernet"] | None,
    )
    @classmethod
    def _name_supernet(cls, value: Any) -> Any:
        """Return `{ source = "supernet" }` for the short form "supernet"."""
        return {"source": value} if isinstance(value, str) else value

    @field_validator(
        "train",
        mode="before",
        json_schema_input_type=list[TrainPart | str] | TrainPart | str,
    )
    @classmethod
    def _list_protocols(cls, value: Any) -> Any:
        parts = []
        for part in value if isinstance(value, list) else [value]:
            is_name = isinstance(part, str)
            parts.append({"protocol": part} if is_name else part)
        return parts


class SupernetPart(Recipe):
    """A training recipe with its settings, a label, and where the supernet is trained.

    `spaces` are labels of spaces and `data` are names of data sets. Without these keys,
    the supernet is trained on all of them. Without a label, the label is the name of
    the optimiser.
    """

    label: Label = ""
    spaces: Names | None = None
    data: Names | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_in_label(cls, values: Any) -> Any:
        recipe = values.get("recipe") if isinstance(values, dict) else None
        if not isinstance(recipe, str):
            return values
        optimiser = get_optimiser(recipe)
        return {"label": optimiser.name, **values}

    def is_trained_on(self, space: SpacePart, data: DataPart) -> bool:
        """Return whether the supernet is trained on this space and data set."""
        on_space = self.spaces is None or space.title in self.spaces
        on_data = self.data is None or data.name in self.data
        return on_space and on_data


class SelectorPart(Part):
    """A selector: its name, a label, its supernets; all other keys are its settings.

    The name can be FILE.py:CLASS, a class of the user. `on` are labels of supernets;
    without it, the selector reads all supernets.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str
    label: Label = ""
    on: Names | None = None

    def build(self) -> Selector:
        """Return the selector.

        Raises UserError for an unknown name or setting.
        """
        kind = get_selector(self.name)
        try:
            return kind(**(self.model_extra or {}))
        except ValidationError as error:
            reason = explain_validation_error(error, kind)
            raise UserError(f"selector {self.name}: {reason}") from error

    @property
    def queries(self) -> bool:
        """Whether the selector needs rewards."""
        return REWARDS in self.build().needs

    @property
    def title(self) -> str:
        """The name in tables: the label, or without a label the selector's name."""
        return self.label or get_selector(self.name).name
