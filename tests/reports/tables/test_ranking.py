"""The ranking over landscapes: who is ranked, marks, random cells, what it says, and its diagram."""

import numpy as np
import pytest
from scipy import stats

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Landscape, Record
from archselect.reports.figures.ranking import ranking_figures
from archselect.reports.page.sections import sections
from archselect.reports.results.blocks import MethodBlock, find_blocks
from archselect.reports.results.results import load
from archselect.reports.tables import ranking
from archselect.reports.tables.ranking import ranking_table


@pytest.fixture
def of_blocks(monkeypatch, folder):
    """`of_blocks(blocks)` is the table of made-up blocks."""

    def make(blocks):
        monkeypatch.setattr(ranking, "find_blocks", lambda _results: blocks)
        return ranking_table(load(folder))

    return make


def made_up(landscapes, methods, seed=0, spread=1.0):
    """Methods of which each is better than the next one by 5 points."""
    rng = np.random.default_rng(seed)
    return [
        MethodBlock(
            f"landscape {place}",
            {f"method {m}": 90 - 5 * m + spread * rng.normal() for m in range(methods)},
            random=50.0,
        )
        for place in range(landscapes)
    ]


def test_blocks_are_means_over_seeds_by_landscape(folder):
    blocks = find_blocks(load(folder))
    records = Folder(folder).read_all(Record)
    landscapes = {one.id: one for one in Folder(folder).read_all(Landscape)}
    assert len(blocks) == len(landscapes) == 2
    random = sorted(block.random for block in blocks)
    assert random == pytest.approx(sorted(one.mean for one in landscapes.values()))
    means = {}
    for record in records:
        for accuracy in record.accuracies:
            if not record.selected.uniform:
                method = record.inputs.selector.label
                key = landscapes[accuracy.landscape].mean, method
                means.setdefault(key, []).append(accuracy.mean)
    for (mean, method), values in means.items():
        (block,) = [block for block in blocks if block.random == pytest.approx(mean)]
        assert block.accuracies[method] == pytest.approx(np.mean(values))
        assert block.accuracies["random"] == pytest.approx(mean)


def test_two_landscapes_are_ranked_and_not_tested(folder):
    table = ranking_table(load(folder))
    assert "no test: fewer than 3 landscapes" in table.answer
    blocks = find_blocks(load(folder))
    for row in table.frame.itertuples():
        ranks = [
            1
            + sum(
                other > block.accuracies[row.method]
                for other in block.accuracies.values()
            )
            for block in blocks
        ]
        assert row.rank == pytest.approx(np.mean(ranks))
    assert ranking_figures(table) == []
    assert set(table.frame.verdict) == {"not tested"}


def test_methods_beyond_the_critical_difference_are_worse(of_blocks):
    table = of_blocks(made_up(6, 5))
    frame = table.frame
    assert frame["rank"].tolist() == sorted(frame["rank"])
    width = frame.critical_difference.iloc[0]
    for row in frame.itertuples():
        if row.rank == frame["rank"].min():
            assert row.verdict == "first"
        elif row.rank - frame["rank"].min() > width:
            assert row.verdict == "worse"
        else:
            assert row.verdict == "not shown to be worse"
    assert {"worse", "not shown to be worse"} <= set(frame.verdict)
    assert "not shown to be worse: " in table.answer


def test_without_a_difference_nobody_is_worse(of_blocks):
    blocks = [
        MethodBlock(
            str(place),
            dict(zip("abc", np.roll([1.0, 2.0, 3.0], place), strict=True)),
            1.0,
        )
        for place in range(3)
    ]
    table = of_blocks(blocks)
    assert "no evidence that methods differ" in table.answer
    assert "worse" not in set(table.frame.verdict)
    assert set(table.frame["rank"]) == {2.0}


def test_a_method_that_lacks_a_landscape_is_not_ranked(of_blocks):
    blocks = made_up(4, 4)
    del blocks[2].accuracies["method 0"]
    table = of_blocks(blocks)
    last = table.frame.iloc[-1]
    assert last.method == "method 0" and np.isnan(last["rank"])
    assert last.landscapes == 3 and last.verdict == "not ranked"
    assert "method 0 is not ranked: no accuracy on landscape 2." in table.notes
    assert table.frame["rank"].min() == pytest.approx(1, abs=0.5)


def test_without_a_common_landscape_there_is_no_ranking(of_blocks):
    table = of_blocks(
        [MethodBlock("a", {"x": 1.0}, None), MethodBlock("b", {"y": 1.0}, None)]
    )
    assert table.answer.startswith("No method has an accuracy on every landscape")
    assert table.frame["rank"].isna().all()
    assert ranking_figures(table) == []


def test_no_landscape_is_said(of_blocks):
    assert of_blocks([]).answer == "No method has an accuracy."


def test_the_improvement_over_random_is_relative(of_blocks):
    blocks = [
        MethodBlock("a", {"x": 90.0, "y": 60.0}, 50.0),
        MethodBlock("b", {"x": 30.0, "y": 20.0}, 40.0),
        MethodBlock("c", {"x": 30.0, "y": 20.0}, None),
    ]
    table = of_blocks(blocks)
    improvement = dict(zip(table.frame.method, table.frame.improvement, strict=True))
    assert improvement == pytest.approx({"x": (80 - 25) / 2, "y": (20 - 50) / 2})
    assert "The accuracy of a random cell is not known on c." in table.notes


def test_the_diagram_names_all_methods_and_the_width(of_blocks):
    table = of_blocks(made_up(6, 5))
    (figure,) = ranking_figures(table)
    assert figure.name == "critical-difference"
    for method in table.frame.method:
        assert method in figure.svg
    assert f"CD {table.frame.critical_difference.iloc[0]:.2f}" in figure.svg
    (again,) = ranking_figures(table)
    assert again.svg == figure.svg


def test_friedmans_p_is_that_of_the_accuracies(of_blocks):
    blocks = made_up(7, 4, seed=3, spread=8.0)
    table = of_blocks(blocks)
    values = np.array([list(block.accuracies.values()) for block in blocks])
    chi = stats.friedmanchisquare(*values.T).statistic
    f = 6 * chi / (7 * 3 - chi)
    assert table.frame.p_friedman.iloc[0] == pytest.approx(stats.f.sf(f, 3, 18))


def test_a_study_that_asks_for_it_has_the_section(build, tmp_path):
    root = build(tmp_path / "study", tables=["ranking"])
    (section,) = sections(load(root))
    assert section.table.name == "ranking"
    assert not section.figures
