"""Commands on scores of architectures and of operations: score, operation-scores."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from archselect.benchmarks.cli.options import (
    DataDir,
    Device,
    Engine,
    EngineSet,
    RerunOtherCode,
    Workers,
)
from archselect.benchmarks.cli.parsing import (
    SKELETON,
    parse_seeds,
    parse_settings,
    split_settings,
    truth_part,
)
from archselect.benchmarks.cli.terminal import notice, print_shown, progress, say
from archselect.nasbench_adapters.errors import Faults, UserError

if TYPE_CHECKING:
    from archselect.benchmarks.plan.parts import TruthPart
    from archselect.benchmarks.scoring.populations import CellsRequest
    from archselect.benchmarks.scoring.run import ScoredCounts, ScoringTask
    from archselect.benchmarks.store.records import Landscape, ScorerFacts
    from archselect.nasbench_adapters.space import SearchSpace

TruthDataset = Annotated[str | None, typer.Option(help="Data set of the ground truth.")]
TruthSplit = Annotated[str | None, typer.Option(help="Split of the ground truth.")]
TruthEpochs = Annotated[
    int | None, typer.Option(help="Training epochs of the ground truth.")
]


@dataclass(frozen=True)
class ScoreOptions:
    """Options of `archselect score`."""

    cells: Annotated[
        str,
        typer.Option(
            help="Which architectures to score: all (one per class of equal functions), sample:N, top:F (the best "
            "fraction F by ground truth), or a CSV or Parquet file."
        ),
    ]
    space: Annotated[str, typer.Option(help="Search space of the architectures.")] = (
        "nb201"
    )
    data: Annotated[
        str, typer.Option(help="Data set: its name, or the path of an .npz.")
    ] = "digits"
    seeds: Annotated[
        str,
        typer.Option(
            help="Seeds of weights and minibatches, such as 0 or 0,1,2 or 0-3."
        ),
    ] = "0"
    batch_size: Annotated[int, typer.Option(min=2, help="Images per minibatch.")] = 64
    batches: Annotated[
        int, typer.Option(min=1, help="Number of minibatches. Their scores are summed.")
    ] = 1
    fresh_batches: Annotated[
        bool,
        typer.Option(
            "--fresh-batches",
            help="Draw new minibatches for every architecture, as NASLib does.",
        ),
    ] = False
    supernet_operations: Annotated[
        bool,
        typer.Option(
            "--supernet-operations",
            help="Build networks from the supernet's operations (normalisation without scale and shift, normalised "
            "pooling), as NASLib does for DARTS cells.",
        ),
    ] = False
    norm: Annotated[
        str,
        typer.Option(
            help="Batch-norm mode: own (as each proxy defines it), batch or running."
        ),
    ] = "own"
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting of the network's size, skeleton.NAME=VALUE. Repeatable.",
        ),
    ] = None
    table: Annotated[
        str | None,
        typer.Option(
            help="Ground truth to correlate the scores with: its name or path."
        ),
    ] = None
    dataset: TruthDataset = None
    split: TruthSplit = None
    epochs: TruthEpochs = None
    architecture_column: Annotated[
        str | None,
        typer.Option(
            help="Column of architectures in a file. Default: architecture, arch or genotype."
        ),
    ] = None
    accuracy_column: Annotated[
        str | None, typer.Option(help="Column of accuracies (in per cent) in a file.")
    ] = None
    sample_seed: Annotated[int, typer.Option(help="Seed of sample:N.")] = 0
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the scores. Default: archselect-scores/SPACE."
        ),
    ] = None
    workers: Workers = None
    device: Device = "auto"
    engine: Engine = "local"
    engine_set: EngineSet = None
    data_dir: DataDir = None
    rerun_other_code: RerunOtherCode = False

    @property
    def folder(self) -> Path:
        """The folder of the scores."""
        return self.out_dir or Path("archselect-scores") / self.space

    @property
    def names_truth(self) -> bool:
        """Whether at least one option names a ground truth."""
        named = (self.table, self.dataset, self.split, self.epochs)
        return any(value is not None for value in named)


class ScorePlan(NamedTuple):
    """What the options of `archselect score` ask for.

    Attributes:
        space: search space of the architectures.
        cells: which architectures to score.
        proxies: names of the proxies, or FILE.py:OBJECT.
        seeds: seeds of weights and minibatches.
        truth: ground truth in which to look up accuracies; None for no truth.
        skeleton: settings of the networks' size.
        engine_settings: settings of the engine, by name.
    """

    space: SearchSpace
    cells: CellsRequest
    proxies: tuple[str, ...]
    seeds: list[int]
    truth: TruthPart | None
    skeleton: dict[str, Any]
    engine_settings: dict[str, Any]


def score(
    proxies: Annotated[
        list[str],
        typer.Argument(
            help="Names of proxies ('archselect list proxies'), your own as FILE.py:OBJECT, or all."
        ),
    ],
    options: ScoreOptions,
) -> None:
    """Score architectures with zero-cost proxies, and correlate scores with accuracies.

    In a file, a column with the name of a proxy holds published scores; the command
    compares its own scores with them. Finished scores are kept: rerun the command to
    resume.
    """
    from archselect.reports.page.scores import write_scores
    from archselect.reports.page.write import for_terminal
    from archselect.selectors.proxies import get_proxy, registry

    names = list(registry.all()) if proxies == ["all"] else proxies
    plan = _plan_scoring(names, options)
    counts = _run(plan, options)
    chosen = [get_proxy(name) for name in names]
    better: dict[str, str] = {proxy.name: proxy.better for proxy in chosen}
    scores = write_scores(options.folder, better)
    print_shown(for_terminal(scores))
    file = options.folder / "scores.csv"
    say(f"{counts.made} networks scored, {counts.kept} kept. Scores: {file}")


def _plan_scoring(proxies: Sequence[str], options: ScoreOptions) -> ScorePlan:
    """Return the plan that the options describe. Raise UserError with all faults."""
    from archselect.benchmarks.plan.preflight import check_data, check_place
    from archselect.benchmarks.scoring.inputs import check_proxies
    from archselect.nasbench_adapters.space import build_skeleton
    from archselect.nasbench_adapters.spaces import get_space

    faults = Faults()
    skeleton: dict[str, Any] = {}
    engine_settings: dict[str, Any] = {}
    seeds: list[int] = []
    truth: TruthPart | None = None
    space: SearchSpace | None = None
    names: tuple[str, ...] = ()
    with faults.collect():
        skeleton = _skeleton(options.settings or [])
    with faults.collect():
        engine_settings = parse_settings(options.engine_set or (), "--engine-set")
    with faults.collect():
        seeds = parse_seeds(options.seeds)
    with faults.collect():
        truth = truth_part(
            options.table, options.dataset, options.split, options.epochs
        )
    with faults.collect():
        names = check_proxies(proxies, options.norm)
    with faults.collect():
        space = get_space(options.space)
        build_skeleton(space, skeleton)
    check_data([options.data], options.data_dir, faults)
    check_place(options.folder, options.device, options.engine, engine_settings, faults)
    _check_truth(truth, space, faults)
    cells = _read_cells(space, names, options, faults)
    faults.raise_any()
    assert space is not None and cells is not None
    return ScorePlan(
        space, cells, tuple(proxies), seeds, truth, skeleton, engine_settings
    )


def _skeleton(settings: list[str]) -> dict[str, Any]:
    """Return the settings of the network's size. Raise UserError for other settings."""
    split = split_settings(parse_settings(settings))
    for name in split.others:
        raise UserError(
            f"--set {name}: this command sets only the network's size: {SKELETON}NAME=VALUE"
        )
    return split.skeleton


