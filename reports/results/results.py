"""A folder of records as tables and figures see it.

:func:`load` reads a folder and returns :class:`Results`: the study's runs in groups.
There is one for each selector and setting; the runs of a :class:`Group` differ in their
seeds alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from archselect.benchmarks.store.compaction import read_records
from archselect.benchmarks.store.facts import content_id, flatten, short_commit
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Accuracy,
    Failure,
    Inputs,
    Landscape,
    Machine,
    QueryBaseline,
    Record,
    StudyInfo,
    Trained,
    TrueFront,
)
from archselect.benchmarks.store.traces import read_trace
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.results.cross_checks import refuse_contradictions
from archselect.reports.results.deciding_scores import (
    DecidingScores,
    deciding_scores,
)
from archselect.reports.results.score_correlations import Correlation
from archselect.reports.results.wiring_quantities import SupernetWiring

NAMELESS = "(no name)"
"""What stands for a label that shows nothing."""
_Run = TypeVar("_Run", Record, Failure)
_SEEDS = {"supernet_seed", "selection_seed"}
_PLAIN_SETTINGS = ("space", "data.name", "supernet.recipe")
"""Settings whose values tell groups apart without the setting's name."""


@dataclass(frozen=True)
class JudgedRuns:
    """Runs whose selections were looked up in one landscape's truth.

    Attributes:
        records: the runs, in their order.
        accuracies: what the truth says of each.
    """

    records: list[Record]
    accuracies: list[Accuracy]

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def seeds(self) -> list[int]:
        """The supernet seed of each run."""
        return [record.inputs.supernet_seed for record in self.records]

    @cached_property
    def known(self) -> JudgedRuns:
        """The runs of whose selection the truth knows the accuracy."""
        known = JudgedRuns([], [])
        for record, accuracy in zip(self.records, self.accuracies, strict=True):
            if accuracy.mean is not None:
                known.records.append(record)
                known.accuracies.append(accuracy)
        return known if len(known) < len(self) else self

    @cached_property
    def means(self) -> list[float]:
        """The accuracy of each of the :attr:`known`: mean of trials, in per cent."""
        means = [accuracy.mean for accuracy in self.accuracies]
        return [mean for mean in means if mean is not None]


class _Spent(NamedTuple):
    """Seconds of a group's records: of each phase, and of all phases together."""

    by_phase: dict[str, list[float]]
    totals: list[float]


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seeds; only such runs are ever averaged.

    Attributes:
        name: unique among the groups of a study.
        inputs: those of its first run.
        records: finished runs, in the order of their seeds.
        failures: failed runs, in the same order.
        correlations: those that were computed, by the landscape's id; several parts of
            a report ask for them.
    """

    name: str
    inputs: Inputs
    records: tuple[Record, ...]
    failures: tuple[Failure, ...]
    correlations: dict[str, dict[str, Correlation | None]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def label(self) -> str:
        """The selector's label in the study."""
        return self.inputs.selector.label

    @property
    def uniform(self) -> bool:
        """Whether all its architectures are random draws from the whole space."""
        if not self.records:
            return False
        return all(record.selected.uniform for record in self.records)

    def judged(self, landscape: Landscape) -> JudgedRuns:
        """Return the runs that were looked up in a landscape's truth."""
        return self._judged.get(landscape.id) or JudgedRuns([], [])

    def known(self, landscape: Landscape) -> JudgedRuns:
        """Return the runs of whose selection a landscape knows the accuracy."""
        return self.judged(landscape).known

    @cached_property
    def deciding_scores(self) -> DecidingScores | None:
        """The scores by which the operations of all records were decided."""
        return deciding_scores(self.records)

    @property
    def phases(self) -> dict[str, list[float]]:
        """Seconds of each record, by phase; 0 of a record without the phase."""
        return self._spent.by_phase

    @property
    def seconds(self) -> list[float]:
        """Seconds of each record over all phases, its supernet's training included."""
        return self._spent.totals

    @cached_property
    def _spent(self) -> _Spent:
        spent = _Spent({}, [])
        for place, record in enumerate(self.records):
            phases = record.cost.phases
            spent.totals.append(sum(time.seconds for time in phases.values()))
            for phase, time in phases.items():
                if phase not in spent.by_phase:
                    spent.by_phase[phase] = [0.0] * len(self.records)
                spent.by_phase[phase][place] = time.seconds
        return spent

    @cached_property
    def machines(self) -> Counter[Machine]:
        """The machines that the runs were made on, and how many runs on each."""
        return _count_machines([record.cost.machine for record in self.records])

    @cached_property
    def supernet_machines(self) -> Counter[Machine]:
        """The machines that supernets were trained on, and for how many runs."""
        machines = [record.cost.supernet_machine for record in self.records]
        return _count_machines(machines)

    @cached_property
    def _judged(self) -> dict[str, JudgedRuns]:
        """The judged runs, by the landscape's id."""
        judged: dict[str, JudgedRuns] = {}
        for record in self.records:
            for accuracy in record.accuracies:
                runs = judged.get(accuracy.landscape)
                if runs is None:
                    runs = JudgedRuns([], [])
                    judged[accuracy.landscape] = runs
                runs.records.append(record)
                runs.accuracies.append(accuracy)
        return judged


