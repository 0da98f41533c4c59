import json
import math
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import sealed_arrays
from archselect.nasbench_adapters.truth import table as table_module
from archselect.nasbench_adapters.truth.choices import flatten, unflatten
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder

WHERE = {"origin": "a test", "licence": "MIT"}


def small(values=None):
    """A table of 40 cells with three trials, a third of the last ones missing, and the trials themselves."""
    rng = np.random.default_rng(0)
    choices = rng.permutation(np.indices((5,) * 6).reshape(6, -1).T)[:40]
    values = np.round(rng.uniform(10, 95, (40, 3)), 2) if values is None else values
    values[::3, 2] = np.nan
    columns = {
        ("digits", "test", 10): (("0", "1", "2"), values),
        ("digits", "test", 2): (("0",), values[:, :1]),
    }
    return TruthTable.build(
        name="small", space="nb201", choices=choices, columns=columns, **WHERE
    ), values


@pytest.fixture
def path(tmp_path):
    small()[0].save(tmp_path / "small.npz")
    return tmp_path / "small.npz"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_put_in_comes_out(data, space, tmp_path_factory):
    """Any trials, with any missing; exactly for shares of images, else to single precision."""
    cells = st.tuples(*[st.integers(0, 4)] * 6).map(lambda row: Architecture((row,)))
    kind = data.draw(st.sampled_from(["shares", "floats"]))
    images = data.draw(st.integers(1, 10_000))
    accuracy = (
        st.integers(0, images).map(lambda k: 100 * k / images)
        if kind == "shares"
        else st.floats(0, 100)
    )
    keys = st.tuples(
        cells,
        st.sampled_from(["a", "b"]),
        st.sampled_from([1, 200]),
        st.sampled_from(["777", "mean2"]),
    )
    trials = data.draw(st.dictionaries(keys, accuracy, min_size=1, max_size=20))
    builder = TableBuilder(space)
    for (cell, dataset, epochs, seed), value in trials.items():
        builder.add(cell, dataset, "x", epochs, seed, value)
    path = tmp_path_factory.mktemp("table") / "t.npz"
    built = builder.table("t", **WHERE)
    built.save(path)
    opened = TruthTable.open(path)
    assert opened.checksum == built.checksum
    found = {}
    for column in opened.columns:
        for cell in {
            key[0] for key in trials if key[1:3] == (column.dataset, column.epochs)
        }:
            looked_up = opened.lookup(cell, *column.key)
            for seed, value in zip(looked_up.seeds, looked_up.accuracies, strict=True):
                found[cell, column.dataset, column.epochs, seed] = value
    assert found.keys() == trials.keys()
    tolerance = 1e-6 if kind == "shares" else 1e-5
    assert all(
        math.isclose(found[key], trials[key], rel_tol=0, abs_tol=tolerance)
        for key in trials
    )


def test_shares_of_images_are_exact():
    right = np.random.default_rng(1).integers(0, 798, (40, 3))
    table, values = small(100 * right / 797)
    assert np.array_equal(table.matrix("digits", "test", 10), values, equal_nan=True)
    assert table._arrays["column1"].dtype == np.uint16


def test_columns_and_means(path):
    table, (_, values) = TruthTable.open(path), small()
    assert [(c.key, c.seeds, c.count) for c in table.columns] == [
        (("digits", "test", 2), ("0",), len(table)),
        (("digits", "test", 10), ("0", "1", "2"), len(table)),
    ]
    assert np.allclose(table.means("digits", "test", 10), np.nanmean(values, axis=1))
    trials = table.lookup(
        unflatten(table.space, table.architectures[0]), "digits", "test", 10
    )
    assert trials.seeds == ("0", "1") and trials.mean == pytest.approx(
        values[0, :2].mean()
    )


def test_a_lookup_is_a_row_of_the_matrix(path):
    table = TruthTable.open(path)
    matrix = table.matrix("digits", "test", 10)
    for row, trials in zip(table.architectures, matrix.tolist(), strict=True):
        found = table.lookup(unflatten(table.space, row), "digits", "test", 10)
        assert found.accuracies == tuple(
            value for value in trials if not math.isnan(value)
        )


