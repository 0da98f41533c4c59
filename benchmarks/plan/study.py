"""Studies: a TOML file that spans a grid of runs and names the tables to print.

    name = "mine"
    title = "What the page is called"
    tables = ["tau", "accuracy", "time"]

    [seeds] supernet = [0, 1, 2, 3]             # of weights and supernet training
    selection = [0]                     # of edge orders, minibatches; crossed with the
    supernet seeds

    [[spaces]]
    name = "nb201"
    skeleton = { channels = 16, cells = 5 }
    label = "large"                     # the name, if left out

    [[data]] name = "cifar10"                    # or the path of an .npz; "cifar10@16"
    averages images down to 16x16 split = "first"                     # how training
    images are halved: "first" or "shuffled" truth = [{ table = "nb201.npz", dataset =
    "cifar10", split = "ori-test", epochs = 200 }] train = "tiny"                      #
    or { protocol = "tiny", seeds = [0, 1], epochs = 30 }; or a list of such

    [[supernets]] recipe = "darts" epochs = 50 trace = true                        #
    record the training, for table "wiring" spaces = ["large"]                  # labels
    of spaces that it is trained on; all of them if left out data = ["cifar10"]
    # names of data sets that it is trained on; all of them if left out

    [[selectors]]
    name = "darts-pt"
    on = ["darts"]                      # labels of supernets; all of them if left out
    tune_epochs = 5

    [[reproduces]]                      # published numbers to hold the selector's
    against (table "reproduction") paper = "DARTS-PT" table = "Table 4" method =
    "darts+darts-pt" selector = "darts-pt"

An unknown key is an error. A selector of your own is named by its file and class, `name
= "my_selector.py:MySelector"`, and so is an optimiser, `recipe =
"my_optimiser.py:MyOptimiser"`. `reference = "darts-pt"` says with which selector the
table "differences" compares the others (the best, if left out). `label` renames a
supernet or a selector, needed where one comes twice; it is one line of at most 100
letters. `variant_of` names the study of which this one is a smaller form; reports then
list every setting that differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from archselect.benchmarks.optimisers.registry import get_optimiser
from archselect.benchmarks.optimisers.supernets import Recipe
from archselect.benchmarks.plan.protocols import Resolved, TrainingSettings, resolve
from archselect.benchmarks.store.facts import Seed, Settings, flatten
from archselect.benchmarks.store.records import Reproduced
from archselect.nasbench_adapters.errors import Faults, UserError, nearest, unknown
from archselect.nasbench_adapters.foreign_text import LONGEST_TITLE, check_label
from archselect.nasbench_adapters.input_files import expand, read_text
from archselect.nasbench_adapters.limits import (
    MOST_PARTS,
    MOST_RUNS,
    MOST_SEEDS,
    MOST_STUDY_BYTES,
)
from archselect.nasbench_adapters.space import build_skeleton
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.toml import parse_toml
from archselect.selectors.base import Selector
from archselect.selectors.registry import get_selector

Table = Literal[
    "tau",
    "accuracy",
    "differences",
    "time",
    "cells",
    "operations",
    "reproduction",
    "wiring",
]
UNJUDGED = ("time", "cells", "wiring")
"""Tables that need no accuracy of what is selected."""
Seeds = Annotated[
    list[Seed], Field(min_length=1, max_length=MOST_SEEDS, fail_fast=True)
]
Names = Annotated[list[str], Field(max_length=MOST_PARTS)]


def _label_or_none(label: str) -> str:
    return check_label(label) if label else label


Label = Annotated[str, AfterValidator(_label_or_none)]
"""A label, which figures, tables and terminals show in one line; empty where there is
none.
"""
Title = Annotated[str, AfterValidator(lambda title: check_label(title, LONGEST_TITLE))]
"""A title in one line."""


class Part(BaseModel):
    """Base of a study's parts: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SeedsPart(Part):
    """Seeds of supernets and of selections; every pair of them is a run."""

    supernet: Seeds
    selection: Seeds = [0]


