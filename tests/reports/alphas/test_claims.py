"""Verdicts on the claims about alphas, of folders whose numbers are made to bear them out or not."""

from __future__ import annotations

import csv
from io import StringIO

import numpy as np
import pytest
from support.alpha_study import GRID, make_alpha_study

from archselect.reports.alphas.groups import alpha_groups
from archselect.reports.alphas.tables import alphas_table, claims_table
from archselect.reports.alphas.verdicts import detectable_spread, judge_claims
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load

NOISE = np.random.default_rng(3).normal(0, 1, 64)


def noise(seed, selector):
    return float(NOISE[seed + 16 * (selector == "darts-pt")])


def accuracy(settings, selector, seed):
    """Prox shrinks the spread of magnitude; informed changes next to nothing."""
    has_prox = settings["proximity"] == "prox"
    scale = 0.05 if has_prox and selector == "magnitude" else 2.0
    informed = settings["schedule"] == "informed"
    return 90 + scale * noise(seed, selector) + 0.01 * informed * noise(seed + 8, "")


def worse(settings, selector, seed):
    """The informed schedule loses three points, and prox adds to the spread."""
    has_prox = settings["proximity"] == "prox"
    informed = settings["schedule"] == "informed"
    scale = 4.0 if has_prox else 0.1
    loss = 3 * informed * (1 + 0.05 * noise(seed + 8, ""))
    return 80 + scale * noise(seed, selector) - loss


def parameters(settings, selector, seed):
    dense = settings["activation"] == "softmax"
    return 10_000 + 3_000 * dense + 200 * noise(seed + 8 * dense, selector)


def words_of(folder, selector="magnitude"):
    results = load(folder)
    verdicts = judge_claims(results, alpha_groups(results))
    return {
        verdict.claim.key: verdict.words
        for verdict in verdicts
        if verdict.selector.startswith(selector)
    }


def test_claims_hold_where_the_numbers_bear_them_out(tmp_path):
    words = words_of(make_alpha_study(tmp_path, accuracy, parameters, seeds=8))
    assert words["smaller_cells"] == "holds"
    assert words["smaller_spread"] == "holds"
    assert words["informed_not_worse"] == "holds"
    assert words["changes_accuracy"] == "holds"


def test_claims_do_not_hold_where_the_numbers_contradict_them(tmp_path):
    def larger(settings, selector, seed):
        return 30_000 - parameters(settings, selector, seed)

    words = words_of(make_alpha_study(tmp_path, worse, larger, seeds=8))
    assert words["smaller_cells"] == "does not hold"
    assert words["smaller_spread"] == "does not hold"
    assert words["informed_not_worse"] == "does not hold"


def test_two_seeds_show_nothing_and_say_why(tmp_path):
    results = load(make_alpha_study(tmp_path, accuracy, parameters, seeds=2))
    verdicts = judge_claims(results, alpha_groups(results))
    assert {verdict.words for verdict in verdicts} == {"not shown"}
    assert {verdict.could_show for verdict in verdicts} == {"fewer than three seeds"}


def test_a_seed_is_one_value_however_many_settings_it_has(tmp_path):
    results = load(make_alpha_study(tmp_path, accuracy, parameters))
    verdicts = judge_claims(results, alpha_groups(results))
    by_key = {verdict.claim.key: verdict for verdict in verdicts}
    assert {verdict.difference.pairs for verdict in verdicts} == {4}
    assert by_key["smaller_cells"].settings == 4
    assert by_key["smaller_spread"].settings == 4
    assert by_key["informed_not_worse"].settings == 2
    first = by_key["smaller_cells"]
    expected = [
        parameters({"activation": "crb"}, first.selector, seed)
        - parameters({"activation": "softmax"}, first.selector, seed)
        for seed in range(4)
    ]
    assert first.difference.mean == pytest.approx(np.mean(expected))


def test_without_counted_parameters_the_claim_says_what_it_needs(tmp_path):
    results = load(make_alpha_study(tmp_path, accuracy))
    verdicts = judge_claims(results, alpha_groups(results))
    cells = [one for one in verdicts if one.claim.key == "smaller_cells"]
    assert {one.words for one in cells} == {"not shown"}
    assert 'needs [[costs]] with of = "params"' in cells[0].could_show


def test_what_a_study_does_not_compare_is_said(tmp_path):
    grid = [{"activation": "softmax", "schedule": "every", "proximity": "none"}]
    table = alphas_table(load(make_alpha_study(tmp_path, accuracy, grid=grid)))
    assert len(table.frame) == 1
    assert (
        sum(
            note.startswith("This study does not test the claim")
            for note in table.notes
        )
        == 3
    )
    assert "No two groups" in table.answer


def test_the_table_shows_groups_with_their_accuracies(tmp_path):
    results = load(make_alpha_study(tmp_path, accuracy, parameters))
    table = alphas_table(results)
    assert len(table.frame) == len(GRID)
    row = table.frame.iloc[0]
    expected = np.mean([accuracy(GRID[0], "magnitude", seed) for seed in range(4)])
    assert row["accuracy magnitude"] == pytest.approx(expected)
    assert row["distance_first"] == pytest.approx(np.sqrt(6 * 4 / 5), abs=1e-5)
    assert row["distance"] == pytest.approx(np.sqrt(6 * 4 / 5) / 2, abs=1e-5)
    assert row["alpha_steps"] == 4
    assert len(claims_table(results).frame) == 2 + 2 + 2 + 3


def test_the_report_has_figure_claims_and_seeds(tmp_path):
    folder = make_alpha_study(tmp_path, accuracy, parameters)
    write_report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Claims on activation, penalty and schedule" in page
    svg = (folder / "report/figures/alphas-nb201-digits.svg").read_text("utf-8")
    assert "crb: live operations" in svg
    text = (folder / "report/alphas-seeds.csv").read_text(encoding="utf-8")
    assert len(list(csv.DictReader(StringIO(text)))) == 4 * len(GRID)
    assert (folder / "report/alphas-claims.csv").is_file()


def test_more_seeds_tell_smaller_differences_of_spread():
    shares = [detectable_spread(seeds, 1) for seeds in (3, 4, 10, 100)]
    assert shares == sorted(shares)
    rng = np.random.default_rng(0)
    # The share is found in four of five cases by the test that it is named after.
    ours = detectable_spread(4, 1) * rng.normal(size=(20_000, 4))
    theirs = rng.normal(size=(20_000, 4))
    ratio = theirs.var(axis=1, ddof=1) / ours.var(axis=1, ddof=1)
    assert np.mean(ratio > 15.44) == pytest.approx(0.8, abs=0.01)