def test_arrays_are_read_when_needed(path, monkeypatch):
    read = []
    digest = table_module.digest
    monkeypatch.setattr(
        table_module, "digest", lambda array: read.append(array.shape) or digest(array)
    )
    table = TruthTable.open(path)
    assert len(table) and len(table.columns) == 2 and read == []
    table.matrix("digits", "test", 2)
    table.matrix("digits", "test", 2)
    assert read == [(len(table), 1)]


def test_asking_for_what_is_not_there(path, space):
    table = TruthTable.open(path)
    cell = unflatten(space, table.architectures[0])
    holdings = r"it has digits/test at 2 or 10 epochs"
    with pytest.raises(
        UserError,
        match=r"no digit/test at 10 epochs: did you mean the data set 'digits'",
    ):
        table.lookup(cell, "digit", "test", 10)
    with pytest.raises(UserError, match=rf"no digits/test at 200 epochs: {holdings}"):
        table.lookup(cell, "digits", "test", 200)
    with pytest.raises(
        UserError,
        match=rf"no trial of .* on digits/test at 10 epochs: {len(table)} architectures",
    ):
        table.lookup(Architecture(((4,) * 6,)), "digits", "test", 10)


def test_a_class_is_spoken_for_by_its_representative(space):
    stored = space.representatives[:40]
    values = np.random.default_rng(0).integers(0, 101, (40, 1)).astype(float)
    table = TruthTable.build(
        name="t",
        space="nb201",
        choices=np.array([flatten(a) for a in stored]),
        columns={("d", "s", 1): (("0",), values)},
        canonical_only=True,
        **WHERE,
    )
    expected = {
        a: values[stored.index(c), 0] for a, c in space.classes.items() if c in stored
    }
    choices, _ = table.population
    assert len(expected) > 40
    assert (
        dict(
            zip(
                (unflatten(space, row) for row in choices),
                table.means("d", "s", 1),
                strict=True,
            )
        )
        == expected
    )
    assert all(
        table.lookup(a, "d", "s", 1).mean == value for a, value in expected.items()
    )
    with pytest.raises(UserError, match="have one"):
        table.lookup(space.representatives[50], "d", "s", 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choices": np.array([[0, 1, 2, 3, 4, 5]])}, "operation indices"),
        ({"choices": np.array([[0, 1, 2]])}, "x 6 edges"),
        ({"choices": np.zeros((2, 6))}, "occurs twice"),
        (
            {"choices": np.array([[1, 1, 1, 1, 1, 0]]), "canonical_only": True},
            "not the representative",
        ),
        ({"columns": {("d", "s", 1): (("0", "0"), np.zeros((1, 2)))}}, "occurs twice"),
        (
            {"columns": {("d", "s", 1): (("0",), np.zeros((2, 1)))}},
            "architectures x seeds",
        ),
        ({"columns": {("d", "s", 1): (("0",), np.array([[100.5]]))}}, "0..100"),
        ({"columns": {("d", "s", 1): (("0",), np.array([[-np.inf]]))}}, "0..100"),
        ({"space": "nb20"}, "unknown space 'nb20': known: "),
    ],
)
def test_bad_content_is_refused(change, message):
    content = {
        "choices": np.zeros((1, 6)),
        "columns": {("d", "s", 1): (("0",), np.array([[50.0]]))},
    }
    TruthTable.build(**({"name": "t", "space": "nb201"} | WHERE | content))
    if "choices" in change:
        content["columns"] = {}
    with pytest.raises(UserError, match=message):
        TruthTable.build(**({"name": "t", "space": "nb201"} | WHERE | content | change))


def whole_content(path):
    table = TruthTable.open(path)
    return table.architectures.tobytes(), [
        table.matrix(*column.key).tobytes() for column in table.columns
    ]


def test_no_flipped_bit_goes_unnoticed(path):
    whole, content = path.read_bytes(), whole_content(path)
    refused = 0
    for position in range(0, len(whole), 3):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            assert whole_content(path) == content
        except UserError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > len(whole) / 6


def test_truncated(path):
    whole = path.read_bytes()
    for size in range(0, len(whole), 50):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match="not a truth table, or damaged"):
            TruthTable.open(path)


