"""A folder of records as tables and figures see it: one group of seeds per selector and setting, in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from archselect.benchmarks.store.compaction import read_records
from archselect.benchmarks.store.facts import content_id, flatten, short_commit
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Accuracy,
    Failure,
    Inputs,
    Landscape,
    Machine,
    Record,
    StudyInfo,
    Trained,
)
from archselect.benchmarks.store.traces import read_trace
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.results.decided import Decided, decided
from archselect.reports.results.record_values import refuse_contradictions
from archselect.reports.results.tau import Correlation
from archselect.reports.results.wiring import Wiring

NAMELESS = "(no name)"
"""What stands for a label that shows nothing."""
_SEEDS = {"supernet_seed", "selection_seed"}


@dataclass(frozen=True)
class Judged:
    """Runs that a landscape's truth was asked about, in their order, and what it says of each."""

    records: list[Record]
    accuracies: list[Accuracy]

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def seeds(self) -> list[int]:
        """The supernet seed of each."""
        return [record.inputs.supernet_seed for record in self.records]

    @cached_property
    def known(self) -> Judged:
        """Those of whose selection the truth knows the accuracy."""
        pairs = zip(self.records, self.accuracies, strict=True)
        known = [
            (record, accuracy)
            for record, accuracy in pairs
            if accuracy.mean is not None
        ]
        return (
            self
            if len(known) == len(self)
            else Judged([r for r, _ in known], [a for _, a in known])
        )

    @cached_property
    def means(self) -> list[float]:
        """The accuracy, mean of trials in per cent, of each of the :attr:`known`."""
        return [
            accuracy.mean for accuracy in self.accuracies if accuracy.mean is not None
        ]


@dataclass(frozen=True)
class Group:
    """The runs that differ in nothing but their seeds, in their order; only such runs are ever averaged.

    `correlations` are those that are known, by the landscape's id: several parts of a
    report ask for them.
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
        return bool(self.records) and all(
            record.selected.uniform for record in self.records
        )

    def judged(self, landscape: Landscape) -> Judged:
        """The records that the landscape's truth was asked about."""
        return self._judged.get(landscape.id) or Judged([], [])

    def known(self, landscape: Landscape) -> Judged:
        """Those of them of whose selection it knows the accuracy."""
        return self.judged(landscape).known

    @cached_property
    def decided(self) -> Decided | None:
        """The scores by which the operations of all records were decided."""
        return decided(self.records)

    @property
    def phases(self) -> dict[str, list[float]]:
        """Of every phase that a record has, the seconds of each record; 0 of those without it."""
        return self._spent[0]

    @property
    def seconds(self) -> list[float]:
        """Of each record the sum of its phases, the training of its supernet included."""
        return self._spent[1]

    @cached_property
    def _spent(self) -> tuple[dict[str, list[float]], list[float]]:
        phases: dict[str, list[float]] = {}
        totals = []
        for place, record in enumerate(self.records):
            spent = {phase: time.seconds for phase, time in record.cost.phases.items()}
            totals.append(sum(spent.values()))
            for phase, seconds in spent.items():
                if phase not in phases:
                    phases[phase] = [0.0] * len(self.records)
                phases[phase][place] = seconds
        return phases, totals

    @cached_property
    def machines(self) -> Counter[Machine]:
        """Those that the runs were made on, and how many on each."""
        return _counted([record.cost.machine for record in self.records])

    @cached_property
    def supernet_machines(self) -> Counter[Machine]:
        """Those that the runs' supernets were trained on, and for how many runs on each."""
        return _counted([record.cost.supernet_machine for record in self.records])

    @cached_property
    def _judged(self) -> dict[str, Judged]:
        found: dict[str, Judged] = {}
        for record in self.records:
            for accuracy in record.accuracies:
                if (judged := found.get(accuracy.landscape)) is None:
                    judged = found[accuracy.landscape] = Judged([], [])
                judged.records.append(record)
                judged.accuracies.append(accuracy)
        return found


