import gzip

import numpy as np
import pandas as pd
import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth.long_csv import COLUMNS, import_long, to_long
from archselect.nasbench_adapters.truth.table import TruthTable

CELL = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
OTHER = CELL.replace("none~2", "skip_connect~2")
GOOD = [
    [CELL, "d", "s", "200", "777", "90.5"],
    [CELL, "d", "s", "200", "mean2", "91"],
    [OTHER, "d", "t", "12", "777", "0"],
]


def write(path, rows, columns=COLUMNS):
    path.write_text(
        "\n".join([",".join(columns), *(",".join(row) for row in rows)]) + "\n"
    )
    return path


def test_forms_agree(tmp_path, space):
    plain = write(tmp_path / "a.csv", [[*row, "x"] for row in GOOD], (*COLUMNS, "more"))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    frame = pd.DataFrame(GOOD, columns=COLUMNS).astype(
        {"epochs": int, "accuracy": float}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    tables = [
        import_long(tmp_path / name, "a") for name in ("a.csv", "a.csv.gz", "a.parquet")
    ]
    for table in tables:
        assert table.lookup(space.parse(CELL), "d", "s", 200).accuracies == (90.5, 91.0)
        assert table.lookup(space.parse(CELL), "d", "s", 200).seeds == ("777", "mean2")
        assert table.lookup(space.parse(OTHER), "d", "t", 12).accuracies == (0.0,)


def test_whole_numbers_as_seeds_in_parquet(tmp_path, space):
    frame = pd.DataFrame(GOOD[:1], columns=COLUMNS).astype(
        {"epochs": int, "seed": int, "accuracy": float}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    assert import_long(tmp_path / "a.parquet", "a").lookup(
        space.parse(CELL), "d", "s", 200
    ).seeds == ("777",)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("arch", CELL[:-3], r"row 2: malformed NAS-Bench-201 cell"),
        (
            "arch",
            CELL.replace("none~2", "skip-connect~2"),
            "row 2: unknown NAS-Bench-201 operation 'skip-connect': did you mean 'skip_connect'",
        ),
        ("arch", "", "row 2: arch is missing"),
        ("seed", "", "row 2: seed is missing"),
        ("epochs", "1.5", "row 2: epochs must be a whole number"),
        ("epochs", "x", "row 2: epochs must be a whole number"),
        ("epochs", "0", "row 2: epochs must be a whole number"),
        ("accuracy", "100.1", "row 2: accuracy must be a number within"),
        ("accuracy", "-1", "row 2: accuracy must be a number within"),
        ("accuracy", "nan", "row 2: accuracy must be a number within"),
        ("accuracy", "inf", "row 2: accuracy must be a number within"),
        ("accuracy", "", "row 2: accuracy is missing"),
        (
            "seed",
            "777",
            "row 2: this arch, dataset, split, epochs and seed came before",
        ),
    ],
)
def test_bad_rows_are_named(tmp_path, column, value, message):
    rows = [list(row) for row in GOOD]
    rows[1][COLUMNS.index(column)] = value
    with pytest.raises(UserError, match=message):
        import_long(write(tmp_path / "a.csv", rows), "a")


def test_bad_files_are_named(tmp_path):
    columns = [*COLUMNS[:2], "spilt", *COLUMNS[3:5], "acc"]
    with pytest.raises(
        UserError,
        match=r"lacks the columns split .*'spilt'.*, accuracy; it needs arch, dataset, ",
    ):
        import_long(write(tmp_path / "a.csv", GOOD, columns), "a")
    (tmp_path / "a.csv").write_text("")
    for name in ("a.csv", "missing.csv"):
        with pytest.raises(UserError, match=name):
            import_long(tmp_path / name, "a")
    whole = gzip.compress(write(tmp_path / "b.csv", GOOD * 1).read_bytes())
    for damaged in (whole[:-12], b"no gzip"):
        (tmp_path / "a.csv.gz").write_bytes(damaged)
        with pytest.raises(UserError, match=r"a\.csv\.gz"):
            import_long(tmp_path / "a.csv.gz", "a")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match=r"a\.parquet"):
        import_long(tmp_path / "a.parquet", "a")
    with pytest.raises(UserError, match="holds no trial"):
        import_long(write(tmp_path / "a.csv", []), "a")


def test_the_known_facts(real_table, space):
    """Test accuracies after 200 epochs, mean of trials, that are widely published."""

    def mean(text, dataset, split="x-test", epochs=200):
        return round(
            real_table.lookup(space.parse(text), dataset, split, epochs).mean, 2
        )

    def every(name):
        return f"|{name}~0|+|{name}~0|{name}~1|+|{name}~0|{name}~1|{name}~2|"

    facts = {
        "skip_connect": (54.30, 15.61, 16.32),
        "nor_conv_3x3": (93.76, 71.11, 41.44),
        "nor_conv_1x1": (89.37, 65.71, 35.48),
        "avg_pool_3x3": (49.02, 10.20, 9.35),
    }
    for name, (cifar10, cifar100, imagenet) in facts.items():
        assert mean(every(name), "cifar10", "ori-test") == cifar10
        assert mean(every(name), "cifar100") == cifar100
        assert mean(every(name), "ImageNet16-120") == imagenet
    first = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    assert (
        mean(first, "cifar10", "ori-test", 200),
        mean(first, "cifar10", "ori-test", 12),
    ) == (85.86, 69.55)


def test_the_means_of_the_reference(real_table, shared_data, space):
    reference = np.load(shared_data / "nb201_reference.npz")
    order = [real_table.row(space.parse(text)) for text in reference["arch"].tolist()]
    keys = (
        ("cifar10", "ori-test", 200),
        ("cifar100", "x-test", 200),
        ("ImageNet16-120", "x-test", 200),
    )
    for column, key in enumerate(keys):
        apart = np.abs(
            real_table.means(*key)[order] - reference["nats_mean_test_200"][:, column]
        )
        # In a hundredth of the cells the two published sources differ by an image or a
        # few in some trial.
        assert (
            np.mean(apart < 6e-3) > (0.98 if column else 0.9999) and apart.max() < 0.1
        )


def test_export_is_the_inverse(real_table, shared_data, tmp_path):
    exported = to_long(real_table)
    source = pd.read_csv(shared_data / "nb201.csv.gz", dtype={"seed": str})[
        list(COLUMNS)
    ]
    keys = list(COLUMNS[:-1])
    merged = source.merge(
        exported, on=keys, how="outer", suffixes=("", "_out"), validate="one_to_one"
    )
    assert len(merged) == len(source) == len(exported)
    assert np.allclose(merged["accuracy"], merged["accuracy_out"], atol=1e-6)
    real_table.save(tmp_path / "t.npz")
    assert to_long(TruthTable.open(tmp_path / "t.npz")).equals(exported)
