"""Records as a report keeps them hold what their files do."""

from __future__ import annotations

import pytest

from archselect.benchmarks.records import Folder, Record
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.reading import Columns, read_records


def test_nothing_is_lost(folder):
    for kept, written in zip(read_records(Folder(folder)), Folder(folder).read_all(Record), strict=True):
        scores = {name: list(getattr(kept.selected, name)) for name in ("operation_scores", "edge_scores", "decisions")}
        assert kept.model_copy(update={"selected": kept.selected.model_copy(update=scores)}) == written


def test_equal_parts_are_one(folder):
    records = [record for record in read_records(Folder(folder)) if record.inputs.selector.label == "darts-pt"]
    first, *others = records
    assert others
    for record in others:
        assert record.inputs.selector is first.inputs.selector and record.cost.machine is first.cost.machine
        assert record.selected.operations is first.selected.operations


def test_a_part_of_columns_is_columns(folder):
    scores = next(r.selected.operation_scores for r in read_records(Folder(folder)) if r.selected.operation_scores)
    assert isinstance(scores, Columns) and list(scores[1:3]) == list(scores)[1:3] and len(scores[1:3]) == 2


def test_a_broken_record_says_where(folder):
    path = Folder(folder).paths(Record)[3]
    path.write_text(path.read_text().replace('"supernet_seed": ', '"supernet_seed": "x",\n"was": '))
    with pytest.raises(UserError, match=rf"{path.name} is not a valid record: inputs.supernet_seed"):
        list(read_records(Folder(folder)))
