"""Imports between rooms: no cycle, none upwards, and few levels."""

import ast
from functools import cache

import pytest
from support import ROOT

PACKAGES = ("nasbench_adapters", "selectors", "benchmarks", "reports")
MOST_LEVELS = {"benchmarks": 7, "reports": 7}
"""Levels of rooms. A room stands one level above the highest room that it imports."""
APART = ("perf",)
"""Folders that are no part of the packages."""


def modules():
    """The packages' modules by dotted name, without `archselect`."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            if not set(parts) & set(APART):
                found[".".join(parts)] = path
    return found


MODULES = modules()


@cache
def imports_of(module):
    """The modules that a module imports, also within functions and for types alone."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            source = node.module.removeprefix("archselect.")
            names = [f"{source}.{alias.name}" for alias in node.names]
            found |= {name if name in MODULES else source for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("archselect.") for alias in node.names}
    return frozenset(found & MODULES.keys()) - {module}


def room_of(module):
    """The folder, or the file, of a package that a module is part of."""
    return ".".join(module.split(".")[:2])


def rooms_of(package):
    """The rooms of a package by name, with the other rooms that each imports."""
    rooms = {}
    for module in MODULES:
        if module.startswith(f"{package}."):
            room = rooms.setdefault(room_of(module), set())
            within = (
                one for one in imports_of(module) if one.startswith(f"{package}.")
            )
            room |= {room_of(one) for one in within} - {room_of(module)}
    return rooms


def cycle_in(graph):
    """A list of names that import one another in a circle; empty if there is none."""
    finished = set()

    def visit(name, above):
        if name in above:
            return [*above[above.index(name) :], name]
        if name in finished:
            return []
        for other in sorted(graph[name]):
            if found := visit(other, [*above, name]):
                return found
        finished.add(name)
        return []

    for name in sorted(graph):
        if found := visit(name, []):
            return found
    return []


def levels_of(graph):
    """The level of every room, 1 for one that imports no other."""
    levels = {}

    def level(room):
        if room not in levels:
            levels[room] = 1 + max(map(level, graph[room]), default=0)
        return levels[room]

    for room in graph:
        level(room)
    return levels


def test_a_cycle_is_seen():
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_levels_are_those_of_the_longest_way_down():
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert levels_of(graph) == {"a": 3, "b": 2, "c": 1}


def test_no_modules_import_one_another():
    """Not for types either: a Protocol in the lower module does that."""
    graph = {module: imports_of(module) for module in MODULES}
    assert cycle_in(graph) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_rooms_import_one_another(package):
    assert cycle_in(rooms_of(package)) == []


@pytest.mark.parametrize("package", MOST_LEVELS)
def test_a_package_has_few_levels(package):
    levels = levels_of(rooms_of(package))
    assert len(levels) > 3
    assert max(levels.values()) <= MOST_LEVELS[package]
