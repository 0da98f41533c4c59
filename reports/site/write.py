"""The site of many studies, written into a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from archselect.reports.drawing.cells import selected_cells
from archselect.reports.page.sections import sections
from archselect.reports.page.write import report_texts
from archselect.reports.results.results import load
from archselect.reports.site.boards import Boards, boards_frame
from archselect.reports.site.folders import StudyFolder, find_studies
from archselect.reports.site.index import StudyCard, index_page, study_card
from archselect.reports.site.output import SiteFolder
from archselect.reports.site.overall import (
    StudyBlock,
    overall_rankings,
    study_blocks,
)
from archselect.reports.tables.render import csv_text

INDEX = "index.html"
LEADERBOARD = "leaderboard.csv"
_HOME = f"../../{INDEX}"
"""The address of the first page, as a study's page has it."""


@dataclass(frozen=True)
class WrittenSite:
    """A written site.

    Attributes:
        index: the first page.
        studies: number of studies.
        kept: files of an earlier site that stay because someone has changed them.
    """

    index: Path
    studies: int
    kept: tuple[Path, ...]


def write_site(
    paths: Sequence[Path],
    out: Path,
    show: Callable[[str, int, int], None],
) -> WrittenSite:
    """Write a static site over study folders.

    The same records give the same bytes. Nothing is written before every page is made.

    Args:
        paths: study folders, or folders of study folders.
        out: the site's folder: new, empty, or with a site of ours.
        show: called before each study is read, with its name, the number of studies
            read, and the number of all.

    Raises:
        UserError: no study is there, two have one name, a folder is damaged, or the
            site's folder holds files that are not ours.
    """
    studies = find_studies(paths)
    site = SiteFolder(out)
    pages = [study.page for study in studies]
    site.refuse_foreign([INDEX, LEADERBOARD, *pages])
    collected = _Collected()
    for done, study in enumerate(studies):
        show(study.name, done, len(studies))
        collected.add(study)
    kept = site.write(collected.texts())
    return WrittenSite(out / INDEX, len(studies), tuple(kept))


class _Collected:
    """The parts of a site, collected study by study.

    It keeps no records: those of all studies together can be large.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._cards: list[StudyCard] = []
        self._blocks: list[StudyBlock] = []
        self._boards = Boards()

    def add(self, study: StudyFolder) -> None:
        """Read a study and make its pages."""
        results = load(study.path)
        report_sections = sections(results)
        cells = selected_cells(results)
        texts = report_texts(results, report_sections, cells, home=_HOME)
        self._texts |= {f"{study.root}/{path}": text for path, text in texts.items()}
        self._cards.append(study_card(study, results, report_sections))
        self._blocks += study_blocks(study, results)
        self._boards.add(study, results)

    def texts(self) -> dict[str, str]:
        """Return all files of the site, by path."""
        boards = self._boards.in_order()
        index = index_page(self._cards, overall_rankings(self._blocks), boards)
        leaderboard = csv_text(boards_frame(boards))
        return {INDEX: index, LEADERBOARD: leaderboard, **self._texts}
