"""Every option of every command with values that nobody means: refused in words, at once, without a trace of Python.

Each command has one fault of its own besides, such as a device that does not exist, so
that nothing ever runs.
"""

import tracemalloc
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from typer.models import ArgumentInfo

from archselect.benchmarks.cli import COMMANDS, COST_COMMANDS, TRUTH_COMMANDS
from archselect.nasbench_adapters.limits import MOST_RUNS

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
DIGITS = "9" * 5_000
NESTED = "[" * 1_500 + "]" * 1_500
LETTERS = "x" * 5_000

BASE = {
    "run": ["small.toml", "--device", "no-device"],
    "status": ["no-folder"],
    "estimate": ["no-study.toml"],
    "report": ["no-folder"],
    "compare": ["no-base", "no-new"],
    "baseline": ["no-folder", "b.json"],
    "merge": ["no-folder", "--out", "m"],
    "site": ["no-folder", "--out", "s"],
    "train": [CELL, "--protocol", "tiny", "--space", "nb201", "--device", "no-device"],
    "score": ["nwot", "--cells", "sample:3", "--device", "no-device"],
    "operation-scores": ["no-file.csv", "--oracle", "x"],
    "new-study": ["not-toml"],
    "new-selector": ["not-python"],
    "check": ["magnitude", "--device", "no-device"],
    "draw": [CELL, "--space", "nb201", "--out", "x.not-svg"],
    "list": ["nothing"],
    "doctor": ["no-such-argument"],
    "truth list": ["no-truth"],
    "truth lookup": [
        CELL,
        "--table",
        "no-truth",
        "--dataset",
        "d",
        "--split",
        "s",
        "--epochs",
        "1",
    ],
    "truth import": ["no-file.csv", "--name", "x"],
    "truth fit": ["no-truth", "--name", "x"],
    "truth build": ["no-table"],
    "cost list": ["no-table"],
    "cost lookup": ["table:no-table/x", CELL],
    "cost import": [
        "no-file.csv",
        "--name",
        "x",
        "--unit",
        "ms",
        "--origin",
        "o",
        "--licence",
        "l",
    ],
    "cost fit": ["additive:no-table/x@100"],
}
"""Words of each command with one fault."""

VALUES = {
    "int": [DIGITS, "-1", "99999999999999999999", "nan", "1e3"],
    "float": ["nan", "inf", "-inf", "-1", "0", DIGITS],
    "Path": [LETTERS, "", "/dev/zero", "~no-such-user/x"],
    "str": [DIGITS, NESTED, LETTERS, "", "１２", "a\nb", f"a={DIGITS}", f"a={NESTED}"],
}
"""By the type of an option: numbers of 5,000 digits, nesting of 1,500, what is not
finite, negative or empty.
"""

MORE = {
    "--seeds": [
        "0-999999999",
        "0-9999999999999999999",
        "5-1",
        "-1",
        "1-",
        "0,0",
        "9" * 20,
        "１-２",
        "0x10",
        "1_000",
    ],
    "--set": [
        "skeleton.channels=999999999",
        "skeleton.cells=-1",
        "skeleton.channels=nan",
        "=1",
        "a",
        "a=1\nb=2",
    ],
    "--engine-set": ["timeout=nan", "a=[", f"{'a.' * 2_000}b=1"],
    "--cells": [
        f"sample:{DIGITS}",
        "sample:１２",
        "sample:-1",
        "sample:9999999",
        "top:nan",
        f"top:{DIGITS}",
        "top:inf",
    ],
    "--data": [f"digits@{DIGITS}", "digits@0", "digits@-1", "digits@１６", "@16"],
    "--device": [f"cuda:{DIGITS}", "cuda:-1", "meta", "cpu:999999999999"],
    "--fail-if": [
        f"accuracy_drop>{DIGITS}",
        "accuracy_drop>nan",
        "accuracy_drop>1e999",
        "accuracy_drop>-1",
    ],
    "--space": [f"minimal:{'0-1=none,' * 3_000}", "nb201:", f"nb201:{LETTERS}"],
    "architecture": [
        "Genotype(" * 1_000,
        f"Genotype(normal={NESTED})",
        "(" * 1_500,
        "|" * 3_000,
        "+" * 3_000,
    ],
    "--name": ["../x", "x/y", ".", "-", "x.npz"],
}
"""For single options and arguments more than their type says."""


@dataclass(frozen=True)
class Parameter:
    """An option, or an argument at a place, of a command, and its type."""

    command: str
    name: str
    kind: str
    place: int | None

    def words(self, value):
        """The command with one value changed; an option may come again, and the last one counts."""
        words = list(BASE[self.command])
        if self.place is None:
            words.append(f"{self.name}={value}")
        else:
            words[self.place] = value
        return [*self.command.split(), *words]


def kind_of(hint):
    """The type of a parameter, of those in VALUES; None for a switch."""
    kinds = {"int": int, "float": float, "Path": Path, "str": str}
    text = str(hint)
    found = [name for name, kind in kinds.items() if kind.__name__ in text]
    return found[0] if found else None


def parameters():
    """Those of every command, as typer makes them of its function."""
    functions = dict(COMMANDS)
    for group, commands in {"truth": TRUTH_COMMANDS, "cost": COST_COMMANDS}.items():
        for name, function in commands.items():
            functions[f"{group} {name}"] = function
    for command, function in functions.items():
        arguments = count()
        for name, hint in get_type_hints(function, include_extras=True).items():
            if name == "return":
                continue
            kind, told = get_args(hint)
            if isinstance(told, ArgumentInfo):
                yield Parameter(command, name, kind_of(kind), next(arguments))
            elif kind_of(kind):
                # Where the name is given, typer takes it for the default at first.
                words = [told.default, *(told.param_decls or ())]
                named = [
                    word
                    for word in words
                    if isinstance(word, str) and word.startswith("--")
                ]
                yield Parameter(
                    command,
                    named[0] if named else f"--{name.replace('_', '-')}",
                    kind_of(kind),
                    None,
                )


