import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import rankdata

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture, Cell, SearchSpace
from archselect.nasbench_adapters.spaces import SPACES, get_space, registry
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.choices import flatten
from archselect.nasbench_adapters.truth.landscape import (
    landscape,
    rank,
)
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder
from archselect.nasbench_adapters.yardstick import Yardstick

KEY = ("d", "s", 1)


def tau_b(a, b):
    """Kendall's tau-b by its definition, pair by pair."""
    pairs = [
        (np.sign(a[i] - a[j]), np.sign(b[i] - b[j]))
        for i, j in combinations(range(len(a)), 2)
    ]
    product = sum(x * y for x, y in pairs)
    return product / math.sqrt(
        sum(x != 0 for x, _ in pairs) * sum(y != 0 for _, y in pairs)
    )


@pytest.fixture
def trials(space):
    rng = np.random.default_rng(3)
    cells = [space.sample(rng) for _ in range(60)]
    worth = rng.integers(20, 80, 60)
    return {
        cell: [float(worth[i] + rng.integers(0, 15)) for _ in range(2 + i % 4)]
        for i, cell in enumerate(dict.fromkeys(cells))
    }


def table_of(space, trials):
    builder = TableBuilder(space)
    for cell, accuracies in trials.items():
        for seed, accuracy in enumerate(accuracies):
            builder.add(cell, *KEY, str(seed), accuracy)
    return builder.table("t", origin="a test", licence="MIT")


def test_against_the_definitions(space, trials):
    table = table_of(space, trials)
    found = landscape(table, *KEY)
    means = {cell: sum(values) / len(values) for cell, values in trials.items()}
    assert (found.architectures, found.trials) == (len(trials), 5)
    assert (found.mean, found.std, found.mean_rank) == (
        None,
        None,
        None,
    )  # a part of the space
    assert found.operations == [[list(names) for names in space.cells[0].operations]]
    assert len(found.quantiles) == 201
    assert found.quantiles[::100] == pytest.approx(
        np.percentile(list(means.values()), [0, 50, 100])
    )
    assert found.optimum == pytest.approx(max(means.values()))
    assert means[space.parse(found.optimum_architecture)] == pytest.approx(
        found.optimum
    )
    for edge in range(6):
        for choice in range(5):
            having = [cell for cell in trials if cell.choices[0][edge] == choice]
            best = max(max(trials[cell]) for cell in having)
            assert found.oracle_best[0][edge][choice] == best
            assert found.oracle_mean[0][edge][choice] == pytest.approx(
                np.mean([means[c] for c in having])
            )
    assert found.noise_std == pytest.approx(
        np.mean([np.std(v, ddof=1) for v in trials.values()])
    )
    taus = []
    for a, b in combinations(range(5), 2):
        both = [values for values in trials.values() if len(values) > b]
        taus.append(tau_b([v[a] for v in both], [v[b] for v in both]))
    assert found.ceiling_single == pytest.approx(np.mean(taus))
    four = [values for values in trials.values() if len(values) >= 4]
    halves = tau_b([(v[0] + v[2]) / 2 for v in four], [(v[1] + v[3]) / 2 for v in four])
    assert found.ceiling_half == pytest.approx(halves)


def test_rank_against_counting(space, trials):
    table = table_of(space, trials)
    means = {cell: sum(values) / len(values) for cell, values in trials.items()}
    for cell in trials:
        assert rank(table, cell, *KEY) == (
            1 + sum(m > means[cell] for m in means.values()),
            len(means),
        )
    with pytest.raises(UserError, match="no trial"):
        rank(table, next(a for a in space.enumerate() if a not in trials), *KEY)


def test_a_yardstick_is_looked_up(space, trials, monkeypatch):
    """It is there only if the table has a trial of it."""
    present = next(iter(trials))
    absent = next(cell for cell in space.enumerate() if cell not in trials)
    rules = {"one": space.format(present), "other": space.format(absent)}
    monkeypatch.setattr(type(space), "yardsticks", rules)
    table = table_of(space, trials)
    (yardstick,) = landscape(table, *KEY).yardsticks
    place = rank(table, present, *KEY).place
    mean = table.mean(present, *KEY)
    assert yardstick == Yardstick("one", rules["one"], mean, place)


def test_every_space_names_yardsticks_that_are_its_own():
    for space in map(get_space, SPACES):
        for rule, text in space.yardsticks.items():
            assert rule and space.format(space.parse(text)) == text


def test_classes_count_with_all_their_members(space):
    """A table of representatives has the landscape of the whole space, its noise that of what is stored."""
    stored = space.representatives
    rng = np.random.default_rng(0)
    values = np.round(rng.uniform(10, 90, (len(stored), 2)), 1)
    table = TruthTable.build(
        name="t",
        space="nb201",
        choices=np.array([flatten(a) for a in stored]),
        columns={KEY: (("0", "1"), values)},
        origin="a test",
        licence="MIT",
        canonical_only=True,
    )
    row = {a: i for i, a in enumerate(stored)}
    rows = [row[canonical] for canonical in space.classes.values()]
    found = landscape(table, *KEY)
    assert found.architectures == 15_625
    means = np.round(values[rows].mean(axis=1), 9)
    assert (found.mean, found.std) == pytest.approx((means.mean(), means.std()))
    assert found.mean_rank == pytest.approx(rankdata(-means, method="min").mean())
    assert found.oracle_best[0][0][0] == values[rows[: 5**5]].max()
    assert found.noise_std == pytest.approx(np.std(values, axis=1, ddof=1).mean())
    cell = next(a for a, canonical in space.classes.items() if a != canonical)
    mean = values[row[space.canonical(cell)]].mean()
    assert rank(table, cell, *KEY) == (
        1 + int((values[rows].mean(axis=1) > mean + 1e-9).sum()),
        15_625,
    )


