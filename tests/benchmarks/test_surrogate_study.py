"""A study of the DARTS space, whose cells no table can hold, with a surrogate as truth: the commands a user types."""

import csv
import sys

import numpy as np
import pytest

from archselect.benchmarks.cli import main
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Landscape, Record
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import forms

STUDY = """
name = "cells"
title = "Cells of DARTS, judged by a surrogate"
tables = ["tau", "accuracy", "time"]

[seeds]
supernet = [0, 1]

[[spaces]]
name = "darts"
skeleton = { channels = 4, layers = 3 }

[[data]]
name = "digits"
limit = 16
truth = [
    { table = "fitted", dataset = "cifar10", split = "valid", epochs = 100 },
    { table = "cells", dataset = "cifar10", split = "valid", epochs = 100 },
]

[[supernets]]
recipe = "untrained"
batch_size = 8

[[selectors]]
name = "random"

[[selectors]]
name = "magnitude"
"""
COLUMN = ("--dataset", "cifar10", "--split", "valid", "--epochs", 100)


@pytest.fixture
def archselect(monkeypatch, capsys, tmp_path):
    """`archselect(*arguments)` is what a command prints; it must succeed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.setattr(forms, "ROUNDS", 30)

    def call(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["archselect", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        out, err = capsys.readouterr()
        assert (exit.value.code or 0) == code, err
        return " ".join((out if code == 0 else err).split())

    return call


@pytest.fixture
def cells(tmp_path):
    """A CSV of 60 cells, the more convolutions the better."""
    space, rng = get_space("darts"), np.random.default_rng(0)
    with (tmp_path / "cells.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["genotype", "accuracy"])
        for _ in range(60):
            cell = space.sample(rng)
            worth = sum(
                choice is not None and choice >= 3
                for row in cell.choices
                for choice in row
            )
            writer.writerow(
                [space.format(cell), round(85 + worth / 2 + rng.normal(0, 0.2), 3)]
            )
    return tmp_path / "cells.csv"


def test_predictions_are_called_predictions_from_the_table_to_the_report(
    archselect, inline, cells, tmp_path
):
    plain = (
        "--architecture-column",
        "genotype",
        "--accuracy-column",
        "accuracy",
        *COLUMN,
    )
    told = archselect(
        "truth",
        "import",
        cells,
        "--space",
        "darts",
        "--name",
        "cells",
        "--predicted",
        *plain,
    )
    assert (
        "60 architectures" in told
        and "itself predicted by a surrogate, not measured" in told
    )
    told = archselect("truth", "fit", "cells", "--name", "fitted")
    assert (
        "10-fold cross-validated on 60 architectures: Kendall's tau-b" in told
        and "trees" in told
        and "line" in told
    )
    listed = archselect("truth", "list")
    assert (
        "fitted by archselect on 60 architectures of truth 'cells'" in listed
        and "nb301" in listed
    )
    assert "any architecture of darts" in archselect("truth", "list", "fitted")

    (tmp_path / "cells.toml").write_text(STUDY)
    out = archselect("run", "cells.toml", "--out", "out", "--device", "cpu")
    assert (
        "4 runs made, 0 kept" in out
        and "predicted, τ-b" in out
        and "outside the table" in out
    )
    space = get_space("darts")
    landscapes = {s.id: s for s in Folder(tmp_path / "out").read_all(Landscape)}
    for record in Folder(tmp_path / "out").read_all(Record):
        predicted, absent = record.accuracies
        assert (predicted.source, absent.source, absent.mean) == (
            "predicted",
            "not in the table",
            None,
        )
        found = landscapes[predicted.landscape]
        assert (
            found.surrogate
            and found.provenance == "predicted"
            and found.space_size == space.size
        )
        assert predicted.surrogate_tau == found.agreement.tau
        lookup = ("truth", "lookup", record.selected.architecture, "--table")
        assert f"{predicted.mean:.2f} %, predicted by a surrogate" in archselect(
            *lookup, "fitted", *COLUMN
        )
        assert "has no trial of Genotype(" in archselect(
            *lookup, "cells", *COLUMN, code=2
        )

    with (tmp_path / "out" / "report" / "accuracy.csv").open(
        newline="", encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file))
    assert [(row["selector"], row["truth"], row["source"]) for row in rows] == [
        (selector, "fitted", "predicted") for selector in ("random", "magnitude")
    ]
    assert all(
        0 < float(row["surrogate_tau"]) < 1 and row["architectures"] == "60"
        for row in rows
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for words in (
        "Predicted by a surrogate, 10-fold cross-validated on 60 architectures",
        "not in the table",
    ):
        assert words in page
    assert "0 runs made, 4 kept" in archselect(
        "run", "cells.toml", "--out", "out", "--device", "cpu"
    )


def test_half_of_a_plain_tables_options_is_refused(archselect, cells):
    told = archselect(
        "truth",
        "import",
        cells,
        "--name",
        "x",
        "--architecture-column",
        "genotype",
        code=2,
    )
    assert (
        "a plain table also needs --accuracy-column, --dataset, --split, --epochs; a table with"
        in told
    )
