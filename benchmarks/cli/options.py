"""Options that several commands share, and commands whose options are a data class.

A command with many options takes one data-class object. :func:`as_command` turns it
into a function with one parameter per option, which Typer can read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from archselect.nasbench_adapters.input_files import expand
from archselect.nasbench_adapters.limits import MOST_WORKERS

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the image data sets. Default: the user's data folder."
    ),
]
Device = Annotated[str, typer.Option(help="Device: auto, cpu, cuda or cuda:NUMBER.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_WORKERS,
        help="Number of processes. Default: one per core or per GPU.",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help="Where the work runs: local (processes on this machine), slurm or dask."
    ),
]
EngineSet = Annotated[
    list[str] | None,
    typer.Option(
        help="A setting of the engine as NAME=VALUE, for example partition=gpu. Repeatable."
    ),
]
RerunOtherCode = Annotated[
    bool,
    typer.Option(
        "--rerun-other-code",
        help="Repeat work that another commit of archselect did, and all work based on it. Default: keep it.",
    ),
]
StudyName = Annotated[
    str,
    typer.Argument(
        help="A built-in study ('archselect list studies'), or a TOML file."
    ),
]
ArchitectureText = Annotated[
    str,
    typer.Argument(
        help="The architecture in the text form of its search space, in quotes."
    ),
]
RunFolder = Annotated[
    Path, typer.Argument(help="A folder that 'archselect run' wrote.")
]


def as_command(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command that Typer can read.

    The command has the parameters of the function. A parameter whose type is a data
    class becomes one parameter per field. `~` in a path becomes the home folder.
    """
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Callable[..., Any]] = {}
    for parameter in _parameters_of(function):
        kind: Any = parameter.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            groups[parameter.name] = kind
            parameters += _parameters_of(kind)
        else:
            parameters.append(parameter)

    def command(**arguments: Any) -> None:
        given = {name: _expanded(value) for name, value in arguments.items()}
        for name, group in groups.items():
            fields = [parameter.name for parameter in _parameters_of(group)]
            given[name] = group(**{field: given.pop(field) for field in fields})
        function(**given)

    command.__name__ = function.__name__
    command.__doc__ = function.__doc__
    command.__module__ = function.__module__
    command.__annotations__ = {
        parameter.name: parameter.annotation for parameter in parameters
    }
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _parameters_of(callable: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters of a function or data class, with evaluated types."""
    hints = get_type_hints(callable, include_extras=True)
    return [
        parameter.replace(
            annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY
        )
        for parameter in inspect.signature(callable).parameters.values()
    ]


def _expanded(value: Any) -> Any:
    """Return a value with `~` expanded in each path."""
    if isinstance(value, list):
        return [_expanded(part) for part in value]
    return expand(value) if isinstance(value, Path) else value
