"""What docs/results/README.md says of searches under a budget is what the records hold."""

from functools import cache
from statistics import fmean, stdev

import pytest
from scipy.stats import sem
from scipy.stats import t as student_t
from support import ROOT

from archselect.reports.results.query_runs import find_query_planes
from archselect.reports.results.results import load
from archselect.reports.tables.budget import BEST_BY_REWARD, budget_table
from archselect.reports.tables.differences import differences_table
from archselect.reports.tables.memory import memory_table

RESULTS = ROOT / "docs" / "results"
FOLDERS = (
    "queries-nb201",
    "queries-graph",
    "queries-nb101",
    "seminas-nb201",
    "seminas-graph",
)
MARKS = (10, 50, 100, 300)
SEMI = "seminas"
SUPERVISED = "seminas, supervised"
PRETRAINED = "seminas, pretrained only"


@pytest.fixture(scope="module")
def page():
    return (RESULTS / "README.md").read_text(encoding="utf-8")


@cache
def results_of(folder):
    return load(RESULTS / folder)


@cache
def table_of(folder):
    return budget_table(results_of(folder))


def plus_minus(mean, spread, sign=""):
    """A number with its spread; a number alone where there is none."""
    return f"{mean:{sign}.2f}" + ("" if spread != spread else f" ± {spread:.2f}")


def lines_of(folder):
    """The rows of the page's table for a folder."""
    frame = table_of(folder).frame
    for (dataset, selector), rows in frame.groupby(["dataset", "selector"], sort=False):
        by_queries = rows.set_index("queries")
        last = by_queries.loc[MARKS[-1]]
        if selector == BEST_BY_REWARD:
            curve = f"{last.accuracy:.2f} at last"
        else:
            curve = ", ".join(f"{by_queries.accuracy[mark]:.2f}" for mark in MARKS)
        over = ""
        if last.over_random == last.over_random:
            over = plus_minus(last.over_random, last.over_random_error, "+")
        reward = plus_minus(last.reward_mean, last.reward_std)
        # Where a study has several data sets, names tell them apart.
        selector = selector.removesuffix(f" ({dataset})")
        if folder.startswith(SEMI) and not selector.startswith(SEMI):
            continue  # as in the study without SemiNAS
        yield f"| {dataset} | {selector} | {reward} | {curve} | {over} | {last.leak:.2f} |"


def section_of(page, folder):
    """The part of the page whose heading names a folder."""
    for part in page.split("\n## ")[1:]:
        if folder in part.partition("\n")[0].replace(",", "").split():
            return part
    raise AssertionError(f"no section of {folder}")


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_tables_of_budgets(page, folder):
    section = section_of(page, folder)
    for line in lines_of(folder):
        assert line in section


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_selector_has_ten_runs_and_random_search_is_a_sample_of_its_row(folder):
    table = table_of(folder)
    runs = table.frame[table.frame.kind == "selector"].runs
    assert set(runs) == {10}
    notes = [note for note in table.notes if "standard errors of the row" in note]
    assert notes
    assert all("as expected of random search" in note for note in notes)


def rows_of(folder, dataset, queries=MARKS[-1]):
    """The rows of a data set after some queries, by the selector's name."""
    frame = table_of(folder).frame
    rows = frame[(frame.dataset == dataset) & (frame.queries == queries)].copy()
    rows["selector"] = [name.removesuffix(f" ({dataset})") for name in rows.selector]
    return rows.set_index("selector")


def words_of(page, folder):
    return " ".join(section_of(page, folder).split())


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
@pytest.mark.parametrize("name", ["local-search", "ridge"])
def test_who_ends_at_the_best_by_validation(dataset, name):
    rows = rows_of("queries-nb201", dataset)
    found = rows.loc[name]
    best = rows.loc[BEST_BY_REWARD]
    assert found.reward_std == pytest.approx(0)
    assert found.reward_mean == pytest.approx(best.reward_mean)
    assert found.accuracy == pytest.approx(best.accuracy)
    assert best.leak == 0


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "ImageNet16-120"])
def test_ridge_is_ahead_after_fifty_queries(dataset):
    rows = rows_of("queries-nb201", dataset, queries=50)
    rows = rows[rows.kind == "selector"]
    assert rows.accuracy.idxmax() == "ridge"


