"""Paired comparisons against scipy, against slow references, and by simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archselect.reports.statistics import paired
from archselect.reports.statistics.intervals import LEVEL, TOO_FEW
from archselect.reports.statistics.paired import (
    ALL_EQUAL,
    MOST_SEEDS,
    POWER,
    Stratum,
    adjust_by_holm,
    compare,
    interquartile_mean,
    judge,
    sign_flip_test,
    signed_rank_test,
)

VALUE = st.floats(-100, 100).map(lambda value: round(value, 3))
FEW = st.lists(st.tuples(VALUE, VALUE), min_size=2, max_size=9)


def stratum(pairs):
    ours, theirs = zip(*pairs, strict=True)
    return Stratum(tuple(ours), tuple(theirs))


def drawn(rng, sizes, shift=0.0, spreads=None, draw=None):
    """One stratum per size; the difference of a pair is `shift` and noise, apart from what both have in common."""
    spreads = spreads or [1.0] * len(sizes)
    draw = draw or (lambda n: rng.normal(0, 1, n))
    found = []
    for size, spread in zip(sizes, spreads, strict=True):
        common = rng.normal(0, 5, size)
        found.append(
            Stratum(tuple(common + shift + spread * draw(size)), tuple(common))
        )
    return found


@given(FEW)
def test_one_stratum_is_the_paired_t_test(pairs):
    own = stratum(pairs)
    found, differences = compare([own]), own.differences
    assert found.mean == pytest.approx(differences.mean(), abs=1e-9)
    if len(differences) < 3 or len(set(differences)) == 1:
        assert found.low is found.high is found.p_t is None and found.reason
        return
    theirs = stats.ttest_1samp(differences, 0.0)
    low, high = theirs.confidence_interval(LEVEL)
    assert found.p_t == pytest.approx(theirs.pvalue, abs=1e-9)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-7, abs=1e-7)


def test_two_strata_are_welchs_test():
    """The mean of two strata is half the difference of two samples, one of them with its sign turned."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(1, 1, 4), rng.normal(0.5, 3, 7)
    found = compare([Stratum(tuple(a), (0.0,) * 4), Stratum(tuple(b), (0.0,) * 7)])
    theirs = stats.ttest_ind(a, -b, equal_var=False)
    low, high = theirs.confidence_interval(LEVEL)
    assert found.p_t == pytest.approx(theirs.pvalue)
    assert (found.mean, found.low, found.high) == pytest.approx(
        ((a.mean() + b.mean()) / 2, low / 2, high / 2)
    )
    assert (found.pairs, found.strata) == (11, 2)


@given(st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=9))
def test_wilcoxon_is_the_slow_one(values):
    """Over all signs of the ranks; scipy has no exact test with ties."""
    left = [value for value in values if value]
    found = signed_rank_test(np.array(values))
    if not left:
        assert found is None
        return
    ranks = stats.rankdata(np.abs(left))
    middle = ranks.sum() / 2
    seen = abs(ranks[np.array(left) > 0].sum() - middle)
    sums = [
        abs(ranks[np.array(signs)].sum() - middle)
        for signs in product([False, True], repeat=len(left))
    ]
    assert found == pytest.approx(np.mean([one >= seen - 1e-9 for one in sums]))


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=24, unique=True), st.randoms()
)
def test_wilcoxon_is_scipys_where_there_are_no_ties(sizes, random):
    values = np.array([float(size * random.choice([-1, 1])) for size in sizes])
    assert signed_rank_test(values) == pytest.approx(
        stats.wilcoxon(values, method="exact").pvalue
    )


@given(st.lists(FEW.filter(lambda pairs: len(pairs) <= 5), min_size=1, max_size=2))
def test_the_permutation_test_is_the_slow_one(strata):
    differences = [stratum(pairs).differences for pairs in strata]
    seen = abs(np.mean([own.mean() for own in differences]))
    count = sum(map(len, differences))
    hits = []
    for signs in product([-1, 1], repeat=count):
        left, means = list(signs), []
        for own in differences:
            means.append(np.mean([left.pop() * value for value in own]))
        hits.append(abs(np.mean(means)) >= seen - 1e-9)
    assert sign_flip_test(differences) == pytest.approx(np.mean(hits))


def test_the_permutation_test_is_scipys():
    rng = np.random.default_rng(1)
    for count in (6, 40):
        values = rng.normal(0.4, 1, count)
        theirs = stats.permutation_test(
            (values,),
            np.mean,
            permutation_type="samples",
            n_resamples=20_000,
            random_state=rng,
        ).pvalue
        # Above 16 pairs both are samples.
        assert sign_flip_test([values]) == pytest.approx(
            theirs, abs=1e-12 if count == 6 else 0.01
        )


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=7))
def test_holms_values(values):
    """By the definition; and what is undefined takes no part."""
    known = sorted(value for value in values if value is not None)
    found = adjust_by_holm(values)
    assert [value is None for value in found] == [value is None for value in values]
    for value, own in zip(values, found, strict=True):
        if value is not None:
            place = max(i for i, other in enumerate(known) if other == value)
            steps = [min(1.0, known[i] * (len(known) - i)) for i in range(place + 1)]
            assert min(own, 1.0) == pytest.approx(max(steps))


