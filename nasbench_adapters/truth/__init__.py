"""Ground truths: accuracies of architectures, looked up by dataset, split and epochs.

Every source is converted once into a :class:`.table.TruthTable`, one compact file that
opens in milliseconds. For a space that is too large for a table, a
:class:`.surrogate.Surrogate` predicts accuracies; its numbers are always shown with the
quality of its predictions. Both are a :class:`.ground_truth.GroundTruth`. This package
does not import torch.

Import and fit them with :func:`.importing.import_truth` and
:func:`.named_surrogates.fit_truth`, which need pandas and are not imported here.
"""

from archselect.nasbench_adapters.agreement import Agreement
from archselect.nasbench_adapters.truth.ground_truth import Column, GroundTruth, Trials
from archselect.nasbench_adapters.truth.landscape import (
    LandscapeNumbers,
    landscape,
    rank,
)
from archselect.nasbench_adapters.truth.registry import (
    TruthListing,
    check_column,
    list_truths,
    open_table,
    open_truth,
)
from archselect.nasbench_adapters.truth.storage import builtin_path
from archselect.nasbench_adapters.truth.surrogate import Surrogate
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder

__all__ = [
    "Agreement",
    "Column",
    "GroundTruth",
    "LandscapeNumbers",
    "Surrogate",
    "TableBuilder",
    "Trials",
    "TruthListing",
    "TruthTable",
    "builtin_path",
    "check_column",
    "landscape",
    "list_truths",
    "open_table",
    "open_truth",
    "rank",
]