@dataclass(frozen=True)
class Results:
    """Everything that a study's folder holds.

    Attributes:
        info: the study.
        groups: its finished and failed runs, in the study's order of selectors.
        landscapes: what the truths say of whole spaces.
        failures: runs that failed and did not finish later.
        missing: ids of runs that neither finished nor failed.
        others: ids of records that belong to no run of the study.
        trainings: final trainings of what was selected.
        fronts: what truths and costs say together of whole spaces.
        baselines: what random queries of rewards find in spaces.
        source: the folder.
    """

    info: StudyInfo
    groups: tuple[Group, ...]
    landscapes: tuple[Landscape, ...]
    failures: tuple[Failure, ...]
    missing: tuple[str, ...]
    others: tuple[str, ...]
    trainings: tuple[Trained, ...]
    fronts: tuple[TrueFront, ...]
    baselines: tuple[QueryBaseline, ...]
    source: Folder = field(compare=False, repr=False)

    @cached_property
    def records(self) -> list[Record]:
        """Every finished run of the study."""
        records: list[Record] = []
        for group in self.groups:
            records += group.records
        return records

    @cached_property
    def wirings(self) -> dict[str, SupernetWiring]:
        """The wiring of each supernet that was traced, by the supernet's id.

        Raises UserError, naming the file, if a trace is missing or damaged.
        """
        traced = dict.fromkeys(
            record.inputs.supernet_id
            for record in self.records
            if record.inputs.supernet.settings.get("trace")
        )
        return {id: self._read_wiring(id) for id in traced}

    def _read_wiring(self, id: str) -> SupernetWiring:
        path = self.source.trace(id)
        if not path.is_file():
            raise UserError(
                f"{path} is missing though the supernet was traced: remove {self.source.supernet(id)} "
                f"and run '{self.info.command}' again"
            )
        return SupernetWiring(read_trace(path))

    @cached_property
    def seed_counts(self) -> list[int]:
        """How many supernet seeds groups have, each number once, in order."""
        counts = set()
        for group in self.groups:
            seeds = {record.inputs.supernet_seed for record in group.records}
            counts.add(len(seeds))
        return sorted(counts - {0})

    @property
    def versions(self) -> list[str]:
        """The versions of archselect that made the records."""
        return sorted({record.code_version for record in self.records})

    @property
    def commits(self) -> list[str]:
        """The commits of archselect that made records and supernets, in words.

        Commits that made supernets are those that are known.
        """
        commits = {record.commit for record in self.records}
        of_supernets = {record.supernet_commit for record in self.records} - {None}
        return sorted(short_commit(commit) for commit in commits | of_supernets)

    def provenance(self) -> list[str]:
        """Return a sentence if several commits made the numbers.

        It is for the page, not for every table.
        """
        if len(self.commits) < 2:
            return []
        return [
            f"{len(self.commits)} commits of archselect made these runs and their supernets "
            f"({', '.join(self.commits)}); runs.csv has those of each run. "
            "'archselect run' with --rerun-other-code repeats what other commits than the present one made."
        ]

    def title(self, landscape: Landscape) -> str:
        """Return a landscape's name: dataset/split/epochs.

        The space or the truth stands before it where two landscapes have the same.
        """
        short = _short_title(landscape)
        same = [other for other in self.landscapes if _short_title(other) == short]
        of_its_space = [other for other in same if other.space == landscape.space]
        before = []
        if len(of_its_space) < len(same):
            before.append(landscape.space)
        if len(of_its_space) > 1:
            before.append(landscape.truth)
        return one_line(f"{', '.join(before)}: {short}" if before else short)

    def status(self) -> list[str]:
        """Return what a reader of any table must know, in sentences.

        That is which runs are in no mean, and whether runs saw what judges them.
        """
        sentences = self.leaks()
        finished = len(self.records)
        runs = len(self.info.runs)
        if self.failures:
            names = [
                f"{failure.inputs.selector.label} seed {seed_name(failure.inputs)}"
                for failure in self.failures
            ]
            sentences.append(
                f"{len(self.failures)} of {runs} runs failed and are in no number here: {', '.join(names)}."
            )
        if self.missing:
            sentences.append(
                f"{len(self.missing)} of {runs} runs are not finished ({finished} are); rerun the command to resume "
                f"them: {self.info.command}"
            )
        if self.others:
            sentences.append(
                f"{len(self.others)} of the folder's records belong to no run of this study (other settings or code) "
                "and are in no number here."
            )
        return sentences

    def leaks(self) -> list[str]:
        """Return a sentence if runs were selected by what is reported of them."""
        rewards = [record.inputs.reward for record in self.records]
        leaks = sum(reward is not None and reward.is_reported for reward in rewards)
        if not leaks:
            return []
        return [
            f"WARNING: {leaks} of {len(self.records)} runs saw what judges them: the reward that they queried is "
            "itself reported. Their accuracies by it are too high, and compare with no method that does not see it."
        ]


