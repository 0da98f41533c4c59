"""The page in a real browser, where there is one: headers sort, and the page does not overflow a phone."""

from __future__ import annotations

import re

import pytest

from archselect.reports.results.results import load
from archselect.reports.tables.accuracy import accuracy_table


def order(text: str) -> list[list[str]]:
    """The selectors of the accuracy table, landscape by landscape, as they stand."""
    table = text.partition('<section id="accuracy">')[2].partition("</table>")[0]
    bodies = re.findall(r"<tbody>(.*?)</tbody>", table, re.S)
    return [re.findall(r"<tr[^>]*><td[^>]*>([^<]+)</td>", body) for body in bodies]


@pytest.mark.parametrize("clicks", [1, 2, 3])
def test_headers_sort_up_down_and_back(written, dom, clicks):
    page = written / "report.html"
    find = "[...document.querySelectorAll('#accuracy th button')].find(b => b.textContent.startsWith('Mean ±'))"
    text = dom(page, f"for (let i = 0; i < {clicks}; i++) {find}.click();")
    frame = accuracy_table(load(written)).frame
    expected = []
    for _, own in frame.groupby("truth", sort=False):
        if clicks < 3:
            own = own.assign(shown=own["mean"].round(2))
            own = own.sort_values("shown", ascending=clicks == 1, kind="stable")
        expected.append(list(own.selector))
    assert order(text) == expected
    assert f'aria-sort="{["ascending", "descending", "none"][clicks - 1]}"' in text


def test_nothing_but_tables_and_figures_is_wider_than_a_phone(written, dom):
    script = "document.title = `${document.documentElement.scrollWidth} of ${window.innerWidth}`"
    inner = dom(written / "report.html", script, width=500)
    found = re.search(r"<title>(\d+) of (\d+)</title>", inner)
    assert found and int(found[1]) <= int(found[2])


def test_a_filter_hides_the_rows_cells_and_dots_of_other_runs(written, dom):
    script = """
        const [select] = document.querySelectorAll('#filters select');
        const chosen = select.options[1].value;
        select.value = chosen;
        select.dispatchEvent(new Event('change'));
        const rows = [...document.querySelectorAll('#runs tbody tr')];
        const wrong = rows.filter((row) => row.hidden === (row.cells[0].textContent === chosen));
        const kept = rows.filter((row) => !row.hidden).map((row) => row.id.slice(4));
        const dots = [...document.querySelectorAll('.hint[data-run]')];
        const badDots = dots.filter((dot) => dot.classList.contains('off') === kept.includes(dot.dataset.run));
        const cells = [...document.querySelectorAll('.cell')];
        const has = (cell) => cell.dataset.runs.split(' ').some((run) => kept.includes(run));
        const badCells = cells.filter((cell) => cell.hidden === has(cell));
        const counts = [kept.length, wrong.length, badDots.length, badCells.length, dots.length > 0];
        document.title = `${counts} ${document.querySelector('#filters output').textContent}`;
    """
    text = dom(written / "report.html", script)
    assert "<title>4,0,0,0,true 4 of 16 listed runs</title>" in text


def test_a_click_on_a_dot_leads_to_its_run_and_a_box_hides_a_column(written, dom):
    script = """
        const dot = document.querySelector('.hint.linked');
        dot.dispatchEvent(new MouseEvent('click'));
        const row = document.getElementById(location.hash.slice(1));
        const inCell = document.getElementById(row.querySelector('a').hash.slice(1));
        const holds = inCell.dataset.runs.includes(dot.dataset.run);
        const box = document.querySelector('#accuracy .columns input');
        box.click();
        const hidden = [...document.querySelectorAll('#accuracy tr:not(.part)')].every((r) => r.cells[1].hidden);
        document.title = [row.id === 'run-' + dot.dataset.run, holds, hidden];
    """
    text = dom(written / "report.html", script)
    assert "<title>true,true,true</title>" in text
