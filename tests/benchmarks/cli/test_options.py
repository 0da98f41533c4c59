"""Commands whose options are a data class."""

from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Annotated, get_type_hints

import typer
from typer.testing import CliRunner

from archselect.benchmarks.cli.options import as_command


@dataclass(frozen=True)
class Options:
    folder: Annotated[Path, typer.Option()]
    names: Annotated[list[str] | None, typer.Option("--name")] = None
    size: Annotated[int, typer.Option(min=1)] = 3


def show(
    text: Annotated[str, typer.Argument()],
    options: Options,
    files: Annotated[list[Path] | None, typer.Option("--file")] = None,
) -> None:
    """Show what was given."""
    typer.echo(f"{text} {options} {files}")


def test_each_field_is_an_option_in_the_order_of_the_class():
    command = as_command(show)
    names = ["text", "folder", "names", "size", "files"]
    assert list(signature(command).parameters) == names
    hints = get_type_hints(command, include_extras=True)
    assert list(hints) == names
    assert hints["size"] == get_type_hints(Options, include_extras=True)["size"]
    assert signature(command).parameters["size"].default == 3
    assert (command.__name__, command.__doc__) == ("show", "Show what was given.")


def test_the_command_gets_the_options_as_one_object_with_paths_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/of-mine")
    app = typer.Typer()
    app.command()(as_command(show))
    words = ["a", "--folder", "~/x", "--name", "b", "--name", "c", "--file", "~/y"]
    result = CliRunner().invoke(app, words)
    home = Path("/home/of-mine")
    options = Options(home / "x", ["b", "c"], 3)
    assert result.output == f"a {options} {[home / 'y']}\n"
    assert CliRunner().invoke(app, [*words, "--size", "0"]).exit_code == 2
    assert CliRunner().invoke(app, ["a"]).exit_code == 2
