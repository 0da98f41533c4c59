"""Budgets of memory in a whole study: what fits runs, what does not is refused, and both are in the table."""

from itertools import chain

import numpy as np
import pytest
from support import study_folder

from archselect.benchmarks.optimisers.supernets import Recipe
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.runs.sub_spaces import judge
from archselect.benchmarks.runtime.calls import pack, perform
from archselect.benchmarks.store import records
from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.compaction import compact, read_records
from archselect.benchmarks.store.facts import read_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.ranges import Impossible
from archselect.benchmarks.store.records import (
    Closing,
    Failure,
    Landscape,
    Record,
    StepMemoryFacts,
    SubSpaceAccuracy,
)
from archselect.nasbench_adapters.networks.step_memory import (
    MemoryExceeded,
    StepMemoryCounter,
    describe_bytes,
    require_memory,
)
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.sub_space import live_candidates
from archselect.nasbench_adapters.truth import open_truth
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load
from archselect.reports.tables.memory import memory_table

BUDGET = 300_000
"""Bytes: below the step of the small study's supernet, above that of some cells."""
ROWS = """
[[supernets]]
recipe = "darts"
label = "whole"
epochs = 1
batch_size = 16
memory_budget = BUDGET

[[supernets]]
recipe = "darts"
label = "pruned"
epochs = 0
batch_size = 16
memory_budget = BUDGET

[[selectors]]
name = "magnitude"
on = ["whole"]

[[selectors]]
name = "random-pruning"
label = "random pruning"
on = ["pruned"]
budget = BUDGET
tune_epochs = 1

[[selectors]]
name = "random-pruning"
label = "all of it"
on = ["unlimited"]
budget = 1.0
tune_epochs = 1

[[supernets]]
recipe = "darts"
label = "unlimited"
epochs = 0
batch_size = 16
"""


@pytest.fixture
def study(write_study, tmp_path):
    path = write_study(('tables = ["tau", "accuracy", "time"]', 'tables = ["memory"]'))
    text = path.read_text(encoding="utf-8")
    head = text[: text.index("[[supernets]]")]
    path.write_text(head + ROWS.replace("BUDGET", str(BUDGET)), encoding="utf-8")
    return read_study(str(path))


@pytest.fixture
def finished(study, inline, tmp_path):
    root = tmp_path / "out"
    outcome = run_study(study, root, device="cpu")
    assert len(outcome.failed) == 2
    return root


def test_what_does_not_fit_is_refused_and_what_fits_runs(finished, small_truth, nb201):
    folder = Folder(finished)
    failures = list(folder.read_all(Failure))
    assert {own.inputs.selector.label for own in failures} == {"magnitude"}
    for failure in failures:
        needed = failure.memory.needed
        assert failure.memory.budget == BUDGET < needed
        words = f"needs {describe_bytes(needed)}, but the budget is {describe_bytes(BUDGET)}"
        assert words in failure.error
    finished_runs = list(folder.read_all(Record))
    assert len(finished_runs) == 4
    truth = open_truth(str(small_truth))
    for record in finished_runs:
        memory = record.memory
        assert memory.whole == failures[0].memory.needed
        closed = {(own.cell, own.edge, own.choice) for own in memory.closings}
        decisions = nb201.undecided()
        for own in memory.closings:
            edge = nb201.edges[own.cell][own.edge]
            decisions = decisions.close(edge, own.choice)
        assert memory.live == 30 - len(closed) and memory.operations == 30
        is_pruned = record.inputs.selector.label == "random pruning"
        assert memory.budget == (BUDGET if is_pruned else memory.whole)
        assert memory.step <= memory.budget
        assert bool(closed) == is_pruned
        (sub_space,) = memory.sub_spaces
        cells = every_cell(nb201, decisions)
        means = [truth.mean(cell, "made-up", "test", 1) for cell in cells]
        assert sub_space.architectures == len(cells) and not sub_space.drawn
        assert sub_space.mean == pytest.approx(np.mean(means), abs=1e-9)
        assert sub_space.best == max(means)


def every_cell(space, decisions):
    """All cells of live operations, one by one."""
    choices = [()]
    for edge in space.edges[0]:
        live = live_candidates(decisions, edge)
        choices = [(*before, own) for before in choices for own in live]
    return [Architecture((own,)) for own in choices]