def _check_truth(
    truth: TruthPart | None, space: SearchSpace | None, faults: Faults
) -> None:
    """Add a fault if the ground truth is missing, or is of another space."""
    from archselect.benchmarks.plan.preflight import check_truth

    if truth is not None:
        with faults.collect():
            check_truth(truth, None if space is None else [space])


def _read_cells(
    space: SearchSpace | None,
    proxies: tuple[str, ...],
    options: ScoreOptions,
    faults: Faults,
) -> CellsRequest | None:
    """Return which architectures to score; add faults of the option."""
    from archselect.benchmarks.scoring.populations import check_cells_file, read_cells

    with faults.collect():
        if space is None:
            check_cells_file(options.cells)
        else:
            return read_cells(
                space,
                options.cells,
                has_truth=options.names_truth,
                architecture_column=options.architecture_column,
                accuracy_column=options.accuracy_column,
                proxies=proxies,
            )
    return None


def _run(plan: ScorePlan, options: ScoreOptions) -> ScoredCounts:
    """Score what is missing, and show progress."""
    from archselect.benchmarks.scoring.run import ScoringExecution, run_scoring

    execution = ScoringExecution(
        data=options.data,
        data_dir=options.data_dir,
        device=options.device,
        workers=options.workers,
        engine=options.engine,
        engine_settings=plan.engine_settings,
    )
    with progress("reading") as bar:

        def show(done: int, total: int) -> None:
            bar.update(
                bar.task_ids[0], description="scored", completed=done, total=total
            )

        return run_scoring(
            _scoring_task(plan, options),
            options.folder,
            execution,
            rerun_other_code=options.rerun_other_code,
            notify=notice,
            progress=show,
            command=["archselect", *sys.argv[1:]],
        )


