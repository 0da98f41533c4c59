import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.study_folder import make_inputs, make_record

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import Fact, content_id, read_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.ranges import Impossible
from archselect.benchmarks.store.records import (
    Accuracy,
    ArchitectureCost,
    ArchitectureScore,
    CellGraph,
    CostFit,
    Counts,
    Decision,
    EdgeScore,
    Failure,
    Inputs,
    Landscape,
    Machine,
    OperationScore,
    Record,
    RewardInputs,
    SearchCost,
    SelectorInputs,
    StudyInfo,
    Time,
    TrainedInputs,
    check_records,
)
from archselect.nasbench_adapters.errors import UserError

INFO = StudyInfo(
    name="s",
    title="S",
    description="",
    labels=[],
    tables=[],
    runs=[],
    command="archselect run s",
    source="",
)

texts = st.text(st.characters(codec="utf-8"), max_size=8)
ids = st.text("0123456789abcdef", min_size=16, max_size=16)
places = st.integers(0, 9)
values = st.floats(allow_nan=True, allow_infinity=True)


class Scores(Fact):
    """Rows of each kind."""

    operations: Columns[OperationScore]
    edges: Columns[EdgeScore]
    decisions: Columns[Decision]
    architectures: Columns[ArchitectureScore]


def rows(kind, **fields):
    return st.lists(st.builds(kind, **fields), max_size=3).map(
        lambda found: Columns(kind, found)
    )


at = {"round": places, "step": places, "cell": places, "edge": places}
scores = st.builds(
    Scores,
    operations=rows(OperationScore, **at, choice=places, value=values),
    edges=rows(EdgeScore, **at, node=places, value=values),
    decisions=rows(Decision, **at, choice=places),
    architectures=rows(ArchitectureScore, architecture=texts, value=values),
)
accuracies = st.builds(
    Accuracy,
    landscape=ids,
    trials=st.lists(values, max_size=3),
    trial_seeds=st.lists(texts, max_size=3),
    mean=values,
    rank=places,
    scored=st.lists(values, max_size=3),
)
settings = st.dictionaries(
    texts,
    st.one_of(
        texts,
        st.integers(),
        st.booleans(),
        st.none(),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
)
fits = st.builds(
    CostFit,
    cells=places,
    held_out=places,
    mape=values,
    rank_correlation=st.none() | values,
)
costs = st.builds(
    ArchitectureCost,
    name=texts,
    of=texts,
    unit=texts,
    origin=texts,
    value=st.none() | values,
    scored=st.lists(st.none() | values, max_size=3),
    fit=st.none() | fits,
)
facts = st.one_of(
    scores,
    accuracies,
    costs,
    st.builds(Time, seconds=values, calls=places),
    st.builds(
        SelectorInputs,
        name=texts,
        label=texts,
        settings=settings,
        source=st.none() | texts,
    ),
    st.builds(CellGraph, edges=st.lists(st.tuples(places, places, texts), max_size=2)),
    st.builds(StudyInfo, runs=st.lists(ids, max_size=3)),
)


def same(a, b):
    """Equality by which NaN equals NaN and -0.0 is not 0.0."""
    if isinstance(a, dict):
        return (
            isinstance(b, dict)
            and list(a) == list(b)
            and all(same(a[k], b[k]) for k in a)
        )
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


@given(fact=facts)
def test_facts_survive_writing_and_reading(tmp_path_factory, fact):
    path = tmp_path_factory.getbasetemp() / "fact.json"
    write_fact(path, fact)
    assert same(read_fact(path, type(fact)).model_dump(), fact.model_dump())


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_no_file_holds_a_number_that_json_does_not_know(tmp_path, value):
    path = tmp_path / "fact.json"
    write_fact(path, Time(seconds=value, calls=1))

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    written = json.loads(path.read_text(), parse_constant=refuse)["seconds"]
    assert isinstance(written, str)
    assert repr(float(written)) == repr(value)


def test_the_source_of_a_supernet_is_part_of_its_id(inputs):
    supernet = inputs.supernet
    assert supernet.source is None
    assert supernet.model_dump().keys() == {"recipe", "settings", "skeleton", "source"}
    own = supernet.model_copy(update={"source": "file 0123456789abcdef"})
    assert type(own).model_validate_json(own.model_dump_json()) == own
    edited = inputs.model_copy(update={"supernet": own})
    assert edited.id != inputs.id and edited.supernet_id != inputs.supernet_id


def test_facts_are_frozen_and_closed(inputs):
    with pytest.raises(ValidationError):
        inputs.supernet_seed = 1
    with pytest.raises(ValidationError, match="extra"):
        Time.model_validate({"seconds": 1.0, "calls": 1, "hours": 0})


json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=10,
)