def test_the_table_shows_both(finished):
    table = memory_table(load(finished))
    rows = {row.selector: row for row in table.frame.itertuples()}
    assert set(rows) == {"magnitude", "random pruning", "all of it"}
    refused = rows["magnitude"]
    assert (refused.seeds, refused.failed, refused.budget_bytes) == (0, 2, BUDGET)
    assert refused.step_bytes > BUDGET
    pruned, whole = rows["random pruning"], rows["all of it"]
    assert pruned.step_bytes <= BUDGET < whole.step_bytes == refused.step_bytes
    assert pruned.live < whole.live == 30
    assert whole.sub_space_cells == 15_625
    assert pruned.sub_space_cells < 15_625
    for row in (pruned, whole):
        assert row.sub_space_mean <= row.sub_space_best
        assert row.selected <= row.sub_space_best
        assert row.exploring_s > 0 and row.tuning_s > 0 and row.peak_memory_bytes > 0
    assert any("2 runs refused" in note for note in table.notes)
    assert "No run of magnitude finished." in table.answer
    text = write_report(finished).html.read_text(encoding="utf-8")
    assert "Memory of the search" in text


def test_a_study_without_budgets_records_none(quick, inline, tmp_path):
    root = tmp_path / "plain"
    run_study(quick, root, device="cpu")
    assert {record.memory for record in Folder(root).read_all(Record)} == {None}
    table = memory_table(load(root))
    assert table.frame.empty
    assert table.answer == "No search has a memory budget."


def test_a_budget_is_part_of_a_supernets_settings_only_where_it_is_given():
    plain = Recipe(recipe="darts")
    assert "memory_budget" not in plain.settings()
    assert Recipe(recipe="darts", memory_budget=5).settings() == {
        **plain.settings(),
        "memory_budget": 5,
    }
    assert plain.settings() == Recipe(recipe="darts", memory_budget=0).settings()


@pytest.mark.parametrize("bad", [-1, 2**63, 0.5, "1 GiB", None])
def test_what_is_no_number_of_bytes_is_refused(bad):
    with pytest.raises(ValueError, match="memory_budget"):
        Recipe(recipe="darts", memory_budget=bad)


def test_a_refusal_comes_back_from_a_worker_whole():
    error = perform(pack(require_memory, 6 * 2**30, 2**31)).error()
    assert isinstance(error, MemoryExceeded)
    assert (error.needed, error.budget) == (6 * 2**30, 2**31)
    assert "needs 6.0 GiB, but the budget is 2.0 GiB" in str(error)
    assert "needs 2,147,483,649 bytes, but the budget is 2,147,483,648" in str(
        MemoryExceeded(2**31 + 1, 2**31)
    )


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (102, "102 B"),
        (103, "0.1 KiB"),
        (5_905_580_032, "5.5 GiB"),
        (10**20, "93132257461.5 GiB"),
    ],
)
def test_bytes_in_words(count, words):
    assert describe_bytes(count) == words


def test_a_table_that_holds_none_of_a_sub_space_says_so(
    parts_of_the_truth, part, nb201
):
    cell = Architecture(((0,) * 6,))
    path = parts_of_the_truth("one", [cell])
    decisions = nb201.undecided().decide(0, 0, 3)
    judged = judge(open_truth(str(path)), part(path), decisions)
    assert (judged.architectures, judged.mean, judged.best) == (0, None, None)
    everything = judge(open_truth(str(path)), part(path), nb201.undecided())
    assert everything.architectures == 1
    assert everything.mean == everything.best


def test_the_budget_of_the_small_study_is_between_its_cells(nb201):
    skeleton = nb201.skeleton(channels=2, cells=1, reduction="pool")
    counter = StepMemoryCounter(nb201, skeleton, (1, 8, 8), 10)
    decisions = nb201.undecided()
    for edge in chain.from_iterable(nb201.edges):
        decisions = decisions.decide(edge.cell, edge.index, 0)
    least = counter.count(decisions).total(16)
    assert least < BUDGET < counter.count(nb201.undecided()).total(16)


IMPOSSIBLE = {
    "a step above the whole": ({"step": 10**9}, "is more than memory.whole"),
    "no live operation": ({"live": 0}, "memory.live"),
    "more live operations than there are": ({"live": 31}, "memory.live"),
    "a batch of nothing": ({"batch_size": 0}, "memory.batch_size"),
    "an accuracy above 100": ({"mean": 101.0}, "memory.sub_spaces.mean"),
    "an accuracy that is none": ({"best": float("nan")}, "memory.sub_spaces.best"),
    "a closing of no edge": (
        {"closing": Closing(0, 0, 0, 6, 0)},
        "not an edge of its cell",
    ),
    "a closing of no operation": (
        {"closing": Closing(0, 0, 0, 0, 5)},
        "not an operation of its edge",
    ),
    "a closing before the first step": (
        {"closing": Closing(0, -1, 0, 0, 0)},
        "memory.closings.step",
    ),
}


