"""The verdict on shared weights is that of its rule, computed here from the records."""

from statistics import fmean

import numpy as np
import pytest
from scipy.stats import kendalltau, sem
from scipy.stats import t as student_t
from support import graph_study

from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs.harness import run_study
from archselect.nasbench_adapters import graphs
from archselect.reports.results.results import load
from archselect.reports.results.shared_weights import (
    describe_sharing,
    sharing_contrasts,
)
from archselect.reports.tables.tau import tau_table

pytest.importorskip("torch_geometric")


@pytest.fixture
def results(tmp_path, inline, monkeypatch):
    monkeypatch.setitem(graphs.GRAPHS, "ring", graph_study.source())
    text = graph_study.study_text("none", "free", "homogeneous")
    text = text.replace("supernet = [0]", "supernet = [0, 1, 2]")
    text += '\n[[selectors]]\nname = "conservative"\n'
    path = tmp_path / "study.toml"
    path.write_text(text)
    outcome = run_study(read_study(str(path)), tmp_path / "out", device="cpu")
    assert not outcome.failed
    return load(tmp_path / "out")


def taus(results, data):
    """By seed, tau-b of the rewards and reported accuracies of random search."""
    found = {}
    for record in results.records:
        inputs = record.inputs
        if (inputs.data.name, inputs.selector.name) == (data, "random-search"):
            values = record.selected.architecture_scores.column("value")
            reported = record.accuracies[0].scored
            tau = kendalltau(np.asarray(values, float), reported).statistic
            if np.isfinite(tau):
                found[inputs.supernet_seed] = float(tau)
    return found


def test_the_same_architectures_are_compared_seed_by_seed(results):
    (contrast,) = [
        one for one in sharing_contrasts(results) if one.free.label == "random-search"
    ]
    free = taus(results, "free")
    homogeneous = taus(results, "homogeneous")
    common = sorted(free.keys() & homogeneous.keys())  # tau of ties is undefined
    differences = [homogeneous[seed] - free[seed] for seed in common]
    assert contrast.seeds == len(differences) > 0
    assert contrast.difference.mean == pytest.approx(fmean(differences))
    if contrast.difference.low is not None:
        freedom = len(differences) - 1
        mean = fmean(differences)
        low, high = student_t.interval(0.95, freedom, mean, sem(differences))
        assert contrast.difference.low == pytest.approx(max(low, -2))
        wanted = "shown" if low > 0 else "does not hold" if high < 0 else "not shown"
        assert contrast.verdict == wanted


def test_the_table_has_a_row_for_each_way_of_sharing_and_the_verdict(results):
    table = tau_table(results)
    rows = table.frame[table.frame.level == "architecture"]
    assert set(rows.dataset) == {"none", "free", "homogeneous"}
    assert len(rows) == 6
    (note,) = [
        text for text in table.notes if "random-search" in text and "shown" in text
    ]
    assert note in list(describe_sharing(results))
