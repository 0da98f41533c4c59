"""Which architectures are scored."""

import numpy as np
import pandas as pd
import pytest

from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.scoring.populations import populate
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import open_truth

NB201, S2 = get_space("nb201"), get_space("s2")
CELLS = [
    "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|",
    "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|",
]
DIGITS = TruthPart(table="nb201-digits", dataset="digits", split="test", epochs=10)


@pytest.fixture
def write(tmp_path):
    def save(name="cells.csv", **columns):
        frame = pd.DataFrame(columns)
        path = tmp_path / name
        frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(
            path, index=False
        )
        return str(path)

    return save


def test_all_are_one_of_each_class():
    found = populate(NB201, "all")
    assert len(set(found.architectures)) == len(found.architectures) == 6_466
    assert "6,466" in found.source
    assert (found.truth, found.trials, found.published) == (None, [], {})


def test_a_sample_is_drawn_by_its_seed_and_has_no_class_twice():
    first, again, other = (
        populate(NB201, "sample:200", seed=seed) for seed in (0, 0, 1)
    )
    assert first == again and first.architectures != other.architectures
    classes = {NB201.canonical(NB201.parse(text)) for text in first.architectures}
    assert len(classes) == 200
    # The beginning of a larger sample is the smaller one.
    assert populate(NB201, "sample:50").architectures == first.architectures[:50]


def test_a_sample_of_another_space():
    found = populate(get_space("darts"), "sample:5")
    assert [
        get_space("darts").format(get_space("darts").parse(text))
        for text in found.architectures
    ] == list(found.architectures)


def test_the_top_are_the_best_by_the_truth():
    found = populate(NB201, "top:0.01", truth=DIGITS)
    assert len(found.architectures) == len(found.trials) == 65
    means = np.array([np.mean(trials) for trials in found.trials])
    assert (np.diff(means) <= 1e-9).all()
    table = open_truth("nb201-digits")
    every = {
        NB201.canonical(a): table.mean(a, "digits", "test", 10)
        for a in NB201.representatives
    }
    assert sorted(every.values(), reverse=True)[:65] == pytest.approx(means.tolist())


def test_a_truth_is_looked_up():
    found = populate(NB201, "sample:20", truth=DIGITS)
    table = open_truth("nb201-digits")
    for text, trials in zip(found.architectures, found.trials, strict=True):
        assert trials == list(
            table.lookup(NB201.parse(text), "digits", "test", 10).accuracies
        )
    assert found.truth == "nb201-digits: digits/test/10, mean of 4 trials, measured"


@pytest.mark.parametrize("name", ["cells.csv", "cells.csv.gz", "cells.parquet"])
@pytest.mark.parametrize("column", ["arch", "genotype", "architecture"])
def test_a_file_with_accuracies_and_published_scores(write, name, column):
    path = write(
        name,
        **{
            column: CELLS,
            "jacov": [1.5, -2],
            "snip": [None, 3],
            "nwot": [float("-inf"), 1],
            "acc": [90, 91.5],
            "else": ["a", "b"],
        },
    )
    found = populate(
        NB201, path, accuracy_column="acc", proxies=("jacob_cov", "snip", "nwot")
    )
    assert found.architectures == CELLS
    assert found.trials == [[90.0], [91.5]]
    assert found.published == {
        "jacob_cov": [1.5, -2.0],
        "snip": [None, 3.0],
        "nwot": [float("-inf"), 1.0],
    }
    assert "column acc of cells" in found.truth and "2 of cells" in found.source


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        ("sample:x", {}, "write a number, such as sample:100"),
        ("sample:0", {}, "write a number"),
        ("top:2", {"truth": DIGITS}, "write a fraction, such as top:0.1"),
        ("top:x", {"truth": DIGITS}, "write a fraction"),
        ("top:0.1", {}, "needs a ground truth: --table"),
        ("all", {"accuracy_column": "acc"}, "all is not a file"),
        ("absent.csv", {}, "cannot read absent.csv: No such file"),
        (
            "all",
            {
                "truth": TruthPart(
                    table="nb201-digits", dataset="digits", split="tset", epochs=10
                )
            },
            "tset",
        ),
    ],
)
def test_a_mistake_is_one_line(cells, options, message):
    with pytest.raises(UserError, match=message) as raised:
        populate(NB201, cells, **options)
    assert "\n" not in str(raised.value)


def test_a_space_that_is_smaller_than_the_sample(monkeypatch):
    monkeypatch.setattr(
        type(NB201),
        "sample",
        lambda self, rng: NB201.parse(CELLS[int(rng.integers(2))]),
    )
    with pytest.raises(
        UserError, match="seems to have only 2 architectures: use --cells all"
    ):
        populate(NB201, "sample:3")


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"arch": [CELLS[0], CELLS[0]]}, {}, "row 2: this architecture is repeated"),
        ({"arch": [CELLS[0], "|x|"]}, {}, "row 2: "),
        ({"arch": [CELLS[0], ""]}, {}, "row 2: arch is missing"),
        (
            {"arch": CELLS, "nwot": [1, "high"]},
            {"proxies": ("nwot",)},
            "row 2: nwot must be a number or empty",
        ),
        (
            {"cell": CELLS},
            {},
            "no column architecture, .*--architecture-column; its columns are cell",
        ),
        (
            {"arch": CELLS},
            {"architecture_column": "arhc"},
            "'arhc': did you mean 'arch'",
        ),
        (
            {"arch": CELLS, "acc": [90, 91]},
            {"accuracy_column": "ac"},
            "'ac': did you mean 'acc'",
        ),
        (
            {"arch": CELLS, "acc": [90, 101]},
            {"accuracy_column": "acc"},
            "row 2: acc must be a number within 0..100",
        ),
        (
            {"arch": CELLS, "acc": [90, 91]},
            {"accuracy_column": "acc", "truth": DIGITS},
            "there are two sources of accuracies",
        ),
    ],
)
def test_a_mistake_in_a_file_names_the_row(write, columns, options, message):
    with pytest.raises(UserError, match=message):
        populate(NB201, write(**columns), **options)


def test_a_truth_of_another_space():
    with pytest.raises(UserError, match="is of space nb201, not of s2"):
        populate(S2, "sample:3", truth=DIGITS)
