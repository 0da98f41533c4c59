"""The schema of a folder of records, one file per kind.

Scales, scores of operations and edges, and decisions are defined with selections, and a
surrogate's agreement with ground truths. This package does not import torch.
"""

from archselect.benchmarks.store.records.accuracy import Accuracy
from archselect.benchmarks.store.records.architecture_cost import (
    ArchitectureCost,
    CostFit,
)
from archselect.benchmarks.store.records.cost import (
    Counts,
    Machine,
    SearchCost,
    Time,
    TrainingCost,
    check_cost,
)
from archselect.benchmarks.store.records.front import (
    FrontPoint,
    TrueFront,
    front_id,
)
from archselect.benchmarks.store.records.inputs import (
    NO_SUPERNET,
    DataInputs,
    Formulations,
    Inputs,
    RewardInputs,
    SelectorInputs,
    SupernetInputs,
    TrainedInputs,
    supernet_id,
)
from archselect.benchmarks.store.records.landscape import Landscape
from archselect.benchmarks.store.records.memory import (
    MemoryRefusal,
    StepMemoryFacts,
    SubSpaceAccuracy,
)
from archselect.benchmarks.store.records.mixture_cost import SupernetMixtureCost
from archselect.benchmarks.store.records.query_baseline import (
    QueriedPopulation,
    QueryBaseline,
    RandomQueries,
    query_baseline_id,
    query_marks,
    query_numbers,
)
from archselect.benchmarks.store.records.record import Failure, Record, check_records
from archselect.benchmarks.store.records.scores import (
    Population,
    Score,
    Scored,
    ScorerFacts,
    Scoring,
    ScoringInputs,
)
from archselect.benchmarks.store.records.selected import (
    ArchitectureScore,
    CellGraph,
    Selected,
)
from archselect.benchmarks.store.records.study import Reproduced, StudyInfo
from archselect.benchmarks.store.records.training import (
    Trained,
    TrainingData,
    TrainingEpoch,
    TrainingInputs,
)
from archselect.nasbench_adapters.agreement import Agreement
from archselect.selectors.selection import (
    Closing,
    Decision,
    EdgeScore,
    OperationScore,
    Scale,
)

__all__ = [
    "NO_SUPERNET",
    "Accuracy",
    "Agreement",
    "ArchitectureCost",
    "ArchitectureScore",
    "CellGraph",
    "Closing",
    "CostFit",
    "Counts",
    "DataInputs",
    "Decision",
    "EdgeScore",
    "Failure",
    "Formulations",
    "FrontPoint",
    "Inputs",
    "Landscape",
    "Machine",
    "MemoryRefusal",
    "OperationScore",
    "Population",
    "QueriedPopulation",
    "QueryBaseline",
    "RandomQueries",
    "Record",
    "Reproduced",
    "RewardInputs",
    "Scale",
    "Score",
    "Scored",
    "ScorerFacts",
    "Scoring",
    "ScoringInputs",
    "SearchCost",
    "Selected",
    "SelectorInputs",
    "StepMemoryFacts",
    "StudyInfo",
    "SubSpaceAccuracy",
    "SupernetInputs",
    "SupernetMixtureCost",
    "Time",
    "Trained",
    "TrainedInputs",
    "TrainingCost",
    "TrainingData",
    "TrainingEpoch",
    "TrainingInputs",
    "TrueFront",
    "check_cost",
    "check_records",
    "front_id",
    "query_baseline_id",
    "query_marks",
    "query_numbers",
    "supernet_id",
]
