"""A selector by name: a built-in one, or a class of the user's own Python file (`my_selector.py:MySelector`)."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.selectors.base import Selector
from archselect.selectors.registry import get_selector, registry, usable


def load_selector(text: str) -> type[Selector]:
    """The selector class that a text names.

    Args:
        text: the name of a built-in selector; or the path of a Python file, which is executed, a colon and the name
            of a class in it. The class may be left out where the file has one selector.

    Raises UserError, saying where, if the name is unknown, or the file or the class is no good.
    """
    path, class_name = _split(text)
    if path is None:
        return get_selector(text)
    module = _execute(path)
    found = {
        name: kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, Selector) and kind.__module__ == module.__name__
    }
    if not class_name and len(found) == 1:
        class_name = next(iter(found))
    if not class_name:
        raise UserError(f"{path} has {len(found)} selectors: name one, as {path}:CLASS ({', '.join(found) or 'none'})")
    if class_name not in found and hasattr(module, class_name):
        raise UserError(
            f"{path}: {class_name} is no selector: derive it, there, from archselect.selectors.base.Selector"
        )
    if class_name not in found:
        raise unknown(f"selector in {path}", class_name, found)
    kind = found[class_name]
    try:
        kind.model_rebuild()
    except NameError as error:
        raise UserError(f"{path}: {class_name}: {said(error)}") from error
    try:
        return usable(kind)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def source_of(text: str) -> str | None:
    """Where the selector that a text names comes from: the hash of its file, or package and version.

    None for archselect's own. Raises UserError if there is no such file.
    """
    path, _ = _split(text)
    return registry.source(text) if path is None else f"file {_hash(path)}"


def _hash(path: Path) -> str:
    """16 hexadecimal digits of the SHA-256 of a file's content. Raises UserError if there is no such file."""
    if not path.is_file():
        raise UserError(f"there is no file {path}: name a Python file and a class in it, as my_selector.py:MySelector")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _split(text: str) -> tuple[Path | None, str]:
    """The file and the class that a text names; no file for a built-in selector's name."""
    file, colon, class_name = text.rpartition(":")
    if colon and file.endswith(".py"):
        return Path(file), class_name
    return (Path(text), "") if text.endswith(".py") else (None, "")


def _execute(path: Path) -> ModuleType:
    """The file as a module of its own name, so that two files of one name do not meet."""
    where_it_is = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    # One module for each content, so that a class is the same however often it is asked for.
    name = f"archselect_file_{where_it_is}_{_hash(path)}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path.absolute())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Annotations that are texts are looked up in the module of the class.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserError(f"{where(error, path)}: {said(error)}") from error
    return module


def where(error: BaseException, path: Path) -> str:
    """The file, and the last line of it that an error came from."""
    here = str(path.absolute())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == here]
    if isinstance(error, SyntaxError) and error.filename == here:
        lines.append(error.lineno)
    return f"{path}, line {lines[-1]}" if lines else f"{path}"


def said(error: BaseException) -> str:
    """An error's type and message, in one line."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(message.split())}"