def _scoring_task(plan: ScorePlan, options: ScoreOptions) -> ScoringTask:
    """Return the scoring task, with all architectures."""
    from archselect.benchmarks.scoring.inputs import scoring_inputs
    from archselect.benchmarks.scoring.populations import gather
    from archselect.benchmarks.scoring.run import ScoringTask

    population = gather(
        plan.space, plan.cells, seed=options.sample_seed, truth=plan.truth
    )
    inputs = scoring_inputs(
        population,
        plan.proxies,
        data=options.data,
        data_dir=options.data_dir,
        skeleton=plan.skeleton,
        norm=options.norm,
        batch_size=options.batch_size,
        batches=options.batches,
        fresh_batches=options.fresh_batches,
        supernet_operations=options.supernet_operations,
    )
    return ScoringTask(inputs, population, plan.seeds, plan.proxies)


@dataclass(frozen=True)
class OperationScoresOptions:
    """Options of `archselect operation-scores`."""

    table: Annotated[
        str | None,
        typer.Option(
            help="Ground truth (name or path) whose best-acc and avg-acc serve as oracles."
        ),
    ] = None
    dataset: TruthDataset = None
    split: TruthSplit = None
    epochs: TruthEpochs = None
    oracle: Annotated[
        list[str] | None,
        typer.Option(help="A scorer of the file to use as an oracle, too. Repeatable."),
    ] = None
    space: Annotated[str, typer.Option(help="Search space of the edges.")] = "nb201"
    out_dir: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the table (.md, .csv, .tex, .typ)."),
    ] = None


def operation_scores(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or Parquet with columns source_node, target_node, operation, scorer, score, better (and cell)."
        ),
    ],
    options: OperationScoresOptions,
) -> None:
    """Correlate the scores of operations in a file with oracles of their worth."""
    from archselect.benchmarks.runs.landscapes import describe_truths
    from archselect.reports.page.write import for_terminal, write_table
    from archselect.reports.tables.operations import operation_table
    from archselect.reports.tables.oracles import oracle_in, oracles_of

    plan = _plan_operation_scores(file, options)
    oracles = {name: oracle_in(plan.scorers, name) for name in options.oracle or []}
    notes: list[str] = []
    if plan.truth is not None:
        (landscape,) = describe_truths([plan.truth], [options.space])
        oracles |= oracles_of(landscape)
        notes = _oracle_notes(landscape)
    table = operation_table(plan.scorers, oracles, notes)
    paths = [] if options.out_dir is None else write_table(table, options.out_dir)
    print_shown(for_terminal(table))
    for path in paths:
        say(f"{path}")


class OperationScoresPlan(NamedTuple):
    """What the options of `archselect operation-scores` ask for.

    Attributes:
        scorers: the scorers in the file.
        truth: ground truth whose best and mean accuracies are oracles; None for none.
    """

    scorers: list[ScorerFacts]
    truth: TruthPart | None


def _plan_operation_scores(
    file: Path, options: OperationScoresOptions
) -> OperationScoresPlan:
    """Return the plan that the options describe. Raise UserError with all faults."""
    from archselect.benchmarks.plan.preflight import check_truth
    from archselect.benchmarks.plan.writable import check_writable
    from archselect.benchmarks.scoring.operation_files import read_operation_scores
    from archselect.nasbench_adapters.spaces import get_space
    from archselect.reports.tables.oracles import oracle_in

    faults = Faults()
    truth: TruthPart | None = None
    scorers: list[ScorerFacts] = []
    if options.table is None and not options.oracle:
        faults.add(
            UserError(
                "name an oracle: a ground truth with --table, or a scorer of the file with --oracle"
            )
        )
    with faults.collect():
        truth = truth_part(
            options.table, options.dataset, options.split, options.epochs
        )
        if truth is not None:
            check_truth(truth, [get_space(options.space)])
    with faults.collect():
        scorers = read_operation_scores(file, get_space(options.space))
        for name in options.oracle or []:
            with faults.collect():
                oracle_in(scorers, name)
    if options.out_dir is not None:
        with faults.collect():
            check_writable(options.out_dir)
    faults.raise_any()
    return OperationScoresPlan(scorers, truth)


def _oracle_notes(landscape: Landscape) -> list[str]:
    """Return notes that define the oracles of a truth, and say how noisy they are."""
    from archselect.reports.tables.controls import controls_in_words

    note = (
        "best-acc is the highest accuracy over cells and trials, avg-acc the mean, of the cells that have the "
        f"operation on the edge: {landscape.truth}, {landscape.dataset}/{landscape.split}/{landscape.epochs}, "
        f"{landscape.architectures:,} architectures."
    )
    controls = controls_in_words(landscape)
    return [note, controls] if controls else [note]