@dataclass(frozen=True)
class Results:
    """All of a folder.

    `missing`: runs neither finished nor failed; `others`: records of no run of it;
    `trainings`: of what was selected;
    `source`: the folder.
    """

    info: StudyInfo
    groups: tuple[Group, ...]
    landscapes: tuple[Landscape, ...]
    failures: tuple[Failure, ...]
    missing: tuple[str, ...]
    others: tuple[str, ...]
    trainings: tuple[Trained, ...]
    source: Folder = field(compare=False, repr=False)

    @cached_property
    def records(self) -> list[Record]:
        """Every finished run of the study."""
        return [record for group in self.groups for record in group.records]

    @cached_property
    def wirings(self) -> dict[str, Wiring]:
        """Of each supernet that was traced, by its id, what was seen of its training.

        Raises UserError, naming the file, if a trace is missing or damaged.
        """
        traced = dict.fromkeys(
            r.inputs.supernet_id
            for r in self.records
            if r.inputs.supernet.settings.get("trace")
        )
        return {id: self._wiring(id) for id in traced}

    def _wiring(self, id: str) -> Wiring:
        path = self.source.trace(id)
        if not path.is_file():
            raise UserError(
                f"{path} is missing though the supernet was traced: remove {self.source.supernet(id)} "
                f"and run '{self.info.command}' again"
            )
        return Wiring(read_trace(path))

    @cached_property
    def seed_counts(self) -> list[int]:
        """How many supernet seeds groups have, each number once, in order."""
        counts = {
            len({record.inputs.supernet_seed for record in group.records})
            for group in self.groups
        }
        return sorted(counts - {0})

    @property
    def versions(self) -> list[str]:
        """Those of archselect that made the records."""
        return sorted({record.code_version for record in self.records})

    @property
    def commits(self) -> list[str]:
        """The commits of archselect that made the records, and those known to have made their supernets, in words."""
        made = {record.commit for record in self.records}
        supernets = {record.supernet_commit for record in self.records} - {None}
        return sorted(short_commit(commit) for commit in made | supernets)

    def provenance(self) -> list[str]:
        """Return a sentence if several commits had a part in the numbers; for the page, not for every table."""
        if len(self.commits) < 2:
            return []
        return [
            f"{len(self.commits)} commits of archselect made these runs and their supernets "
            f"({', '.join(self.commits)}); runs.csv has those of each run. "
            "'archselect run' with --rerun-other-code makes what differs from the present commit anew."
        ]

    def title(self, landscape: Landscape) -> str:
        """dataset/split/epochs, with the space or the truth before it where two landscapes have the same."""
        short = _horizon(landscape)
        same = [other for other in self.landscapes if _horizon(other) == short]
        spaces = {other.space for other in same}
        truths = [other for other in same if other.space == landscape.space]
        before = [landscape.space] * (len(spaces) > 1) + [landscape.truth] * (
            len(truths) > 1
        )
        return one_line(f"{', '.join(before)}: {short}" if before else short)

    def status(self) -> list[str]:
        """One sentence for each kind of run that is in no mean."""
        sentences = []
        finished, runs = len(self.records), len(self.info.runs)
        if self.failures:
            which = ", ".join(
                f"{f.inputs.selector.label} seed {seed_name(f.inputs)}"
                for f in self.failures
            )
            sentences.append(
                f"{len(self.failures)} of {runs} runs failed and are in no number here: {which}."
            )
        if self.missing:
            sentences.append(
                f"{len(self.missing)} of {runs} runs are not finished ({finished} are); the command goes on "
                f"with them: {self.info.command}"
            )
        if self.others:
            sentences.append(
                f"{len(self.others)} of the folder's records belong to no run of this study (other settings or code) "
                "and are in no number here."
            )
        return sentences


def load(
    folder: Path, compacted: bool = False, may_have_failed: bool = False
) -> Results:
    """Read a folder, and bring its `records.parquet` up to date if asked to.

    Raises UserError if it is none of ours, has a broken file, or no run has finished;
    if `may_have_failed`, a folder of which runs failed and none has finished is read,
    too.
    """
    source = Folder(folder)
    info = source.study()
    found: dict[str, Record] = {}
    for record in read_records(source, compacted=compacted, checked=True):
        if record.id in found:
            raise UserError(
                f"{source.path(Record, record.id).parent} has two files of run {record.id}: remove one"
            )
        found[record.id] = record
    runs = set(info.runs)
    records = sorted(
        (r for r in found.values() if r.id in runs),
        key=lambda r: _order(r, info.labels),
    )
    done = {record.id for record in records}
    failed = {
        f.id: f for f in source.read_all(Failure) if f.id in runs and f.id not in done
    }
    if not records and not (failed and may_have_failed):
        raise UserError(
            f"{folder} holds no finished run of study '{info.name}': run '{info.command}' first"
        )
    failures = sorted(failed.values(), key=lambda f: _order(f, info.labels))
    landscapes = _landscapes(source, records)
    refuse_contradictions(
        source, records, {landscape.id: landscape for landscape in landscapes}
    )
    return Results(
        info=info,
        groups=_group(records, failures, info.labels),
        landscapes=landscapes,
        failures=tuple(failures),
        missing=tuple(
            run for run in info.runs if run not in done and run not in failed
        ),
        others=tuple(sorted(set(found) - done)),
        trainings=tuple(source.check_all(Trained)),
        source=source,
    )


