"""Which folders a site shows, and what their pages are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.input_files import unreadable
from archselect.reports.figures.canvas import slug


@dataclass(frozen=True)
class StudyFolder:
    """A folder of records that a site shows.

    Attributes:
        path: path of the folder.
        name: name of the folder, which stands for the study on the site.
        slug: the name in addresses.
    """

    path: Path
    name: str
    slug: str

    @property
    def page(self) -> str:
        """The path of the study's page within the site."""
        return f"{self.root}/report.html"

    @property
    def root(self) -> str:
        """The path of the study's files within the site."""
        return f"studies/{self.slug}"


def find_studies(paths: Sequence[Path]) -> list[StudyFolder]:
    """Return the study folders among paths and directly within them, each once.

    Args:
        paths: folders that `archselect run` has written, or folders of such folders.

    Raises:
        UserError: a path leads to no study, a study has no finished run, or two folders
            have the same name. All faults are in one message.
    """
    faults = Faults()
    found: dict[Path, None] = {}
    for path in paths:
        with faults.collect():
            found |= dict.fromkeys(_studies_at(path))
    for path in found:
        with faults.collect():
            _check_has_records(path)
    studies = [_name_study(path) for path in found]
    with faults.collect():
        _refuse_equal_names(studies)
    faults.raise_any()
    return studies


def _studies_at(path: Path) -> list[Path]:
    """Return the folders with a study at a path: itself, or those within it."""
    try:
        within = _look_for_studies(path)
    except OSError as error:
        raise unreadable(path, error) from error
    if not within:
        raise UserError(
            f"{path} holds no study.json, and no folder in it does: name a folder that 'archselect run STUDY --out "
            "DIR' has written, or a folder of such folders"
        )
    return within


def _look_for_studies(path: Path) -> list[Path]:
    """Return the folders with a study at a path; raise OSError as the system does."""
    if Folder(path).study_path.is_file():
        return [path.resolve()]
    if not path.is_dir():
        return []
    children = sorted(path.iterdir())
    return [child.resolve() for child in children if Folder(child).study_path.is_file()]


def _check_has_records(path: Path) -> None:
    """Raise UserError for a folder without a record."""
    folder = Folder(path)
    info = folder.study()
    if not folder.files(Record) and not folder.compact_path.is_file():
        raise UserError(
            f"{path} holds no record of study '{info.name}': run '{info.command}' first, or leave the folder out"
        )


def _name_study(path: Path) -> StudyFolder:
    return StudyFolder(path, path.name, slug(path.name))


def _refuse_equal_names(studies: Iterable[StudyFolder]) -> None:
    """Raise UserError if the pages of two folders would have one address."""
    by_slug: dict[str, StudyFolder] = {}
    for study in studies:
        other = by_slug.setdefault(study.slug, study)
        if other is not study:
            raise UserError(
                f"{other.path} and {study.path} would both have the page {study.page}: rename one of the folders"
            )
