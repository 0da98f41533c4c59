"""The report of a study of the wiring: files, page, Markdown; without any truth."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from support import hostile

from archselect.benchmarks.store.folder import Folder
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.page.sections import tables
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load


def test_every_drawing_is_a_file_and_in_the_markdown_the_same_each_time(study, parts):
    names = [part.name.partition(" on ")[0] for part in parts]
    assert names == ["darts bi-level", "darts single-level", "dsnas", "spos"]
    text = (study / "report" / "report.md").read_text(encoding="utf-8")
    for part in parts:
        assert (part.evolution is None) == part.name.startswith("spos")
        for name, svg in part.drawings.items():
            assert (study / "report" / "figures" / f"{name}.svg").read_text(
                encoding="utf-8"
            ) == svg
            assert text.count(f"(figures/{name}.svg)") == 1
    assert (study / "report" / "wiring-seeds.csv").is_file()


def test_the_page_has_a_slider_and_shows_the_last_cell_without_script(study):
    page = (study / "report.html").read_text(encoding="utf-8")
    assert (
        page.count('<div class="evolution">') == page.count('<input type="range"') == 3
    )
    assert page.count("<script") == 1
    assert not re.search(r'src="|href="(?!#|https://arxiv\.org/abs/)', page)
    for part in page.split('<div class="evolution">')[1:]:
        frames = re.findall(
            r'<figure class="(frame[^"]*)" data-epoch="(\d+)" data-seed="(\d+)"( hidden)?>',
            part.partition("</div>\n<figure>")[0],
        )
        shown = [frame for frame in frames if not frame[-1]]
        assert [frame[:2] for frame in shown] == [("frame still", "40")]
        assert frames[0][:2] == ("frame still", "0")
        seeds = [seed for _, _, seed, _ in frames]
        of_first = seeds.count(seeds[0])
        assert seeds[:of_first] == [seeds[0]] * of_first
        assert frames[of_first - 1] == shown[0]
        assert len(set(seeds)) > 1
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_without_any_truth_what_is_of_truths_is_left_out(study):
    page = (study / "report.html").read_text(encoding="utf-8")
    assert (
        'id="truths"' not in page
        and "<span>truths</span>" not in page
        and "its accuracy" not in page
    )
    assert "Kendall" not in page and "L − H" in page
    assert all(
        f'id="{name}"' in page
        for name in ("wiring", "cells", "time", "selected", "glossary")
    )


def test_tables_of_accuracies_are_left_out_where_there_are_none(traces, tmp_path):
    every = ["tau", "accuracy", "differences", "operations", "wiring", "time"]
    root = traces.study(tmp_path, seeds=2, kinds=[("dsnas", {})], tables=every)
    assert [table.name for table in tables(load(root))] == [
        "differences",
        "wiring",
        "time",
    ]
    assert write_report(root).html.is_file()


def test_a_study_without_the_table_reads_no_trace(traces, tmp_path):
    root = traces.study(
        tmp_path, seeds=1, kinds=[("dsnas", {})], tables=["cells", "time"]
    )
    for path in (Folder(root).root / "traces").iterdir():
        path.unlink()
    page = write_report(root).html.read_text(encoding="utf-8")
    assert 'class="evolution"' not in page and 'id="wiring"' not in page
    assert not (root / "report" / "wiring-seeds.csv").exists()


def test_a_missing_trace_ends_the_report_in_one_line(traces, tmp_path):
    root = traces.study(tmp_path, seeds=1, kinds=[("dsnas", {})])
    next((root / "traces").iterdir()).unlink()
    with pytest.raises(UserError, match="is missing although the supernet was traced"):
        write_report(root)


def test_hostile_names_of_cells_and_operations_break_no_file(traces, tmp_path):
    odd = [text for text in hostile.TEXTS.values() if text.strip()]
    cells = []
    for place, name in enumerate(odd[:2] + odd[4:6]):
        cell = traces.cell(traces.full, name)
        own = [
            odd[(place * 8 + number) % len(odd)]
            for number in range(len(cell.operations[0]) - 1)
        ]
        cells.append(
            cell.model_copy(update={"operations": [["none", *own]] * len(cell.edges)})
        )
    root = traces.study(tmp_path / "study", seeds=1, kinds=[("dsnas", {})], cells=cells)
    write_report(root)
    figures = sorted((root / "report" / "figures").glob("wiring-*.svg"))
    assert len([path for path in figures if "-costs-" in path.name]) == len(cells)
    words = {
        element.text
        for path in figures
        for element in ElementTree.fromstring(path.read_text(encoding="utf-8")).iter()
        if element.tag.endswith("}text")
    }
    assert {one_line(text) for text in odd[:7] if len(one_line(text)) <= 24} <= words
