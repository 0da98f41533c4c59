"""Which folders a site shows: those named, those within them, each once, and what is refused."""

import shutil

import pytest
from support.study_folder import make_folder

from archselect.nasbench_adapters.errors import UserError
from archselect.reports.site.folders import find_studies


@pytest.fixture
def results(tmp_path):
    """A folder of two studies, and of other things."""
    root = tmp_path / "results"
    make_folder(root / "one", seeds=1, labels=["random"])
    make_folder(root / "two", seeds=1, labels=["magnitude"])
    (root / "scores").mkdir()
    (root / "README.md").write_text("read me")
    return root


def test_a_folder_of_folders_stands_for_the_studies_in_it(results):
    found = find_studies([results / "two", results, results / "one"])
    assert [study.name for study in found] == ["two", "one"]
    assert found[0].page == "studies/two/report.html"


@pytest.mark.parametrize("name", ["scores", "README.md", "absent"])
def test_what_is_no_study_is_refused(results, name):
    with pytest.raises(UserError, match=r"holds no study\.json") as error:
        find_studies([results / "one", results / name])
    assert str(results / name) in str(error.value)


def test_a_study_without_records_is_refused_with_all_other_faults(results):
    shutil.rmtree(results / "one" / "records")
    shutil.copytree(results / "two", results / "inner" / "two")
    with pytest.raises(UserError) as error:
        find_studies([results, results / "inner", results / "scores"])
    assert len(error.value.faults) == 3
    assert "holds no record of study 'quickstart'" in str(error.value)
    assert "would both have the page studies/two/report.html" in str(error.value)