def test_one_trial_has_no_noise(space):
    cells = [Architecture(((choice,) * 6,)) for choice in range(3)]
    found = landscape(
        table_of(space, {cell: [float(i)] for i, cell in enumerate(cells)}), *KEY
    )
    assert (found.noise_std, found.ceiling_single, found.ceiling_half) == (
        None,
        None,
        None,
    )
    assert math.isnan(found.oracle_best[0][0][4]) and found.oracle_best[0][0][2] == 2.0


def test_constant_accuracies_have_no_ceiling(space):
    cells = [Architecture(((choice,) * 6,)) for choice in range(3)]
    found = landscape(table_of(space, {cell: [10.0, 10.0] for cell in cells}), *KEY)
    assert (found.noise_std, found.ceiling_single, found.ceiling_half) == (
        0.0,
        None,
        None,
    )


def test_the_published_distribution(real_table):
    found = landscape(real_table, "cifar10", "ori-test", 200)
    assert found.architectures == 15_625 and found.trials == 3
    assert (found.mean, found.std) == pytest.approx((87.06, 12.93), abs=5e-3)
    assert found.quantiles[100] == pytest.approx(90.75, abs=6e-3)
    assert round(found.optimum, 2) == 94.37
    assert 0.85 < found.ceiling_single < 0.95
    others = [
        landscape(real_table, d, "x-test", 200) for d in ("cifar100", "ImageNet16-120")
    ]
    assert [round(x.optimum, 2) for x in others] == [73.51, 47.31]
    yardsticks = [x.yardsticks[0] for x in (found, *others)]
    assert [round(x.mean, 2) for x in yardsticks] == [94.36, 73.51, 46.34]
    assert [round(y, 2) for x in others for y in (x.mean, x.std)] == [
        61.41,
        12.17,
        33.59,
        9.51,
    ]


class Lopsided(SearchSpace):
    """One node keeps one of two inputs, which have two operations and one: its three cells are not equally likely."""

    name = "lopsided"
    summary = "of the tests"
    cells = (
        Cell(
            "cell",
            2,
            3,
            ((0, 2), (1, 2)),
            (("a", "b"), ("c",)),
            (2,),
            kept=(None, None, 1),
        ),
    )

    def parse(self, text):
        return Architecture(
            (tuple(None if part == "-" else int(part) for part in text.split(",")),)
        )

    def format(self, architecture):
        return ",".join(
            "-" if choice is None else str(choice) for choice in architecture.choices[0]
        )

    def canonical(self, architecture):
        return architecture

    def skeleton(self, **settings):
        raise NotImplementedError


@pytest.fixture
def lopsided(monkeypatch):
    monkeypatch.setitem(registry.built_in, "lopsided", Lopsided)
    return Lopsided()


def test_a_random_cell_is_drawn_as_the_random_selector_draws(lopsided):
    cells = list(lopsided.enumerate())
    rng = np.random.default_rng(0)
    drawn = Counter(lopsided.sample(rng) for _ in range(20_000))
    known = lopsided.draw_probabilities(np.array([flatten(cell) for cell in cells]))
    assert known == pytest.approx([drawn[cell] / 20_000 for cell in cells], abs=0.02)
    accuracies = dict(zip(map(lopsided.format, cells), (10.0, 20.0, 60.0), strict=True))
    assert accuracies == {"0,-": 10.0, "1,-": 20.0, "-,0": 60.0}
    table = table_of(
        lopsided, {cell: [accuracies[lopsided.format(cell)]] for cell in cells}
    )
    found = landscape(table, *KEY)
    assert found.mean == 10 / 4 + 20 / 4 + 60 / 2  # the mean over cells would be 30
    assert found.std == pytest.approx(
        math.sqrt(27.5**2 / 4 + 17.5**2 / 4 + 22.5**2 / 2)
    )
    assert found.mean_rank == 3 / 4 + 2 / 4 + 1 / 2


def test_equal_accuracies_share_the_better_rank(lopsided):
    table = table_of(lopsided, {cell: [50.0] for cell in lopsided.enumerate()})
    found = landscape(table, *KEY)
    assert (found.mean, found.std, found.mean_rank) == (50.0, 0.0, 1.0)


def test_a_space_with_a_sampler_of_its_own_does_not_tell(lopsided, monkeypatch):
    monkeypatch.setattr(
        Lopsided, "sample", lambda self, rng: next(self.enumerate()), raising=False
    )
    table = table_of(lopsided, {cell: [50.0] for cell in lopsided.enumerate()})
    assert landscape(table, *KEY).mean is None


def test_the_best_by_three_seeds_is_lucky():
    """The optimum of the table of digits is the mean of the luckiest of 6,466 classes."""
    found = landscape(open_truth("nb201-digits"), "digits", "test", 10)
    assert (round(found.optimum, 2), round(found.optimum_left_out, 2)) == (96.69, 95.31)
    assert found.optimum_left_out < found.optimum_corrected < found.optimum - 0.5
