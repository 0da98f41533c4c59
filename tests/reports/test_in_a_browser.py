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
