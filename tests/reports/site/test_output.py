"""The site's folder: only files of ours are written over and removed."""

import json

import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.reports.site.output import MANIFEST, SiteFolder

FIRST = {"index.html": "a", "studies/one/report.html": "b", "studies/two/x.csv": "c"}
SECOND = {"index.html": "d", "studies/one/report.html": "b"}


def files_in(root):
    paths = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text() for path in paths}


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    assert SiteFolder(root).write(FIRST) == []
    return root


def test_a_second_site_replaces_the_first(site):
    assert SiteFolder(site).write(SECOND) == []
    written = files_in(site)
    listed = json.loads(written.pop(MANIFEST))["files"]
    assert written == SECOND
    assert listed.keys() == SECOND.keys()
    assert not (site / "studies" / "two").exists()


def test_files_of_others_stay(site):
    mine = site / "studies" / "two" / "mine.txt"
    mine.write_text("mine")
    (site / "CNAME").write_text("example.org")
    SiteFolder(site).write(SECOND)
    written = files_in(site)
    del written[MANIFEST]
    assert written == SECOND | {"studies/two/mine.txt": "mine", "CNAME": "example.org"}


def test_a_changed_file_is_not_removed(site):
    changed = site / "studies" / "two" / "x.csv"
    changed.write_text("mine now")
    assert SiteFolder(site).write(SECOND) == [changed]
    assert changed.read_text() == "mine now"


def test_a_file_in_the_way_is_refused_before_anything_is_written(site):
    before = files_in(site)
    (site / "leaderboard.csv").write_text("mine")
    with pytest.raises(UserError, match="not a file of archselect site"):
        SiteFolder(site).write(SECOND | {"leaderboard.csv": "ours"})
    assert files_in(site) == before | {"leaderboard.csv": "mine"}


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds files, but no site"):
        SiteFolder(tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        SiteFolder(tmp_path / "thesis.tex")


@pytest.mark.parametrize("path", ["../mine", "/etc/passwd", "a/../../mine", ".git/x"])
def test_a_list_that_leads_elsewhere_is_refused(site, path):
    content = json.loads((site / MANIFEST).read_text())
    content["files"][path] = "0"
    (site / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(UserError, match="name another folder"):
        SiteFolder(site)


def test_nothing_is_written_or_removed_through_a_link(site, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (site / "studies" / "two").rename(elsewhere)
    (site / "studies" / "two").symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link"):
        SiteFolder(site).write(FIRST)
    assert SiteFolder(site).write(SECOND) == [site / "studies" / "two" / "x.csv"]
    assert files_in(elsewhere) == {"x.csv": "c"}
