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
    on = ["darts"]           # labels of supernets; all if left out
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
    "time",
    "cells",
    "pareto",
    "memory",
    "operations",
    "reproduction",
    "wiring",
    "alphas",
]
TABLES_WITHOUT_ACCURACY = ("time", "cells", "memory", "wiring", "alphas")
"""Tables that need no accuracy of what is selected."""


class Pair(NamedTuple):
    """A selector, a supernet that it reads from, and the label of the two in tables."""

    selector: SelectorPart
    supernet: SupernetPart
    label: str


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
    supernets: list[SupernetPart] = Field(min_length=1, max_length=MOST_PARTS)
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
            supernets = [
                supernet
                for supernet in self.supernets
                if selector.on is None or supernet.label in selector.on
            ]
            for supernet in supernets:
                only_one = len(supernets) == 1
                label = title if only_one else f"{title} ({supernet.label})"
                pairs.append(Pair(selector, supernet, label))
        return pairs

    def pairs_on(self, space: SpacePart, data: DataPart) -> list[Pair]:
        """Return the pairs whose supernet is trained on that space and data set."""
        return [
            pair for pair in self.pairs() if pair.supernet.is_trained_on(space, data)
        ]
