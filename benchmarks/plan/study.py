"""Studies: a TOML file that plans a grid of runs and names the tables to print.

::

    name = "mine"
    title = "What the page is called"
    tables = ["tau", "accuracy", "time"]

    [seeds]
    supernet = [0, 1, 2, 3]  # of weights and supernet training
    selection = [0]          # of edge orders and minibatches; for every supernet seed

    [[spaces]]
    name = "nb201"
    skeleton = { channels = 16, cells = 5 }
    label = "large"          # the name, if left out

    [[data]]
    name = "cifar10"         # or the path of an .npz; "cifar10@16" averages to 16x16
    split = "first"          # how training images are halved: "first" or "shuffled"
    truth = [
        { table = "nb201.npz", dataset = "cifar10", split = "ori-test", epochs = 200 },
    ]
    # or { protocol = "tiny", seeds = [0, 1], epochs = 30 }, or a list of such
    train = "tiny"

    [[supernets]]
    recipe = "darts"
    epochs = 50
    trace = true             # record the training, for tables "wiring" and "alphas"
    spaces = ["large"]       # labels of spaces to train it on; all if left out
    data = ["cifar10"]       # names of data sets to train it on; all if left out

    [[selectors]]
    name = "darts-pt"
    on = ["darts"]           # labels of supernets; all if left out, none if empty
    tune_epochs = 5

    [[costs]]                # what selected architectures cost; may be left out
    name = "latency"         # in tables
    of = "additive:nb201-latency/pixel2@100"

    [[reproduces]]           # published numbers that table "reproduction" compares with
    paper = "DARTS-PT"
    table = "Table 4"
    method = "darts+darts-pt"
    selector = "darts-pt"

The text `of` of a cost is `params`, `macs`, `table:NAME/COLUMN`,
`additive:NAME/COLUMN@N`, `mlp:NAME/COLUMN@N` or FILE.py:CLASS; see `docs/costs.md`. A
table that lacks architectures of the space needs `gaps = "allowed"`.

A selector that queries architectures needs a reward and a budget, which data give it.
It reads from no supernet where `on` is empty, or where the study has none; `supernet`
seeds are then seeds of its selection, too::

    [[data]]
    name = "cora"            # any name, where no images are read
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

`trial = "first"` takes the first trial of each architecture in place of their mean.
`seconds = "table:NAME/COLUMN"`, a cost, says how long each queried architecture took to
train: tables then show what the queries would have cost.
`reward = "supernet"` is the supernet's accuracy on the validation images with one
operation per edge, `{ source = "supernet", norm = "batch" }` the same in another
batch-norm mode. `{ source = "training", graph = "digits-knn", epochs = 5 }` trains a
graph network per query; see `docs/graph-sharing.md`. `counting = "texts"` makes every
text cost a query; without it every class of architectures of equal function does.

An unknown key is an error. A selector of your own is named by its file and class,
`name = "my_selector.py:MySelector"`; so is an optimiser,
`recipe = "my_optimiser.py:MyOptimiser"`.

`reference = "darts-pt"` says with which selector the table "differences" compares the
others (the best, if left out). `label` renames a supernet or a selector, as needed
where one comes twice; it is one line of at most 100 letters. `variant_of` names the
study of which this one is a smaller form; reports then list every setting that differs.
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
"""Tables that need no accuracy of what is selected."""


class Pair(NamedTuple):
    """A selector, a supernet that it reads from, and the label of the two in tables.

    The supernet is None for a selector that reads from none.
    """

    selector: SelectorPart
    supernet: SupernetPart | None
    label: str

    def is_of(self, space: SpacePart, data: DataPart) -> bool:
        """Return whether there are runs of it on that space and data set."""
        return self.supernet is None or self.supernet.is_trained_on(space, data)


class Study(Part):
    """A whole study; see the module's text for its keys."""

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
        """The TOML text it was read from; empty for a study made in Python."""
        return self._source

    @property
    def references(self) -> list[str]:
        """The labels of the pairs of the selector that the others are compared with."""
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
        """Return every selector with every supernet it reads from, in order."""
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
        """Return the supernets that a selector reads from."""
        if selector.on is None:
            return self.supernets
        return [
            supernet for supernet in self.supernets if supernet.label in selector.on
        ]

    def pairs_on(self, space: SpacePart, data: DataPart) -> list[Pair]:
        """Return the pairs of which there are runs on that space and data set."""
        return [pair for pair in self.pairs() if pair.is_of(space, data)]

    def reads_images(self, data: DataPart) -> bool:
        """Return whether the images of a data set are read: a network is trained."""
        if data.train:
            return True
        for selector in self.selectors:
            for supernet in self._supernets_of(selector):
                if any(supernet.is_trained_on(space, data) for space in self.spaces):
                    return True
        return False
