"""Commands that publish folders of records: site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archselect.benchmarks.cli.terminal import notice, progress, say


def site(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Folders that 'archselect run' has written, or folders of such."
        ),
    ],
    out_dir: Annotated[
        Path,
        typer.Option("--out", help="The site's folder: new, or with an earlier site."),
    ],
) -> None:
    """Write a static site over many studies: a leaderboard, and a page of each study.

    It needs no server and no network: open its index.html. Rerun the command to bring
    it up to date. Files in the folder that archselect has not written stay.
    """
    from archselect.reports.site.write import write_site

    with progress("reading studies") as bar:

        def show(study: str, done: int, total: int) -> None:
            bar.update(bar.task_ids[0], description=study, completed=done, total=total)

        written = write_site(folders, out_dir, show)
    for path in written.kept:
        notice(f"archselect: {path} was changed and is left as it is", "yellow")
    studies = "1 study" if written.studies == 1 else f"{written.studies} studies"
    say(f"Site of {studies}: {written.index}")
