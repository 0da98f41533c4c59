import csv

import numpy as np
import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import list_truths, open_truth
from archselect.nasbench_adapters.truth.ground_truth import MEASURED, PREDICTED
from archselect.nasbench_adapters.truth.importing import import_truth
from archselect.nasbench_adapters.truth.landscape import landscape, rank
from archselect.nasbench_adapters.truth.long_csv import COLUMNS, import_long, to_long
from archselect.nasbench_adapters.truth.plain_csv import PlainColumns, import_plain
from archselect.nasbench_adapters.truth.table import TruthTable

KEY = ("cifar10", "valid", 100)
PLAIN = PlainColumns("genotype", "accuracy", *KEY)


@pytest.fixture
def cells():
    """40 DARTS cells and accuracies."""
    rng = np.random.default_rng(0)
    space = get_space("darts")
    return {
        space.format(space.sample(rng)): round(float(rng.uniform(90, 95)), 4)
        for _ in range(40)
    }


@pytest.fixture
def write(tmp_path):
    def to_file(rows, columns=("genotype", "flops", "accuracy"), name="cells.csv"):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([columns, *rows])
        return tmp_path / name

    return to_file


def canonical_rows(cells):
    return [[text, 1.5, value] for text, value in cells.items()]


def test_a_table_of_genotypes_holds_what_the_file_holds(cells, write):
    table = import_plain(
        write(canonical_rows(cells)),
        "t",
        PLAIN,
        space="darts",
        provenance=PREDICTED,
        origin="by a model",
    )
    assert (len(table), table.describe_columns()) == (40, "cifar10/valid at 100 epochs")
    for text, value in cells.items():
        trials = table.lookup(table.space.parse(text), *KEY)
        assert trials.accuracies == pytest.approx(
            (value,), abs=1e-5
        ) and trials.seeds == ("not said",)
    choices, rows = table.population
    assert np.array_equal(choices, table.architectures) and rows.tolist() == list(
        range(40)
    )
    found = landscape(table, *KEY)
    assert found.architectures == 40 and found.optimum == pytest.approx(
        max(cells.values()), abs=1e-5
    )
    best = table.space.parse(max(cells, key=cells.get))
    assert rank(table, best, *KEY) == (1, 40)
    assert (table.provenance, table.origin) == (PREDICTED, "by a model, from cells.csv")
    assert (
        table.describe_provenance() == "itself predicted by a surrogate, not measured"
    )


def test_the_long_form_of_genotypes_is_the_same_table(cells, write, tmp_path):
    plain = import_plain(write(canonical_rows(cells)), "t", PLAIN, space="darts")
    to_long(plain).to_csv(tmp_path / "long.csv", index=False)
    long = import_long(tmp_path / "long.csv", "t", space="darts")
    assert (
        long.checksum == import_long(tmp_path / "long.csv", "t", space="darts").checksum
    )
    assert np.array_equal(long.architectures, plain.architectures)
    assert np.array_equal(long.matrix(*KEY), plain.matrix(*KEY))
    rows = [
        [text, *KEY[:2], KEY[2], seed, value]
        for text, value in cells.items()
        for seed in (0, 1)
    ]
    twice = import_long(
        write(rows, COLUMNS), "t", space="darts", provenance=PREDICTED, origin="a model"
    )
    assert twice.provenance == PREDICTED and twice.column(*KEY).seeds == ("0", "1")


def test_where_numbers_come_from_is_kept_and_shown(cells, write):
    import_truth(
        write(canonical_rows(cells)),
        name="cells",
        space="darts",
        plain=PLAIN,
        predicted=True,
        origin="X",
    )
    opened = open_truth("cells")
    assert isinstance(opened, TruthTable) and opened.provenance == PREDICTED
    assert opened.single_column(*KEY).provenance == PREDICTED
    (listed,) = [t for t in list_truths() if t.name == "cells"]
    assert (
        "X, from cells.csv; itself predicted by a surrogate, not measured"
        in listed.summary
    )
    assert TruthTable.from_arrays(opened.to_arrays()).checksum == opened.checksum
    measured = open_truth(
        str(
            import_truth(
                write(canonical_rows(cells)),
                name="measured",
                space="darts",
                plain=PLAIN,
            ).path
        )
    )
    assert measured.provenance == MEASURED and measured.checksum != opened.checksum


