"""A site from records to pages: what stands on them, links, the network, other texts, the filter, and the command."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from support import hostile
from support.study_folder import make_folder

from archselect.reports.results.results import load
from archselect.reports.site.boards import Boards, boards_frame
from archselect.reports.site.folders import StudyFolder, find_studies
from archselect.reports.site.index import StudyCard, index_page
from archselect.reports.site.write import write_site


class Page(HTMLParser):
    """The links, ids and loaded things of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.loaded = [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.add(value)
            elif name == "href" and tag == "a":
                self.links.append(value)
            elif name in ("src", "srcset", "data", "action") or (
                name == "href" and tag == "link"
            ):
                self.loaded.append((tag, value))


def test_every_link_leads_to_a_file_or_a_place(site):
    pages = sorted(site.root.rglob("*.html"))
    assert len(pages) == 3
    for path in pages:
        page = Page(path)
        assert page.loaded == []
        assert not re.search(r"@import|url\(['\"]?http", path.read_text("utf-8"))
        for link in page.links:
            file, _, anchor = link.partition("#")
            if link.startswith("https://"):
                continue
            target = (path.parent / file).resolve() if file else path
            assert target.is_file(), link
            assert not anchor or anchor in page.ids, link


def test_studies_lead_back_to_the_first_page(site):
    home = '<a href="../../index.html">← All studies</a>'
    for name in ("one", "study-two"):
        path = site.root / "studies" / name / "report.html"
        assert home in path.read_text(encoding="utf-8")
        assert (path.parent / "report" / "runs.csv").is_file()


def test_the_leaderboard_has_each_method_once_with_all_its_studies(site):
    frame = pd.read_csv(site.root / "leaderboard.csv")
    assert len(frame) == 4  # magnitude and zero-cost-pt, on two landscapes
    of_both = frame[frame.method == "magnitude"]
    assert set(of_both.studies) == {"study-two one"}
    results = load(site.studies / "one")
    for landscape in results.landscapes:
        means = []
        for record in results.records:
            if record.inputs.selector.label == "magnitude":
                known = {one.landscape: one.mean for one in record.accuracies}
                means.append(known[landscape.id])
        row = of_both[of_both.dataset == landscape.dataset].iloc[0]
        assert row["mean"] == pytest.approx(sum(means) / len(means))
        assert row.runs == len(means) == 2
        assert row.gap == pytest.approx(landscape.optimum_corrected - row["mean"])


def test_equal_means_share_a_place(site):
    (study,) = find_studies([site.studies / "one"])
    boards = Boards()
    boards.add(study, load(study.path))
    board = boards.in_order()[0]
    entry = board.entries[0]
    means = (90.0, 90.0 - 1e-12, 85.0, 80.0, 80.0)
    board.entries[:] = [replace(entry, mean=mean, queries=1500) for mean in means]
    assert board.places() == [1, 1, 3, 4, 4]
    page = index_page([], [], [board])
    assert page.count('<td class="number">4</td>') == 2
    assert page.count("1,500 queries") == 5


def test_the_first_page_shows_all_without_a_script(site):
    text = (site.root / "index.html").read_text(encoding="utf-8")
    static = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert static.count("<article") == 2 and static.count("<tbody>") == 2
    assert static.count(">magnitude</td>") == 2
    assert '<form class="filters" hidden' in static
    assert "No ranking: that takes 3 methods" in static


def test_the_same_records_give_the_same_site(site, tmp_path):
    write_site([site.studies / "one"], tmp_path / "again", lambda *_: None)
    path = "studies/one/report.html"
    assert (tmp_path / "again" / path).read_bytes() == (site.root / path).read_bytes()


def test_a_method_that_saw_the_truth_is_marked(site):
    (study,) = find_studies([site.studies / "one"])
    boards = Boards()
    boards.add(study, load(study.path))
    (board, _) = boards.in_order()
    entry = board.entries[0]
    board.entries[:] = [replace(entry, saw_truth=True)]
    assert "saw what judges it" in index_page([], [], [board])
    assert boards_frame([board]).saw_truth.tolist() == [True]


@pytest.mark.parametrize("kind", ["html", "script", "entity", "format", "bidi"])
def test_texts_of_others_stay_texts(site, kind):
    text = hostile.TEXTS[kind]
    study = StudyFolder(site.studies, text, "x")
    card = StudyCard(study, text, text, (text,), (text,), (text,), (text,), (text,), 1, 1)  # fmt: skip
    page = index_page([card], [], [])
    clean = index_page([], [], [])
    assert page.count("<script") == clean.count("<script")
    assert "<img" not in page and "\u202e" not in page


def test_the_filter_hides_what_does_not_match(site, dom):
    script = (
        "const form = document.querySelector('.filters');"
        "document.querySelector('#search').value = 'ZERO two';"
        "document.querySelector('#dataset').value = 'digits';"
        "form.dispatchEvent(new Event('input'));"
        "document.title = form.querySelector('output').textContent + ' of ' +"
        "[...document.querySelectorAll('.board tbody tr')].filter(row => row.offsetParent).length"
    )
    text = dom(site.root / "index.html", script)
    assert "<title>1 result, 1 study of 1</title>" in text


def test_the_command_writes_a_site_and_names_faults(archselect, tmp_path):
    make_folder(tmp_path / "one", seeds=1, labels=["random"], tables=["accuracy"])
    code, out, _ = archselect("site", "one", "--out", "site")
    assert code == 0 and out.strip().endswith("Site of 1 study: site/index.html")
    code, _, err = archselect("site", "absent", "--out", "site")
    assert code == 2 and "absent holds no study.json" in err
    code, _, err = archselect("site", "one", "--out", "one")
    assert code == 2 and "holds files, but no site of archselect" in err
