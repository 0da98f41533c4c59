"""What a folder of records comes to when it is compared with another: a folder, or a baseline file kept from one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from archselect.benchmarks.records import Fact, UserError, flatten, read_fact, write_fact
from archselect.reports.metrics import Series, costs, quality
from archselect.reports.results import Results, load


class Snapshot(Fact):
    """The values of a study's selectors, seed by seed.

    `settings` has, by label, all that determines the selector's runs but seeds and images; `failures` how many of its
    runs failed; `unfinished` how many runs of the study are not there.
    """

    schema_version: Literal[1] = 1
    name: str
    title: str
    command: str
    code_versions: list[str]
    commits: list[str]
    series: list[Series]
    settings: dict[str, dict[str, str]]
    failures: dict[str, int]
    unfinished: int


def take(results: Results) -> Snapshot:
    """The snapshot of a study's results."""
    settings = {}
    for group in results.groups:
        include: Any = {"supernet": True, "selector": {"settings", "source"}, "formulations": True}
        inputs = group.inputs.model_dump(mode="json", include=include)
        settings[group.label] = {key: str(value) for key, value in flatten(inputs).items()}
    return Snapshot(
        name=results.info.name,
        title=results.info.title,
        command=results.info.command,
        code_versions=results.versions,
        commits=sorted({record.commit for record in results.records if record.commit}),
        series=[*quality(results), *costs(results)],
        settings=settings,
        failures=Counter(failure.inputs.selector.label for failure in results.failures),
        unfinished=len(results.missing),
    )


def read(path: Path) -> Snapshot:
    """The snapshot of a folder of records, or of a baseline file.

    Raises UserError if it is neither, or the folder has no finished run.
    """
    if path.is_dir():
        return take(load(path))
    if not path.is_file():
        raise UserError(f"there is no {path}: name a folder that 'archselect run' has written, or a baseline file")
    return read_fact(path, Snapshot)


def keep(snapshot: Snapshot, path: Path) -> None:
    """Write a baseline file. Raises UserError if it cannot be written."""
    write_fact(path, snapshot)