def test_a_better_search_is_no_better_result_on_imagenet(page):
    rows = rows_of("queries-nb201", "ImageNet16-120")
    best = rows.loc[BEST_BY_REWARD].accuracy
    assert f"best by validation tests at {best:.2f}" in words_of(page, "queries-nb201")
    assert (rows[rows.kind == "selector"].accuracy > best).all()


def test_what_is_said_of_graphs(page):
    words = words_of(page, "queries-graph")
    arxiv = rows_of("queries-graph", "arxiv")
    random = arxiv.loc["random classes (exact)"]
    searches = arxiv[arxiv.kind == "selector"]
    assert (searches.reward_mean > random.reward_mean).all()
    assert searches.over_random.max() < 0.2
    assert f"of all tests at {arxiv.loc[BEST_BY_REWARD].accuracy:.2f}" in words
    citeseer = rows_of("queries-graph", "citeseer")
    errors = citeseer.over_random / citeseer.over_random_error
    assert f"ridge is {errors['ridge']:.1f} standard errors above" in words
    leak = citeseer[citeseer.kind == "selector"].leak.max()
    assert f"up to {leak:.1f} points more" in words
    for dataset in ("cs", "cora"):
        rows = rows_of("queries-graph", dataset)
        assert (rows.over_random / rows.over_random_error).max() < 3
    notes = table_of("queries-graph").notes
    for dataset, stated in (("cs", "2.3"), ("cora", "1.8")):
        start = (
            f"{dataset}/test/0: random-search ({dataset}) is within {stated} standard"
        )
        assert any(note.startswith(start) for note in notes)
    assert "itself is 2.3 and 1.8 of them away" in words


def test_what_is_said_of_semi_supervision(page):
    words = words_of(page, "seminas-nb201")
    paid = []
    gaps = []
    for folder in FOLDERS[3:]:
        frame = table_of(folder).frame
        last = frame[frame.queries == MARKS[-1]].set_index("selector")
        paid.append(f"{last.paid[PRETRAINED]:.0f}")
        for queries in (200, 300):
            semi = fmean(accuracies(folder, SEMI, queries))
            gaps.append(abs(semi - fmean(accuracies(folder, SUPERVISED, queries))))
    assert f"pays for {' and '.join(paid)} of 300 queries on average" in words
    assert f"at most {max(gaps):.2f} points apart" in words


def accuracies(folder, name, queries=MARKS[-1]):
    """The accuracy of a selector's incumbent, seed by seed."""
    (plane,) = find_query_planes(results_of(folder))
    (runs,) = [runs for runs in plane.runs if runs.name == name]
    values = runs.at(runs.reported, queries)
    return [value for _, value in sorted(zip(runs.seeds, values, strict=True))]


@pytest.mark.parametrize("folder", FOLDERS[3:])
@pytest.mark.parametrize("other", [SUPERVISED, PRETRAINED])
@pytest.mark.parametrize("queries", [200, 300])
def test_what_pseudo_labels_add(page, folder, other, queries):
    pairs = zip(
        accuracies(folder, SEMI, queries),
        accuracies(folder, other, queries),
        strict=True,
    )
    gains = [one - another for one, another in pairs]
    low, high = student_t.interval(0.95, len(gains) - 1, fmean(gains), sem(gains))
    line = f"| {folder} | {other} | {queries} | {fmean(gains):+.2f} [{low:.2f}, {high:.2f}] |"
    assert stdev(gains) > 0
    assert line in section_of(page, folder)


def test_the_table_of_searches_under_a_bound_of_memory(page):
    results = results_of("radars-nb201-cpu")
    section = section_of(page, "radars-nb201-cpu")
    table = memory_table(results).frame
    rows = table[table.split == "test"].set_index("selector")
    assert len(rows) == len(results.groups) == 6
    for group in results.groups:
        row = rows.loc[group.name]
        means = group.judged(results.landscapes[0]).known.means
        assert row.seeds == len(means)
        accuracy = plus_minus(fmean(means), stdev(means))
        assert (
            f"| {group.name} | {row.step_bytes / 2**20:.2f} | {row.live:.1f} | {accuracy} |"
            in section
        )
    assert len(results.failures) == 1
    assert f"One of {len(results.info.runs)} runs failed" in section


def test_no_difference_under_a_bound_of_memory_is_shown(page):
    frame = differences_table(results_of("radars-nb201-cpu")).frame
    accuracies = frame[frame.metric == "accuracy"]
    assert len(accuracies) == 5
    assert set(accuracies.verdict) == {"no evidence"}
    assert "**No difference is shown.**" in section_of(page, "radars-nb201-cpu")
