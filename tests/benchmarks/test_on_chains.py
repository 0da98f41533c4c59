"""A study of chains, from the command to the report: every layer is decided, and counted, by itself."""

from pathlib import Path

import pandas as pd
import pytest

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.spaces import get_space

STUDY = """
name = "chains"
title = "Chains"
tables = ["cells", "time"]

[seeds]
supernet = [0]

[[spaces]]
name = "nb-macro"
skeleton = { channels = 2 }

[[spaces]]
name = "mobilenet"
skeleton = { channels = 2, resolution = 32 }

[[data]]
name = "digits"
limit = 16

[[supernets]]
recipe = "untrained"
activation = "ones"

[[selectors]]
name = "random"

[[selectors]]
name = "operation-scores"
label = "largest"
measure = "flops"
rescore = false
batch_size = 2

[[selectors]]
name = "zero-cost-pt"
proxy = "flops"
iterations = 1
batch_size = 2
validation_batches = 1
"""
LARGEST = {"nb-macro": "22222222", "mobilenet": " ".join(["5"] * 21)}


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "chains.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def test_a_search_by_size_takes_the_largest_operation_of_every_layer(
    archselect, inline, study
):
    code, _, err = archselect("run", study, "--out", "runs", "--device", "cpu")
    assert code == 0, err
    records = list(Folder(Path("runs")).read_all(Record))
    assert len(records) == 6
    for record in records:
        space = get_space(record.inputs.space)
        text = record.selected.architecture
        assert space.format(space.parse(text)) == text
        if record.inputs.selector.label != "random":
            assert text == LARGEST[record.inputs.space]
    cells = pd.read_csv("runs/report/cells.csv", comment="#")
    assert set(cells["cell"]) == {"all layers"} and len(cells) == 6
    largest = cells[cells["selector"].str.contains("largest")]
    assert sorted(largest["mb6_k5"].dropna()) == [8]
    assert sorted(largest["mb6_k7_relu6"].dropna()) == [21]