class SpacePart(Part):
    """A space by name, the settings of its skeleton, and a label for supernets to name it by."""

    name: str
    skeleton: Settings = {}
    label: Label = ""

    @property
    def title(self) -> str:
        """The label, else the name."""
        return self.label or self.name


class TruthPart(Part):
    """Where to look up the accuracy of what is selected: a table by name or path, and a column of it."""

    table: str
    dataset: str
    split: str
    epochs: int


class TrainPart(Part):
    """How every selected architecture is trained to the end, once per seed however many runs selected it.

    `data` is the data set to train on where it is not the one of the search; all other
    keys are settings of the protocol (:class:`.protocols.TrainingSettings`).
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    protocol: str
    seeds: Seeds = [0]
    data: str | None = None
    skeleton: Settings = {}

    def resolve(self, space: str) -> Resolved:
        """The protocol for a space. Raises UserError for an unknown name or setting."""
        settings = self.model_extra or {}
        known = [*TrainPart.model_fields, *TrainingSettings.model_fields]
        for key in settings:
            if key not in known:
                raise unknown("key of a data set's 'train'", key, known)
        return resolve(self.protocol, space, settings, self.skeleton)


class DataPart(Part):
    """A data set by name or path, how its training images are halved, and how selected architectures are judged.

    `truth`: where their accuracies are looked up. `train`: how they are trained to the
    end; a protocol's name, a table of one and its settings, or a list of these. There
    must be one or the other, but for studies whose tables need no accuracies
    (:data:`UNJUDGED`). `limit` keeps the first so many images of each half.
    """

    name: str
    split: Literal["first", "shuffled"] = "first"
    split_seed: int = 0
    train_fraction: float = Field(0.5, gt=0, lt=1)
    limit: int | None = Field(None, ge=2)
    truth: list[TruthPart] = Field([], max_length=MOST_PARTS)
    train: list[TrainPart] = Field([], max_length=MOST_PARTS)

    @field_validator("train", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        parts = value if isinstance(value, list) else [value]
        return [{"protocol": part} if isinstance(part, str) else part for part in parts]


class SupernetPart(Recipe):
    """A recipe with its settings, a label for selectors to name it by, and what it is trained on, if not on all.

    The label is the optimiser's name if it is left out.
    """

    label: Label = ""
    spaces: Names | None = None
    data: Names | None = None

    @model_validator(mode="before")
    @classmethod
    def _label(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("recipe"), str):
            return {"label": get_optimiser(values["recipe"]).name, **values}
        return values

    def on(self, space: SpacePart, data: DataPart) -> bool:
        """Whether it is trained on that space and data set."""
        return (self.spaces is None or space.title in self.spaces) and (
            self.data is None or data.name in self.data
        )


class SelectorPart(Part):
    """A selector by name, its label, the supernets it reads from, and (all other keys) its settings.

    In place of the name stands FILE.py:CLASS for a class of the user's own.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str
    label: Label = ""
    on: Names | None = None

    def build(self) -> Selector:
        """The selector. Raises UserError for an unknown name or setting."""
        kind = get_selector(self.name)
        try:
            return kind(**(self.model_extra or {}))
        except ValidationError as error:
            raise UserError(f"selector {self.name}: {explain(error, kind)}") from error

    @property
    def title(self) -> str:
        """What tables call it: the label, else the selector's name."""
        return self.label or get_selector(self.name).name


