"""A study of a space, whole and with an edge deleted, from its estimate to its report."""

from pathlib import Path

from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs.estimate import estimate_study
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record, Trained
from archselect.nasbench_adapters.spaces import get_space

NAMES = ("minimal", "minimal:2-3=none")
STUDY = """
name = "wired"
title = "Cells with a choice of depth"
tables = ["accuracy", "time", "cells"]

[seeds]
supernet = [0]

SPACES

[[data]]
name = "digits"
limit = 16
train = { protocol = "tiny", epochs = 1, limit = 64, skeleton = { channels = 2 } }

[[supernets]]
recipe = "darts"
epochs = 1
batch_size = 8

[[selectors]]
name = "random"

[[selectors]]
name = "magnitude"
"""
PART = '[[spaces]]\nname = "{}"\nskeleton = {{ channels = 2, layers = 2 }}\n'


def test_a_restricted_space_is_a_space_of_its_own_in_all_records(
    archselect, inline, tmp_path
):
    path = tmp_path / "wired.toml"
    path.write_text(
        STUDY.replace("SPACES", "".join(map(PART.format, NAMES))), encoding="utf-8"
    )
    costs = [
        cost for cost in estimate_study(read_study(str(path))) if cost.label == "random"
    ]
    assert [cost.space for cost in costs] == list(NAMES)
    assert costs[1].supernet.flops < costs[0].supernet.flops
    code, _, err = archselect("run", path, "--out", "runs", "--device", "cpu")
    assert code == 0, err
    folder = Folder(Path("runs"))
    records = list(folder.read_all(Record))
    assert len({record.id for record in records}) == 4 and {
        record.inputs.space for record in records
    } == {*NAMES}
    assert len(list(Path("runs/supernets").glob("*.pt"))) == 2
    trained = {
        (own.inputs.space, own.inputs.architecture) for own in folder.read_all(Trained)
    }
    for record in records:
        space, text = get_space(record.inputs.space), record.selected.architecture
        assert (
            space.format(space.parse(text)) == text
            and (record.inputs.space, text) in trained
        )
        assert record.selected.operations == [
            [list(names) for names in space.cells[0].operations]
        ]
    page = Path("runs/report.html").read_text(encoding="utf-8")
    assert all(name in page for name in NAMES)
    assert (
        "Understanding the Wiring Evolution" in page
        and "space minimal:2-3=none" in page
    )
