"""The published numbers: equal to the facts they were taken from, and found by name."""

import csv
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.study_files import built_in_studies
from archselect.benchmarks.store.records import Reproduced
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.published.numbers import (
    check_published,
    find_published,
    published_numbers,
    short_name,
)
from archselect.reports.published.released_oracles import released_oracles
from archselect.reports.published.search_protocols import (
    find_protocol,
    search_protocols,
)
from archselect.reports.results.own_values import CORRELATION


def entry(paper="DARTS-PT", table="Table 2", method="darts+darts-pt"):
    return Reproduced(paper=paper, table=table, method=method, selector="x")


CORRECTED = {
    "random cell": ("reduction",),
    "optimum": ("reduction",),
    "best of 10 random": ("reduction", "value", "std"),
    "best of 100 random": ("reduction", "value", "std"),
    "best of 1000 random": ("reduction", "value", "std"),
}
"""Columns that are not as in the shared facts, by method; and the reduction of scores
of one release.
"""


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_they_are_the_shared_ones(root, shared_file):
    """Value for value, but for what is corrected; and the released runs of Zero-Cost-PT besides."""
    shared = shared_file("nb201.csv.gz").parents[1] / "published.csv"
    columns = (
        "paper",
        "table",
        "space",
        "dataset",
        "method",
        "metric",
        "value",
        "std",
        "reduction",
        "seeds",
    )

    def facts(rows):
        found = Counter()
        for row in rows:
            corrected = CORRECTED.get(row["method"], ())
            values = {key: row[key] for key in columns if key not in corrected}
            values |= {
                key: float(values[key]) for key in ("value", "std") if values.get(key)
            }
            if values.get("reduction") == "mean over edges":
                values["reduction"] = "single"
            found[tuple(values.values())] += 1
        return found

    ours, theirs = (
        facts(rows_of(root / "reports" / "published" / "published.csv")),
        facts(rows_of(shared)),
    )
    assert theirs - ours == Counter()
    more = [(row[4], row[1], row[6]) for row in (ours - theirs).elements()]
    assert more == [
        ("zero-cost-pt", "released runs", value)
        for value in (93.34, 94.36, 94.30, 94.00)
    ]


@pytest.fixture(scope="module")
def nb201_means(shared_file):
    """(data set, split) -> the mean test accuracy of every cell at 200 epochs."""
    table = pd.read_csv(shared_file("nb201.csv.gz"), dtype={"seed": str})
    table = table[table.epochs == 200]
    return {
        key: own.groupby("index").accuracy.mean()
        for key, own in table.groupby(["dataset", "split"])
    }


def test_what_is_exact_is_what_the_table_says(nb201_means):
    """The mean of the space, its optimum, and the expected best of so many cells with its deviation."""
    exact = [row for row in published_numbers() if row.reduction == "exact"]
    assert len(exact) == 9
    for row in exact:
        values = np.sort(nb201_means[row.dataset, row.split])
        if row.method == "optimum":
            assert round(values[-1], 2) == row.value
            continue
        cells = int(row.method.split()[2]) if row.method.startswith("best of") else 1
        places = np.arange(len(values) + 1) / len(values)
        weights = np.diff(places**cells)
        mean = weights @ values
        assert round(mean, 2) == row.value
        assert round(np.sqrt(weights @ (values - mean) ** 2), 2) == row.std


def test_released_runs_are_means_of_trials(nb201_means):
    """Of some cell each, so that they can be held against means of trials."""
    means = set(nb201_means["cifar10", "ori-test"].round(3))
    rounded = {round(mean, 2) for mean in means}
    runs = [row for row in published_numbers() if row.table == "released runs"]
    assert len(runs) == 3
    for row in runs:
        for value in row.values:
            assert value in (rounded if value != 94.045 else means)
    assert 94.0 not in rounded


def test_every_protocol_and_oracle_that_is_named_exists():
    used = [row.search_protocol for row in published_numbers() if row.search_protocol]
    for name in used:
        find_protocol(name)
    parts = {part for name in used for part in name.split(" + ")}
    assert parts == {*search_protocols().supernets, *search_protocols().selectors}
    correlations = [
        row for row in published_numbers() if CORRELATION.fullmatch(row.metric)
    ]
    assert {(row.oracle, row.space, row.dataset) for row in correlations} == set(
        released_oracles()
    )


def test_the_released_oracles_are_the_shared_ones(shared_file):
    (worth,) = released_oracles().values()
    wanted = {}
    for row in rows_of(shared_file("nb201_operation_scores.csv")):
        if row["scorer"] in ("best_acc", "avg_acc"):
            edge = int(row["source_node"]), int(row["target_node"])
            wanted.setdefault((edge, row["operation"]), {})[row["scorer"]] = float(
                row["score"]
            )
    assert worth == wanted and len(worth) == 30


def test_a_mean_and_its_deviation():
    (error,) = (
        row
        for row in find_published(entry())
        if (row.metric, row.reduction) == ("test_error_percent", "mean")
    )
    assert (error.value, error.std, error.runs, error.rounding) == (
        2.61,
        0.08,
        4,
        pytest.approx(0.005),
    )
    assert (error.training_protocol, error.search_protocol, error.epochs) == (
        "darts-cifar10",
        "darts + darts-pt",
        600,
    )


def test_single_runs_stand_together():
    """Their mean is over supernets, as ours is."""
    (runs,) = find_published(entry(table="released runs"))
    assert (runs.reduction, runs.runs, runs.split, runs.epochs) == (
        "single",
        5,
        "ori-test",
        200,
    )
    assert runs.values == (88.21, 88.02, 88.21, 88.21, 80.49)
    assert runs.independent == (pytest.approx(88.115), 88.21, 80.49)
    assert runs.value == pytest.approx((88.115 + 88.21 + 80.49) / 3)


def test_what_is_printed_and_what_is_exact():
    (runs,) = find_published(
        entry(paper="Zero-Cost-PT", table="released runs", method="zero-cost-pt")
    )
    assert runs.values == (
        93.34,
        94.36,
        94.30,
        94.045,
    ) and runs.rounding == pytest.approx(0.005)
    assert "94.00 is printed" in runs.note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"paper": "DARTS"},
            "unknown paper with published numbers 'DARTS': known: DARTS-PT, ",
        ),
        (
            {"table": "Table 22"},
            "unknown table with published numbers 'Table 22': known: Table 2, ",
        ),
        (
            {"table": "table 2"},
            "unknown table with published numbers 'table 2': did you mean 'Table 2'",
        ),
        (
            {"method": "darts+pt"},
            "unknown method with published numbers 'darts\\+pt': known: darts\\+darts-pt, ",
        ),
    ],
)
def test_a_number_that_is_not_published(change, message):
    with pytest.raises(UserError, match=message) as raised:
        check_published([entry(**change)])
    assert "\n" not in str(raised.value)


def test_what_studies_name_is_published():
    named = {
        name: len(study.reproduces)
        for name in built_in_studies()
        if (study := read_study(name)).reproduces
    }
    assert {"darts-pt-table2", "darts-pt-table3-cifar10", "darts-pt-table4"} <= set(
        named
    )
    for name in named:
        check_published(read_study(name).reproduces)


def test_papers_and_tables_have_one_name_each():
    assert len({short_name(row.paper) for row in published_numbers()}) == len(
        {row.paper for row in published_numbers()}
    )
