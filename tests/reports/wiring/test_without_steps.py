"""Traces with epochs in which the alphas never stepped, as the informed schedule leaves them."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from support.made_traces import make_inputs, story

from archselect.benchmarks.store.traces import read_trace
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load
from archselect.reports.results.wiring_quantities import (
    SupernetWiring,
    loss_and_entropy,
    mean_costs,
    mean_gap,
)
from archselect.reports.tables.render import to_csv, to_latex, to_markdown
from archselect.reports.wiring.tables import seeds_table, wiring_table

KIND = ("darts", {"level": "bi"})
EPOCHS = 40


def without_steps(trace, epochs):
    """The trace as it would be had the alphas never stepped in these epochs."""
    losses = trace.losses.copy()
    losses[epochs, 0] = 0
    steps = trace.alpha_step_counts.copy()
    steps[epochs] = 0
    cells = []
    for cell in trace.cells:
        arrays = {}
        for name in ("cost_counts", "cost_means", "cost_variances", "edge_costs"):
            arrays[name] = getattr(cell, name).copy()
            arrays[name][epochs] = 0 if name == "cost_counts" else np.nan
        cells.append(replace(cell, **arrays))
    return replace(trace, losses=losses, alpha_step_counts=steps, cells=tuple(cells))


def made(epochs, seeds=5):
    """Traces by seed, all without steps in these epochs."""
    recipe, settings = KIND
    traces = {}
    for seed in range(seeds):
        trace = story(make_inputs(recipe, seed, **settings), epochs=EPOCHS)
        traces[seed] = without_steps(trace, epochs)
    return traces


CASES = {
    "one epoch": [3],
    "the first ones": list(range(8)),
    "the last tenth": list(range(36, 40)),
    "all": list(range(EPOCHS)),
}


@pytest.fixture(params=CASES)
def epochs(request):
    return CASES[request.param]


def test_means_are_of_the_epochs_with_steps(epochs):
    trace = made(epochs, seeds=1)[0]
    part = trace.info.parts[0]
    loss, entropy = loss_and_entropy(trace, part)
    without = sorted(set(range(EPOCHS)) - set(epochs))
    assert np.isnan(loss[epochs]).all() and np.isnan(entropy[epochs]).all()
    assert np.isfinite(loss[without]).all()
    gap = mean_gap(trace, part, slice(0, EPOCHS))
    costs = mean_costs(SupernetWiring(trace).cells[0], slice(0, EPOCHS))
    if not without:
        assert math.isnan(gap) and np.isnan(costs).all()
    else:
        # Every epoch has as many images of the part.
        assert gap == pytest.approx(np.mean((loss - entropy)[without]), rel=1e-5)
        assert np.isfinite(costs).all()


def test_tables_and_report_are_made(traces, tmp_path, epochs):
    root = traces.study(tmp_path / "study", kinds=(KIND,), made=made(epochs))
    for path in (root / "traces").glob("*.npz"):
        assert not read_trace(path).alpha_step_counts[epochs].any()
    results = load(root)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = wiring_table(results)
        seeds = seeds_table(results)  # a file of numbers: no column of it is shown
        assert len(table.frame) and len(seeds.frame)
        text = to_csv(table) + to_markdown(table) + to_latex(table) + to_csv(seeds)
        assert "nan" not in text.lower()
    report = write_report(root)
    assert report.html.is_file()


def test_the_verdicts_are_of_the_wiring_alone(traces, tmp_path, epochs):
    changed = traces.study(tmp_path / "changed", kinds=(KIND,), made=made(epochs))
    plain = traces.study(tmp_path / "plain", kinds=(KIND,))
    verdicts = []
    for root in (changed, plain):
        frame = wiring_table(load(root)).frame
        verdicts.append(list(zip(frame.claim, frame.verdict, strict=True)))
    assert verdicts[0] == verdicts[1] != []
