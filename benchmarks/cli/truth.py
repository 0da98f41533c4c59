"""Commands that list, look up, import, fit and build ground truths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archselect.benchmarks.cli.listing import truths
from archselect.benchmarks.cli.options import ArchitectureText
from archselect.benchmarks.cli.terminal import print_table, progress, say
from archselect.nasbench_adapters.errors import Faults, UserError, unknown

if TYPE_CHECKING:
    from archselect.nasbench_adapters.truth import Column, GroundTruth
    from archselect.nasbench_adapters.truth.ground_truth import StoredAccuracies
    from archselect.nasbench_adapters.truth.importing import Imported
    from archselect.nasbench_adapters.truth.plain_csv import PlainColumns


def list_columns(
    name: Annotated[
        str | None, typer.Argument(help="Show the columns of this ground truth.")
    ] = None,
) -> None:
    """List the ground truths, or the columns of one of them."""
    if name is None:
        listing = truths()
        print_table("truths", listing.columns, listing.rows)
    else:
        _print_columns(name)


def _print_columns(name: str) -> None:
    """Print the columns of a ground truth, and its origin."""
    from archselect.nasbench_adapters.truth import open_truth

    truth = open_truth(name)
    provenance = "" if truth.measured else f"It is {truth.describe_provenance()}. "
    rows = []
    for column in truth.columns:
        seeds = ", ".join(column.seeds)
        epochs = str(column.epochs)
        count = str(column.count)
        rows.append([column.dataset, column.split, epochs, seeds, count])
    print_table(
        f"{truth.name}: {truth.describe_coverage()} of {truth.space.name}",
        ["dataset", "split", "epochs", "trials", "architectures"],
        rows,
        f"{truth.origin} {provenance}Licence: {truth.licence}. Checksum {truth.checksum[:16]}.",
    )


def lookup(
    architecture: ArchitectureText,
    table: Annotated[
        str, typer.Option(help="Ground truth: its name, or the path of an .npz.")
    ],
    dataset: Annotated[
        str, typer.Option(help="Data set, as the ground truth names it.")
    ],
    split: Annotated[
        str,
        typer.Option(
            help="Split, as the ground truth names it, for example x-valid or ori-test."
        ),
    ],
    epochs: Annotated[
        int,
        typer.Option(
            help="Training epochs. There is no default, because the accuracy depends on it."
        ),
    ],
) -> None:
    """Print the accuracy of an architecture: each trial, the mean, and the rank.

    A surrogate has no trials: its prediction is printed.
    """
    from archselect.nasbench_adapters.truth import check_column, open_truth
    from archselect.nasbench_adapters.truth.landscape import rank

    truth = open_truth(table)
    faults = Faults()
    with faults.collect():
        truth.space.parse(architecture)
    with faults.collect():
        check_column(table, dataset, split, epochs)
    faults.raise_any()
    cell = truth.space.parse(architecture)
    trials = truth.lookup(cell, dataset, split, epochs)
    place, count = rank(truth, cell, dataset, split, epochs)
    if truth.predicts:
        say(f"{trials.mean:.2f} %, {truth.describe_provenance()}")
        say(
            f"rank {place} among the {count} architectures of the table '{truth.reference.name}'"
        )
        return
    if not truth.measured:
        say(f"looked up, but {truth.describe_provenance()}")
    for seed, accuracy in zip(trials.seeds, trials.accuracies, strict=True):
        say(f"seed {seed}: {accuracy:.2f} %")
    say(
        f"mean of {len(trials.seeds)} trials: {trials.mean:.2f} %, rank {place} of {count}"
    )


@dataclass(frozen=True)
class ImportOptions:
    """Options of `archselect truth import`."""

    name: Annotated[str, typer.Option(help="Name of the new ground truth.")]
    format: Annotated[
        str | None,
        typer.Option(help="Format of the source. Default: detected from its name."),
    ] = None
    space: Annotated[str, typer.Option(help="Search space of the architectures.")] = (
        "nb201"
    )
    force: Annotated[
        bool, typer.Option(help="Continue even if the memory seems too small.")
    ] = False
    architecture_column: Annotated[
        str | None,
        typer.Option(
            help="For a plain table: the column of architectures, in the text form of the search space."
        ),
    ] = None
    accuracy_column: Annotated[
        str | None,
        typer.Option(help="For a plain table: the column of accuracies, in per cent."),
    ] = None
    dataset: Annotated[
        str | None,
        typer.Option(help="For a plain table: the data set of the accuracies."),
    ] = None
    split: Annotated[
        str | None, typer.Option(help="For a plain table: their split.")
    ] = None
    epochs: Annotated[
        int | None, typer.Option(help="For a plain table: their training epochs.")
    ] = None
    predicted: Annotated[
        bool,
        typer.Option(
            "--predicted",
            help="For a CSV: a surrogate predicted the accuracies; they are not measured.",
        ),
    ] = False
    origin: Annotated[
        str | None,
        typer.Option(help="For a CSV: who measured or predicted the accuracies."),
    ] = None
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Replace an existing ground truth of this name."
        ),
    ] = False
    skip_invalid: Annotated[
        bool,
        typer.Option(
            "--skip-invalid",
            help="For a CSV: leave out rows that cannot be read, and list them.",
        ),
    ] = False

    def plain_columns(self) -> PlainColumns | None:
        """Return the columns of a plain table; None if no option names one.

        Raises UserError if only some of the options are given.
        """
        from archselect.nasbench_adapters.truth.long_csv import COLUMNS
        from archselect.nasbench_adapters.truth.plain_csv import PlainColumns

        options = {
            "--architecture-column": self.architecture_column,
            "--accuracy-column": self.accuracy_column,
            "--dataset": self.dataset,
            "--split": self.split,
            "--epochs": self.epochs,
        }
        missing = [option for option, value in options.items() if value is None]
        if len(missing) == len(options):
            return None
        if missing:
            raise UserError(
                f"a plain table also needs {', '.join(missing)}; a table with the columns {', '.join(COLUMNS)} needs "
                "none of these options"
            )
        assert self.architecture_column is not None and self.accuracy_column is not None
        assert self.dataset is not None and self.split is not None
        assert self.epochs is not None
        return PlainColumns(
            self.architecture_column,
            self.accuracy_column,
            self.dataset,
            self.split,
            self.epochs,
        )


def import_table(
    source: Annotated[
        Path,
        typer.Argument(
            help="A file or folder of NAS-Bench-101, -201, -301 or NATS-Bench, or a CSV file."
        ),
    ],
    options: ImportOptions,
) -> None:
    """Convert a published table into a small file that opens in milliseconds.

    A CSV has the columns arch, dataset, split, epochs, seed and accuracy. A plain CSV
    has one column of architectures and one of accuracies; options name them.
    Accuracies are in per cent.
    """
    from archselect.nasbench_adapters.truth.importing import import_truth

    plain = options.plain_columns()
    with progress(f"importing {source}"):
        imported = import_truth(
            source,
            name=options.name,
            format=options.format,
            space=options.space,
            force=options.force,
            plain=plain,
            predicted=options.predicted,
            origin=options.origin,
            replace=options.replace,
            skip_invalid=options.skip_invalid,
        )
    _print_imported(options.name, imported)


def _print_imported(name: str, imported: Imported) -> None:
    """Print what an import read, and the rows that it left out."""
    truth = imported.truth
    if not truth.predicts:
        table = truth.reference
        _print_extents(name, truth, rows_left_out=len(imported.left_out))
        _print_low_accuracies(table, truth.columns)
    else:
        say(
            f"{name}: {truth.describe_coverage()} of {truth.space.name}, {truth.describe_columns()}, "
            f"{truth.describe_provenance()}"
        )
    if imported.replaced is not None:
        say(f"Replaced the old ground truth '{name}': {imported.replaced}")
    _print_left_out(imported)
    say(f"Saved as {imported.path}")


def _print_extents(name: str, truth: GroundTruth, rows_left_out: int) -> None:
    """Print the number of architectures and trials of each column, and its range."""
    table = truth.reference
    trials = sum(table.extent(*column.key).trials for column in truth.columns)
    all_rows = f" of {trials + rows_left_out:,} rows" if rows_left_out else ""
    print_table(
        f"{name}: {len(table)} architectures of {truth.space.name}, {trials:,} trials{all_rows}",
        [
            "data set",
            "split",
            "epochs",
            "architectures",
            "trials per architecture",
            "lowest %",
            "highest %",
        ],
        [_extent_row(table, column) for column in truth.columns],
        f"{truth.describe_provenance()}, {truth.origin}",
        ["epochs", "architectures", "lowest %", "highest %"],
    )


def _extent_row(table: StoredAccuracies, column: Column) -> list[str]:
    """Return the table row of one column of a ground truth."""
    extent = table.extent(*column.key)
    trials = f"{extent.most}"
    if extent.fewest != extent.most:
        trials = f"{extent.fewest} to {extent.most}"
    return [
        column.dataset,
        column.split,
        str(column.epochs),
        f"{column.count:,}",
        trials,
        f"{extent.lowest:.2f}",
        f"{extent.highest:.2f}",
    ]


def _print_low_accuracies(table: StoredAccuracies, columns: Sequence[Column]) -> None:
    """Print how many accuracies are at most 1 %: they may be fractions of one."""
    low = 0
    trials = 0
    for column in columns:
        accuracies = table.matrix(*column.key)
        low += int(((accuracies > 0) & (accuracies <= 1)).sum())
        trials += table.extent(*column.key).trials
    if low:
        say(
            f"{low:,} of {trials:,} accuracies {'is' if low == 1 else 'are'} at most 1 %"
        )


def _print_left_out(imported: Imported) -> None:
    """Print the rows that an import left out: the number of each kind, and examples."""
    from archselect.nasbench_adapters.truth.rows import SHOWN, counts_of

    refused = imported.left_out
    if not refused:
        return
    say(f"Left out {len(refused):,} {'row' if len(refused) == 1 else 'rows'}:")
    for kind, count in counts_of(refused):
        say(f"  {count:,} × {kind}")
    for row in refused[:SHOWN]:
        say(f"  {row}")
    if imported.list_of_left_out is not None:
        say(
            f"  and {len(refused) - SHOWN:,} more, all listed in {imported.list_of_left_out}"
        )


def fit(
    table: Annotated[
        str, typer.Argument(help="Table: its name, or the path of an .npz.")
    ],
    name: Annotated[str, typer.Option(help="Name of the new surrogate.")],
    dataset: Annotated[
        str | None,
        typer.Option(help="Data set. Needed if the table has several columns."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split. Needed if the table has several columns.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Training epochs. Needed if the table has several columns."),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace an existing surrogate of this name."),
    ] = False,
) -> None:
    """Fit a surrogate on a table. It predicts every architecture of the search space.

    Cross-validation on the table measures how well the surrogate predicts, and compares
    it with the number of parameters alone. Every report that uses the surrogate states
    this quality. See docs/surrogates.md.
    """
    from archselect.benchmarks.plan.parameters import (
        count_rows,
        describe_counted_network,
    )
    from archselect.nasbench_adapters.truth import open_truth
    from archselect.nasbench_adapters.truth.named_surrogates import fit_truth

    with progress(f"fitting and cross-validating on {table}"):
        path = fit_truth(
            table,
            name=name,
            dataset=dataset,
            split=split,
            epochs=epochs,
            replace=replace,
            parameters=count_rows,
        )
    truth = open_truth(name)
    taus = truth.details["tau of each form"]
    tried = ", ".join(f"{form} {tau:.3f}" for form, tau in taus.items())
    say(
        f"{name}: {truth.describe_coverage()} of {truth.space.name}, {truth.describe_columns()}, "
        f"{truth.describe_provenance()}."
    )
    say(compared(truth, describe_counted_network(truth.space.name)))
    say(
        f"Chose the form with the higher tau-b ({tried}): {truth.details['form']}. Saved as {path}"
    )


def compared(truth: GroundTruth, network: str) -> str:
    """Return a sentence that compares a surrogate with the number of parameters alone.

    Args:
        truth: a surrogate that was fitted with a count of parameters.
        network: description of the network whose parameters were counted.
    """
    from archselect.nasbench_adapters.truth.fitting import ALONE

    alone = truth.details[ALONE]
    if "undefined" in alone:
        return (
            f"Not compared with the number of parameters alone: {alone['undefined']}."
        )
    sentence = (
        f"Parameters alone ({network}), on the same folds: Kendall's tau-b {alone['tau']:.3f} "
        f"[{alone['tau_low']:.3f}, {alone['tau_high']:.3f}]."
    )
    assert truth.agreement is not None
    if truth.agreement.tau_low > alone["tau"]:
        return f"{sentence} The surrogate's interval lies above it."
    return (
        f"{sentence} The surrogate is not better than parameters alone: its interval does not exceed "
        f"{alone['tau']:.3f}."
    )


def build(
    name: Annotated[
        str, typer.Argument(help="The table to build, for example nb201-digits.")
    ],
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the table and its parts. Default: ./NAME."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of processes. Default: one per core."),
    ] = None,
) -> None:
    """Build a table: train one architecture per class of a space, with several seeds.

    Rerun the command to resume an interrupted build.
    """
    from archselect.benchmarks.plan.writable import check_writable
    from archselect.benchmarks.runs.truth_building import RECIPES, build_table
    from archselect.nasbench_adapters.truth.catalogue import KNOWN

    faults = Faults()
    if name in KNOWN:
        known = KNOWN[name]
        faults.add(
            UserError(
                f"the ground truth '{name}' is imported, not built: {known.command} ({known.summary})"
            )
        )
    elif name not in RECIPES:
        faults.add(unknown("table to build", name, RECIPES))
    folder = out_dir or Path(name)
    with faults.collect():
        check_writable(folder)
    faults.raise_any()
    with progress("classes trained") as bar:

        def show(done: int, total: int) -> None:
            bar.update(bar.task_ids[0], completed=done, total=total)

        path = build_table(RECIPES[name], folder, workers, show)
    say(
        f"Saved as {path}. Use this path in a study, or with 'archselect truth list {path}'."
    )
