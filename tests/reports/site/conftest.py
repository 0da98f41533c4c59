"""A site of two small studies, one of which has some of the other's runs."""

from pathlib import Path
from typing import NamedTuple

import pytest
from support.session import make_once
from support.study_folder import make_folder

from archselect.reports.site.write import write_site


class Site(NamedTuple):
    """A site, and the studies that it shows."""

    root: Path
    studies: Path


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The site of two studies; not to be touched."""

    def make(root):
        one = {"seeds": 2, "labels": ["random", "magnitude"]}
        make_folder(root / "studies" / "one", **one, tables=["accuracy"])
        three = {"seeds": 2, "labels": ["magnitude", "zero-cost-pt"]}
        make_folder(root / "studies" / "Study two", **three, tables=["accuracy"])
        write_site([root / "studies"], root / "site", lambda *_: None)

    root = make_once(tmp_path_factory, "site", make)
    return Site(root / "site", root / "studies")
