"""A folder of as many records as one likes, varied from those of real studies.

    python benchmarks/perf/many_records.py OUT [--records 100000] [STUDY_FOLDER …]

Every setting of the folders gets the same number of seeds. A record is one of the
setting's own with another seed, another cell of its space, and scores, accuracies and
times moved at random; all pass the schema, and the same command writes the same bytes.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archselect.benchmarks.store.facts import content_id, encode_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Landscape, Record, StudyInfo
from archselect.nasbench_adapters.spaces import get_space

RESULTS = Path(__file__).parents[2] / "docs" / "results"
REAL = tuple(
    RESULTS / name
    for name in ("darts-pt-nb201-cpu", "zero-cost-pt-nb201", "collapse-s2-s4-cpu")
)
"""Four selectors on three spaces, twelve settings in all.

The scores of Zero-Cost-PT are 300 a record.
"""
TABLES = ["tau", "accuracy", "differences", "time"]
CELLS = 500
"""Cells of a space that are selected."""


def write_many(folder: Path, records: int, real: Sequence[Path] = REAL) -> None:
    """Write the folder, with the landscapes of the real ones."""
    rng = np.random.default_rng(0)
    folders = [Folder(path) for path in real]
    groups = _groups(folders)
    spaces = dict.fromkeys(group[0].inputs.space for group in groups)
    cells = {space: _draw_cells(space, rng) for space in spaces}
    target = Folder(folder)
    runs = []
    (folder / "records").mkdir(parents=True)
    for number in range(records):
        seed, place = divmod(number, len(groups))
        group = groups[place]
        record = group[seed % len(group)]
        varied = _vary(record, seed, cells[record.inputs.space], rng)
        runs.append(varied.id)
        # Not atomically: that is a hundred thousand times a disk's patience.
        target.path(Record, varied.id).write_bytes(encode_fact(varied))
    for source in folders:
        for landscape in source.read_all(Landscape):
            write_fact(target.path(Landscape, landscape.id), landscape)
    write_fact(target.study_path, _study_info(folders, runs))


def _groups(folders: Sequence[Folder]) -> list[list[Record]]:
    """Return the records of each setting, which differ by their seeds alone."""
    groups: dict[str, list[Record]] = {}
    for source in folders:
        for record in source.read_all(Record):
            setting = record.inputs.model_dump_json(
                exclude={"supernet_seed", "selection_seed"}
            )
            groups.setdefault(setting, []).append(record)
    return list(groups.values())


def _study_info(folders: Sequence[Folder], runs: list[str]) -> StudyInfo:
    """Return the facts of a study that has all selectors of the real ones."""
    studies = [source.study() for source in folders]
    labels: dict[str, None] = {}
    for study in studies:
        labels |= dict.fromkeys(study.labels)
    changes = {
        "name": "many",
        "title": f"{len(runs):,} records",
        "description": "Varied from real ones; no number here says anything.",
        "labels": list(labels),
        "tables": TABLES,
        "runs": runs,
        "reproduces": [],
    }
    return studies[0].model_copy(update=changes)


def _draw_cells(name: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return cells of a space, as records have them."""
    space = get_space(name)
    drawn = [space.sample(rng) for _ in range(CELLS)]
    return [
        {
            "architecture": space.format(cell),
            "canonical": space.format(space.canonical(cell)),
            "graph": space.graph(cell),
        }
        for cell in drawn
    ]


def _vary(
    record: Record, seed: int, cells: list[dict[str, Any]], rng: np.random.Generator
) -> Record:
    """Return a record with another seed, another cell, and moved numbers."""
    varied = record.model_dump(mode="json")
    varied["inputs"]["supernet_seed"] = seed
    varied["id"] = content_id(varied["inputs"])
    selected = varied["selected"]
    # Some cells are selected far more often than others.
    selected |= cells[int(len(cells) * rng.random() ** 2)]
    for kind in ("operation_scores", "edge_scores", "architecture_scores"):
        scores = selected[kind]
        factors = rng.uniform(0.8, 1.2, len(scores["value"])).tolist()
        pairs = zip(scores["value"], factors, strict=True)
        scores["value"] = [float(value) * factor for value, factor in pairs]
    for accuracy in varied["accuracies"]:
        trials = [trial + rng.normal() for trial in accuracy["trials"]]
        accuracy["trials"] = [min(100.0, max(0.0, trial)) for trial in trials]
        accuracy["mean"] = sum(accuracy["trials"]) / len(trials)
    for time in varied["cost"]["phases"].values():
        time["seconds"] *= rng.lognormal(0, 0.1)
    return Record.model_validate(varied)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("real", type=Path, nargs="*", default=REAL)
    parser.add_argument("--records", type=int, default=100_000)
    given = parser.parse_args()
    if given.out.exists():
        shutil.rmtree(given.out)
    write_many(given.out, given.records, given.real)
