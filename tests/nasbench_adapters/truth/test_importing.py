"""Tables as other people write them: what an import refuses, leaves out, replaces and says."""

import gzip

import numpy as np
import pandas as pd
import pytest

from archselect.benchmarks.cli.truth import ImportOptions, import_table
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import long_csv, open_truth
from archselect.nasbench_adapters.truth.importing import import_truth
from archselect.nasbench_adapters.truth.plain_csv import PlainColumns
from archselect.nasbench_adapters.truth.rows import counts_of

HEADER = "arch,dataset,split,epochs,seed,accuracy"
PLAIN = PlainColumns("arch", "accuracy", "d", "s", 1)


@pytest.fixture
def cells(space):
    return [space.format(cell) for cell in space.representatives[:20]]


@pytest.fixture
def write(tmp_path):
    def to_file(*lines, header=HEADER, name="t.csv"):
        path = tmp_path / name
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return to_file


def long_row(cell, accuracy="85.86", seed="0"):
    return f"{cell},d,s,1,{seed},{accuracy}"


def test_shares_of_one_are_refused_alike_in_both_forms(cells, write):
    shares = write(
        *(long_row(cell, f"0.{80 + place}") for place, cell in enumerate(cells))
    )
    for options in ({}, {"plain": PLAIN}):
        for skip in (False, True):
            with pytest.raises(
                UserError,
                match="values of accuracy are at most 1: give accuracies in per cent",
            ):
                import_truth(shares, name="t", skip_invalid=skip, **options)


def test_shares_in_one_column_of_several(cells, write):
    rows = [long_row(cell) for cell in cells] + [
        f"{cell},other,s,1,0,0.85" for cell in cells
    ]
    with pytest.raises(
        UserError,
        match="values of accuracy of other/s at 1 epoch are at most 1: give accuracies",
    ):
        import_truth(write(*rows), name="t")


def test_shares_with_one_per_cent_among_them_are_refused(cells, write):
    rows = [long_row(cells[0], "68.88"), long_row(cells[0], "0", seed="1")]
    rows += [long_row(cell, "0.86") for cell in cells[1:]]
    path = write(*rows)
    message = f"{len(cells) - 1} of {len(rows)} values of accuracy are at most 1: give accuracies in per cent"
    with pytest.raises(UserError, match=message):
        import_truth(path, name="t")


@pytest.mark.parametrize("low", ["0.83", "1.0", "0.8586"])
def test_a_per_cent_of_at_most_one_is_imported_and_counted(cells, write, low, capsys):
    path = write(*(long_row(cell) for cell in cells[1:]), long_row(cells[0], low))
    import_table(path, ImportOptions("t"))
    assert f"1 of {len(cells)} accuracies is at most 1 %" in capsys.readouterr().out
    import_table(write(*(long_row(cell) for cell in cells[1:])), ImportOptions("u"))
    assert "at most 1 %" not in capsys.readouterr().out


def test_one_cell_below_one_per_cent_is_taken_at_its_word(cells, write):
    table = import_truth(write(long_row(cells[0], "0.83")), name="t").truth
    assert table.extent("d", "s", 1).highest == pytest.approx(0.83)


