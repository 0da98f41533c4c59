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
from archselect.benchmarks.store.records import Landscape, Record
from archselect.nasbench_adapters.spaces import get_space

RESULTS = Path(__file__).parents[2] / "docs" / "results"
REAL = tuple(
    RESULTS / name
    for name in ("darts-pt-nb201-cpu", "zero-cost-pt-nb201", "collapse-s2-s4-cpu")
)
"""Four selectors on three spaces, twelve settings in all; the scores of Zero-Cost-PT
are 300 a record.
"""
TABLES = ["tau", "accuracy", "differences", "time"]
CELLS = 500
"""How many cells of a space are selected."""


def write_many(folder: Path, records: int, real: Sequence[Path] = REAL) -> None:
    """Write the folder, with the landscapes of the real ones."""
    rng = np.random.default_rng(0)
    folders = [Folder(path) for path in real]
    settings: dict[str, list[Record]] = {}
    for record in (record for own in folders for record in own.read_all(Record)):
        settings.setdefault(
            record.inputs.model_dump_json(exclude={"supernet_seed", "selection_seed"}),
            [],
        ).append(record)
    groups = list(settings.values())
    cells = {
        space: _cells(space, rng)
        for space in dict.fromkeys(own[0].inputs.space for own in groups)
    }
    target, runs = Folder(folder), []
    (folder / "records").mkdir(parents=True)
    for number in range(records):
        seed, place = divmod(number, len(groups))
        record = groups[place][seed % len(groups[place])]
        record = _varied(record, seed, cells[record.inputs.space], rng)
        runs.append(record.id)
        # Not atomically: that is a hundred thousand times a disk's patience.
        target.path(Record, record.id).write_bytes(encode_fact(record))
    for landscape in (
        landscape for own in folders for landscape in own.read_all(Landscape)
    ):
        write_fact(target.path(Landscape, landscape.id), landscape)
    studies = [own.study() for own in folders]
    info = studies[0].model_copy(
        update={
            "name": "many",
            "title": f"{records:,} records",
            "description": "Varied from real ones; no number here says anything.",
            "labels": list(
                dict.fromkeys(label for study in studies for label in study.labels)
            ),
            "tables": TABLES,
            "runs": runs,
            "reproduces": [],
        }
    )
    write_fact(target.study_path, info)


def _cells(space: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Cells of a space, as records have them."""
    own = get_space(space)
    drawn = [own.sample(rng) for _ in range(CELLS)]
    return [
        {
            "architecture": own.format(cell),
            "canonical": own.format(own.canonical(cell)),
            "graph": own.graph(cell),
        }
        for cell in drawn
    ]


def _varied(
    record: Record, seed: int, cells: list[dict[str, Any]], rng: np.random.Generator
) -> Record:
    varied = record.model_dump(mode="json")
    varied["inputs"]["supernet_seed"] = seed
    varied["id"] = content_id(varied["inputs"])
    selected = varied["selected"]
    selected |= cells[
        int(len(cells) * rng.random() ** 2)
    ]  # some far more often than others
    for scores in (
        selected["operation_scores"],
        selected["edge_scores"],
        selected["architecture_scores"],
    ):
        moved = rng.uniform(0.8, 1.2, len(scores["value"])).tolist()
        scores["value"] = [
            float(value) * factor
            for value, factor in zip(scores["value"], moved, strict=True)
        ]
    for accuracy in varied["accuracies"]:
        accuracy["trials"] = [
            min(100.0, max(0.0, trial + rng.normal())) for trial in accuracy["trials"]
        ]
        accuracy["mean"] = sum(accuracy["trials"]) / len(accuracy["trials"])
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
