"""The tutorials, executed: files are saved, commands run, and what is printed is what the page says.

A block of `console` holds commands after "$ " and what they print; "..." stands for any
lines, or for the rest of one, and measured accuracies need only be near those of the
page. A command of ours alone runs in this process; a line that makes use of a shell has
one. Blocks of `python` and `toml` are saved under the name that the text before them
gives ("Save it as `NAME`"), those of `toml append` are added to it; others are for
reading.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
BLOCK = re.compile(r"^```(\S+)( \w+)?\n(.*?)^```$", re.M | re.S)


MEASURED = re.compile(r"-?\d+\.\d+(?= (?:%|points))")
"""An accuracy, or a difference of accuracies: on another processor a search may choose
another cell.
"""
TOLERANCE = 2.0
"""By how many points a measured number may differ from the page's."""


def steps(text):
    """(kind, content, file's name) of every block that is to be executed, in order."""
    name = None
    for block in BLOCK.finditer(text):
        kind, how, content = block[1], (block[2] or "").strip(), block[3]
        if kind in ("python", "toml") and how != "ignore":
            named = re.findall(
                r"`(\w+\.(?:py|toml))`",
                text[: block.start()].rstrip().rpartition("\n\n")[2],
            )
            name = named[-1]
            yield how or "save", content, name
        elif kind == "console":
            yield "run", content, None


def commands(content):
    """(command, lines that it prints) of a console block."""
    for part in re.split(r"^\$ ", content, flags=re.M)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed.splitlines()


def ours(command):
    """The arguments of a command of ours that needs no shell, or None."""
    return (
        shlex.split(command)[1:]
        if re.fullmatch(r"archselect( [^;|&<>$`*]*)?", command)
        else None
    )


def plain(line):
    return " ".join(line.split())


def pattern(line):
    """Return the regular expression of an expected line, with a group for each measured number."""
    texts = MEASURED.split(plain(line))
    escaped = [
        re.escape(text).replace(r"\.\.\.", ".*").replace(r"\ ", " ?") for text in texts
    ]
    return re.compile(r"(-?\d+\.\d+)".join(escaped))


def agrees(expected, printed):
    """Whether a printed line is the expected one, measured numbers within their tolerance."""
    match = pattern(expected).match(printed)
    if match is None:
        return False
    stated = [float(number) for number in MEASURED.findall(plain(expected))]
    measured = [float(number) for number in match.groups()]
    return all(
        abs(one - other) <= TOLERANCE
        for one, other in zip(stated, measured, strict=True)
    )


def missing(expected, printed):
    """The first line that was not printed in its place; None if all were."""
    lines, place, gap = (
        [plain(line) for line in printed.splitlines() if line.strip()],
        0,
        False,
    )
    for line in filter(str.strip, expected):
        if line.strip() == "...":
            gap = True
            continue
        places = range(place, len(lines) if gap else min(place + 1, len(lines)))
        matching = next((i for i in places if agrees(line, lines[i])), None)
        if matching is None:
            return line
        place, gap = matching + 1, False
    return None


@pytest.mark.slow
@pytest.mark.skipif(
    not (SCRIPTS / "archselect").is_file(), reason="the package is not installed"
)
@pytest.mark.parametrize(
    "page",
    sorted((ROOT / "docs" / "tutorials").glob("*.md")),
    ids=lambda page: page.stem,
)
def test_it_does_what_it_says(page, archselect, inline, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("PATH", f"{SCRIPTS}:{os.environ['PATH']}")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    ran = 0
    for how, content, name in steps(page.read_text(encoding="utf-8")):
        if how != "run":
            path = tmp_path / name
            before = path.read_text(encoding="utf-8") + "\n" if how == "append" else ""
            path.write_text(before + content, encoding="utf-8")
            continue
        for command, expected in commands(content):
            if (arguments := ours(command)) is not None:
                code, out, err = archselect(*arguments)
            else:
                options = {"capture_output": True, "text": True, "timeout": 1200}
                done = subprocess.run(["bash", "-c", command], check=False, **options)
                code, out, err = done.returncode, done.stdout, done.stderr
            assert code == 0, f"{command}\n{out}\n{err}"
            lost = missing(expected, out)
            assert lost is None, (
                f"$ {command}\nprinted\n{out}\nand not, in its place,\n{lost}"
            )
            ran += 1
    assert ran >= 5


def test_a_line_that_is_not_printed_is_found_out():
    printed = "one\ntwo 2 two\n\nthree\n"
    assert missing(["one", "two ... two", "three"], printed) is None
    assert missing(["...", "three"], printed) is None
    assert missing(["one", "three"], printed) == "three"
    assert missing(["...", "two 3 ..."], printed) == "two 3 ..."
    assert missing(["three", "...", "one"], printed) == "three"


def test_measured_numbers_have_a_tolerance_and_others_have_none():
    printed = "a selects the best cells: 94.01 %, 2.68 points below; gate accuracy_drop>0.5%, 3.25 seconds\n"
    assert (
        missing(
            [
                "a selects the best cells: 93.20 %, 3.49 points below; gate accuracy_drop>0.5%, ..."
            ],
            printed,
        )
        is None
    )
    for wrong in (
        "a selects the best cells: 91.90 %, ...",
        "... gate accuracy_drop>0.6%, ...",
        "... 3.24 seconds",
    ):
        assert missing([wrong], printed) == wrong
