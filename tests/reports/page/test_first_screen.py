"""The first screen: its ranking and verdict follow from the records, whatever they hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archselect.reports.page import first_screen as module
from archselect.reports.page.first_screen import first_screen
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load
from archselect.reports.tables.accuracy import RANDOM_CELL


def with_landscape(results, **changes):
    """Return results whose first landscape is changed, and the only one."""
    landscape = results.landscapes[0].model_copy(update=changes)
    return replace(results, landscapes=(landscape,))


def test_the_ranking_is_by_mean_accuracy_with_the_random_cell_among_it(folder):
    results = load(folder)
    first = first_screen(results)
    landscape = results.landscapes[0]
    means = {
        group.name: float(np.mean(group.known(landscape).means))
        for group in results.groups
        if group.known(landscape)
    }
    means[RANDOM_CELL] = landscape.mean
    wanted = sorted(means, key=lambda name: -means[name])
    assert [row.selector for row in first.ranking] == wanted
    for row in first.ranking:
        assert row.accuracy.startswith(f"{means[row.selector]:.2f}")


def test_the_verdict_names_the_best_with_its_number_and_the_yardsticks(folder):
    results = load(folder)
    first = first_screen(results)
    best = next(row for row in first.ranking if row.verdict == "best")
    mean = best.accuracy.split()[0]
    assert (
        f"{best.selector} selects the best cells: {mean} % on average" in first.verdict
    )
    assert f"a random cell has {results.landscapes[0].mean:.2f} %" in first.verdict
    for row in first.ranking:
        if row.verdict == "not shown to be worse":
            assert row.selector in first.verdict.partition("Not shown to be worse:")[2]


def test_one_seed_shows_no_difference(build, tmp_path):
    results = load(build(tmp_path / "one"))
    groups = []
    for group in results.groups:
        seeds = {record.inputs.supernet_seed for record in group.records}
        first = min(seeds)
        kept = [one for one in group.records if one.inputs.supernet_seed == first]
        groups.append(replace(group, records=tuple(kept)))
    first = first_screen(replace(results, groups=tuple(groups)))
    assert "A comparison needs at least 3 supernets." in first.verdict
    assert {row.verdict for row in first.ranking} == {""}


def test_where_random_cells_are_better_it_says_so(folder):
    results = with_landscape(load(folder), mean=99.9)
    first = first_screen(results)
    assert "no selector is better than a random cell" in first.verdict
    assert first.ranking[0].selector == RANDOM_CELL


def test_a_part_of_a_space_without_a_mean_claims_no_more_than_it_knows(folder):
    results = with_landscape(
        load(folder),
        mean=None,
        space_size=15625,
        optimum_corrected=None,
    )
    first = first_screen(results)
    assert "random cell" not in first.verdict
    assert "the best known one" in first.verdict
    assert "corrected for noise" not in first.verdict


def test_without_an_accuracy_there_is_no_first_screen(folder):
    assert first_screen(replace(load(folder), landscapes=())) is None


def test_many_selectors_are_cut_and_counted(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_RANKED", 2)
    first = first_screen(load(folder))
    assert len(first.ranking) == 2
    assert first.left_out == len(load(folder).groups) - 1
    text = write_report(folder).html.read_text(encoding="utf-8")
    assert f"{first.left_out} more selectors are in the" in text


@pytest.mark.parametrize("part", ["verdict", "figure"])
def test_the_page_begins_with_it(written, part):
    text = (written / "report.html").read_text(encoding="utf-8")
    body = text.partition("<body>")[2]
    first = body.index('id="first"')
    assert first < body.index("What was asked")
    assert first < body.index('id="answers"')
    shown = first_screen(load(written))
    if part == "verdict":
        assert shown.verdict.partition(":")[0] in body[first:]
    else:
        assert shown.figure.title in body[first:]
