"""The command `train`: train one architecture to the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from archselect.benchmarks.cli.options import (
    ArchitectureText,
    DataDir,
    Device,
    RerunOtherCode,
)
from archselect.benchmarks.cli.parsing import (
    SKELETON,
    parse_settings,
    split_settings,
)
from archselect.benchmarks.cli.terminal import notice, print_table, progress, say
from archselect.nasbench_adapters.errors import Faults
from archselect.nasbench_adapters.limits import MOST_THREADS

if TYPE_CHECKING:
    from archselect.benchmarks.plan.jobs import TrainingJob
    from archselect.benchmarks.plan.protocols import ResolvedProtocol
    from archselect.benchmarks.store.records import Trained


@dataclass(frozen=True)
class TrainOptions:
    """Options of `archselect train`."""

    protocol: Annotated[
        str, typer.Option(help="Training protocol ('archselect list protocols').")
    ]
    space: Annotated[
        str | None,
        typer.Option(help="Search space. Default: the first one of the protocol."),
    ] = None
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set: its name, or the path of an .npz. Default: that of the protocol."
        ),
    ] = None
    seed: Annotated[
        int, typer.Option(help="Seed of weights, batches and drop path.")
    ] = 0
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for records and weights. Default: archselect-trainings.",
        ),
    ] = None
    device: Device = "auto"
    data_dir: DataDir = None
    epochs: Annotated[
        int | None, typer.Option(help="Epochs. Default: that of the protocol.")
    ] = None
    precision: Annotated[
        str | None,
        typer.Option(
            help="Precision: float32, bf16 or fp16. Default: that of the protocol."
        ),
    ] = None
    compile_: Annotated[
        bool, typer.Option("--compile", help="Compile the network with torch.compile.")
    ] = False
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting, NAME=VALUE; skeleton.NAME=VALUE for the network's size. Repeatable.",
        ),
    ] = None
    every: Annotated[
        int,
        typer.Option("--checkpoint-every", min=1, help="Epochs between checkpoints."),
    ] = 1
    threads: Annotated[
        int,
        typer.Option(
            min=1,
            max=MOST_THREADS,
            help="CPU threads. The last digits of the result depend on it.",
        ),
    ] = 1
    rerun_other_code: RerunOtherCode = False

    @property
    def root(self) -> Path:
        """The folder of the records and weights."""
        return self.out_dir or Path("archselect-trainings")

    def own_settings(self) -> dict[str, Any]:
        """Return the settings that have their own options."""
        settings: dict[str, Any] = {}
        if self.epochs is not None:
            settings["epochs"] = self.epochs
        if self.precision is not None:
            settings["precision"] = self.precision
        if self.compile_:
            settings["compile"] = True
        return settings


class PlannedTraining(NamedTuple):
    """A training as the options describe it.

    Attributes:
        protocol: the protocol, with the settings that the options change.
        space: name of the search space.
        data: name or path of the data set.
    """

    protocol: ResolvedProtocol
    space: str
    data: str


def train(architecture: ArchitectureText, options: TrainOptions) -> None:
    """Train one architecture with a protocol, and test it.

    Rerun the command to resume an interrupted training from its last checkpoint. A
    finished training is kept.
    """
    from archselect.benchmarks.plan.jobs import plan_training
    from archselect.benchmarks.runs.other_code import format_kept_notice
    from archselect.benchmarks.runtime.machine import commit, open_device

    plan = _plan_training(architecture, options)
    device = open_device(options.device)
    job = plan_training(
        architecture,
        plan.space,
        plan.protocol,
        plan.data,
        options.seed,
        options.data_dir,
    )
    _print_settings(job, plan, options)
    trained, made = _run(job, device, options)
    if not made and trained.commit != commit():
        notice(format_kept_notice(["this training"], [trained.commit]))
    _print_trained(trained, made, options.root)


def _plan_training(architecture: str, options: TrainOptions) -> PlannedTraining:
    """Return the training that the options describe; raise UserError with faults."""
    from archselect.benchmarks.plan.preflight import check_data, check_place
    from archselect.benchmarks.plan.protocols import get_protocol, resolve_protocol
    from archselect.nasbench_adapters.spaces import get_space

    faults = Faults()
    check_place(options.root, options.device, "local", {}, faults)
    settings = options.own_settings()
    with faults.collect():
        settings |= parse_settings(options.settings or [])
    given = split_settings(settings)
    resolved: ResolvedProtocol | None = None
    data = options.data
    space = options.space
    with faults.collect():
        protocol = get_protocol(options.protocol)
        space = space or next(iter(protocol.skeletons))
        data = data or protocol.data
        resolved = resolve_protocol(
            options.protocol, space, given.others, given.skeleton
        )
    if space is not None:
        with faults.collect():
            get_space(space).parse(architecture)
    if data is not None:
        check_data([data], options.data_dir, faults)
    faults.raise_any()
    assert resolved is not None and space is not None and data is not None
    return PlannedTraining(resolved, space, data)


def _print_settings(
    job: TrainingJob, plan: PlannedTraining, options: TrainOptions
) -> None:
    """Print all settings, and mark those that differ from the protocol."""
    protocol = plan.protocol.protocol
    skeleton = protocol.skeleton(plan.space) or {}
    usual = protocol.settings.model_dump() | _with_prefix(skeleton)
    settings = job.inputs.settings | _with_prefix(job.inputs.skeleton)
    rows = []
    for name, value in settings.items():
        changed = value != usual.get(name)
        rows.append([name, str(value), str(usual.get(name)) if changed else ""])
    print_table(
        f"{options.protocol}: space {plan.space}, data {plan.data}, seed {options.seed}",
        ["setting", "value", "protocol's value"],
        rows,
    )


def _with_prefix(skeleton: dict[str, Any]) -> dict[str, Any]:
    """Return settings of the network's size under their prefixed names."""
    return {f"{SKELETON}{name}": value for name, value in skeleton.items()}


def _run(job: TrainingJob, device: Any, options: TrainOptions) -> tuple[Trained, bool]:
    """Train and show progress; return the record, and whether it was made just now."""
    from archselect.benchmarks.runs.one_training import run_training

    with progress("epochs") as bar:

        def show(done: int, total: int, epoch: Any) -> None:
            description = "epochs"
            if epoch is not None:
                description += f", test accuracy {epoch.test_accuracy:.2f} %"
            bar.update(
                bar.task_ids[0], description=description, completed=done, total=total
            )

        return run_training(
            job,
            options.root,
            device,
            threads=options.threads,
            data_dir=options.data_dir,
            every=options.every,
            rerun_other_code=options.rerun_other_code,
            advance=show,
        )


def _print_trained(trained: Trained, made: bool, root: Path) -> None:
    """Print the accuracy and size of a trained network, and the paths of its files."""
    from archselect.benchmarks.store.folder import Folder
    from archselect.benchmarks.store.records import Trained

    folder = Folder(root)
    record = folder.path(Trained, trained.id)
    weights = folder.checkpoint(trained.id)
    say(
        f"Test accuracy: {trained.last_accuracy:.2f} % after the last of {len(trained.epochs)} epochs; the best was "
        f"{trained.best_accuracy:.2f} %, after epoch {trained.best_epoch} (chosen on the test images)."
    )
    say(
        f"{trained.parameters:,} parameters without auxiliary head, {trained.flops / 1e6:,.3g} MFLOP per image."
    )
    say(f"{'Made' if made else 'Kept'}: {record}, weights {weights}")