@given(st.lists(VALUE, min_size=1, max_size=30))
def test_the_interquartile_mean_is_scipys(values):
    assert interquartile_mean(values) == pytest.approx(
        stats.trim_mean(values, 0.25), abs=1e-9
    )


@given(FEW, FEW)
def test_improvement_is_the_u_statistic(first, second):
    strata = [stratum(first), stratum(second)]
    shares = [
        stats.mannwhitneyu(own.ours, own.theirs).statistic
        / (len(own.ours) * len(own.theirs))
        for own in strata
    ]
    assert compare(strata).improvement == pytest.approx(np.mean(shares))


@given(FEW)
def test_the_other_way_round_is_the_same_with_its_sign_turned(pairs):
    ours, turned = (
        compare([stratum(pairs)]),
        compare([stratum([(b, a) for a, b in pairs])]),
    )
    assert turned.mean == pytest.approx(-ours.mean, abs=1e-12)
    assert turned.improvement == pytest.approx(1 - ours.improvement)
    for kind in ("p_permutation", "p_wilcoxon"):
        assert getattr(turned, kind) == pytest.approx(getattr(ours, kind))
    assert turned.reason == ours.reason
    if not ours.reason:
        assert turned.p_t == pytest.approx(ours.p_t)
        assert (turned.low, turned.high) == pytest.approx(
            (-ours.high, -ours.low), abs=1e-9
        )


def test_of_many_pairs_the_tests_are_what_they_come_to(monkeypatch):
    rng = np.random.default_rng(3)
    differences = np.round(rng.normal(0.1, 1, paired.MANY + 1), 2)
    few = differences[: paired.MANY_RANKS + 1]
    pair_of = [Stratum(tuple(differences), (0.0,) * len(differences))]
    normal, normal_ranks = compare(pair_of), signed_rank_test(few)
    monkeypatch.setattr(paired, "MANY", len(differences))
    sampled = compare(pair_of)
    monkeypatch.setattr(paired, "MANY_RANKS", len(few))
    assert normal_ranks == pytest.approx(signed_rank_test(few), rel=0.01)
    assert normal.p_permutation == pytest.approx(sampled.p_permutation, abs=0.01)


def test_what_is_undefined_has_a_reason():
    assert (
        compare([]).reason == compare([Stratum((), ())]).reason == "no seed in common"
    )
    one = compare([Stratum((2.0,), (1.0,))])
    assert (one.mean, one.low, one.p, one.improvement, one.reason) == (
        1.0,
        None,
        None,
        1.0,
        TOO_FEW,
    )
    assert one.seeds_for(0.5) is None
    both = compare([Stratum((2.0,), (1.0,)), Stratum((2.0, 3.0), (1.0, 1.0))])
    assert both.reason == "one seed in one of the strata" and both.mean == 1.25
    assert compare([Stratum((2.0, 3.0), (1.0, 1.0))]).reason == TOO_FEW
    same = compare([Stratum((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))])
    assert (same.mean, same.low, same.p_t, same.p, same.reason) == (
        0.0,
        None,
        None,
        1.0,
        ALL_EQUAL,
    )
    assert same.p_wilcoxon is None and same.detectable is None
    with pytest.raises(ValueError, match="finite"):
        compare([Stratum((np.inf, 1.0, 2.0), (1.0, 2.0, 3.0))])


@pytest.mark.parametrize(
    ("pairs", "p", "said"),
    [(3, 0.25, "no evidence"), (6, 2**-5, "better"), (9, 2**-8, "better")],
)
def test_equal_differences_are_judged_by_the_exact_test(pairs, p, said):
    """A spread of zero in a few seeds is no certainty: the sign-flip test alone decides."""
    found = compare([Stratum((1.136,) * pairs, (1.0,) * pairs)])
    (finding,) = judge([found], "higher")
    assert (found.low, found.high, found.p_t, found.reason) == (
        None,
        None,
        None,
        ALL_EQUAL,
    )
    assert (finding.p, finding.verdict) == (p, said) and finding.difference.low is None


def test_two_pairs_give_no_verdict():
    for ours in ((1.136, 1.136), (1.2, 1.2001)):
        found = compare([Stratum(ours, (1.0, 1.0))])
        (finding,) = judge([found], "higher")
        assert (finding.p, finding.verdict) == (
            None,
            f"undefined: {TOO_FEW}",
        ) and found.detectable is None
        assert found.p_permutation == 0.5


@given(
    st.lists(st.lists(VALUE, min_size=3, max_size=5), min_size=1, max_size=5),
    st.sampled_from(["higher", "lower"]),
)
def test_the_interval_excludes_zero_exactly_where_the_verdict_says_so(families, better):
    differences = [
        compare([Stratum(tuple(values), (0.0,) * len(values))]) for values in families
    ]
    for difference, finding in zip(
        differences, judge(differences, better), strict=True
    ):
        shown = finding.difference
        if shown.low is None:
            continue
        significant = finding.verdict in ("better", "worse")
        assert significant == (shown.low > 0 or shown.high < 0)
        # Adjusting never narrows an interval.
        assert (
            shown.low <= difference.low + 1e-9 and shown.high >= difference.high - 1e-9
        )


