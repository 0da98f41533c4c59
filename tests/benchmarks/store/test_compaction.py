"""All records of a folder in one file: the same records as from their own files, whatever became of either."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT

from archselect.benchmarks.store import compaction
from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.compaction import compact, read_records
from archselect.benchmarks.store.facts import encode_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Accuracy,
    ArchitectureScore,
    CellGraph,
    Counts,
    DataInputs,
    Decision,
    EdgeScore,
    Formulations,
    Inputs,
    OperationScore,
    Record,
    Scale,
    SearchCost,
    Selected,
    SelectorInputs,
    SupernetInputs,
    Time,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.parquet import check_parquet

RESULTS = ROOT / "docs" / "results"


def texts(records):
    """Each record's text, by its id."""
    return {record.id: encode_fact(record) for record in records}


def from_files(folder):
    return texts(folder.read_all(Record))


@pytest.fixture
def folder(tmp_path):
    """Real records of several spaces, without scores, with operation scores and with architecture scores."""
    for name in ("collapse-s2-s4-cpu", "zero-cost-pt-nb201-cpu-cifar100"):
        shutil.copytree(
            RESULTS / name / "records", tmp_path / "records", dirs_exist_ok=True
        )
    return Folder(tmp_path)


@pytest.mark.parametrize("at_once", [1, 5, 5_000])
def test_the_records_are_the_same(folder, monkeypatch, at_once):
    monkeypatch.setattr(compaction, "_GROUP_SIZE", at_once)
    whole = from_files(folder)
    assert compact(folder, fewest=1) == len(whole) == 32
    for path in (folder.root / "records").iterdir():
        stamp = path.stat()
        path.write_bytes(
            b"x" * stamp.st_size
        )  # so that they must come out of the one file
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    records = list(read_records(folder))
    assert texts(records) == whole
    assert [
        Record.model_validate_json(encode_fact(record)) for record in records
    ] == records
    some = sorted(whole)[3:5]
    assert (
        sorted(
            record.id for record in read_records(folder, [*some, "0123456789abcdef"])
        )
        == some
    )


def test_what_records_share_is_one_object(folder):
    compact(folder, fewest=1)
    records = [r for r in read_records(folder) if r.inputs.space == "nb201"]
    assert len({id(r.inputs.supernet) for r in records}) == len(
        {r.inputs.supernet.model_dump_json() for r in records}
    )
    assert len({id(r.cost.machine) for r in records}) == 1


def test_the_files_are_the_truth(folder):
    whole = from_files(folder)
    compact(folder, fewest=1)
    gone, changed, new, *_ = sorted(whole)
    folder.path(Record, gone).unlink()
    record = next(read_records(folder, [changed]))
    write_fact(
        folder.path(Record, changed), record.model_copy(update={"commit": "another"})
    )
    folder.path(Record, new).rename(folder.path(Record, "0123456789abcdef"))
    assert texts(read_records(folder)) == from_files(folder) != whole
    assert compact(folder, fewest=3) == 0
    assert compact(folder, fewest=1) == 2
    assert texts(read_records(folder)) == from_files(folder)
    assert pq.ParquetFile(folder.compact_path).metadata.num_rows == 31
    shutil.rmtree(folder.root / "records")
    assert list(read_records(folder)) == []


def test_a_file_that_takes_too_much_memory_is_not_read(folder, monkeypatch):
    """As if it were damaged: the records come from their own files."""
    whole = from_files(folder)
    compact(folder, fewest=1)
    assert list(compaction._read_groups(folder))

    def refuse(path):
        raise UserError(f"{path} unpacks to much")

    monkeypatch.setattr(compaction, "check_parquet", refuse)
    assert not list(compaction._read_groups(folder))
    assert texts(read_records(folder)) == whole


def test_records_are_far_from_the_limits(folder):
    """As many as ten thousand: what each takes is a small part of what a file of their size may."""
    compact(folder, fewest=1)
    check_parquet(folder.compact_path)
    table = pq.read_table(folder.compact_path)
    pq.write_table(
        pa.concat_tables([table] * 320),
        folder.compact_path,
        compression="zstd",
        row_group_size=5_000,
    )
    check_parquet(folder.compact_path)


def test_a_record_that_is_removed_while_records_are_read(folder, monkeypatch):
    """And a link to nothing: neither is there."""
    whole = from_files(folder)
    gone = sorted(whole)[0]
    (folder.root / "records" / "0123456789abcdef.json").symlink_to("nothing.json")
    found = compaction._read_stamps(folder)
    assert found.keys() == whole.keys()
    monkeypatch.setattr(compaction, "_read_stamps", lambda _: found)
    folder.path(Record, gone).unlink()
    assert texts(read_records(folder)).keys() == whole.keys() - {gone}


def test_few_records_are_left_alone(folder):
    assert compact(folder) == compact(Folder(folder.root / "nothing")) == 0
    assert not folder.compact_path.exists()


def test_little_that_is_new_waits(folder):
    """For a tenth of what is there, so that a study that grows is not written again and again."""
    compact(folder, fewest=1)
    record = next(read_records(folder))
    added = []
    for place in range(3):
        write_fact(folder.path(Record, f"{place:016x}"), record)
        added.append(compact(folder, fewest=1))
    assert added == [0, 0, 3]


