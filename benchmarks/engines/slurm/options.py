"""The settings of the engine, and the batch script that they make."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archselect.nasbench_adapters.errors import Faults, UserError
from archselect.nasbench_adapters.input_files import expand

BARRED = (
    "array",
    "clusters",
    "error",
    "output",
    "parsable",
    "quiet",
    "test-only",
    "wait",
    "wrap",
)
"""Options of sbatch that the engine gives itself, or that would hide jobs from it."""
DEFAULTS = {"cpus-per-task": 1, "open-mode": "append"}
JOB = "archselect.benchmarks.engines.slurm.job"
"""The module that a job runs."""


@dataclass(frozen=True)
class Options:
    """How jobs are submitted.

    Attributes:
        folder: that all nodes share.
        job_name: what the names of jobs begin with.
        lines: sbatch's options, each as it stands in a script.
        setup: commands that a job runs first.
        parallel: how many jobs of an array run at once at most; None for as many as
            Slurm starts.
    """

    folder: Path
    job_name: str
    lines: tuple[str, ...]
    setup: tuple[str, ...]
    parallel: int | None

    def script(self, name: str, jobs: int, log: str, arguments: list[str]) -> str:
        """Return the batch script of an array, or of a single job.

        Args:
            name: of the jobs.
            jobs: how many; a single one is no array, because a Slurm may be set up
                without arrays.
            log: the file that a job writes to; %a stands for its number in the array.
            arguments: of the job's program; the number in the array is added.
        """
        lines = [
            f"--job-name={shlex.quote(name)}",
            f"--output={shlex.quote(log)}",
            *self.lines,
        ]
        number = "0"
        if jobs > 1:
            limit = "" if self.parallel is None else f"%{self.parallel}"
            lines.insert(0, f"--array=0-{jobs - 1}{limit}")
            number = '"$SLURM_ARRAY_TASK_ID"'
        # With -P, files of the folder in which the command is typed do not hide
        # modules.
        program = shlex.join([sys.executable, "-P", "-u", "-m", JOB, *arguments])
        head = ["#!/bin/bash", *(f"#SBATCH {line}" for line in lines)]
        return "\n".join([*head, *self.setup, f"exec {program} {number}", ""])


def read_options(settings: dict[str, Any], workers: int | None) -> Options:
    """Return the options that settings make.

    Raises UserError for a setting that cannot be one.
    """
    faults = Faults("engine slurm")
    values = {name.replace("_", "-"): value for name, value in settings.items()}
    folder = Path()
    with faults.collect():
        folder = expand(str(values.pop("folder", "slurm"))).absolute()
    job_name = str(values.pop("job-name", "archselect"))
    setup = values.pop("setup", [])
    commands = [setup] if isinstance(setup, str) else setup
    if not isinstance(commands, list) or not all(
        isinstance(command, str) for command in commands
    ):
        faults.add(
            UserError(f'setting setup is {setup!r}: write ["COMMAND", "COMMAND"]')
        )
        commands = []
    if not {"requeue", "no-requeue"} & values.keys():
        values["requeue"] = True
    lines = []
    for name, value in {**DEFAULTS, **values}.items():
        with faults.collect():
            lines += _lines(name, value)
    for text in (str(folder), job_name):
        if not text.isprintable():
            faults.add(
                UserError(
                    f"{text!r} holds letters that cannot be printed: choose another name"
                )
            )
    faults.raise_any()
    return Options(folder, job_name, tuple(lines), tuple(commands), workers)


def _lines(name: str, value: Any) -> list[str]:
    """Return an option as it stands in a script; none if its value is false.

    Raises UserError if it cannot be one.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", name):
        raise UserError(
            f"setting {name!r} is no option of sbatch: write such as partition, time or gres"
        )
    if name in BARRED:
        raise UserError(f"setting {name} cannot be given here: leave it out")
    if value is False:
        return []
    if value is True:
        return [f"--{name}"]
    if isinstance(value, list | dict) or not str(value).isprintable():
        raise UserError(
            f"setting {name} is {value!r}: write it as sbatch takes it, in one line"
        )
    return [f"--{name}={shlex.quote(str(value))}"]