BAD = {
    "share sign": (
        "85.86%",
        "accuracy must be a number within 0..100 (per cent), such as 85.86, not '85.86%'",
    ),
    "decimal comma": (
        '"85,86"',
        "accuracy must be a number within 0..100 (per cent), such as 85.86, not '85,86'",
    ),
    "nan": (
        "nan",
        "accuracy must be a number within 0..100 (per cent), such as 85.86, not 'nan'",
    ),
    "inf": (
        "inf",
        "accuracy must be a number within 0..100 (per cent), such as 85.86, not 'inf'",
    ),
    "minus inf": (
        "-inf",
        "accuracy must be a number within 0..100 (per cent), such as 85.86, not '-inf'",
    ),
    "word": (
        "high",
        "accuracy must be a number within 0..100 (per cent), such as 85.86, not 'high'",
    ),
    "above": (
        "100.01",
        "accuracy must be a number within 0..100 (per cent), such as 85.86, not '100.01'",
    ),
    "nothing": ("", "accuracy is missing"),
    "blank": ("  ", "accuracy is missing"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_accuracy_that_is_none(cells, write, kind):
    text, message = BAD[kind]
    path = write(long_row(cells[0]), long_row(cells[1], text), long_row(cells[2]))
    with pytest.raises(UserError, match="--skip-invalid") as error:
        import_truth(path, name="t")
    assert "row 2: " in str(error.value) and message in str(error.value)
    imported = import_truth(path, name="t", skip_invalid=True)
    assert len(imported.truth) == 2
    assert [(row.row, row.reason) for row in imported.left_out] == [(2, message)]


def test_rows_of_more_fields_than_the_header(cells, write):
    rows = [long_row(cells[0]), long_row(cells[1], "85,86"), long_row(cells[2])]
    path = write(*rows)
    with pytest.raises(
        UserError, match=r"row 2: more fields than the header has; .*--skip-invalid"
    ):
        import_truth(path, name="t")
    for order in ([0, 1, 2], [1, 0, 2]):
        imported = import_truth(
            write(*(rows[place] for place in order)),
            name="t",
            skip_invalid=True,
            replace=True,
        )
        assert len(imported.truth) == 2
        (row,) = imported.left_out
        assert (
            row.row == order.index(1) + 1
            and "more fields than the header" in row.reason
        )
    with pytest.raises(
        UserError,
        match="row 1: more fields than the header has; write decimal points, not commas",
    ):
        import_truth(write(*(long_row(cell, "85,86") for cell in cells)), name="u")
    with pytest.raises(
        UserError, match=r"row 1: more fields .*no row is left to import"
    ):
        import_truth(
            write(*(long_row(cell, "85,86") for cell in cells)),
            name="u",
            skip_invalid=True,
        )


def test_semicolons(cells, write):
    path = write(
        *(long_row(cell).replace(",", ";") for cell in cells),
        header=HEADER.replace(",", ";"),
    )
    with pytest.raises(
        UserError, match="separates its columns by semicolons: separate them by commas"
    ):
        import_truth(path, name="t")

    path = write(
        long_row(cells[0]).replace(",", "\t"), header=HEADER.replace(",", "\t")
    )
    with pytest.raises(UserError, match="separates its columns by tabs"):
        import_truth(path, name="t")


@pytest.mark.parametrize("skip", [False, True])
def test_a_row_of_far_too_many_fields_and_an_open_quote(cells, write, skip):
    for row in (long_row(cells[1]) + ",1" * 9, long_row(cells[1]) + ",1" * 30):
        with pytest.raises(
            UserError,
            match=r"row 2: more fields than the header has; .*too many to leave out",
        ):
            import_truth(
                write(long_row(cells[0]), "", row), name="t", skip_invalid=skip
            )
    with pytest.raises(UserError, match="row 1: more fields than the header has"):
        import_truth(write(long_row(cells[1]) + ",1" * 9), name="t", skip_invalid=skip)
    with pytest.raises(UserError, match="a quotation mark is not closed"):
        import_truth(
            write(long_row(cells[0]), '"' + long_row(cells[1])),
            name="t",
            skip_invalid=skip,
        )


def test_blank_lines_and_empty_columns_are_passed_over(cells, write):
    path = write(
        "",
        long_row(cells[0]) + ",",
        "  ",
        long_row(cells[1]) + ",,",
        header=f"\n \n{HEADER},,",
    )
    assert len(import_truth(path, name="t").truth) == 2
    path = write("", long_row(cells[0]), "", long_row(cells[1], "high"))
    with pytest.raises(UserError, match="row 2: accuracy must be a number"):
        import_truth(path, name="u")


def test_a_column_that_comes_twice(cells, write):
    with pytest.raises(UserError, match="has the column 'accuracy' 2 times"):
        import_truth(
            write(f"{long_row(cells[0])},1", header=f"{HEADER},accuracy"), name="t"
        )


HEADERS = {
    "case": (
        "Arch,dataset,split,epochs,seed,accuracy",
        "lacks the column arch (did you mean 'Arch'? rename it)",
    ),
    "blanks": (
        "arch, dataset,split,epochs,seed,accuracy",
        "the column dataset (did you mean ' dataset'? rename it)",
    ),
    "another form": (
        "cell,a,b,c,d,acc",
        "for a table with a row per architecture, add --architecture-column",
    ),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_without_the_columns(cells, write, kind):
    header, message = HEADERS[kind]
    with pytest.raises(UserError) as error:
        import_truth(write(long_row(cells[0]), header=header), name="t")
    assert message in str(error.value) and "comma" not in str(error.value)
    assert ("--architecture-column" in str(error.value)) == (kind == "another form")


def test_a_parquet_without_the_columns(cells, tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"cell": cells, "acc": 90.0}).to_parquet(path)
    with pytest.raises(
        UserError,
        match="for a table with a row per architecture, add --architecture-column",
    ) as error:
        import_truth(path, name="t")
    assert "comma" not in str(error.value)


def test_content_under_another_suffix_is_named(cells, write, tmp_path):
    table = write(long_row(cells[0])).read_bytes()
    for name, content in (
        ("t.csv", gzip.compress(table)),
        ("t.parquet", gzip.compress(table)),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="is packed with gzip"):
            import_truth(tmp_path / name, name="t")
    pd.DataFrame({"cell": cells}).to_parquet(tmp_path / "table.parquet")
    path = (tmp_path / "table.parquet").rename(tmp_path / "table.csv")
    with pytest.raises(UserError, match="is a Parquet file"):
        import_truth(path, name="t")


@pytest.mark.parametrize("name", ["nats", "NATS-Bench"])
def test_a_usual_name_of_a_benchmark_leads_to_its_import(name):
    with pytest.raises(
        UserError,
        match=r"did you mean 'nb201'.* archselect truth import FILE --name nb201",
    ):
        open_truth(name)


def test_some_of_the_options_of_a_plain_table(cells, write):
    with pytest.raises(
        UserError,
        match="also needs --split, --epochs; a table with the columns arch, dataset",
    ):
        import_table(
            write(),
            ImportOptions(
                "t",
                architecture_column="arch",
                accuracy_column="accuracy",
                dataset="d",
            ),
        )


@pytest.mark.parametrize("skip", [False, True])
def test_empty_files(write, tmp_path, skip):
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(
        UserError, match=r"empty\.csv is empty: it needs a header and rows"
    ):
        import_truth(tmp_path / "empty.csv", name="t", format="long", skip_invalid=skip)
    with pytest.raises(UserError, match=r"t\.csv is empty"):
        import_truth(write(header="\n  \n"), name="t", skip_invalid=skip)
    with pytest.raises(UserError, match="the source holds no trial"):
        import_truth(write(), name="t", skip_invalid=skip)


def test_trials_that_come_again(cells, write):
    """Of equal ones the first is kept; of different ones none, for nobody knows which is right."""
    rows = [
        *(
            long_row(cells[0], "50"),
            long_row(cells[0], "50"),
            long_row(cells[1], "60"),
            long_row(cells[1], "61"),
        ),
        *(long_row(cells[2], "70"), long_row(cells[2], "71", seed="1")),
    ]
    path = write(*rows)
    with pytest.raises(
        UserError, match="row 2: this arch, dataset, split, epochs and seed came before"
    ):
        import_truth(path, name="t")
    imported = import_truth(path, name="t", skip_invalid=True)
    assert [row.row for row in imported.left_out] == [2, 3, 4]
    assert "came before; keep one row" in imported.left_out[0].reason
    assert all("with another accuracy" in row.reason for row in imported.left_out[1:])
    assert imported.truth.extent("d", "s", 1).trials == 3


def test_one_cell_in_two_texts_is_one_cell(tmp_path):
    darts = get_space("darts")
    cell = darts.sample(np.random.default_rng(0))
    text = darts.format(cell)
    start = text.index("[") + 1
    one, two = text[start:].split("), (", 2)[:2]
    other = text.replace(f"{one}), ({two})", f"({two}), {one})", 1)
    assert other != text and darts.parse(other) == cell
    path = tmp_path / "t.csv"
    path.write_text(
        "\n".join([HEADER, f'"{text}",d,s,1,0,50', f'"{other}",d,s,1,0,50'])
    )
    with pytest.raises(
        UserError, match="row 2: this arch, dataset, split, epochs and seed came before"
    ):
        import_truth(path, name="t", space="darts")


def test_ten_thousand_bad_rows(cells, write):
    rows = [long_row(cells[0]), *(long_row(f"|x{place}|") for place in range(9_000))]
    rows += [long_row(cells[1], "x", seed=str(place)) for place in range(1_000)]
    path = write(*rows)
    with pytest.raises(
        UserError,
        match=r"row 2: malformed .*row 3: .*row 4: .*and 9,997 more rows\); --skip-invalid",
    ):
        import_truth(path, name="t")
    imported = import_truth(path, name="t", skip_invalid=True)
    assert counts_of(imported.left_out) == [
        ("arch is no architecture of nb201", 9_000),
        ("accuracy must be a number within 0..100 (per cent), such as 85.86", 1_000),
    ]
    listed = imported.list_of_left_out.read_text().splitlines()
    assert (
        listed[0] == "row,reason"
        and len(listed) == 10_001
        and listed[1].startswith('2,"malformed')
    )
    assert open_truth("t").details["rows left out"]["of"] == 10_001
    again = import_truth(write(long_row(cells[0])), name="t", replace=True)
    assert again.list_of_left_out is None and not imported.list_of_left_out.exists()
    assert "rows left out" not in open_truth("t").details


def test_a_name_that_is_taken(cells, write, monkeypatch):
    first = import_truth(write(*(long_row(cell) for cell in cells)), name="t")
    assert first.replaced is None
    other = write(long_row(cells[0], "12"), name="u.csv")
    with monkeypatch.context() as patched:
        patched.setattr(
            long_csv, "read_frame", lambda *given: pytest.fail("the source was read")
        )
        with pytest.raises(
            UserError,
            match=r"there is a truth 't' already \(20 architectures of nb201, from t\.csv\): add --replace",
        ):
            import_truth(other, name="t")
    assert len(open_truth("t")) == 20
    second = import_truth(other, name="t", replace=True)
    assert (
        second.replaced == "20 architectures of nb201, from t.csv"
        and len(open_truth("t")) == 1
    )
    second.path.write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"whose file is damaged\): add --replace"):
        import_truth(other, name="t")


def test_a_name_that_another_import_takes_meanwhile(cells, write, monkeypatch):
    source = write(long_row(cells[0]))
    take = long_csv.import_long

    def slow(*arguments, **options):
        monkeypatch.setattr(long_csv, "import_long", take)
        import_truth(source, name="mine")
        return take(*arguments, **options)

    monkeypatch.setattr(long_csv, "import_long", slow)
    with pytest.raises(
        UserError,
        match="another command has stored a truth 'mine' meanwhile: add --replace",
    ):
        import_truth(source, name="mine")


@pytest.mark.parametrize(("rows", "columns"), [(1_000_000, 300), (300_000, 9_000)])
def test_a_csv_whose_rows_lack_nearly_all_fields(tmp_path, rows, columns):
    """Each row would take memory for all columns of the header."""
    path = tmp_path / "a.csv"
    path.write_text(
        ",".join(f"c{place}" for place in range(columns)) + "\n" + "a\n" * rows
    )
    with pytest.raises(
        UserError,
        match=rf"a\.csv has too many fields, {rows:,} rows of {columns:,} columns in [\d,]+ bytes",
    ):
        long_csv.read_frame(path, ())


def test_a_csv_of_too_many_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",".join(f"c{place}" for place in range(10_001)) + "\n")
    with pytest.raises(UserError, match="10,001 columns, more than 10,000"):
        long_csv.read_frame(path, ())


