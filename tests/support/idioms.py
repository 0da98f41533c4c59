"""Find idioms that make a reader stumble, in the texts of the packages and the docs.

    python tests/support/idioms.py            # prints how often each idiom occurs
    python tests/support/idioms.py --check    # exits with 1 if a banned idiom occurs

The texts are strings, docstrings and comments of Python files, pages of the
documentation, and the studies. Folders in :data:`REWRITTEN` must be free of every idiom.
All folders must be free of those that are banned everywhere. `tox -e lint` runs the check.
To ban another idiom, add it to :data:`IDIOMS`, with words to use instead.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("benchmarks", "package", "nasbench_adapters", "selectors", "reports", "docs")
REWRITTEN = frozenset({"benchmarks", "package"})
"""Folders that are free of all idioms, and must stay so."""
SUFFIXES = (".py", ".md", ".toml")
SKIPPED = ("docs/results/", "docs/notebooks/", "benchmarks/perf/")
"""Folders of generated or archived texts, and of timings."""


@dataclass(frozen=True)
class Idiom:
    """Words that are hard to understand, and what to write instead.

    Attributes:
        pattern: regular expression; a space matches any white space.
        instead: advice for the writer.
        everywhere: whether no folder contains it any more, so that all must stay free.
    """

    pattern: str
    instead: str
    everywhere: bool = False

    @property
    def regex(self) -> re.Pattern[str]:
        """The compiled pattern. Case is ignored."""
        spaced = self.pattern.replace(" ", r"\s+")
        return re.compile(spaced, re.IGNORECASE | re.MULTILINE)


IDIOMS = (
    Idiom(r"\b(is|are|was|were) told\b", "say what it gets", everywhere=True),
    Idiom(r"\bas they come\b", "say in which order", everywhere=True),
    Idiom(r"\bfrom (there|then) on\b", "say after what"),
    Idiom(r"\bcomes? twice\b", "occurs twice"),
    Idiom(r"\bone's own\b", "your own"),
    Idiom(r"\bnobody else's?\b", "say whose it is", everywhere=True),
    Idiom(r"\bgo(es)? on\b", "continue"),
    Idiom(r"\breckon", "compute, expect", everywhere=True),
    Idiom(r"\bof few seeds\b", "from a few seeds", everywhere=True),
    Idiom(r"\bby turns\b", "alternately"),
    Idiom(r"\bwhich there (is|are) not\b", "which does not exist", everywhere=True),
    Idiom(r"\bReturn in words\b", "Return text that says"),
    Idiom(r"\A\s*See :\w+:`[^`]+`\.?\s*\Z", "say what it does, in one line"),
    Idiom(r"\bwhat is done is kept\b", "finished work is kept", everywhere=True),
    Idiom(r"\bhow far (it|a \w+|the \w+) is\b", "progress, status"),
    Idiom(r"\bhand(s|ed)? (it )?on to\b", "pass on to", everywhere=True),
    Idiom(r"\bheld against\b", "compared with"),
    Idiom(r"\btakes? note of\b", "record"),
    Idiom(r"\bis of use\b", "needs, helps", everywhere=True),
    Idiom(
        r"^\x20+\w+(,\x20\w+)*:\x20of (the|a|an|its|all|each|this)\b", "repeat the noun"
    ),
    Idiom(
        r"^\x20+\w+(,\x20\w+)*:\x20that (it|the|a|an|is|are|was)\b", "repeat the noun"
    ),
)
"""The idioms, with advice. The last two are entries of `Args:` without a noun."""


@dataclass(frozen=True)
class Text:
    """A text for readers: its file, its first line and its words."""

    path: Path
    line: int
    words: str


def texts(root: Path, folder: str) -> Iterator[Text]:
    """Yield the texts of all files in a folder of a checkout."""
    for path in sorted((root / folder).rglob("*")):
        place = path.relative_to(root).as_posix()
        if path.suffix in SUFFIXES and not place.startswith(SKIPPED):
            yield from texts_of_file(path)


def texts_of_file(path: Path) -> Iterator[Text]:
    """Yield the texts of a file: of Python, each string and each block of comments."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield Text(path, 1, source)
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text(path, node.lineno, node.value)
    yield from comments(path, source)


def comments(path: Path, source: str) -> Iterator[Text]:
    """Yield the comments of a Python file, consecutive lines as one text."""
    block: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if block and line != last + 1:
            yield Text(path, first, "\n".join(block))
            block = []
        if not block:
            first = line
        block.append(token.string.lstrip("# "))
        last = line
    if block:
        yield Text(path, first, "\n".join(block))


def occurrences(text: Text) -> Iterator[tuple[Idiom, int]]:
    """Yield each idiom in a text, with the line on which it starts."""
    for idiom in IDIOMS:
        for match in re.finditer(idiom.regex, text.words):
            before = text.words[: match.start()]
            yield idiom, text.line + before.count("\n")


def is_banned(idiom: Idiom, folder: str) -> bool:
    """Return whether an idiom must not occur in a folder."""
    return idiom.everywhere or folder in REWRITTEN


def main() -> int:
    """Print the idioms. Return 1 if they are checked and a banned one occurs."""
    parser = argparse.ArgumentParser(description="Which idioms are left?")
    parser.add_argument("--check", action="store_true", help="fail on a banned idiom")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT)
    options = parser.parse_args()
    banned = 0
    left: Counter[tuple[str, str]] = Counter()
    for folder in FOLDERS:
        for text in texts(options.root, folder):
            for idiom, line in occurrences(text):
                if is_banned(idiom, folder):
                    banned += 1
                    place = text.path.relative_to(options.root)
                    print(f"{place}:{line}: {idiom.pattern}: {idiom.instead}")
                else:
                    left[folder, idiom.pattern] += 1
    if not options.check:
        for (folder, pattern), count in sorted(left.items()):
            print(f"{folder}: {count} x {pattern}")
    print(f"{banned} banned idioms")
    return int(bool(banned) and options.check)


if __name__ == "__main__":
    sys.exit(main())
