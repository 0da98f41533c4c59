"""A folder in which every name, title and message is hostile: it has a report, and each of its files is well formed."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from xml.etree import ElementTree

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from support import hostile

from archselect.benchmarks.store.facts import content_id, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Landscape,
    Record,
    Scale,
    StudyInfo,
    Time,
)
from archselect.nasbench_adapters.foreign_text import escape_invisible, one_line
from archselect.reports.comparison.comparison import compare_snapshots
from archselect.reports.comparison.exports import to_json, to_junit
from archselect.reports.comparison.gate import parse_gates
from archselect.reports.comparison.markdown import to_markdown
from archselect.reports.comparison.snapshot import read_snapshot
from archselect.reports.drawing.palette import INK, themed
from archselect.reports.figures.canvas import add_key, slug, slugs, svg
from archselect.reports.page.write import write_report
from archselect.reports.results.results import NAMELESS, load

TABLES = ["tau", "accuracy", "differences", "time", "cells", "operations"]


def renamed(record: Record, text: str) -> Record:
    """A record in which every text that a run may choose is the given one."""
    selector = record.inputs.selector.model_copy(
        update={"name": text, "label": text, "settings": {text: text}, "source": text}
    )
    supernet = record.inputs.supernet.model_copy(
        update={"recipe": text, "settings": {text: text}}
    )
    data = record.inputs.data.model_copy(update={"name": text})
    inputs = record.inputs.model_copy(
        update={"selector": selector, "supernet": supernet, "data": data}
    )
    graphs = [
        graph.model_copy(
            update={
                "name": text,
                "edges": [(source, target, text) for source, target, _ in graph.edges],
            }
        )
        for graph in record.selected.graph
    ]
    selected = record.selected.model_copy(
        update={
            "architecture": text,
            "canonical": text,
            "graph": graphs,
            "operation_scale": Scale(name=text, better="higher"),
        }
    )
    machine = record.cost.machine.model_copy(
        update={"device_name": text, "platform": text, "torch": text}
    )
    phases = record.cost.phases | {text: Time(seconds=1.0, calls=1)}
    cost = record.cost.model_copy(
        update={"phases": phases, "machine": machine, "memory_kind": text}
    )
    return record.model_copy(
        update={
            "id": inputs.id,
            "inputs": inputs,
            "selected": selected,
            "cost": cost,
            "code_version": text,
            "commit": text,
        }
    )


@pytest.fixture(scope="session")
def texts():
    return list(hostile.TEXTS.values())


@pytest.fixture(scope="session")
def study(fake, texts, tmp_path_factory):
    """A folder with one run for each text, two of which failed, and its report; not to be touched."""
    root = tmp_path_factory.mktemp("hostile") / "study"
    folder = Folder(root)
    records = [renamed(fake.record(fake.inputs("darts-pt", 0)), text) for text in texts]
    for record in records:
        write_fact(folder.path(Record, record.id), record)
    for place, (name, (world, *where)) in enumerate(fake.worlds.items()):
        changes = {
            "truth": texts[place],
            "dataset": texts[place + 2],
            "split": texts[4],
            "origin": "\n".join(texts),
        }
        landscape = world.landscape(name, *where).model_copy(update=changes)
        write_fact(folder.path(Landscape, content_id(name)), landscape)
    info = StudyInfo(
        name="\n".join(texts),
        title="\n".join(texts),
        description="\n\n".join(texts),
        labels=texts,
        tables=TABLES,
        runs=[record.id for record in records],
        command="\n".join(texts),
        source="",
        variant_of="\n".join(texts),
        differences=texts,
    )
    write_fact(folder.study_path, info)
    fake.fail(root, records[0], error="\n".join(texts))
    fake.fail(root, records[1], error="")
    write_report(root)
    return root


class Page(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def shown(texts):
    """The texts as names: in one line."""
    return [one_line(text) or NAMELESS for text in texts]


def controls(text):
    """What steers a terminal or hides in a text."""
    return {letter for letter in text if not letter.isprintable()} - {
        "\n",
        "\t",
        "\u00a0",
    }


def test_every_file_of_the_report_has_nothing_hidden_in_it(study):
    files = [path for path in (study / "report").rglob("*") if path.is_file()] + [
        study / "report.html"
    ]
    assert len(files) > 30
    for path in files:
        assert controls(path.read_bytes().decode()) == set(), path


def test_the_page_shows_every_text_and_obeys_none(study, texts):
    text = (study / "report.html").read_text(encoding="utf-8")
    found = Page(text)
    assert found.tags["script"] == text.count("<script") == 1
    assert not found.tags.keys() & {"img", "iframe", "link", "object", "b "}
    assert not any(name.startswith("on") for name in found.attributes)
    for name in shown(texts):
        assert name in found.text
    assert escape_invisible("\n".join(texts)) in found.text


def test_every_figure_is_xml_and_names_every_selector(study, texts):
    figures = sorted((study / "report" / "figures").glob("*.svg"))
    assert (
        len([figure for figure in figures if figure.name.startswith("accuracy-")]) == 2
    )
    for figure in figures:
        assert re.fullmatch(r"[a-z0-9-]{1,100}\.svg", figure.name)
        root = ElementTree.fromstring(figure.read_text(encoding="utf-8"))
        words = {
            element.text for element in root.iter() if element.tag.endswith("}text")
        }
        if figure.name in ("tau.svg", "time.svg"):
            short = {name for name in shown(texts[2:]) if len(name) <= 24}
            assert short <= words and len(short) > 15


def test_tables_as_csv_have_every_row_and_no_formula(study, texts):
    for name in [*TABLES, "runs"]:
        rows = list(
            csv.reader(
                io.StringIO(
                    (study / "report" / f"{name}.csv").read_text(encoding="utf-8")
                )
            )
        )
        assert len({len(row) for row in rows}) == 1
        formulas = {
            cell
            for row in rows
            for cell in row
            if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        }
        pd.to_numeric(pd.Series(sorted(formulas), dtype=object))
    runs = pd.read_csv(study / "report" / "runs.csv", keep_default_na=False)
    assert runs.record.nunique() == len(
        texts
    ) - 2 and "'=cmd|'/c calc'!A1, \"quoted\"" in set(runs.selector)


def test_the_markdown_has_our_headings_and_pictures_alone(study, texts):
    text = (study / "report" / "report.md").read_text(encoding="utf-8")
    found = Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    assert not found.tags.keys() & {
        "a",
        "details",
        "script",
        "summary",
        "hr",
        "ol",
        "blockquote",
        "h3",
        "del",
    }
    assert (found.tags["h1"], found.tags["h2"], found.tags["table"]) == (
        1,
        len(TABLES) + 1,
        len(TABLES),
    )
    assert found.tags["img"] == len(list((study / "report" / "figures").glob("*.svg")))
    words = found.text.replace("\u200b", "")
    assert all(name in words for name in shown(texts))


def test_references_have_balanced_braces(study):
    text = (study / "report" / "references.bib").read_text(encoding="utf-8")
    assert text.count("{") == text.count("}")
    assert len(re.findall(r"^@", text, re.M)) == len(re.findall(r"^\}", text, re.M))


def test_a_comparison_forges_no_verdict(study, texts, tmp_path):
    before = read_snapshot(study)
    worse = {
        "series": [own.model_copy(update={"values": {0: 1.0}}) for own in before.series]
    }
    found = compare_snapshots(
        before, before.model_copy(update=worse), parse_gates(["accuracy_drop>0.5pt"])
    )
    text = to_markdown(found)
    lines = text.splitlines()
    assert controls(text) == set()
    assert lines[0].startswith("## archselect: ") and "✅" not in lines[2]
    assert not [
        line for line in lines[1:] if line.startswith(("#", "✅", ">", "=", "`"))
    ]
    read_back = Page(
        MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    )
    assert read_back.tags["table"] == 2 and read_back.tags["h2"] == 1
    assert not read_back.tags.keys() & {"a", "img", "details", "h1", "pre", "hr"}
    suite = ElementTree.fromstring(to_junit(found).encode())
    assert (
        int(suite.get("tests", "0"))
        == len(suite.findall("testcase"))
        == len(found.outcomes)
    )
    assert json.loads(to_json(found))["new"]["command"] == "\n".join(texts)


def test_a_cell_on_paper_is_no_longer_than_latex_can_measure(study, texts):
    (long,) = (text for text in texts if len(text) > 500)
    for name in ("tau", "accuracy", "time"):
        rows = (
            (study / "report" / f"{name}.tex")
            .read_text(encoding="utf-8")
            .partition(r"\bottomrule")[0]
        )
        assert long[:40] in rows and long[:101] not in rows


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
@pytest.mark.parametrize(
    "packages", [r"\usepackage[T1]{fontenc}", ""], ids=["T1", "OT1"]
)
def test_tables_compile_in_both_encodings_of_letters(study, compiled, packages):
    compiled([study / "report" / f"{name}.tex" for name in TABLES], packages)


def test_names_that_mean_something_to_matplotlib_are_in_the_key(texts):
    names = [text for text in texts if 0 < len(one_line(text)) <= 24]

    def draw(canvas):
        add_key(canvas.subplots(), names, [INK] * len(names), loc="upper left")

    root = ElementTree.fromstring(svg("key", "a key", 4.0, draw))
    words = [element.text for element in root.iter() if element.tag.endswith("}text")]
    assert set(map(one_line, names)) <= set(words) and "_nolegend_" in words


def test_text_that_looks_like_a_part_of_the_drawing_stays():
    odd = f'\x1b[2J url(#a) id="b" fill="{INK}" style="fill: {INK}" \'DejaVu Sans\' > <svg '

    def draw(canvas):
        canvas.text(0.1, 0.5, odd)

    root = ElementTree.fromstring(themed(svg("odd", "odd", 1.0, draw)))
    assert [
        element.text for element in root.iter() if element.tag.endswith("}text")
    ] == [escape_invisible(odd)]


def test_names_of_files_tell_texts_apart():
    assert slug("digits/test/10") == "digits-test-10"
    odd = [
        "中文",
        "日本",
        "",
        "---",
        "a/b",
        "a-b",
        "a b",
        "a b",
        "x" * 500,
        "x" * 501,
        "../../etc",
        "A B",
    ]
    names = slugs(odd)
    assert len(set(names)) == len(odd)
    assert all(re.fullmatch(r"[a-z0-9-]{1,100}", name) for name in names)


def test_labels_that_look_like_names_of_groups_are_told_apart(fake, tmp_path):
    """One selector on two data sets is called by both; another's label may be that very name."""
    root = fake.folder(tmp_path / "study", seeds=1, labels=["a", "a  (other)"])
    folder = Folder(root)
    record = fake.record(fake.inputs("a", 0))
    data = record.inputs.data.model_copy(update={"name": "other"})
    inputs = record.inputs.model_copy(update={"data": data})
    write_fact(
        folder.path(Record, inputs.id),
        record.model_copy(update={"id": inputs.id, "inputs": inputs}),
    )
    info = folder.study()
    write_fact(
        folder.study_path, info.model_copy(update={"runs": [*info.runs, inputs.id]})
    )
    names = [group.name for group in load(root).groups]
    assert len(names) == len(set(names)) == 3
    write_report(root)