def test_rows_are_left_out_of_open_forms_only(tmp_path):
    (tmp_path / "a.tfrecord").touch()
    with pytest.raises(
        UserError,
        match="the format nb101-file must be complete: leave out --skip-invalid",
    ):
        import_truth(tmp_path / "a.tfrecord", name="t", skip_invalid=True)


def test_the_command_says_what_it_understood(archselect, cells, write):
    rows = [long_row(cell, str(50 + place)) for place, cell in enumerate(cells)]
    rows += [
        long_row(cells[0], "51", seed="1"),
        f"{cells[3]},d,test,200,0,97.5",
        long_row("|x|"),
        long_row("|y|"),
    ]
    path = write(*rows)
    assert archselect("truth", "import", path, "--name", "t")[0] == 2
    code, out, _ = archselect("truth", "import", path, "--name", "t", "--skip-invalid")
    assert code == 0
    assert "t: 20 architectures of nb201, 22 trials of 24 rows" in out
    for column in (
        ["d", "s", "1", "20", "1 to 2", "50.00", "69.00"],
        ["d", "test", "200", "1", "1", "97.50", "97.50"],
    ):
        assert any(
            line.strip("│ ").replace("│", " ").split() == " ".join(column).split()
            for line in out.splitlines()
        )
    assert (
        "Left out 2 rows:\n  2 × arch is no architecture of nb201\n  row 23: malformed"
        in out
    )
    code, out, err = archselect(
        "truth", "import", path, "--name", "t", "--skip-invalid"
    )
    assert (code, out) == (2, "") and "add --replace" in err
    code, out, _ = archselect(
        "truth", "import", path, "--name", "t", "--skip-invalid", "--replace"
    )
    assert (
        code == 0
        and "Replaced the old ground truth 't': 20 architectures of nb201, from t.csv"
        in out
    )