def test_a_measured_table_has_the_header_it_always_had(cells, write):
    """Else every table's checksum, and with it every landscape's name, would change."""
    table = import_plain(write(canonical_rows(cells)), "t", PLAIN, space="darts")
    assert "provenance" not in table._header


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["Genotype(normal=[])", 1, 90], "row 2: malformed genotype"),
        (["", 1, 90], "row 2: genotype is missing"),
        (["SAME", 1, ""], "row 2: accuracy is missing"),
        (["SAME", 1, 90], "row 2: this architecture came before"),
        (["OTHER", 1, 101], "row 2: accuracy must be a number within"),
        (["OTHER", 1, "high"], "row 2: accuracy must be a number within"),
    ],
)
def test_bad_rows_are_named(cells, write, row, message):
    first, second = list(cells)[:2]
    text = {"SAME": first, "OTHER": second}.get(row[0], row[0])
    if row == ["SAME", 1, 90]:  # the same cell, its inputs in another order
        start = text.index("[") + 1
        pair = text[start : text.index("), (", text.index("), (") + 1) + 1]
        one, two = pair.split("), (")
        text = text.replace(pair, f"({two.rstrip(')')}), {one})", 1)
    with pytest.raises(UserError, match=message):
        import_plain(
            write([[first, 1, 93.0], [text, *row[1:]]]), "t", PLAIN, space="darts"
        )


def test_bad_requests_are_named(cells, write):
    path = write(canonical_rows(cells))
    with pytest.raises(
        UserError,
        match=r"unknown column of .*cells\.csv 'genotypes': did you mean 'genotype'\?",
    ):
        import_plain(
            path, "t", PlainColumns("genotypes", "accuracy", *KEY), space="darts"
        )
    with pytest.raises(UserError, match="epochs must be a whole number"):
        import_plain(
            path,
            "t",
            PlainColumns("genotype", "accuracy", "cifar10", "valid", 0),
            space="darts",
        )
    with pytest.raises(UserError, match="row 1: malformed NAS-Bench-201 cell"):
        import_plain(path, "t", PLAIN)
    shares = write(
        [[text, 1, value / 100] for text, value in cells.items()], name="shares.csv"
    )
    with pytest.raises(
        UserError,
        match="40 of 40 values of accuracy are at most 1: give accuracies in per cent",
    ):
        import_plain(shares, "t", PLAIN, space="darts")
    with pytest.raises(UserError, match="belong to the format plain"):
        import_truth(path, name="t", format="long", plain=PLAIN, space="darts")
    with pytest.raises(UserError, match="belong to the format plain"):
        import_truth(path, name="t", format="plain", space="darts")
    with pytest.raises(UserError, match="the format nats-file has a known origin"):
        import_truth(path, name="t", format="nats-file", predicted=True)


def test_the_shared_cells(shared_file):
    """500 genotypes as another project wrote them, with a surrogate's accuracies."""
    path = shared_file("darts_surrogate_cells.csv")
    columns = PlainColumns("genotype", "surrogate_val_accuracy", *KEY)
    table = import_plain(path, "cells", columns, space="darts", provenance=PREDICTED)
    with path.open(newline="") as file:
        known = {
            row["genotype"]: float(row["surrogate_val_accuracy"])
            for row in csv.DictReader(file)
        }
    assert len(table) == len(known) == 500
    for text, value in known.items():
        assert table.lookup(table.space.parse(text), *KEY).mean == pytest.approx(
            value, abs=1e-5
        )
