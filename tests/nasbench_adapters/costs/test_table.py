"""Tables of costs: what is put in comes out, and what is damaged or hostile is refused."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
from support import small
from support.made_costs import made_up, whole_choices

from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.costs.table_cost import TableCost
from archselect.nasbench_adapters.costs.table_header import CostColumn
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth.sealed_arrays import (
    digest_all,
    encode_header,
    seal,
)

FEW = whole_choices()[:50]
VALUES = np.arange(11.0, 61.0)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "made-up.npz"
    made_up([VALUES, VALUES[::-1]], FEW, ("a", "b")).save(path)
    return path


def test_what_is_put_in_comes_out(path, space):
    table = CostTable.open(path)
    assert (table.name, table.licence, len(table)) == ("made-up", "MIT", 50)
    assert table.columns == [CostColumn("a", "ms", "d"), CostColumn("b", "ms", "d")]
    cost = TableCost(table, "b")
    cells = list(space.enumerate())
    assert cost.of_many(cells[:50]).tolist() == VALUES[::-1].tolist()
    assert cost.of(cells[3]) == 57.0
    assert cost.of(cells[50]) is None and np.isnan(cost.of_many(cells[50:51])).all()
    assert cost.unit == "ms" and table.checksum[:16] in cost.origin


def test_the_order_of_the_rows_does_not_matter(path):
    order = np.random.default_rng(0).permutation(50)
    shuffled = made_up([VALUES[order], VALUES[::-1][order]], FEW[order], ("a", "b"))
    assert shuffled.checksum == CostTable.open(path).checksum


def test_gaps_and_costs_near_zero_are_counted_and_missing(space):
    values = np.full(15_625, 10.0)
    values[[0, 1, 2]] = 0.99
    values[3] = 1.0
    values[[4, 5]] = np.nan
    table = made_up([values])
    gaps = table.gaps("a")
    assert (gaps.near_zero, gaps.absent, gaps.total) == (3, 2, 5)
    cost = TableCost(table, "a")
    cells = list(space.enumerate())
    known = cost.of_many(cells[:7])
    assert np.isnan(known[[0, 1, 2, 4, 5]]).all()
    assert known[[3, 6]].tolist() == [1.0, 10.0]
    assert "2 of 15,625 architectures are missing and 3 near zero" in cost.origin


@pytest.mark.parametrize(
    ("device", "count"), [("pixel3", 291), ("raspi4", 302), ("pixel2", 0)]
)
def test_the_cells_near_zero_of_the_measured_devices(latencies, device, count):
    assert latencies.gaps(device).near_zero == count
    assert ("near zero" in latencies.describe(device)) == bool(count)


def test_a_missing_column_is_named_with_the_nearest(path):
    with pytest.raises(UserError, match=r"'bb'.*known: a, b"):
        CostTable.open(path).values("bb")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (-VALUES, "negative or not finite"),
        (np.where(VALUES == 17, np.inf, VALUES), "1 numbers that are negative"),
        (np.where(VALUES == 17, 1e31, VALUES), "1 numbers that are negative"),
        (np.full(50, np.nan), "has no number"),
        (VALUES[:49], "one number for each of 50"),
    ],
)
def test_what_is_no_cost_is_refused(values, message):
    with pytest.raises(UserError, match=message):
        made_up([values], FEW)


@pytest.mark.parametrize(
    "choices", [np.full((50, 6), 5), np.zeros((50, 6)), np.zeros((50, 5))]
)
def test_what_is_no_architecture_is_refused(choices):
    with pytest.raises(UserError, match=r"operation indices|occurs twice|6 edges"):
        made_up([VALUES], choices)


def test_no_flipped_byte_goes_unnoticed(path):
    content = path.read_bytes()
    whole = CostTable.open(path)
    for place in range(0, len(content), 37):
        path.write_bytes(
            content[:place] + bytes([content[place] ^ 0x40]) + content[place + 1 :]
        )
        try:
            table = CostTable.open(path)
            read = [table.architectures, table.stored("a"), table.stored("b")]
        except UserError as error:
            assert len(str(error).splitlines()) == 1
            continue
        assert np.array_equal(read[0], whole.architectures)
        assert table.checksum == whole.checksum


def forge(path, **changes):
    """Write a file whose checksums fit, with other arrays or header entries."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    header = json.loads(arrays.pop("header").tobytes())
    for key, value in changes.items():
        if isinstance(value, np.ndarray):
            arrays[key] = value
        else:
            header[key] = value
    header["arrays"] = digest_all(arrays)
    content = io.BytesIO()
    np.savez_compressed(content, header=encode_header(seal(header)), **arrays)
    path.write_bytes(content.getvalue())


@pytest.mark.parametrize(
    "change",
    [
        {"column0": np.full(50, -1, np.float32)},
        {"column0": np.full(50, np.nan, np.float32)},
        {"column0": np.ones(49, np.float32)},
        {"column0": np.ones(50, np.float64)},
        {"choices": np.full((50, 6), 9, np.int8)},
        {"choices": np.zeros((50, 6), np.int8)},
        {"columns": []},
        {"columns": [{"name": "a/b", "unit": "ms", "device": ""}] * 2},
        {"columns": [{"name": "a", "unit": "m\ns", "device": ""}] * 2},
        {"columns": [{"name": "a", "unit": "ms", "device": ""}] * 2},
        {"columns": "ab"},
        {"architectures": 0},
        {"kind": "accuracies"},
        {"schema": 2},
        {"space": "nowhere"},
        {"origin": 7},
    ],
)
def test_a_hostile_file_whose_checksums_fit_is_refused(path, change):
    forge(path, **change)
    with pytest.raises(UserError) as error:
        table = CostTable.open(path)
        TableCost(table, "a").of_many([])
        assert len(table.architectures)
    assert len(str(error.value).splitlines()) == 1


def test_foreign_files_are_refused(tmp_path, path):
    truth = tmp_path / "truth.npz"
    small.truth_table().save(truth)

    class Harm:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'executed'}",)

    pickled = tmp_path / "pickled.npz"
    objects = np.array([Harm()], dtype=object)
    np.savez(pickled, header=objects, allow_pickle=True)
    text = tmp_path / "text.npz"
    text.write_text("no archive")
    for file in (truth, pickled, text):
        with pytest.raises(UserError, match="is not a cost table, or damaged"):
            CostTable.open(file)
    with pytest.raises(UserError, match="no cost table at"):
        CostTable.open(tmp_path / "missing.npz")
    assert not (tmp_path / "executed").exists()


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", bytes(300 * 2**20))
    with pytest.raises(UserError, match="unpacks to more than"):
        CostTable.open(path)