PARAMETERS = list(parameters())


def test_every_command_is_here():
    assert {parameter.command for parameter in PARAMETERS} == BASE.keys()
    assert len(PARAMETERS) > 80
    assert {parameter.kind for parameter in PARAMETERS} == VALUES.keys()
    assert MORE.keys() <= {parameter.name for parameter in PARAMETERS}


@pytest.mark.parametrize(
    "parameter", PARAMETERS, ids=[f"{own.command} {own.name}" for own in PARAMETERS]
)
def test_values_that_nobody_means(world, archselect, parameter):
    before = sorted(world.folder.rglob("*"))
    for value in VALUES[parameter.kind] + MORE.get(parameter.name, []):
        code, out, err = archselect(*parameter.words(value))
        assert code == 2, (value[:60], out, err)
        assert "Traceback" not in err and len(err) < 6_000, (value[:60], err)
    assert sorted(world.folder.rglob("*")) == before


@pytest.mark.parametrize(
    "seeds", ["0-999999999", "0-9999999999999999999", "0-99999,100000"]
)
def test_seeds_are_counted_before_they_are_listed(refusal, seeds):
    tracemalloc.start()
    try:
        line = refusal("run", "small.toml", "--seeds", seeds)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    assert (
        "seeds, the limit of one command" in line
        or "the largest seed is 9223372036854775807" in line
    )


def test_a_study_of_too_many_runs_is_refused(refusal, world):
    assert f"the study has up to 120,000 runs, more than {MOST_RUNS:,}" in refusal(
        "run", "small.toml", "--seeds", "0-29999"
    )
    seeds = ",".join(map(str, range(40_000)))
    study = world.study(("supernet = [0, 1]", f"supernet = [{seeds}]"))
    assert (
        "split it into several studies, each with some of the seeds, and merge them with 'archselect merge'"
        in refusal("run", study)
    )


STUDY = {
    "a number of 5,000 digits": (
        ("epochs = 1\nb", f"epochs = {DIGITS}\nb"),
        "a number has thousands of digits",
    ),
    "a number of 65 bits": (
        ("epochs = 1\nb", "epochs = 9223372036854775808\nb"),
        "more than 64 bits",
    ),
    "many epochs": (
        ("epochs = 1\nb", "epochs = 999999999\nb"),
        "supernets.0.epochs: Input should be less than or equal",
    ),
    "many images": (
        ("batch_size = 16", "batch_size = 999999999"),
        "batch_size: Input should be less than or equal",
    ),
    "many channels": (
        ("channels = 2", "channels = 99999"),
        "'channels' of nb201 must be at most 4,096, not 99,999",
    ),
    "many cells": (
        ("cells = 1", "cells = 99999"),
        "'cells' of nb201 must be at most 1,000, not 99,999",
    ),
    "many weights": (
        ("channels = 2, cells = 1", "channels = 4096, cells = 1000"),
        "set fewer channels or layers",
    ),
    "many tunings": (
        ("tune_epochs = 1", "tune_epochs = 999999999"),
        "tune_epochs: Input should be less than or equal",
    ),
    "many batches": (
        ("validation_batches = 1", "validation_batches = 999999999"),
        "validation_batches: Input should be",
    ),
    "many iterations": (
        ("iterations = 2", "iterations = 999999999"),
        "iterations: Input should be less than or equal",
    ),
    "nesting": (("limit = 32", f"limit = {NESTED}"), "deeper than 100 levels"),
    "a long path": (("limit = 32", f"{'a.' * 900}a = 1"), "deeper than 100 levels"),
    "not a number": (
        ("epochs = 1\nb", "epochs = nan\nb"),
        "supernets.0.epochs: Input should be a finite number",
    ),
    "infinity": (
        ("epochs = 1\nb", "learning_rate = inf\nb"),
        "learning_rate: Input should be a finite number",
    ),
    "many names": (
        ('on = ["darts"]', f"on = [{'0,' * 2_000}]"),
        "List should have at most 1000 items",
    ),
    "a long name": (
        ('name = "small"', f'name = "{LETTERS}"'),
        "name: String should have at most 100 characters",
    ),
    "no name of a file": (
        ('name = "digits"', 'name = "a\\u0000b.npz"'),
        "cannot be the name of a file",
    ),
}


@pytest.mark.parametrize("kind", STUDY)
def test_a_study_that_would_take_terabytes(refusal, world, kind):
    replacement, message = STUDY[kind]
    assert message in refusal(
        "run", world.study(replacement), "--out", "out", "--device", "cpu"
    )
    assert not (world.folder / "out").exists()


def test_a_study_of_many_faults_names_the_first(archselect, world):
    spaces = '[[spaces]]\nname = "none"\n' * 200
    (world.folder / "small.toml").write_text(
        spaces + world.text.replace("[[spaces]]", "[[spaces]]\nx = 1")
    )
    code, _, err = archselect("run", "small.toml", "--device", "cpu")
    assert code == 2 and len(err.splitlines()) < 60


def test_a_space_too_large_to_list(refusal):
    line = refusal(
        "score", "nwot", "--cells", "all", "--space", "darts", "--device", "cpu"
    )
    assert (
        "darts has 1.1e+18 architectures, too many to list: take a sample instead"
        in line
    )
