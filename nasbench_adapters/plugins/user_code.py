"""The code of a user's Python file and of what it imports from its folder.

The code is read once, hashed, and run from memory. The file and its siblings become
modules of a separate package, whose name contains the hash of their content. So two
files can each have a sibling `helpers.py`, an edited file is a new module, and no other
code can import them. In the code, `import helpers` is compiled as an import from that
package. This file does not import torch.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, NamespaceLoader
from pathlib import Path
from types import ModuleType

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import (
    check_python,
    read_bytes,
    unreadable,
)
from archselect.nasbench_adapters.limits import MOST_CODE_BYTES

PREFIX = "archselect_file_"
"""The start of the names of all modules of users' files."""


@dataclass(frozen=True)
class SourceModule:
    """The source of a module.

    Attributes:
        file: The module's file, or its folder if that has no `__init__.py`.
        content: Bytes of the file.
        is_package: Whether the module is a package.
    """

    file: Path
    content: bytes
    is_package: bool


@dataclass(frozen=True)
class UserCode:
    """A user's file with all that it imports from its folder.

    Attributes:
        path: Path of the user's file.
        main: Name of the user's file among the modules.
        modules: Modules by their names in imports ("helpers", "package.part").
        siblings: Names in import statements that are modules of this code.
    """

    path: Path
    main: str
    modules: Mapping[str, SourceModule]
    siblings: frozenset[str]

    @property
    def hash(self) -> str:
        """Hash of the file and its siblings, 16 hexadecimal digits."""
        if len(self.modules) == 1:
            return _short_hash(self.modules[self.main].content)
        lines = []
        for name, module in sorted(self.modules.items()):
            content_hash = hashlib.sha256(module.content).hexdigest()
            lines.append(f"{name}\n{content_hash}\n")
        return _short_hash("".join(lines).encode())

    @property
    def package(self) -> str:
        """Name of the modules' package, from the file's location and the hash."""
        place = str(self.path.resolve()).encode(errors="surrogateescape")
        return f"{PREFIX}{_short_hash(place)}_{self.hash}"

    def load(self) -> ModuleType:
        """Return the file as a module, and run it the first time.

        Raises any error that the file raises.
        """
        package = self.package
        full_name = f"{package}.{self.main}"
        if full_name in sys.modules:
            return sys.modules[full_name]
        _LOADED[package] = self
        try:
            return importlib.import_module(full_name)
        except BaseException:
            for name in list(sys.modules):
                if name.partition(".")[0] == package:
                    del sys.modules[name]
            del _LOADED[package]
            raise


def _short_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def find_loaded_code(kind: type) -> UserCode | None:
    """Return the user's code of a class; None for a class of an installed package."""
    return _LOADED.get(kind.__module__.partition(".")[0])


def read_code(path: Path) -> UserCode:
    """Return a Python file with all that it imports from its folder; nothing is run.

    Raises UserError if a file cannot be read or is not text, or if a sibling has the
    name of another module that Python can import.
    """
    main = path.stem.replace(".", "-")  # a dot would separate package and module
    modules = {main: SourceModule(path, _read(path), False)}
    siblings: set[str] = set()
    waiting = [main]
    while waiting:
        importer = waiting.pop()
        for wanted in _imports_of(importer, modules[importer], path.parent):
            waiting += _add(modules, wanted.name, path.parent)
            top = wanted.name.partition(".")[0]
            if not wanted.is_absolute or top not in modules:
                continue
            if top != main:
                _check_name(modules[importer].file, top, path.parent)
            if not _elsewhere(top, path.parent):
                siblings.add(top)
    return UserCode(path, main, modules, frozenset(siblings))


def _add(modules: dict[str, SourceModule], wanted: str, folder: Path) -> list[str]:
    """Add the module with a dotted name and its packages, if they exist.

    Returns the names of the added modules.
    """
    new = []
    for name in _with_parents(wanted):
        if name in modules:
            continue
        module = _find(folder, name)
        if module is None:
            break
        modules[name] = module
        new.append(name)
    return new


