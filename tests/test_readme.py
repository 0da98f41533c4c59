"""The README: short, and true to the pages that it links."""

import re

import pytest
from support import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")


def page(path):
    """Return the text of a page under the checkout."""
    return (ROOT / path).read_text(encoding="utf-8")


def test_it_is_read_in_minutes():
    assert len(README.split()) <= 1200


def test_every_link_leads_somewhere():
    links = [link for link, _ in LINK.findall(README) if "://" not in link]
    assert len(links) > 20
    for link in links:
        assert (ROOT / link).exists(), link


@pytest.mark.parametrize(
    ("numbers", "linked"),
    [
        (("5.5", "2.0"), "docs/results/README.md"),
        (("69.55", "85.86"), "docs/footguns.md"),
        (("0.637", "0.650"), "docs/results/README.md"),
    ],
)
def test_the_numbers_of_a_finding_are_those_of_its_page(numbers, linked):
    (finding,) = [part for part in README.split("\n* ") if numbers[0] in part]
    assert f"]({linked}" in finding
    for number in numbers:
        assert number in finding
        assert number in page(linked)