def _counted(same: list[Machine]) -> Counter[Machine]:
    """Each distinct machine and how often it comes; many records share one object."""
    found: Counter[Machine] = Counter()
    known = {id(machine): machine for machine in same}
    for place, count in Counter(map(id, same)).items():
        found[known[place]] += count
    return found


def seed_name(inputs: Inputs) -> str:
    """supernet seed / selection seed."""
    return f"{inputs.supernet_seed}/{inputs.selection_seed}"


def _horizon(landscape: Landscape) -> str:
    return f"{landscape.dataset}/{landscape.split}/{landscape.epochs}"


def _order(run: Record | Failure, labels: list[str]) -> tuple[int, str, int, int, str]:
    inputs = run.inputs
    return *_place(inputs, labels), inputs.supernet_seed, inputs.selection_seed, run.id


def _place(inputs: Inputs, labels: list[str]) -> tuple[int, str]:
    label = inputs.selector.label
    return labels.index(label) if label in labels else len(labels), label


def _group(
    records: Iterable[Record], failures: Iterable[Failure], labels: list[str]
) -> tuple[Group, ...]:
    done: dict[str, list[Record]] = defaultdict(list)
    failed: dict[str, list[Failure]] = defaultdict(list)
    ids: dict[object, str] = {}
    for record in records:
        done[_group_id(record.inputs, ids)].append(record)
    for failure in failures:
        failed[_group_id(failure.inputs, ids)].append(failure)
    inputs = {key: own[0].inputs for key, own in failed.items()} | {
        key: own[0].inputs for key, own in done.items()
    }
    names = _names(inputs)
    groups = [
        Group(
            name=names[key],
            inputs=inputs[key],
            records=tuple(done[key]),
            failures=tuple(failed[key]),
        )
        for key in inputs
    ]
    return tuple(sorted(groups, key=lambda g: (_place(g.inputs, labels), g.name)))


def _group_id(inputs: Inputs, ids: dict[object, str]) -> str:
    """The hash of all that determines a run but its seeds; `ids` has those seen before, while the inputs live."""
    parts = (
        inputs.space,
        id(inputs.data),
        id(inputs.supernet),
        id(inputs.selector),
        id(inputs.formulations),
    )
    if parts not in ids:
        text = inputs.model_dump_json(exclude=_SEEDS)
        ids[parts] = ids[text] = ids.get(text) or content_id(_but_seeds(inputs))
    return ids[parts]


def _but_seeds(inputs: Inputs) -> dict[str, Any]:
    """All that determines a run but its seeds."""
    return inputs.model_dump(mode="json", exclude=_SEEDS)


def _names(inputs: dict[str, Inputs]) -> dict[str, str]:
    """The label, followed by what tells a group from others of the same label: names, else settings."""
    names = {}
    for label in dict.fromkeys(own.selector.label for own in inputs.values()):
        flat = {
            k: flatten(_but_seeds(i))
            for k, i in inputs.items()
            if i.selector.label == label
        }
        differing = [
            path
            for path in sorted({p for f in flat.values() for p in f})
            if len({f.get(path) for f in flat.values()}) > 1
        ]
        plain = [
            path
            for path in ("space", "data.name", "supernet.recipe")
            if path in differing
        ]
        chosen = (
            plain
            if len({tuple(f.get(p) for p in plain) for f in flat.values()}) == len(flat)
            else differing
        )
        for key, own in flat.items():
            parts = [
                str(own.get(path))
                if path in plain
                else f"{path.rpartition('.')[2]}={own.get(path)}"
                for path in chosen
            ]
            shown = one_line(label) or NAMELESS
            names[key] = one_line(f"{shown} ({', '.join(parts)})") if parts else shown
    return _distinct(names)


def _distinct(names: dict[str, str]) -> dict[str, str]:
    """The names, with a number behind each that an earlier one has, too: labels may look like names of groups."""
    taken: set[str] = set()
    distinct = {}
    for key, name in names.items():
        number = 1
        while (numbered := f"{name} [{number}]" if number > 1 else name) in taken:
            number += 1
        taken.add(numbered)
        distinct[key] = numbered
    return distinct


def _landscapes(source: Folder, records: Iterable[Record]) -> tuple[Landscape, ...]:
    """Those the records name, in the records' order, then any others."""
    known = {landscape.id: landscape for landscape in source.check_all(Landscape)}
    named = dict.fromkeys(
        accuracy.landscape for record in records for accuracy in record.accuracies
    )
    for id in named:
        if id not in known:
            raise UserError(
                f"{source.path(Landscape, id)} is missing though records name it: run '{source.study().command}' again"
            )
    return tuple(known[id] for id in (*named, *sorted(set(known) - set(named))))
