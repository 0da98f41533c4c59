"""A traced study and its report."""

from pathlib import Path

import pytest

from archselect.reports.page.write import write_report
from archselect.reports.results.results import load
from archselect.reports.wiring.parts import WiringPart, wiring_parts


@pytest.fixture(scope="session")
def parts(study: Path) -> list[WiringPart]:
    """What the report of the study shows, made once more."""
    return wiring_parts(load(study))


@pytest.fixture(scope="session")
def study(traces, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of all kinds, with its report; not to be touched."""
    root = traces.study(tmp_path_factory.mktemp("wiring") / "study")
    write_report(root)
    return root
