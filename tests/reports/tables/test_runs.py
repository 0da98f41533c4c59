"""Where every run comes from: one row for each record, with its machine, versions and commit."""

from __future__ import annotations

from dataclasses import replace

from support.pareto_folder import FITTED, measured_mixture, weighted_run, write_study

from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.reports.page import page
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load
from archselect.reports.tables.runs import judged_frame, runs_frame, runs_table


def test_every_record_has_its_row(folder):
    records = {record.id: record for record in Folder(folder).read_all(Record)}
    frame = runs_frame(load(folder))
    assert set(frame.record) == set(records) and len(frame) == len(records)
    for row in frame.itertuples():
        record = records[row.record]
        assert (row.supernet_seed, row.torch, row.archselect) == (
            record.inputs.supernet_seed,
            "2.13.0",
            "0.1.0",
        )
        assert row.architecture == record.selected.architecture
        assert row.total_s == sum(time.seconds for time in record.cost.phases.values())
    assert (
        runs_table(frame, 16, {}).answer
        == "16 runs, by archselect 0.1.0 (commit not known)."
    )


def test_every_run_has_a_row_for_each_truth(folder):
    results = load(folder)
    frame = judged_frame(results)
    landscapes = {one.id: one for one in results.landscapes}
    wanted = [(record, one) for record in results.records for one in record.accuracies]
    assert len(wanted) > len(results.records)
    assert len(frame) == len(wanted)
    for row, (record, accuracy) in zip(frame.itertuples(), wanted, strict=True):
        landscape = landscapes[accuracy.landscape]
        assert row.record == record.id
        assert (row.truth, row.dataset) == (landscape.truth, landscape.dataset)
        assert (row.accuracy, row.rank) == (accuracy.mean, accuracy.rank)
        assert row.gap == landscape.optimum - accuracy.mean
    once = frame.drop_duplicates("record")
    provenance = runs_frame(results)
    for name in provenance.columns:
        assert once[name].tolist() == provenance[name].tolist()


def test_a_run_that_no_truth_judges_keeps_its_row(folder):
    results = load(folder)
    first = results.records[0].model_copy(update={"accuracies": []})
    group = replace(results.groups[0], records=(first,))
    frame = judged_frame(replace(results, groups=(group,)))
    assert frame.record.tolist() == [first.id]
    assert frame.accuracy.tolist() == [None]


def test_commits_are_told_apart(folder):
    for place, record in enumerate(list(Folder(folder).read_all(Record))):
        commit = "0123456789abcdef" + ("-dirty-0123456789abcdef" if place else "")
        write_fact(
            Folder(folder).path(Record, record.id),
            record.model_copy(update={"commit": commit}),
        )
    said = runs_table(runs_frame(load(folder)), 2, {}).answer
    assert (
        said
        == "16 runs, by archselect 0.1.0 (0123456789 with changes), 0.1.0 (0123456789)."
    )
    assert "0123456789 with changes" in write_report(folder).html.read_text(
        encoding="utf-8"
    )


def test_a_page_of_many_runs_lists_the_first(folder, monkeypatch):
    monkeypatch.setattr(page, "MOST_RUNS", 5)
    text = write_report(folder).html.read_text(encoding="utf-8")
    assert "The first 5 are shown; all are in report/runs.csv." in text
    judged = judged_frame(load(folder))
    written = (folder / "report" / "runs.csv").read_text().splitlines()
    assert len(written) == len(judged) + 1


def test_costs_of_mixtures_have_columns_where_they_were_measured(folder, tmp_path):
    plain = weighted_run(0.0, 0)
    measured = measured_mixture(weighted_run(0.1, 0), 5.1, 5.35, 0.2)
    frame = runs_frame(load(write_study(tmp_path, [plain, measured])))
    rows = frame.set_index("record")
    row = rows.loc[measured.id]
    assert (row.mixture_cost, row.drawn_cost, row.drawn_cost_sd) == (5.1, 5.35, 0.2)
    assert row.mixture_cost_of == FITTED["of"]
    assert rows.loc[plain.id].mixture_cost is None
    assert "mixture_cost" not in runs_frame(load(folder))
