"""Commands that read several folders of records: compare, baseline, merge."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archselect.benchmarks.cli.options import RunFolder
from archselect.benchmarks.cli.terminal import notice, say
from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.foreign_text import escape_invisible

if TYPE_CHECKING:
    from archselect.reports.comparison.comparison import Comparison

FolderOrBaseline = Annotated[
    Path,
    typer.Argument(help="A folder that 'archselect run' wrote, or a baseline file."),
]


@dataclass(frozen=True)
class CompareOptions:
    """Options of `archselect compare`."""

    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            help="A gate, METRIC_drop>NUMBER or METRIC_increase>NUMBER. Examples: 'accuracy_drop>0.5pt' (points), "
            "'tau_drop>0.05', 'score_forwards_increase>10%' (relative to BASE). Repeatable."
        ),
    ] = None
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Also fail if a change exceeds a gate but is not statistically significant over the seeds.",
        ),
    ] = False
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", help="Also write the table to this Markdown file."),
    ] = None
    json: Annotated[
        Path | None,
        typer.Option("--json", help="Also write all numbers to this JSON file."),
    ] = None
    junit: Annotated[
        Path | None,
        typer.Option("--junit", help="Also write the gates to this JUnit XML file."),
    ] = None


def compare(
    base: FolderOrBaseline, new: FolderOrBaseline, options: CompareOptions
) -> None:
    """Compare two folders of records, paired by seed. Fail if a gate fails.

    Prints Markdown, and appends it to the file that GITHUB_STEP_SUMMARY names, if set.
    Exit code: 0 if no gate failed, 1 if a gate failed, 2 for bad input.
    """
    from archselect.benchmarks.plan.writable import check_file_writable
    from archselect.reports.comparison.comparison import compare_snapshots
    from archselect.reports.comparison.gate import parse_gates
    from archselect.reports.comparison.markdown import SUMMARY_LIMIT, to_markdown
    from archselect.reports.comparison.snapshot import (
        read_new_snapshot,
        read_snapshot,
    )

    faults = Faults()
    with faults.collect():
        gates = parse_gates(options.fail_if or [])
        if options.strict and not gates:
            raise UserError("--strict needs a gate: add --fail-if, or remove --strict")
    with faults.collect():
        before = read_snapshot(base)
    with faults.collect():
        after = read_new_snapshot(new)
    for path in (options.markdown, options.json, options.junit):
        if path is not None:
            with faults.collect():
                check_file_writable(path)
    faults.raise_any()
    compared = compare_snapshots(before, after, gates, options.strict)
    _write_files(compared, options)
    text = to_markdown(compared)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        _append(Path(summary), text, SUMMARY_LIMIT)
    # Print last, so that the files exist even if printing fails.
    typer.echo(escape_invisible(text), nl=False)
    if compared.failed:
        raise typer.Exit(1)


def _write_files(compared: Comparison, options: CompareOptions) -> None:
    """Write the comparison to each file that the options name."""
    from archselect.nasbench_adapters.atomic_files import write_atomically
    from archselect.reports.comparison.exports import to_json, to_junit
    from archselect.reports.comparison.markdown import to_markdown

    if options.markdown is not None:
        write_atomically(options.markdown, to_markdown(compared).encode())
    if options.json is not None:
        write_atomically(options.json, to_json(compared).encode())
    if options.junit is not None:
        write_atomically(options.junit, to_junit(compared).encode())


def _append(path: Path, text: str, limit: int) -> None:
    """Append text to the summary of a GitHub step, cut to the size that is allowed.

    Raises UserError if the summary cannot be written.
    """
    from archselect.reports.comparison.markdown import cut_to_bytes

    try:
        size = path.stat().st_size if path.exists() else 0
        with path.open("a", encoding="utf-8") as summary:
            summary.write(cut_to_bytes(text, limit - size))
    except OSError as error:
        raise UserError(
            f"cannot write GITHUB_STEP_SUMMARY {path}: {error.strerror or error}"
        ) from error


def baseline(
    folder: RunFolder,
    file: Annotated[
        Path, typer.Argument(help="The file to write, such as baseline.json.")
    ],
) -> None:
    """Write a small baseline file that 'archselect compare' reads instead of a folder.

    Put the file under version control.
    """
    from archselect.reports.comparison.snapshot import read_snapshot, write_baseline

    write_baseline(read_snapshot(folder), file)
    say(f"{file}")


def merge(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of the same study, from different machines or seeds."
        ),
    ],
    out_dir: Annotated[
        Path,
        typer.Option("--out", help="The folder to write. It may be one of FOLDERS."),
    ],
) -> None:
    """Merge folders of records of the same study, and write the report.

    Refuses folders of different studies, and records that contradict each other. If
    interrupted, rerun the command to resume. Supernets and checkpoints are not copied.
    """
    from archselect.benchmarks.store.merging import merge_folders
    from archselect.reports.page.write import write_report

    copied, kept = merge_folders(folders, out_dir, notice)
    paths = write_report(out_dir)
    say(f"{copied} records copied, {kept} already in the folder. Report: {paths.html}")
