"""Commands for those who write a selector: new-selector, check."""

from __future__ import annotations

import keyword
from pathlib import Path
from typing import Annotated

import typer

from archselect.benchmarks.cli.app import print_table, progress, say
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.foreign_text import one_line


def new_selector(
    path: Annotated[
        Path, typer.Argument(help="The Python file to write, such as my_selector.py.")
    ],
) -> None:
    """Write a selector of your own to start from: a commented example that works as it is."""
    from archselect.nasbench_adapters.atomic_files import write_new
    from archselect.selectors import example

    if (
        path.suffix != ".py"
        or not path.stem.isidentifier()
        or keyword.iskeyword(path.stem)
    ):
        raise UserError(
            f"{path} is no name of a Python module: name it like my_selector.py"
        )
    words = path.stem.strip("_").split("_")
    name, kind = (
        "-".join(words),
        "".join(word[:1].upper() + word[1:] for word in words if word),
    )
    text = Path(example.__file__).read_text(encoding="utf-8")
    for old, new in (
        ("my_selector.py", path.name),
        ("MySelector", kind),
        ("my-selector", name),
    ):
        text = text.replace(old, new)
    write_new(path, text.encode())
    for line in (
        f"{path}: what it does is in its method select. Now:",
        f"  archselect check {path}:{kind}",
        f"  archselect run quickstart --selector {path}:{kind}",
    ):
        say(line)


def check(
    selector: Annotated[
        str,
        typer.Argument(
            help="A built-in selector, or a class of your own: FILE.py:CLASS."
        ),
    ],
    space: Annotated[
        list[str] | None,
        typer.Option(help="Only this space; can be given several times. Default: all."),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this device: cpu or cuda. Default: one of each kind here."
        ),
    ] = None,
) -> None:
    """Check a selector on small supernets of every space, and print what to mend.

    The exit code is 1 if a check failed.

    Your own file is executed.
    """
    from archselect.benchmarks.conformance.checks import CHECKS, check_selector, name_of
    from archselect.selectors.registry import get_selector

    kind = get_selector(selector)
    with progress("checking") as bar:

        def show(stage: str, done: int, total: int) -> None:
            bar.update(bar.task_ids[0], description=stage, completed=done, total=total)

        found = check_selector(kind, space or (), device or (), show)
    places = list(found.seconds)
    several = len({device for _, device in places}) > 1
    marks = {True: "ok", False: "fails", None: "not reached"}
    results = {(f.check, f.space, f.device): f for f in found.findings}
    rows = [
        [name_of(c), *(marks[results[name_of(c), *place].passed] for place in places)]
        for c in CHECKS
    ]
    rows.append(["seconds", *(f"{found.seconds[place]:.1f}" for place in places)])
    columns = [f"{name} {device}" if several else name for name, device in places]
    print_table(f"checks of {found.selector}", ["check", *columns], rows)
    for one in CHECKS:
        failed = [
            f for f in found.findings if f.check == name_of(one) and f.passed is False
        ]
        if failed:
            say(one_line(f"{name_of(one)}: {one.__doc__}"))
        where: dict[str, list[str]] = {}
        for finding in failed:
            for mend in finding.mends:
                where.setdefault(mend, []).append(
                    f"{finding.space} {finding.device}" if several else finding.space
                )
        for mend, names in where.items():
            say(f"  {', '.join(names)}: {one_line(mend)}")
    if not found.passed:
        raise typer.Exit(1)
