"""The final training of one architecture, in the current process."""

from __future__ import annotations

from pathlib import Path

import torch

from archselect.benchmarks.plan.jobs import TrainingJob
from archselect.benchmarks.runs.other_code import is_trained_by_this_code
from archselect.benchmarks.runs.runner import Runner
from archselect.benchmarks.runs.training import Advance, ignore_progress
from archselect.benchmarks.runtime.process_settings import THREADS, configure_process
from archselect.benchmarks.store.facts import read_fact, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Trained
from archselect.nasbench_adapters.atomic_files import lock_folder
from archselect.nasbench_adapters.errors import UserError


def run_training(
    job: TrainingJob,
    root: Path,
    device: torch.device,
    *,
    threads: int = THREADS,
    data_dir: Path | None = None,
    every: int = 1,
    rerun_other_code: bool = False,
    advance: Advance = ignore_progress,
) -> tuple[Trained, bool]:
    """Train one architecture to the end, or resume its training.

    Args:
        job: what to train, and how.
        root: the folder. A training that is finished there is not repeated.
        device: device to train on.
        threads: CPU threads of this process. Another number than 1 changes the order of
            sums, and so the last digits of the results.
        data_dir: folder of the data sets; None for the user's data folder.
        every: epochs between checkpoints.
        rerun_other_code: whether to repeat a training that another commit did.
        advance: function that gets the epochs done, the total, and the last epoch.

    Returns:
        The record, and whether it was made now.

    Raises:
        UserError: the training diverged, or the folder holds a damaged file or cannot
            be written.
    """
    folder = Folder(root)
    path = folder.path(Trained, job.id)
    usable = not rerun_other_code or is_trained_by_this_code(folder, job)
    if path.is_file() and usable:
        return read_fact(path, Trained), False
    configure_process(threads)
    with lock_folder(root):
        folder.refuse_links()
        runner = Runner(folder, device, data_dir, other_code=not rerun_other_code)
        try:
            trained = runner.train(job, every, advance)
        except FloatingPointError as error:
            raise UserError(
                f"the training diverged ({error}): lower learning_rate"
            ) from error
        write_fact(path, trained, root)
    return trained, True
