"""The settings of the engine, and the batch script that they define."""

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
"""Options of sbatch that the engine sets itself, or that would hide jobs from it."""
DEFAULTS = {"cpus-per-task": 1, "open-mode": "append"}
JOB = "archselect.benchmarks.engines.slurm.job"
"""The module that a job runs."""


@dataclass(frozen=True)
class Options:
    """How jobs are submitted.

    Attributes:
        folder: folder that all nodes share.
        job_name: prefix of the names of jobs.
        lines: options of sbatch, as lines of a script.
        setup: commands that a job runs first.
        parallel: maximal number of jobs of an array that run at once; None for as many
            as Slurm starts.
    """

    folder: Path
    job_name: str
    lines: tuple[str, ...]
    setup: tuple[str, ...]
    parallel: int | None

    def script(self, name: str, jobs: int, log: str, arguments: list[str]) -> str:
        """Return the batch script of an array, or of a single job.

        Args:
            name: name of the jobs.
            jobs: number of jobs. A single job is no array, because Slurm may be set up
                without arrays.
            log: log file of a job; %a stands for its index in the array.
            arguments: arguments of the job's program; the index in the array is added.
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
        # With -P, files in the current folder of the command do not hide modules.
        program = shlex.join([sys.executable, "-P", "-u", "-m", JOB, *arguments])
        head = ["#!/bin/bash", *(f"#SBATCH {line}" for line in lines)]
        return "\n".join([*head, *self.setup, f"exec {program} {number}", ""])


def read_options(settings: dict[str, Any], workers: int | None) -> Options:
    """Return the options that the settings define.

    Raises UserError for a setting that is not valid.
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
                    f"{text!r} contains characters that cannot be printed: choose another name"
                )
            )
    faults.raise_any()
    return Options(folder, job_name, tuple(lines), tuple(commands), workers)


def _lines(name: str, value: Any) -> list[str]:
    """Return an option as it stands in a script; nothing if its value is false.

    Raises UserError if it is not valid.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", name):
        raise UserError(
            f"setting {name!r} is not an option of sbatch: use names such as partition, time or gres"
        )
    if name in BARRED:
        raise UserError(f"setting {name} is set by archselect: remove it")
    if value is False:
        return []
    if value is True:
        return [f"--{name}"]
    if isinstance(value, list | dict) or not str(value).isprintable():
        raise UserError(
            f"setting {name} is {value!r}: write one line, as sbatch takes it"
        )
    return [f"--{name}={shlex.quote(str(value))}"]