def reordered(value):
    """The same content with every object's keys in the opposite order."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value


@given(content=json_values)
def test_content_id_is_of_the_content_not_of_the_order_of_keys(content):
    id = content_id(content)
    assert len(id) == 16 and set(id) <= set("0123456789abcdef")
    assert content_id(reordered(content)) == id


@given(st.lists(json_values, min_size=2, max_size=2))
def test_content_id_tells_contents_apart(pair):
    a, b = (json.dumps(value, sort_keys=True) for value in pair)
    assert (content_id(pair[0]) == content_id(pair[1])) == (a == b)


def test_content_id_has_not_changed():
    """Names of records outlive versions: the hash is part of the format."""
    assert content_id({"b": [1, 2.5, None], "a": "τ"}) == "b7351290c557ea75"


def leaves(content, path=()):
    """The path of every leaf of nested objects."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def changed(content, path):
    first, *rest = path
    value = content[first]
    if rest:
        return content | {first: changed(value, rest)}
    if value in CHANGED_WORDS:
        return content | {first: CHANGED_WORDS[value]}
    if isinstance(value, bool):
        return content | {first: not value}
    return content | {first: value + 1 if isinstance(value, int | float) else "another"}


CHANGED_WORDS = {
    "table": "supernet",
    "first": "mean",
    "none": "free",
    "running": "batch",
    "texts": "classes",
    "0123456789abcdef": "0123456789abcde0",
}


def test_the_id_of_inputs_changes_with_every_field(inputs):
    reward = RewardInputs(
        source="table",
        landscape="0123456789abcdef",
        trial="first",
        norm="running",
        counting="texts",
        queries=3,
        training=TrainedInputs(
            graph="a graph",
            checksum="its checksum",
            sharing="none",
            epochs=3,
            learning_rate=0.1,
            weight_decay=0.0,
            hidden=4,
            layers_before=1,
            layers_after=0,
            heads=2,
            dropout=0.5,
            formulation=1,
        ),
    )
    asking = inputs.model_copy(update={"reward": reward})
    plain = asking.model_dump()
    paths = list(leaves(plain))
    assert {path[0] for path in paths} == set(Inputs.model_fields)
    ids = [Inputs.model_validate(changed(plain, path)).id for path in paths]
    distinct = {inputs.id, asking.id, *ids}
    assert len(distinct) == 2 + len(paths)
    assert Inputs.model_validate(reordered(plain)).id == asking.id


def test_inputs_without_a_reward_are_those_from_before_there_was_one(inputs):
    content = inputs.model_dump(mode="json")
    assert content.pop("reward") is None
    assert content_id(content) == inputs.id == Inputs.model_validate(content).id


def test_facts_of_a_record_leave_out_times_memory_and_machine(inputs):
    machine = Machine(
        device="cpu",
        device_name="a",
        threads=1,
        platform="p",
        python="3",
        torch="2",
        deterministic=True,
    )

    def record(seconds, memory, machine, forwards=3):
        cost = SearchCost(
            phases={"score": Time(seconds=seconds, calls=1)},
            counts={"score": Counts(forwards=forwards)},
            warmup=seconds,
            peak_memory=memory,
            memory_kind="process",
            machine=machine,
            supernet_machine=machine,
        )
        selected = {
            **dict.fromkeys(("operation_scale", "architecture_scale")),
            **{key: [] for key in ("graph", "operations", "edges")},
            **{"architecture": "a", "canonical": "a"},
            "operation_scores": Columns(OperationScore),
            "edge_scores": Columns(EdgeScore),
            "decisions": Columns(Decision),
            "architecture_scores": Columns(ArchitectureScore),
        }
        return Record(
            id=inputs.id,
            inputs=inputs,
            selected=selected,
            accuracies=[],
            cost=cost,
            code_version="0",
            commit="a",
        )

    here, there = (
        record(1.0, 10, machine),
        record(2.0, 20, machine.model_copy(update={"device_name": "b"})),
    )
    there = there.model_copy(
        update={"code_version": "1", "commit": "b", "supernet_commit": "c"}
    )
    assert here != there
    assert here.facts() == there.facts()
    assert here.facts() != record(1.0, 10, machine, forwards=4).facts()
    assert json.loads(json.dumps(here.facts()))["inputs"]["supernet_seed"] == 0


def parts(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


def test_a_full_disk_leaves_the_old_fact_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "fact.json"
    write_fact(path, Time(seconds=1.0, calls=1))

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError) as caught:
        write_fact(path, Time(seconds=2.0, calls=1))
    assert str(caught.value).startswith(
        f"cannot write {path}: No space left on device; free space"
    )
    assert read_fact(path, Time).seconds == 1.0
    assert parts(tmp_path) == []


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch
):
    path = tmp_path / "fact.json"
    write_fact(path, Time(seconds=1.0, calls=1))

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_fact(path, Time(seconds=2.0, calls=1))
    assert read_fact(path, Time).seconds == 1.0
    assert parts(tmp_path) == []


