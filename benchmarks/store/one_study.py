"""What folders must have in common to be parts of one study.

These are the text of the study, the components of its runs, and the ground truths that
judge them.
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
"""Fields of `study.json` that are the same in all folders of one study."""
_SEEDS = {"supernet_seed", "selection_seed"}


# --- the text of the study


def differing_field(info: StudyInfo, other: StudyInfo) -> str:
    """Return the first field in which two studies differ; "" if they are the same.

    Two parts of one study can have different seeds.
    """
    for name in _FIELDS:
        if getattr(info, name) != getattr(other, name):
            return name
    return ""


def check_target(target: Folder, info: StudyInfo) -> None:
    """Raise UserError if the target of a merge holds something else."""
    if target.study_path.is_file():
        other = target.study()
        if field := differing_field(other, info):
            raise UserError(
                f"{target.root} holds study '{other.name}' with another {field} than this study '{info.name}': name "
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
                f"{target.root} holds {name} but no study.json: name another folder with --out"
            )


def join_studies(folders: Sequence[Folder], target: Folder) -> StudyInfo:
    """Return the merged study of some folders: all their runs, labels and commands.

    Those of the target, if it has some, come first, so that a second merge changes
    nothing.

    Args:
        folders: at least one folder.
        target: folder for the merged study.

    Raises:
        UserError: the folders hold different studies.
    """
    infos = [folder.study() for folder in folders]
    first = infos[0]
    for folder, info in zip(folders, infos, strict=True):
        if field := differing_field(info, first):
            raise UserError(
                f"{folder.root} and {folders[0].root} hold different studies: their {field} differ; merge folders "
                "of one study"
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
    """Return the distinct values of some lists, in order of first appearance."""
    values: dict[str, None] = {}
    for each in lists:
        values |= dict.fromkeys(each)
    return list(values)


# --- what its runs were made of


class ComponentVersions:
    """Versions of the components of runs, and the differences between folders.

    A study has one version of each component: formulation numbers, images of a name,
    code of a name, and ground truth of a name. If two folders differ in one of them,
    their runs do not belong to one study and must not be in one table.
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

        Adds a fault if another folder has different ones.
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

        Adds a fault if another folder has a different one of this name.
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
                    f"{first.root} and {root} differ in {component.what}: make both with the same, then merge"
                )
            )


class _FirstSeen(NamedTuple):
    """The first version of a component, and the folder that has it."""

    version: str
    root: Path


class _Component(NamedTuple):
    """A component of which a study has one version.

    Attributes:
        what: description of the component.
        version: its version.
        of: all other inputs of the runs; runs with other inputs can have another
            version.
    """

    what: str
    version: object
    of: object


def _components(inputs: Inputs) -> Iterator[_Component]:
    """Yield the components of a run, from its inputs."""
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