class Study(Part):
    """A whole study; see the module's text."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    title: Title
    description: str = ""
    tables: list[Table] = Field(
        ["tau", "accuracy", "differences", "time"], max_length=MOST_PARTS
    )
    seeds: SeedsPart
    spaces: list[SpacePart] = Field(min_length=1, max_length=MOST_PARTS)
    data: list[DataPart] = Field(min_length=1, max_length=MOST_PARTS)
    supernets: list[SupernetPart] = Field(min_length=1, max_length=MOST_PARTS)
    selectors: list[SelectorPart] = Field(min_length=1, max_length=MOST_PARTS)
    reproduces: list[Reproduced] = Field([], max_length=MOST_PARTS)
    variant_of: str | None = None
    reference: str | None = None

    _source: str = PrivateAttr("")

    @property
    def source(self) -> str:
        """The TOML text it was read from; empty for a study made in Python."""
        return self._source

    def check(self) -> None:
        """Build every part once, so that a mistake shows before anything runs.

        Raises UserError with all faults.
        """
        self._check_runs()
        faults = Faults()
        check_parts(self.spaces, self.data, self.selectors, faults)
        checks = (
            self._check_supernets,
            self._check_selectors,
            self._check_judged,
            self._check_references,
            self._check_tables,
            self._check_repeated,
        )
        for check in checks:
            with faults.collect():
                check()
        faults.raise_any()

    def _check_runs(self) -> None:
        """Raise UserError for a study of more runs, or final trainings, than are planned at once."""
        seeds = len(self.seeds.supernet) * len(self.seeds.selection)
        places = len(self.spaces) * len(self.data)
        runs = seeds * places * len(self.pairs())
        trainings = runs * sum(
            len(train.seeds) for data in self.data for train in data.train
        )
        for count, what in ((runs, "runs"), (trainings, "final trainings")):
            if count > MOST_RUNS:
                raise UserError(
                    f"the study has up to {count:,} {what}, more than {MOST_RUNS:,}: make several studies of it, each "
                    "with a part of the seeds, and join them with 'archselect merge'"
                )

    def _check_supernets(self) -> None:
        """Raise UserError for a supernet on a space or data set that is not there, or a trace of no training."""
        faults = Faults()
        titles = [space.title for space in self.spaces]
        names = [data.name for data in self.data]
        for supernet in self.supernets:
            for name in supernet.spaces or []:
                if name not in titles:
                    faults.add(
                        unknown(f"space of supernet {supernet.label}", name, titles)
                    )
            for name in supernet.data or []:
                if name not in names:
                    faults.add(
                        unknown(f"data set of supernet {supernet.label}", name, names)
                    )
            if supernet.trace and not supernet.build().trains:
                faults.add(
                    UserError(
                        f"supernet {supernet.label} is not trained: it has no 'trace'"
                    )
                )
        with faults.collect():
            _distinct("supernets", [supernet.label for supernet in self.supernets])
        faults.raise_any()

    def _check_selectors(self) -> None:
        """Raise UserError for a selector on a supernet that is not there, and for labels that come twice."""
        faults = Faults()
        labels = [supernet.label for supernet in self.supernets]
        for selector in self.selectors:
            for label in selector.on or []:
                if label not in labels:
                    faults.add(
                        unknown(f"supernet of selector {selector.name}", label, labels)
                    )
        with faults.collect():
            _distinct_files(self.selectors)
            _distinct("selectors", [label for _, _, label in self.pairs()])
        faults.raise_any()

    def _check_judged(self) -> None:
        """Raise UserError for data whose selected architectures nothing judges, though tables need it."""
        faults = Faults()
        judged = [table for table in self.tables if table not in UNJUDGED]
        for place, data in enumerate(self.data):
            if judged and not data.truth and not data.train:
                faults.add(
                    UserError(
                        f"data.{place}: needs 'truth', tables to look selected architectures up in, or 'train', a "
                        f"protocol; only the tables {', '.join(UNJUDGED)} do without"
                    )
                )
        faults.raise_any()

    def _check_references(self) -> None:
        """Raise UserError if a selector or study that is referred to is not there."""
        faults = Faults()
        if self.variant_of is not None:
            with faults.collect():
                _read(self.variant_of)
        if self.reference is not None and not self.references:
            faults.add(
                unknown(
                    "selector of 'reference'",
                    self.reference,
                    [s.title for s in self.selectors],
                )
            )
        pairs = [label for _, _, label in self.pairs()]
        for entry in self.reproduces:
            if entry.selector not in pairs:
                faults.add(unknown("selector of 'reproduces'", entry.selector, pairs))
        faults.raise_any()

    def _check_tables(self) -> None:
        """Raise UserError for a table that has nothing to show."""
        faults = Faults()
        if "reproduction" in self.tables and not self.reproduces:
            faults.add(
                UserError(
                    "tables: 'reproduction' needs 'reproduces', which names published numbers"
                )
            )
        if "wiring" in self.tables and not any(
            supernet.trace for _, supernet, _ in self.pairs()
        ):
            faults.add(
                UserError(
                    "tables: 'wiring' needs a supernet with 'trace = true' that a selector reads from"
                )
            )
        faults.raise_any()

    def _check_repeated(self) -> None:
        """Raise UserError for what comes twice."""
        faults = Faults()
        repeatable: dict[str, Sequence[object]] = {
            "spaces": [str(space) for space in self.spaces],
            "data": [
                str(data.model_dump(exclude={"truth", "train"})) for data in self.data
            ],
            "seeds.supernet": self.seeds.supernet,
            "seeds.selection": self.seeds.selection,
        }
        for what, values in repeatable.items():
            with faults.collect():
                _distinct(what, values)
        for data in self.data:
            with faults.collect():
                _distinct("train", [str(train) for train in data.train])
            for train in data.train:
                with faults.collect():
                    _distinct("train.seeds", train.seeds)
        faults.raise_any()

    @property
    def references(self) -> list[str]:
        """The labels of the pairs of the selector that the others are compared with."""
        return [
            label
            for selector, _, label in self.pairs()
            if self.reference in (selector.title, label)
        ]

    def variant(
        self,
        source: str,
        *,
        data: str | None = None,
        supernet_seeds: Seeds | None = None,
        selectors: Sequence[str] = (),
    ) -> Study:
        """The study on another data set, with other supernet seeds, with more selectors; reports list what differs.

        Args:
            source: name or path that this study was read from.
            data: by name or path, in place of the only one.
            supernet_seeds: in place of its own.
            selectors: by name or as FILE.py:CLASS, beside its own; the others are
                compared with the first.

        Raises UserError if the study has several data sets, or one of the seeds comes
        twice.
        """
        changed: dict[str, Any] = {"variant_of": self.variant_of or source}
        if data is not None:
            if len(self.data) > 1:
                raise UserError(
                    f"--data stands for one data set, and study {self.name} has {len(self.data)}"
                )
            changed["data"] = [self.data[0].model_copy(update={"name": data})]
        if supernet_seeds is not None:
            changed["seeds"] = self.seeds.model_copy(
                update={"supernet": supernet_seeds}
            )
        if selectors:
            added = [SelectorPart(name=name) for name in selectors]
            changed |= {
                "selectors": [*self.selectors, *added],
                "reference": added[0].title,
            }
            changed["tables"] = [
                *self.tables,
                *(["differences"] if "differences" not in self.tables else []),
            ]
        found = self.model_copy(update=changed)
        found.check()
        return found

    def pairs_on(
        self, space: SpacePart, data: DataPart
    ) -> list[tuple[SelectorPart, SupernetPart, str]]:
        """Those of the :meth:`pairs` whose supernet is trained on that space and data set."""
        return [pair for pair in self.pairs() if pair[1].on(space, data)]

    def pairs(self) -> list[tuple[SelectorPart, SupernetPart, str]]:
        """Every selector with every supernet it reads from, and the label of the pair."""
        pairs = []
        for selector in self.selectors:
            on = [
                s
                for s in self.supernets
                if selector.on is None or s.label in selector.on
            ]
            name = selector.title
            pairs += [
                (selector, s, name if len(on) == 1 else f"{name} ({s.label})")
                for s in on
            ]
        return pairs


def check_parts(
    spaces: Sequence[SpacePart],
    data: Sequence[DataPart],
    selectors: Sequence[SelectorPart],
    faults: Faults,
) -> None:
    """Build spaces, selectors and protocols once, each by itself; note what is wrong with them."""
    usable = []
    for space in spaces:
        with faults.collect():
            build_skeleton(get_space(space.name), space.skeleton)
            get_space(space.name).undecided()  # raises for a space that has no supernet
            usable.append(space)
    for selector in selectors:
        with faults.collect():
            selector.build()
    for space, part in product(usable, data):
        for train in part.train:
            with faults.collect():
                train.resolve(space.name)


def _distinct(what: str, values: Iterable[object]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise UserError(
            f"{what}: {twice[0]!r} comes twice; give each a 'label' or a value of its own"
        )


def _distinct_files(selectors: Sequence[SelectorPart]) -> None:
    """Raise UserError if classes of two files are called the same and read from the same supernets."""
    first: dict[tuple[str, str], SelectorPart] = {}
    for selector in selectors:
        if ".py" not in selector.name:
            continue
        other = first.setdefault((selector.title, str(selector.on)), selector)
        if other.name != selector.name:
            raise UserError(
                f"selectors: {other.name} and {selector.name} are both called {selector.title!r}; give the classes "
                "another name, or each a 'label' in the study"
            )


def built_in_studies() -> dict[str, Path]:
    """The studies within the package, by name."""
    folder = Path(__file__).parents[1] / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


@dataclass
class Draft:
    """A study as far as it can be read.

    Attributes:
        study: the whole, None if a part of it cannot be read.
        spaces, data, selectors: the parts that can be read.
    """

    study: Study | None = None
    spaces: list[SpacePart] = field(default_factory=list)
    data: list[DataPart] = field(default_factory=list)
    selectors: list[SelectorPart] = field(default_factory=list)


def draft_study(name: str, faults: Faults) -> Draft:
    """Return what can be read of a built-in study, or of a file, and note all its faults."""
    own_faults = Faults(f"study {name}")
    draft = Draft()
    try:
        study = _read(name)
    except UserError as error:
        faults.add(error)
        draft = _parts_of(name, own_faults)
    else:
        draft = Draft(study, study.spaces, study.data, study.selectors)
        with own_faults.collect():
            study.check()
    faults.take(own_faults)
    return draft


def read_study(name: str) -> Study:
    """Read a built-in study by name, or a file.

    Raises UserError that says where and what to mend.
    """
    faults = Faults()
    study = draft_study(name, faults).study
    faults.raise_any()
    assert study is not None
    return study


def _read(name: str) -> Study:
    """Return a study whose parts are not yet checked.

    Raises UserError if it cannot be read, with all reasons.
    """
    raw, text = _raw(name)
    faults = Faults(f"study {name}")
    try:
        study = Study.model_validate(raw)
    except UserError as error:
        faults.add(error)
    except ValidationError as error:
        faults.add_lines(explain_all(error, Study))
    else:
        study._source = text
        return study
    # A supernet that is refused with a UserError hides what is wrong elsewhere.
    for key, kind in _PARTS.items():
        _, unusable = _parts(raw, key, kind)
        faults.add_lines(unusable)
    try:
        Study.model_validate(
            {key: value for key, value in raw.items() if key != "supernets"}
        )
    except ValidationError as error:
        faults.add_lines(
            line
            for line in explain_all(error, Study)
            if not line.startswith("supernets: ")
        )
    faults.raise_any()
    raise AssertionError("a study that is refused has a fault")


def _raw(name: str) -> tuple[dict[str, Any], str]:
    """Return a study's values and its text.

    Raises UserError if there is no such file or it is not TOML.
    """
    path = built_in_studies().get(name) or expand(name)
    if not path.is_file():
        if path.suffix == ".toml" or path.parent != Path():
            raise UserError(
                f"there is no study file {path}; 'archselect list studies' names the built-in ones"
            )
        raise unknown("study", name, built_in_studies())
    text = read_text(path, MOST_STUDY_BYTES)
    try:
        return parse_toml(text), text
    except ValueError as error:
        raise UserError(f"study {path} is not valid TOML: {error}") from error


def _parts_of(name: str, faults: Faults) -> Draft:
    """Return the parts of a study that can be read where the whole cannot, checked each by itself."""
    try:
        raw, _ = _raw(name)
    except UserError:
        return Draft()
    spaces, _ = _parts(raw, "spaces", SpacePart)
    data, _ = _parts(raw, "data", DataPart)
    selectors, _ = _parts(raw, "selectors", SelectorPart)
    check_parts(spaces, data, selectors, faults)
    return Draft(None, spaces, data, selectors)


PartKind = TypeVar("PartKind", bound=BaseModel)


def _parts(
    raw: dict[str, Any], key: str, kind: type[PartKind]
) -> tuple[list[PartKind], list[str]]:
    """Return the parts of a kind that can be read, and what is wrong with the others."""
    values = raw.get(key)
    parts: list[PartKind] = []
    faults: list[str] = []
    for place, value in enumerate(values if isinstance(values, list) else []):
        try:
            parts.append(kind.model_validate(value))
        except UserError as error:
            faults += error.faults
        except ValidationError as error:
            faults += explain_all(error, kind, (key, place))
    return parts, faults


_PARTS: dict[str, type[BaseModel]] = {
    "spaces": SpacePart,
    "data": DataPart,
    "supernets": SupernetPart,
    "selectors": SelectorPart,
}


def differences(study: Study, whole: Study) -> list[str]:
    """In words, every setting of a study that is not as in another; words, tables and published numbers apart.

    Spaces, data, supernets and selectors are matched by name or label, a single one
    with a single one.
    """
    mine, other = _settings(study), _settings(whole)
    said: list[str] = []
    for kind, ours in mine.items():
        theirs = other[kind]
        if len(ours) == len(theirs) == 1:
            (own,), (standard,) = ours.values(), theirs.values()
            said += _changes(kind, own, standard)
            continue
        for name in dict.fromkeys((*theirs, *ours)):
            if name not in theirs or name not in ours:
                said.append(f"{kind} {name}: {'added' if name in ours else 'left out'}")
            else:
                said += _changes(f"{kind} {name}", ours[name], theirs[name])
    return said


def _changes(where: str, ours: object, theirs: object) -> list[str]:
    own, standard = flatten(ours), flatten(theirs)
    return [
        f"{where}, {key}: {_word(own.get(key))} in place of {_word(standard.get(key))}"
        for key in sorted(own.keys() | standard.keys())
        if own.get(key) != standard.get(key)
    ]


def _settings(study: Study) -> dict[str, dict[str, object]]:
    """Per kind of part the settings of each, defaults included, by name or label."""
    return {
        "seeds": {"": dict(study.seeds)},
        "space": {space.title: space.model_dump() for space in study.spaces},
        "data": {data.name: data.model_dump() for data in study.data},
        "supernet": {
            supernet.label: dict(supernet.settings()) for supernet in study.supernets
        },
        "selector": {
            selector.title: selector.build().model_dump()
            for selector in study.selectors
        },
    }


def _word(value: object) -> str:
    return "unset" if value is None or value == [] or value == {} else f"{value}"


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the faults of a validation error in one line."""
    return "; ".join(explain_all(error, model))