@pytest.mark.parametrize("place", ["file/x", "file/x/y", "folder"])
def test_a_place_that_cannot_be_written(tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*; name another folder"):
        write_fact(tmp_path / place, INFO)
    assert (tmp_path / "file").read_text() == "in the way"
    assert parts(tmp_path) == []


def test_reading_names_the_file_and_the_field(tmp_path):
    path = tmp_path / "study.json"
    with pytest.raises(UserError, match=f"cannot read {path}: No such file"):
        read_fact(path, StudyInfo)
    write_fact(path, INFO)
    assert read_fact(path, StudyInfo) == INFO
    whole = path.read_bytes()
    for damaged, where in [
        (whole[: len(whole) // 2], "the file: Invalid JSON"),
        (b"", "the file: Invalid JSON"),
        (b"[]", "the file: Input should be an object"),
        (whole.replace(b'"labels"', b'"labelz"'), "labels: Field required"),
        (
            whole.replace(b'"schema_version": 1', b'"schema_version": 2'),
            "schema_version: Input should be 1",
        ),
        (
            whole.replace(b'"runs": []', b'"runs": [3]'),
            r"runs.0: Input should be a valid string",
        ),
        (b"\xff\xfe", "the file: Invalid JSON"),
    ]:
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=where) as caught:
            read_fact(path, StudyInfo)
        assert str(caught.value).startswith(f"{path} is not a valid studyinfo: ")
        assert str(caught.value).endswith("; remove it and run again")
        assert "\n" not in str(caught.value)


def test_a_folder_without_a_study(tmp_path):
    folder = Folder(tmp_path)
    with pytest.raises(
        UserError, match=r"holds no study\.json: name a folder that 'archselect run"
    ):
        folder.study()
    assert list(folder.read_all(Record)) == []
    write_fact(folder.study_path, INFO)
    assert folder.study() == INFO


def test_a_folder_reads_all_of_a_kind_in_order_of_name(tmp_path, inputs):
    folder = Folder(tmp_path)
    for id in ("b" * 16, "c" * 16, "a" * 16):
        write_fact(
            folder.path(Failure, id),
            Failure(id=id, inputs=inputs, error="e", traceback="t"),
        )
    assert [failure.id for failure in folder.read_all(Failure)] == [
        "a" * 16,
        "b" * 16,
        "c" * 16,
    ]
    assert folder.path(Failure, "a") == tmp_path / "failures" / "a.json"
    assert folder.path(Record, "a") == tmp_path / "records" / "a.json"
    assert folder.path(Landscape, "a") == tmp_path / "landscapes" / "a.json"


@pytest.mark.parametrize(
    "id", ["../../evil", "/evil", "x", "", "A" * 16, "a" * 17, "a" * 15 + "\n"]
)
def test_an_id_that_could_be_a_way_elsewhere(tmp_path, inputs, id):
    folder = Folder(tmp_path)
    failure = Failure(id=inputs.id, inputs=inputs, error="e", traceback="t")
    write_fact(folder.path(Failure, "a"), failure.model_copy(update={"id": id}))
    with pytest.raises(
        UserError,
        match=r"a\.json is not a valid failure: id: String should match pattern",
    ):
        list(folder.read_all(Failure))


COST = ArchitectureCost(
    name="latency",
    of="params",
    unit="ms",
    origin="made up",
    value=1.0,
    scored=[2.0, None],
    fit=CostFit(cells=10, held_out=5, mape=3.0, rank_correlation=0.9),
)


def test_a_cost_that_can_be():
    COST.check_as("", 2)
    COST.model_copy(update={"value": -1.0}).check_as("", 2)
    COST.model_copy(update={"value": None, "scored": [], "fit": None}).check_as("", 2)


@pytest.mark.parametrize(
    "change",
    [
        {"value": float("nan")},
        {"value": float("inf")},
        {"value": -1.0, "fit": None},
        {"scored": [1.0]},
        {"scored": [1.0, float("-inf")]},
        {"fit": COST.fit.model_copy(update={"cells": 0})},
        {"fit": COST.fit.model_copy(update={"held_out": -1})},
        {"fit": COST.fit.model_copy(update={"mape": float("nan")})},
        {"fit": COST.fit.model_copy(update={"rank_correlation": 1.1})},
    ],
)
def test_a_cost_that_cannot_be(change):
    with pytest.raises(Impossible):
        COST.model_copy(update=change).check_as("", 2)


@pytest.mark.parametrize(
    "costs",
    [
        [COST, COST],
        [COST.model_copy(update={"value": float("nan")})],
        [COST.model_copy(update={"scored": [1.0] * 99})],
        [COST.model_copy(update={"fit": COST.fit.model_copy(update={"mape": -1})})],
    ],
)
def test_many_records_are_refused_as_one_is(costs):
    record = make_record(make_inputs("random", 0))
    check_records([record, record])
    bad = record.model_copy(update={"costs": costs})
    with pytest.raises(Impossible):
        bad.check()
    with pytest.raises(Impossible):
        check_records([record, bad])
