"""What folders must have in common to be parts of one study: its text, and what its runs were made of and judged by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archselect.benchmarks.store.facts import content_id
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Inputs, Landscape, StudyInfo
from archselect.nasbench_adapters.errors import Faults, UserError

_FIELDS = ("name", "title", "source", "tables", "reproduces")
"""Of the studies of two folders, what has to be equal."""
_SEEDS = {"supernet_seed", "selection_seed"}


def differing_field(info: StudyInfo, other: StudyInfo) -> str:
    """Return in which field two are other studies; empty where they are one, with other seeds perhaps."""
    return next(
        (name for name in _FIELDS if getattr(info, name) != getattr(other, name)), ""
    )


def check_claim(target: Folder, info: StudyInfo) -> None:
    """Raise UserError if a folder that is to hold a study holds something else."""
    if target.study_path.is_file():
        there = target.study()
        if differing := differing_field(there, info):
            raise UserError(
                f"{target.root} holds study '{there.name}' with another {differing}, not this '{info.name}': name "
                "another folder with --out"
            )
        return
    names = (target.scoring_path.name, "records", "failures", "landscapes", "trainings")
    found = [name for name in names if (target.root / name).exists()]
    if found:
        raise UserError(
            f"{target.root} holds {found[0]} and no study.json: name another folder with --out"
        )


class Sameness:
    """Notes what the runs of some folders were made of and judged by, and where folders differ in it.

    A study has one of each: formulation numbers, images of a name, code of a name, and
    a truth of a name. Where two folders have other ones, a table would set beside one
    another what is not of one study.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], tuple[str, Path]] = {}
        self._seen: set[tuple[Path, str]] = set()

    def note_run(self, root: Path, inputs: Inputs, faults: Faults) -> None:
        """Note the inputs of a run of a folder, and a fault where another folder has other ones."""
        text = inputs.model_dump_json(exclude=_SEEDS)
        if (root, text) in self._seen:
            return
        self._seen.add((root, text))
        for what, value, of in _made_of(inputs):
            self._note(root, what, value, of, faults)

    def note_truth(self, root: Path, landscape: Landscape, faults: Faults) -> None:
        """Note by what runs of a folder were judged, and a fault where another folder has another truth of its name."""
        of = [landscape.space, landscape.dataset, landscape.split, landscape.epochs]
        self._note(root, f"truth '{landscape.truth}'", landscape.checksum, of, faults)

    def _note(
        self, root: Path, what: str, value: object, of: object, faults: Faults
    ) -> None:
        known, first = self._first.setdefault(
            (what, content_id(of)), (content_id(value), root)
        )
        if known != content_id(value) and first != root:
            faults.add(
                UserError(
                    f"{first} and {root} differ in {what}: make both with the same, then merge them"
                )
            )


def _made_of(inputs: Inputs) -> Iterator[tuple[str, object, object]]:
    """Yield what a study has one of: in words, which one it is, and all else that the runs are of."""
    content: dict[str, Any] = inputs.model_dump(mode="json", exclude=_SEEDS)
    yield (
        "formulation numbers",
        content["formulations"],
        {**content, "formulations": None},
    )
    for part, key, what in (
        ("data", "checksum", f"images '{inputs.data.name}'"),
        ("supernet", "source", f"code of supernet '{inputs.supernet.recipe}'"),
        ("selector", "source", f"code of selector '{inputs.selector.label}'"),
    ):
        yield (
            what,
            content[part].get(key),
            {**content, part: {**content[part], key: None}},
        )
