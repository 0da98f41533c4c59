"""A file of the right shape that says what nothing can have measured is refused by name, or reported soundly."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import pytest
from support import ROOT

from archselect.benchmarks.store.compaction import compact, read_records
from archselect.benchmarks.store.facts import read_checked, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.ranges import Impossible
from archselect.benchmarks.store.records import (
    Landscape,
    Record,
    StudyInfo,
    Trained,
    check_records,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.comparison.comparison import compare_snapshots
from archselect.reports.comparison.gate import parse_gate
from archselect.reports.comparison.markdown import to_markdown
from archselect.reports.comparison.snapshot import take_snapshot
from archselect.reports.drawing import cells as drawing
from archselect.reports.page import sections
from archselect.reports.results.results import load

RESULTS = ROOT / "docs" / "results"
TABLES = [
    "tau",
    "accuracy",
    "differences",
    "time",
    "cells",
    "operations",
    "reproduction",
]
HOSTILE = [
    -1,
    0,
    1_000_000,
    2**70,
    10**400,
    1e308,
    1e-320,
    "",
    "x" * 10_000,
    [],
    {},
    None,
    True,
    "NaN",
    "-Infinity",
]
FILES = {
    "a record of one cell": (
        "zero-cost-pt-nb201-cpu-cifar100",
        Record,
        "c2ed4f9347d2ae23",
    ),
    "a record of two cells, with dropped edges": (
        "collapse-s2-s4-cpu",
        Record,
        "e29cbd706eed1043",
    ),
    "a landscape": ("zero-cost-pt-nb201-cpu-cifar100", Landscape, "6de976f0033ab772"),
    "a training": ("collapse-s2-s4-cpu", Trained, None),
    "a study": ("zero-cost-pt-nb201-cpu-cifar100", StudyInfo, None),
}
EVERY = 60
"""Of so many changes that are accepted, one is reported on: a report takes a tenth of a
second.
"""


def small_folder(name, root, record=None):
    """A real folder with two of its records, one of them this one."""
    shutil.copytree(
        RESULTS / name, root, ignore=shutil.ignore_patterns("report*", "traces")
    )
    paths = sorted(
        (root / "records").iterdir(), key=lambda path: (path.stem != record, path.stem)
    )
    for path in paths[2:]:
        path.unlink()
    return Folder(root)


def places(value, path=()):
    """The way to every place in nested JSON; of a list, to its first, middle and last."""
    if path:
        yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list) and value:
        for place in sorted({0, len(value) // 2, len(value) - 1}):
            yield from places(value[place], (*path, place))


def with_value(content, path, value):
    """The content as JSON, with another value at a place."""
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    before, holder[path[-1]] = holder[path[-1]], value
    text = json.dumps(content)
    holder[path[-1]] = before
    return text


def report(root):
    """Do all that reports and gates do, but draw figures."""
    results = load(root)
    for name in TABLES:
        sections.tables(
            replace(results, info=results.info.model_copy(update={"tables": [name]}))
        )
    drawing.selected_cells(results)
    taken = take_snapshot(results)
    found = compare_snapshots(taken, taken, [parse_gate("forwards_increase>10%")])
    assert "nan" not in to_markdown(found)


@pytest.mark.parametrize("what", FILES)
def test_whatever_stands_in_a_field_is_refused_or_reported(tmp_path, what):
    name, kind, id = FILES[what]
    folder = small_folder(name, tmp_path / "study", id)
    path = (
        folder.study_path
        if kind is StudyInfo
        else folder.path(
            kind, id or next((RESULTS / name / "trainings").iterdir()).stem
        )
    )
    whole = path.read_bytes()
    content = json.loads(whole)
    accepted = 0
    for place in places(content):
        for value in HOSTILE:
            path.write_text(with_value(content, place, value))
            try:
                read_checked(path, kind)
                accepted += 1
                if accepted % EVERY == 0:
                    report(folder.root)
            except UserError as error:
                assert "\n" not in str(error) and path.name in str(error), (
                    place,
                    value,
                )
    assert accepted > EVERY
    path.write_bytes(whole)
    report(folder.root)


IMPOSSIBLE = {
    "an operation that an edge has not": (
        Record,
        ("selected", "operation_scores", "choice", 7),
        1_000_000,
    ),
    "an operation below zero": (
        Record,
        ("selected", "operation_scores", "choice", 7),
        -1,
    ),
    "a cell below zero": (Record, ("selected", "operation_scores", "cell", 7), -1),
    "a cell too many": (Record, ("selected", "decisions", "cell", 3), 1),
    "an edge too many": (Record, ("selected", "decisions", "edge", 3), 6),
    "an open edge in a decision": (Record, ("selected", "decisions", "choice", 3), -1),
    "a round below zero": (Record, ("selected", "decisions", "round", 3), -1),
    "the last number of a step": (
        Record,
        ("selected", "decisions", "step", 3),
        2**31 - 1,
    ),
    "a score that is not finite": (
        Record,
        ("selected", "operation_scores", "value", 7),
        "NaN",
    ),
    "an architecture's score that is not finite": (
        Record,
        ("selected", "architecture_scores", "value", 0),
        "Infinity",
    ),
    "a graph without an output": (Record, ("selected", "graph", 0, "output"), []),
    "a graph whose edge leads nowhere": (
        Record,
        ("selected", "graph", 0, "edges", 0, 1),
        4,
    ),
    "a graph whose edge goes back": (
        Record,
        ("selected", "graph", 0, "edges", 1, 0),
        3,
    ),
    "no graph": (Record, ("selected", "graph"), []),
    "no operations": (Record, ("selected", "operations"), []),
    "an edge without operations": (Record, ("selected", "operations", 0, 2), []),
    "fewer edges than operations": (Record, ("selected", "edges", 0), [[0, 1]]),
    "a mean that is not finite": (Record, ("accuracies", 0, "mean"), "NaN"),
    "a trial above a hundred": (Record, ("accuracies", 1, "trials", 0), 100.1),
    "an accuracy of another that is not finite": (
        Record,
        ("accuracies", 0, "scored", 1),
        "-Infinity",
    ),
    "fewer accuracies than architectures": (
        Record,
        ("accuracies", 0, "scored"),
        [50.0],
    ),
    "fewer seeds than trials": (Record, ("accuracies", 0, "trial_seeds"), ["777"]),
    "the rank zero": (Record, ("accuracies", 0, "rank"), 0),
    "two accuracies of one landscape": (
        Record,
        ("accuracies", 1, "landscape"),
        "4f94b62669708def",
    ),
    "seconds that are not finite": (
        Record,
        ("cost", "phases", "score", "seconds"),
        "NaN",
    ),
    "seconds below zero": (Record, ("cost", "warmup"), -0.1),
    "a count below zero": (Record, ("cost", "counts", "score", "flops"), -1),
    "a count that no float can hold": (
        Record,
        ("cost", "counts", "score", "flops"),
        10**400,
    ),
    "a seed below zero": (Record, ("inputs", "supernet_seed"), -1),
    "an empty oracle": (Landscape, ("oracle_best"), []),
    "an oracle without an edge": (Landscape, ("oracle_mean", 0, 5), []),
    "an oracle with an operation too few": (
        Landscape,
        ("oracle_mean", 0, 5),
        [1.0, 2.0],
    ),
    "an oracle above a hundred": (Landscape, ("oracle_best", 0, 0, 0), 100.5),
    "an infinite oracle": (Landscape, ("oracle_best", 0, 0, 0), "Infinity"),
    "operations of another space": (Landscape, ("operations", 0), [["a", "b"]]),
    "parameters below zero": (Landscape, ("operation_parameters", 0, 0, 0), -1),
    "an optimum that is not finite": (Landscape, ("optimum"), "NaN"),
    "no optimum": (Landscape, ("optimum"), None),
    "a mean without a spread": (Landscape, ("std"), None),
    "quantiles out of order": (Landscape, ("quantiles", 0), 99.0),
    "too few quantiles": (Landscape, ("quantiles"), [1.0]),
    "a ceiling above one": (Landscape, ("ceiling_single"), 1.5),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_what_is_impossible_is_refused_with_the_file_and_the_field(
    tmp_path, archselect, what
):
    kind, place, value = IMPOSSIBLE[what]
    place = (place,) if isinstance(place, str) else place
    name, _, id = FILES["a landscape" if kind is Landscape else "a record of one cell"]
    folder = small_folder(name, tmp_path / "study", FILES["a record of one cell"][2])
    path = folder.path(kind, "e4c1d310fe610106" if kind is Landscape else id)
    content = json.loads(path.read_bytes())
    assert place[0] in content
    path.write_text(with_value(content, place, value))
    code, out, err = archselect("report", folder.root)
    assert (code, out) == (2, "")
    (line,) = " ".join(err.split()).split("\n")
    assert path.name in line.replace(" ", "")
    assert "remove" in line and ("rerun" in line or "run again" in line)
    assert not (folder.root / "report.html").exists()


def test_records_that_contradict_each_other_are_refused(tmp_path):
    folder = small_folder("zero-cost-pt-nb201-cpu-cifar100", tmp_path / "study")
    first = load(folder.root).records[0]
    path = folder.path(Record, first.id)
    content = json.loads(path.read_bytes())
    shutil.copy(path, path.with_name("0123456789abcdef.json"))
    with pytest.raises(
        UserError, match=f"has two files of run {path.stem}: remove one"
    ):
        load(folder.root)
    path.with_name("0123456789abcdef.json").unlink()
    for edge in content["selected"]["operations"][0]:
        edge.append("another")
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="other cells, edges or operations"):
        load(folder.root)


@pytest.mark.parametrize(
    "what", [what for what in IMPOSSIBLE if IMPOSSIBLE[what][0] is Record]
)
def test_one_file_of_all_records_says_nothing_impossible(tmp_path, monkeypatch, what):
    """Where its rows are impossible, the records are read from their own files."""
    kind, place, value = IMPOSSIBLE[what]
    name, _, id = FILES["a record of one cell"]
    folder = small_folder(name, tmp_path / "study", id)
    path = folder.path(kind, id)
    whole = path.read_bytes()
    path.write_text(with_value(json.loads(whole), place, value))
    try:
        compact(folder, fewest=1)
    except UserError:
        return  # what the schema refuses is in no such file
    path.write_bytes(whole)
    assert {record.id for record in read_records(folder)} == {
        other.stem for other in (folder.root / "records").iterdir()
    }


def test_many_records_are_checked_as_each_by_itself():
    folder = Folder(RESULTS / "zero-cost-pt-nb201-cpu-cifar100")
    records = list(folder.read_all(Record))
    check_records(records)
    whole = json.loads(
        folder.path(Record, FILES["a record of one cell"][2]).read_bytes()
    )
    for kind, place, value in IMPOSSIBLE.values():
        try:
            record = (
                Record.model_validate_json(with_value(whole, place, value))
                if kind is Record
                else None
            )
        except ValueError:
            continue
        if record is None:
            continue
        for every in ([record], [*records, record]):
            with pytest.raises(Impossible):
                check_records(every)
        with pytest.raises(Impossible):
            record.check()


def test_nan_in_an_oracle_says_that_no_architecture_has_the_operation(folder):
    path = next((folder / "landscapes").iterdir())
    landscape = Landscape.model_validate_json(path.read_bytes())
    for oracle in (landscape.oracle_best, landscape.oracle_mean):
        oracle[0][0][0] = math.nan
    write_fact(path, landscape)
    assert load(folder).landscapes
