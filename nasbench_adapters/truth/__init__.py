"""Ground truths: accuracies of architectures, looked up by dataset, split and epochs.

No torch here.

Every source is converted once into a :class:`.table.TruthTable`, one compact file that
opens in milliseconds. Where no table can hold the space, a
:class:`.surrogate.Surrogate` predicts; wherever it is used, its numbers come with how
well it predicts. Both are a :class:`.ground_truth.GroundTruth`.
"""

from archselect.nasbench_adapters.agreement import Agreement
from archselect.nasbench_adapters.truth.ground_truth import Column, GroundTruth, Trials
from archselect.nasbench_adapters.truth.importing import (
    FORMATS,
    Imported,
    import_truth,
)
from archselect.nasbench_adapters.truth.landscape import (
    LandscapeNumbers,
    landscape,
    rank,
)
from archselect.nasbench_adapters.truth.named_surrogates import fit_truth
from archselect.nasbench_adapters.truth.plain_csv import PlainColumns
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
    "FORMATS",
    "Agreement",
    "Column",
    "GroundTruth",
    "Imported",
    "LandscapeNumbers",
    "PlainColumns",
    "Surrogate",
    "TableBuilder",
    "Trials",
    "TruthListing",
    "TruthTable",
    "builtin_path",
    "check_column",
    "fit_truth",
    "import_truth",
    "landscape",
    "list_truths",
    "open_table",
    "open_truth",
    "rank",
]