def load(
    folder: Path, compacted: bool = False, may_have_failed: bool = False
) -> Results:
    """Return what a folder of a study holds.

    Args:
        folder: where `archselect run` wrote its records.
        compacted: whether to bring its `records.parquet` up to date.
        may_have_failed: whether to read a folder, too, of which runs failed and none
            has finished.

    Raises:
        UserError: the folder is no study's, has a broken file, or no run has finished.
    """
    source = Folder(folder)
    info = source.study()
    by_id = _read_records(source, compacted)
    runs = set(info.runs)
    records = _in_study_order(
        [record for record in by_id.values() if record.id in runs], info
    )
    finished = {record.id for record in records}
    failed = {
        failure.id: failure
        for failure in source.read_all(Failure)
        if failure.id in runs and failure.id not in finished
    }
    if not records and not (failed and may_have_failed):
        raise UserError(
            f"{folder} holds no finished run of study '{info.name}': run '{info.command}' first"
        )
    failures = _in_study_order(failed.values(), info)
    landscapes = _read_landscapes(source, records, info)
    refuse_contradictions(
        source, records, {landscape.id: landscape for landscape in landscapes}
    )
    known_runs = finished | failed.keys()
    return Results(
        info=info,
        groups=_group_runs(records, failures, info.labels),
        landscapes=landscapes,
        failures=tuple(failures),
        missing=tuple(run for run in info.runs if run not in known_runs),
        others=tuple(sorted(by_id.keys() - finished)),
        trainings=tuple(source.check_all(Trained)),
        fronts=tuple(source.check_all(TrueFront)),
        baselines=tuple(source.check_all(QueryBaseline)),
        source=source,
    )


def _read_records(source: Folder, compacted: bool) -> dict[str, Record]:
    """Return every record of a folder by its id.

    Raises UserError if two files have the same run.
    """
    by_id: dict[str, Record] = {}
    for record in read_records(source, compacted=compacted, checked=True):
        if record.id in by_id:
            records_folder = source.path(Record, record.id).parent
            raise UserError(
                f"{records_folder} has two files of run {record.id}: remove one"
            )
        by_id[record.id] = record
    return by_id


def _read_landscapes(
    source: Folder, records: Iterable[Record], info: StudyInfo
) -> tuple[Landscape, ...]:
    """Return the landscapes that records name, then any others.

    They are in the study's order of data sets, spaces and truths, which is the order in
    which it plans its runs.

    Raises UserError if one that is named is missing.
    """
    known = {landscape.id: landscape for landscape in source.check_all(Landscape)}
    named: dict[str, None] = {}
    places = {run: place for place, run in enumerate(info.runs)}
    for record in sorted(records, key=lambda record: places[record.id]):
        named |= dict.fromkeys(accuracy.landscape for accuracy in record.accuracies)
    for id in named:
        if id not in known:
            raise UserError(
                f"{source.path(Landscape, id)} is missing though records name it: run '{source.study().command}' again"
            )
    others = sorted(known.keys() - named.keys())
    return tuple(known[id] for id in (*named, *others))


def _count_machines(machines: Sequence[Machine]) -> Counter[Machine]:
    """Return each distinct machine and how often it comes.

    Many records share one object, which is hashed once.
    """
    by_object = {id(machine): machine for machine in machines}
    counts: Counter[Machine] = Counter()
    for object_id, count in Counter(id(machine) for machine in machines).items():
        counts[by_object[object_id]] += count
    return counts


def seed_name(inputs: Inputs) -> str:
    """Return a run's seeds: supernet seed / selection seed."""
    return f"{inputs.supernet_seed}/{inputs.selection_seed}"


def _short_title(landscape: Landscape) -> str:
    return f"{landscape.dataset}/{landscape.split}/{landscape.epochs}"


def _in_study_order(runs: Iterable[_Run], info: StudyInfo) -> list[_Run]:
    """Return runs by selector, in the study's order, then by seeds."""
    return sorted(runs, key=lambda run: _run_order(run, info.labels))


