"""Commands for authors of studies and selectors: new-study, new-selector, check."""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archselect.benchmarks.cli.terminal import print_table, progress, say
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.foreign_text import one_line

if TYPE_CHECKING:
    from archselect.benchmarks.conformance.checks import Check
    from archselect.benchmarks.conformance.kit import CheckResult, Conformance, Place
    from archselect.selectors.base import Selector

NOT_REACHED = "not reached"
MARKS = {True: "ok", False: "fails", None: NOT_REACHED}
"""What a table shows for a check that passed, failed, or was not reached."""


def new_study(
    path: Annotated[
        Path, typer.Argument(help="The TOML file to write, such as my_study.toml.")
    ],
    source: Annotated[
        str,
        typer.Option("--from", help="The built-in study to copy."),
    ] = "quickstart",
) -> None:
    """Write a new study to start from: a copy of a built-in study."""
    from archselect.benchmarks.plan.study_files import built_in_studies
    from archselect.nasbench_adapters.atomic_files import write_new

    studies = built_in_studies()
    if source not in studies:
        raise unknown("study", source, studies)
    if path.suffix != ".toml":
        raise UserError(
            f"{path} does not end in .toml: choose a name such as my_study.toml"
        )
    text = studies[source].read_text(encoding="utf-8")
    named = text.replace(f'name = "{source}"', f"name = {json.dumps(path.stem)}", 1)
    write_new(path, named.encode())
    say(f"Wrote {path}, a copy of {source}. Edit it, then run:")
    say(f"  archselect estimate {path}")
    say(f"  archselect run {path}")


def new_selector(
    path: Annotated[
        Path, typer.Argument(help="The Python file to write, such as my_selector.py.")
    ],
) -> None:
    """Write a new selector to start from: a commented example that works."""
    from archselect.nasbench_adapters.atomic_files import write_new
    from archselect.selectors import example

    if not _names_module(path):
        raise UserError(
            f"{path} is not a valid name of a Python module: choose a name such as my_selector.py"
        )
    words = path.stem.strip("_").split("_")
    kind = "".join(word[:1].upper() + word[1:] for word in words)
    text = Path(example.__file__).read_text(encoding="utf-8")
    text = text.replace("my_selector.py", path.name)
    text = text.replace("MySelector", kind)
    text = text.replace("my-selector", "-".join(words))
    write_new(path, text.encode())
    say(f"Wrote {path}. Edit its method select, then run:")
    say(f"  archselect check {path}:{kind}")
    say(f"  archselect run quickstart --selector {path}:{kind}")


def _names_module(path: Path) -> bool:
    """Return whether Python can import a file with this name."""
    if path.suffix != ".py":
        return False
    return path.stem.isidentifier() and not keyword.iskeyword(path.stem)


def check(
    selector: Annotated[
        str,
        typer.Argument(help="A built-in selector, or your own class as FILE.py:CLASS."),
    ],
    space: Annotated[
        list[str] | None,
        typer.Option(help="Check only on this search space. Repeatable. Default: all."),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="Check only on this device: cpu or cuda. Repeatable. Default: every kind that this machine has."
        ),
    ] = None,
) -> None:
    """Check a selector on small supernets of every search space, and print what to fix.

    Each row of the table is one check. Below the table stands what each check requires,
    or, if some failed, what those require. The exit code is 1 if a check failed.

    Your own file is executed.
    """
    from archselect.benchmarks.conformance.kit import check_selector
    from archselect.selectors.registry import get_selector

    kind = get_selector(selector)
    with progress("checking") as bar:

        def show(stage: str, done: int, total: int) -> None:
            bar.update(bar.task_ids[0], description=stage, completed=done, total=total)

        conformance = check_selector(kind, space or (), device or (), show)
    _print_results(conformance)
    lines = _rules() if conformance.passed else _advice(conformance)
    for line in lines:
        say(line)
    if conformance.skipped:
        say(_describe_skipped(conformance.skipped, kind))
    if not conformance.passed:
        raise typer.Exit(1)


def _describe_skipped(spaces: Sequence[str], kind: type[Selector]) -> str:
    """Return a sentence that names the spaces without a check, and says why."""
    listed = ", ".join(spaces)
    return f"Not checked on {listed}: selector {kind.name} needs a supernet, and these spaces have none."


def _print_results(conformance: Conformance) -> None:
    """Print a table of checks by space and device, and the checks not reached."""
    from archselect.benchmarks.conformance.checks import CHECKS, finishes, name_of

    names = _place_names(conformance)
    marks_of = {
        (result.check, result.place): MARKS[result.passed]
        for result in conformance.results
    }
    rows = []
    unreached = []
    for one in CHECKS:
        check_name = name_of(one)
        marks = [marks_of[check_name, place] for place in names]
        if set(marks) == {NOT_REACHED}:
            unreached.append(check_name)
        else:
            rows.append([check_name, *marks])
    seconds = [f"{conformance.seconds[place]:.1f}" for place in names]
    rows.append(["seconds", *seconds])
    print_table(f"checks of {conformance.selector}", ["check", *names.values()], rows)
    if unreached:
        needed = name_of(finishes)
        say(f"{NOT_REACHED}: {', '.join(unreached)} (they need `{needed}`)")


def _place_names(conformance: Conformance) -> dict[Place, str]:
    """Return the heading of each place: only the space if there is one device."""
    places = list(conformance.seconds)
    if len({place.device for place in places}) > 1:
        return {place: f"{place.space} {place.device}" for place in places}
    return {place: place.space for place in places}


def _rules() -> Iterator[str]:
    """Yield what each check requires."""
    from archselect.benchmarks.conformance.checks import CHECKS

    yield "What each check requires:"
    for one in CHECKS:
        yield f"  {_rule(one)}"


def _advice(conformance: Conformance) -> Iterator[str]:
    """Yield what each failed check requires, and what to fix on which space."""
    from archselect.benchmarks.conformance.checks import CHECKS, name_of

    for one in CHECKS:
        failed = [
            result
            for result in conformance.results
            if result.check == name_of(one) and result.passed is False
        ]
        if failed:
            yield _rule(one)
            yield from _advice_by_place(failed, _place_names(conformance))


def _rule(check: Check) -> str:
    """Return the name of a check, and what the check requires."""
    from archselect.benchmarks.conformance.checks import RULES, name_of

    return f"{name_of(check)}: {RULES[check]}"


def _advice_by_place(
    results: list[CheckResult], names: dict[Place, str]
) -> Iterator[str]:
    """Yield each piece of advice once, after the places it applies to."""
    places: dict[str, list[str]] = {}
    for result in results:
        name = names[result.place]
        for advice in result.advice:
            places.setdefault(advice, []).append(name)
    for advice, where in places.items():
        yield f"  {', '.join(where)}: {one_line(advice)}"
