"""Writes the listings that `archselect list` shows without importing what it lists.

python -m support.listings
"""

from __future__ import annotations

import json

from archselect.benchmarks.cli.listing import GROUPS, LISTINGS, SHIPPED


def listings_text() -> str:
    """Return the file that is to be shipped."""
    listings = {}
    for kind in GROUPS:
        listings[kind] = LISTINGS[kind]()._asdict()
    return json.dumps(listings, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SHIPPED.write_text(listings_text(), encoding="utf-8")
