"""A new section is one line of the registry, and all that it brings is in the report."""

import pytest

from archselect.reports.page.section import Extras, SectionKind
from archselect.reports.page.sections import SECTIONS, sections, tables
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load
from archselect.reports.tables.table import Row, TableColumn, make_table


def colours_table(_results):
    return make_table(
        "colours",
        "Colours of the cells",
        [Row({"colour": "green", "cells": 3}, {"Colour": "green"})],
        answer="All are green.",
        columns=[
            TableColumn("colour", "Colour", text=True, brief=True),
            TableColumn("cells"),
        ],
        caption="Of every cell.",
        notes=(),
    )


def colours_extras(_results):
    return Extras(
        html="<p>a <b>palette</b></p>\n",
        script="let palette;\n",
        markdown=("A *palette*.\n",),
        drawings={"colours-palette": "<svg/>"},
        files={"palette.txt": "green\n"},
        glossary={"hue": "The name of a colour."},
    )


@pytest.fixture
def study(build, tmp_path, monkeypatch):
    kind = SectionKind(colours_table, extras=colours_extras)
    monkeypatch.setitem(SECTIONS, "colours", kind)
    return build(tmp_path / "study", tables=["time", "colours"])


def test_a_section_brings_its_table_and_its_extras(study):
    report = study / "report"
    files = {path.relative_to(study).as_posix() for path in write_report(study).files}
    assert {
        "report/colours.csv",
        "report/colours.md",
        "report/colours.tex",
        "report/colours.typ",
        "report/palette.txt",
        "report/figures/colours-palette.svg",
    } <= files
    assert (report / "colours.csv").read_text() == "colour,cells\ngreen,3\n"
    assert (report / "palette.txt").read_text() == "green\n"
    assert (report / "figures" / "colours-palette.svg").read_text() == "<svg/>"
    page = (study / "report.html").read_text(encoding="utf-8")
    assert "<p>a <b>palette</b></p>\n</section>" in page
    assert "let palette;\n</script>" in page
    assert "<dt>hue</dt><dd>The name of a colour.</dd>" in page
    assert "All are green." in page
    text = (report / "report.md").read_text(encoding="utf-8")
    assert text.index("Of every cell.") < text.index("A *palette*.")


def test_figures_of_records_are_files_also_without_their_section(study):
    write_report(study)
    figures = {path.name for path in (study / "report" / "figures").iterdir()}
    assert {"time.svg", "tau.svg"} <= figures
    assert "differences.svg" not in figures


def test_sections_are_in_the_order_of_the_study(study):
    results = load(study)
    made = [section.table.name for section in sections(results)]
    assert made == ["time", "colours"] == [table.name for table in tables(results)]


def test_the_page_knows_no_section_by_name(root):
    folder = root / "reports" / "page"
    names = SECTIONS.keys() - {"cells"}  # also what the selected cells are called
    for name in ("page.py", "write.py", "markdown.py", "templates/report.html.j2"):
        text = (folder / name).read_text(encoding="utf-8")
        assert not [section for section in names if f'"{section}"' in text]
        assert "wiring" not in text
