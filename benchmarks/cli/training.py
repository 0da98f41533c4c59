"""The command that trains one architecture to the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archselect.benchmarks.cli.app import (
    SKELETON,
    DataDir,
    Device,
    RerunOtherCode,
    notice,
    parse_settings,
    print_table,
    progress,
    say,
)
from archselect.nasbench_adapters.errors import Faults
from archselect.nasbench_adapters.limits import MOST_THREADS

if TYPE_CHECKING:
    from archselect.benchmarks.plan.protocols import ResolvedProtocol


def train(
    architecture: Annotated[
        str, typer.Argument(help="In the space's text form, quoted.")
    ],
    protocol: Annotated[str, typer.Option(help="See 'archselect list protocols'.")],
    space: Annotated[
        str | None, typer.Option(help="The space. Default: the protocol's first.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Data set by name, or an .npz. Default: the protocol's."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of weights, batches and dropped paths.")
    ] = 0,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for records and weights. Default: archselect-trainings.",
        ),
    ] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    epochs: Annotated[
        int | None, typer.Option(help="In place of the protocol's.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, bf16 or fp16.")
    ] = None,
    compile_: Annotated[
        bool, typer.Option("--compile", help="Let torch.compile make the code.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Any setting, NAME=VALUE; skeleton.NAME=VALUE for the network's size. Repeatable.",
        ),
    ] = None,
    every: Annotated[
        int,
        typer.Option("--checkpoint-every", min=1, help="Epochs between checkpoints."),
    ] = 1,
    threads: Annotated[
        int,
        typer.Option(
            min=1, max=MOST_THREADS, help="CPU threads; the last digits depend on them."
        ),
    ] = 1,
    rerun_other_code: RerunOtherCode = False,
) -> None:
    """Train one architecture to the end by a protocol, and test it.

    The same command goes on where an interrupted one stopped, from the last checkpoint;
    a finished training is kept.
    """
    from archselect.benchmarks.plan.jobs import plan_training
    from archselect.benchmarks.plan.preflight import check_data, check_place
    from archselect.benchmarks.plan.protocols import get_protocol, resolve_protocol
    from archselect.benchmarks.runs.one_training import run_training
    from archselect.benchmarks.runs.other_code import format_kept_notice
    from archselect.benchmarks.runtime.machine import commit, open_device
    from archselect.benchmarks.store.folder import Folder
    from archselect.benchmarks.store.records import Trained
    from archselect.nasbench_adapters.spaces import get_space

    named = {"epochs": epochs, "precision": precision, "compile": compile_ or None}
    root = out_dir or Path("archselect-trainings")
    faults = Faults()
    check_place(root, device, "local", {}, faults)
    given: dict[str, Any] = {
        key: value for key, value in named.items() if value is not None
    }
    with faults.collect():
        given |= parse_settings(settings or [])
    skeleton = {
        key.removeprefix(SKELETON): value
        for key, value in given.items()
        if key.startswith(SKELETON)
    }
    own = {key: value for key, value in given.items() if not key.startswith(SKELETON)}
    resolved: ResolvedProtocol | None = None
    name = data
    where = space
    with faults.collect():
        chosen_protocol = get_protocol(protocol)
        where = where or next(iter(chosen_protocol.skeletons))
        name = name or chosen_protocol.data
        resolved = resolve_protocol(protocol, where, own, skeleton)
    if where is not None:
        with faults.collect():
            get_space(where).parse(architecture)
    if name is not None:
        check_data([name], data_dir, faults)
    faults.raise_any()
    assert resolved is not None and where is not None and name is not None
    chosen = open_device(device)
    job = plan_training(architecture, where, resolved, name, seed, data_dir)
    before = resolved.protocol.settings.model_dump() | _named(
        resolved.protocol.skeleton(where) or {}
    )
    values = job.inputs.settings | _named(job.inputs.skeleton)
    print_table(
        f"{protocol}: space {where}, data {name}, seed {seed}",
        ["setting", "value", "in place of the protocol's"],
        [
            [key, str(v), "" if v == before.get(key) else str(before.get(key))]
            for key, v in values.items()
        ],
    )
    with progress("epochs") as bar:

        def show(done: int, total: int, epoch: Any) -> None:
            told = (
                "" if epoch is None else f", test accuracy {epoch.test_accuracy:.2f} %"
            )
            bar.update(
                bar.task_ids[0],
                description=f"epochs{told}",
                completed=done,
                total=total,
            )

        trained, made = run_training(
            job,
            root,
            chosen,
            threads=threads,
            data_dir=data_dir,
            every=every,
            rerun_other_code=rerun_other_code,
            advance=show,
        )
    if not made and trained.commit != commit():
        notice(format_kept_notice(["this training"], [trained.commit]))
    folder = Folder(root)
    for line in (
        f"Test accuracy: {trained.last_accuracy:.2f} % after the last of {len(trained.epochs)} epochs; the best was "
        f"{trained.best_accuracy:.2f} %, after epoch {trained.best_epoch} (chosen on the test images).",
        f"{trained.parameters:,} parameters without auxiliary head, {trained.flops / 1e6:,.3g} MFLOP per image.",
        f"{'Made' if made else 'Kept'}: {folder.path(Trained, trained.id)}, weights {folder.checkpoint(trained.id)}",
    ):
        say(line)


def _named(skeleton: dict[str, Any]) -> dict[str, Any]:
    return {f"{SKELETON}{key}": value for key, value in skeleton.items()}
