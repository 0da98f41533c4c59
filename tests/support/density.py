"""Print how dense the code of the four packages is, against what it may be.

    python tests/support/density.py            # prints the figures
    python tests/support/density.py --check    # exits with 1 if one is above its goal

A dense line does several things at once: it holds many tokens, a comprehension inside
another one, or values that have nothing to do with each other. The goals are those of
model code bases of the field. `tox -e lint` runs the check.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("nasbench_adapters", "selectors", "benchmarks", "reports")
COUNTED = (tokenize.NAME, tokenize.OP, tokenize.NUMBER)
"""Kinds of tokens that count. Texts do not: a long message is not dense code."""
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While),
    *(ast.With, ast.AsyncWith, ast.Try, ast.Match),
)
"""Statements that hold others."""
PARTICLES = frozenset(
    {
        *("a", "an", "the", "what", "whether", "of", "how", "all", "one", "every"),
        *("where", "those", "in", "each", "per", "which", "that", "this", "these"),
        *("its", "on", "from", "same", "no", "nothing", "any", "some", "two"),
        *("within", "without", "with", "so", "for", "as", "only", "also", "another"),
        *("other", "both", "none", "it", "at", "by", "to"),
    }
)
"""First words of a function's docstring that are no verb."""


@dataclass(frozen=True)
class Goal:
    """A figure and what it may be at most."""

    name: str
    most: float


TOKENS = Goal("tokens per line of code", 7.5)
NESTED = Goal("comprehensions within others, per 1,000 lines", 2.0)
TUPLES = Goal("tuples assigned to tuples, per 1,000 lines", 3.0)
OPENINGS = Goal("docstrings of functions without a verb at first, %", 10.0)
LONGEST = Goal("lines of the longest function", 60.0)
DEEPEST = Goal("nesting of the deepest function", 5.0)


@dataclass
class Counts:
    """What is counted in some files.

    Attributes:
        tokens, lines: of code.
        nested: comprehensions that hold another one, or have two `for`.
        tuples: assignments of a tuple to a tuple, as in `a, b = 1, 2`.
        docstrings: first words of the functions' docstrings.
        lengths: lines by function.
        depths: nesting of statements by function.
    """

    tokens: int = 0
    lines: int = 0
    nested: int = 0
    tuples: int = 0
    docstrings: list[str] = field(default_factory=list)
    lengths: dict[str, int] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        """Add what a file holds."""
        source = path.read_text(encoding="utf-8")
        self._add_tokens(source)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, COMPREHENSIONS):
                self.nested += is_nested(node)
            elif isinstance(node, ast.Assign):
                self.tuples += assigns_tuple(node)
            elif isinstance(node, FUNCTIONS):
                self._add_function(path, node)

    def _add_tokens(self, source: str) -> None:
        lines = set()
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in COUNTED:
                self.tokens += 1
                lines.add(token.start[0])
        self.lines += len(lines)

    def _add_function(
        self, path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef
    ) -> None:
        name = f"{path}:{node.lineno} {node.name}"
        self.lengths[name] = (node.end_lineno or node.lineno) - node.lineno + 1
        self.depths[name] = depth_of(node)
        words = (ast.get_docstring(node) or "").split()
        if words:
            self.docstrings.append(words[0])

    def figures(self) -> dict[Goal, float]:
        """Return every figure by its goal."""
        thousands = self.lines / 1000
        without_verb = sum(is_particle(word) for word in self.docstrings)
        return {
            TOKENS: self.tokens / self.lines,
            NESTED: self.nested / thousands,
            TUPLES: self.tuples / thousands,
            OPENINGS: 100 * without_verb / len(self.docstrings),
            LONGEST: max(self.lengths.values()),
            DEEPEST: max(self.depths.values()),
        }


def is_nested(node: ast.AST) -> bool:
    """Return whether a comprehension holds another one, or has two `for`."""
    inside = (child for child in ast.walk(node) if child is not node)
    if any(isinstance(child, COMPREHENSIONS) for child in inside):
        return True
    return len(getattr(node, "generators", ())) > 1


def assigns_tuple(node: ast.Assign) -> bool:
    """Return whether an assignment is one of a tuple to a tuple."""
    return isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)


def depth_of(node: ast.AST) -> int:
    """Return how many statements hold one another at most; `elif` is no further one."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS):
            continue
        further = isinstance(child, BLOCKS) and not is_elif(node, child)
        deepest = max(deepest, further + depth_of(child))
    return deepest


def is_elif(parent: ast.AST, child: ast.AST) -> bool:
    """Return whether a statement is the `elif`, or the lone `if` below `else`, of another."""
    if not (isinstance(parent, ast.If) and isinstance(child, ast.If)):
        return False
    return parent.orelse == [child]


def is_particle(word: str) -> bool:
    """Return whether a docstring's first word is one of those that are no verbs."""
    return word.strip("`.,:").lower() in PARTICLES


def files(root: Path) -> Iterator[Path]:
    """Yield the Python files of the four packages."""
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


def count(root: Path) -> Counts:
    """Return what the four packages of a checkout hold."""
    counts = Counts()
    for path in files(root):
        counts.add(path)
    return counts


def main() -> int:
    """Print the figures. Return 1 if they are checked and one is above its goal."""
    parser = argparse.ArgumentParser(description="How dense is the code?")
    parser.add_argument("--check", action="store_true", help="fail above a goal")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT)
    options = parser.parse_args()
    counts = count(options.root)
    missed = False
    for goal, value in counts.figures().items():
        above = value > goal.most
        missed |= above
        print(f"{goal.name}: {value:.1f} (at most {goal.most:g}){' ABOVE' * above}")
    print(f"longest: {max(counts.lengths, key=counts.lengths.__getitem__)}")
    print(f"deepest: {max(counts.depths, key=counts.depths.__getitem__)}")
    return int(missed and options.check)


if __name__ == "__main__":
    sys.exit(main())
