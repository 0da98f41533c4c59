"""Overall ranks: which methods and landscapes stand together, each run once, with the ranks of a slow reference."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from archselect.reports.results.blocks import MethodBlock
from archselect.reports.site.overall import (
    StudyBlock,
    find_shared,
    overall_rankings,
)


def made_up(title, methods, *, landscape=None, settings="same", runs=None):
    """A landscape on which the methods have accuracies that their names and its title decide."""
    landscape = landscape or title
    accuracies = {}
    for method in methods:
        seed = sum(map(ord, f"{method}{landscape}"))
        accuracies[method] = 50 + 40 * np.random.default_rng(seed).random()
    ids = {name: frozenset({f"{runs or title} {name}"}) for name in methods}
    block = MethodBlock(title, accuracies, 50.0, landscape)
    return StudyBlock(block, ids, dict.fromkeys(methods, settings))


SETS = st.lists(st.sets(st.sampled_from("abcdef"), min_size=1), min_size=1, max_size=7)


@given(SETS)
def test_rankings_are_of_methods_that_two_landscapes_share(sets):
    blocks = [made_up(f"block {n}", sorted(names)) for n, names in enumerate(sets)]
    largest = 0
    for one, other in combinations(sets, 2):
        shared = one & other
        landscapes = sum(shared <= names for names in sets)
        if len(shared) >= 3 and landscapes >= 3:
            largest = max(largest, len(shared) * landscapes)
    found = find_shared(blocks)
    assert bool(found) == bool(largest)
    for one in found:
        having = [names for names in sets if one.methods <= names]
        assert len(one.blocks) == len(having) >= 3
        assert set.intersection(*having) == one.methods and len(one.methods) >= 3
    sizes = [one.size for one in found]
    assert sizes == sorted(sizes, reverse=True)
    if found:
        assert sizes[0] == largest


def test_ranks_are_means_over_the_landscapes():
    wide = [made_up(f"wide {n}", "abcd") for n in range(3)]
    narrow = [made_up(f"narrow {n}", "abc") for n in range(2)]
    ranking, smaller = overall_rankings([*wide, *narrow])
    assert ranking.table.title == "3 methods on 5 landscapes"
    assert smaller.table.title == "4 methods on 3 landscapes"
    values = [[block.block.accuracies[m] for m in "abc"] for block in (*wide, *narrow)]
    means = rankdata(-np.array(values), axis=1).mean(axis=0)
    found = dict(zip(ranking.table.frame.method, ranking.table.frame["rank"], strict=True))  # fmt: skip
    assert found == pytest.approx(dict(zip("abc", means, strict=True)))
    names = [figure.name for one in (ranking, smaller) for figure in one.figures]
    assert len(set(names)) == 2


def test_a_run_counts_once():
    blocks = [made_up(f"block {n}", "abc") for n in range(3)]
    again = made_up("again", "abcd", landscape="block 1", runs="block 1")
    (ranking,) = overall_rankings([*blocks, again])
    assert set(ranking.table.frame.landscapes) == {3}
    assert any("again" in note for note in ranking.table.notes)
    elsewhere = made_up("again", "abcd", landscape="another truth", runs="block 1")
    (ranking,) = overall_rankings([*blocks, elsewhere])
    assert set(ranking.table.frame.landscapes) == {4}


def test_other_settings_under_one_name_are_said():
    blocks = [made_up(f"block {n}", "abc") for n in range(2)]
    other = made_up("other", "abc", settings="others")
    (ranking,) = overall_rankings([*blocks, other])
    assert any("a, b and c" in note and "not the same" in note for note in ranking.table.notes)  # fmt: skip
    (ranking,) = overall_rankings([*blocks, made_up("other", "abc")])
    assert not any("not the same" in note for note in ranking.table.notes)


def test_too_few_landscapes_or_methods_have_no_ranking():
    assert overall_rankings([]) == []
    assert overall_rankings([made_up(f"block {n}", "abcd") for n in range(2)]) == []
    assert overall_rankings([made_up(f"block {n}", "ab") for n in range(5)]) == []
