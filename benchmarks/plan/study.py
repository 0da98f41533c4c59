"""Studies: a TOML file that plans a grid of runs and names the tables to print.

::

    name = "mine"
    title = "The title of the report"
    tables = ["tau", "accuracy", "time"]

    [seeds]
    supernet = [0, 1, 2, 3]  # seeds of weights and supernet training
    selection = [0]          # seeds of edge orders and minibatches

    [[spaces]]
    name = "nb201"
    skeleton = { channels = 16, cells = 5 }
    label = "large"          # default: the name

    [[data]]
    name = "cifar10"         # or the path of an .npz; "cifar10@16" is averaged to 16x16
    split = "first"          # how training images are halved: "first" or "shuffled"
    truth = [
        { table = "nb201.npz", dataset = "cifar10", split = "ori-test", epochs = 200 },
    ]
    # or { protocol = "tiny", seeds = [0, 1], epochs = 30 }, or a list of these
    train = "tiny"

    [[supernets]]
    recipe = "darts"
    epochs = 50
    trace = true             # record the training, for tables "wiring" and "alphas"
    spaces = ["large"]       # labels of spaces to train it on; default: all
    data = ["cifar10"]       # names of data sets to train it on; default: all

    [[selectors]]
    name = "darts-pt"
    on = ["darts"]           # labels of supernets; default: all; [] for none
    tune_epochs = 5

    [[costs]]                # optional: costs of the selected architectures
    name = "latency"         # name in tables
    of = "additive:nb201-latency/pixel2@100"

    [[reproduces]]           # published numbers for the table "reproduction"
    paper = "DARTS-PT"
    table = "Table 4"
    method = "darts+darts-pt"
    selector = "darts-pt"

`of` of a cost is `params`, `macs`, `table:NAME/COLUMN`, `additive:NAME/COLUMN@N`,
`mlp:NAME/COLUMN@N` or FILE.py:CLASS (`docs/costs.md`). A table that lacks architectures
of the space needs `gaps = "allowed"`.

A selector that queries architectures needs a reward and a budget; the data define them.
If `on` is empty, or the study has no supernets, the selector reads no supernet; the
`supernet` seeds are then also seeds of its selection::

    [[data]]
    name = "cora"            # any name, if no images are read
    queries = 300

    [data.reward]
    table = "nas-bench-graph"
    dataset = "cora"
    split = "valid"
    epochs = 0

    [[data.truth]]
    table = "nas-bench-graph"
    dataset = "cora"
    split = "test"
    epochs = 0

    [[selectors]]
    name = "random-search"

`trial = "first"` uses the first trial of each architecture instead of the mean.
`seconds = "table:NAME/COLUMN"` is a cost: how long each queried architecture took to
train. Tables then show what the queries would have cost. `reward = "supernet"` is the
supernet's accuracy on the validation images with one operation per edge; `{ source =
"supernet", norm = "batch" }` is the same in another batch-norm mode. `{ source =
"training", graph = "digits-knn", epochs = 5 }` trains a graph network per query
(`docs/graph-sharing.md`). With `counting = "texts"`, each distinct text of an
architecture counts as one query; by default, each class of architectures that compute
the same function does.

An unknown key is an error. Your own selector is named by its file and class,
`name = "my_selector.py:MySelector"`; so is your own optimiser,
`recipe = "my_optimiser.py:MyOptimiser"`.

`reference = "darts-pt"` names the selector with which the table "differences" compares
the others (default: the best). `label` renames a supernet or a selector; it is needed
if a name occurs twice, and has one line of at most 100 characters. `variant_of` names
the study of which this study is a smaller form; reports list every setting that
differs.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field, PrivateAttr

from archselect.benchmarks.plan.parts import (
    CostPart,
    DataPart,
    Part,
    SeedsPart,
    SelectorPart,
    SpacePart,
    SupernetPart,
    Title,
)
from archselect.benchmarks.store.records import Reproduced
from archselect.nasbench_adapters.limits import MOST_PARTS

TableName = Literal[
    "tau",
    "accuracy",
    "differences",
    "ranking",
    "time",
    "cells",
    "pareto",
    "budget",
    "memory",
    "operations",
    "reproduction",
    "wiring",
    "alphas",
]
TABLES_WITHOUT_ACCURACY = ("time", "cells", "memory", "wiring", "alphas")
"""Tables that need no accuracy of the selected architecture."""


class Pair(NamedTuple):
    """A selector, the supernet that it reads, and the label of the two in tables.

    The supernet is None for a selector that reads none.
    """

    selector: SelectorPart
    supernet: SupernetPart | None
    label: str

    def is_of(self, space: SpacePart, data: DataPart) -> bool:
        """Return whether the pair has runs on this space and data set."""
        return self.supernet is None or self.supernet.is_trained_on(space, data)


class Study(Part):
    """A whole study. The docstring of this module explains its keys."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    title: Title
    description: str = ""
    tables: list[TableName] = Field(
        ["tau", "accuracy", "differences", "time"], max_length=MOST_PARTS
    )
    seeds: SeedsPart
    spaces: list[SpacePart] = Field(min_length=1, max_length=MOST_PARTS)
    data: list[DataPart] = Field(min_length=1, max_length=MOST_PARTS)
    supernets: list[SupernetPart] = Field([], max_length=MOST_PARTS)
    selectors: list[SelectorPart] = Field(min_length=1, max_length=MOST_PARTS)
    costs: list[CostPart] = Field([], max_length=MOST_PARTS)
    reproduces: list[Reproduced] = Field([], max_length=MOST_PARTS)
    variant_of: str | None = None
    reference: str | None = None

    _source: str = PrivateAttr("")

    @property
    def source(self) -> str:
        """The TOML text of the study; empty for a study made in Python."""
        return self._source

    @property
    def references(self) -> list[str]:
        """The labels of the reference pairs, with which the others are compared."""
        return [
            pair.label
            for pair in self.pairs()
            if self.reference in (pair.selector.title, pair.label)
        ]

    @property
    def labels(self) -> list[str]:
        """The labels of all pairs."""
        return [pair.label for pair in self.pairs()]

    def pairs(self) -> list[Pair]:
        """Return every selector with every supernet that it reads, in order."""
        pairs = []
        for selector in self.selectors:
            title = selector.title
            supernets = self._supernets_of(selector)
            if not supernets:
                pairs.append(Pair(selector, None, title))
            for supernet in supernets:
                only_one = len(supernets) == 1
                label = title if only_one else f"{title} ({supernet.label})"
                pairs.append(Pair(selector, supernet, label))
        return pairs

    def _supernets_of(self, selector: SelectorPart) -> list[SupernetPart]:
        """Return the supernets that a selector reads."""
        if selector.on is None:
            return self.supernets
        return [
            supernet for supernet in self.supernets if supernet.label in selector.on
        ]

    def pairs_on(self, space: SpacePart, data: DataPart) -> list[Pair]:
        """Return the pairs that have runs on this space and data set."""
        return [pair for pair in self.pairs() if pair.is_of(space, data)]

    def reads_images(self, data: DataPart) -> bool:
        """Return whether the images of a data set are read, to train a network."""
        if data.train:
            return True
        for selector in self.selectors:
            for supernet in self._supernets_of(selector):
                if any(supernet.is_trained_on(space, data) for space in self.spaces):
                    return True
        return False
