"""Commands on truths."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archselect.benchmarks.cli.app import print_table, progress
from archselect.benchmarks.cli.listing import truths
from archselect.nasbench_adapters.errors import UserError, unknown


def list_columns(
    name: Annotated[str | None, typer.Argument(help="Show the columns of one truth.")] = None,
) -> None:
    """List the truths, or the columns of one."""
    from archselect.nasbench_adapters.truth import Surrogate, TruthTable, open_truth
    from archselect.nasbench_adapters.truth.table import MEASURED

    if name is None:
        print_table("truths", *truths())
        return
    truth = open_truth(name)
    held = "any architecture" if isinstance(truth, Surrogate) else f"{len(truth)} architectures"
    told = "" if isinstance(truth, TruthTable) and truth.provenance == MEASURED else f"It is {truth.how()}. "
    print_table(
        f"{truth.name}: {held} of {truth.space.name}",
        ["dataset", "split", "epochs", "trials", "architectures"],
        [[c.dataset, c.split, str(c.epochs), ", ".join(c.seeds), str(c.count)] for c in truth.columns],
        f"{truth.origin} {told}Licence: {truth.licence}. Checksum {truth.checksum[:16]}.",
    )


def lookup(
    architecture: Annotated[str, typer.Argument(help="In the space's text form, quoted.")],
    table: Annotated[str, typer.Option(help="A truth by name, or a table's .npz.")],
    dataset: Annotated[str, typer.Option(help="As the table names it.")],
    split: Annotated[str, typer.Option(help="As the table names it, for example x-valid or ori-test.")],
    epochs: Annotated[int, typer.Option(help="Training horizon; there is no default, it changes the number.")],
) -> None:
    """Print every trial of an architecture, or what a surrogate predicts, their mean, and its rank."""
    from archselect.nasbench_adapters.truth import Surrogate, open_truth
    from archselect.nasbench_adapters.truth.landscape import rank
    from archselect.nasbench_adapters.truth.table import MEASURED

    truth = open_truth(table)
    cell = truth.space.parse(architecture)
    trials = truth.lookup(cell, dataset, split, epochs)
    place, of = rank(truth, cell, dataset, split, epochs)
    if isinstance(truth, Surrogate):
        typer.echo(f"{trials.mean:.2f} %, {truth.how()}")
        typer.echo(f"rank {place} among the accuracies of the {of} architectures of '{truth.reference.name}'")
        return
    if truth.provenance != MEASURED:
        typer.echo(f"looked up, but {truth.how()}")
    for seed, accuracy in zip(trials.seeds, trials.accuracies, strict=True):
        typer.echo(f"seed {seed}: {accuracy:.2f} %")
    typer.echo(f"mean of {len(trials.seeds)} trials: {trials.mean:.2f} %, rank {place} of {of}")


def import_table(
    source: Annotated[
        Path, typer.Argument(help="A file or folder of NAS-Bench-101, -201 or -301 or NATS-Bench, or a table as CSV.")
    ],
    name: Annotated[str, typer.Option(help="What to call it from now on.")],
    format: Annotated[str | None, typer.Option(help="Where the name of the source does not tell.")] = None,
    space: Annotated[str, typer.Option(help="The space of the architectures.")] = "nb201",
    force: Annotated[bool, typer.Option(help="Go on although memory seems too small.")] = False,
    architecture_column: Annotated[
        str | None, typer.Option(help="Of a plain table: the column of architectures, in the space's text form.")
    ] = None,
    accuracy_column: Annotated[str | None, typer.Option(help="Of a plain table: the column of per cents.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Of a plain table: what the accuracies are of.")] = None,
    split: Annotated[str | None, typer.Option(help="Of a plain table: as above.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of a plain table: as above.")] = None,
    predicted: Annotated[
        bool, typer.Option("--predicted", help="The accuracies of the CSV are a surrogate's, not measured.")
    ] = False,
    origin: Annotated[str | None, typer.Option(help="Of a CSV: who measured or predicted the accuracies.")] = None,
) -> None:
    """Convert a table once into a compact file that opens in milliseconds under a name.

    A CSV has the columns arch, dataset, split, epochs, seed and accuracy; a plain one has a column of architectures and
    one of accuracies, which the options name.
    """
    from archselect.nasbench_adapters.truth import PlainColumns, Surrogate, import_truth, open_truth

    plain = None
    if any(value is not None for value in (architecture_column, accuracy_column, dataset, split, epochs)):
        if architecture_column is None or accuracy_column is None or dataset is None or split is None or epochs is None:
            raise UserError(
                "a plain table needs --architecture-column, --accuracy-column, --dataset, --split and --epochs"
            )
        plain = PlainColumns(architecture_column, accuracy_column, dataset, split, epochs)
    with progress(f"importing {source}"):
        path = import_truth(
            source, name=name, format=format, space=space, force=force, plain=plain, predicted=predicted, origin=origin
        )
    truth = open_truth(name)
    held = "any architecture" if isinstance(truth, Surrogate) else f"{len(truth)} architectures"
    typer.echo(f"{name}: {held}, {truth.holdings()}, {truth.how()}. Kept at {path}")


def fit(
    table: Annotated[str, typer.Argument(help="A table by name, or its .npz.")],
    name: Annotated[str, typer.Option(help="What to call the surrogate from now on.")],
    dataset: Annotated[str | None, typer.Option(help="Where the table has more than one column.")] = None,
    split: Annotated[str | None, typer.Option(help="As above.")] = None,
    epochs: Annotated[int | None, typer.Option(help="As above.")] = None,
) -> None:
    """Fit a surrogate on a table: it predicts any architecture of the space, and says wherever it is used how well.

    How well is measured by cross-validation, on the architectures of the table; see docs/surrogates.md.
    """
    from archselect.nasbench_adapters.truth import fit_truth, open_truth

    with progress(f"fitting and cross-validating on {table}"):
        path = fit_truth(table, name=name, dataset=dataset, split=split, epochs=epochs)
    truth = open_truth(name)
    tried = ", ".join(f"{form} {tau:.3f}" for form, tau in truth.details["tau of each form"].items())
    typer.echo(f"{name}: any architecture of {truth.space.name}, {truth.holdings()}, {truth.how()}.")
    typer.echo(f"Kept the better form of two by that tau-b ({tried}): {truth.details['form']}. Kept at {path}")


def build(
    name: Annotated[str, typer.Argument(help="The table to train, for example nb201-digits.")],
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder for the parts and the table. Default: ./NAME.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one per core.")] = None,
) -> None:
    """Train a whole table of a small world, every class and several seeds. An interrupted build goes on."""
    from archselect.benchmarks.truth_building import RECIPES, build_table

    if name not in RECIPES:
        raise unknown("table to build", name, RECIPES)
    folder = out_dir or Path(name)
    with progress("classes trained") as bar:
        path = build_table(
            RECIPES[name],
            folder,
            workers,
            lambda done, total: bar.update(bar.task_ids[0], completed=done, total=total),
        )
    typer.echo(f"{path}: open it by this path, in a study or with 'archselect truth list {path}'")
