"""The files of a report: the same bytes from the same records, well formed, escaped, standing alone."""

from __future__ import annotations

import csv
import io
import random
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import CellGraph, Record, Time
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.foreign_text import spreadsheet_cell
from archselect.reports.drawing import cells as drawing
from archselect.reports.drawing.cells import LegendEntry, draw, selected_cells
from archselect.reports.drawing.palette import series, themed
from archselect.reports.figures import study as figures
from archselect.reports.page.sections import tables
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load
from archselect.reports.tables.render import (
    latex,
    to_csv,
    to_html,
    to_latex,
    to_markdown,
    to_typst,
)
from archselect.reports.tables.table import make_table

NASTY = r"""<script>alert(1)</script> & 50% of $x_1$ # {a}^~\b | "q" 'r' *s*"""
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks nesting, and gathers ids and references."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: set[str] = set()
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(value or "")
            elif key in (
                "src",
                "href",
                "xlink:href",
                "srcset",
                "data",
                "action",
                "poster",
            ):
                self.references.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.text.append(data)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in write_report(folder).files
    }


def there(folder: Path) -> dict[str, bytes]:
    """The files of a report that is written."""
    files = [*folder.glob("report*"), *folder.glob("report/**/*")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.is_file()}


def test_writes_every_file_named_and_nothing_else(folder):
    paths = write_report(folder)
    names = {str(p.relative_to(folder)) for p in paths.files}
    kinds = {
        f"report/{table}.{kind}"
        for table in ("tau", "accuracy", "time")
        for kind in ("md", "csv", "tex")
    }
    assert (
        kinds
        | {
            "report.html",
            "report/report.md",
            "report/figures/tau.svg",
            "report/figures/time.svg",
        }
        <= names
    )
    assert there(folder).keys() == names
    assert (
        paths.html == folder / "report.html"
        and paths.markdown == folder / "report" / "report.md"
    )


def test_the_same_records_give_the_same_bytes(folder, written):
    first = there(written)  # of another folder
    assert contents(folder) == first
    assert contents(folder) == first
    files = sorted((folder / "records").iterdir())
    texts = [path.read_bytes() for path in files]
    random.Random(0).shuffle(texts)
    for path, text in zip(files, texts, strict=True):
        path.write_bytes(text)
    assert contents(folder) == first


def test_the_same_bytes_in_another_process_whatever_its_hash_seed_and_settings(
    folder, written, tmp_path
):
    (tmp_path / "matplotlibrc").write_text(
        "font.size: 20\nsvg.fonttype: path\naxes.grid: True\n"
    )
    code = "import sys, pathlib, archselect.reports.page.write as w; w.write_report(pathlib.Path(sys.argv[1]))"
    code += "; assert 'torch' not in sys.modules, 'torch'; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code, str(folder.resolve())],
        check=True,
        cwd=tmp_path,
        env={
            "PYTHONHASHSEED": "7",
            "PATH": "",
            "HOME": str(tmp_path),
            "MATPLOTLIBRC": str(tmp_path),
        },
    )
    assert there(folder) == there(written)


def test_times_do_not_touch_the_accuracy_and_tau_tables(folder, written):
    first = there(written)
    for record in list(Folder(folder).read_all(Record)):
        cost = record.cost.model_copy(
            update={"phases": {"score": Time(seconds=9.0, calls=1)}}
        )
        write_fact(
            Folder(folder).path(Record, record.id),
            record.model_copy(update={"cost": cost}),
        )
    second = contents(folder)
    changed = {name for name in first if first[name] != second[name]}
    named = {
        "report.html",
        "report/report.md",
        "report/runs.csv",
        "report/figures/time.svg",
    }
    assert changed == {
        *named,
        *(f"report/time.{kind}" for kind in ("md", "csv", "tex", "typ")),
    }


