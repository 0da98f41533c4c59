"""Listings that are shipped as data, and what commands import to show them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.listings import listings_text

from archselect.benchmarks.cli import listing
from archselect.benchmarks.cli.listing import GROUPS, SHIPPED


def test_the_shipped_listings_are_up_to_date():
    assert SHIPPED.read_text(encoding="utf-8") == listings_text(), (
        "run: cd tests && python -m support.listings"
    )


@pytest.mark.parametrize("kind", GROUPS)
def test_a_listing_imports_nothing_heavy(kind):
    code = (
        "import sys; from archselect.benchmarks.cli.listing import list_things; "
        f"list_things({kind!r}); "
        "heavy = {'torch', 'pandas', 'scipy', 'sklearn'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["truths", "costs"])
def test_what_looks_at_files_imports_no_torch_and_no_pandas(kind):
    code = (
        "import sys; from archselect.benchmarks.cli.listing import list_things; "
        f"list_things({kind!r}); "
        "heavy = {'torch', 'pandas', 'sklearn'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_package_that_adds_to_a_kind_is_listed(monkeypatch):
    monkeypatch.setattr(listing, "entry_points", lambda group: [group])
    assert listing._shipped("selectors") is None
    assert listing._shipped("studies") is not None
    assert listing._shipped("truths") is None


def test_what_is_not_there_has_an_address_and_a_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    listings = [
        listing._datasets(tmp_path),
        listing._graphs(tmp_path),
        listing.truths(),
    ]
    absent = {}
    for shown in listings:
        rows = [dict(zip(shown.columns, row, strict=True)) for row in shown.rows]
        absent |= {row["name"]: row for row in rows if row["here"] == "absent"}
    assert {"cifar10", "ImageNet16-120", "cora", "nb201", "nb101"} <= absent.keys()
    for row in absent.values():
        assert row["from"].startswith("https://") and row["how to get it"]
    assert absent["nb201"]["size"] == "4.7 GB"
    assert absent["cifar10"]["size"] == "162 MiB to download"