def explain_all(
    error: ValidationError, model: type[BaseModel], within: tuple[int | str, ...] = ()
) -> list[str]:
    """Return the faults of a validation error, each in a line: where it is, and for an unknown key the one meant.

    Args:
        error: of the model.
        model: that was validated.
        within: where the model stands in a file.
    """
    lines = []
    misspelled = set()
    for fault in error.errors():
        if fault["type"] != "extra_forbidden":
            continue
        *table, key = fault["loc"]
        known = list(_model_at(model, tuple(table)).model_fields)
        hint = nearest(str(key), known)
        misspelled.add((*table, hint))
        listed = f"known: {', '.join(known)}" if known else "it has no settings"
        mend = f": did you mean '{hint}'?" if hint else f"; {listed}"
        lines.append(f"unknown key '{_dotted((*within, *fault['loc']))}'{mend}")
    for fault in error.errors():
        # A key that is misspelled is not missing, too.
        if fault["type"] == "extra_forbidden" or fault["loc"] in misspelled:
            continue
        lines.append(
            f"{_dotted((*within, *fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"
        )
    return list(dict.fromkeys(lines))


def _dotted(loc: tuple[int | str, ...]) -> str:
    return ".".join(map(str, loc)) or "the file"


def _model_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel]:
    """The model of the table at a place in a file."""
    for part in loc:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            inner = [annotation, *getattr(annotation, "__args__", ())]
            model = next(
                t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)
            )
    return model
