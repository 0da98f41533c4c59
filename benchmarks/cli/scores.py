"""Commands on scores: of many architectures, and of operations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archselect.benchmarks.cli.app import (
    SKELETON,
    DataDir,
    Device,
    Engine,
    EngineSet,
    RerunOtherCode,
    Workers,
    notice,
    parse_seeds,
    parse_settings,
    print_shown,
    progress,
    say,
    truth_part,
)
from archselect.nasbench_adapters.errors import Faults, UserError

if TYPE_CHECKING:
    from archselect.benchmarks.plan.study import TruthPart
    from archselect.benchmarks.store.records import ScorerFacts
    from archselect.nasbench_adapters.space import SearchSpace


def score(
    proxies: Annotated[
        list[str],
        typer.Argument(help="Proxies, see 'archselect list proxies'; or all."),
    ],
    cells: Annotated[
        str,
        typer.Option(
            help="Which architectures: all (one of each class of the space), sample:N, top:F (the best share F by the "
            "truth), or a CSV or Parquet file."
        ),
    ],
    space: Annotated[str, typer.Option(help="Their space.")] = "nb201",
    data: Annotated[str, typer.Option(help="Data set by name, or an .npz.")] = "digits",
    seeds: Annotated[
        str, typer.Option(help="Of weights and minibatches: 0 or 0,1,2 or 0-3.")
    ] = "0",
    batch_size: Annotated[int, typer.Option(min=2, help="Images per minibatch.")] = 64,
    batches: Annotated[
        int, typer.Option(min=1, help="Minibatches, whose scores are summed.")
    ] = 1,
    fresh_batches: Annotated[
        bool,
        typer.Option(
            "--fresh-batches",
            help="Other minibatches for every architecture, as NASLib has it.",
        ),
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
        str,
        typer.Option(
            help="Batch-norm mode: own (that of each proxy's definition), batch or running."
        ),
    ] = "own",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="The network's size: skeleton.NAME=VALUE. Repeatable."
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(help="A truth to hold the scores against, by name or path."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Of the truth.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the truth.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of the truth.")] = None,
    architecture_column: Annotated[
        str | None,
        typer.Option(help="Of a file. Default: architecture, arch or genotype."),
    ] = None,
    accuracy_column: Annotated[
        str | None, typer.Option(help="Of a file that has accuracies, in per cent.")
    ] = None,
    sample_seed: Annotated[int, typer.Option(help="Of sample:N.")] = 0,
    out_dir: Annotated[
        Path | None,
        typer.Option("--out", help="Folder. Default: archselect-scores/SPACE."),
    ] = None,
    workers: Workers = None,
    device: Device = "auto",
    engine: Engine = "local",
    engine_set: EngineSet = None,
    data_dir: DataDir = None,
    rerun_other_code: RerunOtherCode = False,
) -> None:
    """Score many architectures with zero-cost proxies, and correlate the scores with accuracies.

    Columns of a file that are named like a proxy are published scores, which ours are
    held against. What is scored is kept: the same command goes on where an interrupted
    one stopped.
    """
    from archselect.benchmarks.plan.preflight import (
        check_data,
        check_place,
        check_truth,
    )
    from archselect.benchmarks.scoring.populations import (
        check_cells_file,
        gather,
        read_cells,
    )
    from archselect.benchmarks.scoring.proxy_scores import (
        check_proxies,
        run_scoring,
        scoring_inputs,
    )
    from archselect.nasbench_adapters.space import checked_skeleton
    from archselect.nasbench_adapters.spaces import get_space
    from archselect.reports.page.scores import write_scores
    from archselect.reports.page.write import for_terminal
    from archselect.selectors.proxies import get_proxy, registry

    names = list(registry.all()) if proxies == ["all"] else proxies
    folder = out_dir or Path("archselect-scores") / space
    faults = Faults()
    skeleton: dict[str, Any] = {}
    engine_settings: dict[str, Any] = {}
    wanted: list[int] = []
    truth: TruthPart | None = None
    place: SearchSpace | None = None
    with faults.collect():
        skeleton = _skeleton(settings or [])
    with faults.collect():
        engine_settings = parse_settings(engine_set or (), "--engine-set")
    with faults.collect():
        wanted = parse_seeds(seeds)
    with faults.collect():
        truth = truth_part(table, dataset, split, epochs)
    with faults.collect():
        check_proxies(names, norm)
    with faults.collect():
        place = get_space(space)
        checked_skeleton(place, skeleton)
    check_data([data], data_dir, faults)
    check_place(folder, device, engine, engine_settings, faults)
    if truth is not None:
        with faults.collect():
            check_truth(truth, None if place is None else [place])
    has_truth = any(value is not None for value in (table, dataset, split, epochs))
    if place is None:
        with faults.collect():
            check_cells_file(cells)
    else:
        with faults.collect():
            wanted_cells = read_cells(
                place,
                cells,
                has_truth=has_truth,
                architecture_column=architecture_column,
                accuracy_column=accuracy_column,
                proxies=tuple(names),
            )
    faults.raise_any()
    assert place is not None
    with progress("reading") as bar:
        population = gather(place, wanted_cells, seed=sample_seed, truth=truth)
        inputs = scoring_inputs(
            population,
            names,
            data=data,
            data_dir=data_dir,
            skeleton=skeleton,
            norm=norm,
            batch_size=batch_size,
            batches=batches,
            fresh_batches=fresh_batches,
            supernet_operations=supernet_operations,
        )
        made, kept = run_scoring(
            inputs,
            population,
            wanted,
            folder,
            data=data,
            data_dir=data_dir,
            device=device,
            workers=workers,
            engine=engine,
            engine_settings=engine_settings,
            rerun_other_code=rerun_other_code,
            notify=notice,
            progress=lambda done, total: bar.update(
                bar.task_ids[0], description="scored", completed=done, total=total
            ),
            command=["archselect", *sys.argv[1:]],
        )
    found = write_scores(folder, {name: get_proxy(name).better for name in names})
    print_shown(for_terminal(found))
    say(f"{made} networks scored, {kept} kept. Scores: {folder / 'scores.csv'}")


def _skeleton(settings: list[str]) -> dict[str, Any]:
    """Return the network's size as options set it."""
    given = parse_settings(settings)
    for key in given:
        if not key.startswith(SKELETON):
            raise UserError(
                f"--set {key}: only the network's size can be set here: {SKELETON}NAME=VALUE"
            )
    return {key.removeprefix(SKELETON): value for key, value in given.items()}


