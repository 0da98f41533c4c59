"""A folder of records as tables and figures see it: one group of seeds per selector and setting, in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archselect.benchmarks.records import (
    Accuracy,
    Failure,
    Folder,
    Inputs,
    Landscape,
    Record,
    StudyInfo,
    Trained,
    UserError,
    content_id,
    flatten,
)


@dataclass(frozen=True)
class Known:
    """An accuracy that is known: the record of the run, what a truth says of it, its mean and rank."""

    record: Record
    accuracy: Accuracy
    mean: float
    rank: int | None


@dataclass(frozen=True)
class Group:
    """The runs that differ in nothing but their seeds, in their order; only such runs are ever averaged."""

    name: str
    inputs: Inputs
    records: tuple[Record, ...]
    failures: tuple[Failure, ...]

    @property
    def label(self) -> str:
        """The selector's label in the study."""
        return self.inputs.selector.label

    def accuracies(self, landscape: Landscape) -> list[tuple[Record, Accuracy]]:
        """Each record that the landscape's truth was asked about, with what it says."""
        return [(r, a) for r in self.records for a in r.accuracies if a.landscape == landscape.id]

    def known(self, landscape: Landscape) -> list[Known]:
        """Each record of whose selection the landscape's truth knows the accuracy."""
        return [Known(r, a, a.mean, a.rank) for r, a in self.accuracies(landscape) if a.mean is not None]


@dataclass(frozen=True)
class Results:
    """All of a folder.

    `missing`: runs neither finished nor failed; `others`: records of no run of it; `trainings`: of what was selected.
    """

    info: StudyInfo
    groups: tuple[Group, ...]
    landscapes: tuple[Landscape, ...]
    failures: tuple[Failure, ...]
    missing: tuple[str, ...]
    others: tuple[str, ...]
    trainings: tuple[Trained, ...]

    @property
    def records(self) -> list[Record]:
        """Every finished run of the study."""
        return [record for group in self.groups for record in group.records]

    def title(self, landscape: Landscape) -> str:
        """dataset/split/epochs, with the space or the truth before it where two landscapes have the same."""
        short = _horizon(landscape)
        same = [other for other in self.landscapes if _horizon(other) == short]
        spaces = {other.space for other in same}
        truths = [other for other in same if other.space == landscape.space]
        before = [landscape.space] * (len(spaces) > 1) + [landscape.truth] * (len(truths) > 1)
        return f"{', '.join(before)}: {short}" if before else short

    def status(self) -> list[str]:
        """One sentence for each kind of run that is in no mean."""
        sentences = []
        finished, runs = len(self.records), len(self.info.runs)
        if self.failures:
            which = ", ".join(f"{f.inputs.selector.label} seed {seed_name(f.inputs)}" for f in self.failures)
            sentences.append(f"{len(self.failures)} of {runs} runs failed and are in no number here: {which}.")
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


def load(folder: Path) -> Results:
    """Read a folder. Raises UserError if it is none of ours, has a broken file, or no run has finished."""
    source = Folder(folder)
    info = source.study()
    found = {record.id: record for record in source.read_all(Record)}
    runs = set(info.runs)
    records = sorted((r for r in found.values() if r.id in runs), key=lambda r: _order(r.inputs, info.labels))
    if not records:
        raise UserError(f"{folder} holds no finished run of study '{info.name}': run '{info.command}' first")
    done = {record.id for record in records}
    failed = {f.id: f for f in source.read_all(Failure) if f.id in runs and f.id not in done}
    failures = sorted(failed.values(), key=lambda f: _order(f.inputs, info.labels))
    return Results(
        info=info,
        groups=_group(records, failures, info.labels),
        landscapes=_landscapes(source, records),
        failures=tuple(failures),
        missing=tuple(run for run in info.runs if run not in done and run not in failed),
        others=tuple(sorted(set(found) - done)),
        trainings=tuple(source.read_all(Trained)),
    )


def seed_name(inputs: Inputs) -> str:
    """supernet seed / selection seed."""
    return f"{inputs.supernet_seed}/{inputs.selection_seed}"


def total_seconds(record: Record) -> float:
    """The sum of a run's phases, the training of its supernet included."""
    return sum(time.seconds for time in record.cost.phases.values())


def _horizon(landscape: Landscape) -> str:
    return f"{landscape.dataset}/{landscape.split}/{landscape.epochs}"


def _order(inputs: Inputs, labels: list[str]) -> tuple[int, str, int, int, str]:
    label = inputs.selector.label
    place = labels.index(label) if label in labels else len(labels)
    return place, label, inputs.supernet_seed, inputs.selection_seed, inputs.id


def _group(records: Iterable[Record], failures: Iterable[Failure], labels: list[str]) -> tuple[Group, ...]:
    done: dict[str, list[Record]] = defaultdict(list)
    failed: dict[str, list[Failure]] = defaultdict(list)
    for record in records:
        done[content_id(_but_seeds(record.inputs))].append(record)
    for failure in failures:
        failed[content_id(_but_seeds(failure.inputs))].append(failure)
    inputs = {key: own[0].inputs for key, own in failed.items()} | {key: own[0].inputs for key, own in done.items()}
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
    return tuple(sorted(groups, key=lambda g: (_order(g.inputs, labels)[:2], g.name)))


def _but_seeds(inputs: Inputs) -> dict[str, Any]:
    return inputs.model_dump(mode="json", exclude={"supernet_seed", "selection_seed"})


def _names(inputs: dict[str, Inputs]) -> dict[str, str]:
    """The label, followed by what tells a group from others of the same label: names, else settings."""
    names = {}
    for key, own in inputs.items():
        label = own.selector.label
        flat = {k: flatten(_but_seeds(i)) for k, i in inputs.items() if i.selector.label == label}
        differing = [
            path
            for path in sorted({p for f in flat.values() for p in f})
            if len({f.get(path) for f in flat.values()}) > 1
        ]
        plain = [path for path in ("space", "data.name", "supernet.recipe") if path in differing]
        chosen = plain if len({tuple(f.get(p) for p in plain) for f in flat.values()}) == len(flat) else differing
        parts = [
            str(flat[key].get(path)) if path in plain else f"{path.rpartition('.')[2]}={flat[key].get(path)}"
            for path in chosen
        ]
        names[key] = f"{label} ({', '.join(parts)})" if parts else label
    return names


def _landscapes(source: Folder, records: Iterable[Record]) -> tuple[Landscape, ...]:
    """Those the records name, in the records' order, then any others."""
    known = {landscape.id: landscape for landscape in source.read_all(Landscape)}
    named = dict.fromkeys(accuracy.landscape for record in records for accuracy in record.accuracies)
    for id in named:
        if id not in known:
            raise UserError(
                f"{source.path(Landscape, id)} is missing though records name it: run '{source.study().command}' again"
            )
    return tuple(known[id] for id in (*named, *sorted(set(known) - set(named))))
