"""The table of a folder of scores, computed again by other means."""

from itertools import combinations
from math import inf

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr
from support.score_folder import DIRECTIONS, make_scores

from archselect.benchmarks.store.facts import read_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Scored,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.page.scores import write_scores
from archselect.reports.results.scores import load_scores
from archselect.reports.statistics.populations import LEAST
from archselect.reports.tables.proxies import correlation_table


def frame_of(root):
    return correlation_table(load_scores(root, DIRECTIONS)).frame.set_index("proxy")


def both(root):
    """The table, and the rows of what was scored, as written."""
    table = write_scores(root, DIRECTIONS)
    return table.frame.set_index("proxy"), pd.read_csv(root / "scores.csv")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder, its table) as `make_scores` makes it, written: its intervals take a while; not to be touched."""
    root = tmp_path_factory.mktemp("made")
    return root, write_scores(make_scores(root), DIRECTIONS)


@pytest.fixture
def table(made):
    return made[1].frame.set_index("proxy")


@pytest.fixture
def rows(made):
    return pd.read_csv(made[0] / "scores.csv")


def test_the_correlations_are_scipys(table, rows):
    for name, sign in (("up", 1), ("down", -1)):
        for kind, measure in (("tau_b", kendalltau), ("spearman", spearmanr)):
            of_seeds = [
                measure(sign * own[name], own.accuracy).statistic
                for _, own in rows.groupby("seed")
            ]
            assert table.loc[name, kind] == pytest.approx(np.mean(of_seeds))
            assert (
                table.loc[name, f"{kind}_low"]
                < table.loc[name, kind]
                < table.loc[name, f"{kind}_high"]
            )
        one, two = (own[name].to_numpy() for _, own in rows.groupby("seed"))
        assert table.loc[name, "spearman_between_seeds"] == pytest.approx(
            spearmanr(one, two).statistic
        )
    assert table.loc["up", "n"] == 60 and table.loc["up", "seconds"] == 0.5


def test_agreement_with_published_scores_is_unsigned_and_of_those_there_are(
    made, table, rows
):
    published = np.array(
        load_scores(made[0], DIRECTIONS).population.published["up"], dtype=float
    )
    known = ~np.isnan(published)
    wanted = [
        spearmanr(own.up[known], published[known]).statistic
        for _, own in rows.groupby("seed")
    ]
    assert table.loc["up", "n_published"] == known.sum() == 59
    assert table.loc["up", "spearman_published"] == pytest.approx(np.mean(wanted))
    assert pd.isna(table.loc["down", "spearman_published"])
    accuracies = load_scores(made[0], DIRECTIONS).accuracies[known]
    assert table.loc["up", "published_spearman"] == pytest.approx(
        spearmanr(published[known], accuracies).statistic
    )
    assert table.loc["up", "published_tau_b"] == pytest.approx(
        kendalltau(published[known], accuracies).statistic
    )
    assert pd.isna(table.loc["down", "published_spearman"])


def test_constant_scores_have_no_correlation(made):
    row = made[1].shown.set_index("Proxy").loc["flat ↑"]
    assert row["τ-b ↑"] == row["ρ between seeds"] == "–"


def test_what_is_undefined_in_one_seed_is_left_out_and_counted(tmp_path):
    table, rows = both(make_scores(tmp_path, holes=(5, 7)))
    assert table.loc["up", ["n", "undefined", "reasons"]].tolist() == [58, 2, "NaN (2)"]
    rows = rows[~rows.architecture.isin(["cell 5", "cell 7"])]
    wanted = np.mean(
        [kendalltau(own.up, own.accuracy).statistic for _, own in rows.groupby("seed")]
    )
    assert table.loc["up", "tau_b"] == pytest.approx(wanted)
    assert table.loc["down", "n"] == 60


def test_a_value_that_is_not_finite_is_left_out_and_counted(tmp_path):
    """Such as earlier versions kept: a proxy whose direction is "lower" would otherwise have found its best ones."""
    table, rows = both(make_scores(tmp_path, infinite=(2, 5, 7)))
    assert table.loc["down", ["n", "undefined", "reasons"]].tolist() == [
        57,
        3,
        "not finite (3)",
    ]
    rows = rows[~rows.architecture.isin(["cell 2", "cell 5", "cell 7"])]
    wanted = np.mean(
        [
            kendalltau(-own.down, own.accuracy).statistic
            for _, own in rows.groupby("seed")
        ]
    )
    assert table.loc["down", "tau_b"] == pytest.approx(wanted)
    shown = correlation_table(load_scores(tmp_path, DIRECTIONS)).shown.set_index(
        "Proxy"
    )
    assert shown.loc["down ↓", "Undefined"] == "3: not finite (3)"


@pytest.mark.parametrize("value", [None, inf, -inf])
def test_a_published_value_that_is_no_score_is_left_out_and_counted(tmp_path, value):
    root = make_scores(tmp_path)
    population = load_scores(root, DIRECTIONS).population
    values = [
        value if i in (3, 4) else own
        for i, own in enumerate(population.published["up"])
    ]
    write_fact(
        Folder(root).population_path,
        population.model_copy(update={"published": {"up": values}}),
    )
    table = correlation_table(load_scores(root, DIRECTIONS))
    assert table.frame.set_index("proxy").loc["up", "n_published"] == 58
    assert (
        "Architectures without a published score, left out of the comparison with it: up 2."
        in table.notes
    )


def test_the_best_tenth_is_by_the_truth(tmp_path):
    table, rows = both(make_scores(tmp_path, size=200))
    cut = np.sort(rows[rows.seed == 0].accuracy)[-20]
    best = rows[rows.accuracy >= cut]
    wanted = np.mean(
        [kendalltau(own.up, own.accuracy).statistic for _, own in best.groupby("seed")]
    )
    assert table.loc["up", "tau_b_best_tenth"] == pytest.approx(wanted)


def test_the_noise_ceiling_is_between_trials(made, tmp_path):
    root, table = made
    trials = np.array(load_scores(root, DIRECTIONS).population.trials).T
    wanted = np.mean([kendalltau(a, b).statistic for a, b in combinations(trials, 2)])
    assert f"is {wanted:.3f} on this population" in table.notes[1]
    assert (
        "only one trial"
        in correlation_table(
            load_scores(make_scores(tmp_path, trials=1), DIRECTIONS)
        ).notes[1]
    )


def test_columns_that_would_be_empty_are_not_shown(tmp_path):
    plain = write_scores(
        make_scores(tmp_path, trials=0, published=False, seeds=(0,)), DIRECTIONS
    )
    assert list(plain.shown.columns) == ["Proxy", "n", "Seconds", "Undefined"]
    assert "accuracy" not in pd.read_csv(tmp_path / "scores.csv")


def test_a_seed_that_is_not_finished_is_left_out_and_said(tmp_path):
    root = make_scores(tmp_path)
    Folder(root).scored(1, 16).unlink()
    table = correlation_table(load_scores(root, DIRECTIONS))
    assert set(table.frame.seeds) == {1}
    assert (
        table.notes[-1] == "Seeds not finished: 1; rerun to resume: archselect score x"
    )
    Folder(root).scored(0, 0).unlink()
    with pytest.raises(
        UserError, match="no seed is finished; rerun 'archselect score x' to resume"
    ):
        load_scores(root, DIRECTIONS)


def test_few_architectures_have_no_correlation(tmp_path):
    table = frame_of(make_scores(tmp_path, size=LEAST - 1))
    assert pd.isna(table.loc["up", "tau_b"])


def test_another_folder(tmp_path):
    with pytest.raises(UserError, match="has no scoring"):
        load_scores(tmp_path, DIRECTIONS)


def test_the_files(made):
    root, table = made
    assert {path.name for path in (root / "report").iterdir()} == {
        "correlation.md",
        "correlation.csv",
        "correlation.tex",
        "correlation.typ",
    }
    written = pd.read_csv(root / "report" / "correlation.csv")
    assert written.tau_b.tolist()[:2] == pytest.approx(table.frame.tau_b.tolist()[:2])


@pytest.mark.parametrize("value", [float("nan"), inf, -1.0, 100.5])
def test_trials_and_seconds_that_nothing_measured_are_refused(tmp_path, value):
    root = make_scores(tmp_path)
    folder = Folder(root)
    population = load_scores(root, DIRECTIONS).population
    write_fact(
        folder.population_path,
        population.model_copy(update={"trials": [[value], *population.trials[1:]]}),
    )
    with pytest.raises(
        UserError, match=r"population\.json: trials is .*, which is not"
    ):
        load_scores(root, DIRECTIONS)
    write_fact(folder.population_path, population)
    if 0 <= value < inf:
        return
    path = sorted((root / "scores").iterdir())[0]
    part = read_fact(path, Scored)
    slow = {
        name: score.model_copy(update={"seconds": value})
        for name, score in part.scores[0].items()
    }
    write_fact(path, part.model_copy(update={"scores": [slow, *part.scores[1:]]}))
    with pytest.raises(UserError, match=f"{path.name}: seconds is .*, which is not"):
        load_scores(root, DIRECTIONS)