def operation_scores(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or Parquet: source_node, target_node, operation, scorer, score, better (and cell)."
        ),
    ],
    table: Annotated[
        str | None,
        typer.Option(
            help="A truth, by name or path, whose best-acc and avg-acc are oracles."
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Of the truth.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the truth.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of the truth.")] = None,
    oracle: Annotated[
        list[str] | None,
        typer.Option(help="A scorer of the file that is an oracle, too. Repeatable."),
    ] = None,
    space: Annotated[str, typer.Option(help="The space of the edges.")] = "nb201",
    out_dir: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the table as .md, .csv and .tex."),
    ] = None,
) -> None:
    """Correlate scores of operations, such as papers release them, with what the operations are worth."""
    from archselect.benchmarks.plan.preflight import check_truth, check_writable
    from archselect.benchmarks.runs.run import survey
    from archselect.benchmarks.scoring.operation_files import read_operation_scores
    from archselect.nasbench_adapters.spaces import get_space
    from archselect.reports.page.write import for_terminal, write_table
    from archselect.reports.tables.controls import controls_in_words
    from archselect.reports.tables.operations import operation_table
    from archselect.reports.tables.oracles import oracle_in, oracles_of

    faults = Faults()
    truth: TruthPart | None = None
    scorers: list[ScorerFacts] = []
    if table is None and not oracle:
        faults.add(
            UserError(
                "name an oracle: a truth with --table, or a scorer of the file with --oracle"
            )
        )
    with faults.collect():
        truth = truth_part(table, dataset, split, epochs)
        if truth is not None:
            check_truth(truth, [get_space(space)])
    with faults.collect():
        scorers = read_operation_scores(file, get_space(space))
        for name in oracle or []:
            with faults.collect():
                oracle_in(scorers, name)
    if out_dir is not None:
        with faults.collect():
            check_writable(out_dir)
    faults.raise_any()
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
        notes += filter(None, [controls_in_words(landscape)])
    found = operation_table(scorers, oracles, notes)
    paths = write_table(found, out_dir) if out_dir is not None else []
    print_shown(for_terminal(found))
    for path in paths:
        say(f"{path}")
