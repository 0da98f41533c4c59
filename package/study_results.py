"""Results and comparisons of studies, as pandas frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd

from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.errors import unknown
from archselect.reports.comparison.comparison import Comparison, compare_snapshots
from archselect.reports.comparison.exports import change_fields
from archselect.reports.comparison.gate import parse_gates
from archselect.reports.comparison.markdown import to_markdown
from archselect.reports.comparison.snapshot import read_new_snapshot, read_snapshot
from archselect.reports.page.sections import SECTIONS
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load
from archselect.reports.tables.render import to_markdown as table_to_markdown
from archselect.reports.tables.runs import judged_frame
from archselect.reports.tables.table import Table

FAILURE_COLUMNS = (
    "selector",
    "supernet_seed",
    "selection_seed",
    "space",
    "data",
    "error",
)
"""Columns of :attr:`StudyResults.failures`."""


class StudyResults:
    """The results in the folder of a study.

    Args:
        folder: folder in which `archselect run` wrote its records.

    Raises UserError if the folder holds no results, has a broken file, or has no
    finished run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._results = load(folder)

    @property
    def name(self) -> str:
        """The study's name."""
        return self._results.info.name

    @property
    def records(self) -> list[Record]:
        """The finished runs, with everything that they measured."""
        return self._results.records

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per finished run and ground truth.

        Some columns: selector, seeds, space, data, architecture, `accuracy` (in per
        cent), `rank` (1 is the best of the ground truth), `gap` to the best accuracy,
        `total_s` (seconds, including the supernet's training), costs, machine and
        commit.
        """
        return judged_frame(self._results).infer_objects()

    @property
    def failures(self) -> pd.DataFrame:
        """One row per failed run: selector, seeds, space, data, error."""
        rows = []
        for failure in self._results.failures:
            inputs = failure.inputs
            row = (
                inputs.selector.label,
                inputs.supernet_seed,
                inputs.selection_seed,
                inputs.space,
                inputs.data.name,
                failure.error,
            )
            rows.append(row)
        return pd.DataFrame(rows, columns=list(FAILURE_COLUMNS))

    @property
    def missing(self) -> int:
        """The number of runs that neither finished nor failed."""
        return len(self._results.missing)

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables that :meth:`table` can make."""
        return tuple(SECTIONS)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table of the report, even if the study does not ask for it.

        Numbers are not rounded. Raises UserError if there is no table of this name.
        """
        return self._table(name).frame

    def answer(self, name: str) -> str:
        """Return the conclusion of a table in one sentence. Raises as :meth:`table`."""
        return self._table(name).answer

    def markdown(self, name: str) -> str:
        """Return a table as Markdown, rounded. Raises as :meth:`table`."""
        return table_to_markdown(self._table(name))

    def _table(self, name: str) -> Table:
        if name not in SECTIONS:
            raise unknown("table", name, SECTIONS)
        return SECTIONS[name].table(self._results)

    def write_report(self) -> Path:
        """Write the tables, figures and page of the report; return the page's path.

        Raises UserError if the folder cannot be written.
        """
        return write_report(self.folder).html

    def __repr__(self) -> str:
        return (
            f"<StudyResults {self.name}: {len(self.records)} runs in {self.folder}; "
            f"tables {', '.join(self._results.info.tables)}>"
        )


class StudyComparison:
    """A comparison of two folders of results or baseline files.

    Args:
        base: the folder or baseline file to compare with.
        new: the folder or baseline file to judge.
        fail_if: gates as text, such as "accuracy_drop>0.5pt".
        strict: whether a change also fails a gate if it exceeds the gate but is not
            statistically significant over the seeds.

    Raises UserError if a gate or a folder cannot be read.
    """

    def __init__(
        self, base: Path, new: Path, fail_if: Sequence[str], strict: bool
    ) -> None:
        gates = parse_gates(fail_if)
        before = read_snapshot(base)
        after = read_new_snapshot(new)
        self._comparison: Comparison = compare_snapshots(before, after, gates, strict)

    @property
    def failed(self) -> bool:
        """Whether a gate failed."""
        return self._comparison.failed

    @property
    def failed_gates(self) -> list[str]:
        """The gates that failed, as text."""
        return self._comparison.failed_gates

    @property
    def changes(self) -> pd.DataFrame:
        """One row per metric and selector: base, new, change, interval, verdict."""
        return pd.DataFrame([change_fields(row) for row in self._comparison.changes])

    def markdown(self) -> str:
        """Return the comparison as Markdown, as `archselect compare` prints it."""
        return to_markdown(self._comparison)

    def __repr__(self) -> str:
        state = "failed" if self.failed else "not failed"
        return f"<StudyComparison: {len(self.changes)} changes, {state}>"