def test_rounding_is_no_difference():
    """A mean of trials added up in another order."""
    assert compare([Stratum((0.1 + 0.2, 1.0, 2.0), (0.3, 1.0, 2.0))]).p == 1.0


@pytest.mark.parametrize("sizes", [(4,), (8,), (3, 5)], ids=str)
def test_the_power_note_is_what_a_simulation_finds(sizes):
    rng = np.random.default_rng(5)
    spread = 2.0
    # A sample whose standard deviation is exactly the one of the simulation.
    noise = [rng.normal(0, 1, size) for size in sizes]
    exact = [spread * (own - own.mean()) / own.std(ddof=1) for own in noise]
    found = compare([Stratum(tuple(own), (0.0,) * len(own)) for own in exact])
    hits = [
        compare(
            drawn(rng, sizes, shift=found.detectable, spreads=[spread] * len(sizes))
        ).p_t
        < 1 - LEVEL
        for _ in range(600)
    ]
    # Welch's test estimates its degrees of freedom anew each time, and finds a little
    # less than is reckoned.
    assert np.mean(hits) == pytest.approx(POWER, abs=0.05 if len(sizes) == 1 else 0.07)
    if len(sizes) == 1:
        needed = found.seeds_for(found.detectable)
        assert abs(needed - sizes[0]) <= 1
        assert found.seeds_for(found.detectable / 3) > 4 * sizes[0]
    assert found.seeds_for(spread / MOST_SEEDS) is None


COVERAGE = [
    ("4 seeds", (4,), [1.0], None),
    ("8 seeds", (8,), [1.0], None),
    ("strata of unlike spread", (4, 4, 4), [0.3, 1.0, 3.0], None),
    ("skewed", (8,), [1.0], lambda rng: lambda n: rng.exponential(1, n) - 1),
]


@pytest.mark.parametrize(
    ("name", "sizes", "spreads", "draw"), COVERAGE, ids=[name for name, *_ in COVERAGE]
)
def test_coverage_of_the_intervals(name, sizes, spreads, draw):
    """Student's interval has its 95 % with normal noise."""
    rng = np.random.default_rng(11)
    found = [
        compare(drawn(rng, sizes, 0.7, spreads, draw and draw(rng)))
        for _ in range(1_500)
    ]
    student = np.mean([own.low <= 0.7 <= own.high for own in found])
    if name == "skewed":
        assert 0.86 < student < 0.95
    else:
        # Three standard errors of 1,500 draws are 0.017; unlike spreads make Welch's
        # interval a little wide.
        assert 0.933 < student < (0.98 if len(sizes) > 1 else 0.967)


@pytest.mark.parametrize("sizes", [(4,), (8,), (4, 4)], ids=str)
def test_the_tests_reject_what_is_true_no_more_often_than_they_say(sizes):
    rng = np.random.default_rng(12)
    found = [compare(drawn(rng, sizes)) for _ in range(1_500)]
    assert np.mean([own.p_t < 0.05 for own in found]) < 0.067
    for kind in ("p_permutation", "p_wilcoxon"):
        values = np.array([getattr(own, kind) for own in found])
        for level in (0.05, 0.25, 0.5):
            assert np.mean(values <= level) < level + 0.04
        # With four pairs no exact test can give less than one eighth.
        assert (values.min() >= 0.125 - 1e-12) == (sizes == (4,))


def test_holm_keeps_the_error_of_a_family():
    rng = np.random.default_rng(13)
    wrong = 0
    for _ in range(600):
        values = [compare(drawn(rng, (5,))).p_t for _ in range(4)]
        wrong += min(adjust_by_holm(values)) < 0.05
    assert wrong / 600 < 0.05 + 3 * (0.05 * 0.95 / 600) ** 0.5


def test_intervals_that_hold_together_do(rng_seed=11):
    """Five intervals of no difference: all five cover zero in 95 % of the cases, or a little more."""
    rng = np.random.default_rng(rng_seed)
    held = 0
    for _ in range(400):
        found = [
            compare([Stratum(tuple(rng.normal(0, 1, 4)), (0.0,) * 4)]).among(5)
            for _ in range(5)
        ]
        held += all(own.low <= 0 <= own.high for own in found)
    assert 0.92 < held / 400 <= 1.0
    one = compare([Stratum((1.0, 2.0, 4.0), (0.0, 0.0, 0.0))])
    assert (
        one.among(1) == one
        and one.among(3).low < one.low
        and one.among(3).detectable > one.detectable
    )
    same = compare([Stratum((1.0, 2.0, 4.0), (1.0, 2.0, 4.0))])
    assert same.among(9) == same and not same.moved and one.moved
