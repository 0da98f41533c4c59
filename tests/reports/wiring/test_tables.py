"""The tables of the wiring: verdicts by group, conditions by seed."""

from __future__ import annotations

import csv
import statistics
from io import StringIO

import pytest

from archselect.reports.results.results import load
from archselect.reports.tables.render import to_csv, to_latex, to_markdown
from archselect.reports.wiring.tables import seeds_table, wiring_table


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def test_a_row_for_each_group_and_claim(study):
    table = wiring_table(load(study))
    found = {
        (row.optimiser, row.claim): row.verdict for row in table.frame.itertuples()
    }
    assert found == {
        ("dsnas", "GROWING"): "SHOWN",
        ("dsnas", "PRUNING"): "NOT SHOWN",
        ("dsnas", "WIDTH"): "SHOWN",
        ("darts bi-level", "NO EDGES"): "SHOWN",
        ("darts single-level", "GROWING"): "NOT SHOWN",
        ("darts single-level", "PRUNING"): "NOT SHOWN",
        ("darts single-level", "WIDTH"): "NOT SHOWN",
    }
    assert (
        "GROWING: shown by dsnas (5 of 5 seeds); not shown by darts single-level (0 of 5 seeds)."
        in table.answer
    )
    assert "PRUNING: not shown by 2 groups. WIDTH: shown by dsnas" in table.answer
    assert any("Traced, but no rule applies: spos" in note for note in table.notes)
    for claim in ("GROWING", "PRUNING", "WIDTH", "NO EDGES"):
        assert sum(note.startswith(f"{claim} (") for note in table.notes) == 1
    assert (
        "at least 5 seeds and at least 80 %" in table.notes[2]
        and "ours" in table.notes[2]
    )
    assert (
        to_latex(table).isascii()
        and to_markdown(table).count("\n|") == len(table.frame) + 2
    )


def test_the_counts_and_medians_are_those_of_the_seeds(study):
    results = load(study)
    seeds = rows_of(to_csv(seeds_table(results)))
    assert len(seeds) == 20
    for row in rows_of(to_csv(wiring_table(results))):
        own = [seed for seed in seeds if seed["optimiser"] == row["optimiser"]]
        claim = row["claim"].lower().replace(" ", "_")
        assert [seed["seed"] for seed in own] == [f"{seed}" for seed in range(5)]
        assert int(row["meeting"]) == sum(
            seed[f"{claim}_met"] == "True" for seed in own
        )
        for said in row["conditions"].split(";"):
            key, _, count = said.partition("=")
            met = [seed[f"{claim}_{key}_met"] for seed in own]
            assert count == f"{met.count('True')}/{5 - met.count('')}"
        for number in (
            "edges_first",
            "edges_last",
            "q_between",
            "q_inputs",
            "gap_at_end",
        ):
            assert float(row[number]) == pytest.approx(
                statistics.median(float(seed[number]) for seed in own)
            )


def test_seeds_name_their_controls_and_changes(study, traces):
    seeds = rows_of(to_csv(seeds_table(load(study))))
    for seed in seeds:
        place = int(seed["seed"])
        random, single = (
            traces.inputs("spos", place),
            traces.inputs("darts", place, level="single"),
        )
        judged = seed["optimiser"]
        assert seed["width_control"] == (
            random.supernet_id if judged in ("dsnas", "darts single-level") else ""
        )
        assert seed["no_edges_control"] == (
            single.supernet_id if judged == "darts bi-level" else ""
        )
    grown = next(seed for seed in seeds if seed["optimiser"] == "dsnas")
    assert {change.split()[0] for change in grown["changes"].split(";")} == {
        "grown",
        "dropped",
    }
    assert "dropped normal:0→1@" in grown["changes"]


def test_few_seeds_and_no_control_are_said(traces, tmp_path):
    kinds = [("dsnas", {}), ("darts", {"level": "bi"})]
    table = wiring_table(load(traces.study(tmp_path, seeds=3, kinds=kinds)))
    verdicts = {
        (row.optimiser, row.claim): row.verdict for row in table.frame.itertuples()
    }
    assert verdicts["dsnas", "GROWING"] == "too few seeds (3 of 5)"
    assert (
        verdicts["dsnas", "WIDTH"]
        == verdicts["darts bi-level", "NO EDGES"]
        == "no control"
    )
    assert "no verdict on dsnas" in table.answer
    assert any("3 of 3 seeds have no control" in note for note in table.notes)


def test_without_traces_the_table_is_empty_and_says_so(traces, tmp_path):
    table = wiring_table(
        load(traces.study(tmp_path, seeds=1, kinds=[("dsnas", {"trace": False})]))
    )
    assert table.frame.empty and table.answer == "No rule applies to a traced supernet."
    assert to_markdown(table) and to_latex(table)
