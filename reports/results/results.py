"""The results of a study, read from its folder.

:func:`load` reads a folder and returns :class:`Results`, with the study's runs in
groups. The runs of a :class:`Group` differ only in their seeds.
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
"""Text shown for a label without visible letters."""
_Run = TypeVar("_Run", Record, Failure)
_SEEDS = {"supernet_seed", "selection_seed"}
_PLAIN_SETTINGS = ("space", "data.name", "supernet.recipe")
"""Settings that a group's name shows by value alone."""


@dataclass(frozen=True)
class JudgedRuns:
    """Runs that one landscape's truth has judged.

    Attributes:
        records: runs, in order.
        accuracies: accuracy of each run in the truth.
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
        """The runs whose accuracy the truth knows."""
        known = JudgedRuns([], [])
        for record, accuracy in zip(self.records, self.accuracies, strict=True):
            if accuracy.mean is not None:
                known.records.append(record)
                known.accuracies.append(accuracy)
        return known if len(known) < len(self) else self

    @cached_property
    def means(self) -> list[float]:
        """The known accuracies: means over trials, in per cent."""
        means = [accuracy.mean for accuracy in self.accuracies]
        return [mean for mean in means if mean is not None]


class _Spent(NamedTuple):
    """The seconds of a group's records, by phase and in total."""

    by_phase: dict[str, list[float]]
    totals: list[float]


@dataclass(frozen=True)
class Group:
    """Runs that differ only in their seeds; reports average only such runs.

    Attributes:
        name: name, unique among the groups of a study.
        inputs: inputs of the first run.
        records: finished runs, in order of seeds.
        failures: failed runs, in order of seeds.
        correlations: cache of computed correlations, by id of the landscape.
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
        """Whether all selected architectures are random draws from the whole space."""
        if not self.records:
            return False
        return all(record.selected.uniform for record in self.records)

    def judged(self, landscape: Landscape) -> JudgedRuns:
        """Return the runs that a landscape's truth has judged."""
        return self._judged.get(landscape.id) or JudgedRuns([], [])

    def known(self, landscape: Landscape) -> JudgedRuns:
        """Return the runs whose accuracy a landscape knows."""
        return self.judged(landscape).known

    @cached_property
    def deciding_scores(self) -> DecidingScores | None:
        """The scores that decided the edges of all records; None without scores."""
        return deciding_scores(self.records)

    @property
    def phases(self) -> dict[str, list[float]]:
        """Seconds of each record, by phase; 0 for a record without the phase."""
        return self._spent.by_phase

    @property
    def seconds(self) -> list[float]:
        """Seconds of each record over all phases, including the supernet's training."""
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
        """The machines of the runs, with the number of runs on each."""
        return _count_machines([record.cost.machine for record in self.records])

    @cached_property
    def supernet_machines(self) -> Counter[Machine]:
        """The machines of the supernet trainings, with the number of runs for each."""
        machines = [record.cost.supernet_machine for record in self.records]
        return _count_machines(machines)

    @cached_property
    def _judged(self) -> dict[str, JudgedRuns]:
        """The judged runs, by id of the landscape."""
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
    """The results in a study's folder.

    Attributes:
        info: facts about the study.
        groups: finished and failed runs in groups, in the study's order of selectors.
        landscapes: statistics of the truths.
        failures: runs that failed and did not finish later.
        missing: ids of runs that neither finished nor failed.
        others: ids of records that belong to no run of the study.
        trainings: final trainings of selected architectures.
        fronts: true fronts of accuracy and cost.
        baselines: results of random queries.
        source: folder.
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
        """All finished runs of the study."""
        records: list[Record] = []
        for group in self.groups:
            records += group.records
        return records

    @cached_property
    def wirings(self) -> dict[str, SupernetWiring]:
        """The wiring of each traced supernet, by id of the supernet.

        Raises UserError, with the file, if a trace is missing or damaged.
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
                f"{path} is missing although the supernet was traced: remove {self.source.supernet(id)} "
                f"and rerun '{self.info.command}'"
            )
        return SupernetWiring(read_trace(path))

    @cached_property
    def seed_counts(self) -> list[int]:
        """The distinct numbers of supernet seeds that groups have, ascending."""
        counts = set()
        for group in self.groups:
            seeds = {record.inputs.supernet_seed for record in group.records}
            counts.add(len(seeds))
        return sorted(counts - {0})

    @property
    def versions(self) -> list[str]:
        """The versions of archselect that wrote the records."""
        return sorted({record.code_version for record in self.records})

    @property
    def commits(self) -> list[str]:
        """The short commits of archselect that made the records and supernets."""
        commits = {record.commit for record in self.records}
        of_supernets = {record.supernet_commit for record in self.records} - {None}
        return sorted(short_commit(commit) for commit in commits | of_supernets)

    def provenance(self) -> list[str]:
        """Return a sentence if several commits made the results, for the page."""
        if len(self.commits) < 2:
            return []
        return [
            f"{len(self.commits)} commits of archselect made these runs and their supernets "
            f"({', '.join(self.commits)}); runs.csv lists them by run. "
            "'archselect run --rerun-other-code' repeats the runs of other commits than the present one."
        ]

    def title(self, landscape: Landscape) -> str:
        """Return a landscape's title: dataset/split/epochs.

        The space or the truth comes first if two landscapes would have the same title.
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
        """Return the sentences that every table's notes need.

        They tell which runs are not in the means, and whether runs saw the accuracies
        that judge them.
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
                f"{len(self.failures)} of {runs} runs failed; no number here includes them: {', '.join(names)}."
            )
        if self.missing:
            sentences.append(
                f"{len(self.missing)} of {runs} runs are not finished ({finished} are); rerun the command to resume "
                f"them: {self.info.command}"
            )
        if self.others:
            sentences.append(
                f"{len(self.others)} of the folder's records belong to no run of this study (other settings or code); "
                "no number here includes them."
            )
        return sentences

    def leaks(self) -> list[str]:
        """Return a warning if runs selected by the numbers that judge them."""
        rewards = [record.inputs.reward for record in self.records]
        leaks = sum(reward is not None and reward.is_reported for reward in rewards)
        if not leaks:
            return []
        return [
            f"WARNING: {leaks} of {len(self.records)} runs saw the numbers that judge them: the reward that they "
            f"queried "
            "is also the reported accuracy. Their accuracies are too high; do not compare them with methods that do "
            "not "
            "see it."
        ]