def pruned_record(**changes):
    """A made-up record with the memory of a step."""
    sub_space = {"mean": 50.0, "best": 60.0}
    memory = {"step": 5, "live": 12, "batch_size": 8}
    closing = changes.pop("closing", Closing(0, 0, 0, 1, 2))
    for name, value in changes.items():
        (sub_space if name in sub_space else memory)[name] = value
    record = study_folder.make_record(study_folder.make_inputs("magnitude", 0))
    facts = StepMemoryFacts(
        budget=6,
        whole=10,
        operations=30,
        closings=Columns(Closing, [closing]),
        sub_spaces=[
            SubSpaceAccuracy(
                landscape="ab" * 8, architectures=64, drawn=False, **sub_space
            )
        ],
        **memory,
    )
    return record.model_copy(update={"memory": facts})


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_no_run_can_have_measured_is_refused(name):
    changes, message = IMPOSSIBLE[name]
    pruned_record().check()
    records.check_records([pruned_record()] * 2)
    with pytest.raises(Impossible, match=message):
        pruned_record(**changes).check()
    with pytest.raises(Impossible, match=message):
        records.check_records([pruned_record(), pruned_record(**changes)])


def test_a_record_with_memory_is_read_as_it_was_written(tmp_path):
    record = pruned_record()
    write_fact(tmp_path / "a.json", record)
    assert read_fact(tmp_path / "a.json", Record) == record
    plain = record.model_copy(update={"memory": None})
    assert plain.id == record.id
    older = plain.model_dump(mode="json")
    del older["memory"]
    assert Record.model_validate(older) == plain


def test_records_with_memory_are_kept_in_one_file(tmp_path):
    """The compacted file of a folder gives the same records."""
    root = study_folder.make_folder(tmp_path / "study", seeds=2)
    folder = Folder(root)
    for record in list(folder.read_all(Record)):
        if record.inputs.selector.label == "magnitude":
            facts = pruned_record().memory
            changed = record.model_copy(update={"memory": facts})
            write_fact(folder.path(Record, record.id), changed)
    wanted = {record.id: record for record in folder.read_all(Record)}
    compact(folder)
    found = {record.id: record for record in read_records(folder, compacted=True)}
    assert found == wanted
    assert sum(record.memory is not None for record in found.values()) == 2


def test_the_table_is_the_plain_mean_of_its_records(tmp_path):
    """Every number of a row again, of two made-up records."""
    root = study_folder.make_folder(
        tmp_path / "study", seeds=2, labels=["magnitude", "darts-pt"], tables=["memory"]
    )
    folder = Folder(root)
    (landscape, *_) = folder.read_all(Landscape)
    changed = []
    for place, record in enumerate(folder.read_all(Record)):
        if record.inputs.selector.label == "darts-pt":
            facts = pruned_record(live=12 + place, mean=50.0 + place).memory
            judged = facts.sub_spaces[0].model_copy(update={"landscape": landscape.id})
            facts = facts.model_copy(update={"sub_spaces": [judged]})
            changed.append(record.model_copy(update={"memory": facts}))
    for record in changed:
        write_fact(folder.path(Record, record.id), record)
    table = memory_table(load(root))
    row = table.frame[table.frame.dataset == landscape.dataset].iloc[0]
    assert set(table.frame.selector) == {"darts-pt"}
    memories = [record.memory for record in changed]
    assert row.live == np.mean([own.live for own in memories])
    assert row.sub_space_mean == np.mean([own.sub_spaces[0].mean for own in memories])
    assert (row.sub_space_best, row.sub_space_cells) == (60.0, 64)
    assert (row.budget_bytes, row.step_bytes, row.whole_bytes) == (6, 5, 10)
    phases = [record.cost.phases for record in changed]
    tuning = [own["tune"].seconds + own["supernet"].seconds for own in phases]
    exploring = [own["data"].seconds + own["score"].seconds for own in phases]
    assert row.tuning_s == pytest.approx(np.mean(tuning))
    assert row.exploring_s == pytest.approx(np.mean(exploring))
    selected = [
        own.mean
        for record in changed
        for own in record.accuracies
        if own.landscape == landscape.id
    ]
    assert row.selected == pytest.approx(np.mean(selected))
    assert row.selected_std == pytest.approx(np.std(selected, ddof=1))
