"""Commands on scores: of many architectures, and of operations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from archselect.benchmarks.cli.app import (
    SKELETON,
    DataDir,
    Device,
    Engine,
    EngineSet,
    Workers,
    out,
    parse_seeds,
    parse_settings,
    print_shown,
    progress,
    truth_part,
)
from archselect.nasbench_adapters.errors import UserError


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
    workers: Workers = None,
    device: Device = "auto",
    engine: Engine = "local",
    engine_set: EngineSet = None,
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
    from archselect.selectors.proxies import get_proxy, registry

    names = list(registry.all()) if proxies == ["all"] else proxies
    given = parse_settings(settings or [])
    for key in given:
        if not key.startswith(SKELETON):
            raise UserError(f"--set {key}: only the network's size can be set here: {SKELETON}NAME=VALUE")
    truth = truth_part(table, dataset, split, epochs)
    with progress("reading") as bar:
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
            skeleton={key.removeprefix(SKELETON): value for key, value in given.items()},
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
            parse_seeds(seeds),
            folder,
            data=data,
            data_dir=data_dir,
            device=device,
            workers=workers,
            engine=engine,
            engine_settings=parse_settings(engine_set or (), "--engine-set"),
            progress=lambda done, total: bar.update(bar.task_ids[0], description="scored", completed=done, total=total),
            command=["archselect", *sys.argv[1:]],
        )
    found = write_scores(folder, {name: get_proxy(name).better for name in names})
    print_shown(for_terminal(found))
    out.print(f"{made} networks scored, {kept} kept. Scores: {folder / 'scores.csv'}", markup=False, highlight=False)


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
    from archselect.reports.tables.operations import controls_in_words, operation_table, oracle_in, oracles_of
    from archselect.reports.write import for_terminal, write_table

    truth = truth_part(table, dataset, split, epochs)
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
        notes.append(controls_in_words(landscape))
    if not oracles:
        raise UserError("name an oracle: a truth with --table, or a scorer of the file with --oracle")
    found = operation_table(scorers, oracles, notes)
    print_shown(for_terminal(found))
    if out_dir is not None:
        for path in write_table(found, out_dir):
            out.print(f"{path}", markup=False, highlight=False)