def _read(path: Path) -> bytes:
    try:
        content = read_bytes(path, MOST_CODE_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error
    check_python(path, content)
    return content


def _find(folder: Path, name: str) -> SourceModule | None:
    """Return the module of a dotted name below a folder, None if there is none."""
    place = folder.joinpath(*name.split("."))
    if (place / "__init__.py").is_file():
        return SourceModule(place / "__init__.py", _read(place / "__init__.py"), True)
    file = place.with_name(f"{place.name}.py")
    if file.is_file():
        return SourceModule(file, _read(file), False)
    if place.is_dir() and ("." in name or not _elsewhere(name, folder)):
        return SourceModule(place, b"", True)
    return None


def _check_name(importer: Path, name: str, folder: Path) -> None:
    """Raise UserError if Python could import another module with a sibling's name."""
    other = _elsewhere(name, folder)
    if other:
        is_package = (folder / name / "__init__.py").is_file()
        sibling = folder / name if is_package else folder / f"{name}.py"
        raise UserError(
            f"{importer} imports {name}, which can be {sibling} or {other}: rename "
            f"{sibling}"
        )


def _elsewhere(name: str, folder: Path) -> str:
    """Return the place of a module outside a folder, for messages; "" if none."""
    if name in sys.stdlib_module_names:
        return "Python's own module"
    if name == "archselect":
        return "archselect itself"
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ""
    # A folder without __init__.py counts only if there is no file with that name.
    if spec is None or spec.loader is None or isinstance(spec.loader, NamespaceLoader):
        return ""
    file = Path(spec.origin or "")
    is_within = folder.resolve() in file.resolve().parents
    return "" if is_within and not _is_installed(file) else f"{file}"


def _is_installed(file: Path) -> bool:
    """Return whether a file belongs to an installed package.

    A virtual environment may be inside the user's folder.
    """
    return bool({"site-packages", "dist-packages"} & set(file.parts))


def _with_parents(name: str) -> list[str]:
    """Return "a", "a.b" and "a.b.c" for "a.b.c"."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


@dataclass(frozen=True)
class _ImportedName:
    """A module that may be beside the user's file.

    Attributes:
        name: Its dotted name.
        is_absolute: Whether the import has no dots before the name.
    """

    name: str
    is_absolute: bool


def _imports_of(
    name: str, module: SourceModule, folder: Path
) -> Iterator[_ImportedName]:
    """Yield the modules in one module's imports that may be beside the user's file."""
    package = name if module.is_package else name.rpartition(".")[0]
    for statement in _statements(module.content):
        start = _absolute(package, statement.level, statement.module)
        if start is None:
            continue
        is_absolute = statement.level == 0
        if start:
            yield _ImportedName(start, is_absolute)
        parts = statement.names
        if parts == ("*",):
            parts = tuple(_modules_in(folder.joinpath(*start.split("."))))
        for part in parts:
            yield _ImportedName(f"{start}.{part}" if start else part, is_absolute)


def _absolute(package: str, level: int, base: str) -> str | None:
    """Return the full name in an import, "" for the folder itself.

    Returns None if the name lies above the user's folder.
    """
    if level == 0:
        return base
    above = package.split(".") if package else []
    if level - 1 > len(above):
        return None
    kept = above[: len(above) - level + 1]
    return ".".join([*kept, base] if base else kept)


def _modules_in(folder: Path) -> list[str]:
    """Return the names of the modules and packages in a folder, sorted."""
    files = [file.stem for file in folder.glob("*.py") if file.stem != "__init__"]
    packages = [file.parent.name for file in folder.glob("*/__init__.py")]
    return sorted([*files, *packages])


@dataclass(frozen=True)
class _Import:
    """An import statement.

    Attributes:
        level: Dots before the module.
        module: The module.
        names: Names that are imported from it.
    """

    level: int
    module: str
    names: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def _statements(content: bytes) -> Sequence[_Import]:
    """Return all import statements of a module, also those inside functions.

    The result is empty if the module cannot be parsed.
    """
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # Running the file raises the same error, with its line.
        return ()
    imports = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [_Import(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            imports.append(_Import(node.level, node.module or "", names))
    return imports


class _SiblingImports(ast.NodeTransformer):
    """A rewriter of imports: siblings get their names in the user code's package."""

    def __init__(self, package: str, siblings: frozenset[str]) -> None:
        self._package = package
        self._siblings = siblings

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        """Return one statement, or two, for each name."""
        statements: list[ast.stmt] = []
        for alias in node.names:
            top = alias.name.partition(".")[0]
            if top not in self._siblings:
                statements.append(ast.Import([alias]))
                continue
            statements.append(self._import_as(alias.name, alias.asname or top))
            if alias.name != top and not alias.asname:
                # "import a.b" binds the name a, not b.
                statements.append(self._import_as(top, top))
        return [ast.copy_location(statement, node) for statement in statements]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        """Return the statement with the module's full name."""
        if (
            node.level == 0
            and node.module
            and node.module.partition(".")[0] in self._siblings
        ):
            node.module = f"{self._package}.{node.module}"
        return node

    def _import_as(self, name: str, known_as: str) -> ast.Import:
        return ast.Import([ast.alias(f"{self._package}.{name}", known_as)])


class _Loader(Loader):
    """A loader that runs one module of a user's code from memory."""

    def __init__(self, code: UserCode, name: str) -> None:
        self._code = code
        self._name = name

    def exec_module(self, module: ModuleType) -> None:
        """Compile the module's content, with siblings' names redirected, and run it."""
        code = self._code
        source = code.modules[self._name]
        file = str(source.file.absolute())
        tree = ast.parse(source.content, file)
        changed = _SiblingImports(code.package, code.siblings).visit(tree)
        ast.fix_missing_locations(changed)
        program = compile(changed, file, "exec", dont_inherit=True)
        exec(program, vars(module))


class _Finder(MetaPathFinder):
    """A finder of the modules of loaded users' code."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the module of a full name; None if no user's code has it."""
        package, _, name = fullname.partition(".")
        code = _LOADED.get(package)
        if code is None:
            return None
        if not name:
            return ModuleSpec(fullname, None, is_package=True)
        if name not in code.modules:
            return None
        module = code.modules[name]
        file = str(module.file.absolute())
        spec = ModuleSpec(
            fullname, _Loader(code, name), origin=file, is_package=module.is_package
        )
        spec.has_location = True
        return spec


_LOADED: dict[str, UserCode] = {}
"""The code of each package of users' code."""
sys.meta_path.append(_Finder())
