"""The house rules: which folder may import which, what stays without torch, and the trap of the name `selectors`."""

import ast
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("nasbench_adapters", "selectors", "benchmarks", "reports")
MAY_IMPORT = {
    "nasbench_adapters": {"nasbench_adapters"},
    "selectors": {"nasbench_adapters", "selectors"},
    "benchmarks": {"nasbench_adapters", "selectors", "benchmarks"},
    "reports": {"nasbench_adapters", "benchmarks.store", "reports"},
}
# The command line is the one place where a study ends in its report.
MAY_REPORT = "benchmarks/cli"

WITHOUT_TORCH = (
    "nasbench_adapters.space",
    "nasbench_adapters.spaces",
    "nasbench_adapters.spaces.nb201",
    "nasbench_adapters.errors",
    "nasbench_adapters.seeds",
    "nasbench_adapters.plugins.user_files",
    "nasbench_adapters.truth",
    "nasbench_adapters.graphs",
)
WITHOUT_TORCH_WHOLE = ("reports", "benchmarks/store")
"""Folders without a file that needs torch."""

MODULES = sorted(
    path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py")
)


def python(code, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def dotted(path):
    """archselect.room.module of a file."""
    parts = ["archselect", *path.with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def imports(path):
    """Every name a file imports, also within functions and under conditions, as dotted absolute names."""
    return tuple(_imports(path))


def _imports(path):
    module = dotted(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def test_python_started_in_the_checkout_finds_the_standard_library():
    """A top-level package `selectors` would hide the standard module that these import."""
    result = python("import subprocess, asyncio, selectors; print(selectors.__file__)")
    assert result.returncode == 0, result.stderr
    assert not Path(result.stdout.strip()).is_relative_to(ROOT)
    assert not (ROOT / "selectors" / "__init__.py").exists()


def test_our_selectors_are_found_beside_the_standard_ones():
    code = "import selectors, archselect.selectors as ours\nprint(selectors.__name__, ours.__name__)"
    result = python(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["selectors", "archselect.selectors"]


def test_all_rooms_are_searched():
    assert len(MODULES) > 40
    assert {path.parts[0] for path in MODULES} == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_go_one_way(path):
    allowed = {f"archselect.{name}" for name in MAY_IMPORT[path.parts[0]]}
    if path.is_relative_to(MAY_REPORT):
        allowed |= {"archselect.reports", "archselect.running"}
    for name in imports(path):
        # By their bare names our folders are importable only in the checkout;
        # `selectors` is the standard module.
        assert name.partition(".")[0] not in (
            "nasbench_adapters",
            "benchmarks",
            "reports",
        ), name
        if name.startswith("archselect"):
            assert any(
                name == room or name.startswith(room + ".") for room in allowed
            ), name


HOMES = {
    "rich.console": ("benchmarks/cli/terminal.py",),
    "rich.table": ("benchmarks/cli/terminal.py",),
    "rich.progress": ("benchmarks/cli/terminal.py",),
    "html.escape": ("reports/escaping.py",),
    "xml.sax.saxutils": (),
    "csv.writer": ("reports/tables/render.py", "nasbench_adapters/truth/importing.py"),
    ".legend(": ("reports/figures/canvas.py",),
    "typer.echo(": ("benchmarks/cli/app.py", "benchmarks/cli/comparing.py"),
}
"""What shows text, and the files that may use it: there, text of others is made safe to
show.
"""


@pytest.mark.parametrize("name", HOMES)
def test_text_of_others_is_shown_in_one_place_of_a_kind(name):
    users = []
    for path in MODULES:
        words = [*imports(path), text_of(path)]
        if path.parts[1] != "perf" and any(name in word for word in words):
            users.append(path.as_posix())
    assert set(users) == set(HOMES[name])


def test_rooms_without_torch_stay_so():
    """Imports one after the other and names the first that brings torch along."""
    within = [
        path
        for path in MODULES
        if any(path.is_relative_to(folder) for folder in WITHOUT_TORCH_WHOLE)
    ]
    whole = [dotted(path).removeprefix("archselect.") for path in within]
    code = f"""
import importlib, sys
for module in {[*WITHOUT_TORCH, *whole]}:
    importlib.import_module("archselect." + module)
    if "torch" in sys.modules:
        sys.exit(module + " imports torch")
"""
    result = python(code)
    assert result.returncode == 0, result.stderr


def test_workers_do_not_import_what_they_do_not_need():
    """These take half a second and more, once in every process."""
    code = """
import sys
from collections import defaultdict
import archselect.benchmarks.runs.worker
print([name for name in ("scipy.stats", "sklearn", "matplotlib", "jinja2", "torchvision") if name in sys.modules])
"""
    result = python(code)
    assert result.stdout == "[]\n", result.stderr


def test_no_two_public_classes_have_one_name():
    """A name in an error or in a search of the code then means one thing."""
    places = defaultdict(list)
    for path in MODULES:
        if path.parts[1] == "perf":
            continue
        for node in ast.parse(text_of(path)).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path.as_posix())
    assert len(places) > 200
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