def test_an_exchanged_column_is_noticed(path, tmp_path):
    other = small(np.full((40, 3), 50.0))[0]
    other.save(tmp_path / "other.npz")
    with (
        zipfile.ZipFile(path) as ours,
        zipfile.ZipFile(tmp_path / "other.npz") as theirs,
    ):
        members = {
            name: (theirs if name == "column1.npy" else ours).read(name)
            for name in ours.namelist()
        }
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    table = TruthTable.open(path)
    table.matrix("digits", "test", 2)
    with pytest.raises(
        UserError,
        match=r"small\.npz is damaged .* delete it, then build or import it again",
    ):
        table.matrix("digits", "test", 10)


def test_foreign_and_newer_files(path, tmp_path, canary):
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    np.savez(
        tmp_path / "b.npz", header=np.array([canary], dtype=object), allow_pickle=True
    )
    with (tmp_path / "c.npz").open("wb") as file:
        np.save(file, np.arange(3))
    (tmp_path / "d.npz").write_text("arch,dataset\n")
    for name in "abcd":
        with pytest.raises(UserError, match="not a truth table, or damaged"):
            TruthTable.open(tmp_path / f"{name}.npz")
    assert not canary.path.exists()
    with pytest.raises(UserError, match=r"'archselect truth list'"):
        TruthTable.open(tmp_path / "missing.npz")
    header = np.frombuffer(
        json.dumps({"schema": 2, "checksum": ""}).encode(), dtype=np.uint8
    )
    np.savez(path, header=header)
    with pytest.raises(UserError, match="has schema 2, not 1"):
        TruthTable.open(path)


def test_a_failed_save_leaves_the_old_file(path, monkeypatch):
    whole = path.read_bytes()

    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(UserError, match="No space left on device; free space"):
        small(np.zeros((40, 3)))[0].save(path)
    assert path.read_bytes() == whole and list(path.parent.iterdir()) == [path]


def test_the_same_table_is_the_same_file(path, tmp_path):
    TruthTable.open(path).save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"name": 3},
        {"canonical_only": "no"},
        {"architectures": True},
        {"columns": {}},
        {"columns": [{}]},
        {"columns": []},
        {"arrays": {}},
        {"arrays": {"choices": ""}},
        {"provenance": "dreamt"},
        {"space": "../../evil"},
        {"details": None},
    ],
    ids=str,
)
def test_a_header_of_another_form_whose_checksum_fits(tmp_path, change):
    """Anyone can make a checksum."""
    builder = TableBuilder(get_space("nb201"))
    builder.add(next(builder.space.enumerate()), "d", "s", 1, "0", 50.0)
    arrays = builder.table("t", origin="o", licence="l").to_arrays()
    header = json.loads(arrays["header"].tobytes()) | change
    header["checksum"] = sealed_arrays.header_checksum(header)
    path = tmp_path / "t.npz"
    np.savez(
        path,
        **arrays
        | {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)},
    )
    with pytest.raises(UserError, match=r"t\.npz is"):
        TruthTable.open(path)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("choices", np.full((1, 6), 5, np.int8)),
        ("choices", np.full((1, 6), -1, np.int8)),
        ("choices", np.zeros((2, 6), np.int8)),
        ("choices", np.zeros((1, 6), np.int64)),
        ("column0", np.zeros((1, 2), np.uint16)),
        ("column0", np.full((1, 1), 101, np.uint16)),
        ("column0", np.zeros((1, 1), np.float32)),
        ("column0", np.zeros(1, np.uint16)),
    ],
)
def test_arrays_that_do_not_fit_whose_checksums_do(tmp_path, name, array):
    builder = TableBuilder(get_space("nb201"))
    builder.add(next(builder.space.enumerate()), "d", "s", 1, "0", 1.0)
    arrays = builder.table("t", origin="o", licence="l").to_arrays() | {name: array}
    header = json.loads(arrays["header"].tobytes())
    header["arrays"][name] = sealed_arrays.digest(array)
    header["checksum"] = sealed_arrays.header_checksum(header)
    path = tmp_path / "t.npz"
    np.savez(
        path,
        **arrays
        | {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)},
    )
    table = TruthTable.open(path)
    with pytest.raises(UserError, match=r"t\.npz is damaged"):
        table.matrix("d", "s", 1) if name == "column0" else table.architectures