def _run_order(
    run: Record | Failure, labels: Sequence[str]
) -> tuple[int, str, int, int, str]:
    inputs = run.inputs
    return (
        *_selector_order(inputs, labels),
        inputs.supernet_seed,
        inputs.selection_seed,
        run.id,
    )


def _selector_order(inputs: Inputs, labels: Sequence[str]) -> tuple[int, str]:
    """Return a selector's place in the study; those it does not name come last."""
    label = inputs.selector.label
    place = labels.index(label) if label in labels else len(labels)
    return place, label


def _group_runs(
    records: Iterable[Record], failures: Iterable[Failure], labels: Sequence[str]
) -> tuple[Group, ...]:
    """Return runs that differ in their seeds alone as groups, in the study's order."""
    ids = _GroupIds()
    finished: dict[str, list[Record]] = defaultdict(list)
    failed: dict[str, list[Failure]] = defaultdict(list)
    for record in records:
        finished[ids.of(record.inputs)].append(record)
    for failure in failures:
        failed[ids.of(failure.inputs)].append(failure)
    inputs = {id: runs[0].inputs for id, runs in failed.items()}
    inputs |= {id: runs[0].inputs for id, runs in finished.items()}
    names = _name_groups(inputs)
    groups = [
        Group(
            name=names[id],
            inputs=inputs[id],
            records=tuple(finished[id]),
            failures=tuple(failed[id]),
        )
        for id in inputs
    ]
    return tuple(
        sorted(
            groups,
            key=lambda group: (*_selector_order(group.inputs, labels), group.name),
        )
    )


class _GroupIds:
    """Hashes of all that determines a run but its seeds.

    Runs share the objects of their inputs, so that most are looked up by those. The
    inputs must live as long as this object.
    """

    def __init__(self) -> None:
        self._by_objects: dict[tuple[object, ...], str] = {}
        self._by_text: dict[str, str] = {}

    def of(self, inputs: Inputs) -> str:
        """Return the id of a run's group."""
        objects = (
            inputs.space,
            id(inputs.data),
            id(inputs.supernet),
            id(inputs.selector),
            id(inputs.formulations),
            id(inputs.reward),
        )
        if objects not in self._by_objects:
            text = inputs.model_dump_json(exclude=_SEEDS)
            if text not in self._by_text:
                self._by_text[text] = content_id(_without_seeds(inputs))
            self._by_objects[objects] = self._by_text[text]
        return self._by_objects[objects]


def _without_seeds(inputs: Inputs) -> dict[str, Any]:
    """Return all that determines a run but its seeds."""
    return inputs.model_dump(mode="json", exclude=_SEEDS)


def _name_groups(inputs: Mapping[str, Inputs]) -> dict[str, str]:
    """Return each group's name: its label, and what tells it from others of that label.

    Args:
        inputs: those of a group, by its id.
    """
    settings_by_label: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for id, of_group in inputs.items():
        settings = flatten(_without_seeds(of_group))
        settings_by_label[of_group.selector.label][id] = settings
    names = {}
    for label, settings_by_id in settings_by_label.items():
        shown = one_line(label) or NAMELESS
        paths = _distinguishing_settings(list(settings_by_id.values()))
        for id, settings in settings_by_id.items():
            parts = [_describe_setting(path, settings.get(path)) for path in paths]
            name = one_line(f"{shown} ({', '.join(parts)})") if parts else shown
            names[id] = name
    return _number_equal_names(names)


def _distinguishing_settings(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the settings that distinguish groups of one label.

    Plain ones, such as the data set, where they suffice; otherwise all that differ.
    """
    paths: set[str] = set()
    for settings in groups:
        paths |= settings.keys()
    differing = [path for path in sorted(paths) if _count_values(groups, [path]) > 1]
    plain = [path for path in _PLAIN_SETTINGS if path in differing]
    return plain if _count_values(groups, plain) == len(groups) else differing


def _count_values(groups: Sequence[Mapping[str, Any]], paths: Sequence[str]) -> int:
    """Return how many different values these settings have together."""
    return len({tuple(map(settings.get, paths)) for settings in groups})


def _describe_setting(path: str, value: object) -> str:
    if path in _PLAIN_SETTINGS:
        return str(value)
    return f"{path.rpartition('.')[2]}={value}"


def _number_equal_names(names: Mapping[str, str]) -> dict[str, str]:
    """Return the names, with a number behind each that an earlier one has, too.

    Labels may look like names of groups.
    """
    taken: set[str] = set()
    distinct = {}
    for id, name in names.items():
        numbered = _first_free_name(name, taken)
        taken.add(numbered)
        distinct[id] = numbered
    return distinct


def _first_free_name(name: str, taken: Collection[str]) -> str:
    numbered = name
    number = 1
    while numbered in taken:
        number += 1
        numbered = f"{name} [{number}]"
    return numbered
