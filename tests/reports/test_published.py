"""The published numbers: equal to the facts they were taken from, and found by name."""

import csv
from collections import Counter

import pytest

from archselect.benchmarks.records import Reproduced
from archselect.benchmarks.study import built_in_studies, read_study
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.published import check, find, published, short


def entry(paper="DARTS-PT", table="Table 2", method="darts+darts-pt"):
    return Reproduced(paper=paper, table=table, method=method, selector="x")


def test_they_are_the_shared_ones(root, shared_file):
    """Value for value, with the columns that say where each stands; and the released runs of Zero-Cost-PT besides."""
    shared = shared_file("nb201.csv.gz").parents[1] / "published.csv"
    columns = ("paper", "table", "space", "dataset", "method", "metric", "value", "std", "reduction", "seeds")

    def rows(path):
        with path.open(encoding="utf-8", newline="") as file:
            return Counter(tuple(row[column] for column in columns) for row in csv.DictReader(file))

    ours, theirs = rows(root / "reports" / "published.csv"), rows(shared)
    assert theirs - ours == Counter()
    more = [(row[4], row[1], row[6]) for row in (ours - theirs).elements()]
    assert more == [("zero-cost-pt", "released runs", value) for value in ("93.34", "94.36", "94.30", "94.00")]


def test_a_printed_deviation_is_the_spread():
    (error,) = (row for row in find(entry()) if (row.metric, row.reduction) == ("test_error_percent", "mean"))
    assert (error.value, error.runs, error.protocol, error.epochs) == (2.61, 4, "darts-cifar10", 600)
    assert (error.low, error.high) == (pytest.approx(2.53), pytest.approx(2.69))


def test_without_a_deviation_it_is_what_rounds_to_the_number():
    (best,) = (row for row in find(entry()) if (row.metric, row.reduction) == ("test_error_percent", "best"))
    assert (best.low, best.high, best.spread) == (pytest.approx(2.475), pytest.approx(2.485), "as printed, no spread")


def test_single_runs_stand_together():
    (runs,) = find(entry(table="released runs"))
    assert (runs.reduction, runs.runs, runs.split, runs.epochs) == ("runs", 5, "ori-test", 200)
    assert (runs.low, runs.high, runs.value) == (80.49, 88.21, pytest.approx((3 * 88.21 + 88.02 + 80.49) / 5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paper": "DARTS"}, "unknown paper with published numbers 'DARTS': did you mean 'DARTS-PT'"),
        ({"table": "Table 22"}, "unknown table with published numbers 'Table 22': did you mean 'Table 2'"),
        ({"method": "darts+pt"}, "unknown method with published numbers 'darts\\+pt': did you mean 'darts"),
    ],
)
def test_a_number_that_is_not_published(change, message):
    with pytest.raises(UserError, match=message) as raised:
        check([entry(**change)])
    assert "\n" not in str(raised.value)


def test_what_studies_name_is_published():
    named = {name: len(study.reproduces) for name in built_in_studies() if (study := read_study(name)).reproduces}
    assert {"darts-pt-table2", "darts-pt-table3-cifar10", "darts-pt-table4"} <= set(named)
    for name in named:
        check(read_study(name).reproduces)


def test_papers_and_tables_have_one_name_each():
    assert len({short(row.paper) for row in published()}) == len({row.paper for row in published()})