def load(
    folder: Path, compacted: bool = False, may_have_failed: bool = False
) -> Results:
    """Read the results of a study from its folder.

    Args:
        folder: folder that `archselect run` has written.
        compacted: whether to update the folder's `records.parquet`.
        may_have_failed: whether to accept a folder whose runs have all failed.

    Raises:
        UserError: the folder has no study, has a damaged file, or has no finished run.
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
            f"{folder} has no finished run of study '{info.name}': run '{info.command}' first"
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
    """Return all records of a folder by id.

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

    They are in the order in which the study plans its runs: by data sets, spaces and
    truths.

    Raises UserError if a named landscape is missing.
    """
    known = {landscape.id: landscape for landscape in source.check_all(Landscape)}
    named: dict[str, None] = {}
    places = {run: place for place, run in enumerate(info.runs)}
    for record in sorted(records, key=lambda record: places[record.id]):
        named |= dict.fromkeys(accuracy.landscape for accuracy in record.accuracies)
    for id in named:
        if id not in known:
            raise UserError(
                f"{source.path(Landscape, id)} is missing although records name it: rerun '{source.study().command}'"
            )
    others = sorted(known.keys() - named.keys())
    return tuple(known[id] for id in (*named, *others))


def _count_machines(machines: Sequence[Machine]) -> Counter[Machine]:
    """Return the number of occurrences of each machine.

    Many records share one object, so each object is hashed only once.
    """
    by_object = {id(machine): machine for machine in machines}
    counts: Counter[Machine] = Counter()
    for object_id, count in Counter(id(machine) for machine in machines).items():
        counts[by_object[object_id]] += count
    return counts


def seed_name(inputs: Inputs) -> str:
    """Return a run's seeds as "supernet seed/selection seed"."""
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
    """Return a selector's position in the study; unknown selectors come last."""
    label = inputs.selector.label
    place = labels.index(label) if label in labels else len(labels)
    return place, label


def _group_runs(
    records: Iterable[Record], failures: Iterable[Failure], labels: Sequence[str]
) -> tuple[Group, ...]:
    """Return groups of runs that differ only in their seeds, in the study's order."""
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
    """Hashes of everything that determines a run except its seeds.

    Runs share the objects in their inputs, so most hashes are found by these objects.
    The inputs must live as long as this object.
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
    """Return everything that determines a run except its seeds."""
    return inputs.model_dump(mode="json", exclude=_SEEDS)


def _name_groups(inputs: Mapping[str, Inputs]) -> dict[str, str]:
    """Return unique names of groups: the label, with differing settings if necessary.

    Args:
        inputs: inputs of each group, by id of the group.
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

    These are the plain ones, such as the data set, if they suffice; otherwise all that
    differ.
    """
    paths: set[str] = set()
    for settings in groups:
        paths |= settings.keys()
    differing = [path for path in sorted(paths) if _count_values(groups, [path]) > 1]
    plain = [path for path in _PLAIN_SETTINGS if path in differing]
    return plain if _count_values(groups, plain) == len(groups) else differing


def _count_values(groups: Sequence[Mapping[str, Any]], paths: Sequence[str]) -> int:
    """Return the number of distinct combinations of these settings."""
    return len({tuple(map(settings.get, paths)) for settings in groups})


def _describe_setting(path: str, value: object) -> str:
    if path in _PLAIN_SETTINGS:
        return str(value)
    return f"{path.rpartition('.')[2]}={value}"


def _number_equal_names(names: Mapping[str, str]) -> dict[str, str]:
    """Return the names, with a number after each name that is already taken.

    A label can look like the name of a group.
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