def test_a_damaged_record_is_named(folder):
    path = folder.path(Record, sorted(from_files(folder))[0])
    path.write_text("{")
    for use in (lambda: list(read_records(folder)), lambda: compact(folder, fewest=1)):
        with pytest.raises(UserError, match=f"{path} is not a valid record"):
            use()


def test_a_file_of_another_schema_is_not_used(folder, monkeypatch):
    compact(folder, fewest=1)
    other = compaction._schema().with_metadata({"schema": "0"})
    monkeypatch.setattr(compaction, "_schema", lambda: other)
    assert compact(folder, fewest=1) == 32


@given(st.data())
@settings(max_examples=300)
def test_a_damaged_file_is_not_used(damaged, data):
    """Cut off anywhere, or with bytes changed anywhere: the records are those of the files."""
    folder, whole, content = damaged
    if data.draw(st.booleans()):
        broken = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        broken = bytearray(content)
        for place in data.draw(
            st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)
        ):
            broken[place] ^= data.draw(st.integers(1, 255))
    folder.compact_path.write_bytes(bytes(broken))
    assert texts(read_records(folder)) == whole


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    root = tmp_path_factory.mktemp("damaged")
    shutil.copytree(
        RESULTS / "zero-cost-pt-nb201-cpu-cifar100" / "records", root / "records"
    )
    folder = Folder(root)
    compact(folder, fewest=1)
    return folder, from_files(folder), folder.compact_path.read_bytes()


words = st.text(st.characters(codec="utf-8"), max_size=4)
ids = st.text("0123456789abcdef", min_size=16, max_size=16)
whole_numbers = st.integers(-(2**31), 2**31 - 1)
numbers = st.floats()
plain = st.dictionaries(
    words, st.one_of(words, st.integers(), st.booleans(), st.none()), max_size=2
)
sizes = st.integers(0, 2**63 - 1)


def rows(kind, *fields):
    return st.lists(st.builds(kind, *fields), max_size=3).map(
        lambda found: Columns(kind, found)
    )


formulation_numbers = st.dictionaries(words, st.integers(1, 9), max_size=2)
all_records = st.builds(
    Record,
    id=ids,
    inputs=st.builds(
        Inputs,
        space=words,
        data=st.from_type(DataInputs),
        supernet=st.builds(
            SupernetInputs,
            recipe=words,
            settings=plain,
            skeleton=plain,
            source=st.none() | words,
        ),
        selector=st.builds(
            SelectorInputs,
            name=words,
            label=words,
            settings=plain,
            source=st.none() | words,
        ),
        supernet_seed=sizes,
        selection_seed=sizes,
        formulations=st.builds(
            Formulations, supernet=formulation_numbers, selector=formulation_numbers
        ),
    ),
    selected=st.builds(
        Selected,
        architecture=words,
        canonical=words,
        graph=st.lists(
            st.builds(
                CellGraph,
                edges=st.lists(
                    st.tuples(whole_numbers, whole_numbers, words), max_size=2
                ),
            ),
            max_size=2,
        ),
        operations=st.lists(
            st.lists(st.lists(words, max_size=2), max_size=2), max_size=2
        ),
        edges=st.lists(
            st.lists(st.tuples(whole_numbers, whole_numbers), max_size=2), max_size=2
        ),
        operation_scale=st.none() | st.from_type(Scale),
        operation_scores=rows(OperationScore, *[whole_numbers] * 5, numbers),
        edge_scores=rows(EdgeScore, *[whole_numbers] * 5, numbers),
        decisions=rows(Decision, *[whole_numbers] * 5),
        architecture_scale=st.none() | st.from_type(Scale),
        architecture_scores=rows(ArchitectureScore, words, numbers),
    ),
    accuracies=st.lists(
        st.builds(
            Accuracy,
            landscape=ids,
            surrogate_tau=st.none() | numbers,
            trials=st.lists(numbers, max_size=2),
            trial_seeds=st.lists(words, max_size=2),
            mean=st.none() | numbers,
            rank=st.none() | sizes,
            scored=st.lists(st.none() | numbers, max_size=2),
        ),
        max_size=2,
    ),
    cost=st.builds(
        SearchCost,
        phases=st.dictionaries(
            words, st.builds(Time, seconds=numbers, calls=sizes), max_size=2
        ),
        counts=st.dictionaries(words, st.from_type(Counts), max_size=2),
        warmup=numbers,
        peak_memory=sizes,
    ),
    code_version=words,
    commit=st.none() | words,
    supernet_commit=st.none() | words,
)


@given(st.lists(all_records, min_size=1, max_size=4))
@settings(max_examples=100)
def test_whatever_a_record_holds(tmp_path_factory, records):
    folder = Folder(tmp_path_factory.mktemp("any"))
    for place, record in enumerate(records):
        write_fact(folder.path(Record, f"{place}"), record)
    assert compact(folder, fewest=1) == len(records)
    assert [encode_fact(record) for record in read_records(folder)] == [
        encode_fact(record) for record in records
    ]


def test_scores_are_parts_of_one_array(folder):
    """A hundred thousand records do not hold a hundred thousand small arrays."""
    compact(folder, fewest=1)
    scored = [
        r.selected.operation_scores
        for r in read_records(folder)
        if len(r.selected.operation_scores)
    ]
    first, *others = [scores.column("value") for scores in scored]
    assert others and all(
        other.base is not None and np.may_share_memory(first.base, other.base)
        for other in others
    )