def test_the_page_stands_alone_and_is_well_formed(written):
    text = (written / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    inner = {ref for ref in page.references if ref.startswith("#")}
    papers = set(page.references) - inner
    assert all(paper.startswith("https://arxiv.org/abs/") for paper in papers)
    assert papers and 'src="' not in text
    assert {reference[1:] for reference in inner} <= set(page.ids)
    assert len(text.encode()) < 600_000
    assert {u[1:] for u in re.findall(r"url\(([^)]*)\)", text)} <= set(page.ids)
    assert (
        not page.tags & {"link", "img", "iframe", "object", "embed"}
        and "@import" not in text
    )
    assert (
        text.count("<script") == text.count("<script>\n") == 1
    )  # our own, within the page
    words = " ".join(page.text)
    for word in (
        "archselect run quickstart",
        "zero-cost-pt",
        "optimum",
        "nb201-digits",
        "2.13.0",
        "tune_epochs",
    ):
        assert word in words
    assert not re.search(r"\{\{ | \}\}|\{% ", words)


def test_figures_are_xml_with_text_as_text(written):
    figures = sorted((written / "report" / "figures").glob("*.svg"))
    assert len(figures) >= 5
    for path in figures:
        root = ElementTree.fromstring(path.read_text())
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("aria-label")
        assert any(element.tag.endswith("}text") for element in root.iter())
        assert "nan" not in path.read_text()
    words = (figures[0].parent / "tau.svg").read_text()
    assert all(name in words for name in ("random", "zero-cost-pt", "no scores"))


def test_foreign_text_is_escaped_everywhere(fake, tmp_path):
    root = fake.folder(tmp_path, title=NASTY, description=NASTY, command=NASTY)
    victims = [
        r for r in Folder(root).read_all(Record) if r.inputs.selector.label == "random"
    ]
    for record in victims:
        selector = record.inputs.selector.model_copy(update={"label": NASTY})
        inputs = record.inputs.model_copy(update={"selector": selector})
        write_fact(
            Folder(root).path(Record, record.id),
            record.model_copy(update={"inputs": inputs}),
        )
    fake.fail(root, victims[0], error=NASTY)
    text = write_report(root).html.read_text()
    page = Page(text)
    assert (
        page.open == [] and text.count("<script") == 1 and NASTY in "".join(page.text)
    )
    for path in (root / "report" / "figures").glob("*.svg"):
        ElementTree.fromstring(path.read_text())
    tex = (root / "report" / "accuracy.tex").read_text()
    assert latex(NASTY) in tex and NASTY not in tex
    table = (root / "report" / "accuracy.md").read_text()
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {12}
    assert {len(line) for line in lines} == {len(lines[0])}
    rows = list(
        csv.DictReader(io.StringIO((root / "report" / "accuracy.csv").read_text()))
    )
    assert NASTY in {row["selector"] for row in rows}


def test_latex_escapes_every_special_character():
    assert latex(r"a_b & 5% #1 {x} ~ ^ $ \ ± ↑") == (
        r"a\_b \& 5\% \#1 \{x\} \textasciitilde{} \textasciicircum{} \$ \textbackslash{} $\pm$ $\uparrow$"
    )


def test_latex_is_a_balanced_ascii_table(folder):
    for table in tables(load(folder)):
        text = to_latex(table)
        assert text.isascii()
        opened: list[str] = []
        for which, name in re.findall(r"\\(begin|end)\{(.*?)\}", text):
            if which == "begin":
                opened.append(name)
            else:
                assert opened.pop() == name
        assert not opened
        body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
        cells = [
            line
            for line in body
            if not line.startswith((r"\multicolumn", r"\addlinespace"))
        ]
        headings = [line for line in body if line.startswith(r"\multicolumn")]
        narrow = table.narrow().shown
        grouped = narrow["Landscape"].nunique() if "Landscape" in narrow else 0
        assert (len(cells), len(headings)) == (len(table.shown), grouped)
        assert {len(re.findall(r"(?<!\\)&", line)) for line in cells} == {
            narrow.shape[1] - 1 - bool(grouped)
        }
        assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(
            r"\}"
        )


def test_typst_has_a_string_for_every_cell(folder):
    """In Typst a string holds no markup; it ends at the first quote not escaped."""
    for table in tables(load(folder)):
        text = to_typst(table)
        bare = re.sub(r'"(?:[^"\\]|\\["\\])*"', "S", text)
        assert '"' not in bare
        assert bare.count("(") == bare.count(")")
        assert f"<tab:{table.name}>" in bare
        rows = re.findall(
            r"^    (?:(?:strong\(|underline\()?S\)?(?:, |,$))+", bare, re.M
        )
        narrow = table.narrow().shown
        assert len(rows) == len(narrow)
        columns = int(re.search(r"columns: (\d+)", bare)[1])
        assert {row.count("S") for row in rows} == {columns}


def test_csv_holds_the_full_numbers(written):
    for table in tables(load(written)):
        rows = list(
            csv.DictReader(
                io.StringIO((written / "report" / f"{table.name}.csv").read_text())
            )
        )
        for column in table.frame.select_dtypes("number").columns:
            for row, value in zip(rows, table.frame[column], strict=True):
                assert (
                    row[column] == "" if pd.isna(value) else float(row[column]) == value
                )


def test_markdown_and_html_hold_every_row(folder):
    for table in tables(load(folder)):
        rows = [
            line for line in to_markdown(table).splitlines() if line.startswith("|")
        ]
        assert len(rows) == len(table.shown) + 2
        parts = table.shown["Landscape"].nunique() if "Landscape" in table.shown else 0
        assert to_html(table).count("<tr") == len(table.shown) + parts + 1


def test_failures_and_missing_runs_are_in_the_report(fake, tmp_path):
    root = fake.folder(tmp_path)
    runs = [*Folder(root).study().runs, "feedfeedfeedfeed"]
    write_fact(
        Folder(root).study_path, Folder(root).study().model_copy(update={"runs": runs})
    )
    fake.fail(root, fake.record(fake.inputs("zero-cost-pt", 3)))
    words = " ".join(Page(write_report(root).html.read_text()).text)
    assert "15 of 17" in words and 'File "<proxy>", line 3' in words
    for name in ("report.md", "tau.md", "accuracy.md", "time.md", "tau.tex"):
        text = (root / "report" / name).read_text()
        assert "1 of 17 runs failed" in text and "1 of 17 runs are not finished" in text
    assert all(
        "1 of 17 runs failed" in table.caption for table in write_report(root).tables
    )


def test_a_selector_of_which_every_run_failed_is_told(fake, tmp_path):
    root = fake.folder(tmp_path, seeds=2)
    for seed in range(2):
        fake.fail(root, fake.record(fake.inputs("magnitude", seed)))
    words = " ".join(Page(write_report(root).html.read_text()).text)
    assert (
        "2 of 8 runs failed" in words
        and "magnitude seed 0/0, magnitude seed 1/1" in words
    )
    assert "magnitude" not in set(tables(load(root))[1].frame.selector)


@pytest.mark.parametrize(
    "changes",
    [{"labels": ["random"]}, {"seeds": 1}, {"seeds": 1, "labels": ["zero-cost-pt"]}],
)
def test_small_studies_have_a_report_too(fake, tmp_path, changes):
    assert (
        Page(write_report(fake.folder(tmp_path, **changes)).html.read_text()).open == []
    )


def test_runs_without_any_truth_have_a_report_too(fake, tmp_path):
    root = fake.folder(tmp_path)
    for record in list(Folder(root).read_all(Record)):
        write_fact(
            Folder(root).path(Record, record.id),
            record.model_copy(update={"accuracies": []}),
        )
    assert Page(write_report(root).html.read_text()).open == []
    assert tables(load(root))[1].frame.empty


def test_equal_cells_are_drawn_once(fake, tmp_path):
    root = fake.folder(tmp_path)
    records = {r.id: r for r in Folder(root).read_all(Record)}
    model = records[fake.record(fake.inputs("magnitude", 0)).id]
    for seed in range(4):
        record = records[fake.record(fake.inputs("darts-pt", seed)).id]
        changed = record.model_copy(
            update={"selected": model.selected, "accuracies": model.accuracies}
        )
        write_fact(Folder(root).path(Record, record.id), changed)
    cells = selected_cells(load(root)).drawn
    assert len({cell.architecture for cell in cells}) == len(cells)
    names = [[choice.name for choice in cell.choices] for cell in cells]
    assert ["magnitude 0/0", *(f"darts-pt {s}/{s}" for s in range(4))] in names
    assert sum(map(len, names)) == 16


def test_of_many_cells_those_most_selected_are_drawn(folder, monkeypatch):
    every = selected_cells(load(folder)).drawn
    monkeypatch.setattr(drawing, "MOST_CELLS", 2)
    monkeypatch.setattr(drawing, "MOST_NAMES", 1)
    found = selected_cells(load(folder))
    assert found.left_out == len(every) - 2 > 0
    most = sorted((len(cell.choices) for cell in every), reverse=True)[:2]
    assert sorted((len(cell.choices) for cell in found.drawn), reverse=True) == most
    assert all(
        cell.who.endswith(f", {len(cell.choices) - 1} more")
        for cell in found.drawn
        if len(cell.choices) > 1
    )
    paths = write_report(folder)
    assert f"{found.left_out} more are in report/runs.csv" in paths.html.read_text(
        encoding="utf-8"
    )
    assert (
        f"{found.left_out} more cells, each selected by fewer runs"
        in paths.markdown.read_text(encoding="utf-8")
    )


def test_many_dots_are_a_picture(folder, monkeypatch):
    results = load(folder)
    assert "<image" not in figures.time_figure(results).svg
    monkeypatch.setattr(figures, "MOST_DOTS", 1)
    svg = figures.time_figure(results).svg
    assert (
        svg.count("<image") == len(results.groups)
        and figures.time_figure(results).svg == svg
    )
    ElementTree.fromstring(svg)


def test_a_cell_is_drawn_with_every_edge_named_and_none_dotted(folder):
    cell = selected_cells(load(folder)).drawn[1]
    root = ElementTree.fromstring(cell.svg)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    operations = [
        operation for _, _, operation in cell.choices[0].record.selected.graph[0].edges
    ]
    assert sorted(words) == sorted([*operations, "in", "1", "2", "out"])
    dotted = [
        e
        for e in root.iter("{http://www.w3.org/2000/svg}path")
        if e.get("stroke-dasharray")
    ]
    assert len(dotted) == operations.count("none")


def test_arches_of_a_two_input_cell_never_share_a_label_place():
    names = ("a", "b", "c")
    edges = [(i, j, names[(i + j) % 3]) for j in range(2, 6) for i in range(j)]
    graph = CellGraph(
        name="normal", inputs=2, nodes=6, output=[2, 3, 4, 5], edges=edges
    )
    svg = draw(
        [graph, graph],
        {n: LegendEntry(n, series(i), False) for i, n in enumerate(names)},
        "a cell",
    )
    root = ElementTree.fromstring(svg)
    for cell in root:
        texts = [e for e in cell if e.tag.endswith("text") and e.text in names]
        places = [(float(e.get("x")), float(e.get("y"))) for e in texts]
        assert len(places) == len(edges)
        assert all(
            abs(x - u) > 50 or abs(y - v) > 10
            for n, (x, y) in enumerate(places)
            for u, v in places[n + 1 :]
        )
    assert "concat" in svg


def test_themed_figures_keep_no_colour_of_the_palette():
    svg = '<path style="fill: #116ddc; stroke: #1f2933"/>'
    assert re.fullmatch(
        r'<path style="fill: var\(--c\d+\); stroke: var\(--c0\)"/>', themed(svg)
    )


def test_terminal_tables_are_plain_and_narrow(folder):
    found = write_report(folder).tables
    assert [table.title for table in found] == [
        table.title for table in tables(load(folder))
    ]
    for table in found:
        assert all(len(row) == len(table.columns) for row in table.rows) and set(
            table.numeric
        ) <= set(table.columns)
        widths = [
            max(map(len, column))
            for column in zip(table.columns, *table.rows, strict=True)
        ]
        assert sum(widths) + 3 * len(widths) <= 120


def test_an_unwritable_folder_says_so(folder):
    (folder / "report").write_text("in the way")
    with pytest.raises(UserError, match="cannot write"):
        write_report(folder)


def test_a_variant_lists_what_differs(build, written, tmp_path):
    said = [
        "supernet, epochs: 10 in place of 100",
        "data, name: <mine> & yours in place of cifar10",
    ]
    paths = write_report(
        build(tmp_path / "study", variant_of="whole", differences=said)
    )
    page, text = (
        paths.html.read_text(encoding="utf-8"),
        paths.markdown.read_text(encoding="utf-8"),
    )
    assert "A variant of whole" in page and "Settings that differ: 2" in page
    assert (
        "<li>supernet, epochs: 10 in place of 100</li>" in page
        and "&lt;mine&gt; &amp; yours" in page
    )
    assert f"* {said[0]}\n* data, name: \\<mine> & yours in place of cifar10\n" in text
    for plain in ("report.html", "report/report.md"):
        assert "A variant of" not in (written / plain).read_text(encoding="utf-8")


VALUES = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-(2**40), 2**40),
    st.booleans(),
    st.text(max_size=5),
)
KINDS = (
    VALUES,
    st.floats(),
    st.integers(0, 9),
    st.booleans(),
    st.text(max_size=5),
    st.none() | st.integers(0, 9),
)
COLUMNS = st.lists(
    st.one_of(*(st.lists(kind, min_size=3, max_size=3) for kind in KINDS)), max_size=4
)


def cell(value):
    return spreadsheet_cell(value) if isinstance(value, str) else value


@given(columns=COLUMNS)
def test_a_csv_is_what_pandas_writes(columns):
    frame = pd.DataFrame(
        {f"column {place}, {NASTY}": column for place, column in enumerate(columns)}
    )
    table = make_table(
        "a",
        "A",
        [],
        answer="",
        columns=(),
        caption="",
        notes=(),
    )
    assert to_csv(replace(table, frame=frame)) == frame.map(cell).to_csv(
        index=False, lineterminator="\n"
    )
