"""Files that the documentation names are where it says."""

import re

import pytest
from support import ROOT

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
)
TOP = (
    "nasbench_adapters",
    "selectors",
    "benchmarks",
    "reports",
    "tests",
    "docs",
    ".ci",
)
PATH = re.compile(rf"`((?:{'|'.join(map(re.escape, TOP))})/[\w./*-]*)`")
TEST = re.compile(r"`((?:[\w]+/)*test_\w+\.py)`")
"""A test is named by its path below `tests/`."""


def names_in(page):
    """The files and folders that a page names, relative to the checkout."""
    text = page.read_text(encoding="utf-8")
    for name in {*PATH.findall(text), *TEST.findall(text)}:
        is_test = TEST.fullmatch(f"`{name}`") and not (ROOT / name).exists()
        yield f"tests/{name}" if is_test else name


def test_paths_are_found():
    assert {"selectors/proxies/", "benchmarks/studies/"} <= {
        name for page in PAGES for name in names_in(page)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page):
    missing = [name for name in names_in(page) if not list(ROOT.glob(name.rstrip("/")))]
    assert not missing
