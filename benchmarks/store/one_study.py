"""What folders must have in common to be parts of one study.

That is the text of the study, and what its runs were made of and judged by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from archselect.benchmarks.store.facts import content_id
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Inputs, Landscape, StudyInfo
from archselect.nasbench_adapters.errors import Faults, UserError

_FIELDS = ("name", "title", "source", "tables", "reproduces")
"""What two folders of one study have in common in their `study.json`."""
_SEEDS = {"supernet_seed", "selection_seed"}


# --- the text of the study


def differing_field(info: StudyInfo, other: StudyInfo) -> str:
    """Return the first field in which two are different studies, "" if they are one.

    Two parts of one study may have other seeds.
    """
    for name in _FIELDS:
        if getattr(info, name) != getattr(other, name):
            return name
    return ""


def check_target(target: Folder, info: StudyInfo) -> None:
    """Raise UserError if a folder that is to hold a study holds something else."""
    if target.study_path.is_file():
        other = target.study()
        if field := differing_field(other, info):
            raise UserError(
                f"{target.root} holds study '{other.name}' with another {field}, not this '{info.name}': name "
                "another folder with --out"
            )
        return
    names = (
        target.scoring_path.name,
        "records",
        "failures",
        "landscapes",
        "fronts",
        "baselines",
        "trainings",
    )
    for name in names:
        if (target.root / name).exists():
            raise UserError(
                f"{target.root} holds {name} and no study.json: name another folder with --out"
            )


def join_studies(folders: Sequence[Folder], target: Folder) -> StudyInfo:
    """Return the study of some folders: every run, label and command of any.

    Those of the target, if it has some, come first, so that a second merge changes
    nothing.

    Args:
        folders: at least one.
        target: where the joined study is to be written.

    Raises:
        UserError: if they are not of one study.
    """
    infos = [folder.study() for folder in folders]
    first = infos[0]
    for folder, info in zip(folders, infos, strict=True):
        if field := differing_field(info, first):
            raise UserError(
                f"{folder.root} and {folders[0].root} are of different studies: their {field} differ; merge those "
                "of one"
            )
    check_target(target, first)
    if target.study_path.is_file():
        infos.insert(0, target.study())
    variants = [info.variant_of for info in infos if info.variant_of]
    commands = _union(info.command.split("; ") for info in infos)
    joined = {
        "runs": _union(info.runs for info in infos),
        "labels": _union(info.labels for info in infos),
        "references": _union(info.references for info in infos),
        "differences": _union(info.differences for info in infos),
        "notes": _union(info.notes for info in infos),
        "variant_of": variants[0] if variants else None,
        "command": "; ".join(commands) or "archselect merge",
    }
    return first.model_copy(update=joined)


def _union(lists: Iterable[Sequence[str]]) -> list[str]:
    """Return the different values of some lists, in order of first appearance."""
    values: dict[str, None] = {}
    for each in lists:
        values |= dict.fromkeys(each)
    return list(values)


# --- what its runs were made of


class ComponentVersions:
    """Versions of what the runs of folders were made of, and where folders differ.

    A study has one of each: formulation numbers, images of a name, code of a name, and
    a ground truth of a name. If two folders differ in one of them, their runs are not
    of one study and must not stand in one table.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], _FirstSeen] = {}
        self._seen: set[tuple[Path, str]] = set()

    def note_run(
        self,
        root: Path,
        inputs: Inputs,
        faults: Faults,
    ) -> None:
        """Note the inputs of a folder's run.

        Adds a fault where another folder has different ones.
        """
        text = inputs.model_dump_json(exclude=_SEEDS)
        if (root, text) in self._seen:
            return
        self._seen.add((root, text))
        for component in _components(inputs):
            self._note(root, component, faults)

    def note_truth(
        self,
        root: Path,
        landscape: Landscape,
        faults: Faults,
    ) -> None:
        """Note the ground truth of a folder's runs.

        Adds a fault where another folder has a different one of that name.
        """
        truth = _Component(
            what=f"truth '{landscape.truth}'",
            version=landscape.checksum,
            of=[
                landscape.space,
                landscape.dataset,
                landscape.split,
                landscape.epochs,
            ],
        )
        self._note(root, truth, faults)

    def _note(
        self,
        root: Path,
        component: _Component,
        faults: Faults,
    ) -> None:
        key = (component.what, content_id(component.of))
        version = content_id(component.version)
        first = self._first.setdefault(key, _FirstSeen(version, root))
        if first.version != version and first.root != root:
            faults.add(
                UserError(
                    f"{first.root} and {root} differ in {component.what}: make both with the same, then merge them"
                )
            )


class _FirstSeen(NamedTuple):
    """The first version of a component, and the folder that has it."""

    version: str
    root: Path


class _Component(NamedTuple):
    """Something of which the runs of a study have one.

    Attributes:
        what: it is, in words.
        version: of it.
        of: all else that the runs have: others may have another version.
    """

    what: str
    version: object
    of: object


def _components(inputs: Inputs) -> Iterator[_Component]:
    """Yield what a study has one of, from the inputs of a run."""
    content: dict[str, Any] = inputs.model_dump(mode="json", exclude=_SEEDS)
    others = {**content, "formulations": None}
    yield _Component("formulation numbers", content["formulations"], others)
    for part, key, what in (
        ("data", "checksum", f"images '{inputs.data.name}'"),
        ("supernet", "source", f"code of supernet '{inputs.supernet.recipe}'"),
        ("selector", "source", f"code of selector '{inputs.selector.label}'"),
    ):
        version = content[part][key]
        rest = {**content[part], key: None}
        yield _Component(what, version, {**content, part: rest})
